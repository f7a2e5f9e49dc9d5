"""Longitudes and latitudes by PROJ: writes geo.json beside itself.

pip install pyproj==3.7.2; python3 tests/golden/geo.py
"""

import json
import random
from pathlib import Path

import pyproj

# Area of use by longitude and latitude: UTM, Web Mercator, geographic and national systems of several projections.
# Those whose datum PROJ shifts by a grid or by newer parameters than the definition's are left out.
SYSTEMS = {
    32632: (5, 40, 13, 60), 32733: (12, -60, 18, -5), 32601: (-180, 5, -174, 70), 26918: (-78, 30, -72, 60),
    25832: (6, 45, 12, 60), 3857: (-170, -80, 170, 80), 4326: (-180, -90, 180, 90), 4258: (-10, 35, 30, 70),
    2154: (-4, 42, 8, 51), 3035: (-10, 36, 30, 65), 2056: (6, 46, 10, 47.5), 3577: (115, -40, 150, -12),
    5186: (126, 34, 129, 38), 3413: (-170, 62, 170, 88), 3031: (-170, -88, 170, -62), 2180: (15, 49.5, 23, 54.5),
    2193: (167, -46, 178, -35), 3067: (20, 60, 31, 70), 2263: (-74.2, 40.5, -73.5, 41), 6933: (-179, -80, 179, 80),
}


def points():
    rng = random.Random(29)
    for code, (west, south, east, north) in SYSTEMS.items():
        there = pyproj.Transformer.from_crs(4326, code, always_xy=True)
        back = pyproj.Transformer.from_crs(code, 4326, always_xy=True)
        for _ in range(8):
            x, y = there.transform(rng.uniform(west, east), rng.uniform(south, north))
            x, y = (round(v, 9 if abs(v) < 1000 else 3) for v in (x, y))
            yield [code, x, y, *back.transform(x, y)]


def main():
    found = {
        "versions": {"pyproj": pyproj.__version__, "PROJ": pyproj.proj_version_str},
        "lonlat": list(points()),
    }
    text = json.dumps(found).replace("], [", "],\n[")
    Path(__file__).with_suffix(".json").write_text(text + "\n")


if __name__ == "__main__":
    main()
