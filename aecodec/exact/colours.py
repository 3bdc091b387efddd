"""Fewer colours for tiles of graphics: what a lossless coder then stores takes fewer bytes.

A palette comes from median cut (Heckbert, 1982) and k-means (Lloyd, 1982), which suits clean pixels, or from an octree
(Gervautz and Purgathofer, 1988), which turns noise in flat areas into one colour. The first palette of either is
Pillow's, without dithering; its own k-means goes over all pixels until nothing moves, which takes several times as
long as steps with each colour once.
"""

from typing import NamedTuple

import numpy as np

from aecodec.exact.look import Look
from aecodec.system.forks import cached_property

MEDIAN_CUT, OCTREE = METHODS = "median cut", "octree"
COLOURS = (8, 16, 32, 64, 128, 256)  # numbers of colours that are tried
_STEPS, _DISTANCES = (12, 100), 1 << 24  # steps of k-means, at least and at most; for about so many distances
_AT_ONCE = 1 << 16  # distances: few enough for the cache, and for a BLAS not to share the product among threads
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


class FewerColours:
    """A tile, uint8 (h, w, 3), with fewer colours. What all palettes need of it is found once."""

    def __init__(self, pixels: np.ndarray, look: Look | None = None):
        self.pixels = np.ascontiguousarray(pixels)
        self._look = look or Look(pixels)

    @property
    def methods(self) -> tuple[str, ...]:
        """The methods that suit it."""
        return METHODS if self._look.repeats else (OCTREE,)

    def reduced(self, palette: Palette) -> np.ndarray | None:
        """With these colours; None where it would look worse than its squared error says."""
        image = self.with_palette(palette)
        any_will_do = palette.method == MEDIAN_CUT and self._look.flat
        return image if not self.makes_contours(image) and (any_will_do or self.keeps_smooth_areas(image)) else None

    def with_palette(self, palette: Palette) -> np.ndarray:
        """With these colours, whatever becomes of it.

        >>> np.unique(FewerColours(np.zeros((10, 10, 3), np.uint8)).with_palette(Palette(OCTREE, 8))).tolist()
        [0]
        """
        from PIL import Image

        octree = palette.method == OCTREE
        method = Image.Quantize.FASTOCTREE if octree else Image.Quantize.MEDIANCUT
        reduced = Image.fromarray(self.pixels).quantize(palette.colours, method, dither=Image.Dither.NONE)
        if octree:
            return np.asarray(reduced.convert("RGB"))
        return self._means(np.array(reduced.getpalette(), np.float32).reshape(-1, 3))

    def keeps_smooth_areas(self, reduced: np.ndarray) -> bool:
        """Whether there are no steps where the tile is smooth.

        Steps look worse than their squared error. They change the means of blocks, which noise in a flat area does not.
        """
        smooth, sums = self._blocks
        change = np.abs(_sums_of_blocks(reduced) - sums).max(-1) / _BLOCK**2
        return int((smooth & (change > _CHANGE)).sum()) <= _CHANGED * smooth.size

    def makes_contours(self, reduced: np.ndarray) -> bool:
        """Whether there are edges where the tile changes gently, as in a glow."""

        def share(axis: int) -> float:
            gentle, before = self._gentle[axis]
            after = _steps(reduced, axis)[1:-1]
            return float((gentle & (after >= before + _CONTOUR)).mean()) if gentle.size else 0.0

        return max(share(0), share(1)) > _CONTOURS

    @cached_property
    def _blocks(self) -> tuple[np.ndarray, np.ndarray]:
        """Which blocks are smooth, and the sums of all."""
        rows = _rows_of_blocks(self.pixels)
        low, high = rows.min(1), rows.max(1)
        spans = (high.reshape(_columns(high)).max(2) - low.reshape(_columns(low)).min(2)).max(-1)
        return spans <= _SMOOTH, _sums_of_blocks(self.pixels)

    @cached_property
    def _gentle(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Along rows and columns: which steps lie in gentle gradients, and how large they are."""
        found = []
        for axis in range(2):
            before = _steps(self.pixels, axis)
            low = before <= _GENTLE
            moving = (before > 0).astype(np.uint8)
            gentle = (
                low[:-2] & low[1:-1] & low[2:] & (moving[:-2] + moving[1:-1] + moving[2:] > 1)
            )  # no edge of a flat area
            found.append((gentle, before[1:-1]))
        return found

    @cached_property
    def _every(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Each colour once, float32 (n, 3), how many pixels have it, and which one every pixel has, (h w,)."""
        red, green, blue = (channel.ravel() for channel in np.moveaxis(self.pixels.astype(np.uint32), -1, 0))
        packed, index, counts = np.unique(red << 16 | green << 8 | blue, return_inverse=True, return_counts=True)
        colours = np.stack([packed >> 16, packed >> 8 & 255, packed & 255], -1)
        return colours.astype(np.float32), counts, index

    def _means(self, palette: np.ndarray) -> np.ndarray:
        """The tile with the colours that k-means makes of a palette, float32 (n, 3)."""
        colours, counts, index = self._every
        weighted, before = [counts * channel for channel in colours.T], None
        for _ in range(int(np.clip(_DISTANCES // (len(colours) * len(palette)), *_STEPS))):
            nearest = _nearest(colours, palette)
            if before is not None and np.array_equal(nearest, before):
                break
            before, total = nearest, np.bincount(nearest, counts, len(palette))
            sums = np.stack([np.bincount(nearest, channel, len(palette)) for channel in weighted], -1)
            means = sums / np.maximum(total, 1)[:, None]
            palette = np.where(total[:, None] > 0, means, palette).astype(np.float32)
        return np.rint(palette).astype(np.uint8)[nearest][index].reshape(self.pixels.shape)


def _nearest(colours: np.ndarray, palette: np.ndarray) -> np.ndarray:
    """Which colour of a palette (n, 3) is nearest to each of the others (N, 3), both float32."""
    size, twice, count = np.square(palette).sum(1), 2 * palette.T, max(_AT_ONCE // len(palette), 1)
    parts = (colours[at : at + count] for at in range(0, len(colours), count))
    return np.concatenate([(size - part @ twice).argmin(1) for part in parts])


def _steps(image: np.ndarray, axis: int) -> np.ndarray:
    """The largest change of a channel from each pixel to the next along an axis, which becomes the first."""
    rows = np.moveaxis(image, axis, 0).astype(np.int16)
    change = np.abs(rows[1:] - rows[:-1])
    return np.maximum(np.maximum(change[..., 0], change[..., 1]), change[..., 2])


def _rows_of_blocks(image: np.ndarray) -> np.ndarray:
    """uint8 (h, w, 3) -> int16 (h / 8, 8, w * 3) of whole blocks."""
    height, width = (edge // _BLOCK * _BLOCK for edge in image.shape[:2])
    return image[:height, :width].astype(np.int16).reshape(height // _BLOCK, _BLOCK, width * 3)


def _columns(rows: np.ndarray) -> tuple[int, ...]:
    return len(rows), rows.shape[1] // (3 * _BLOCK), _BLOCK, 3


def _sums_of_blocks(image: np.ndarray) -> np.ndarray:
    """uint8 (h, w, 3) -> the sums of its blocks, int32 (h / 8, w / 8, 3)."""
    rows = _rows_of_blocks(image).sum(1, dtype=np.int32)
    return rows.reshape(_columns(rows)).sum(2)
