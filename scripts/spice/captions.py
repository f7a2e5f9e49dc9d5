#!/usr/bin/env python3
"""Captions for the reference parser to parse, and its output packed for `rsic spice train` (docs/spice.md).

  captions.py vary CAPTIONS WORDS COUNT > varied.txt     captions with words exchanged, left out or put in
  captions.py cross CAPTIONS COUNT > crossed.txt         the beginning of one caption and the end of another
  captions.py odd CAPTIONS COUNT > odd.txt               captions with what captions rarely have: contractions, numbers,
                                                         abbreviations, brackets, words said twice, words alone
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
    "a an the of in on at by with and or is are was were to from near next many some several there it its this that "
        "two "
    "three four which while beside between around into over under has have".split()
)

ADJECTIVES = (
    "red green grey white brown blue big small new old long narrow round flat empty busy quiet tall low wide "
        "dense".split()
)
NOUNS = "pilot building road river city farmer airport school company image town man owner plane ship".split()
ARTICLES = "a an the".split()
NUMERALS = ARTICLES + "many some several two three four".split()
UNITS = "m meters km km2 feet miles percent % acres ° degrees ha tons lanes".split()
ABBREVIATIONS = "u.s. d.c. e.g. i.e. vs. approx. etc. st. mt. no. a.m. p.m. jr. dr. u.k. sq. ft. co. inc.".split()
SIGNS = "# $ @ & % * + = / £ € ² ½ × °c c++ 1st 2nd 3rd".split()
FOREIGN = "café château müller straße façade señor piñata 北京 机场 飞机 图像 住宅 река мост".split()

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


def number(rng):
    """A number, a decimal, a year, a date, a time or a decade."""
    kinds = [
        lambda: rng.randrange(2, 60),
        lambda: f"{rng.randrange(1, 40)},{rng.randrange(100, 1000)}",
        lambda: f"{rng.randrange(30)}.{rng.randrange(1, 10)}",
        lambda: rng.randrange(1900, 2025),
        lambda: f"{rng.randrange(1, 13)}/{rng.randrange(1, 29)}/{rng.randrange(1980, 2022)}",
        lambda: f"{rng.randrange(1, 13)}:{rng.randrange(10, 60)}",
        lambda: f"{rng.randrange(195, 202)}0s",
    ]
    return str(rng.choice(kinds)())


def places_of(words, some):
    return [place for place, word in enumerate(words) if word in some]


def contracted(words, rng):
    subject = rng.choice(["it 's", "they 're", "that 's", "there 's", "it is n't", "they are n't"]).split()
    verbs = places_of(words, "is are has have was were".split())
    kind = rng.random()
    if kind < 0.45 and verbs:
        place = rng.choice(verbs) + 1
        return words[:place] + ["n't"] + words[place:]
    if kind < 0.6:
        return subject + words
    if kind < 0.85:
        return words + rng.choice((["but"], [])) + subject + [rng.choice(ADJECTIVES)]
    if places := places_of(words, ["there", "it", "they"]):
        place = places[0] + 1
        return words[:place] + ["'re" if words[place - 1] == "they" else "'s"] + words[place + 1 :]
    return words


def owned(words, rng):
    if not (places := places_of(words, ARTICLES)):
        return words
    place = rng.choice(places)
    return words[:place] + [rng.choice(("the", "the", "a", "this")), rng.choice(NOUNS), "'s"] + words[place + 1 :]


def counted(words, rng):
    kind, places = rng.random(), places_of(words, NUMERALS)
    unit = [rng.choice(UNITS)] if rng.random() < 0.35 else []
    if kind < 0.5 and places:
        place = rng.choice(places)
        return words[:place] + [number(rng)] + unit + words[place + 1 :]
    if kind < 0.8:
        return words + rng.choice(["in", "at", "on", "of", "about", "in the"]).split() + [number(rng)] + unit
    return [rng.choice("in on at over".split()), number(rng)] + unit + words


def with_one_of(some):
    def inserted(words, rng):
        place = rng.randrange(len(words) + 1)
        return words[:place] + [rng.choice(some)] + words[place:]

    return inserted


def bracketed(words, rng):
    start = rng.randrange(len(words))
    end = min(len(words), start + rng.randrange(1, 4))
    return words[:start] + ["-lrb-"] + words[start:end] + ["-rrb-"] + words[end:]


def joined(words, rng):
    places = [place for place, word in enumerate(words) if word not in CLOSED]
    if len(places) < 2:
        return words
    one, other = rng.sample(places, 2)
    pair = [f"{words[one]}/{words[other]}", f"{words[one]}-{words[other]}", "and/or"]
    return words[:one] + [rng.choice(pair)] + words[one + 1 :]


def repeated(words, rng):
    if rng.random() < 0.5:
        return [word for word in words for _ in range(rng.choice((1, 1, 2)))]
    place = rng.randrange(len(words))
    return words[:place] + [words[place]] * rng.choice((1, 1, 2, 3, 5)) + words[place:]


def shortened(words, rng):
    start = rng.randrange(len(words))
    return words[start : start + rng.randrange(1, 6)]


def said_again(words, rng):
    return words + rng.choice(([], ["and"], ["while"], ["which"])) + words[: rng.randrange(1, len(words) + 1)]


def shuffled(words, rng):
    start = rng.randrange(len(words))
    part = words[start : start + 4]
    rng.shuffle(part)
    return words[:start] + part + words[start + 4 :]


ODDITIES = {
    contracted: 26,
    counted: 20,
    owned: 10,
    with_one_of(ABBREVIATIONS): 8,
    repeated: 6,
    shortened: 6,
    with_one_of(SIGNS): 5,
    with_one_of(FOREIGN): 5,
    joined: 5,
    bracketed: 4,
    shuffled: 3,
    said_again: 2,
}


def odd(captions, count):
    rng = random.Random(13)
    base = [words for words in usable(captions) if 2 <= len(words) <= 18]
    made = {}
    while len(made) < count:
        words = list(rng.choice(base))
        for change in rng.choices(list(ODDITIES), ODDITIES.values(), k=rng.choice((1, 1, 2, 2, 3))):
            words = change(words, rng)
        caption = " ".join(words)
        if len(words) <= 40 and not is_held_out(caption):
            made[caption] = None
    print("\n".join(made))


def pack(out, paths):
    parses = {}
    for path in paths:
        with open(path) as file:
            for line in file:
                parsed = json.loads(line)
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
        case ["odd", captions, count]:
            odd(captions, int(count))
        case ["pack", out, *paths] if paths:
            pack(out, paths)
        case _:
            sys.exit(__doc__)
