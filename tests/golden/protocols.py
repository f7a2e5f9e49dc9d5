"""Reference values of the protocols: NLTK 3.10.4 and rouge-score 0.1.2 on the captions of rs_captions.json.

    pip install nltk rouge-score && python tests/golden/protocols.py

WordNet is left out (a reader that knows no word), so METEOR is that of exact words and stems. `word_tokenize` needs a
trained sentence splitter; the tokenizer that it runs on each sentence is called on sentences parted at ". ".
"""

import json
import math
import re
from collections import Counter
from pathlib import Path

from nltk.stem.porter import PorterStemmer
from nltk.tokenize import NLTKWordTokenizer
from nltk.translate.bleu_score import SmoothingFunction, corpus_bleu
from nltk.translate.meteor_score import meteor_score
from rouge_score import rouge_scorer

HERE = Path(__file__).parent


class NoWordNet:
    def synsets(self, _):
        return []


def mean(values):
    values = list(values)
    return sum(values) / len(values)


def bleu(hyps, refs, method):
    weights = [tuple([1 / n] * n) for n in range(1, 5)]
    return corpus_bleu(refs, hyps, weights, getattr(SmoothingFunction(), method))


def cider_original(items):
    """Vedantam et al., CVPR 2015, section 4, on coco's tokens without stemming: the mean cosine of tf-idf, times 10."""

    def grams(text):
        words = text.split()
        return [Counter(zip(*(words[i:] for i in range(n)))) for n in range(1, 5)]

    refs = [[grams(text) for text in item["refs_tok"]] for item in items]
    seen = [Counter(gram for group in refs for gram in {g for ref in group for g in ref[n]}) for n in range(4)]

    def weigh(counts):
        return [{g: tf * (math.log(len(items)) - math.log(max(1, seen[n][g]))) for g, tf in counts[n].items()}
                for n in range(4)]

    def cosine(a, b):
        norms = math.sqrt(sum(v * v for v in a.values())) * math.sqrt(sum(v * v for v in b.values()))
        return sum(value * b.get(gram, 0.0) for gram, value in a.items()) / norms if norms else 0.0

    def score(item, group):
        ours = weigh(grams(item["hyp_tok"]))
        return 10 * mean(mean(cosine(ours[n], theirs[n]) for n in range(4)) for theirs in map(weigh, group))

    return mean(score(item, group) for item, group in zip(items, refs))


def treebank(text):
    tokenizer = NLTKWordTokenizer()
    return [token for part in re.split(r"(?<=[.?!])\s+", text) for token in tokenizer.tokenize(part)]


def main():
    items = json.loads((HERE / "rs_captions.json").read_text())["items"]
    hyps, refs = [item["hyp"] for item in items], [item["refs"] for item in items]
    split_hyps, split_refs = [hyp.split() for hyp in hyps], [[ref.split() for ref in group] for group in refs]
    # Few captions share no 4-gram with any of many references: the first three images show what smoothing does.
    few = (["a b c", "x y"], [["a c b d", "a"], ["y x y"]])
    few_split = ([hyp.split() for hyp in few[0]], [[ref.split() for ref in group] for group in few[1]])
    methods = [f"method{n}" for n in range(5)]
    plain = rouge_scorer.RougeScorer(["rougeL"])
    stemmed = rouge_scorer.RougeScorer(["rouge1", "rougeL"], use_stemmer=True)

    def over(name):
        return mean(mean(stemmed.score(ref, hyp)[name].fmeasure for ref in group) for hyp, group in zip(hyps, refs))

    stemmer = PorterStemmer()
    texts = hyps + [ref for group in refs for ref in group]
    words = sorted({word for text in texts for word in re.findall("[a-z]+", text.lower())})
    stems = [
        "sky skies dying news innings proceed die dies dried try tries flies agreed feed plastered bled",
        "motoring sing conflated troubled sized hopping tanned falling hissing fizzed failing filing happy",
        "relational conditional rational valency hesitancy digitizer conformably radically differently vilely",
        "analogously vietnamization predication operator feudalism decisiveness hopefulness callousness",
        "formality sensitivity sensibility triplicate formative formalize electricity electrical hopeful",
        "goodness revival allowance inference airliner gyroscopic adjustable defensible irritant replacement",
        "adjustment dependent adoption homologou communism activate angularity homologous effective",
        "bowdlerize probate rate cease controlling rolling analogies geology fully carefully gracefully enjoy",
        "by say dry is as y toy at be owed owing ied died",
    ]
    words += [word for line in stems for word in line.split()]
    golden = {
        "cider_original": cider_original(items),
        "nltk": {
            "bleu": {method: bleu(split_hyps, split_refs, method) for method in methods},
            "few": {"hyps": few[0], "refs": few[1],
                    "bleu": {method: bleu(*few_split, method) for method in methods}},
            "meteor": mean(meteor_score(g, h, wordnet=NoWordNet()) for g, h in zip(split_refs, split_hyps)),
            "rouge_l": mean(plain.score_multi(g, h)["rougeL"].fmeasure for g, h in zip(refs, hyps)),
        },
        "mean_over_references": {
            "rouge_1": over("rouge1"),
            "rouge_l": over("rougeL"),
            "meteor": mean(meteor_score([treebank(ref) for ref in g], treebank(h), wordnet=NoWordNet())
                           for g, h in zip(refs, hyps)),
        },
        "stems": [[word, stemmer.stem(word)] for word in words if stemmer.stem(word) != word],
        "treebank": [[text, treebank(text)] for text in sorted({text for text in texts
                     if not re.fullmatch(r"[A-Za-z ]+[a-z] ?\\.", text)} | {*hyps[:5],
                     "It's a plane, isn't it? Yes: 1,000 of them (or so)."})],
    }
    (HERE / "protocols.json").write_text(json.dumps(golden, indent=0) + "\n")


main()
