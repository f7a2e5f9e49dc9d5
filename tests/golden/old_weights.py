"""Makes the weight files of tests/golden/weights/old/: what PyTorch wrote before its zip archives.

    PYTHONPATH=... python2.7 tests/golden/old_weights.py       # needs torch 1.4.0 for Python 2.7, numpy 1.16, future

PyTorch 1.4 under Python 2.7 writes all of them, with the reductions that tensors and parameters had in PyTorch 0.1 to
0.3 where a file's name says so: `torch.load` of 1.4 has read each of them back before it is kept. tests/weights.rs
knows their values.
"""

from __future__ import print_function

import os
import pickle
import struct
import sys
from collections import OrderedDict

import torch

OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "weights", "old")


def weight():
    return torch.arange(6, dtype=torch.float32).reshape(2, 3) / 4


def state(prefix=""):
    tensors = [("conv.weight", weight()), ("bn.running_mean", torch.tensor([0.5, -1.5]))]
    tensors.append(("bn.num_batches_tracked", torch.tensor(7)))
    return OrderedDict((prefix + name, tensor) for name, tensor in tensors)


def rebuild_tensor(self, protocol):
    """Of PyTorch 0.2 and 0.3."""
    return torch._utils._rebuild_tensor, (self.storage(), self.storage_offset(), tuple(self.size()), self.stride())


def of_parameter(self, protocol):
    """Of PyTorch 0.2 and 0.3, whose parameters held a tensor without a graph."""
    return torch.nn.Parameter, (self.data,), (self.requires_grad, False, OrderedDict())


class Patched(object):
    def __enter__(self):
        self.kept = torch.Tensor.__reduce_ex__, torch.nn.Parameter.__reduce_ex__
        torch.Tensor.__reduce_ex__ = rebuild_tensor
        torch.nn.Parameter.__reduce_ex__ = of_parameter

    def __exit__(self, *_):
        torch.Tensor.__reduce_ex__, torch.nn.Parameter.__reduce_ex__ = self.kept


def save(value, name):
    path = os.path.join(OUT, name)
    torch.save(value, path)
    print(name, torch.load(path))


class View(object):
    """A storage that is a part of another one: PyTorch 0.1 to 0.3 had such."""


def storage_view(name):
    """One storage of 0, 0.25, 0.5, ...; `part` begins at its fifth element, by a view of the storage."""
    from torch.serialization import MAGIC_NUMBER, PROTOCOL_VERSION

    class Pickler(pickle.Pickler):
        def persistent_id(self, value):
            if isinstance(value, View):
                return ("storage", torch.FloatStorage, "1", "cpu", 12, value.metadata)
            return None

    whole, part = View(), View()
    whole.metadata, part.metadata = None, ("2", 4, 6)
    call = torch._utils._rebuild_tensor

    class Tensor(object):
        def __init__(self, *parts):
            self.parts = parts

        def __reduce_ex__(self, protocol):
            return call, self.parts

    tensors = OrderedDict([("whole", Tensor(whole, 0, (3, 4), (4, 1))), ("part", Tensor(part, 1, (2, 2), (2, 1)))])
    with open(os.path.join(OUT, name), "wb") as file:
        sizes = {"protocol_version": PROTOCOL_VERSION, "little_endian": True, "type_sizes": {"int": 4}}
        for value in (MAGIC_NUMBER, PROTOCOL_VERSION, sizes):
            pickle.dump(value, file, protocol=2)
        pickler = Pickler(file, protocol=2)
        pickler.dump(tensors)
        pickle.dump(["1"], file, protocol=2)
        file.write(struct.pack("<q12f", 12, *[i / 4.0 for i in range(12)]))
    print(name, torch.load(os.path.join(OUT, name)))


def main():
    assert sys.version_info[0] == 2 and torch.__version__ == "1.4.0"
    if not os.path.isdir(OUT):
        os.makedirs(OUT)
    save(state(), "python2.pth")
    extra = {"epoch": 3, "arch": "resnet50", "best_acc1": torch.tensor(76.5), "optimizer": {"state": {}, "lr": [0.1]}}
    save(dict(extra, state_dict=state("module.")), "checkpoint_python2.pth.tar")
    with Patched():
        save(state(), "rebuild_tensor.pth")
        parameters = OrderedDict((name, torch.nn.Parameter(value)) for name, value in list(state().items())[:2])
        save(parameters, "parameter.pth")
    base = torch.arange(12, dtype=torch.float32)
    kinds = OrderedDict([("half", weight().half()), ("bfloat16", weight().bfloat16()), ("double", weight().double())])
    kinds["int64"] = torch.tensor([-1, 1 << 40])
    kinds["int32"] = torch.tensor([-1, 1 << 20], dtype=torch.int32)
    kinds["uint8"] = torch.tensor([0, 255], dtype=torch.uint8)
    kinds["bool"] = torch.tensor([True, False])
    kinds["scalar"] = torch.tensor(7)
    kinds["empty"] = torch.zeros(0, 3)
    kinds["transposed"] = base.reshape(3, 4).t()
    kinds["part"] = base[5:9]
    kinds["half_part"] = (base / 4).half()[2:4]
    save(kinds, "kinds.pth")
    storage_view("storage_view.pth")


if __name__ == "__main__":
    main()
