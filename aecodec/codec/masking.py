"""How much the texture of each cell of an image hides: the deltas of the visual tuning.

Texture hides errors, smooth areas show them (contrast masking; Watson, DCT quantization matrices visually optimized for
individual images, 1993). So smooth cells are coded in finer steps than textured ones.
"""

import numpy as np

from aecodec.geometry import HYPER, STRIDE
from aecodec.pixels import luma

CELL = HYPER * STRIDE  # pixels along the edge of a cell
_BLOCK = 8  # pixels along the edge of what a deviation is taken of
_POWER = 0.25  # of the texture, by which steps grow
_USUAL = 8.0  # texture that changes nothing: mean deviation of luma, in levels
_FLOOR = 1.0  # level
_MOST = 11  # no delta is larger, either way: a factor of 2.6


def deltas(pixels: np.ndarray) -> np.ndarray:
    """uint8 (H, W, 3) -> deltas int32 (ceil(H / 64), ceil(W / 64)); finer steps where they are above 0."""
    rows = range(0, len(pixels), CELL)
    texture = np.stack([_texture(luma(pixels[top : top + CELL])) for top in rows])
    octaves = _POWER * np.log2((_USUAL + _FLOOR) / (texture + _FLOOR))
    return np.clip(np.rint(8 * octaves), -_MOST, _MOST).astype(np.int32)


def _texture(band: np.ndarray) -> np.ndarray:
    """Luma uint8 of a row of cells -> mean deviation inside the blocks of each cell."""
    height, width = band.shape
    padded = np.pad(band, [(0, -height % _BLOCK), (0, -width % _BLOCK)], "edge").astype(np.float32)
    blocks = padded.reshape(padded.shape[0] // _BLOCK, _BLOCK, -1, _BLOCK)
    deviations = blocks.std((1, 3)).mean(0)
    starts = np.arange(0, len(deviations), CELL // _BLOCK)
    sizes = np.diff(np.append(starts, len(deviations)))
    return np.add.reduceat(deviations, starts) / sizes
