"""Whole pictures through the transforms, window by window, without seams: the halo is their receptive field."""

import numpy as np

from aecodec import tiles
from aecodec.model import Model
from aecodec.workers import Workers

WINDOW = 80  # latents along the edge of the largest window
HALO = 5  # latents: the receptive field of either transform, overlap included
_GREY = np.array([299, 587, 114], np.uint32)  # luma of ITU-R BT.601, in thousandths


def analyse(pixels: np.ndarray, weights: Model, workers: Workers) -> np.ndarray:
    """pixels uint8 (H, W, 3) -> y float32 (h, w, M) at unit gain."""
    h, w = (tiles.latent_size(n) for n in pixels.shape[:2])
    y = np.empty((h, w, weights.latent), np.float32)

    def run(window):
        rows, columns = window
        part = tiles.pad_window(pixels, *(slice(s.start * tiles.STRIDE, s.stop * tiles.STRIDE) for s in window))
        found = weights.analysis(part)
        y[rows.keep_start : rows.keep_stop, columns.keep_start : columns.keep_stop] = found[
            rows.keep_start - rows.start : rows.keep_stop - rows.start,
            columns.keep_start - columns.start : columns.keep_stop - columns.start,
        ]

    workers.map(run, tiles.windows(h, w, WINDOW, HALO))
    return y


def needed(area: tiles.Region, height: int, width: int) -> tiles.Tile:
    """The latents that pixels of a picture of height x width depend on.

    >>> needed(tiles.Region(x=100, y=700, width=20, height=68), 768, 512)
    Tile(top=38, left=1, height=10, width=12)
    """

    def reach(start: int, size: int, length: int) -> tuple[int, int]:
        first = max(start // tiles.STRIDE - HALO, 0)
        return first, min(tiles.latent_size(start + size) + HALO, tiles.latent_size(length)) - first

    (top, rows), (left, columns) = reach(area.y, area.height, height), reach(area.x, area.width, width)
    return tiles.Tile(top, left, rows, columns)


def synthesise(y_hat: np.ndarray, size: tuple[int, int], quality: int, weights: Model, workers: Workers) -> np.ndarray:
    """y_hat (h, w, M) at unit gain -> pixels uint8 (H, W, 3) of `size` (H, W); quality in 1/256 of a knot."""
    height, width = size
    pixels = np.empty((height, width, 3), np.uint8)
    features = weights.features(quality)

    def run(window):
        rows, columns = window
        part = np.ascontiguousarray(y_hat[rows.start : rows.stop, columns.start : columns.stop])
        found = weights.synthesis(part, features)
        top, left = rows.keep_start * tiles.STRIDE, columns.keep_start * tiles.STRIDE
        bottom, right = min(rows.keep_stop * tiles.STRIDE, height), min(columns.keep_stop * tiles.STRIDE, width)
        up, aside = rows.start * tiles.STRIDE, columns.start * tiles.STRIDE
        pixels[top:bottom, left:right] = found[top - up : bottom - up, left - aside : right - aside]

    workers.map(run, tiles.windows(*y_hat.shape[:2], WINDOW, HALO))
    return pixels


def luma(pixels: np.ndarray) -> np.ndarray:
    """What a grey picture is of the pixels (..., 3) that the synthesis gives: uint8 (...)."""
    return ((pixels @ _GREY + 500) // 1000).astype(np.uint8)
