"""Makes tests/golden/encoders.json and tests/golden/encoders/*.png: what torchvision 0.26 computes with seeded weights.

    python tests/golden/encoders.py                            # needs torch, torchvision, numpy, pillow
    python tests/golden/encoders.py PHOTO WEIGHTS.safetensors  # encoders_photo.json, needs safetensors too

Every parameter is the formula of src/models/weights/random.rs, so no weights are stored. Of each encoder's outputs on
the three images the file holds statistics, samples at a fixed stride, and the head's class scores (10 classes).
encoders_photo.json holds the same of one photograph at its own size (image 1 of UCM, as TIFF), and of DenseNet-169 with
its ImageNet weights; photograph and weights are not ours to pass on.
"""

import json
import math
import sys
from pathlib import Path

import numpy as np
import torch
import torchvision
from PIL import Image, ImageDraw

HERE = Path(__file__).parent
CLASSES = 10
SAMPLES = 96
ENCODERS = [
    "alexnet", "vgg16", "vgg19", "googlenet",
    "resnet50", "resnet101", "resnet152", "resnext50_32x4d", "resnext101_32x8d",
    "densenet121", "densenet169", "densenet201",
    "convnext_tiny", "convnext_small", "convnext_base", "convnext_large",
]


def unit(name: str, count: int) -> np.ndarray:
    """`count` numbers in [-1, 1): SplitMix64 from the FNV-1a hash of the name."""
    key = 0xCBF29CE484222325
    for byte in name.encode():
        key = ((key ^ byte) * 0x100000001B3) % 2**64
    z = np.uint64(key) + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z ^= z >> np.uint64(31)
    return (z >> np.uint64(11)).astype(np.float64) / 2.0**53 * 2.0 - 1.0


def parameter(name: str, shape: torch.Size) -> torch.Tensor:
    if name.endswith("running_var"):
        centre, scale = 1.0, 0.25
    elif name.endswith("layer_scale") or name.endswith("bn3.weight"):
        centre, scale = 0.2, 0.02
    elif len(shape) > 1:
        centre, scale = 0.0, math.sqrt(6.0 / math.prod(shape[1:]))
    elif name.endswith("weight"):
        centre, scale = 1.0, 0.1
    else:
        centre, scale = 0.0, 0.1
    values = (centre + scale * unit(name, math.prod(shape))).astype(np.float32)
    return torch.from_numpy(values).reshape(shape)


def draw(seed: int) -> Image.Image:
    """An aerial-looking picture: fields, a road, a river, roofs."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:224, 0:224].astype(np.float32)
    base = rng.integers(60, 150, 3)
    ground = [
        base[c] + 24 * np.sin((x * rng.uniform(-1, 1) + y * rng.uniform(-1, 1)) / rng.uniform(8, 30)) for c in range(3)
    ]
    image = Image.fromarray(np.stack(ground, -1).clip(0, 255).astype(np.uint8) // 4 * 4)
    pen = ImageDraw.Draw(image)
    for _ in range(6):
        left, top = rng.integers(-20, 200, 2)
        colour = tuple(int(v) for v in rng.integers(40, 220, 3))
        pen.rectangle([left, top, left + int(rng.integers(15, 90)), top + int(rng.integers(15, 90))], fill=colour)
    pen.line([0, int(rng.integers(0, 224)), 224, int(rng.integers(0, 224))], fill=(200, 200, 190), width=9)
    pen.line([int(rng.integers(0, 224)), 0, int(rng.integers(0, 224)), 224], fill=(40, 70, 110), width=21)
    for _ in range(25):
        left, top = rng.integers(0, 215, 2)
        shade = int(rng.integers(150, 256))
        pen.rectangle([left, top, left + 7, top + 7], fill=(shade, shade // 2, 60))
    return image


def account(tensor: torch.Tensor) -> dict:
    flat = tensor.flatten().double()
    stride = max(1, flat.numel() // SAMPLES) | 1
    return {
        "shape": list(tensor.shape),
        "max_abs": flat.abs().max().item(),
        "mean": flat.mean().item(),
        "mean_abs": flat.abs().mean().item(),
        "stride": stride,
        "samples": [float(f"{v:.9g}") for v in flat[::stride].tolist()],
    }


def build(name: str) -> torch.nn.Module:
    extra = {"aux_logits": False} if name == "googlenet" else {}
    model = getattr(torchvision.models, name)(num_classes=CLASSES, weights=None, **extra)
    with torch.no_grad():
        for key, tensor in model.state_dict().items():
            if not key.endswith("num_batches_tracked"):
                tensor.copy_(parameter(key, tensor.shape))
    return model.eval()


def grid(name: str, model: torch.nn.Module, images: torch.Tensor) -> torch.Tensor:
    """The feature map after the last activation: what comes into the global pooling."""
    if name.startswith("densenet"):
        return torch.relu(model.features(images))
    kept = {}
    module = model.avgpool
    hook = module.register_forward_pre_hook(lambda _, args: kept.update(grid=args[0]))
    model(images)
    hook.remove()
    return kept["grid"]


def normalised(pictures: list[np.ndarray]) -> torch.Tensor:
    pixels = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float() / 255
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    return (pixels - mean.view(1, 3, 1, 1)) / std.view(1, 3, 1, 1)


def photo(path: str, weights: str) -> None:
    from safetensors.torch import load_file

    image = normalised([np.asarray(Image.open(path).convert("RGB"))])
    golden = {"torchvision": torchvision.__version__}
    with torch.no_grad():
        for name in ["resnet50", "resnet101", "densenet169"]:
            golden[name] = account(grid(name, build(name), image))
        trained = torchvision.models.densenet169(weights=None)
        report = trained.load_state_dict(load_file(weights), strict=False)
        assert set(report.missing_keys) <= {"classifier.weight", "classifier.bias"}, report
        golden["densenet169_imagenet"] = account(grid("densenet169", trained.eval(), image))
    (HERE / "encoders_photo.json").write_text(json.dumps(golden, indent=1) + "\n")


def main() -> None:
    folder = HERE / "encoders"
    folder.mkdir(exist_ok=True)
    pictures = []
    for seed in range(3):
        draw(seed).save(folder / f"scene{seed}.png", optimize=True)
        pictures.append(np.asarray(Image.open(folder / f"scene{seed}.png").convert("RGB")))
    images = normalised(pictures)
    golden = {}
    with torch.no_grad():
        for name in ENCODERS:
            model = build(name)
            features = grid(name, model, images)
            golden[name] = {
                "grid": account(features),
                "pooled": account(features.mean((2, 3))),
                "logits": account(model(images)),
            }
            grid, logits = golden[name]["grid"], golden[name]["logits"]
            print(name, grid["shape"], grid["max_abs"], logits["max_abs"])
    golden["torchvision"] = torchvision.__version__
    (HERE / "encoders.json").write_text(json.dumps(golden, indent=1) + "\n")


if __name__ == "__main__":
    photo(*sys.argv[1:]) if len(sys.argv) > 1 else main()
