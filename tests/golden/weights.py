"""Makes the weight files of tests/golden/weights/: what PyTorch 2.11 and NumPy write, and pickles that must be refused.

    python tests/golden/weights.py            # needs torch, numpy

All hold the same three tensors (or say otherwise below); tests/weights.rs knows their values.
"""

import os
import pickle
import zipfile
from collections import OrderedDict
from pathlib import Path

import numpy as np
import torch

OUT = Path(__file__).parent / "weights"


class Hostile:
    def __reduce__(self):
        return (os.system, ("echo this must never run",))


class Small(torch.nn.Module):
    """Modules in modules, as OpenAI's CLIP is published: a TorchScript archive, half precision, buffers."""

    def __init__(self, weight: torch.Tensor) -> None:
        super().__init__()
        self.conv = torch.nn.Linear(3, 2, bias=False)
        self.conv.weight = torch.nn.Parameter(weight.half())
        self.inner = torch.nn.Sequential(torch.nn.Sequential(torch.nn.LayerNorm(2)))
        self.register_buffer("input_resolution", torch.tensor(224))

    def forward(self, xs: torch.Tensor) -> torch.Tensor:
        return self.inner(self.conv(xs.half()).float())


def script() -> None:
    weight = torch.arange(6, dtype=torch.float32).reshape(2, 3) / 4
    torch.jit.trace(Small(weight).eval(), torch.zeros(1, 3)).save(OUT / "script.pt")


def main() -> None:
    script()
    OUT.mkdir(exist_ok=True)
    weight = torch.arange(6, dtype=torch.float32).reshape(2, 3) / 4
    norm = torch.nn.BatchNorm2d(2)
    norm.running_mean += torch.tensor([0.5, -1.5])
    state = OrderedDict({"conv.weight": weight, "bn.running_mean": norm.running_mean})
    state["bn.num_batches_tracked"] = torch.tensor(7)
    torch.save(state, OUT / "zip.pth")
    torch.save(state, OUT / "legacy.pth", _use_new_zipfile_serialization=False)
    half = OrderedDict((k, v.half() if v.is_floating_point() else v) for k, v in state.items())
    torch.save(half, OUT / "half.pth")
    torch.save({"epoch": 3, "lr": 0.1, "state_dict": OrderedDict(("module." + k, v) for k, v in state.items())}, OUT / "wrapped.pth")
    # One storage under three tensors: whole, transposed, a part.
    base = torch.arange(12, dtype=torch.float32)
    views = {"whole": base, "transposed": base.reshape(3, 4).t(), "part": base[5:9], "parameter": torch.nn.Parameter(base[:2])}
    torch.save(views, OUT / "shared.pth")
    torch.save(views, OUT / "shared_legacy.pth", _use_new_zipfile_serialization=False)
    torch.save(norm.state_dict(), OUT / "module.bin")
    np.savez(OUT / "arrays.npz", **{k: v.numpy() for k, v in state.items()})
    np.savez_compressed(OUT / "compressed.npz", **{k: v.numpy() for k, v in state.items()})
    torch.save({"weight": weight, "extra": Hostile()}, OUT / "hostile.pth")
    torch.save({"weight": weight, "extra": Hostile()}, OUT / "hostile_legacy.pth", _use_new_zipfile_serialization=False)
    (OUT / "plain.pkl").write_bytes(pickle.dumps({"weight": [1, 2, 3]}, protocol=2))
    # A tensor that claims a terabyte of a storage of 24 bytes.
    with zipfile.ZipFile(OUT / "zip.pth") as source, zipfile.ZipFile(OUT / "absurd.pth", "w") as target:
        for name in source.namelist():
            data = source.read(name)
            if name.endswith("data.pkl"):
                data = data.replace(b"K\x02K\x03\x86", b"J\xff\xff\xff\x7fK\x03\x86")
            target.writestr(name, data)


if __name__ == "__main__":
    main()
