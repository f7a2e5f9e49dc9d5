#!/usr/bin/env python3
"""Lists lines of more than 120 columns, which rustfmt leaves in comments and strings, and exits with code 1 if any.
Exempt are tables, links and code blocks of documents, and Rust lines that a long literal without spaces fills.
"""

import re
import subprocess
import sys

LIMIT = 120
PATHS = ["*.rs", "*.py", "*.md", "*.cpp", "*.java", "Makefile", "*.toml"]
GENERATED = ("experiments/results/", "tests/golden/report/")


def exempt(path, line, in_code):
    if path.endswith(".md"):
        return in_code or line.startswith("|") or "](" in line or "<http" in line
    return max(map(len, re.split(r"\s+", line.strip()))) > 80 or bool(re.search(r'["{,] ?\\?"[^ ]+\\?": ', line))


def too_long(path):
    in_code = False
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            line = line.rstrip("\n")
            in_code ^= line.startswith("```")
            if len(line) > LIMIT and not exempt(path, line, in_code):
                yield f"{path}:{number}: {len(line)} columns"


listed = subprocess.run(["git", "ls-files", "--", *PATHS], check=True, capture_output=True, text=True).stdout
faults = [fault for path in listed.splitlines() if not path.startswith(GENERATED) for fault in too_long(path)]
print("\n".join(faults), file=sys.stderr, end="\n" if faults else "")
sys.exit(bool(faults))
