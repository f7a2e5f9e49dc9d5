#!/usr/bin/env python3
"""Times `rsic score` against pycocoevalcap 1.2 on the same captions, in one run, the two in turn.

Captions are groups of golden captions, drawn with replacement: 1,093 x 5 and 3,150 x 5 references, and 1k, 10k and
100k images for growth. Scores of both must agree. Needs Java, and pycocoevalcap 1.2 in the Python that runs this.

    cargo build --release
    (cd fuzz && cargo build --release --example measure)
    python benches/score_vs_pycocoevalcap.py --rsic target/release/rsic --out benches/results.json
"""

import argparse
import gzip
import json
import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
METRICS = "BLEU,METEOR,ROUGE_L,CIDEr"  # without SPICE, which has a Java program of its own there
NAMES = {"Bleu_1": "BLEU-1", "Bleu_2": "BLEU-2", "Bleu_3": "BLEU-3", "Bleu_4": "BLEU-4", "METEOR": "METEOR",
         "ROUGE_L": "ROUGE_L", "CIDEr": "CIDEr"}


def groups():
    """Golden groups of at least five references and ordinary length."""
    items = json.load(open(os.path.join(ROOT, "tests/golden/rs_captions.json")))["items"]
    coco = os.path.join(ROOT, "../shared/golden/coco_fakecap.json.gz")
    if os.path.exists(coco):
        items += json.load(gzip.open(coco))["items"]
    return [(i["hyp"], i["refs"][:5]) for i in items
            if len(i["refs"]) >= 5 and 3 <= len(i["hyp"].split()) <= 30]


def write(folder, images):
    draw = random.Random(images)
    chosen = draw.choices(groups(), k=images)
    paths = [os.path.join(folder, f"{kind}{images}.json") for kind in ("hypotheses", "references")]
    json.dump([{"image_id": i, "caption": hyp} for i, (hyp, _) in enumerate(chosen)], open(paths[0], "w"))
    json.dump({"annotations": [{"image_id": i, "id": 5 * i + j, "caption": text}
                               for i, (_, refs) in enumerate(chosen) for j, text in enumerate(refs)]},
              open(paths[1], "w"))
    return paths


def reference(hypotheses, references):
    """What a user's script does: read, tokenise, score; then all of it again with METEOR's process warm."""
    from pycocoevalcap.bleu.bleu import Bleu
    from pycocoevalcap.cider.cider import Cider
    from pycocoevalcap.meteor.meteor import Meteor
    from pycocoevalcap.rouge.rouge import Rouge
    from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer

    def gather(records):
        by_image = {}
        for record in records:
            by_image.setdefault(record["image_id"], []).append({"caption": record["caption"]})
        return by_image

    def run(meteor):
        seconds, scores = {}, {}
        start = time.perf_counter()
        res = gather(json.load(open(hypotheses)))
        gts = gather(json.load(open(references))["annotations"])
        gts, res = PTBTokenizer().tokenize(gts), PTBTokenizer().tokenize(res)
        seconds["tokenise"] = time.perf_counter() - start
        for name, scorer in (("bleu", Bleu(4)), ("rouge", Rouge()), ("cider", Cider()), ("meteor", meteor)):
            begin = time.perf_counter()
            scorer = scorer() if scorer is Meteor else scorer
            score, _ = scorer.compute_score(gts, res)
            seconds[name] = time.perf_counter() - begin
            for key, value in zip(*((["Bleu_1", "Bleu_2", "Bleu_3", "Bleu_4"], score) if name == "bleu" else
                                    ([{"rouge": "ROUGE_L", "cider": "CIDEr", "meteor": "METEOR"}[name]], [score]))):
                scores[NAMES[key]] = float(value)
        seconds["all"] = time.perf_counter() - start
        return seconds, scores, scorer

    sys_stdout, sys.stdout = sys.stdout, sys.stderr
    cold, scores, meteor = run(Meteor)
    warm, _, _ = run(meteor)
    sys.stdout = sys_stdout
    status = open(f"/proc/{meteor.meteor_p.pid}/status").read()
    java_kb = int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1])
    own_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps({"cold": cold, "warm": warm, "peak_kb": own_kb + java_kb, "corpus": scores}))
    sys.stdout.flush()
    meteor.meteor_p.kill()
    os._exit(0)


def process(command):
    """Wall-clock seconds, peak resident kilobytes, output."""
    start = time.perf_counter()
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    output = child.stdout.read()
    _, status, usage = os.wait4(child.pid, 0)
    if status:
        sys.exit(f"{command} failed")
    return time.perf_counter() - start, usage.ru_maxrss, output


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rsic", default=os.path.join(ROOT, "target/release/rsic"))
    parser.add_argument("--measure", default=os.path.join(ROOT, "fuzz/target/release/examples/measure"))
    parser.add_argument("--sizes", type=int, nargs="*", default=[1093, 3150])
    parser.add_argument("--growth", type=int, nargs="*", default=[1000, 10000, 100000])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--out")
    parser.add_argument("--reference", nargs=2, metavar=("HYP", "REF"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.reference:
        return reference(*args.reference)

    report = {"sizes": {}, "growth": {}}
    median = statistics.median
    with tempfile.TemporaryDirectory() as folder:
        for images in args.sizes:
            files = write(folder, images)
            rows = []
            for _ in range(args.repeats):
                row = {}
                row["ours"], row["ours_kb"], _ = process([args.rsic, "score", *files, "--metrics", METRICS,
                                                         "--out", f"{folder}/o.json"])
                row["alone"], row["alone_kb"], _ = process([args.measure, *files, "0"])
                _, _, output = process([args.measure, *files, "5"])
                row["inside"] = json.loads(output)
                row["theirs"], _, output = process([sys.executable, __file__, "--reference", *files])
                row["reference"] = json.loads(output)
                ours = json.load(open(f"{folder}/o.json"))["corpus"]
                for name, value in row["reference"]["corpus"].items():
                    if abs(ours[name] - value) > 1e-9:
                        sys.exit(f"{name} differs: {ours[name]} here, {value} in the reference")
                rows.append(row)
            inside = {key: median(row["inside"][key] for row in rows)
                      for key in ("read", "meteor_cold", "all_first", "all_warm", "meteor_warm", "prepared")}
            theirs = {kind: {key: median(row["reference"][kind][key] for row in rows)
                             for key in ("tokenise", "bleu", "rouge", "cider", "meteor", "all")}
                      for kind in ("cold", "warm")}
            # "Alone" is a process without LibTorch that does what `rsic score` does: read, prepare, score once.
            result = {
                "ours_process_s": median(row["ours"] for row in rows),
                "ours_process_peak_mb": max(row["ours_kb"] for row in rows) / 1024,
                "ours_alone_process_s": median(row["alone"] for row in rows),
                "ours_inside_s": inside,
                "ours_alone_peak_mb": max(row["alone_kb"] for row in rows) / 1024,
                "reference_process_s": median(row["theirs"] - row["reference"]["warm"]["all"] for row in rows),
                "reference_s": theirs,
                "reference_peak_mb": max(row["reference"]["peak_kb"] for row in rows) / 1024,
            }
            result["ratio_cold_process"] = result["reference_process_s"] / result["ours_process_s"]
            result["ratio_cold_alone"] = result["reference_process_s"] / result["ours_alone_process_s"]
            result["ratio_warm"] = theirs["warm"]["all"] / (inside["all_warm"] + inside["read"])
            result["ratio_meteor_cold"] = theirs["cold"]["meteor"] / inside["meteor_cold"]
            result["ratio_meteor_warm"] = theirs["warm"]["meteor"] / inside["meteor_warm"]
            report["sizes"][f"{images} x 5"] = result
        for images in args.growth:
            seconds, kilobytes, output = process([args.measure, *write(folder, images), "1"])
            inside = json.loads(output)
            report["growth"][images] = {"all_s": inside["all_warm"], "us_per_image": inside["all_warm"] / images * 1e6,
                                        "read_s": inside["read"], "peak_mb": kilobytes / 1024}
    text = json.dumps(report, indent=1)
    print(text)
    if args.out:
        open(args.out, "w").write(text + "\n")


if __name__ == "__main__":
    main()
