"""Makes the images of this folder. Needs opencv-python-headless; written with 5.0.0.

    python make.py ../../../assets/digits.csv.gz
"""

import gzip
import sys

import cv2
import numpy as np

rows = np.loadtxt(gzip.open(sys.argv[1], "rt"), delimiter=",")[:192, :64]
digits = np.minimum(rows.reshape(3, 8, 8, 8, 8) * 16, 255).astype(np.uint8)
mosaic = digits.transpose(1, 3, 2, 4, 0).reshape(64, 64, 3)[:61, :53]
images = {"colour": mosaic, "grey": mosaic[:, :, 0]}

kernels = {
    "blur": np.full((3, 3), 1 / 9, np.float32),
    "edge": np.array([[-1, -1, -1], [-1, 8, -1], [-1, -1, -1]], np.float32),
    "sobel_h": np.array([[-1, -2, -1], [0, 0, 0], [1, 2, 1]], np.float32),
    "sobel_v": np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]], np.float32),
    "own": np.loadtxt("own.txt", dtype=np.float32),
}

for name, image in images.items():
    cv2.imwrite(f"{name}.png", image)
    for kernel, weights in kernels.items():
        cv2.imwrite(f"{name}-{kernel}.png", cv2.filter2D(image, -1, weights))
