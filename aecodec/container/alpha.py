"""The alpha plane <-> the data of its chunk, without loss.

The whole plane has one of four predictions, the one that makes the chunk smallest. Running sums modulo 256 along rows
or columns undo all four, so that decoding never loops over pixels or rows.
"""

import numpy as np

from aecodec.container import zstd
from aecodec.container.chunks import ALPHA, label
from aecodec.container.header import BytesLike
from aecodec.errors import CorruptError, UnsupportedError

# First byte of the chunk. From _PLAIN on its two lowest bits above _PLAIN say what was subtracted.
_CONSTANT = 0  # one more byte: the value of all samples
_PLAIN = 1
_LEFT = 1  # bit: differences along rows
_ABOVE = 2  # bit: differences along columns

# Measured on mattes, soft shadows, text and photographs: level 5 ranks the predictions as the last level does at a
# tenth of its time; the last level makes 5 to 20 % less than 12, but runs at 1 to 5 MP/s, so it is for small planes.
_TRIAL_LEVEL = 5
_LEVEL = 12
_SMALL = 1 << 19  # samples


def encode_alpha(alpha: np.ndarray) -> bytes:
    """Code an alpha plane, uint8 (H, W), without loss. Raises TypeError for any other array.

    >>> encode_alpha(np.full((3000, 4000), 255, np.uint8))
    b'\\x00\\xff'
    """
    if alpha.dtype != np.uint8 or alpha.ndim != 2 or alpha.size == 0:
        raise TypeError(f"alpha: {alpha.dtype} {alpha.shape}, expected uint8 (height, width)")
    if (alpha == alpha[0, 0]).all():
        return bytes([_CONSTANT, alpha[0, 0]])
    choices = range(4)
    best = min(choices, key=lambda choice: len(zstd.compress(_subtract(alpha, choice).data, _TRIAL_LEVEL)))
    level = zstd.MAX_LEVEL if alpha.size <= _SMALL else _LEVEL
    return bytes([_PLAIN + best]) + zstd.compress(_subtract(alpha, best).data, level)


def decode_alpha(data: BytesLike, height: int, width: int) -> np.ndarray:
    """Return the alpha plane, uint8 (height, width).

    Nothing is allocated before the size that `data` claims is known to be height x width. Raises CorruptError or, for a
    coding of a later version, UnsupportedError.

    >>> alpha = np.array([[0, 10, 20], [5, 15, 250]], np.uint8)
    >>> (decode_alpha(encode_alpha(alpha), 2, 3) == alpha).all()
    np.True_
    """
    view = memoryview(data).cast("B")
    name = label(ALPHA)
    if not view.nbytes:
        raise CorruptError(f"{name}: no bytes, expected a coding")
    choice = view[0] - _PLAIN
    if view[0] == _CONSTANT:
        if view.nbytes != 2:
            raise CorruptError(f"{name}: {view.nbytes} bytes, expected 2 for a constant")
        return np.full((height, width), view[1], np.uint8)
    if choice > _LEFT + _ABOVE:
        raise UnsupportedError(f"{name}: coding {view[0]}, expected 0 to {_PLAIN + _LEFT + _ABOVE}")
    plane = np.frombuffer(zstd.decompress(view[1:], height * width, name, "samples"), np.uint8).reshape(height, width)
    if choice & _LEFT:
        plane = np.add.accumulate(plane, axis=1, dtype=np.uint8)
    if choice & _ABOVE:
        plane = np.add.accumulate(plane, axis=0, dtype=np.uint8)
    return plane if plane.flags.writeable else plane.copy()


def _subtract(alpha: np.ndarray, choice: int) -> np.ndarray:
    """Differences modulo 256 to the sample on the left, above, or both; outside the plane samples count as 0."""
    residual = np.array(alpha, order="C")
    if choice & _ABOVE:
        residual[1:] -= alpha[:-1]
    if choice & _LEFT:
        residual[:, 1:] -= residual[:, :-1].copy()
    return residual
