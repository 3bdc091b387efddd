"""Reduced images: the scales at which an image is decoded, and means over squares of pixels."""

import math

import numpy as np

FACTORS = (1, 2, 4, 8, 16)  # edges of the squares, in pixels
_ROWS = 256  # large images are worked on in bands of so many rows, which need little extra memory


def factor_of(scale: float) -> int:
    """Return the edge of the square that becomes a pixel at a scale. Raises TypeError, ValueError.

    >>> factor_of(1 / 8)
    8
    >>> factor_of(0.3)
    Traceback (most recent call last):
    ValueError: scale: 0.3, expected 1, 1/2, 1/4, 1/8 or 1/16
    """
    if isinstance(scale, bool) or not hasattr(scale, "__float__"):
        raise TypeError(f"scale: {type(scale).__name__}, expected a number")
    for factor in FACTORS:
        if scale * factor == 1:
            return factor
    raise ValueError(f"scale: {scale}, expected 1, 1/2, 1/4, 1/8 or 1/16")


def factor_for(width: int, height: int, max_size: int) -> int:
    """Return the largest factor at which the longer edge still has so many pixels, 1 where it never has.

    >>> factor_for(4000, 3000, 256), factor_for(640, 480, 1000)
    (8, 1)
    """
    return max((factor for factor in FACTORS if max(width, height) >= factor * max_size), default=1)


def reduced_size(pixels: int, factor: int) -> int:
    """Return the length of an edge of so many pixels; a square that is cut off counts."""
    return -(-pixels // factor)


def reduced(image: np.ndarray, factor: int, alpha: bool = False) -> np.ndarray:
    """Reduce uint8 (H, W[, C]) to means over squares of factor x factor pixels, rounded.

    Squares that the edge of the image cuts off count what is there. alpha: the last channel is alpha, by which the
    others are weighted, so that the colours of transparent pixels do not spread.

    >>> reduced(np.array([[0, 4, 9], [4, 8, 9]], np.uint8), 2)
    array([[4, 9]], dtype=uint8)
    """
    if factor == 1:
        return image
    height, width, *channels = image.shape
    out = np.empty((reduced_size(height, factor), reduced_size(width, factor), *channels), np.uint8)
    step = math.lcm(_ROWS, factor)
    for top in range(0, height, step):
        band = image[top : top + step]
        counts = _sums(np.ones(band.shape[:2], np.uint32), factor)
        if alpha:
            weight = band[..., -1:].astype(np.uint32)
            weights = _sums(weight, factor)
            colours = _mean(_sums(band[..., :-1] * weight, factor), weights)
            means = np.concatenate([colours, _mean(weights, counts[..., None])], axis=-1)
        else:
            means = _mean(_sums(band, factor), counts[..., None] if channels else counts)
        out[top // factor : top // factor + len(means)] = means
    return out


def _sums(values: np.ndarray, factor: int) -> np.ndarray:
    """Sums over squares, uint32; those of 16x16 products of two samples stay below 2^24."""
    for axis in (0, 1):
        values = np.moveaxis(values, axis, 0)
        out = np.zeros((reduced_size(len(values), factor), *values.shape[1:]), np.uint32)
        for start in range(factor):
            part = values[start::factor]
            out[: len(part)] += part
        values = np.moveaxis(out, 0, axis)
    return values


def _mean(sums: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Rounded quotients, uint8; 0 where there is no weight."""
    weights = np.maximum(weights, 1)
    return ((sums + weights // 2) // weights).astype(np.uint8)
