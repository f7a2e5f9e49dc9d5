#!/usr/bin/env python3
"""NLTK's tags of captions: makes nltk_pos.json of captions that are already cut into words.

Usage: nltk_pos.py < sentences.json > nltk_pos.json, where an item is a list of ways of cutting a caption, each a list
of words: [[["many", "trees", "."], ["many", "trees"]], ...]. Wants nltk with its averaged_perceptron_tagger_eng.
"""

import json
import sys

import nltk


def main():
    rows = []
    for cuts in json.load(sys.stdin):
        rows.append(json.dumps([[words, [tag for _, tag in nltk.pos_tag(words)]] for words in cuts],
            ensure_ascii=False))
    print('{"made_by": "NLTK %s; see nltk_pos.py", "items": [' % nltk.__version__)
    print(",\n".join(rows))
    print("]}")


if __name__ == "__main__":
    main()
