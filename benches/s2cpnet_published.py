#!/usr/bin/env python3
"""The peer of `benches/s2cpnet.rs`: the published S2CPNet program, timed on random pictures.

    git clone https://github.com/CVer-Yang/SSCPNet && git -C SSCPNet checkout ea07a9e
    python benches/s2cpnet_published.py SSCPNet [steps] [images]

Training: its modules, losses, clamping and optimisers on batches of 8 images, masks, captions and nouns. Captions: its
own `evaluate_transformer`, beam 3, on single images; its data set is replaced by random pictures, and its parameters
are untrained, so that every caption has the greatest length. Prints seconds a step, and images captioned a second.
"""

import json
import os
import sys
import tempfile
import time
import types

import torch
import torchvision
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence

BATCH, VOCABULARY, WORDS, NOUNS = 8, 400, 10, 3


def stub(name, **content):
    module = types.ModuleType(name)
    module.__dict__.update(content)
    sys.modules[name] = module


def sequences(length, width):
    ids = torch.zeros(BATCH, width, dtype=torch.long)
    ids[:, 0] = VOCABULARY - 2
    ids[:, 1 : length + 1] = torch.randint(1, VOCABULARY - 3, (BATCH, length))
    ids[:, length + 1] = VOCABULARY - 1
    return ids, torch.full((BATCH, 1), length + 2)


class Pictures(torch.utils.data.Dataset):
    images = 2

    def __init__(self, *_, **__):
        pass

    def __len__(self):
        return 5 * self.images

    def __getitem__(self, _):
        caption, noun = torch.ones(27, dtype=torch.long), torch.ones(14, dtype=torch.long)
        captions, nouns = caption.expand(5, 27), noun.expand(5, 14)
        return torch.rand(2, 3, 256, 256), caption, torch.tensor([12]), captions, noun, torch.tensor([4]), nouns


def main():
    program = os.path.abspath(sys.argv[1])
    steps = int(sys.argv[2]) if len(sys.argv) > 2 else 2
    Pictures.images = int(sys.argv[3]) if len(sys.argv) > 3 else 2
    sys.path.insert(0, program)
    stub("model.swin_transformer_backbone", SwinTransformer=None)
    stub("datasets1", CaptionDataset=Pictures, json=json, os=os)
    stub("utils", get_eval_score=lambda *_, **__: {"METEOR": 0.0})
    stub("tqdm", tqdm=lambda items, **_: items)
    resnet50 = torchvision.models.resnet50
    torchvision.models.resnet50 = lambda pretrained: resnet50(weights=None)
    from model import SSCPNet
    from model.models import CNN_Encoder

    for layer in (SSCPNet.Mesh_TransformerDecoderLayer, SSCPNet.Mesh_TransformerDecoderLayer2):
        forward = layer.forward
        layer.forward = lambda self, tgt, memory, tgt_mask=None, forward=forward, **_: forward(
            self, tgt, memory, tgt_mask)
    torch.manual_seed(0)
    encoder = CNN_Encoder("resnet50", "trans")
    semantic, spatial = SSCPNet.semantic_att(2048), SSCPNet.spatial_att(2048)
    fusion = SSCPNet.CVFF(2048, 0.5, 14, 14, d_model=512, n_head=8, n_layers=3)
    decoder = SSCPNet.DecoderTransformer(1024, VOCABULARY, 8, 1, 0.5)
    modules = [encoder, fusion, decoder]
    optimizers = [torch.optim.Adam([p for p in m.parameters() if p.requires_grad], lr=1e-4) for m in modules]
    criterion = nn.CrossEntropyLoss(ignore_index=0)
    images, masks = torch.randn(BATCH, 3, 256, 256), torch.randn(BATCH, 3, 256, 256)
    captions, lengths = sequences(WORDS, 27)
    nouns, noun_lengths = sequences(NOUNS, 14)

    def loss_of(scores, ids, decode_lengths):
        scores = pack_padded_sequence(scores, decode_lengths, batch_first=True).data
        return criterion(scores, pack_padded_sequence(ids[:, 1:], decode_lengths, batch_first=True).data)

    def step():
        memory = fusion(semantic(encoder(images)), spatial(encoder(masks)))
        scores, ids, decode_lengths, _, noun_scores, noun_ids, noun_decode_lengths, _ = decoder(
            memory, captions, nouns, lengths, noun_lengths
        )
        loss = loss_of(scores, ids, decode_lengths) + loss_of(noun_scores, noun_ids, noun_decode_lengths)
        for module in [*modules, semantic, spatial]:
            module.zero_grad()
        loss.backward()
        for module in (encoder, decoder):
            for parameter in module.parameters():
                if parameter.grad is not None:
                    parameter.grad.clamp_(-5.0, 5.0)
        for optimizer in optimizers:
            optimizer.step()
        return loss.item()

    for module in [*modules, semantic, spatial]:
        module.train()
    step()
    times = []
    for _ in range(steps):
        start = time.perf_counter()
        step()
        times.append(time.perf_counter() - start)
    print(f"published  {sorted(times)[len(times) // 2]:.2f} s a step of {BATCH}", flush=True)

    import eval7_UCM

    with tempfile.TemporaryDirectory() as folder:
        words = {"<pad>": 0, **{f"w{i}": i for i in range(1, VOCABULARY - 3)}}
        words.update({"<unk>": VOCABULARY - 3, "<start>": VOCABULARY - 2, "<end>": VOCABULARY - 1})
        with open(f"{folder}/WORDMAP_x.json", "w") as file:
            json.dump(words, file)
        os.makedirs(f"{folder}/predictions/UCM")  # it writes its captions below the folder where it runs
        os.chdir(folder)
        args = types.SimpleNamespace(data_folder=folder, data_name="x", Split="TEST", beam_size=3)
        eval7_UCM.save_captions = lambda *_: None
        eval7_UCM.get_eval_score = lambda *_, **__: {"METEOR": 0.0}
        start = time.perf_counter()
        eval7_UCM.evaluate_transformer(args, encoder, semantic, spatial, fusion, decoder)
        seconds = time.perf_counter() - start
        os.chdir(program)
    print(f"published  {Pictures.images / seconds:.3f} images captioned a second", flush=True)


if __name__ == "__main__":
    main()
