"""Time to decode at each scale on 3 MP, and PSNR of small images -> thumbnails.json.

Times are processor time on one thread, medians. PSNR is against the original reduced by means; beside it that of the
decoded image reduced so, which is what the scales 1/2 and 1/4 are.
"""

import time
from functools import partial

import numpy as np
from common import median_seconds, mosaic, write_result

import aecodec
from aecodec.bench.images import as_rgb, find_images, load_image
from aecodec.files.thumbnail import thumbnail
from aecodec.pixels import psnr
from aecodec.scaling import FACTORS, reduced

WIDTH, HEIGHT = 2000, 1500
QUALITIES = (50, 75, 90)
SMALL = (8, 16)  # one over the scales that the map makes
THUMBNAIL = 128  # pixels


def add_options(parser) -> None:
    parser.add_argument("--rounds", type=int, default=3, help="turns after the warm-up (default: 3)")


def times(image: np.ndarray, quality: float, rounds: int) -> dict[str, dict[str, float]]:
    """Seconds at each scale and for a thumbnail, and how many times as fast as the whole that is."""
    data = aecodec.encode(image, quality, effort=0)
    work = {f"1/{factor}": partial(aecodec.decode, data, scale=1 / factor, threads=1) for factor in FACTORS}
    work[f"thumbnail of {THUMBNAIL}"] = partial(thumbnail, data, THUMBNAIL, threads=1)
    seconds = median_seconds(work, rounds, time.process_time)
    whole = seconds["1/1"]
    return {name: {"seconds": round(s, 4), "times_as_fast": round(whole / s, 2)} for name, s in seconds.items()}


def quality_of(image: np.ndarray, quality: float) -> list[tuple[float, float]]:
    """PSNR of the image decoded at each small scale, and of the decoded image reduced, against the original reduced."""
    data = aecodec.encode(image, quality, effort=0)
    whole, pairs = aecodec.decode(data), []
    for factor in SMALL:
        original = reduced(image, factor)
        pairs.append((psnr(aecodec.decode(data, scale=1 / factor), original), psnr(reduced(whole, factor), original)))
    return pairs


def run(options) -> None:
    canvas = mosaic(options.images, WIDTH, HEIGHT)
    seconds = {str(quality): times(canvas, quality, options.rounds) for quality in QUALITIES}
    images = [as_rgb(load_image(path).pixels) for path in find_images(options.images)]
    rows = []
    for quality in QUALITIES:
        values = np.array([quality_of(image, quality) for image in images])
        for number, factor in enumerate(SMALL):
            small, whole = values[:, number].T
            rows.append(
                {
                    "quality": quality,
                    "scale": f"1/{factor}",
                    "psnr": round(float(small.mean()), 2),
                    "psnr_min": round(float(small.min()), 2),
                    "psnr_of_whole_reduced": round(float(whole.mean()), 2),
                }
            )
    about = {"image": {"width": WIDTH, "height": HEIGHT}, "rounds": options.rounds, "effort": 0, "seconds": seconds}
    write_result("thumbnails", about | {"images": len(images), "psnr": rows})
