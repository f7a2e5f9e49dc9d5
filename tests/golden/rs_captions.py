#!/usr/bin/env python3
"""Makes the reference values in rs_captions.json anew from the captions in it.

Needs Java and pycocoevalcap 1.2: python tests/golden/rs_captions.py
"""

import json
import os
import sys
from importlib.metadata import version

from pycocoevalcap.bleu.bleu import Bleu
from pycocoevalcap.cider.cider import Cider
from pycocoevalcap.meteor.meteor import Meteor
from pycocoevalcap.rouge.rouge import Rouge
from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer

PATH = os.path.join(os.path.dirname(os.path.abspath(__file__)), "rs_captions.json")


def tokens(captions_of):
    captions = {i: [{"caption": text} for text in texts] for i, texts in captions_of.items()}
    return PTBTokenizer().tokenize(captions)


def main():
    golden = json.load(open(PATH, encoding="utf-8"))
    items = golden["items"]
    stdout, sys.stdout = sys.stdout, sys.stderr
    refs = tokens({item["id"]: item["refs"] for item in items})
    hyps = tokens({item["id"]: [item["hyp"]] for item in items})
    meteor = Meteor()
    corpus, values = {}, {}
    corpus["METEOR"], values["METEOR"] = meteor.compute_score(refs, hyps)
    bleu, bleus = Bleu(4).compute_score(refs, hyps)
    for n in range(4):
        corpus[f"Bleu_{n + 1}"], values[f"Bleu_{n + 1}"] = bleu[n], bleus[n]
    corpus["ROUGE_L"], values["ROUGE_L"] = Rouge().compute_score(refs, hyps)
    corpus["CIDEr"], values["CIDEr"] = Cider().compute_score(refs, hyps)
    corpus["Sm"] = (corpus["Bleu_4"] + corpus["METEOR"] + corpus["ROUGE_L"] + corpus["CIDEr"]) / 4
    for place, item in enumerate(items):
        hyp, texts = hyps[item["id"]][0], refs[item["id"]]
        item["hyp_tok"], item["refs_tok"] = hyp, texts
        scores = {name: float(values[name][place]) for name in values}
        scores["meteor_stats"] = meteor._stat(hyp, texts)
        single = {i: [text] for i, text in enumerate(texts)}
        scores["meteor_per_ref"] = meteor.compute_score(single, {i: [hyp] for i in single})[1]
        item["scores"] = scores
    sys.stdout = stdout
    meteor.meteor_p.kill()
    golden["versions"] = {name: version(name) for name in ("pycocoevalcap", "numpy")}
    lines = ",\n".join(json.dumps(item, ensure_ascii=False) for item in items)
    head = "".join(f'"{key}": {json.dumps(value)},\n' for key, value in
                   (("versions", golden["versions"]), ("corpus", {k: float(v) for k, v in sorted(corpus.items())})))
    with open(PATH, "w", encoding="utf-8") as file:
        file.write("{\n" + head + '"items": [\n' + lines + "\n]}\n")


if __name__ == "__main__":
    main()
