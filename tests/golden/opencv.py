"""Makes what OpenCV makes of small images of `tests/golden/images`: resize to SIZE x SIZE, INTER_LINEAR.

python tests/golden/opencv.py     (opencv-python-headless 4.10.0)

opencv/NAME.SIZE.png   the resized image; shrunk, enlarged, halved to the pixel
"""

import pathlib

import cv2

HERE = pathlib.Path(__file__).parent
for name, sizes in [("wide", [32, 47]), ("tall", [16, 64]), ("photo_444.rgb", [24])]:
    image = cv2.imread(str(HERE / "images" / f"{name}.png"))
    for size in sizes:
        cv2.imwrite(str(HERE / "opencv" / f"{name}.{size}.png"), cv2.resize(image, (size, size)))
square = cv2.imread(str(HERE / "opencv" / "wide.32.png"))
cv2.imwrite(str(HERE / "opencv" / "square.16.png"), cv2.resize(square, (16, 16)))
