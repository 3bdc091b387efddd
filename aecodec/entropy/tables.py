"""Tables of frequencies, as the entropy coder takes them. The only user of constriction."""

from functools import cache, cached_property

import numpy as np

from aecodec.entropy import rangecoder
from aecodec.entropy.hyper_synthesis import SCALES, Z_MAX
from aecodec.entropy.rangecoder import PRECISION
from aecodec.errors import ModelError

try:
    import constriction
except ImportError:  # it has no wheel for Linux on ARM
    RangeDecoder, RangeEncoder, categorical = rangecoder.RangeDecoder, rangecoder.RangeEncoder, rangecoder.cumulative
else:
    RangeDecoder, RangeEncoder = constriction.stream.queue.RangeDecoder, constriction.stream.queue.RangeEncoder

    def categorical(frequencies: np.ndarray):
        # constriction reserves one unit of 2^-24 for each symbol and scales floats to what is left: given f - 1 its
        # scale is exactly one, and it codes just these integers (tests/test_entropy.py checks it in integers).
        return constriction.stream.model.Categorical(frequencies.astype(np.float64) - 1, perfect=False)


_TOTAL = 1 << PRECISION


class Tables:
    """CDF tables of a model.

    z: uint32 (knots, Z, 127), frequencies of the symbols -63..63. r: for each knot (or for all of them, if there is
    one row) and each scale index 1..63 a uint32 array of frequencies of -K..K and of the escape symbol, with one K for
    all knots. Every table sums to 2^24 with no zero. Raises ModelError otherwise.
    """

    def __init__(self, z: np.ndarray, r: list[list[np.ndarray]]):
        for table in [*z.reshape(-1, z.shape[-1]), *(table for row in r for table in row)]:
            if table.dtype != np.uint32 or table.min() < 1 or int(table.sum(dtype=np.uint64)) != _TOTAL:
                raise ModelError("tables: expected uint32 frequencies, none zero, that sum to 2^24")
        sizes = [[len(table) for table in row] for row in r]
        if z.shape[-1] != 2 * Z_MAX + 1 or len(sizes[0]) != SCALES - 1 or any(size % 2 for size in sizes[0]):
            raise ModelError("tables: unexpected number of symbols")
        if len(r) not in (1, len(z)) or any(row != sizes[0] for row in sizes):
            raise ModelError("tables: unexpected number of tables")
        self.z, self.r = z, r * len(z) if len(r) == 1 else r
        self.reach = np.array([0] + [(size - 2) // 2 for size in sizes[0]], np.int32)  # K of each scale index
        self.z_models, self.r_models, self.entropies = map(cache, (self._z_models, self._r_models, self._entropies))

    def _r_models(self, knot: int) -> list:
        """The coder's models, index 0 (never coded) included."""
        return [None, *map(categorical, self.r[knot])]

    def _entropies(self, knot: int) -> np.ndarray:
        """Bits that a residual of each scale index takes if its table is right: float64 (64,)."""
        shares = [table / _TOTAL for table in self.r[knot]]
        return np.array([0.0] + [-(p @ np.log2(p)) for p in shares])

    @cached_property
    def bit(self):
        return categorical(np.array([_TOTAL // 2] * 2))

    def _z_models(self, knot: int) -> list:
        return list(map(categorical, self.z[knot]))
