"""Geometry: padding, windows with halo for the transforms, tiles of latents for the entropy model.

Nothing here depends on the number of threads, so neither do the bytes of a file.
"""

import operator
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

STRIDE = 16  # pixels along the edge of a latent
TILE = 16  # latents along the edge of a tile
HYPER = 4  # latents along the edge of a hyper-latent


class Region(NamedTuple):
    """A rectangle of pixels; x and y are those of its upper left corner."""

    x: int
    y: int
    width: int
    height: int

    @property
    def inside(self) -> tuple[slice, slice]:
        return slice(self.y, self.y + self.height), slice(self.x, self.x + self.width)


def checked_region(region: Sequence[int], width: int, height: int) -> Region:
    """Return x, y, width, height as a Region that lies inside a picture of width x height pixels.

    Raises TypeError for what is no integer, ValueError for a region that has no pixels or reaches outside.

    >>> checked_region((700, 0, 69, 10), 768, 512)
    Traceback (most recent call last):
    ValueError: region: 69x10 at 700,0, expected at least 1x1 inside the picture of 768x512
    """
    numbers = [operator.index(number) for number in region]
    if len(numbers) != 4:
        raise ValueError(f"region: {len(numbers)} numbers, expected x, y, width and height")
    found = Region(*numbers)
    inside = 0 <= found.x <= width - found.width and 0 <= found.y <= height - found.height
    if not inside or found.width < 1 or found.height < 1:
        place = f"region: {found.width}x{found.height} at {found.x},{found.y}"
        raise ValueError(f"{place}, expected at least 1x1 inside the picture of {width}x{height}")
    return found


class Span(NamedTuple):
    """A window start..stop along one axis, of which keep_start..keep_stop is exact."""

    start: int
    stop: int
    keep_start: int
    keep_stop: int


def spans(length: int, window: int, halo: int) -> list[Span]:
    """Cover 0..length with windows of one size that overlap by the halo; the last one is slid back inside.

    >>> spans(10, 16, 2)
    [Span(start=0, stop=10, keep_start=0, keep_stop=10)]
    >>> [s.keep_start for s in spans(30, 16, 2)], spans(30, 16, 2)[-1].start
    ([0, 14, 26], 14)
    """
    if length <= window:
        return [Span(0, length, 0, length)]
    if window <= 2 * halo:
        raise ValueError(f"window: {window}, expected more than twice the halo of {halo}")
    found, kept = [], 0
    while kept < length:
        start = min(max(kept - halo, 0), length - window)
        stop = start + window
        keep_stop = length if stop == length else stop - halo
        found.append(Span(start, stop, kept, keep_stop))
        kept = keep_stop
    return found


def fitted(length: int, largest: int, halo: int) -> int:
    """The smallest window with which as few windows cover 0..length as with the largest.

    >>> fitted(250, 96, 4), len(spans(250, 96, 4)), len(spans(250, 89, 4))
    (89, 3, 3)
    """
    count = max(1, -(-(length - 2 * halo) // (largest - 2 * halo)))
    return -(-(length + 2 * halo * (count - 1)) // count)


def windows(height: int, width: int, largest: int, halo: int) -> Iterator[tuple[Span, Span]]:
    """Pairs (rows, columns) of `spans` that cover a plane, all of one shape no larger than `largest`."""
    for rows in spans(height, fitted(height, largest, halo), halo):
        for columns in spans(width, fitted(width, largest, halo), halo):
            yield rows, columns


def latent_size(pixels: int) -> int:
    """Latents along an edge of so many pixels."""
    return -(-pixels // STRIDE)


def pad_window(image: np.ndarray, rows: slice, columns: slice) -> np.ndarray:
    """Cut pixels (H, W, C); coordinates beyond the last row or column repeat it."""
    part = image[rows.start : rows.stop, columns.start : columns.stop]
    below, right = rows.stop - rows.start - part.shape[0], columns.stop - columns.start - part.shape[1]
    if below or right:
        part = np.pad(part, ((0, below), (0, right), (0, 0)), mode="edge")
    return np.ascontiguousarray(part)


class Tile(NamedTuple):
    """A tile's place among the latents, and the size of its part inside the picture; or another rectangle of them."""

    top: int
    left: int
    height: int
    width: int

    @property
    def hyper(self) -> tuple[int, int]:
        """Rows and columns of hyper-latents that are coded."""
        return -(-self.height // HYPER), -(-self.width // HYPER)

    @property
    def inside(self) -> tuple[slice, slice]:
        return slice(self.top, self.top + self.height), slice(self.left, self.left + self.width)

    @property
    def pixels(self) -> tuple[slice, slice]:
        """Rows and columns of pixels, some of them perhaps beyond the edge of the picture."""
        rows, columns = self.inside
        return slice(rows.start * STRIDE, rows.stop * STRIDE), slice(columns.start * STRIDE, columns.stop * STRIDE)

    def meets(self, other: "Tile") -> bool:
        """Whether the two have latents in common."""
        down = self.top < other.top + other.height and other.top < self.top + self.height
        return down and self.left < other.left + other.width and other.left < self.left + self.width


def tiles(height: int, width: int) -> list[Tile]:
    """Tiles of a picture of height x width pixels, row by row."""
    h, w = latent_size(height), latent_size(width)
    return [
        Tile(top, left, min(TILE, h - top), min(TILE, w - left))
        for top in range(0, h, TILE)
        for left in range(0, w, TILE)
    ]
