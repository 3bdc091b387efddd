"""Whole images through the transforms, window by window, without seams: the halo is their receptive field."""

import numpy as np

from aecodec.geometry import STRIDE, Region, Tile, latent_size, windows
from aecodec.model.model import Model, QualityPoint
from aecodec.parallel import Workers

WINDOW = 80  # latents along the edge of the largest window
HALO = 5  # latents: the receptive field of either transform, overlap included


def analyse(pixels: np.ndarray, model: Model, workers: Workers) -> np.ndarray:
    """Pixels uint8 (H, W, 3) -> y float32 (h, w, M) at unit gain."""
    h, w = latent_size(pixels.shape[0]), latent_size(pixels.shape[1])
    y = np.empty((h, w, model.latent), np.float32)
    workers.map(
        lambda window: window.paste(model.analysis(window.cut(pixels, STRIDE)), y),
        windows(h, w, WINDOW, HALO),
    )
    return y


def synthesise(y_hat: np.ndarray, size: tuple[int, int], point: QualityPoint, workers: Workers) -> np.ndarray:
    """y_hat (h, w, M) at unit gain -> pixels uint8 (H, W, 3) of `size` (H, W)."""
    pixels = np.empty((*size, 3), np.uint8)
    workers.map(
        lambda window: window.paste(point.synthesis(window.cut(y_hat)), pixels, STRIDE),
        windows(*y_hat.shape[:2], WINDOW, HALO),
    )
    return pixels


def needed(area: Region, height: int, width: int) -> Tile:
    """The latents that pixels of an image of height x width depend on.

    >>> needed(Region(x=100, y=700, width=20, height=68), 768, 512)
    Tile(top=38, left=1, height=10, width=12)
    """

    def reach(start: int, size: int, length: int) -> tuple[int, int]:
        first = max(start // STRIDE - HALO, 0)
        return first, min(latent_size(start + size) + HALO, latent_size(length)) - first

    (top, rows), (left, columns) = reach(area.y, area.height, height), reach(area.x, area.width, width)
    return Tile(top, left, rows, columns)
