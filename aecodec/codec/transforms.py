"""Whole pictures through the transforms, window by window, without seams: the halo is their receptive field."""

import numpy as np

from aecodec import geometry
from aecodec.model.model import Model
from aecodec.parallel import Workers

WINDOW = 80  # latents along the edge of the largest window
HALO = 5  # latents: the receptive field of either transform, overlap included


def analyse(pixels: np.ndarray, weights: Model, workers: Workers) -> np.ndarray:
    """pixels uint8 (H, W, 3) -> y float32 (h, w, M) at unit gain."""
    h, w = (geometry.latent_size(n) for n in pixels.shape[:2])
    y = np.empty((h, w, weights.latent), np.float32)

    def run(window):
        rows, columns = window
        part = geometry.pad_window(
            pixels, *(slice(s.start * geometry.STRIDE, s.stop * geometry.STRIDE) for s in window)
        )
        found = weights.analysis(part)
        y[rows.keep_start : rows.keep_stop, columns.keep_start : columns.keep_stop] = found[
            rows.keep_start - rows.start : rows.keep_stop - rows.start,
            columns.keep_start - columns.start : columns.keep_stop - columns.start,
        ]

    workers.map(run, geometry.windows(h, w, WINDOW, HALO))
    return y


def needed(area: geometry.Region, height: int, width: int) -> geometry.Tile:
    """The latents that pixels of a picture of height x width depend on.

    >>> needed(geometry.Region(x=100, y=700, width=20, height=68), 768, 512)
    Tile(top=38, left=1, height=10, width=12)
    """

    def reach(start: int, size: int, length: int) -> tuple[int, int]:
        first = max(start // geometry.STRIDE - HALO, 0)
        return first, min(geometry.latent_size(start + size) + HALO, geometry.latent_size(length)) - first

    (top, rows), (left, columns) = reach(area.y, area.height, height), reach(area.x, area.width, width)
    return geometry.Tile(top, left, rows, columns)


def synthesise(y_hat: np.ndarray, size: tuple[int, int], quality: int, weights: Model, workers: Workers) -> np.ndarray:
    """y_hat (h, w, M) at unit gain -> pixels uint8 (H, W, 3) of `size` (H, W); quality in 1/256 of a knot."""
    height, width = size
    pixels = np.empty((height, width, 3), np.uint8)
    features = weights.features(quality)

    def run(window):
        rows, columns = window
        part = np.ascontiguousarray(y_hat[rows.start : rows.stop, columns.start : columns.stop])
        found = weights.synthesis(part, features)
        top, left = rows.keep_start * geometry.STRIDE, columns.keep_start * geometry.STRIDE
        bottom, right = min(rows.keep_stop * geometry.STRIDE, height), min(columns.keep_stop * geometry.STRIDE, width)
        up, aside = rows.start * geometry.STRIDE, columns.start * geometry.STRIDE
        pixels[top:bottom, left:right] = found[top - up : bottom - up, left - aside : right - aside]

    workers.map(run, geometry.windows(*y_hat.shape[:2], WINDOW, HALO))
    return pixels
