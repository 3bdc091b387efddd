"""One image at several qualities side by side, each under its original: qualities.py photo.png sheet.png"""

import sys

import numpy as np
from PIL import Image

import aecodec

image = aecodec.imread(sys.argv[1])
columns = []
for quality in (5, 30, 75):
    data = aecodec.encode(image, quality)
    print(f"quality {quality}: {len(data)} bytes, {8 * len(data) / (image.shape[0] * image.shape[1]):.3f} bpp")
    columns.append(np.concatenate([image, aecodec.decode(data)]))
Image.fromarray(np.concatenate(columns, axis=1)).save(sys.argv[2])
