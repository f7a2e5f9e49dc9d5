"""Writes attention.json: PyTorch's transformer layers on small random numbers, for tests/cssa_layers.rs.

    python tests/golden/attention.py        (PyTorch 2.x)
"""

import json
import pathlib

import torch
from torch import nn

torch.manual_seed(1)
WIDTH, HEADS, INNER = 8, 2, 12


def rounded(*shape, scale=1.0):
    return (torch.randn(*shape) * scale * 1000).round() / 1000


def entry(tensor):
    tensor = tensor.detach()
    return {"shape": list(tensor.shape), "values": [round(v, 7) for v in tensor.double().flatten().tolist()]}


def filled(layer):
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.copy_(rounded(*parameter.shape, scale=0.4))
    return layer.eval()


def parameters(layer):
    return {name: entry(parameter) for name, parameter in layer.named_parameters()}


golden = {"torch": torch.__version__, "width": WIDTH, "heads": HEADS, "inner": INNER}

# An encoder layer with an additive bias of its own for each head, and the gradients of a weighted sum of its output.
layer = filled(nn.TransformerEncoderLayer(WIDTH, HEADS, INNER, dropout=0.0, batch_first=True))
xs, bias, weights = rounded(3, 5, WIDTH), rounded(HEADS, 5, 5), rounded(3, 5, WIDTH)
xs.requires_grad_()
bias.requires_grad_()
out = layer(xs, src_mask=bias.repeat(3, 1, 1))
(out * weights).sum().backward()
golden["encoder"] = {
    "parameters": parameters(layer),
    "xs": entry(xs), "bias": entry(bias), "weights": entry(weights), "out": entry(out),
    "d_xs": entry(xs.grad), "d_bias": entry(bias.grad),
    "d_in_proj_weight": entry(layer.self_attn.in_proj_weight.grad), "d_linear1": entry(layer.linear1.weight.grad),
}

# A decoder layer: causal, over two memories.
layer = filled(nn.TransformerDecoderLayer(WIDTH, HEADS, INNER, dropout=0.0, batch_first=True))
xs, memory = rounded(2, 4, WIDTH), rounded(2, 6, WIDTH)
out = layer(xs, memory, tgt_mask=nn.Transformer.generate_square_subsequent_mask(4), tgt_is_causal=True)
golden["decoder"] = {"parameters": parameters(layer), "xs": entry(xs), "memory": entry(memory), "out": entry(out)}

path = pathlib.Path(__file__).with_suffix(".json")
path.write_text(json.dumps(golden, indent=None, separators=(",", ":")) + "\n")
