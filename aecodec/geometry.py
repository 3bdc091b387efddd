"""Geometry: regions of pixels, tiles of latents for the entropy model, windows with a halo for the transforms.

Nothing here depends on the number of threads, so neither do the bytes of a file.
"""

import operator
import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import zip_longest
from typing import NamedTuple

import numpy as np

STRIDE = 16  # pixels along the edge of a latent
TILE = 16  # latents along the edge of a tile
HYPER = 4  # latents along the edge of a hyper-latent
TILE_PIXELS = TILE * STRIDE


class Region(NamedTuple):
    """A rectangle of pixels; x and y are those of its upper left corner."""

    x: int
    y: int
    width: int
    height: int

    @property
    def inside(self) -> tuple[slice, slice]:
        """Its rows and columns in the image."""
        return slice(self.y, self.y + self.height), slice(self.x, self.x + self.width)

    def moved(self, x: int, y: int) -> "Region":
        """The same rectangle so many pixels further to the right and down."""
        return self._replace(x=self.x + x, y=self.y + y)

    def grown(self, factor: int, width: int, height: int) -> "Region":
        """The squares of factor x factor pixels that it meets, in an image of width x height.

        >>> Region(7, 8, 8, 8).grown(8, 100, 12)
        Region(x=0, y=8, width=16, height=4)
        """
        x, y = self.x // factor * factor, self.y // factor * factor
        right = min(-(-(self.x + self.width) // factor) * factor, width)
        bottom = min(-(-(self.y + self.height) // factor) * factor, height)
        return Region(x, y, right - x, bottom - y)

    def common(self, other: "Region") -> "Region | None":
        """What two rectangles have in common, None if that is nothing.

        >>> Region(0, 0, 8, 8).common(Region(6, 2, 8, 2))
        Region(x=6, y=2, width=2, height=2)
        """
        x, y = max(self.x, other.x), max(self.y, other.y)
        width = min(self.x + self.width, other.x + other.width) - x
        height = min(self.y + self.height, other.y + other.height) - y
        return Region(x, y, width, height) if width > 0 and height > 0 else None


class View(NamedTuple):
    """An area as means over squares of factor x factor pixels; its corner is one of a square."""

    area: Region
    factor: int


def checked_region(region: Sequence[int], width: int, height: int) -> Region:
    """Return x, y, width, height as a Region that lies inside an image of width x height pixels.

    Raises TypeError for what is no integer, ValueError for a region that has no pixels or reaches outside.

    >>> checked_region((700, 0, 69, 10), 768, 512)
    Traceback (most recent call last):
    ValueError: region: 69x10 at 700,0, expected at least 1x1 inside the image of 768x512
    """
    numbers = [operator.index(number) for number in region]
    if len(numbers) != 4:
        raise ValueError(f"region: {len(numbers)} numbers, expected x, y, width and height")
    area = Region(*numbers)
    inside = 0 <= area.x <= width - area.width and 0 <= area.y <= height - area.height
    if not inside or area.width < 1 or area.height < 1:
        label = f"region: {area.width}x{area.height} at {area.x},{area.y}"
        raise ValueError(f"{label}, expected at least 1x1 inside the image of {width}x{height}")
    return area


def latent_size(pixels: int) -> int:
    """Latents along an edge of so many pixels."""
    return -(-pixels // STRIDE)


# Tiles


class Tile(NamedTuple):
    """A rectangle of latents: a tile's position in the image, and the size of its part inside the image."""

    top: int
    left: int
    height: int
    width: int

    @property
    def inside(self) -> tuple[slice, slice]:
        """Its rows and columns among the latents of the image."""
        return slice(self.top, self.top + self.height), slice(self.left, self.left + self.width)

    @property
    def crop(self) -> tuple[slice, slice]:
        """Rows and columns inside the image, of an array of a whole tile."""
        return slice(self.height), slice(self.width)

    @property
    def hyper(self) -> tuple[int, int]:
        """Rows and columns of hyper-latents that are coded."""
        return -(-self.height // HYPER), -(-self.width // HYPER)

    @property
    def hyper_crop(self) -> tuple[slice, slice]:
        """The same as slices of the hyper-latents of a whole tile."""
        rows, columns = self.hyper
        return slice(rows), slice(columns)

    @property
    def pixels(self) -> tuple[slice, slice]:
        """Rows and columns of pixels, some of them perhaps beyond the edge of the image."""
        rows, columns = self.inside
        return slice(rows.start * STRIDE, rows.stop * STRIDE), slice(columns.start * STRIDE, columns.stop * STRIDE)

    def meets(self, other: "Tile") -> bool:
        """Whether the two have latents in common."""
        down = self.top < other.top + other.height and other.top < self.top + self.height
        return down and self.left < other.left + other.width and other.left < self.left + self.width

    def paste(self, part: np.ndarray, window: "Tile", out: np.ndarray) -> None:
        """Write what this tile and a window have in common from `part`, of this tile, into `out`, of the window."""
        top, left = max(self.top, window.top), max(self.left, window.left)
        bottom = min(self.top + self.height, window.top + window.height)
        right = min(self.left + self.width, window.left + window.width)
        own = slice(top - self.top, bottom - self.top), slice(left - self.left, right - self.left)
        out[top - window.top : bottom - window.top, left - window.left : right - window.left] = part[own]


def tiles(height: int, width: int) -> list[Tile]:
    """Tiles of an image of height x width pixels, row by row."""
    h, w = latent_size(height), latent_size(width)
    return [
        Tile(top, left, min(TILE, h - top), min(TILE, w - left))
        for top in range(0, h, TILE)
        for left in range(0, w, TILE)
    ]


def covered(tiles: Iterable[Tile], window: Tile) -> np.ndarray:
    """Which latents of a window belong to some of the tiles: bool (h, w)."""
    mask = np.zeros((window.height, window.width), bool)
    for tile in tiles:
        if tile.meets(window):
            tile.paste(np.ones((tile.height, tile.width), bool), window, mask)
    return mask


# Windows


class Span(NamedTuple):
    """A window start..stop along one axis, of which keep_start..keep_stop is exact."""

    start: int
    stop: int
    keep_start: int
    keep_stop: int

    @classmethod
    def around(cls, start: int, stop: int, halo: int, length: int) -> "Span":
        """The smallest window of 0..length of which start..stop is exact.

        >>> Span.around(1, 4, 2, 9)
        Span(start=0, stop=6, keep_start=1, keep_stop=4)
        """
        return cls(max(start - halo, 0), min(stop + halo, length), start, stop)

    def cut(self, scale: int = 1) -> slice:
        """The window; `scale`: elements of the array per unit of the span."""
        return slice(self.start * scale, self.stop * scale)

    def kept(self, scale: int = 1) -> slice:
        """The exact part."""
        return slice(self.keep_start * scale, self.keep_stop * scale)

    def kept_of_cut(self, scale: int = 1) -> slice:
        """The exact part, counted from the start of the window."""
        return slice((self.keep_start - self.start) * scale, (self.keep_stop - self.start) * scale)


class Window(NamedTuple):
    """A window of a plane: what a network gets, halo included, and which part of its result is exact."""

    rows: Span
    columns: Span

    def cut(self, array: np.ndarray, scale: int = 1) -> np.ndarray:
        """The window of (H, W, C), contiguous; beyond the last row or column of the array, that one repeats."""
        return pad_window(array, self.rows.cut(scale), self.columns.cut(scale))

    @property
    def inner(self) -> tuple[slice, slice]:
        """Rows and columns of the exact part, counted from the start of the window."""
        return self.rows.kept_of_cut(), self.columns.kept_of_cut()

    def keep(self, part: np.ndarray, scale: int = 1) -> np.ndarray:
        """The exact part of the window."""
        return part[self.rows.kept_of_cut(scale), self.columns.kept_of_cut(scale)]

    def kept(self, array: np.ndarray, scale: int = 1) -> np.ndarray:
        """The exact part of the window in an array of the whole plane, which may end before the window does."""
        return array[self.rows.kept(scale), self.columns.kept(scale)]

    def raised(self, rows: int) -> "Window":
        """The same window so many rows further up: for an array that begins there."""
        return Window(Span(*(row - rows for row in self.rows)), self.columns)

    def shrunk(self, where: np.ndarray, halo: int) -> "Window | None":
        """The smallest window whose exact part has what this one's has of `where`, bool (h, w); None if it has none.

        >>> where = np.eye(9, dtype=bool)[:, ::-1]
        >>> Window(Span(0, 4, 0, 4), Span(3, 9, 4, 8)).shrunk(where, 1) == Window(Span(0, 5, 1, 4), Span(4, 9, 5, 8))
        True
        """
        kept = self.kept(where)
        if not kept.any():
            return None

        def around(part: Span, axis: int) -> Span:
            found = np.flatnonzero(kept.any(1 - axis)) + part.keep_start
            return Span.around(int(found[0]), int(found[-1]) + 1, halo, where.shape[axis])

        return Window(around(self.rows, 0), around(self.columns, 1))

    def paste(self, part: np.ndarray, out: np.ndarray, scale: int = 1) -> None:
        """Write the exact part of the window to its position in `out`."""
        self.put(self.keep(part, scale), out, scale)

    def put(self, kept: np.ndarray, out: np.ndarray, scale: int = 1, where: np.ndarray | None = None) -> None:
        """Write `kept`, the exact part alone, to its position. where: bool (h, w) of the plane, of what is written."""
        position = self.kept(out, scale)
        height, width = position.shape[:2]
        if where is None or (own := self.kept(where)).all():
            position[...] = kept[:height, :width]
        else:
            wanted = own.repeat(scale, 0).repeat(scale, 1)[:height, :width, None]
            np.copyto(position, kept[:height, :width], where=wanted)


class Strip(NamedTuple):
    """Rows of a plane from `top` on, in the pieces in which they came: arrays (n, w, C)."""

    top: int
    pieces: list[np.ndarray]

    def within(self, rows: slice) -> Iterator[tuple[int, np.ndarray]]:
        """What the pieces have of rows of the plane, as views, each with its first row."""
        top = self.top
        for piece in self.pieces:
            start, stop = max(rows.start, top), min(rows.stop, top + len(piece))
            if start < stop:
                yield start, piece[start - top : stop - top]
            top += len(piece)

    def cut(self, window: Window) -> np.ndarray:
        """A copy of a window."""
        return np.concatenate([piece[:, window.columns.cut()] for _, piece in self.within(window.rows.cut())])

    def put(self, window: Window, kept: np.ndarray, where: np.ndarray) -> None:
        """Write the exact part of a window to its position; where: bool (h, w) of the plane, of what is written."""
        for top, piece in self.within(window.rows.kept()):
            part = kept[top - window.rows.keep_start :][: len(piece)]
            wanted = where[top : top + len(piece), window.columns.kept(), None]
            np.copyto(piece[:, window.columns.kept()], part, where=wanted)


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
    covering, kept = [], 0
    while kept < length:
        start = min(max(kept - halo, 0), length - window)
        stop = start + window
        keep_stop = length if stop == length else stop - halo
        covering.append(Span(start, stop, kept, keep_stop))
        kept = keep_stop
    return covering


def fitted(length: int, max_window: int, halo: int) -> int:
    """The smallest window with which as few windows cover 0..length as with the largest.

    >>> fitted(250, 96, 4), len(spans(250, 96, 4)), len(spans(250, 89, 4))
    (89, 3, 3)
    """
    count = max(1, -(-(length - 2 * halo) // (max_window - 2 * halo)))
    return -(-(length + 2 * halo * (count - 1)) // count)


def windows(size: tuple[int, int], max_window: int, halo: int) -> Iterator[Window]:
    """Windows that cover a plane, all of one shape, whose edges are no longer than `max_window`."""
    for row in window_rows(size, max_window, halo):
        yield from row


def window_rows(size: tuple[int, int], max_window: int, halo: int) -> Iterator[list[Window]]:
    """The same windows from top to bottom, in rows of them."""
    rows, columns = (spans(edge, fitted(edge, max_window, halo), halo) for edge in size)
    for row in rows:
        yield [Window(row, column) for column in columns]


def recut(blocks: Iterable[np.ndarray], cuts: Iterable[slice]) -> Iterator[Strip]:
    """Cut a plane that comes in blocks of rows, from top to bottom, into strips, which may overlap.

    cuts: their rows; neither starts nor stops go back. Only blocks that the next one needs are held.

    >>> [strip.pieces for strip in recut([np.arange(3), np.arange(3, 5)], [slice(0, 2), slice(1, 5)])]
    [[array([0, 1])], [array([1, 2]), array([3, 4])]]
    """
    coming, held, end = iter(blocks), list[tuple[int, np.ndarray]](), 0
    cuts = list(cuts)
    for cut, following in zip_longest(cuts, cuts[1:], fillvalue=slice(sys.maxsize, None)):
        while end < cut.stop:
            held.append((end, next(coming)))
            end += len(held[-1][1])
        strip = Strip(cut.start, [block[max(cut.start - top, 0) : cut.stop - top] for top, block in held])
        held = [(top, block) for top, block in held if top + len(block) > following.start]
        yield strip
        del strip  # what comes next needs the memory


def pad_window(image: np.ndarray, rows: slice, columns: slice) -> np.ndarray:
    """Cut pixels (H, W, C); coordinates beyond the last row or column repeat it."""
    part = image[rows.start : rows.stop, columns.start : columns.stop]
    below, right = rows.stop - rows.start - part.shape[0], columns.stop - columns.start - part.shape[1]
    if below or right:
        part = np.pad(part, ((0, below), (0, right), (0, 0)), mode="edge")
    return np.ascontiguousarray(part)
