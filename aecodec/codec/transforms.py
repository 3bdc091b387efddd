"""Whole images through the transforms, window by window.

What a decoder makes has no seams, as the halo of its windows is the receptive field. An encoder may see less.
"""

from collections.abc import Iterable, Iterator
from functools import partial
from typing import NamedTuple

import numpy as np

from aecodec.geometry import STRIDE, Region, Span, Strip, Tile, Window, fitted, latent_size, recut, spans, window_rows
from aecodec.model.model import Model
from aecodec.model.point import QualityPoint
from aecodec.system.parallel import Flow, Workers

WINDOW = 56  # latents along the edge of the largest window: what it works on stays near the processor
HALO = 5  # latents: the receptive field of either transform, overlap included, is no larger
_ANALYSED = 50  # latents along a strip that are analysed at once, halo included
_NEAR = 1  # latent: with more an encoder spends the same bytes and makes the same error, at the cuts as elsewhere


def analyse(pixels: np.ndarray, strips: Iterable[slice], model: Model, workers: Workers) -> Iterator[np.ndarray]:
    """Pixels uint8 (H, W, 3) -> y float32 (h, w, M) at unit gain, in strips: the rows of each, from top to bottom."""
    h, w = latent_size(pixels.shape[0]), latent_size(pixels.shape[1])
    columns = spans(w, fitted(w, _ANALYSED, _NEAR), _NEAR)

    def analyse_strip(strip: slice) -> np.ndarray:
        y = np.empty((strip.stop - strip.start, w, model.latent), np.float32)
        rows = Span(max(strip.start - _NEAR, 0), min(strip.stop + _NEAR, h), strip.start, strip.stop)

        def run(column: Span) -> None:
            window = Window(rows, column)
            window.raised(strip.start).paste(model.analysis(window.cut(pixels, STRIDE)), y)

        workers.map(run, columns)
        return y

    return map(analyse_strip, strips)


class Partial(NamedTuple):
    """An image with the pixels of its exact tiles. pixels: uint8 (H, W, 3); exact: bool (h, w), where these are."""

    pixels: np.ndarray
    exact: np.ndarray


def synthesise(y_hat: Iterable[np.ndarray], size: tuple[int, int], point: QualityPoint, workers: Workers) -> np.ndarray:
    """y_hat (h, w, M) at unit gain, in blocks of rows from top to bottom -> pixels uint8 (H, W, 3) of `size` (H, W)."""
    pixels = np.empty((*size, 3), np.uint8)
    fill_in(y_hat, Partial(pixels, np.zeros([latent_size(edge) for edge in size], bool)), point, workers)
    return pixels


def fill_in(y_hat: Iterable[np.ndarray], image: Partial, point: QualityPoint, workers: Workers) -> None:
    """Fill in the pixels of learned tiles.

    y_hat: (h, w, M) at unit gain, 0 where tiles are exact, in blocks of rows from top to bottom, which change.

    At the border of an exact tile the synthesis lacks the latents behind it. A first synthesis without them and the
    exact pixels together give an image whose analysis has these latents, and a second synthesis makes use of them.
    """
    with workers.flow() as flow:
        filler = _Filler(image, point, flow)
        filler.run(workers.ahead(recut(y_hat, [row[0].rows.cut() for row in filler.rows])))


class _Filler:
    """An image that is filled in, one row of windows after another.

    Each row but the last keeps HALO latents or more, so that what a window needs below it lies in the next row.
    """

    def __init__(self, image: Partial, point: QualityPoint, flow: Flow):
        self.pixels, self.exact = image
        self.point, self.flow, self.halo = point, flow, point.model.synthesis_halo
        self.learned = ~self.exact
        self.behind_border = self.exact & _grown(self.learned, self.halo)
        self.at_border = self.learned & _grown(self.behind_border, self.halo)
        self.rows = list(window_rows(self.exact.shape, WINDOW, self.halo))
        self.held = dict[int, Strip]()  # y_hat, by the number of the row

    def run(self, strips: Iterator[Strip]) -> None:
        """An analysis waits for the pixels of the row below, and a second synthesis for the analysis of that row."""
        lag = 2 if self.behind_border.any() else 0
        for number in range(len(self.rows) + lag):
            if number < len(self.rows):
                self.held[number] = next(strips)
                self._synthesise(number, self.learned)
            if number - 1 in self.held:
                self._analyse(number - 1)
            if number - lag in self.held:
                self._synthesise(number - lag, self.at_border)
                del self.held[number - lag]

    def _synthesise(self, number: int, where: np.ndarray) -> None:
        for window in self._windows(number, where, self.halo):
            self.flow.add(partial(self._synthesise_window, window, self.held[number].cut(window)))

    def _synthesise_window(self, window: Window, latents: np.ndarray) -> None:
        window.put(self.point.synthesis(latents, window.inner), self.pixels, STRIDE, self.learned)

    def _analyse(self, number: int) -> None:
        if windows := self._windows(number, self.behind_border, HALO):
            self.flow.finish()  # the pixels of the first synthesis have to be there
            for window in windows:
                self.flow.add(partial(self._analyse_window, window, self.held[number]))
            self.flow.finish()  # the second synthesis takes these latents

    def _analyse_window(self, window: Window, strip: Strip) -> None:
        y = self.point.model.analysis_of_decoded(window.cut(self.pixels, STRIDE))
        scale = self.point.gain * self.point.inverse_gain
        strip.put(window, window.keep(y) * scale, self.behind_border)

    def _windows(self, number: int, where: np.ndarray, halo: int) -> list[Window]:
        return [window for wide in self.rows[number] if (window := wide.shrunk(where, halo))]


def _grown(where: np.ndarray, reach: int) -> np.ndarray:
    """What lies within so many latents of True, bool (h, w)."""
    for axis in (0, 1):
        padded = np.pad(where, [(reach, reach) if axis == a else (0, 0) for a in (0, 1)])
        where = np.any(np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1, axis), axis=-1)
    return where


def needed(area: Region, height: int, width: int, halo: int = HALO) -> Tile:
    """The latents that pixels of an image of height x width depend on.

    >>> needed(Region(x=100, y=700, width=20, height=68), 768, 512)
    Tile(top=38, left=1, height=10, width=12)
    """

    def reach(start: int, size: int, length: int) -> tuple[int, int]:
        first = max(start // STRIDE - halo, 0)
        return first, min(latent_size(start + size) + halo, latent_size(length)) - first

    (top, rows), (left, columns) = reach(area.y, area.height, height), reach(area.x, area.width, width)
    return Tile(top, left, rows, columns)
