"""SSIMULACRA 2, MS-SSIM and PSNR of both tunings less those of AVIF in equal bytes -> eye.json.

AVIF is Pillow's at speed 6, which libavif tunes for the eye. Curves of each image are read, linearly over the logarithm
of bits per pixel, at the rates below; images whose curves do not all reach a rate are left out of its mean.
"""

import argparse
import statistics

import numpy as np
from common import progress, write_result

from aecodec.bench.codecs import CODECS
from aecodec.bench.images import SAMPLES, as_rgb, find_images, load_image
from aecodec.bench.measure import Point, measure_once
from aecodec.bench.metrics import METRICS

RATES = (0.15, 0.3, 0.5, 0.8, 1.2)  # bits per pixel
QUALITIES = {"aez": (10, 30, 50, 65, 80, 90), "aez-psnr": (10, 30, 50, 65, 80, 90), "avif": (15, 30, 45, 60, 75, 88)}
RIVAL = "avif"


def level(points: list[Point], name: str, bpp: float) -> float | None:
    """A metric at so many bits per pixel, None where the curve does not reach them."""
    rates = np.log([point.bpp for point in points])
    if not rates[0] <= np.log(bpp) <= rates[-1]:
        return None
    metric = METRICS[name]
    return float(np.interp(np.log(bpp), rates, [metric.level(point.values[name]) for point in points]))


def run(options: argparse.Namespace) -> None:
    """Measure and write the result."""
    images, curves = find_images(options.images or [SAMPLES]), []
    tick = progress(len(images))
    for path in images:
        pixels = as_rgb(load_image(path).pixels)
        curves.append(
            {
                codec: [measure_once(CODECS[codec], pixels, quality, list(METRICS.values())) for quality in qualities]
                for codec, qualities in QUALITIES.items()
            }
        )
        tick()
    result = {}
    for codec in QUALITIES.keys() - {RIVAL}:
        for bpp in RATES:
            row = {}
            for name in METRICS:
                pairs = [(level(image[codec], name, bpp), level(image[RIVAL], name, bpp)) for image in curves]
                both = [ours - theirs for ours, theirs in pairs if ours is not None and theirs is not None]
                row |= {"images": len(both)} | ({name: round(statistics.fmean(both), 3)} if both else {})
            result[f"{codec} {bpp} bpp"] = row
    write_result("eye", {"rival": CODECS[RIVAL].about, "less_rival": dict(sorted(result.items()))})
