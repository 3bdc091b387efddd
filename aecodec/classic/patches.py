"""Images <-> the square patches that a net codes, each for itself."""

import numpy as np

from aecodec.geometry import pad_window


def grid(height: int, width: int, edge: int) -> tuple[int, int]:
    """Rows and columns of patches that cover an image.

    >>> grid(256, 250, 16)
    (16, 16)
    """
    return -(-height // edge), -(-width // edge)


def cut(image: np.ndarray, edge: int) -> np.ndarray:
    """Cut (H, W, C) into patches (N, edge, edge, C), row by row; beyond the border the last row and column repeat.

    >>> cut(np.zeros((5, 9, 1)), 4).shape
    (6, 4, 4, 1)
    """
    rows, columns = grid(image.shape[0], image.shape[1], edge)
    padded = pad_window(image, slice(0, rows * edge), slice(0, columns * edge))
    parts = padded.reshape(rows, edge, columns, edge, -1).swapaxes(1, 2)
    return np.ascontiguousarray(parts).reshape(rows * columns, edge, edge, -1)


def join(patches: np.ndarray, height: int, width: int) -> np.ndarray:
    """Put patches (N, edge, edge, C) back together to an image (H, W, C).

    >>> image = np.arange(45).reshape(5, 9, 1)
    >>> (join(cut(image, 4), 5, 9) == image).all()
    np.True_
    """
    edge = patches.shape[1]
    rows, columns = grid(height, width, edge)
    parts = patches.reshape(rows, columns, edge, edge, -1).swapaxes(1, 2)
    return parts.reshape(rows * edge, columns * edge, -1)[:height, :width]
