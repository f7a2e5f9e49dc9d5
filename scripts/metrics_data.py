#!/usr/bin/env python3
"""Obtains METEOR's resources for rsic and compiles them into the user's cache.

The public package pycocoevalcap 1.2 carries METEOR's synonym, exception,
function-word and paraphrase files. Its wheel is downloaded with pip, checked by
SHA-256, compiled by `rsic metrics-data` and deleted again. Nothing is done where
the compiled file already exists.

Usage: metrics_data.py RSIC [WHEEL]
  RSIC   the rsic program
  WHEEL  use this wheel instead of downloading it

Environment:
  RSIC_CACHE   the cache folder (default: $XDG_CACHE_HOME/rsic or ~/.cache/rsic)
"""

import hashlib
import os
import struct
import subprocess
import sys
import tempfile

PACKAGE = "pycocoevalcap==1.2"
SHA256 = "083ed7910f1aec000b0a237ef6665f74edf19954204d0b1cbdb8399ed132228d"
# Magic and version of the file that this rsic reads (src/eval/meteor/resources.rs).
MAGIC, VERSION = b"RSICMTR\0", 1


def say(text):
    print(f"metrics-data: {text}", file=sys.stderr, flush=True)


def fail(text):
    say(text)
    sys.exit(2)


def compiled_file():
    cache = os.environ.get("RSIC_CACHE")
    if not cache:
        base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
        cache = os.path.join(base, "rsic")
    return os.path.join(os.path.abspath(cache), "metrics-en.bin")


def is_current(path):
    """Of this version, and as long as its header says."""
    try:
        with open(path, "rb") as file:
            magic, version, _ = struct.unpack("<8sII", file.read(16))
            file.seek(80)
            (length,) = struct.unpack("<Q", file.read(8))
    except (OSError, struct.error):
        return False
    return magic == MAGIC and version == VERSION and length == os.path.getsize(path)


def download(folder):
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--no-deps", "--quiet"]
    command += ["--only-binary", ":all:", "--dest", folder, PACKAGE]
    say(f"downloading {PACKAGE} (104 MB)")
    if subprocess.run(command, stdout=sys.stderr).returncode:
        fail(f"'{' '.join(command)}' failed; check the network, or give a wheel: metrics_data.py RSIC WHEEL")
    wheels = [os.path.join(folder, name) for name in os.listdir(folder) if name.endswith(".whl")]
    if len(wheels) != 1:
        fail(f"pip left {len(wheels)} wheels in '{folder}', expected 1")
    return wheels[0]


def check(wheel):
    digest = hashlib.sha256()
    try:
        with open(wheel, "rb") as file:
            for block in iter(lambda: file.read(1 << 20), b""):
                digest.update(block)
    except OSError as error:
        fail(f"cannot read '{wheel}': {error.strerror}")
    if digest.hexdigest() != SHA256:
        fail(f"'{wheel}' has SHA-256 {digest.hexdigest()}, expected {SHA256}")


def main():
    if len(sys.argv) not in (2, 3):
        fail("usage: metrics_data.py RSIC [WHEEL]")
    output = compiled_file()
    if is_current(output):
        say(f"'{output}' already exists")
        return
    with tempfile.TemporaryDirectory() as folder:
        wheel = sys.argv[2] if len(sys.argv) == 3 else download(folder)
        check(wheel)
        sys.exit(subprocess.run([sys.argv[1], "metrics-data", wheel, "--output", output]).returncode)


if __name__ == "__main__":
    main()
