"""The look that decides whether a tile is tried as an exact one: tries, wins, cost of wins it misses -> look.json.

For each tile of the images and each quality, the cost (bits + lambda * squared error / 3) of its learned bitstream and
of its exact form with all colours. `missed_percent`: how much more all tiles cost with the look than if all were tried.
"""

import argparse
from functools import partial
from pathlib import Path

import numpy as np
from common import write_result

from aecodec.bench.images import SAMPLES, as_rgb, find_images, load_image
from aecodec.codec.encoder import Encoder
from aecodec.codec.transforms import synthesise
from aecodec.exact import webp
from aecodec.exact.look import Look
from aecodec.families import by_name
from aecodec.pixels import squared_error
from aecodec.settings import Settings
from aecodec.system.parallel import Workers

QUALITIES = (10, 25, 50, 75, 90, 100)


def rows(path: Path, workers: Workers) -> list[tuple[int, float, float, bool]]:
    """Quality, cost learned, cost exact, whether it is tried: of each tile of an image at each quality."""
    pixels, model = as_rgb(load_image(path).pixels), by_name("photo")
    encoder = Encoder(pixels, Settings(tune="psnr"), model, workers)
    parts = [pixels[tile.pixels] for tile in encoder.latents.tiles]
    exact = workers.map(lambda part: 8.0 * len(webp.encode(part, 1)), parts)
    tried_tiles = []
    for quality in QUALITIES:
        coder, y_hat, learned = encoder.coder(model.qindex(quality)), np.empty_like(encoder.latents.y), []
        for strip in encoder.refined(coder):
            learned += coder.encode(strip, y_hat[strip.top : strip.top + len(strip.y)])
        decoded = synthesise([y_hat], pixels.shape[:2], coder.point, workers)
        for tile, part, bitstream, bits in zip(encoder.latents.tiles, parts, learned, exact, strict=True):
            cost = 8 * len(bitstream) + coder.point.lmbda * squared_error(decoded[tile.pixels], part) / 3
            tried = Look(part).worth_trying(len(bitstream), coder.point.lmbda, partial(float, cost))
            tried_tiles.append((quality, cost, bits, tried))
    return tried_tiles


def run(options: argparse.Namespace) -> None:
    """Measure and write the result."""
    images = find_images(options.images or [SAMPLES])
    with Workers(None) as workers:
        tiles = [row for path in images for row in rows(path, workers)]
    result = {}
    for quality in QUALITIES:
        learned, exact, tried = (
            np.array(column) for column in zip(*(t[1:] for t in tiles if t[0] == quality), strict=True)
        )
        best, taken = np.minimum(learned, exact), np.where(tried, np.minimum(learned, exact), learned)
        result[f"quality {quality}"] = {
            "tiles": len(tried),
            "tried": int(tried.sum()),
            "exact_costs_less": int((exact < learned).sum()),
            "missed_percent": round(100 * float(taken.sum() / best.sum() - 1), 3),
        }
    write_result("look", {"images": len(images), "qualities": result})
