#!/usr/bin/env python3
"""What Stanford's PTBTokenizer, as coco-caption runs it, makes of every code point: src/eval/tokenizer/classes.txt and
the hashes in tests/golden/tokenizer.json.

usage: tokenizer_classes.py STANFORD_CORENLP_3_4_1_JAR   (inside the wheel pycocoevalcap 1.2; needs java)
"""

import hashlib
import json
import re
import subprocess
import sys
import tempfile

CONTEXTS = {"alone": "x %s y", "inside": "x%sy", "between digits": "5%s5", "twice": "%s%s", "at the end": "road%s"}
PUNCTUATION = "'' ' `` ` -LRB- -RRB- -LCB- -RCB- . ? ! , : - -- ... ;".split()
CODE_POINTS = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000 and c not in (10, 13)]
# How the contexts come out, C being the code point; other ways are the tokeniser's own code.
CLASSES = {
    ("x C y", "xCy", "5C5", "CC"): "word",
    ("x C y", "xCy", "5 C5", "CC"): "mark",
    ("x C y", "x C y", "5 C 5", "C C"): "symbol",
    ("x C y", "x C y", "5C5", "C C"): "symbol",
    ("x C y", "x C y", "5 C 5", "CC"): "run",
}


def tokens(jar, template):
    """Tokens of each code point in a context, cleaned as coco-caption does."""
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", newline="") as file:
        file.writelines(f"k{c:x} {template.replace('%s', chr(c))}\n" for c in CODE_POINTS)
        file.flush()
        java = ["java", "-Dfile.encoding=UTF-8", "-cp", jar, "edu.stanford.nlp.process.PTBTokenizer"]
        output = subprocess.run([*java, "-preserveLines", "-lowerCase", file.name], capture_output=True, check=True)
    found, current = {}, None
    for line in output.stdout.decode().split("\n"):
        words = [word for word in line.rstrip().split(" ") if word and word not in PUNCTUATION]
        if words and re.fullmatch("k[0-9a-f]+", words[0]):
            current = found[int(words[0][1:], 16)] = words[1:]
        elif current is not None:  # the code point breaks lines
            current += words
    return found


def main(jar):
    found = {name: tokens(jar, template) for name, template in CONTEXTS.items()}
    hashes = {}
    for name, of in found.items():
        lines = "".join(f"{c:x}\t{' '.join(of[c])}\n" for c in CODE_POINTS)
        hashes[name] = hashlib.sha256(lines.encode()).hexdigest()
    with open("tests/golden/tokenizer.json", "w", encoding="utf-8") as file:
        json.dump({"contexts": CONTEXTS, "sha256": hashes}, file, indent=1)
        file.write("\n")
    runs = []
    for c in range(0x80, 0x10000):
        forms = "|".join(re.escape(form) for form in (chr(c).lower(), chr(c), "ς"))
        shape = []
        for name in list(CONTEXTS)[:4]:
            text = " ".join(found[name].get(c, []))
            shape.append(re.sub(forms if c > 0xA0 else "[^x5y ]", "C", text))
        kind = CLASSES.get(tuple(shape), "gone")
        if runs and runs[-1][0] == kind:
            continue
        runs.append((kind, c))
    with open("src/eval/tokenizer/classes.txt", "w", encoding="utf-8") as file:
        file.writelines(f"{c:x} {kind}\n" for kind, c in runs)


main(*sys.argv[1:])
