"""How much the texture of each cell of an image hides: the deltas of the visual tuning.

Texture hides errors, smooth areas show them (contrast masking; Watson, DCT quantization matrices visually optimized for
individual images, 1993). So smooth cells are coded in finer steps than textured ones.
"""

import numpy as np

from aecodec.geometry import HYPER, STRIDE
from aecodec.pixels import luma

CELL = HYPER * STRIDE  # pixels along the edge of a cell
BLOCK = 8  # pixels along the edge of what a deviation is taken of
POWER = 0.25  # of the texture, by which steps grow
USUAL = 8.0  # texture that changes nothing: mean deviation of luma, in levels
FLOOR = 1.0  # level
MAX_DELTA = 11  # no delta is larger, either way: a factor of 2.6


def deltas(pixels: np.ndarray) -> np.ndarray:
    """uint8 (H, W, 3) -> deltas int32 (ceil(H / 64), ceil(W / 64)); finer steps where they are above 0."""
    rows = range(0, len(pixels), CELL)
    texture = np.stack([_texture(luma(pixels[top : top + CELL])) for top in rows])
    octaves = POWER * np.log2((USUAL + FLOOR) / (texture + FLOOR))
    return np.clip(np.rint(8 * octaves), -MAX_DELTA, MAX_DELTA).astype(np.int32)


def _texture(band: np.ndarray) -> np.ndarray:
    """Luma uint8 of a row of cells -> mean deviation inside the blocks of each cell."""
    height, width = band.shape
    padded = np.pad(band, [(0, -height % BLOCK), (0, -width % BLOCK)], "edge").astype(np.float32)
    rows = padded.reshape(-1, BLOCK, padded.shape[1])
    sums, squares = (part.sum(1).reshape(len(rows), -1, BLOCK).sum(2) for part in (rows, rows * rows))  # exactly
    deviations = np.sqrt(squares - sums * sums / BLOCK**2).mean(0) / BLOCK
    starts = np.arange(0, len(deviations), CELL // BLOCK)
    sizes = np.diff(np.append(starts, len(deviations)))
    return np.add.reduceat(deviations, starts) / sizes
