"""Longitudes and latitudes by PROJ, and small scenes with their transforms by GDAL: writes geo.json and geo/ beside
itself.

pip install pyproj==3.7.2 rasterio==1.4.4; python3 tests/golden/geo.py
"""

import json
import random
from pathlib import Path

import numpy
import pyproj
import rasterio
from rasterio.transform import Affine

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


# Transform, system, and what a pixel's coordinates are those of.
SCENES = {
    "north_up": (Affine(0.3, 0, 523456.789, 0, -0.3, 5212345.678), 32632, "Area"),
    "rotated": (Affine(0.25, 0.1, 523456.789, 0.1, -0.25, 5212345.678), 25832, "Area"),
    "south_up": (Affine(0.3, 0, 523456.789, 0, 0.3, 5212345.678), 32632, "Area"),
    "degrees": (Affine(1e-5, 0, 9.123456, 0, -2e-5, 47.654321), 4326, "Area"),
    "point": (Affine(10, 0, 652000.5, 0, -10, 6862000.25), 2154, "Point"),
    "rotated_point": (Affine(0.25, 0.1, 523456.789, 0.1, -0.25, 5212345.678), 3857, "Point"),
}


def scenes():
    folder = Path(__file__).with_suffix("")
    folder.mkdir(exist_ok=True)
    for name, (transform, code, kind) in SCENES.items():
        path = folder / f"{name}.tif"
        shape = {"width": 4, "height": 3, "count": 1, "dtype": "uint8"}
        with rasterio.open(path, "w", driver="GTiff", crs=code, transform=transform, **shape) as file:
            file.write(numpy.arange(12, dtype="uint8").reshape(1, 3, 4))
            file.update_tags(AREA_OR_POINT=kind)
        with rasterio.open(path) as file:
            yield [path.name, list(file.transform)[:6], file.crs.to_epsg()]


def main():
    found = {
        "versions": {"pyproj": pyproj.__version__, "PROJ": pyproj.proj_version_str, "GDAL": rasterio.__gdal_version__},
        "scenes": list(scenes()),
        "lonlat": list(points()),
    }
    text = json.dumps(found).replace("], [", "],\n[")
    Path(__file__).with_suffix(".json").write_text(text + "\n")


if __name__ == "__main__":
    main()
