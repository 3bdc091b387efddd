"""A range coder in plain Python, for where constriction has no wheel: the same bytes, slower (FORMAT.md, section 8.2).

Words of 32 bits, a state of 64, frequencies that sum to 2^24. It has that part of constriction's interface that
`aecodec.entropy.coder` needs; a table is the tuple of what lies below each symbol, and the total.

>>> table = cumulative(np.array([1 << 22, 3 << 22]))
>>> encoder = RangeEncoder()
>>> encoder.encode(np.array([1, 0, 1, 1]), table)
>>> RangeDecoder(encoder.get_compressed()).decode(table, 4)
array([1, 0, 1, 1], dtype=int32)
"""

from bisect import bisect_right

import numpy as np

PRECISION = 24  # frequencies of a table sum to 2^24
_TOTAL = 1 << PRECISION
_WORD = (1 << 32) - 1
_STATE = (1 << 64) - 1

Cumulative = tuple[int, ...]


def cumulative(frequencies: np.ndarray) -> Cumulative:
    """Return the table that codes symbol s with frequencies[s]: integers (n,), none zero, that sum to 2^24.

    >>> cumulative(np.array([1 << 22, 3 << 22]))
    (0, 4194304, 16777216)
    """
    return (0, *np.cumsum(frequencies, dtype=np.int64).tolist())


class RangeEncoder:
    """Encodes symbols; they are decoded in the same order."""

    def __init__(self) -> None:
        self._words: list[int] = []  # of the low end of the range, the highest first
        self._low, self._range = 0, _STATE  # its lowest 64 bits; the size of the range

    def encode(self, symbols: np.ndarray, table: Cumulative) -> None:
        """symbols: integers (n,) from 0 to the number of symbols of the table less one."""
        low, range_, words = self._low, self._range, self._words
        for symbol in symbols.tolist():
            below = table[symbol]
            scale = range_ >> PRECISION
            low += scale * below
            range_ = scale * (table[symbol + 1] - below)
            if low > _STATE:
                low &= _STATE
                _carry(words)
            if range_ <= _WORD:
                words.append(low >> 32)
                low = (low & _WORD) << 32
                range_ <<= 32
        self._low, self._range = low, range_

    def get_compressed(self) -> np.ndarray:
        """Return the shortest data that name a point of the range whatever follows them: uint32 words (n,)."""
        if self._range == _STATE:
            return np.empty(0, np.uint32)
        words = self._words.copy()
        point = (self._low + _WORD) >> 32
        if point > _WORD:
            point &= _WORD
            _carry(words)
        return np.array([*words, point], np.uint32)


def _carry(words: list[int]) -> None:
    """Add one to the number that the words are."""
    at = len(words) - 1
    while words[at] == _WORD:
        words[at] = 0
        at -= 1
    words[at] += 1


class RangeDecoder:
    """Decodes uint32 words (n,); beyond their end all bits are zero."""

    def __init__(self, words: np.ndarray):
        self._words = [*words.tolist(), 0, 0]
        self._size, self._next = len(words), 2
        self._offset = self._words[0] << 32 | self._words[1]  # of the data's point above the low end of the range
        self._range = _STATE

    def decode(self, table: Cumulative, count: int) -> np.ndarray:
        """Return so many symbols: int32 (count,). Raises ValueError for data that no symbols give."""
        offset, range_, words, at = self._offset, self._range, self._words, self._next
        symbols = []
        for _ in range(count):
            scale = range_ >> PRECISION
            quantile = offset // scale
            if quantile >= _TOTAL:
                raise ValueError("data beyond the last symbol")
            symbol = bisect_right(table, quantile) - 1
            below = table[symbol]
            offset -= scale * below
            range_ = scale * (table[symbol + 1] - below)
            if range_ <= _WORD:
                range_ <<= 32
                offset = offset << 32 | (words[at] if at < self._size else 0)
                at += 1
            symbols.append(symbol)
        self._offset, self._range, self._next = offset, range_, at
        return np.array(symbols, np.int32)

    def maybe_exhausted(self) -> bool:
        """Whether the data may end here: no word is left, and what is left of the last ones names a point."""
        return self._next >= self._size and (self._range == _STATE or self._offset < (1 << 33) - 1)
