#!/usr/bin/env python3
"""Captions for the reference parser to parse, and its output packed for `rsic spice train` (docs/spice.md).

  captions.py vary CAPTIONS WORDS COUNT > varied.txt     captions with words exchanged, left out or put in
  captions.py cross CAPTIONS COUNT > crossed.txt         the beginning of one caption and the end of another
  captions.py pack OUT.json.gz PARSES.jsonl...           what Parses.java wrote, as one file

CAPTIONS and WORDS are cleaned captions, one a line; words come from the latter. The same files give the same output.
"""
import gzip
import json
import random
import re
import sys
from collections import Counter

CLOSED = set(
    "a an the of in on at by with and or is are was were to from near next many some several there it its this that two "
    "three four which while beside between around into over under has have".split()
)

# Where a caption may go over into another that has the same word.
JOINTS = "with and near in of on at by is are next which beside between around that surrounded parked".split()


def is_held_out(caption):
    """The tenth that `rsic spice train` leaves out, and the next one, which served to choose the network's sizes."""
    number = 0xCBF29CE484222325
    for byte in caption.encode():
        number = ((number ^ byte) * 0x100000001B3) % (1 << 64)
    return (number ^ (number >> 32)) % 10 < 2


def changed(words, vocabulary, weights, rng):
    """A caption's words after one change."""
    kind = rng.random()
    place = rng.randrange(len(words))
    open_places = [i for i, word in enumerate(words) if word not in CLOSED]
    long_places = [i for i in open_places if len(words[i]) > 3]
    if kind < 0.68 and open_places:
        words[rng.choice(open_places)] = rng.choices(vocabulary, weights)[0]
    elif 0.68 <= kind < 0.82 and long_places:
        place = rng.choice(long_places)
        words[place] = words[place][:-1] if words[place].endswith("s") else words[place] + "s"
    elif 0.82 <= kind < 0.94 and len(words) > 3:
        del words[place]
    elif kind >= 0.94:
        words.insert(place, rng.choice(sorted(CLOSED)))
    return words


def usable(captions):
    with open(captions) as file:
        return [line.split() for line in file if not is_held_out(line.strip())]


def vary(captions, others, count):
    rng = random.Random(11)
    base = usable(captions)
    with open(others) as file:
        counts = Counter(word for line in file for word in line.split())
    known = {word for words in base for word in words}
    vocabulary = [w for w, n in counts.items() if n >= 3 and len(w) > 2 and re.fullmatch(r"[a-z][a-z-]+", w)]
    weights = [0.3 if word in known else 1.0 for word in vocabulary]
    base = [words for words in base if 4 <= len(words) <= 20]
    varied = {}
    while len(varied) < count:
        words = list(rng.choice(base))
        for _ in range(rng.choice((1, 1, 2, 3))):
            words = changed(words, vocabulary, weights, rng)
        varied[" ".join(words)] = None
    print("\n".join(varied))


def cross(captions, count):
    rng = random.Random(12)
    base = [words for words in usable(captions) if 4 <= len(words) <= 24]
    joints = lambda words: [i for i in range(1, len(words) - 1) if words[i] in JOINTS]
    ends = {}
    for words in base:
        for place in joints(words):
            ends.setdefault(words[place], []).append(words[place:])
    known = {" ".join(words) for words in base}
    crossed = {}
    while len(crossed) < count:
        words = rng.choice(base)
        if places := joints(words):
            place = rng.choice(places)
            new = words[:place] + rng.choice(ends[words[place]])
            caption = " ".join(new)
            if 5 <= len(new) <= 20 and caption not in known and not is_held_out(caption):
                crossed[caption] = None
    print("\n".join(crossed))


def pack(out, paths):
    parses = {}
    for path in paths:
        with open(path) as file:
            for line in file:
                parsed = json.loads(line)
                parsed["sentences"][0].pop("tree", None)
                if parsed["sentences"][0]["tokens"] == parsed["caption"].split():
                    parses.setdefault(parsed["caption"], {k: parsed[k] for k in ("caption", "sentences")})
    with open(out, "wb") as file, gzip.GzipFile(fileobj=file, mode="wb", mtime=0, filename="") as packed:
        packed.write(json.dumps(list(parses.values())).encode())
    print(f"{out}: {len(parses)} captions", file=sys.stderr)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["vary", captions, others, count]:
            vary(captions, others, int(count))
        case ["cross", captions, count]:
            cross(captions, int(count))
        case ["pack", out, *paths] if paths:
            pack(out, paths)
        case _:
            sys.exit(__doc__)
