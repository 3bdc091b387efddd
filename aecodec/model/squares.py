"""Images <-> squares of 8x8 pixels, which the networks take and make: float32 (2 h, 2 w, 192), a square's rows in turn.

Strips of a few rows pass through here while they are filtered (lapped.py), and stay in the processor's cache:

    pixels --> levels --> overlap --> squares --> analysis
    synthesis --> squares --> samples, eighths of levels --> overlap --> pixels
"""

from collections.abc import Iterable, Iterator

import numpy as np

from aecodec.model.lapped import CHANNELS, Fill, Rows

EDGE = 8  # pixels
SIZE = EDGE * EDGE * CHANNELS  # samples of a square
MIDDLE = 128  # levels that are taken off before the analysis
EIGHTHS = 8.0  # to the level


def levels(pixels: np.ndarray) -> Fill:
    """Pixels uint8 (H, W, 3) as levels less the middle."""

    def fill(top: int, strip: np.ndarray) -> None:
        np.subtract(pixels[top : top + len(strip)], np.float32(MIDDLE), out=strip)

    return fill


def eighths(pixels: np.ndarray) -> Fill:
    """Pixels uint8 (H, W, 3) as eighths of levels."""

    def fill(top: int, strip: np.ndarray) -> None:
        np.multiply(pixels[top : top + len(strip)], np.float32(EIGHTHS), out=strip)

    return fill


def samples(net: np.ndarray, linear: np.ndarray, offset: np.ndarray) -> Fill:
    """Whole eighths of levels: the sum of both parts of the synthesis and an offset, rounded.

    net: float32 (2 h, 2 w, 192), a square at each place; linear: float32 (h, w, 768), four squares; offset: float32
    (192,). In float32, the offset is added first. Each strip can be filled once, as its squares are written over.
    """
    _, columns, size = net.shape

    def fill(top: int, strip: np.ndarray) -> None:
        squares = net[top // EDGE :][: len(strip) // EDGE]
        squares += offset
        pairs = squares.reshape(-1, 2, columns // 2, 2 * size)  # a view, even of a part of each row
        four = linear[top // (2 * EDGE) :][: len(pairs)]
        pairs += four.reshape(len(pairs), columns // 2, 2, 2 * size).swapaxes(1, 2)
        across = squares.reshape(-1, columns, EDGE, EDGE * CHANNELS).swapaxes(1, 2)
        np.rint(across, out=strip.reshape(across.shape))

    return fill


def to_pixels(rows: Iterable[Rows], size: tuple[int, int]) -> np.ndarray:
    """Eighths of levels -> pixels uint8 (*size, 3), rounded down and clipped."""
    pixels = np.empty((*size, CHANNELS), np.uint8)
    flat = pixels.reshape(size[0], -1)
    for top, part in rows:
        np.clip(part, 0, 255 * EIGHTHS, out=part)
        part *= 1 / EIGHTHS
        flat[top : top + len(part)] = part
    return pixels


def to_squares(rows: Iterable[Rows], size: tuple[int, int]) -> np.ndarray:
    """Rows of an image of a size (H, W) -> its squares."""
    height, width = size[0] // EDGE, size[1] // EDGE
    squares = np.empty((height, width, SIZE), np.float32)
    split = squares.reshape(height, width, EDGE, EDGE * CHANNELS)
    for top, part in rows:
        count = len(part) // EDGE
        split[top // EDGE :][:count] = part.reshape(count, EDGE, width, -1).swapaxes(1, 2)
    return squares


def whole_levels(rows: Iterable[Rows]) -> Iterator[Rows]:
    """Eighths of levels -> whole levels less the middle."""
    for top, part in rows:
        part *= 1 / EIGHTHS
        np.rint(part, out=part)
        part -= MIDDLE
        yield top, part
