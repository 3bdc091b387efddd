"""The overlap of whole images, which the codec filters strip by strip."""

import numpy as np

from aecodec.model.lapped import Fill, overlap


def strips_of(image: np.ndarray) -> Fill:
    """What hands an image (H, W, 3) on in strips."""

    def fill(top: int, strip: np.ndarray) -> None:
        strip[:] = image[top : top + len(strip)]

    return fill


def overlapped(image: np.ndarray, v: np.ndarray, whole: bool = False) -> np.ndarray:
    """Filter an image (H, W, 3) -> float32 (H, W, 3)."""
    rows = [part.copy() for _, part in overlap(strips_of(image), image.shape[:2], v, whole)]
    return np.concatenate(rows).reshape(image.shape)
