"""Automatic masks side by side: rsic against the package segment-anything, or mobile_sam (--mobile), one image each in
turns.

    cargo bench --no-run --bench sam     # prints where the program lies
    OMP_WAIT_POLICY=PASSIVE python benches/sam.py --rsic PROGRAM --weights w.pth --images datasets/ucm/imgs [--points 4]

Needs torch, torchvision and the package. Weights that are not there are made at random (ViT-B, or MobileSAM's). Each
side is a process of its own that has read the weights and seen one image before the clock starts; the other one sleeps
meanwhile. No mask is dropped for its stability, and none for its expected IoU unless --above says so. Prints seconds an
image (medians), spent on looking (image encoder) and on the rest (decoder, masks at full size, filters), processor
time, which other load hardly touches, and the largest memory of either process.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path


def package(mobile: bool):
    """The package, and its name of the model."""
    if mobile:
        import mobile_sam
        return mobile_sam, "vit_t"
    import segment_anything
    return segment_anything, "vit_b"


def random_weights(path: Path, mobile: bool) -> None:
    import torch

    torch.manual_seed(1)
    module, name = package(mobile)
    state = module.sam_model_registry[name]().state_dict()
    for tensor in state.values():  # positions and some scales start at zero
        if tensor.is_floating_point() and not tensor.any():
            tensor.normal_(0.0, 0.02)
    torch.save(state, path)


def theirs(args) -> None:
    import numpy as np
    import torch
    from PIL import Image
    module, name = package(args.mobile)
    torch.set_num_threads(args.threads)
    generator = module.SamAutomaticMaskGenerator(
        module.sam_model_registry[name](checkpoint=args.weights), points_per_side=args.points,
        pred_iou_thresh=args.above,
        stability_score_thresh=0.0, output_mode="uncompressed_rle",
    )
    spent, look = [0.0], generator.predictor.set_image

    def timed(image):
        start = time.perf_counter()
        look(image)
        spent[0] += time.perf_counter() - start

    generator.predictor.set_image = timed
    for line in sys.stdin:
        image = np.array(Image.open(line.strip()).convert("RGB"))
        start, spent[0] = time.perf_counter(), 0.0
        masks = generator.generate(image)
        rest = time.perf_counter() - start - spent[0]
        print(json.dumps({"encoder": spent[0], "rest": rest, "masks": len(masks)}), flush=True)


class Side:
    def __init__(self, command: list[str]):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.times = []

    def ask(self, path: Path) -> dict:
        before = self.processor()
        self.process.stdin.write(f"{path}\n")
        self.process.stdin.flush()
        return {**json.loads(self.process.stdout.readline()), "cpu": self.processor() - before}

    def processor(self) -> float:
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")")[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory(self) -> int:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) // 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rsic", type=Path, required=True)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--images", type=Path, required=True, help="folder")
    parser.add_argument("--count", type=int, default=4)
    parser.add_argument("--points", type=int, default=4, help="along a side")
    parser.add_argument("--above", type=float, default=0.0, help="least expected IoU; 0 drops no mask")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--mobile", action="store_true", help="MobileSAM in place of ViT-B")
    parser.add_argument("--theirs", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.theirs:
        theirs(args)
        return
    if not args.weights.exists():
        random_weights(args.weights, args.mobile)
    common = ["--points", str(args.points), "--above", str(args.above), "--threads", str(args.threads)]
    common += ["--mobile"] if args.mobile else []
    paths = ["--rsic", str(args.rsic), "--weights", str(args.weights), "--images", str(args.images)]
    settings = [str(args.weights), str(args.points), str(args.above), str(args.threads)]
    sides = {
        "rsic": Side([str(args.rsic), *settings]),
        "package": Side([sys.executable, __file__, "--theirs", *paths, *common]),
    }
    images = sorted(p for p in args.images.iterdir() if p.suffix.lower() in {".jpg", ".png", ".tif"})
    images = images[:: max(1, len(images) // args.count)][: args.count]
    for side in sides.values():
        side.ask(images[0])
    for path in images:
        for side in sides.values():
            side.times.append(side.ask(path))
    medians = {}
    for name, side in sides.items():
        of = lambda key: statistics.median(t[key] for t in side.times)
        whole = statistics.median(t["encoder"] + t["rest"] for t in side.times)
        medians[name] = (of("encoder"), of("rest"), whole, of("cpu"))
        masks = sum(t["masks"] for t in side.times)
        print(
            f"{name:8} {whole:7.2f} s an image: encoder {of('encoder'):6.2f}, rest {of('rest'):6.2f}, "
            f"processor time {of('cpu'):6.2f}; {1 / whole:.3f} images/s, {masks} masks, peak {side.memory()} MiB"
        )
    ratios = [b / a for a, b in zip(medians["rsic"], medians["package"])]
    points = f"{args.points} x {args.points} points"
    print(f"times as fast, {points}: encoder {ratios[0]:.2f}, rest {ratios[1]:.2f}, whole {ratios[2]:.2f}, by "
        f"processor time {ratios[3]:.2f}")
    for side in sides.values():
        side.process.stdin.close()
        side.process.wait()


if __name__ == "__main__":
    main()
