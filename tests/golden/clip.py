"""Makes tests/golden/clip.json and tests/golden/clip/: CLIP and BERT by their public implementations, seeded weights.

    python tests/golden/clip.py   # needs torch, open_clip_torch 3.3, transformers 4.57, sentence-transformers, pillow

Parameters follow the formula of src/weights/random.rs, by name. `encoders` holds the image transformers of OpenCLIP
in the three sizes and both activations on the pictures of tests/golden/encoders; `clip` a small CLIP of transformers
with its names and shapes; `bert` a small BERT of transformers with sentence-transformers' pooling; `tokens` what
transformers' slow tokenisers make of captions with the vocabularies of tests/golden/clip, which this script makes,
too; `bicubic` Pillow's pixels of a picture prepared as CLIP's.
"""

import json
from pathlib import Path

import numpy as np
import open_clip
import torch
import transformers
from encoders import SAMPLES, account, normalised, parameter, unit
from PIL import Image
from sentence_transformers.sentence_transformer.modules import Pooling
from transformers import BertConfig, BertModel, BertTokenizer, CLIPConfig, CLIPModel, CLIPTokenizer
from transformers.models.clip.tokenization_clip import bytes_to_unicode

HERE = Path(__file__).parent
OUT = HERE / "clip"
CLASSES = 10
CAPTIONS = [
    "many planes are parked near two terminals .",
    "There is a Baseball-field, and a lake; it's 2 km away!",
    "a r\u00e9sidential area \u2014 with houses   and\ttrees",
    "",
    "the river's banks aren't green. 1234 photos <|endoftext|>",
    "two " * 90,
]


def encoder(name: str, model: str, images: torch.Tensor) -> dict:
    vit = open_clip.create_model(model, pretrained=None).visual
    vit.output_tokens = True
    with torch.no_grad():
        for key, tensor in vit.state_dict().items():
            tensor.copy_(parameter(key, tensor.shape))
        vit.proj = None
        pooled, tokens = vit.eval()(images)
        side = int(tokens.shape[1] ** 0.5)
        grid = tokens.transpose(1, 2).reshape(len(images), -1, side, side)
        head = [parameter(f"head.{part}", shape) for part, shape in
                [("weight", (CLASSES, grid.shape[1])), ("bias", (CLASSES,))]]
        mean = grid.mean((2, 3))
        print(name, tuple(grid.shape), grid.abs().max().item())
        return {"grid": account(grid), "pooled": account(mean), "logits": account(mean @ head[0].T + head[1]),
                "class_token": account(pooled)}


def seeded(model: torch.nn.Module) -> list:
    shapes = []
    with torch.no_grad():
        for key, tensor in model.state_dict().items():
            if tensor.is_floating_point():
                # Plain names and shapes, so that a test can make the same file.
                scale, centre = (0.1, 1.0 if "norm" in key and key.endswith("weight") else 0.0)
                values = centre + scale * unit(key, tensor.numel())
                tensor.copy_(torch.from_numpy(values.astype(np.float32)).reshape(tensor.shape))
                shapes.append([key, list(tensor.shape)])
    return shapes


def small_clip(activation: str) -> dict:
    vision = {"hidden_size": 128, "intermediate_size": 512, "num_hidden_layers": 2, "num_attention_heads": 2,
              "image_size": 32, "patch_size": 8, "hidden_act": activation}
    text = {"hidden_size": 64, "intermediate_size": 256, "num_hidden_layers": 3, "num_attention_heads": 1,
            "vocab_size": 100, "max_position_embeddings": 20, "hidden_act": activation,
            "bos_token_id": 98, "eos_token_id": 99, "pad_token_id": 99}
    model = CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=32)).eval()
    shapes = seeded(model)
    images = torch.from_numpy(unit("images", 2 * 3 * 32 * 32).astype(np.float32)).reshape(2, 3, 32, 32)
    # OpenCLIP and OpenAI pad with 0, transformers with the end of the text: what follows the end does not matter.
    tokens = [[98, 5, 17, 23, 99] + [99] * 15, [98, *range(1, 19), 99]]
    with torch.no_grad():
        image = model.get_image_features(images)
        words = model.get_text_features(torch.tensor(tokens))
    listed = {"images": image.flatten().tolist(), "texts": words.flatten().tolist(), "tokens": tokens}
    return {"shapes": shapes, **listed}


def small_bert() -> dict:
    config = BertConfig(vocab_size=60, hidden_size=48, num_hidden_layers=2, num_attention_heads=4, intermediate_size=96,
                        max_position_embeddings=24)
    model = BertModel(config, add_pooling_layer=False).eval()
    shapes = seeded(model)
    tokens = torch.tensor([[2, 7, 9, 11, 3, 0, 0], [2, 20, 30, 40, 50, 59, 3]])
    mask = (tokens != 0).long()
    with torch.no_grad():
        hidden = model(tokens, attention_mask=mask).last_hidden_state
        pooled = Pooling(48, "mean")({"token_embeddings": hidden, "attention_mask": mask})["sentence_embedding"]
        pooled = torch.nn.functional.normalize(pooled, dim=-1)
    return {"shapes": shapes, "heads": 4, "sentences": [[2, 7, 9, 11, 3], tokens[1].tolist()],
            "embeddings": pooled.flatten().tolist()}


def vocabularies() -> None:
    words = ["planes", "many", "are", "parked", "two", "terminals", "there", "residential", "river", "the", "trees"]
    merges = []
    for word in words:
        pieces = [*word[:-1], word[-1] + "</w>"]
        while len(pieces) > 1:
            if (pieces[0], pieces[1]) not in merges:
                merges.append((pieces[0], pieces[1]))
            pieces = [pieces[0] + pieces[1], *pieces[2:]]
    letters = list(bytes_to_unicode().values())
    vocab = letters + [letter + "</w>" for letter in letters] + ["".join(pair) for pair in merges]
    vocab += ["<|startoftext|>", "<|endoftext|>"]
    OUT.mkdir(exist_ok=True)
    (OUT / "vocab.json").write_text(json.dumps({word: i for i, word in enumerate(vocab)}, ensure_ascii=False) + "\n")
    (OUT / "merges.txt").write_text("#version: 0.2\n" + "".join(f"{a} {b}\n" for a, b in merges))
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefghijklmnopqrstuvwxyz0123456789.,;!'-",
              *("##" + c for c in "abcdefghijklmnopqrstuvwxyz0123456789"), *words, "plane", "##s", "##field"]
    (OUT / "vocab.txt").write_text("".join(f"{piece}\n" for piece in dict.fromkeys(pieces)))


def main() -> None:
    pictures = [np.asarray(Image.open(HERE / "encoders" / f"scene{i}.png").convert("RGB")) for i in range(3)]
    images = normalised(pictures)
    golden = {"versions": {"open_clip": open_clip.__version__, "transformers": transformers.__version__,
                           "torch": torch.__version__}, "encoders": {}}
    for size in ["B-32", "B-16", "L-14"]:
        name = "vit_" + size.replace("-", "").lower()
        golden["encoders"][f"clip_{name}"] = encoder(f"clip_{name}", f"ViT-{size}-quickgelu", images)
        golden["encoders"][f"openclip_{name}"] = encoder(f"openclip_{name}", f"ViT-{size}", images)
    golden["clip"] = {activation: small_clip(activation) for activation in ["quick_gelu", "gelu"]}
    golden["clip"]["gelu"].pop("shapes")
    golden["bert"] = small_bert()
    vocabularies()
    clip = CLIPTokenizer(OUT / "vocab.json", OUT / "merges.txt", model_max_length=77)
    bert = BertTokenizer(OUT / "vocab.txt", model_max_length=64)
    golden["tokens"] = [
        {"caption": caption, "clip": clip(caption, truncation=True)["input_ids"],
         "bert": bert(caption, truncation=True)["input_ids"]} for caption in CAPTIONS
    ]
    wide = Image.open(HERE / "images" / "wide.png").convert("RGB")
    transform = open_clip.transform.image_transform(24, is_train=False, mean=(0, 0, 0), std=(1 / 255,) * 3)
    golden["bicubic"] = transform(wide).permute(1, 2, 0).round().to(torch.int64).flatten().tolist()
    (HERE / "clip.json").write_text(json.dumps(golden) + "\n")


if __name__ == "__main__":
    main()
