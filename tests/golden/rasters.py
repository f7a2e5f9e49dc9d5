"""Small TIFFs of many kinds as GDAL writes them, and what rasterio reads of them.

    python3 -m venv env && env/bin/pip install rasterio==1.4.4 numpy
    env/bin/python tests/golden/rasters.py tests/golden/rasters

Of each file rasters.json has its properties, the SHA-256 of its values as 32-bit little-endian floats (band by band)
and of its mask (a byte a pixel). Of files with lossy compression, whose decoders may differ by a few levels, the values
themselves are beside them (NAME.f32.gz).
"""

import gzip
import hashlib
import json
import pathlib
import sys

import numpy as np
import rasterio
import rasterio.shutil
from rasterio.transform import from_origin
from rasterio.windows import Window

WIDTH, HEIGHT = 45, 37


def values(bands, dtype):
    """Smooth waves, so that the files are small and lossy compression has little to lose."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float64)
    waves = [np.sin(x / (9 + 3 * b)) * np.cos(y / (7 + 2 * b)) for b in range(bands)]
    unit = (np.stack(waves) + 1) / 2
    if np.issubdtype(dtype, np.floating):
        return (unit * 3 - 1).astype(dtype)
    info = np.iinfo(dtype)
    low, high = (0, min(info.max, 10000)) if info.min == 0 else (max(info.min, -3000), min(info.max, 7000))
    return (low + unit * (high - low)).astype(dtype)


def write(folder, name, data, **options):
    path = folder / f"{name}.tif"
    profile = dict(driver="GTiff", width=WIDTH, height=HEIGHT, count=data.shape[0], dtype=data.dtype)
    profile |= dict(crs="EPSG:32650", transform=from_origin(500000, 4000000, 0.5, 0.5))
    sparse, mask, colours = (options.pop(key, None) for key in ("sparse", "mask", "colours"))
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(path, "w", **(profile | options)) as file:
        if colours:
            file.write_colormap(1, colours)
        if sparse:
            file.write(data[:, :16, :16], window=Window(16, 16, 16, 16))
        else:
            file.write(data)
        if mask is not None:
            file.write_mask(mask)
    return path


def describe(path, lossy):
    with rasterio.open(path) as file:
        data, mask = file.read(), file.dataset_mask()
        nodata = file.nodata
        bands = file.count
        if path.stem.startswith("palette"):
            table = file.colormap(1)
            data = np.stack([np.vectorize(lambda i, b=b: table[i][b])(data[0]) for b in range(3)])
            bands = 3
        kind = file.dtypes[0]
    bytes_ = np.ascontiguousarray(data.astype("<f4")).tobytes()
    if lossy:
        path.with_suffix(".f32.gz").write_bytes(gzip.compress(bytes_, mtime=0))
    return dict(
        name=path.stem, bands=bands, kind=kind, nodata=None if nodata is None else str(nodata), lossy=lossy,
        sha256=hashlib.sha256(bytes_).hexdigest(),
        mask=hashlib.sha256((mask > 0).astype(np.uint8).tobytes()).hexdigest(),
    )


def main():
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(exist_ok=True)
    tiled = dict(tiled=True, blockxsize=16, blockysize=16)
    u8, u16, f32 = values(3, np.uint8), values(4, np.uint16), values(2, np.float32)
    holes = u16.copy()
    holes[:, 10:20, 5:30] = 0
    holes[0, 30:40, 5:30] = 0
    nan = f32.copy()
    nan[:, 5:9, 5:9] = np.nan
    alpha = np.concatenate([u8, np.where(np.arange(WIDTH) < 20, 0, 255)[None, None].repeat(HEIGHT, 1).astype(np.uint8)])
    index = (values(1, np.uint8) // 16).astype(np.uint8)
    colours = {i: (i * 16, 255 - i * 9, (i * 37) % 256, 255) for i in range(16)}
    mask = np.full((HEIGHT, WIDTH), 255, np.uint8)
    mask[20:30, 40:60] = 0
    jpeg = dict(compress="jpeg", jpeg_quality=90)
    kinds = [
        ("gray8", values(1, np.uint8), {}),
        ("rgb8_planar_deflate", u8, dict(interleave="band", compress="deflate", predictor=2)),
        ("rgb8_lzw", u8, dict(photometric="rgb", compress="lzw", predictor=2)),
        ("rgb8_packbits", u8, dict(photometric="rgb", compress="packbits")),
        ("rgb8_jpeg_ycbcr", u8, dict(photometric="ycbcr", **jpeg, **tiled)),
        ("rgb8_jpeg_rgb", u8, dict(photometric="rgb", **jpeg, **tiled)),
        ("rgb8_jpeg_planar", u8, dict(interleave="band", **jpeg)),
        ("rgb8_jpeg_mask", u8, dict(photometric="ycbcr", mask=mask, **jpeg, **tiled)),
        ("rgb8_webp", u8, dict(compress="webp", webp_lossless=True, **tiled)),
        ("rgba8_webp_lossy", alpha, dict(photometric="rgb", alpha="yes", compress="webp", webp_level=90, **tiled)),
        ("rgba8", alpha, dict(photometric="rgb", alpha="yes", compress="deflate")),
        ("palette4", index, dict(photometric="palette", nbits=4, colours=colours)),
        ("palette8_bigtiff", index, dict(photometric="palette", bigtiff="yes", colours=colours, **tiled)),
        ("bits1", (index > 7).astype(np.uint8), dict(nbits=1)),
        ("bits2", index // 4, dict(nbits=2, **tiled)),
        ("white_is_zero", values(1, np.uint8), dict(photometric="miniswhite")),
        ("uint16_4_nodata", holes, dict(nodata=0, compress="lzw", predictor=2, **tiled)),
        ("uint16_12_zstd", values(12, np.uint16), dict(compress="zstd", predictor=2, **tiled)),
        ("uint16_planar_big_endian", u16, dict(interleave="band", endianness="big", compress="deflate", predictor=2)),
        ("int16_deflate", values(2, np.int16), dict(compress="deflate", predictor=2, nodata=-3000)),
        ("int32", values(1, np.int32), dict(compress="lzw", predictor=2)),
        ("uint32_bigtiff", values(1, np.uint32), dict(bigtiff="yes", compress="zstd", predictor=2)),
        ("int8", values(1, np.int8), dict(compress="deflate")),
        ("float32_predictor", f32, dict(compress="deflate", predictor=3, **tiled)),
        ("float32_big_endian", f32, dict(compress="lzw", predictor=3, endianness="big")),
        ("float32_nan", nan, dict(compress="zstd", predictor=3, nodata=np.nan)),
        ("float64", values(1, np.float64), dict(compress="deflate", predictor=3)),
        ("float16", f32, dict(nbits=16, compress="deflate")),
        ("sparse", u16, dict(sparse=True, sparse_ok=True, nodata=7, tiled=True, blockxsize=16, blockysize=16)),
    ]
    found = []
    for name, data, options in kinds:
        found.append(describe(write(folder, name, data, **options), "jpeg" in name or "lossy" in name))
    cog = folder / "cog.tif"
    rasterio.shutil.copy(folder / "uint16_4_nodata.tif", cog, driver="COG", blocksize=128, compress="deflate")
    found.append(describe(cog, False))
    (folder / "rasters.json").write_text("[\n" + ",\n".join(json.dumps(one) for one in found) + "\n]\n")


if __name__ == "__main__":
    main()
