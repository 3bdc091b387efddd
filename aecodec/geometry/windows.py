"""Windows with a halo, which cover a plane for the transforms, and strips of a plane that comes in blocks of rows."""

import sys
from collections.abc import Iterable, Iterator
from itertools import zip_longest
from typing import NamedTuple

import numpy as np


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
