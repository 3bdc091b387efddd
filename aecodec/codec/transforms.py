"""Whole images through the transforms, window by window.

What a decoder makes has no seams, as the halo of its windows is the receptive field. An encoder may see less.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

from aecodec.geometry import STRIDE, Region, Span, Tile, Window, bands, fitted, latent_size, recut, spans, windows
from aecodec.model.model import Model
from aecodec.model.point import QualityPoint
from aecodec.system.parallel import Workers

WINDOW = 64  # latents along the edge of the largest window: what it works on stays near the processor
_SMALL_WINDOW = 42  # the same where few windows may do: two tiles and the halo
_EACH = 2  # windows for each thread that are worked on before the next rows are
HALO = 5  # latents: the receptive field of either transform, overlap included, is no larger
_ANALYSED = 50  # latents along a strip that are analysed at once, halo included
_NEAR = 3  # latents: pixels further away change what an encoder's analysis gives by 4 % of its mean size at most


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


def synthesise(y_hat: Iterable[np.ndarray], size: tuple[int, int], point: QualityPoint, workers: Workers) -> np.ndarray:
    """y_hat (h, w, M) at unit gain, in blocks of rows from top to bottom -> pixels uint8 (H, W, 3) of `size` (H, W)."""
    pixels = np.empty((*size, 3), np.uint8)

    def synthesise_band(band: list[Window], part: np.ndarray) -> None:
        def run(window: Window) -> None:
            own = window.raised(band[0].rows.start).cut(part)
            window.put(point.synthesis(own, window.inner), pixels, STRIDE)

        workers.map(run, band)

    halo = point.model.synthesis_halo
    every = list(bands((latent_size(size[0]), latent_size(size[1])), WINDOW, halo, _EACH * workers.count))
    rows = [slice(band[0].rows.start, band[-1].rows.stop) for band in every]
    for band, part in zip(every, workers.ahead(recut(y_hat, rows)), strict=True):
        synthesise_band(band, part)
    return pixels


class Partial(NamedTuple):
    """An image with the pixels of its exact tiles. pixels: uint8 (H, W, 3); exact: bool (h, w), where these are."""

    pixels: np.ndarray
    exact: np.ndarray


def synthesise_between(y_hat: np.ndarray, image: Partial, point: QualityPoint, workers: Workers) -> None:
    """Fill in the pixels of learned tiles. y_hat: (h, w, M) at unit gain, 0 where tiles are exact; it changes.

    At the border of an exact tile the synthesis lacks the latents behind it. A first synthesis without them and the
    exact pixels together give an image whose analysis has these latents, and a second synthesis makes use of them.
    """
    pixels, exact = image
    learned = ~exact
    at_border, behind_border = learned & _grown(exact), exact & _grown(learned)
    mask = learned.repeat(STRIDE, 0).repeat(STRIDE, 1)[: pixels.shape[0], : pixels.shape[1]]

    def near(where: np.ndarray) -> list[Window]:
        every = windows(exact.shape, _SMALL_WINDOW, HALO)
        return [window for window in every if window.kept(where).any()]

    def synthesise_where(where: np.ndarray) -> None:
        def run(window: Window) -> None:
            window.put(point.synthesis(window.cut(y_hat), window.inner), pixels, STRIDE, mask)

        workers.map(run, near(where))

    synthesise_where(learned)
    if not at_border.any():
        return
    scale = point.gain * point.inverse_gain
    workers.map(
        lambda window: window.paste(
            point.model.analysis_of_decoded(window.cut(pixels, STRIDE)) * scale, y_hat, where=behind_border
        ),
        near(behind_border),
    )
    synthesise_where(at_border)


def _grown(where: np.ndarray) -> np.ndarray:
    """What lies within HALO of True, bool (h, w)."""
    for axis in (0, 1):
        padded = np.pad(where, [(HALO, HALO) if axis == a else (0, 0) for a in (0, 1)])
        where = np.any(np.lib.stride_tricks.sliding_window_view(padded, 2 * HALO + 1, axis), axis=-1)
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
