"""Tables of frequencies, and how the range coder takes them. The only user of constriction."""

import math
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np

from aecodec.entropy import rangecoder
from aecodec.entropy.rangecoder import PRECISION
from aecodec.errors import ModelError
from aecodec.system.forks import cached_property

try:
    import constriction
except ImportError:  # it has no wheel for Linux on ARM
    RangeDecoder, RangeEncoder, coder_table = rangecoder.RangeDecoder, rangecoder.RangeEncoder, rangecoder.cumulative
else:
    RangeDecoder, RangeEncoder = constriction.stream.queue.RangeDecoder, constriction.stream.queue.RangeEncoder

    def coder_table(frequencies: np.ndarray) -> Any:
        # constriction reserves one unit of 2^-24 for each symbol and scales floats to what is left: given f - 1 its
        # scale is exactly one, and it codes just these integers (tests/entropy/test_coder.py checks it in integers).
        return constriction.stream.model.Categorical(frequencies.astype(np.float64) - 1, perfect=False)


Z_MAX = 63  # hyper-latents are clipped to -63..63
SCALES = 64  # scale indexes are 0..63
TOTAL = 1 << PRECISION  # frequencies of a table sum to it


class Tables:
    """The tables of a model, one row of them for each knot of its quality axis.

    z: uint32 (knots, Z, 127), frequencies of the symbols -63..63. r: for each knot (or for all of them, if there is
    one row) and each scale index 1..63 a uint32 array of frequencies of -K..K and of the escape symbol, with one K for
    all knots. Every table sums to 2^24 with no zero. coarse: bool (M,), the channels whose residuals come first. Raises
    ModelError otherwise.
    """

    def __init__(self, z: np.ndarray, r: Sequence[Sequence[np.ndarray]], coarse: np.ndarray):
        sizes = [[len(table) for table in row] for row in r]
        z_sizes = [z.shape[-1]] * math.prod(z.shape[:-1])
        for tables, lengths in zip([z.reshape(-1), *map(np.concatenate, r)], [z_sizes, *sizes], strict=True):
            sums = np.add.reduceat(tables, np.cumsum([0, *lengths[:-1]]), dtype=np.uint64)
            if tables.dtype != np.uint32 or tables.min() < 1 or (sums != TOTAL).any():
                raise ModelError("tables: expected uint32 frequencies, none zero, that sum to 2^24")
        if z.shape[-1] != 2 * Z_MAX + 1 or len(sizes[0]) != SCALES - 1 or any(size % 2 for size in sizes[0]):
            raise ModelError("tables: unexpected number of symbols")
        if len(r) not in (1, len(z)) or any(row != sizes[0] for row in sizes):
            raise ModelError("tables: unexpected number of tables")
        self.z, self.r, self.coarse = z, [*r] * len(z) if len(r) == 1 else r, coarse
        self.reach = np.array([0] + [(size - 2) // 2 for size in sizes[0]], np.int32)  # K of each scale index
        self.at = cache(self._at)

    def _at(self, row: int) -> "TableRow":
        """The tables of one row, as the coder takes them."""
        return TableRow(self.z[row], self.r[row], self.reach, self.coarse)


class TableRow:
    """The tables of one row.

    frequencies: of z, uint32 (Z, 127). reach: K of each scale index, int32 (64,). coarse: see `Tables`.
    """

    def __init__(self, z: np.ndarray, r: Sequence[np.ndarray], reach: np.ndarray, coarse: np.ndarray):
        self.frequencies, self._r, self.reach, self.coarse = z, r, reach, coarse

    @cached_property
    def z(self) -> list[Any]:
        """What the coder takes for each channel of z."""
        return list(map(coder_table, self.frequencies))

    @cached_property
    def r(self) -> list[Any]:
        """What the coder takes for each scale index; 0 is never coded."""
        return [None, *map(coder_table, self._r)]

    @cached_property
    def bit(self) -> Any:
        """What the coder takes for a bit of an escaped value."""
        return coder_table(np.array([TOTAL // 2] * 2))

    @cached_property
    def entropies(self) -> np.ndarray:
        """Bits that a residual of each scale index takes if its table is right: float64 (64,)."""
        probabilities = [table / TOTAL for table in self._r]
        return np.array([0.0] + [-(p @ np.log2(p)) for p in probabilities])

    @cached_property
    def r_bits(self) -> list[np.ndarray]:
        """Bits of each symbol of each scale index, float64; of a latent with index 0, which is not coded, none."""
        return [np.zeros(1), *(PRECISION - np.log2(table) for table in self._r)]
