"""The range coder, FORMAT.md section 8: words of 32 bits, a state of 64 bits, frequencies that sum to 2^24."""

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate

from reference.container import require

PRECISION = 24
MASK = (1 << 64) - 1
SHORT = 1 << 32  # a range below this is widened by a word


def cumulative(frequencies: Sequence[int]) -> list[int]:
    """What lies below each symbol, and the total.

    >>> cumulative([1 << 22, 3 << 22])
    [0, 4194304, 16777216]
    """
    return list(accumulate(frequencies, initial=0))


class RangeDecoder:
    """Decodes symbols in the order in which they were encoded; beyond the end of the data all bits are zero.

    >>> RangeDecoder(b"").decode(cumulative([1 << 22, 3 << 22]))
    0
    """

    def __init__(self, data: bytes):
        require(not data.endswith(b"\0"), "bitstream: a zero byte at its end")
        data = data + bytes(-len(data) % 4)
        self._words = [int.from_bytes(data[i : i + 4], "little") for i in range(0, len(data), 4)]
        self._next = 2
        first, second, *_ = [*self._words, 0, 0]
        self._offset = first << 32 | second  # of the data's point above the low end of the range
        self._range = MASK

    def decode(self, table: Sequence[int]) -> int:
        """Return the next symbol; `table` as from `cumulative`. Raises Refused."""
        scale = self._range >> PRECISION
        require(self._offset // scale < 1 << PRECISION, "bitstream: beyond the last symbol")
        symbol = bisect_right(table, self._offset // scale) - 1
        self._offset -= scale * table[symbol]
        self._range = scale * (table[symbol + 1] - table[symbol])
        if self._range < SHORT:
            word = self._words[self._next] if self._next < len(self._words) else 0
            self._next += 1
            self._range <<= 32
            self._offset = self._offset << 32 | word
        return symbol

    def end(self) -> None:
        """Raise Refused if there is data that no symbol needed."""
        untouched = self._range == MASK
        require(self._next >= len(self._words) and (untouched or self._offset < (1 << 33) - 1), "bitstream: too long")


class RangeEncoder:
    """The encoder that belongs to it. Carries are left to Python's integers, so it is for short data only.

    >>> table = cumulative([1 << 22, 3 << 22])
    >>> coder = RangeEncoder()
    >>> for symbol in (1, 0, 1, 1):
    ...     coder.encode(symbol, table)
    >>> decoder = RangeDecoder(coder.finish())
    >>> [decoder.decode(table) for _ in range(4)]
    [1, 0, 1, 1]
    """

    def __init__(self):
        self._low, self._range, self._words = 0, MASK, 1  # words of the result, the last one included

    def encode(self, symbol: int, table: Sequence[int]) -> None:
        scale = self._range >> PRECISION
        self._low += scale * table[symbol]
        self._range = scale * (table[symbol + 1] - table[symbol])
        if self._range < SHORT:
            self._low <<= 32
            self._range <<= 32
            self._words += 1

    def finish(self) -> bytes:
        """The shortest data that names a point of the range whatever follows it, without zero bytes at its end."""
        if self._range == MASK:
            return b""
        point = self._low + SHORT - 1 >> 32
        words = [point >> 32 * n & SHORT - 1 for n in reversed(range(self._words))]
        return b"".join(word.to_bytes(4, "little") for word in words).rstrip(b"\0")
