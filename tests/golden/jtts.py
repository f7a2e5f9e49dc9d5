#!/usr/bin/env python3
"""JTTS written plainly in PyTorch from the equations, with random weights: makes jtts.json.

Weights under our names, a batch of two images with three captions, and for them the losses, the logits of every token
(captions in the order given, padding left out) and the gradients of all weights. Usage: jtts.py > jtts.json (torch
2.11)
"""

import json

import torch
from torch import nn
from torch.nn import functional as F

C, D, A, E, WORD, ATT, V = 6, 4, 3, 2, 3, 5, 9
torch.manual_seed(7)
w = {}


def weight(name, *shape):
    w[name] = torch.empty(shape).uniform_(-0.6, 0.6).requires_grad_()
    return w[name]


def layer(name, into, out, bias=True):
    matrix = weight(f"{name}.weight", out, into)
    shift = weight(f"{name}.bias", out) if bias else 0.0
    return lambda x: x @ matrix.t() + shift


def lstm(name, into):
    wi, wh = weight(f"{name}.weight_ih", 4 * D, into), weight(f"{name}.weight_hh", 4 * D, D)
    bi, bh = weight(f"{name}.bias_ih", 4 * D), weight(f"{name}.bias_hh", 4 * D)

    def step(x, h, c):
        i, f, g, o = (x @ wi.t() + bi + h @ wh.t() + bh).chunk(4, 1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        return torch.sigmoid(o) * torch.tanh(c), c

    return step


def gate(name):
    hidden, semantic = weight(f"{name}.hidden.weight", 2 * D, D), weight(f"{name}.semantic.weight", 2 * D, E)
    shift = weight(f"{name}.semantic.bias", 2 * D)

    def forward(h, fs):
        i = h @ hidden[:D].t() + fs @ semantic[:D].t() + shift[:D]
        g = torch.sigmoid(h @ hidden[D:].t() + fs @ semantic[D:].t() + shift[D:])
        return i * g

    return forward


regions_of, image_of = layer("regions", C, D), layer("image", C, D)
fc = [layer("classifier.fc1", D, 4), layer("classifier.fc2", 4, 3), layer("classifier.fc3", 3, A)]
attributes = weight("attribute_embedding.weight", A, E)
words = weight("embedding.weight", V, WORD)
att_lstm, lang_lstm = lstm("att_lstm", 2 * D + WORD), lstm("lang_lstm", 3 * D)
gate1, gate2, gate_output = gate("gate1"), gate("gate2"), gate("gate_output")
keys_of, query_of = layer("attention.regions", D, ATT), layer("attention.state", D, ATT)
score_of = layer("attention.score", ATT, 1, bias=False)
output_of = layer("output", D, V)

maps = torch.rand(2, C, 2, 2)
captions = [[1, 4, 5, 6, 2], [1, 7, 2], [1, 8, 4, 2]]
images = [0, 0, 1]
targets = torch.tensor([[1.0, 0.0, 1.0], [0.0, 1.0, 0.0]])

grid = maps.flatten(2).transpose(1, 2)
regions, vector = F.relu(regions_of(grid)), F.relu(image_of(grid.mean(1)))
logits_a = fc[2](F.relu(fc[1](F.relu(fc[0](vector)))))
y = torch.sigmoid(logits_a)
fixed = y.detach()
m = 1 / (1 + torch.exp(-100 * (fixed - fixed.max(1, keepdim=True).values + 0.5 * 0.2)))
sampled = m * y + (m - fixed * m)
fs = sampled @ attributes / sampled.sum(1, keepdim=True)

every_logit, cross = [], 0.0
for caption, image in zip(captions, images):
    h1, c1, h2, c2 = (torch.zeros(1, D) for _ in range(4))
    v, vs, f = vector[image : image + 1], regions[image], fs[image : image + 1]
    for token, target in zip(caption, caption[1:]):
        i1, i2 = gate1(h1, f), gate2(h2, f)
        e = F.relu(words[token]).unsqueeze(0)
        h1, c1 = att_lstm(torch.cat([h2, v, e], 1), i1, c1)
        a = torch.stack([score_of(torch.tanh(keys_of(vs[j : j + 1]) + query_of(h1)))[0, 0] for j in range(4)])
        alpha = torch.exp(a) / torch.exp(a).sum()
        attended = sum(alpha[j] * vs[j : j + 1] for j in range(4))
        h2, c2 = lang_lstm(torch.cat([attended, h1, i2], 1), h2, c2)
        logits = output_of(gate_output(h2, f))[0]
        every_logit.append(logits)
        cross = cross - torch.log_softmax(logits, 0)[target]
cross = cross / len(every_logit)
bce = -(targets * torch.log(y) + (1 - targets) * torch.log(1 - y)).mean()
positive = (targets * y).sum(1) / targets.sum(1)
contrast = torch.clamp(((1 - targets) * y).max(1).values - positive + 0.2, min=0).mean()
(cross + bce + contrast).backward()

flat = lambda t: [float(f"{v:.8g}") for v in t.detach().flatten().tolist()]
print(json.dumps({
    "made_by": "jtts.py", "maps": flat(maps), "captions": captions, "images": images, "targets": targets.tolist(),
    "losses": {"cross_entropy": cross.item(), "attributes": bce.item(), "contrast": contrast.item()},
    "logits": [flat(l) for l in every_logit],
    "weights": {k: {"shape": list(t.shape), "values": flat(t), "gradient": flat(t.grad)} for k, t in w.items()},
}))
