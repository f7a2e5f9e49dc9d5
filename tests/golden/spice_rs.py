#!/usr/bin/env python3
"""Keeps of a full file of reference scores what the SPICE tests read: tokens, SPICE and counts by kind.

python tests/golden/spice_rs.py FULL.json > tests/golden/spice_rs.json
"""

import json
import sys


def main():
    golden = json.load(open(sys.argv[1], encoding="utf-8"))
    lines = []
    for item in golden["items"]:
        counts = {kind: [value["tp"], value["fp"], value["fn"]] for kind, value in item["scores"]["spice"].items()}
        kept = {"hyp_tok": item["hyp_tok"], "refs_tok": item["refs_tok"],
                "scores": {"SPICE": item["scores"]["SPICE"], "spice": dict(sorted(counts.items()))}}
        lines.append(json.dumps(kept, ensure_ascii=False))
    print('{"corpus": ' + json.dumps(golden["corpus"]["SPICE"]) + ',\n"items": [\n' + ",\n".join(lines) + "\n]}")


if __name__ == "__main__":
    main()
