"""Fewer colours for tiles of graphics: what a lossless coder then stores takes fewer bytes.

A palette comes from median cut (Heckbert, 1982) with one step of k-means, which suits clean pixels, or from an octree
(Gervautz and Purgathofer, 1988), which turns noise in flat areas into one colour. Both are Pillow's, without dithering.
"""

from typing import NamedTuple

import numpy as np

MEDIAN_CUT, OCTREE = METHODS = "median cut", "octree"
COLOURS = (8, 16, 32, 64, 128, 256)  # numbers of colours that are tried
_BLOCK = 8  # pixels along the edge of a block
_SMOOTH = 16  # levels between the darkest and the brightest pixel of a smooth one, at most
_GENTLE, _STEP, _SHARE = 4, 10, 0.0012  # levels between neighbours, by which they may grow, where: chosen by eye
_CHANGE, _FEW = 1.5, 0.01  # the mean of so few blocks may be smooth and change by more levels; chosen by eye


class Palette(NamedTuple):
    """Which colours a tile is reduced to: by one of METHODS, so many at most."""

    method: str
    colours: int


def with_palette(pixels: np.ndarray, palette: Palette | None) -> np.ndarray:
    """Reduce the colours of an image, uint8 (h, w, 3); without a palette all are kept.

    >>> np.unique(with_palette(np.zeros((10, 10, 3), np.uint8), Palette(OCTREE, 8))).tolist()
    [0]
    """
    if palette is None:
        return pixels
    from PIL import Image

    octree = palette.method == OCTREE
    method = Image.Quantize.FASTOCTREE if octree else Image.Quantize.MEDIANCUT
    image = Image.fromarray(np.ascontiguousarray(pixels))
    reduced = image.quantize(palette.colours, method, kmeans=0 if octree else 1, dither=Image.Dither.NONE)
    return np.asarray(reduced.convert("RGB"))


def keeps_smooth_areas(original: np.ndarray, reduced: np.ndarray) -> bool:
    """Whether an image of fewer colours has no steps where the original, uint8 (h, w, 3), is smooth.

    Steps look worse than their squared error. They change the means of blocks, which noise in a flat area does not.
    """
    height, width = (edge // _BLOCK * _BLOCK for edge in original.shape[:2])
    shape = height // _BLOCK, _BLOCK, width // _BLOCK, _BLOCK, 3
    before, after = (image[:height, :width].reshape(shape) for image in (original, reduced))
    smooth = (before.max((1, 3)) - before.min((1, 3))).max(-1) <= _SMOOTH
    change = np.abs(before.mean((1, 3)) - after.mean((1, 3))).max(-1)
    return int((smooth & (change > _CHANGE)).sum()) <= _FEW * smooth.size


def makes_contours(original: np.ndarray, reduced: np.ndarray) -> bool:
    """Whether an image of fewer colours, uint8 (h, w, 3), has edges where the original changes gently, as in a glow."""

    def share(axis: int) -> float:
        before, after = (np.abs(np.diff(image.astype(np.int16), axis=axis)).max(-1) for image in (original, reduced))
        before, after = np.moveaxis(before, axis, 0), np.moveaxis(after, axis, 0)
        around = np.stack([before[:-2], before[1:-1], before[2:]])
        gentle = (around <= _GENTLE).all(0) & (np.count_nonzero(around, axis=0) > 1)  # not the edge of a flat area
        return float((gentle & (after[1:-1] >= before[1:-1] + _STEP)).mean()) if gentle.size else 0.0

    return max(share(0), share(1)) > _SHARE
