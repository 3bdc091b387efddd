"""The rate-distortion curve of one image as CSV: rate_distortion.py photo.png > curve.csv"""

import sys

import aecodec
from aecodec.pixels import psnr

image = aecodec.imread(sys.argv[1])
print("quality,bpp,psnr")
for quality in (1, 10, 25, 40, 55, 70, 85, 100):
    data = aecodec.encode(image, quality)
    print(f"{quality},{8 * len(data) / (image.shape[0] * image.shape[1]):.4f},{psnr(image, aecodec.decode(data)):.2f}")
