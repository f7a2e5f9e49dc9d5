#!/usr/bin/env python3
"""CSSA's two stages and its search as one would write them in plain PyTorch, timed in turns with `benches/cssa.rs`.

Same shapes, same batches' sizes, random features: nn.TransformerEncoderLayer and nn.TransformerDecoderLayer, padded
captions, dropout, Adam; beam search of 3 image by image, feeding whole prefixes. Prints both rates a round and, at
the end, the median of the rounds' ratios, by the clock and by the time of the cores, which others' work on the machine
disturbs less.

    cargo bench --bench cssa --no-run      # prints the program's path
    python benches/cssa_pytorch.py PROGRAM [rounds] [stage1] [stage2] [beam]
"""

import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time

import torch
import torch.nn.functional as F
from torch import nn

# What one step counts as.
SIZES = {"stage1": 64, "stage2": 10, "beam": 1}
CHANNELS, VOCABULARY, WIDTH, HEADS, LAYERS, CELLS = 1664, 300, 512, 8, 4, 49


class Cssa(nn.Module):
    def __init__(self):
        super().__init__()
        self.project, self.norm, self.drop = nn.Linear(CHANNELS, WIDTH), nn.LayerNorm(WIDTH), nn.Dropout(0.1)
        self.high, self.low = nn.Linear(2, 64), nn.Linear(64, HEADS)
        self.rate = nn.Parameter(torch.ones(1))
        y, x = torch.meshgrid(torch.arange(7.0), torch.arange(7.0), indexing="ij")
        x, y = x.flatten(), y.flatten()
        distance = torch.stack([(x[:, None] - x).abs(), (y[:, None] - y).abs()], -1)
        self.register_buffer("relations", distance.clamp(min=1e-3).log())
        encoder = [nn.TransformerEncoderLayer(WIDTH, HEADS, 2048, 0.1, batch_first=True) for _ in range(LAYERS)]
        decoder = [nn.TransformerDecoderLayer(WIDTH, HEADS, 2048, 0.1, batch_first=True) for _ in range(LAYERS)]
        text = [nn.TransformerEncoderLayer(WIDTH, HEADS, 2048, 0.1, batch_first=True) for _ in range(LAYERS)]
        self.encoder, self.decoder, self.text = nn.ModuleList(encoder), nn.ModuleList(decoder), nn.ModuleList(text)
        self.embedding, self.output = nn.Embedding(VOCABULARY, WIDTH, padding_idx=0), nn.Linear(WIDTH, VOCABULARY)
        self.image_projection, self.text_projection = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH)
        angles = torch.arange(40.0)[:, None] / 10000 ** (torch.arange(0, WIDTH, 2) / WIDTH)
        self.register_buffer("positions", torch.stack([angles.sin(), angles.cos()], -1).flatten(1))

    def image(self, grid):
        x = self.norm(self.drop(F.relu(self.project(grid.flatten(2).transpose(1, 2)))))
        bias = F.relu(self.low(F.relu(self.high(self.relations)))).permute(2, 0, 1)
        for index, layer in enumerate(self.encoder):
            omega = bias * torch.exp(-index * self.rate)
            x = layer(x, src_mask=omega.repeat(len(x), 1, 1))
        return x

    def embed(self, tokens):
        return self.drop(self.embedding(tokens) * WIDTH**0.5 + self.positions[: tokens.shape[1]])

    def decode(self, tokens, memory):
        x = self.embed(tokens)
        mask = nn.Transformer.generate_square_subsequent_mask(tokens.shape[1])
        for layer in self.decoder:
            x = layer(x, memory, tgt_mask=mask, tgt_is_causal=True)
        return x

    def sentence(self, tokens):
        x = self.embed(tokens)
        mask = nn.Transformer.generate_square_subsequent_mask(tokens.shape[1])
        for layer in self.text:
            x = layer(x, src_mask=mask, is_causal=True)
        return x[torch.arange(len(x)), (tokens != 0).sum(1) - 1]


def contrast(x, y):
    x, y = F.normalize(x), F.normalize(y)
    likeness, pairs = x @ y.T / 0.1, torch.arange(len(x))
    return 0.75 * F.cross_entropy(likeness, pairs) + 0.25 * F.cross_entropy(likeness.T, pairs)


class Bench:
    def __init__(self, captions):
        torch.manual_seed(0)
        self.captions, self.model = captions, Cssa().train()
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=1e-4)

    def grid(self, count):
        return torch.randn(count, CHANNELS, 7, 7)

    def tokens(self, count):
        chosen = [torch.tensor(random.choice(self.captions)) for _ in range(count)]
        return nn.utils.rnn.pad_sequence(chosen, batch_first=True)

    def train(self, loss):
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()

    def stage1(self, steps):
        self.model.train()
        for _ in range(steps):
            images = self.model.image_projection(self.model.image(self.grid(64)).mean(1))
            views = self.model.image_projection(self.model.image(self.grid(64)).mean(1))
            texts = self.model.text_projection(self.model.sentence(self.tokens(64)))
            others = self.model.text_projection(self.model.sentence(self.tokens(64)))
            self.train(contrast(images, texts) + 0.4 * contrast(images, views) + 0.1 * contrast(texts, others))
        return 64 * steps

    def stage2(self, steps):
        self.model.train()
        for _ in range(steps):
            tokens = self.tokens(10)
            logits = self.model.output(self.model.decode(tokens[:, :-1], self.model.image(self.grid(10))))
            self.train(F.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten(), ignore_index=0))
        return 10 * steps

    @torch.no_grad()
    def beam(self, images):
        self.model.eval()
        for _ in range(images):
            memory = self.model.image(self.grid(1))
            beams, finished = [(0.0, [1])], []
            for _ in range(12):
                tokens = torch.tensor([words for _, words in beams])
                out = self.model.decode(tokens, memory.expand(len(beams), -1, -1))
                log_probs = self.model.output(out[:, -1]).log_softmax(-1)
                log_probs[:, [0, 1, 3]] = float("-inf")
                values, ids = log_probs.topk(3)
                pool = [
                    (score + value, words + [word])
                    for (score, words), row, places in zip(beams, values.tolist(), ids.tolist())
                    for value, word in zip(row, places)
                ]
                pool.sort(key=lambda entry: -entry[0])
                best = pool[: 3 - len(finished)]
                finished += [entry for entry in best if entry[1][-1] == 2]
                beams = [entry for entry in best if entry[1][-1] != 2]
                if not beams:
                    break
        return images


def main():
    program, rounds = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 5
    random.seed(0)
    lengths = [max(5, min(22, round(random.gauss(11.5, 2.5)))) for _ in range(2000)]
    captions = [[1, *(random.randrange(4, VOCABULARY) for _ in range(length)), 2] for length in lengths]
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump({"features": CHANNELS, "vocabulary": VOCABULARY, "captions": captions}, file)
        file.flush()
        ours = subprocess.Popen([program, file.name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

        def spent():
            fields = open(f"/proc/{ours.pid}/stat").read().rsplit(")", 1)[1].split()
            return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

        def ask(what, count):
            """Rates: a second of the clock, a second of a core."""
            before = spent()
            print(what, count, file=ours.stdin, flush=True)
            rate = float(ours.stdout.readline())
            return rate, count * SIZES[what] / (spent() - before)

        plain = Bench(captions)

        def time_plain(what, count):
            start, core = time.perf_counter(), time.process_time()
            done = getattr(plain, what)(count)
            return done / (time.perf_counter() - start), done / (time.process_time() - core)

        wanted = sys.argv[3:] or ["stage1", "stage2", "beam"]
        for what, count, ours_count in [("stage1", 1, 1), ("stage2", 5, 5), ("beam", 5, 64)]:
            if what not in wanted:
                continue
            ask(what, 1), time_plain(what, 1)
            ratios = []
            for _ in range(rounds):
                theirs, mine = time_plain(what, count), ask(what, ours_count)
                ratios.append([m / t for m, t in zip(mine, theirs)])
                print(f"{what}: PyTorch {theirs[0]:.2f}/s, rsic {mine[0]:.2f}/s, ratio {ratios[-1][0]:.2f}", end=" ")
                print(f"(a core's second: {theirs[1]:.2f}, {mine[1]:.2f}, {ratios[-1][1]:.2f})", flush=True)
            wall, core = (statistics.median(column) for column in zip(*ratios))
            print(f"{what}: median ratio {wall:.2f} by the clock, {core:.2f} by time of the cores", flush=True)
        ours.stdin.close()
        ours.wait()


if __name__ == "__main__":
    main()
