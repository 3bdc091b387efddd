"""Pixels: channels, luma, squared error and PSNR."""

from typing import Any, NamedTuple

import numpy as np

from aecodec.errors import EncodeError

LUMA = np.array([299, 587, 114], np.uint32)  # ITU-R BT.601, in thousandths
# Y, Cb and Cr of RGB (ITU-R BT.601, full range, as JPEG has them), without offsets: its columns.
YCBCR = np.array([[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]], np.float32).T
_ROWS = 256  # large images are worked on in bands of so many rows, which need little extra memory


class Planes(NamedTuple):
    """An image as the codec works on it. rgb: uint8 (H, W, 3); alpha: uint8 (H, W) or None; channels: 1 to 4."""

    rgb: np.ndarray
    alpha: np.ndarray | None
    channels: int


def split(image: np.ndarray) -> Planes:
    """Split uint8 (H, W), (H, W, 2), (H, W, 3) or (H, W, 4) into colours and alpha; grey becomes three equal planes.

    Raises TypeError, ValueError for a wrong shape, EncodeError for an image without pixels.

    >>> split(np.zeros((4, 5, 2), np.uint8)).rgb.shape
    (4, 5, 3)
    """
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8:
        raise TypeError(f"image: {getattr(image, 'dtype', type(image).__name__)}, expected a uint8 array")
    channels = 1 if image.ndim == 2 else image.shape[2] if image.ndim == 3 and image.shape[2] > 1 else 0
    if channels not in (1, 2, 3, 4):
        raise ValueError(f"image: shape {image.shape}, expected (H, W) or (H, W, 2..4)")
    if 0 in image.shape:
        raise EncodeError(f"image: {image.shape[1]}x{image.shape[0]}, expected at least 1x1")
    alpha = image[..., -1] if channels in (2, 4) else None
    if channels >= 3:
        return Planes(image[..., :3], alpha, channels)
    grey = image if image.ndim == 2 else image[..., 0]
    return Planes(np.repeat(grey[..., None], 3, axis=-1), alpha, channels)


def merge(colours: np.ndarray, alpha: np.ndarray | None) -> np.ndarray:
    """Colours (H, W) or (H, W, 3) and alpha (H, W) or None -> the image as its user has it, in C order."""
    return np.ascontiguousarray(colours) if alpha is None else np.dstack([colours, alpha])


def luma(rgb: np.ndarray) -> np.ndarray:
    """Return the luma of RGB, uint8 (H, W, 3) -> (H, W): what a grey image is of the pixels of the synthesis."""
    grey, weights = np.empty(rgb.shape[:-1], np.uint8), LUMA.astype(np.float32)
    for top in range(0, len(rgb), _ROWS):
        # float32 holds the sums exactly, and rounds no quotient up to a whole number.
        grey[top : top + _ROWS] = (rgb[top : top + _ROWS].astype(np.float32) @ weights + 500) / 1000
    return grey


def squared_error(a: np.ndarray, b: np.ndarray) -> int:
    """Return the sum of squared differences of two uint8 arrays of one shape."""
    total = 0
    for top in range(0, len(a), _ROWS):
        difference = np.subtract(a[top : top + _ROWS], b[top : top + _ROWS], dtype=np.int32)
        total += int(np.square(difference).sum(dtype=np.int64))
    return total


def psnr_of(squares: float, values: int) -> float:
    """Return the PSNR in dB of so many uint8 values with this sum of squared differences; infinity for none."""
    return float(decibels(squares / values))


def decibels(mse: Any, floor: float = 0.0) -> Any:
    """Return the PSNR in dB of mean squared errors of 8-bit values, a number or an array; infinity where one is 0.

    floor: errors below it count as so much.
    """
    with np.errstate(divide="ignore"):
        return 10 * np.log10(255**2 / np.maximum(mse, floor))


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    """Return the PSNR in dB of two uint8 arrays of one shape, the mean square taken over all values together.

    >>> a = np.zeros((4, 4, 3), np.uint8)
    >>> round(psnr(a, a + 1), 2)
    48.13
    """
    return psnr_of(squared_error(a, b), a.size)
