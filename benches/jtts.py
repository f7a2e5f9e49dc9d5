#!/usr/bin/env python3
"""Training speed of JTTS against the same model in plain PyTorch: same sizes, same captions, in turns, in one run.

The peer is written as one would: padded captions, LSTM cells in a loop over time, torch.optim.RAdam. Prints sequences/s
of both for every repetition, and the median ratio. Ours is `cargo bench --bench jtts`, built and given by its path.
Usage: jtts.py PATH_OF_THE_BENCH DATASET.json [repetitions] [steps]
"""

import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter

import torch
from torch import nn
from torch.nn import functional as F

CHANNELS, ATTRIBUTES, D, E, WORD = 2048, 72, 1000, 200, 100


class Gate(nn.Module):
    def __init__(self):
        super().__init__()
        self.wi, self.wis = nn.Linear(D, D), nn.Linear(E, D, bias=False)
        self.wg, self.wgs = nn.Linear(D, D), nn.Linear(E, D, bias=False)

    def forward(self, h, fs):
        return (self.wi(h) + self.wis(fs)) * torch.sigmoid(self.wg(h) + self.wgs(fs))


class Jtts(nn.Module):
    def __init__(self, vocabulary):
        super().__init__()
        layer = lambda: nn.Sequential(nn.Linear(CHANNELS, D), nn.ReLU(), nn.Dropout(0.5))
        self.regions, self.image = layer(), layer()
        self.classifier = nn.Sequential(
            nn.Linear(D, 1000), nn.ReLU(), nn.Dropout(0.5),
            nn.Linear(1000, 256), nn.ReLU(), nn.Dropout(0.5), nn.Linear(256, ATTRIBUTES))
        self.attributes = nn.Linear(ATTRIBUTES, E, bias=False)
        self.embedding = nn.Sequential(nn.Embedding(vocabulary, WORD), nn.ReLU(), nn.Dropout(0.5))
        self.first, self.second = nn.LSTMCell(2 * D + WORD, D), nn.LSTMCell(3 * D, D)
        self.gates = nn.ModuleList(Gate() for _ in range(3))
        self.keys, self.query, self.score = nn.Linear(D, D), nn.Linear(D, D), nn.Linear(D, 1)
        self.drop, self.output = nn.Dropout(0.5), nn.Linear(D, vocabulary)

    def forward(self, maps, tokens):
        per_image = tokens.shape[0] // maps.shape[0]
        regions, vector = self.regions(maps), self.image(maps.mean(1))
        logits = self.classifier(vector)
        y = torch.sigmoid(logits)
        fixed = y.detach()
        m = torch.sigmoid(100 * (fixed - fixed.max(1, keepdim=True).values + 0.1))
        sampled = m * y + (m - fixed * m)
        fs = self.attributes(sampled) / sampled.sum(1, keepdim=True)
        keys = self.keys(regions)
        repeat = lambda t: t.repeat_interleave(per_image, 0)
        regions, vector, keys, fs = repeat(regions), repeat(vector), repeat(keys), repeat(fs)
        h1, c1, h2, c2 = (tokens.new_zeros(tokens.shape[0], D, dtype=torch.float) for _ in range(4))
        out = []
        for t in range(tokens.shape[1]):
            i1, i2 = self.gates[0](h1, fs), self.gates[1](h2, fs)
            h1, c1 = self.first(torch.cat([h2, vector, self.embedding(tokens[:, t])], 1), (i1, c1))
            weights = self.score(torch.tanh(keys + self.query(h1).unsqueeze(1))).squeeze(-1).softmax(1)
            attended = torch.bmm(weights.unsqueeze(1), regions).squeeze(1)
            h2, c2 = self.second(torch.cat([attended, h1, i2], 1), (h2, c2))
            out.append(self.output(self.drop(self.gates[2](h2, fs))))
        return torch.stack(out, 1), logits, y


def ids(path):
    images = [i for i in json.load(open(path))["images"] if i["split"] == "train"]
    words = [[[w.lower() for w in s["tokens"]] for s in i["sentences"]] for i in images]
    counts = Counter(w for image in words for caption in image for w in caption)
    known = {w: n + 4 for n, w in enumerate(sorted(w for w, c in counts.items() if c > 5))}
    encoded = [[[1] + [known.get(w, 3) for w in c[:20]] + [2] for c in image] for image in words if len(image) == 5]
    random.Random(0).shuffle(encoded)
    return {"vocabulary": len(known) + 4, "attributes": ATTRIBUTES, "channels": CHANNELS, "images": encoded[:100]}


def main():
    bench, path = sys.argv[1:3]
    repetitions = int(sys.argv[3]) if len(sys.argv) > 3 else 3
    steps = int(sys.argv[4]) if len(sys.argv) > 4 else 5
    data = ids(path)
    file = tempfile.NamedTemporaryFile("w", suffix=".json")
    json.dump(data, file)
    file.flush()
    torch.manual_seed(0)
    rng = random.Random(0)
    bank = torch.randn(len(data["images"]), 49, CHANNELS).relu()
    model = Jtts(data["vocabulary"]).train()
    print(f"parameters of the peer: {sum(p.numel() for p in model.parameters()) / 1e6:.2f} M", flush=True)
    optimizer = torch.optim.RAdam(model.parameters(), lr=5e-4)

    def step():
        chosen = [rng.randrange(len(data["images"])) for _ in range(10)]
        captions = [c for i in chosen for c in data["images"][i]]
        padded = nn.utils.rnn.pad_sequence([torch.tensor(c) for c in captions], batch_first=True)
        targets = (torch.rand(10, ATTRIBUTES) < 0.1).float()
        out, logits, y = model(bank[chosen], padded[:, :-1])
        loss = F.cross_entropy(out.flatten(0, 1), padded[:, 1:].flatten(), ignore_index=0)
        loss = loss + F.binary_cross_entropy_with_logits(logits, targets)
        positive = (y * targets).sum(1) / targets.sum(1).clamp(min=1)
        loss = loss + ((y * (1 - targets)).max(1).values - positive + 0.2).clamp(min=0).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.item()

    step(), step()
    ratios = []
    for _ in range(repetitions):
        start = time.perf_counter()
        for _ in range(steps):
            step()
        theirs = 50 * steps / (time.perf_counter() - start)
        command = [bench, "train", file.name, "2", str(steps)]
        ours = float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        ratios.append(ours / theirs)
        print(f"PyTorch {theirs:.1f} sequences/s  ours {ours:.1f} sequences/s  ratio {ratios[-1]:.2f}", flush=True)
    print(f"median ratio {statistics.median(ratios):.2f}")


if __name__ == "__main__":
    main()
