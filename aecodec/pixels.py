"""Pixels: channels, luma, squared error and PSNR."""

import math

import numpy as np

from aecodec.errors import EncodeError

_GREY = np.array([299, 587, 114], np.uint32)  # luma of ITU-R BT.601, in thousandths
_ROWS = 256  # pixels are compared in bands of this many rows, so that large pictures need little extra memory
_LOSSLESS = 200.0  # dB, for arithmetic: more than any pixels but equal ones have


def luma(pixels: np.ndarray) -> np.ndarray:
    """What a grey picture is of the pixels (..., 3) that the synthesis gives: uint8 (...)."""
    return ((pixels @ _GREY + 500) // 1000).astype(np.uint8)


def split(image: np.ndarray) -> tuple[np.ndarray, np.ndarray | None, int]:
    """-> RGB (H, W, 3), alpha (H, W) or None, number of channels."""
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8:
        raise TypeError(f"image: {getattr(image, 'dtype', type(image).__name__)}, expected a uint8 array")
    channels = 1 if image.ndim == 2 else image.shape[2] if image.ndim == 3 and image.shape[2] > 1 else 0
    if channels not in (1, 2, 3, 4):
        raise ValueError(f"image: shape {image.shape}, expected (H, W) or (H, W, 2..4)")
    if 0 in image.shape:
        raise EncodeError(f"image: {image.shape[1]}x{image.shape[0]}, expected at least 1x1")
    alpha = image[..., -1] if channels in (2, 4) else None
    if channels >= 3:
        return image[..., :3], alpha, channels
    grey = image if image.ndim == 2 else image[..., 0]
    return np.repeat(grey[..., None], 3, axis=-1), alpha, channels


def merge(pixels: np.ndarray, alpha: np.ndarray | None, channels: int) -> np.ndarray:
    """RGB (H, W, 3), alpha (H, W) or None -> the picture as its user has it, in C order."""
    if channels < 3:
        pixels = luma(pixels)
    return np.ascontiguousarray(pixels) if alpha is None else np.dstack([pixels, alpha])


def squared_error(found: np.ndarray, pixels: np.ndarray, grey: bool) -> int:
    """Sum of squared differences of two pictures uint8 (H, W, 3); with `grey` of their lumas."""
    total = 0
    for top in range(0, len(pixels), _ROWS):
        band, other = found[top : top + _ROWS], pixels[top : top + _ROWS]
        if grey:
            band, other = luma(band), other[..., 0]
        total += int(np.square(np.subtract(band, other, dtype=np.int32)).sum(dtype=np.int64))
    return total


def psnr_of(squares: int, values: int) -> float:
    return 10 * math.log10(255**2 * values / squares) if squares else _LOSSLESS
