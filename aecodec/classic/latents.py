"""Latents <-> the bytes of a file: scaled per channel to a few bits each, then packed or through zstd.

Bytes are in the order of channels first, then patches row by row: similar values lie together.
"""

import math
from typing import NamedTuple

import numpy as np

from aecodec.container import BytesLike, zstd
from aecodec.errors import CorruptError, UnsupportedError

MOST_BITS = 8

# First byte of a bitstream.
_PACKED = 0  # `bits` each, the highest bit first, zero bits at the end
_ZSTD = 1  # a byte each, in a zstd frame


class Scale(NamedTuple):
    """Integer q of a channel stands for low + q * step. `low`, `step`: float32 (C,); `bits`: 1 to 8."""

    low: np.ndarray
    step: np.ndarray
    bits: int

    def quantise(self, latents: np.ndarray) -> np.ndarray:
        """float32 (..., C) -> the nearest integers, uint8; what lies outside the range becomes its end."""
        q = np.floor((latents - self.low) / self.step + np.float32(0.5))
        return np.clip(q, 0, 2**self.bits - 1).astype(np.uint8)

    def dequantise(self, q: np.ndarray) -> np.ndarray:
        """uint8 (..., C) -> float32."""
        return (self.low + q * self.step).astype(np.float32)


def scale_of(latents: np.ndarray, bits: int = MOST_BITS) -> Scale:
    """The scale with which latents (..., C) fill their integers; a channel that never changes has step 1.

    >>> scale_of(np.float32([[0, 5], [255, 5]]))
    Scale(low=array([0., 5.], dtype=float32), step=array([1., 1.], dtype=float32), bits=8)
    """
    flat = latents.reshape(-1, latents.shape[-1])
    low, high = flat.min(0), flat.max(0)
    step = np.where(high > low, (high - low) / (2**bits - 1), 1)
    return Scale(low.astype(np.float32), step.astype(np.float32), bits)


def pack(q: np.ndarray, bits: int) -> bytes:
    """Integers uint8 (N, ..., C) below 2^bits -> a bitstream, the shorter one of two.

    >>> pack(np.uint8([[1, 2, 3]]), 4).hex(" ")
    '00 12 30'
    """
    rows = np.ascontiguousarray(np.moveaxis(q, -1, 0))
    bit_rows = np.unpackbits(rows.reshape(-1, 1), axis=1)[:, -bits:]
    packed = bytes([_PACKED]) + np.packbits(bit_rows).tobytes()
    pressed = bytes([_ZSTD]) + zstd.compress(rows.data)
    return min(packed, pressed, key=len)


def unpack(data: BytesLike, shape: tuple[int, ...], bits: int) -> np.ndarray:
    """The inverse of `pack`, uint8 of `shape` (N, ..., C). Raises CorruptError or UnsupportedError.

    >>> unpack(bytes.fromhex("00 12 30"), (1, 3), 4)
    array([[1, 2, 3]], dtype=uint8)
    """
    view, count, label = memoryview(data).cast("B"), math.prod(shape), "tile 0"
    if not view.nbytes:
        raise CorruptError(f"{label}: no bytes, expected a coding")
    if view[0] not in (_PACKED, _ZSTD):
        raise UnsupportedError(f"{label}: coding {view[0]}, expected {_PACKED} or {_ZSTD}")
    if view[0] == _PACKED:
        size = -(-count * bits // 8)
        if view.nbytes - 1 != size:
            raise CorruptError(f"{label}: {view.nbytes - 1} bytes of latents, expected {size}")
        bit_string = np.unpackbits(np.frombuffer(view[1:], np.uint8))
        if bit_string[count * bits :].any():
            raise CorruptError(f"{label}: bits after the last latent, expected zeros")
        bit_rows = np.zeros((count, 8), np.uint8)
        bit_rows[:, -bits:] = bit_string[: count * bits].reshape(count, bits)
        flat = np.packbits(bit_rows)
    else:
        flat = np.frombuffer(zstd.decompress(view[1:], count, label, "latents"), np.uint8)
        if int(flat.max()) >> bits:
            raise CorruptError(f"{label}: latent {flat.max()}, expected less than {1 << bits}")
    return np.moveaxis(flat.reshape(shape[-1], *shape[:-1]), 0, -1)
