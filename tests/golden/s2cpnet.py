"""Writes s2cpnet.json: what the published S2CPNet program computes, for tests/s2cpnet_parity.rs.

    git clone https://github.com/CVer-Yang/SSCPNet && git -C SSCPNet checkout ea07a9e
    python tests/golden/s2cpnet.py SSCPNet        (PyTorch 2.x, numpy, torchvision, pillow)

Every parameter is the formula of src/models/weights/random.rs of its name, with the name of its module in the program's
training script before it (`sem_enhance`, `spatial_enhance`, `encoder_feat`, `decoder`), so no weights are stored.
Inputs are formulas too. Of each tensor the file holds shape, norm, mean and samples at a fixed stride.

The program runs as it is, but that its decoder layers accept the arguments which later PyTorch versions hand them.
Dropout is off. Outputs are of evaluation mode, losses and gradients of training mode (batch normalisation by the batch)
and double precision.
"""

import json
import sys
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from encoders import parameter, unit

HERE = Path(__file__).parent
SAMPLES = 64
BATCH, VOCABULARY = 2, 40
LENGTHS, NOUNS = [9, 6], [4, 2]  # of the sequences, start and end included


def entry(tensor):
    flat = tensor.detach().double().flatten()
    stride = max(1, flat.numel() // SAMPLES) | 1
    return {
        "shape": list(tensor.shape), "norm": flat.norm().item(), "mean": flat.mean().item(),
        "stride": stride, "samples": [float(f"{v:.9g}") for v in flat[::stride].tolist()],
    }


def features(name, side):
    """Like a ResNet's: half of the values are zero."""
    values = unit(name, BATCH * 2048 * side * side).astype(np.float32).reshape(BATCH, 2048, side, side)
    return torch.from_numpy(values).relu()


def sequences(name, lengths, width):
    """<start> words <end>, padded with 0: start 1, end 2, words from 4 up."""
    words = (unit(name, len(lengths) * width) + 1) / 2 * (VOCABULARY - 4)
    ids = torch.from_numpy(words.astype(np.int64) + 4).reshape(len(lengths), width)
    for row, length in zip(ids, lengths):
        row[0], row[length - 1], row[length:] = 1, 2, 0
    return ids, torch.tensor(lengths).unsqueeze(1)


def accept_later_arguments(layer):
    forward = layer.forward
    layer.forward = lambda self, tgt, memory, tgt_mask=None, **_: forward(self, tgt, memory, tgt_mask)


def main(program):
    sys.path.insert(0, program)
    from model import SSCPNet

    for layer in (SSCPNet.Mesh_TransformerDecoderLayer, SSCPNet.Mesh_TransformerDecoderLayer2):
        accept_later_arguments(layer)
    modules = {
        "sem_enhance": SSCPNet.semantic_att(2048),
        "spatial_enhance": SSCPNet.spatial_att(2048),
        "encoder_feat": SSCPNet.CVFF(2048, 0.0, 14, 14, d_model=512, n_head=8, n_layers=3),
        "decoder": SSCPNet.DecoderTransformer(1024, VOCABULARY, 8, 1, 0.0),
    }
    decoder, fusion = modules["decoder"], modules["encoder_feat"]
    decoder.position_encoding.dropout.p = decoder.position_encoding1.dropout.p = 0.0
    with torch.no_grad():
        for prefix, module in modules.items():
            for name, value in list(module.named_parameters()) + list(module.named_buffers()):
                if not name.endswith(("num_batches_tracked", ".pe")):
                    value.copy_(parameter(f"{prefix}.{name}", value.shape))

    image, mask = features("image", 7), features("mask", 7)
    captions, lengths = sequences("captions", LENGTHS, 27)
    nouns, noun_lengths = sequences("nouns", NOUNS, 14)
    enlarge = torch.nn.AdaptiveAvgPool2d(14)
    golden = {
        "torch": torch.__version__, "batch": BATCH, "vocabulary": VOCABULARY,
        "captions": [row[:n].tolist() for row, n in zip(captions, LENGTHS)],
        "nouns": [row[:n].tolist() for row, n in zip(nouns, NOUNS)],
    }

    def run(image, mask, record):
        """The training script's forward pass; `record` gets every stage, tokens first where the program has them so."""
        semantic = modules["sem_enhance"](enlarge(image))
        spatial = modules["spatial_enhance"](enlarge(mask))
        record("semantic", semantic)
        record("spatial", spatial)
        hooks = [
            unit.register_forward_hook(
                lambda _m, _i, out, at=at: (record(f"unit{at}.0", out[0]), record(f"unit{at}.1", out[1])) and None
            )
            for at, unit in enumerate(fusion.transformer)
        ] + [
            norm.register_forward_hook(lambda _m, _i, out, at=at: record(f"aggregation{at}", out))
            for at, norm in enumerate(fusion.LN)
        ]
        memory = fusion(semantic, spatial)
        for hook in hooks:
            hook.remove()
        scores = decoder(memory, captions, nouns, lengths, noun_lengths)
        logits, targets, noun_logits, noun_targets = scores[0], scores[1], scores[4], scores[5]
        # Both are sorted by falling length, which LENGTHS and NOUNS are already; one row of each real token.
        take = lambda rows, lens: torch.cat([row[: n - 1] for row, n in zip(rows, lens)])
        record("logits", take(logits, LENGTHS))
        record("noun_logits", take(noun_logits, NOUNS))
        loss = F.cross_entropy(take(logits, LENGTHS), take(targets[:, 1:], LENGTHS))
        noun_loss = F.cross_entropy(take(noun_logits, NOUNS), take(noun_targets[:, 1:], NOUNS))
        return loss, noun_loss

    for module in modules.values():
        module.eval()
    stages = {}
    with torch.no_grad():
        losses = run(image, mask, lambda name, value: stages.__setitem__(name, entry(value)))
        # From 8x8, where averaging over 7x7 and enlarging is not the identity.
        stages["semantic8"] = entry(modules["sem_enhance"](enlarge(features("image8", 8))))
        stages["spatial8"] = entry(modules["spatial_enhance"](enlarge(features("mask8", 8))))
    golden["stages"] = stages
    golden["losses"] = [loss.item() for loss in losses]

    spatial = modules["spatial_enhance"]
    spatial(enlarge(features("mask8", 8))).square().mean().backward()
    alpha = entry(spatial.alpha.grad)
    spatial.zero_grad(set_to_none=True)

    # In double precision, for a ReLU whose input is all but zero may fall to either side in single precision, and a
    # gradient passes or not.
    torch.Tensor.float = torch.Tensor.double
    for module in modules.values():
        module.double().train()
    image, mask = image.double().requires_grad_(), mask.double().requires_grad_()
    losses = run(image, mask, lambda *_: None)
    sum(losses).backward()
    golden["training_losses"] = [loss.item() for loss in losses]
    # From 7x7 the two branches of the spatial module are equal, and alpha has no gradient: `alpha8` is from 8x8.
    gradients = {"image": entry(image.grad), "mask": entry(mask.grad), "alpha8": alpha}
    for prefix, names in {
        "sem_enhance": ["conv.weight", "sem_weight.0.weight", "sem_weight.2.bias"],
        "spatial_enhance": ["conv.weight", "alpha"],
        "encoder_feat": [
            "projection1.weight", "projection2.bias", "w_embedding.weight", "h_embedding.weight",
            "transformer.0.attention.in_proj_weight", "transformer.0.linear3.weight", "transformer.1.linear4.weight",
            "transformer.1.linear1.weight", "transformer.2.norm2.weight", "resblock.0.left.3.weight",
            "resblock.2.left.7.weight", "LN.1.weight",
        ],
        "decoder": [
            "vocab_embedding.weight", "wdc.weight", "wdc1.weight", "position_encoding.embedding_1D.weight",
            "position_encoding1.embedding_1D.weight", "transformer1.layers.0.self_attn.in_proj_weight",
            "transformer1.layers.0.multihead_attn.in_proj_weight", "transformer1.layers.0.norm1.weight",
            "transformer1.layers.0.norm2.bias", "transformer1.layers.0.linear2.weight",
            "transformer.layers.0.multihead_attn2.in_proj_weight", "transformer.layers.0.linear1.weight",
        ],
    }.items():
        parameters = dict(modules[prefix].named_parameters())
        for name in names:
            gradients[f"{prefix}.{name}"] = entry(parameters[name].grad)
    golden["gradients"] = gradients
    named = [(f"{prefix}.{name}", p) for prefix, module in modules.items() for name, p in module.named_parameters()]
    unused = [name for name, p in named if p.grad is None]
    golden["without_gradient"] = unused
    golden["running_mean"] = entry(fusion.resblock[1].left[1].running_mean)
    (HERE / "s2cpnet.json").write_text(json.dumps(golden, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
