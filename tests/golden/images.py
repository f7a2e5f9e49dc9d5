"""Makes the small images of `tests/golden/images` and what Pillow and torchvision make of them.

python tests/golden/images.py     (Pillow, numpy, torch, torchvision; the versions go to images.json)

NAME.EXT           the file to decode
NAME.rgb.png       Pillow's convert("RGB") of it (16-bit samples: rounded to 8 bits by numpy, which Pillow cannot)
NAME.SIZE.png      that image resized to SIZE x SIZE by Pillow, BILINEAR
images.json        the cases, and torchvision's ToTensor + Normalize of a few bytes, float32 as bits
"""

import json
import pathlib
import struct

import numpy as np
import PIL
import torch
import torchvision
from PIL import Image

OUT = pathlib.Path(__file__).parent / "images"
OUT.mkdir(exist_ok=True)
rng = np.random.default_rng(5)


def scene(width, height):
    """A smooth ramp, hard edges and noise: what filters differ on."""
    y, x = np.mgrid[0:height, 0:width]
    image = np.stack([x * 255 // max(width - 1, 1), y * 255 // max(height - 1, 1), (x + y) % 256], axis=-1)
    image[height // 3 : height // 2, width // 4 : width // 2] = [250, 3, 120]
    noise = rng.integers(0, 256, size=(height, width, 3))
    image[:, width // 2 :] = noise[:, width // 2 :]
    return image.astype(np.uint8)


def tiff16(path, samples):
    """Uncompressed big-endian RGB TIFF of 16 bits, which Pillow cannot write."""
    height, width, _ = samples.shape
    data = samples.astype(">u2").tobytes()
    entries = [(256, 4, 1, width), (257, 4, 1, height), (258, 3, 3, 8 + 2 + 12 * 9 + 4), (259, 3, 1, 1), (262, 3, 1, 2)]
    at = 8 + 2 + 12 * 9 + 4 + 6
    entries += [(273, 4, 1, at), (277, 3, 1, 3), (278, 4, 1, height), (279, 4, 1, len(data))]
    ifd = struct.pack(">H", len(entries))
    for tag, kind, count, value in entries:
        packed = struct.pack(">HH", value, 0) if kind == 3 and count == 1 else struct.pack(">I", value)
        ifd += struct.pack(">HHI", tag, kind, count) + packed
    path.write_bytes(b"MM\0*" + struct.pack(">I", 8) + ifd + struct.pack(">I", 0) +
        struct.pack(">HHH", 16, 16, 16) + data)


cases = []


def case(name, extension, sizes, expected=None, tolerance=0):
    path = OUT / f"{name}.{extension}"
    rgb = expected if expected is not None else Image.open(path).convert("RGB")
    rgb.save(OUT / f"{name}.rgb.png", optimize=True)
    for size in sizes:
        rgb.resize((size, size), Image.Resampling.BILINEAR).save(OUT / f"{name}.{size}.png", optimize=True)
    cases.append({"name": name, "file": path.name, "sizes": sizes, "decode_tolerance": tolerance})


def save(name, extension, image, sizes=(), tolerance=0, **options):
    image.save(OUT / f"{name}.{extension}", **options)
    case(name, extension, list(sizes), tolerance=tolerance)


rgb = Image.fromarray(scene(61, 47))
gray = rgb.convert("L")
gray_alpha = Image.merge("LA", (gray, gray.rotate(180)))
save("wide", "png", rgb, [32, 47, 96])
save("tall", "png", Image.fromarray(scene(23, 90)), [16, 64])
save("dot", "png", Image.fromarray(scene(1, 1)), [7])
save("gray", "png", gray)
save("gray_alpha", "png", gray_alpha)
save("palette", "png", rgb.quantize(200))
save("alpha", "png", Image.merge("RGBA", (*rgb.split(), gray)))
save("raw_tiff", "tif", rgb)
save("lzw", "tif", rgb, compression="tiff_lzw")
save("lzw_predictor", "tif", rgb, compression="tiff_lzw", tiffinfo={317: 2})
save("packbits", "tif", rgb, compression="packbits")
save("deflate", "tif", rgb, compression="tiff_adobe_deflate")
save("gray_tiff", "tif", gray)
save("bilevel_tiff", "tif", gray.convert("1"))
save("gray_alpha_tiff", "tif", gray_alpha)
save("alpha_tiff", "tif", Image.merge("RGBA", (*rgb.split(), gray)), compression="tiff_lzw")
save("palette_tiff", "tif", rgb.quantize(200))
save("palette_packbits", "tif", rgb.quantize(256), compression="packbits")
wide = rng.integers(0, 65536, size=(21, 17, 3))
tiff16(OUT / "sixteen.tif", wide)
case("sixteen", "tif", [], expected=Image.fromarray(((wide + 128) // 257).astype(np.uint8)))
smooth = rgb.resize((122, 94), Image.Resampling.BICUBIC)  # what photographs are: few hard edges
save("photo_444", "jpg", smooth, tolerance=3, quality=95, subsampling=0)
save("photo_gray", "jpg", smooth.convert("L"), tolerance=2, quality=90)
save("photo_420", "jpg", smooth, tolerance=16, quality=90, subsampling=2)  # chroma is interpolated otherwise
save("photo_progressive", "jpg", smooth, tolerance=3, quality=90, subsampling=0, progressive=True)

pixels = rng.integers(0, 256, size=(2, 5, 3)).astype(np.uint8)
normalise = torchvision.transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
planes = normalise(torchvision.transforms.functional.to_tensor(pixels))
(OUT / "images.json").write_text(
    json.dumps(
        {
            "versions": {"pillow": PIL.__version__, "torch": torch.__version__, "torchvision": torchvision.__version__},
            "cases": cases,
            "normalize": {
                "pixels": pixels.flatten().tolist(),
                "planes_bits": planes.numpy().view(np.uint32).flatten().tolist(),
            },
        },
        indent=1,
    )
    + "\n"
)
