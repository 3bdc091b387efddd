"""Symbols of one tile <-> bytes, with stored tables and a range coder.

    z (h, w, Z) -----------------------> channel by channel, table of (row, channel) ---+
                                                                                        |--> RangeEncoder --> bytes
    r, scale index (H, W, M) ----------> grouped by index, table of (row, index) -------+
    escaped values --------------------> Exp-Golomb bits, plane by plane ---------------+

The residuals of the coarse channels come first, with their escaped values, then those of the others: whoever wants a
small image alone stops there. The model says which channels are coarse.

FORMAT.md specifies the order and the arithmetic to the bit. Damaged input often goes unnoticed in a range decoder, so
the checksums and lengths of the container are the guard; what no symbols give is a CorruptError.
"""

from collections.abc import Iterable, Iterator
from itertools import pairwise, repeat
from typing import Any, NamedTuple

import numpy as np

from aecodec.entropy.rangecoder import PRECISION
from aecodec.entropy.tables import SCALES, Z_MAX, RangeDecoder, RangeEncoder, TableRow
from aecodec.errors import CorruptError

ESCAPE_BITS = 16  # an escaped value lies less than 2^16 - 1 beyond the table
_POSITION_BITS = 25  # of 32; the others hold a scale index and the part
_LEAST = np.arange(2 * SCALES, dtype=np.uint32) << _POSITION_BITS  # the least that a scale index of a part can be


class _Part(NamedTuple):
    """Coded latents in the order of the bitstream: their flat positions, the reach of each, bounds of scale indexes."""

    positions: np.ndarray
    reach: np.ndarray
    bounds: list[int]


def _parts(index: np.ndarray, first: np.ndarray, reach: np.ndarray) -> Iterator[_Part]:
    """The coded latents of the channels that come first, then the others. index: uint8 (..., M); first: bool (M,).

    Part, index and position are sorted as one integer of 32 bits, for which NumPy has vector code.
    """
    groups = index + np.where(first, 0, SCALES).astype(np.uint8)
    positions = np.flatnonzero(index > 0)
    keys = groups.reshape(-1)[positions].astype(np.uint32)
    keys <<= _POSITION_BITS
    keys |= positions.astype(np.uint32)
    keys.sort()
    bounds = np.searchsorted(keys, _LEAST).tolist()
    bounds.append(len(keys))
    positions = (keys & (1 << _POSITION_BITS) - 1).astype(np.intp)
    for start in (0, SCALES):
        own = bounds[start : start + SCALES + 1]
        reaches = np.repeat(reach, np.diff(own))
        yield _Part(positions[own[0] : own[-1]], reaches, [bound - own[0] for bound in own])


def encode_tile(z: np.ndarray, r: np.ndarray, index: np.ndarray, tables: TableRow) -> bytes:
    """Code one tile.

    z: int (h, w, Z) in -63..63. r: int (H, W, M), zero where index is zero. index: uint8 (H, W, M) in 0..63.
    Residuals beyond the escape code's reach are a ValueError.
    """
    coder = RangeEncoder()
    planes = np.ascontiguousarray(z.reshape(-1, z.shape[-1]).T.astype(np.int32) + Z_MAX)
    for plane, table in zip(planes, tables.z, strict=True):
        coder.encode(plane, table)

    for positions, reach, bounds in _parts(index, tables.coarse, tables.reach):
        values = r.reshape(-1)[positions].astype(np.int32, copy=False)
        symbols = values + reach
        escaped = np.abs(values) > reach
        if any_escaped := escaped.any():
            symbols[escaped] = 2 * reach[escaped] + 1
        for i, table in enumerate(tables.r):
            if bounds[i] < bounds[i + 1]:
                coder.encode(symbols[bounds[i] : bounds[i + 1]], table)
        if any_escaped:
            _encode_escapes(coder, values[escaped], reach[escaped], tables.bit)
    data = coder.get_compressed().astype("<u4").tobytes()
    return data.rstrip(b"\0")


def symbol_bits(z: np.ndarray, r: np.ndarray, index: np.ndarray, tables: TableRow) -> tuple[np.ndarray, np.ndarray]:
    """Bits that `encode_tile` spends on each symbol: float64 (h, w, Z) and (H, W, M), those of escapes included."""
    z_bits = PRECISION - np.log2(tables.frequencies[np.arange(z.shape[-1]), z + Z_MAX])
    r_bits = np.zeros(index.size)
    for positions, reach, bounds in _parts(index, tables.coarse, tables.reach):
        values = r.reshape(-1)[positions]
        e = np.abs(values) - reach
        symbols = np.where(e > 0, 2 * reach + 1, values + reach)
        bits = np.concatenate([table[symbols[bounds[i] : bounds[i + 1]]] for i, table in enumerate(tables.r_bits)])
        length = np.frexp(e[e > 0])[1] - 1  # as _encode_escapes has it: a prefix, `length` bits and a sign
        bits[e > 0] += np.minimum(length + 1, ESCAPE_BITS - 1) + length + 1
        r_bits[positions] = bits
    return z_bits, r_bits.reshape(index.shape)


def expected_bits(z: np.ndarray, index: np.ndarray, tables: TableRow) -> float:
    """What `encode_tile` is expected to need for z (h, w, Z) and whatever r belongs to index (H, W, M), in bits."""
    frequencies = tables.frequencies[np.arange(z.shape[-1]), z.reshape(-1, z.shape[-1]) + Z_MAX]
    counts = np.bincount(index.reshape(-1), minlength=SCALES)
    return float(counts @ tables.entropies + PRECISION * frequencies.size - np.log2(frequencies).sum())


def _encode_escapes(coder: Any, values: np.ndarray, reach: np.ndarray, bit: Any) -> None:
    """Exp-Golomb code of |value| - K, which is at least 1: first all prefixes, then all suffixes, then all signs."""
    e = np.abs(values) - reach
    if e.max() >= 1 << ESCAPE_BITS:
        raise ValueError(f"residual {int(values[e.argmax()])} is beyond the escape code")
    length = np.frexp(e)[1].astype(np.int32) - 1  # bits after the leading one
    for j in range(ESCAPE_BITS - 1):
        coder.encode((length[length >= j] > j).astype(np.int32), bit)
    for j in reversed(range(ESCAPE_BITS - 1)):
        coder.encode((e[length > j] >> j & 1).astype(np.int32), bit)
    coder.encode((values < 0).astype(np.int32), bit)


class TileDecoder:
    """Decodes one tile in the order of its stream: first `z`, then `r`, whose scale indexes follow from z."""

    def __init__(self, data: bytes | bytearray | memoryview, tables: TableRow):
        if data and not data[-1]:
            raise CorruptError("bitstream: ends with a zero byte, which writers leave out")
        words = np.frombuffer(bytes(data) + bytes(-len(data) % 4), "<u4").astype(np.uint32)
        self._coder, self._tables = RangeDecoder(words), tables

    def z(self, height: int, width: int) -> np.ndarray:
        """-> int8 (height, width, Z) in -63..63."""
        count, tables = height * width, self._tables.z
        symbols = self._decode(zip(tables, repeat(count))).reshape(len(tables), count).T
        return (symbols - Z_MAX).astype(np.int8).reshape(height, width, -1)

    def r(self, index: np.ndarray) -> np.ndarray:
        """index: uint8 (H, W, M) -> int32 of the same shape. Raises CorruptError where the stream does not end here."""
        out = np.zeros(index.size, np.int32)
        for part in _parts(index, self._tables.coarse, self._tables.reach):
            out[part.positions] = self._values(part)
        if not self._coder.maybe_exhausted():
            raise CorruptError("bitstream: symbols end before the data does")
        return out.reshape(index.shape)

    def coarse_r(self, index: np.ndarray) -> np.ndarray:
        """The same for the coarse channels alone, with whose residuals the stream goes on: (H, W, their number)."""
        out = np.zeros(index.size, np.int32)
        part = next(_parts(index, np.ones(index.shape[-1], bool), self._tables.reach))
        out[part.positions] = self._values(part)
        return out.reshape(index.shape)

    def _values(self, part: _Part) -> np.ndarray:
        runs = zip(self._tables.r, pairwise(part.bounds), strict=True)
        values = self._decode((table, end - start) for table, (start, end) in runs if start < end) - part.reach
        escaped = values > part.reach
        if escaped.any():
            values[escaped] = self._escapes(part.reach[escaped])
        return values

    def _escapes(self, reach: np.ndarray) -> np.ndarray:
        """What `_encode_escapes` has coded, beyond a reach int32 (n,) each."""

        def bits(count: int) -> np.ndarray:
            return self._decode([(self._tables.bit, count)])

        length, alive = np.zeros(len(reach), np.int32), np.arange(len(reach))
        for _ in range(ESCAPE_BITS - 1):
            alive = alive[bits(len(alive)) > 0]
            if not len(alive):
                break
            length[alive] += 1
        plane = np.arange(length.max() - 1, -1, -1)[:, None]
        row, value = np.nonzero(length > plane)  # of each suffix bit, as they are coded
        found = bits(len(row) + len(reach))
        suffix = np.bincount(value, found[: len(row)] << plane[row, 0], minlength=len(reach))
        return np.where(found[len(row) :] > 0, -1, 1) * ((1 << length) + suffix.astype(np.int32) + reach)

    def _decode(self, runs: Iterable[tuple[Any, int]]) -> np.ndarray:
        """So many symbols with each table, one run after another -> int32."""
        decode = self._coder.decode
        try:
            symbols = [decode(table, count) for table, count in runs]
        except Exception as e:  # constriction's exceptions have no common base
            raise CorruptError(f"bitstream: {e}") from None
        return np.concatenate(symbols) if symbols else np.empty(0, np.int32)
