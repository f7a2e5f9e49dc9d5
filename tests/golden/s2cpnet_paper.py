"""Writes s2cpnet_paper.json: Eqs. (1)-(8), fusion and decoders of S2CPNet from its text, in numpy and double precision.

    python tests/golden/s2cpnet_paper.py          (numpy)

For tests/s2cpnet_parity.rs. Written from the paper, its gaps filled as the preset `paper` says, without the program: a
small model (64 channels, views of 16, grid 4). Parameters and inputs are formulas of their names, as in s2cpnet.py,
whose captions and nouns are taken.
"""

import json
import math
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
PROGRAM = json.loads((HERE / "s2cpnet.json").read_text())
CHANNELS, WIDTH, HEADS, UNITS, GRID, VOCABULARY = 64, 16, 2, 3, 4, PROGRAM["vocabulary"]
DECODER = 2 * WIDTH
SAMPLES = 64


def unit(name, count):
    """`count` numbers in [-1, 1): SplitMix64 from the FNV-1a hash of the name."""
    key = 0xCBF29CE484222325
    for byte in name.encode():
        key = ((key ^ byte) * 0x100000001B3) % 2**64
    z = np.uint64(key) + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z ^= z >> np.uint64(31)
    return (z >> np.uint64(11)).astype(np.float64) / 2.0**53 * 2.0 - 1.0


def parameter(name, *shape):
    if name.endswith("running_var"):
        centre, scale = 1.0, 0.25
    elif len(shape) > 1:
        centre, scale = 0.0, math.sqrt(6.0 / math.prod(shape[1:]))
    else:
        centre, scale = (1.0, 0.1) if name.endswith("weight") else (0.0, 0.1)
    return (centre + scale * unit(name, math.prod(shape))).astype(np.float32).astype(np.float64).reshape(shape)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def linear(name, x, to, kernel=()):
    weight = parameter(f"{name}.weight", to, x.shape[-1], *kernel).reshape(to, x.shape[-1])
    return x @ weight.T + parameter(f"{name}.bias", to)


def pointwise(name, x, to):
    return linear(name, x, to, (1, 1))


def layer_norm(name, x):
    d = x - x.mean(-1, keepdims=True)
    d = d / np.sqrt((d**2).mean(-1, keepdims=True) + 1e-5)
    return d * parameter(f"{name}.weight", x.shape[-1]) + parameter(f"{name}.bias", x.shape[-1])


def attention(name, q, k, causal=False):
    """[T, D] asks [S, D], head by head."""
    d = q.shape[-1]
    weight, bias = parameter(f"{name}.in_proj_weight", 3 * d, d), parameter(f"{name}.in_proj_bias", 3 * d)
    q, k, v = (x @ weight[i * d : i * d + d].T + bias[i * d : i * d + d] for i, x in enumerate((q, k, k)))
    heads = []
    for h in range(HEADS):
        part = slice(h * d // HEADS, (h + 1) * d // HEADS)
        scores = q[:, part] @ k[:, part].T / math.sqrt(d // HEADS)
        if causal:
            scores[np.triu_indices(len(q), 1)] = -np.inf
        heads.append(softmax(scores) @ v[:, part])
    return linear(f"{name}.out_proj", np.concatenate(heads, -1), d)


def feed_forward(name, x):
    return linear(f"{name}.linear2", np.maximum(linear(f"{name}.linear1", x, 4 * x.shape[-1]), 0), x.shape[-1])


def semantic(x):
    """Eqs. (1)-(2), and the program's 1x1 convolution; [P, C]."""
    name = "sem_enhance.sem_weight"
    squeezed = np.maximum(pointwise(f"{name}.0", x.mean(0), CHANNELS // 16), 0)
    weights = sigmoid(pointwise(f"{name}.2", squeezed, CHANNELS))
    return pointwise("sem_enhance.conv", x * weights, CHANNELS)


def spatial(x):
    """Eqs. (3)-(5); [P, C]."""
    high = x - x.mean(0)
    back, fore = sigmoid(high.min(-1, keepdims=True)), sigmoid(high.max(-1, keepdims=True))
    alpha = parameter("spatial_enhance.alpha", 1)
    return pointwise("spatial_enhance.conv", alpha * fore * x + (1 - alpha) * back * x, CHANNELS)


def positions():
    columns = parameter("encoder_feat.w_embedding.weight", GRID, WIDTH // 2)
    rows = parameter("encoder_feat.h_embedding.weight", GRID, WIDTH // 2)
    return np.array([np.concatenate([columns[at % GRID], rows[at // GRID]]) for at in range(GRID * GRID)])


def cross(name, q, k):
    u = layer_norm(f"{name}.norm1", q + attention(f"{name}.attention", q, k))
    return layer_norm(f"{name}.norm2", u + feed_forward(name, u))


def convolve(name, x, to, size):
    """A square convolution of [H, W, C], zeros around it."""
    weight, bias = parameter(f"{name}.weight", to, x.shape[-1], size, size), parameter(f"{name}.bias", to)
    pad, out = size // 2, np.zeros((GRID, GRID, to))
    padded = np.pad(x, ((pad, pad), (pad, pad), (0, 0)))
    for dy in range(size):
        for dx in range(size):
            out += padded[dy : dy + GRID, dx : dx + GRID] @ weight[:, :, dy, dx].T
    return out + bias


def batch_norm(name, x):
    c = x.shape[-1]
    scaled = (x - parameter(f"{name}.running_mean", c)) / np.sqrt(parameter(f"{name}.running_var", c) + 1e-5)
    return scaled * parameter(f"{name}.weight", c) + parameter(f"{name}.bias", c)


def aggregate(at, x):
    grid = left = x.reshape(GRID, GRID, DECODER)
    for index, (to, size) in enumerate([(WIDTH, 1), (WIDTH, 3), (DECODER, 1)]):
        name = f"encoder_feat.resblock.{at}.left"
        left = batch_norm(f"{name}.{3 * index + 1}", convolve(f"{name}.{3 * index}", left, to, size))
        left = np.maximum(left, 0) if index < 2 else left
    return layer_norm(f"encoder_feat.LN.{at}", np.maximum(left + grid, 0).reshape(-1, DECODER))


def memory(image, mask):
    x1 = pointwise("encoder_feat.projection1", semantic(image), WIDTH) + positions()
    x2 = pointwise("encoder_feat.projection2", spatial(mask), WIDTH) + positions()
    out = 0
    for at in range(UNITS):
        name = f"encoder_feat.transformer.{at}"
        gates = sigmoid(linear(f"{name}.gates", np.concatenate([x1, x2], -1), 2))
        fused = gates[:, :1] * x1 + gates[:, 1:] * x2
        x1, x2 = cross(name, x1, fused), cross(name, x2, fused)
        out = aggregate(at, out + np.concatenate([x1, x2], -1))
    return out


def embedded(table, ids, length):
    words = parameter("decoder.vocab_embedding.weight", VOCABULARY, DECODER)[ids]
    learnt = parameter(f"decoder.{table}.embedding_1D.weight", length, DECODER)[: len(ids)]
    angle = np.arange(len(ids))[:, None] / 10000 ** (np.arange(0, DECODER, 2) / DECODER)
    return words + learnt + np.stack([np.sin(angle), np.cos(angle)], -1).reshape(len(ids), DECODER)


def words(ids, seen):
    """Eq. (6)."""
    name, x = "decoder.transformer1.layers.0", embedded("position_encoding", ids, 27)
    s = layer_norm(f"{name}.norm1", x + attention(f"{name}.self_attn", x, x, causal=True))
    v = attention(f"{name}.multihead_attn", s, seen)
    y = layer_norm(f"{name}.norm1", sigmoid(v) * v) + layer_norm(f"{name}.norm2", sigmoid(s) * s) + s
    y = layer_norm(f"{name}.norm2", y)
    return linear("decoder.wdc", layer_norm(f"{name}.norm3", y + feed_forward(name, y)), VOCABULARY)


def nouns(ids, seen):
    name, x = "decoder.transformer.layers.0", embedded("position_encoding1", ids, 14)
    s = layer_norm(f"{name}.norm1", x + attention(f"{name}.self_attn", x, x, causal=True))
    y = layer_norm(f"{name}.norm2", s + attention(f"{name}.multihead_attn2", s, seen))
    return linear("decoder.wdc1", layer_norm(f"{name}.norm3", y + feed_forward(name, y)), VOCABULARY)


def loss(logits, sequences):
    """Eq. (7), the mean over the words."""
    targets = np.concatenate([ids[1:] for ids in sequences])
    return -np.log(softmax(logits)[np.arange(len(targets)), targets]).mean()


def entry(values):
    flat = values.ravel()
    stride = max(1, flat.size // SAMPLES) | 1
    return {
        "shape": list(values.shape), "norm": float(np.linalg.norm(flat)), "mean": float(flat.mean()), "stride": stride,
        "samples": [float(f"{v:.9g}") for v in flat[::stride]],
    }


def features(name, batch):
    values = unit(name, batch * CHANNELS * GRID * GRID).astype(np.float32).astype(np.float64)
    return np.maximum(values, 0).reshape(batch, CHANNELS, GRID * GRID).transpose(0, 2, 1)


def main():
    captions, noun_lists = PROGRAM["captions"], PROGRAM["nouns"]
    seen = [memory(*pair) for pair in zip(features("image", len(captions)), features("mask", len(captions)))]
    scores = np.concatenate([words(np.array(ids[:-1]), at) for ids, at in zip(captions, seen)])
    noun_scores = np.concatenate([nouns(np.array(ids[:-1]), at) for ids, at in zip(noun_lists, seen)])
    golden = {
        "memory": entry(np.stack(seen)), "logits": entry(scores), "noun_logits": entry(noun_scores),
        "losses": [loss(scores, captions), loss(noun_scores, noun_lists)],
    }
    (HERE / "s2cpnet_paper.json").write_text(json.dumps(golden, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
