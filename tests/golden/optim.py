"""Makes tests/golden/optim.json: what PyTorch's Adam and RAdam make of 100 steps of given gradients.

    python tests/golden/optim.py               # needs torch (2.11 made the file)

Start and gradients are fractions of whole numbers, so that the test makes the very same float32 values. The parameter
is kept at some of the steps.
"""

import json
from pathlib import Path

import torch

SHAPE, STEPS, KEPT = (8, 6), 100, (1, 2, 5, 6, 10, 100)
CASES = {
    "adam": (torch.optim.Adam, {"lr": 1e-3}),
    "adam_noam": (torch.optim.Adam, {"lr": 2e-2, "betas": (0.9, 0.98), "eps": 1e-9}),
    "adam_decay": (torch.optim.Adam, {"lr": 5e-3, "weight_decay": 0.01}),
    "radam": (torch.optim.RAdam, {"lr": 5e-4}),
    "radam_decay": (torch.optim.RAdam, {"lr": 1e-2, "betas": (0.8, 0.95), "eps": 1e-6, "weight_decay": 0.1}),
}


def start(i: int) -> float:
    return (i * 53 % 97 + 16) / 64


def gradient(step: int, i: int) -> float:
    return ((step * 37 + i * 101 + step * i * 7) % 2003 - 1001) / 512 * 2.0 ** (i % 7 - 5)


def main() -> None:
    count = SHAPE[0] * SHAPE[1]
    golden = {"torch": torch.__version__, "cases": {}}
    for name, (kind, settings) in CASES.items():
        parameter = torch.nn.Parameter(torch.tensor([start(i) for i in range(count)]).reshape(SHAPE))
        optimizer = kind([parameter], **settings)
        kept = {}
        for step in range(1, STEPS + 1):
            parameter.grad = torch.tensor([gradient(step, i) for i in range(count)]).reshape(SHAPE)
            optimizer.step()
            if step in KEPT:
                kept[step] = [float(f"{v:.9g}") for v in parameter.detach().flatten().tolist()]
        golden["cases"][name] = {"kind": kind.__name__.lower(), **settings, "parameter": kept}
    (Path(__file__).parent / "optim.json").write_text(json.dumps(golden) + "\n")


if __name__ == "__main__":
    main()
