#!/usr/bin/env python3
"""Obtains LibTorch for rsic and prints its folder on standard output.

A LIBTORCH set by the user always wins. Otherwise the public `torch` wheel is
unpacked once into the user's cache: only the CPU libraries and headers where
there is no NVIDIA GPU (450 MB), the CUDA libraries with them where there is
one: those of CUDA 13, or of CUDA 12 where the driver asks for it.
`.cargo/config.toml` is written so that a plain `cargo build` finds it.

Environment:
  LIBTORCH     use this LibTorch and obtain nothing
  RSIC_CACHE   the cache folder (default: $XDG_CACHE_HOME/rsic or ~/.cache/rsic)
  RSIC_TORCH   cpu | cuda | cuda12: override the detection of a GPU and its driver
"""

import fcntl
import glob
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile

TORCH = "2.11.0"
# libtorch_cpu of this wheel is linked against these two small CUDA libraries, GPU or not.
CUDA_STUBS = [("nvidia-cuda-runtime==13.0.96", "libcudart.so.13"), ("nvidia-cuda-cupti==13.0.85", "libcupti.so.13")]
# Least driver of each CUDA: https://docs.nvidia.com/deploy/cuda-compatibility/minor-version-compatibility.html
DRIVERS = {"cuda": 580, "cuda12": 525}
CUDA12_INDEX = "https://download.pytorch.org/whl/cu126"
DRIVER_FILE = "/proc/driver/nvidia/version"
# What only torch's Python needs of the things that it asks for, triton above all.
PYTHON_ONLY = re.compile(r"(triton|sympy|networkx|jinja2|fsspec|filelock|setuptools|typing.extensions|cuda.bindings)\b")
CPU_LIBRARIES = ["libtorch_cpu.so", "libc10.so", "libgomp.so.1"]


def say(text):
    print(f"libtorch: {text}", file=sys.stderr, flush=True)


def fail(text):
    say(text)
    sys.exit(2)


def cache_dir():
    if os.environ.get("RSIC_CACHE"):
        return os.path.abspath(os.environ["RSIC_CACHE"])
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return os.path.join(base, "rsic")


def variant():
    chosen = os.environ.get("RSIC_TORCH")
    if chosen:
        if chosen not in ("cpu", *DRIVERS):
            fail(f"RSIC_TORCH is '{chosen}'; it must be cpu, cuda or cuda12")
        return chosen
    if not (os.path.exists(DRIVER_FILE) or glob.glob("/dev/nvidia[0-9]*")):
        return "cpu"
    return for_driver(open(DRIVER_FILE).read() if os.path.exists(DRIVER_FILE) else "")


def for_driver(text):
    """The LibTorch for a driver by what it says of itself; the newest where it says nothing."""
    found = re.search(r"Module.*?\s(\d+)\.\d+", text)
    driver = int(found.group(1)) if found else DRIVERS["cuda"]
    for kind, least in DRIVERS.items():
        if driver >= least:
            if kind != "cuda":
                say(f"NVIDIA driver {driver} is too old for CUDA 13 (needs {DRIVERS['cuda']}): taking CUDA 12")
            return kind
    return fail(f"NVIDIA driver {driver} is too old: CUDA 12 needs {DRIVERS['cuda12']}, CUDA 13 {DRIVERS['cuda']}; "
                "update the driver, or set RSIC_TORCH=cpu")


def pip(*arguments):
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", *arguments]
    done = subprocess.run(command, stdout=sys.stderr)
    if done.returncode:
        fail(f"'{' '.join(command)}' failed; check the network, or set LIBTORCH to an unpacked LibTorch {TORCH}")


def download(requirement, folder):
    """The libraries do not depend on the Python version: name one, so that any pip will do."""
    machine = platform.machine()
    tags = [f"manylinux_2_{minor}_{machine}" for minor in range(17, 29)] + [f"manylinux2014_{machine}"]
    platforms = [word for tag in tags for word in ("--platform", tag)]
    pip("download", "-q", "--no-deps", "--only-binary=:all:", "--implementation", "cp", "--python-version", "3.12",
        "--abi", "cp312", "--abi", "none", *platforms, "-d", folder, requirement)
    prefix = requirement.split("==")[0].replace("-", "_")
    wheels = [w for w in glob.glob(os.path.join(folder, "*.whl")) if os.path.basename(w).startswith(prefix + "-")]
    if not wheels:
        fail(f"pip downloaded no wheel for {requirement}")
    return wheels[0]


def extract(wheel, wanted, target):
    """Writes every member for which `wanted(name)` gives a path relative to `target`."""
    with zipfile.ZipFile(wheel) as archive:
        for member in archive.infolist():
            relative = wanted(member.filename)
            if relative and not member.is_dir():
                path = os.path.join(target, relative)
                os.makedirs(os.path.dirname(path), exist_ok=True)
                with archive.open(member) as source, open(path, "wb") as sink:
                    shutil.copyfileobj(source, sink, 1 << 20)


def install_cpu(target, scratch):
    say(f"downloading torch {TORCH} (530 MB, once) and keeping its CPU part")

    def wanted(name):
        if name.startswith("torch/include/"):
            return name[len("torch/"):]
        base = os.path.basename(name)
        return f"lib/{base}" if name == f"torch/lib/{base}" and base in CPU_LIBRARIES else None

    wheel = download(f"torch=={TORCH}", scratch)
    extract(wheel, wanted, target)
    os.remove(wheel)
    for requirement, library in CUDA_STUBS:
        wheel = download(requirement, scratch)
        extract(wheel, lambda name: f"lib/{library}" if os.path.basename(name) == library else None, target)
    # The wheel's libtorch.so asks for CUDA; an empty one that leads to libtorch_cpu serves here.
    lib = os.path.join(target, "lib")
    compiler = os.environ.get("CXX", "c++")
    link = [compiler, "-shared", "-fPIC", "-x", "c++", "/dev/null", "-o", os.path.join(lib, "libtorch.so"),
            "-Wl,--no-as-needed", f"-L{lib}", "-ltorch_cpu", "-Wl,-rpath,$ORIGIN", "-Wl,--allow-shlib-undefined"]
    try:
        subprocess.run(link, check=True, stdout=sys.stderr)
    except (OSError, subprocess.CalledProcessError) as error:
        fail(f"cannot link libtorch.so with '{compiler}': {error}; install a C++ compiler (Debian: "
            "apt-get install g++)")


def libraries(metadata):
    """The requirements in a wheel's metadata that hold libraries."""
    lines = re.findall(r"^Requires-Dist: (.*)$", metadata, re.MULTILINE)
    return [line for line in lines if "extra ==" not in line and not PYTHON_ONLY.match(line)]


def install_cuda(kind, target):
    say(f"an NVIDIA GPU is present: downloading torch {TORCH} with its CUDA libraries (several GB, once)")
    site = os.path.join(target, "site")
    index = ["--index-url", CUDA12_INDEX] if kind == "cuda12" else []
    pip("install", "--target", site, "--no-deps", *index, f"torch=={TORCH}")
    metadata = glob.glob(os.path.join(site, "torch-*.dist-info", "METADATA"))
    if not metadata:
        fail(f"the wheel of torch {TORCH} does not say what it needs; set LIBTORCH to an unpacked LibTorch {TORCH}")
    with open(metadata[0], encoding="utf-8") as file:
        pip("install", "--target", site, *index, *libraries(file.read()))
    size = sum(os.lstat(os.path.join(at, name)).st_size for at, _, names in os.walk(site) for name in names)
    say(f"{size / 1e9:.1f} GB on disk")
    # The libraries find their CUDA companions by paths relative to the wheel's layout, so they stay in it.
    for folder in ("lib", "include"):
        os.symlink(os.path.join("site", "torch", folder), os.path.join(target, folder))


def write_cargo_config(root, libtorch):
    path = os.path.join(root, ".cargo", "config.toml")
    text = f'# Written by scripts/libtorch.py.\n[env]\nLIBTORCH = "{libtorch}"\n'
    if os.path.exists(path) and open(path).read() == text:
        return
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as file:
        file.write(text)


def main():
    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    given = os.environ.get("LIBTORCH")
    if given:
        if not glob.glob(os.path.join(given, "lib", "libtorch_cpu.*")):
            fail(f"LIBTORCH is '{given}', but '{given}/lib' has no libtorch_cpu; point it at an unpacked LibTorch "
                f"{TORCH}")
        print(os.path.abspath(given))
        return
    if sys.platform != "linux":
        fail(f"only Linux is set up automatically; unpack LibTorch {TORCH} and set LIBTORCH to its folder")
    kind = variant()
    home = cache_dir()
    final = os.path.join(home, f"libtorch-{TORCH}-{kind}")
    try:
        os.makedirs(home, exist_ok=True)
        lock = open(os.path.join(home, "libtorch.lock"), "w")
    except OSError as error:
        fail(f"cannot write to the cache folder '{home}': {error}; set RSIC_CACHE to a folder you can write to")
    fcntl.flock(lock, fcntl.LOCK_EX)  # two builds side by side: the second waits and finds it done
    if not os.path.isdir(final):
        with tempfile.TemporaryDirectory(dir=home, prefix="libtorch-") as scratch:
            staged = os.path.join(scratch, "staged")
            os.makedirs(staged)
            if kind == "cpu":
                install_cpu(staged, scratch)
            else:
                install_cuda(kind, staged)
            with open(os.path.join(staged, "build-version"), "w") as file:
                file.write(TORCH)
            os.rename(staged, final)
        say(f"ready in {final}")
    write_cargo_config(root, final)
    print(final)


if __name__ == "__main__":
    main()
