#!/usr/bin/env python3
"""The peer of `benches/fe_lws_train.rs`: FE-LWS with LWS-3 as one would write it in plain PyTorch, timed on random
features.

Padded batches of 64 captions, nn.GRU, Adam: prints captions/s, one figure a repetition.
Input: a JSON file with {"features": D, "vocabulary": V, "captions": [[ids with start and end], ...]}.
Usage: fe_lws_pytorch.py CAPTIONS.json [repetitions] [steps]
"""

import json
import random
import sys
import time

import torch
from torch import nn


class FeLws(nn.Module):
    def __init__(self, features, vocabulary, layers=3, width=256):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, width, padding_idx=0)
        self.gru = nn.ModuleList(nn.GRU(width, width, batch_first=True) for _ in range(layers))
        self.theta = nn.Parameter(torch.zeros(layers, width))
        self.l1 = nn.Linear(features, width)
        self.l2 = nn.Linear(2 * width, 512)
        self.l3 = nn.Linear(512, vocabulary)
        self.drop = nn.Dropout(0.5)
        self.act = nn.GELU()

    def forward(self, image, tokens):
        x = self.embedding(tokens)
        outputs = []
        for gru in self.gru:
            x, _ = gru(self.drop(x))
            outputs.append(x)
        weights = torch.softmax(self.theta, 0)
        merged = sum(weights[i] * d for i, d in enumerate(outputs))
        v = self.act(self.l1(self.drop(image)))
        z = torch.cat([v.unsqueeze(1).expand(-1, merged.shape[1], -1), merged], -1)
        return self.l3(self.drop(self.act(self.l2(z))))


def main():
    data = json.load(open(sys.argv[1]))
    repetitions = int(sys.argv[2]) if len(sys.argv) > 2 else 5
    steps = int(sys.argv[3]) if len(sys.argv) > 3 else 20
    torch.manual_seed(0)
    random.seed(0)
    captions = data["captions"]
    longest = max(map(len, captions))
    padded = torch.zeros(len(captions), longest, dtype=torch.long)
    for row, caption in enumerate(captions):
        padded[row, : len(caption)] = torch.tensor(caption)
    features = torch.randn(len(captions), data["features"])
    model = FeLws(data["features"], data["vocabulary"]).train()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-4)
    loss_of = nn.CrossEntropyLoss(ignore_index=0)

    def step():
        rows = torch.tensor(random.sample(range(len(captions)), 64))
        tokens = padded[rows]
        logits = model(features[rows], tokens[:, :-1])
        loss = loss_of(logits.reshape(-1, logits.shape[-1]), tokens[:, 1:].reshape(-1))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.item()

    for _ in range(3):
        step()
    for _ in range(repetitions):
        start = time.perf_counter()
        for _ in range(steps):
            step()
        print(f"{64 * steps / (time.perf_counter() - start):.1f}", flush=True)


if __name__ == "__main__":
    main()
