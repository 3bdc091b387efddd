"""Fewer colours for tiles of graphics: what a lossless coder then stores takes fewer bytes.

A palette comes from median cut (Heckbert, 1982) with one step of k-means, which suits clean pixels, or from an octree
(Gervautz and Purgathofer, 1988), which turns noise in flat areas into one colour. Both are Pillow's, without dithering.
"""

from typing import NamedTuple

import numpy as np

from aecodec.exact.look import flat, repeats

MEDIAN_CUT, OCTREE = METHODS = "median cut", "octree"
COLOURS = (8, 16, 32, 64, 128, 256)  # numbers of colours that are tried
# What is left to a palette, chosen by eye: this fraction of the blocks may be smooth and have another mean,
_BLOCK = 8  # pixels along the edge of a block
_SMOOTH = 16  # levels between the darkest and the brightest pixel of a smooth one, at most
_CHANGE, _CHANGED = 1.5, 0.01  # levels by which a mean is another; the fraction
# and this fraction of the pixels may lie in a gentle gradient and get a contour.
_GENTLE = 4  # levels between neighbours in it, at most
_CONTOUR, _CONTOURS = 10, 0.0012  # levels by which neighbours then differ more; the fraction


class Palette(NamedTuple):
    """Which colours a tile is reduced to: by one of METHODS, so many at most."""

    method: str
    colours: int


def methods_for(pixels: np.ndarray) -> tuple[str, ...]:
    """The methods that suit a tile, uint8 (h, w, 3)."""
    return METHODS if repeats(pixels) else (OCTREE,)


def with_fewer_colours(pixels: np.ndarray, palette: Palette) -> np.ndarray | None:
    """Reduce the colours of a tile, uint8 (h, w, 3); None where it would look worse than its squared error says."""
    reduced = with_palette(pixels, palette)
    any_will_do = palette.method == MEDIAN_CUT and flat(pixels)
    good = not makes_contours(pixels, reduced) and (any_will_do or keeps_smooth_areas(pixels, reduced))
    return reduced if good else None


def with_palette(pixels: np.ndarray, palette: Palette) -> np.ndarray:
    """Reduce the colours of an image, uint8 (h, w, 3), whatever becomes of it.

    >>> np.unique(with_palette(np.zeros((10, 10, 3), np.uint8), Palette(OCTREE, 8))).tolist()
    [0]
    """
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
    return int((smooth & (change > _CHANGE)).sum()) <= _CHANGED * smooth.size


def makes_contours(original: np.ndarray, reduced: np.ndarray) -> bool:
    """Whether an image of fewer colours, uint8 (h, w, 3), has edges where the original changes gently, as in a glow."""

    def share(axis: int) -> float:
        before, after = (np.abs(np.diff(image.astype(np.int16), axis=axis)).max(-1) for image in (original, reduced))
        before, after = np.moveaxis(before, axis, 0), np.moveaxis(after, axis, 0)
        around = np.stack([before[:-2], before[1:-1], before[2:]])
        gentle = (around <= _GENTLE).all(0) & (np.count_nonzero(around, axis=0) > 1)  # not the edge of a flat area
        return float((gentle & (after[1:-1] >= before[1:-1] + _CONTOUR)).mean()) if gentle.size else 0.0

    return max(share(0), share(1)) > _CONTOURS
