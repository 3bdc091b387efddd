"""What a run's nets add to its linear maps: bits and PSNR with both nets, without the synthesis', without either.

python benchmarks/training/gen2/contributions.py AVERAGE.npz VAL
"""

import sys
from pathlib import Path

import numpy as np
from keras import ops
from trained import loaded, tiles

from aecodec.pixels import decibels
from aecodec.train import precision
from aecodec.train.layers import Pointwise
from aecodec.train.photo import Photo

KNOTS = (0, 4, 8)
EVERY, TILES = 6, 12  # of the validation tiles


def last(layers: list) -> Pointwise:
    """The layer that a net ends with."""
    return [layer for layer in layers if isinstance(layer, Pointwise)][-1]


def measure(model: Photo, pixels: np.ndarray, knot: float) -> str:
    """Bits per pixel and PSNR of tiles, uint8 (N, 256, 256, 3)."""
    bits, errors = [], []
    for tile in pixels:
        x_hat, y, z = model(ops.cast(tile[None], "float32") / 255 - 0.5, np.array([knot], "float32"))
        bits.append(float(np.sum(y + z)) / tile[..., 0].size)
        errors.append(np.mean((np.clip(np.asarray(x_hat) * 255 + 127.5, 0, 255) - tile) ** 2))
    return f"{np.mean(bits):.3f} bpp {decibels(np.mean(errors)):.2f} dB"


def main(average: str, val: str) -> None:
    precision.use("float32")
    model, pixels = loaded(Path(average)), tiles(Path(val))[::EVERY][:TILES]
    ends = {"synthesis": last(model.synthesis.leave.layers), "analysis": last(model.analysis.net.layers)}
    for layers in ((), ("synthesis",), ("synthesis", "analysis")):
        for name in layers:
            ends[name].w.assign(0 * ends[name].w)
            ends[name].b.assign(0 * ends[name].b)
        results = [f"knot {knot}: {measure(model, pixels, knot)}" for knot in KNOTS]
        print(f"without {' and '.join(layers) or 'nothing'}:", *results, sep="\n  ")


if __name__ == "__main__":
    main(*sys.argv[1:])
