"""Feature extraction side by side: `rsic features` against torchvision eager with PIL, decoding included.

    python benches/features.py --data datasets/ucm --encoder densenet169 [--weights FILE] [--images 96] [--rounds 3]

Needs torch, torchvision and pillow, and a release build of rsic. The two run in turns, so that other load on the machine
meets both; images/s excludes loading the libraries and the weights on either side. Prints every round and the medians.
"""

import argparse
import json
import os
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

EXPERIMENT = """
name: bench
data: {{root: {root}, captions: dataset.json, images: imgs}}
encoders: [{{name: {encoder}, weights: {weights}}}]
model: {{fe_lws: {{}}}}
"""


def ours(args, folder: Path) -> float:
    config = folder / "bench.yaml"
    weights = args.weights or "random"
    config.write_text(EXPERIMENT.format(root=folder, encoder=args.encoder, weights=weights))
    with tempfile.TemporaryDirectory() as cache:
        command = [str(args.rsic), "features", str(config), "--device", "cpu", "--threads", str(args.threads)]
        done = subprocess.run(command, env={**os.environ, "RSIC_CACHE": cache}, capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(done.stderr)
    return float(re.search(r"([0-9.]+) images/s", done.stdout)[1])


def theirs(args, folder: Path) -> float:
    import numpy as np
    import torch
    import torchvision
    from PIL import Image

    torch.set_num_threads(args.threads)
    model = getattr(torchvision.models, args.encoder)(weights=None)
    model.eval()
    mean = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
    std = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)
    paths = sorted((folder / "imgs").iterdir())
    begin = time.perf_counter()
    with torch.no_grad():
        for start in range(0, len(paths), args.batch):
            pictures = [Image.open(p).convert("RGB").resize((224, 224), Image.BILINEAR) for p in paths[start : start + args.batch]]
            pixels = torch.from_numpy(np.stack([np.asarray(p) for p in pictures])).permute(0, 3, 1, 2).float() / 255
            images = (pixels - mean) / std
            if args.encoder.startswith("densenet"):
                torch.relu(model.features(images)).mean((2, 3))
            else:
                model(images)  # the head adds next to nothing
    return len(paths) / (time.perf_counter() - begin)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="UCM-Captions: dataset.json and imgs/")
    parser.add_argument("--encoder", default="densenet169")
    parser.add_argument("--weights", type=lambda p: str(Path(p).resolve()))
    parser.add_argument("--images", type=int, default=96)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rsic", type=Path, default=ROOT / "target/release/rsic")
    parser.add_argument("--theirs-only", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.theirs_only:
        print(theirs(args, args.theirs_only))
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "imgs").mkdir()
        captions = json.loads((args.data / "dataset.json").read_text())
        kept = []
        step = max(1, len(captions["images"]) // args.images)
        for entry in captions["images"][::step][: args.images]:
            source = next((args.data / "imgs").glob(Path(entry["filename"]).stem + ".*")).resolve()
            entry["filename"] = source.name
            (folder / "imgs" / source.name).symlink_to(source)
            kept.append(entry)
        (folder / "dataset.json").write_text(json.dumps({**captions, "images": kept}))
        rounds = []
        for _ in range(args.rounds):
            # A process of its own for each, started alike.
            command = [sys.executable, __file__, "--data", str(args.data), "--encoder", args.encoder, "--batch", str(args.batch)]
            command += ["--threads", str(args.threads), "--theirs-only", str(folder)]
            their_rate = float(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[-1])
            rounds.append((ours(args, folder), their_rate))
            print(f"{args.encoder}: ours {rounds[-1][0]:.1f}, torchvision {rounds[-1][1]:.1f} images/s", flush=True)
    medians = [statistics.median(column) for column in zip(*rounds)]
    ratio = statistics.median(a / b for a, b in rounds)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024
    print(f"{args.encoder} median: ours {medians[0]:.1f}, torchvision {medians[1]:.1f} images/s; ratio {ratio:.2f}; peak of either {peak} MiB")


if __name__ == "__main__":
    main()
