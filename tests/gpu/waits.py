#!/usr/bin/env python3
"""waits.py REPORT PROGRAM [DEPTH]: what of PROGRAM waits for the simulated device, by functions, most waits first.

REPORT is the file that the device wrote to SIMULATED_REPORT.
"""

import bisect
import collections
import re
import subprocess
import sys


def functions(program):
    """Addresses and names, sorted."""
    lines = subprocess.run(["nm", "-C", "--defined-only", program], capture_output=True, text=True, check=True).stdout
    parts = (line.split(" ", 2) for line in lines.splitlines())
    code = (part for part in parts if len(part) == 3 and part[1] in "tTwW")
    return sorted((int(address, 16), re.sub(r"::h[0-9a-f]{16}$", "", name)) for address, _, name in code)


def main():
    report, program = sys.argv[1:3]
    depth = int(sys.argv[3]) if len(sys.argv) > 3 else 4
    names = functions(program)
    starts = [start for start, _ in names]
    waits = collections.Counter()
    for line in open(report):
        if line.startswith("total"):
            print(line.rstrip())
        if not line.startswith("wait "):
            continue
        _, count, *words = line.split()
        addresses = [word for word in words if re.fullmatch(r"[0-9a-f]{4,}", word)]
        kind = " ".join(word for word in words if word not in addresses)
        called = [names[bisect.bisect_right(starts, int(address, 16) - 1) - 1][1] for address in addresses]
        ours = [name for name in called if re.search(r"rsic|tch::", name)]
        own = [name for name in ours if not re.search(r"std::panic|core::ops", name)]
        waits[f"{kind} | {' < '.join(own[:depth])}"] += int(count)
    for where, count in waits.most_common():
        print(f"{count:6} {where}")


if __name__ == "__main__":
    main()
