"""Feature extraction side by side: `rsic features` against torchvision eager with PIL, decoding included.

    python benches/features.py --data datasets/ucm [--encoder densenet169 --encoder vgg16] [--images 32] [--rounds 3]

Needs torch, torchvision and pillow, and a release build of rsic. The two run in turns, each in a process of its own, so
that other load on the machine meets both; images/s excludes loading the libraries and the weights on either side. CPU
ms/image is processor time, which other load hardly touches: of all that the program spends, less what it spends on a
single image. Prints a line an encoder with medians over the rounds, and the largest memory of each side.

torchvision prepares images as its documentation does (Resize, ToTensor, Normalize), which lays them out channels first;
with --channels-last its images and weights are channels-last instead, which PyTorch recommends for convolutions on
CPUs.
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ENCODERS = [
    "alexnet", "vgg16", "vgg19", "googlenet",
    "resnet50", "resnet101", "resnet152", "resnext50_32x4d", "resnext101_32x8d",
    "densenet121", "densenet169", "densenet201",
    "convnext_tiny", "convnext_small", "convnext_base", "convnext_large",
]
EXPERIMENT = """
name: bench
data: {{root: {root}, captions: dataset.json, images: imgs}}
encoders: [{{name: {encoder}, weights: random}}]
model: {{fe_lws: {{}}}}
"""


def run(command: list[str], **environment: str) -> tuple[str, float, int]:
    """Output, processor seconds and largest memory (MiB) of a program."""
    out = tempfile.TemporaryFile(mode="w+")
    child = subprocess.Popen(command, env={**os.environ, **environment}, stdout=out, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    out.seek(0)
    if status != 0:
        raise SystemExit(f"failed: {' '.join(command)}")
    return out.read(), usage.ru_utime + usage.ru_stime, usage.ru_maxrss // 1024


def ours(args, encoder: str, folder: Path) -> tuple[float, float, int]:
    config = folder / "bench.yaml"
    config.write_text(EXPERIMENT.format(root=folder, encoder=encoder))
    with tempfile.TemporaryDirectory() as cache:
        command = [str(args.rsic), "features", str(config), "--device", "cpu", "--threads", str(args.threads)]
        text, cpu, memory = run(command, RSIC_CACHE=cache)
    return float(re.search(r"([0-9.]+) images/s", text)[1]), cpu, memory


def theirs(args, encoder: str, folder: Path) -> None:
    import torch
    import torchvision
    from PIL import Image
    from torchvision import transforms

    torch.set_num_threads(args.threads)
    model = getattr(torchvision.models, encoder)(weights=None)
    model.eval()
    if args.channels_last:
        model = model.to(memory_format=torch.channels_last)
    prepare = transforms.Compose([
        transforms.Resize((224, 224)),
        transforms.ToTensor(),
        transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
    ])
    paths = sorted((folder / "imgs").iterdir())
    begin, cpu = time.perf_counter(), time.process_time()
    with torch.no_grad():
        for start in range(0, len(paths), args.batch):
            images = torch.stack([prepare(Image.open(p).convert("RGB")) for p in paths[start : start + args.batch]])
            if args.channels_last:
                images = images.contiguous(memory_format=torch.channels_last)
            if encoder.startswith(("alexnet", "vgg", "densenet", "convnext")):
                torch.relu(model.features(images)).mean((2, 3))
            else:
                model(images)  # the head adds next to nothing
    print(len(paths) / (time.perf_counter() - begin), (time.process_time() - cpu) / len(paths))


def dataset(source: Path, folder: Path, images: int) -> Path:
    (folder / "imgs").mkdir(parents=True)
    captions = json.loads((source / "dataset.json").read_text())
    kept = []
    step = max(1, len(captions["images"]) // images)
    for entry in captions["images"][::step][:images]:
        file = next((source / "imgs").glob(Path(entry["filename"]).stem + ".*")).resolve()
        entry["filename"] = file.name
        (folder / "imgs" / file.name).symlink_to(file)
        kept.append(entry)
    (folder / "dataset.json").write_text(json.dumps({**captions, "images": kept}))
    return folder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="UCM-Captions: dataset.json and imgs/")
    parser.add_argument("--encoder", action="append", help="repeatable (default: all)")
    parser.add_argument("--images", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batch", type=int, default=16, help="torchvision's")
    parser.add_argument("--channels-last", action="store_true", help="torchvision's images and weights")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rsic", type=Path, default=ROOT / "target/release/rsic")
    parser.add_argument("--theirs-only", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.theirs_only:
        theirs(args, args.encoder[0], args.theirs_only)
        return
    print(f"{'':18} {'images/s':>17} {'':>6} {'CPU ms/image':>17} {'':>6} {'peak MiB':>13}")
    print(f"{'encoder':18} {'ours':>8} {'eager':>8} {'ratio':>6} {'ours':>8} {'eager':>8} {'ratio':>6} {'ours':>6} "
        f"{'eager':>6}", flush=True)
    with tempfile.TemporaryDirectory() as name:
        many = dataset(args.data, Path(name) / "many", args.images)
        single = dataset(args.data, Path(name) / "single", 1)
        for encoder in args.encoder or ENCODERS:
            rows = []
            for _ in range(args.rounds):
                command = [sys.executable, __file__, "--data", str(args.data), "--encoder", encoder, "--batch",
                    str(args.batch)]
                command += ["--channels-last"] if args.channels_last else []
                text, _, their_memory = run(command + ["--threads", str(args.threads), "--theirs-only", str(many)])
                their_rate, their_cpu = map(float, text.split())
                rate, cpu, memory = ours(args, encoder, many)
                cpu = (cpu - ours(args, encoder, single)[1]) / (args.images - 1)
                rows.append((rate, their_rate, rate / their_rate, 1e3 * cpu, 1e3 * their_cpu, their_cpu / cpu, memory,
                    their_memory))
            a, b, ratio, c, d, cpu_ratio, e, f = (statistics.median(column) for column in zip(*rows))
            print(f"{encoder:18} {a:8.1f} {b:8.1f} {ratio:6.2f} {c:8.1f} {d:8.1f} {cpu_ratio:6.2f} {e:6.0f} {f:6.0f}",
                flush=True)


if __name__ == "__main__":
    main()
