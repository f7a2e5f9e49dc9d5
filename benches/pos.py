#!/usr/bin/env python3
"""Words/s of NLTK's tagger and of ours over the same sentences, in turns, in one run: prints both and the ratio.

Ours is `cargo bench --bench pos`, built and given by its path. Wants nltk; its tables as JSON (weights, tagdict,
classes).
Usage: pos.py PATH_OF_THE_BENCH TABLES_FOLDER tests/golden/nltk_pos.json [repetitions]
"""

import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

from nltk.tag.perceptron import PerceptronTagger


def main():
    bench, folder, sentences = sys.argv[1:4]
    repetitions = int(sys.argv[4]) if len(sys.argv) > 4 else 5
    tagger = PerceptronTagger(load=False)
    table = lambda name: json.loads(next(Path(folder).glob(f"*{name}.json")).read_text())
    tagger.model.weights, tagger.tagdict, tagger.classes = table("weights"), table("tagdict"), set(table("classes"))
    tagger.model.classes = tagger.classes
    words = [item[0] for cuts in json.load(open(sentences))["items"] for item in cuts]
    count = sum(map(len, words))
    ratios = []
    for _ in range(repetitions):
        start = time.perf_counter()
        tags = [[tag for _, tag in tagger.tag(sentence)] for sentence in words]
        theirs = count / (time.perf_counter() - start)
        ours = float(subprocess.run([bench, folder, sentences], check=True, capture_output=True, text=True).stdout)
        ratios.append(ours / theirs)
        print(f"NLTK {theirs:,.0f} words/s  ours {ours:,.0f} words/s  ratio {ratios[-1]:.1f}", flush=True)
    expected = [item[1] for cuts in json.load(open(sentences))["items"] for item in cuts]
    print(f"median ratio {statistics.median(ratios):.1f}; NLTK's tags are as stored: {tags == expected}")


if __name__ == "__main__":
    main()
