"""The parts of an .aez file that a question needs, read by ranges of bytes: header and index, chunks, some tiles."""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from aecodec import container, geometry
from aecodec.errors import CorruptError, TruncatedError
from aecodec.families import by_id, family_of
from aecodec.limits import DEFAULT_LIMITS, Limits

Span = tuple[int, int]  # from the first byte up to the end
Ranges = Callable[[Sequence[Span]], list[bytes]]

_FIRST = 4096  # bytes: the header and the index of 30 megapixels
_MOST = 16  # bytes for a pixel, more than any encoder makes
_GAP = 4096  # bytes between parts that are read along with them, because a request costs more


class Source(NamedTuple):
    """A file of which parts can be read: `read` by ranges of bytes, `size` bytes in all."""

    read: Ranges
    size: int


class Parts(NamedTuple):
    """`data`: the file with zeros where nothing was read, or its beginning; `size`: its bytes; `read`: those read."""

    data: bytes | bytearray
    size: int
    read: int


def read_head(source: Source, limits: Limits = DEFAULT_LIMITS) -> tuple[Parts, container.Index]:
    """Read the beginning of a file, up to the end of its index or a little more.

    From a server without ranges, which gives all of it for the first one, all is read and nothing more is asked for.

    Raises DecodeError, OSError.

    >>> data = container.write(container.Header(1, 300, 2, 1, 1024, 256), [b"left", bytes(9000)])
    >>> parts, index = read_head(Source(lambda spans: [data[start:end] for start, end in spans], len(data)))
    >>> parts.read, index.tiles[0].size
    (4096, 4)
    """
    head, (read, size) = b"", source
    while True:
        [more] = read([(len(head), min(size, len(head) + max(_FIRST, len(head))))])
        head += more
        try:
            return Parts(head, size, len(head)), container.read_index(head, limits)
        except TruncatedError:
            if not more or len(head) >= size:
                raise


def read_region(
    source: Source,
    region: Sequence[int],
    limits: Limits = DEFAULT_LIMITS,
    tags: Sequence[bytes] = container.KNOWN_TAGS,
    factor: int = 1,
) -> Parts:
    """Read what `decode` needs of a file for a region at the scale 1 / factor, and the chunks with these tags.

    Raises DecodeError, OSError; ValueError for a region outside of the image.
    """
    head, index = read_head(source, limits)
    (read, size), header = source, index.header
    most = _MOST * header.width * header.height + limits.max_metadata
    if index.size > most:  # before so much is reserved
        raise CorruptError(
            f"index: {index.size} bytes for {header.width}x{header.height} pixels, expected at most {most}"
        )
    area = geometry.checked_region(region, header.width, header.height).grown(factor, header.width, header.height)
    tiles = family_of(by_id(header.model)).reads(header, index.exact, area)
    extents = [extent for tag, extent in index.chunks if tag in tags]
    extents += [index.tiles[number] for number in tiles]
    spans = _joined((max(start, head.read), min(start + length, size)) for start, length, _ in extents)
    data = bytearray(min(size, index.size))
    data[: head.read] = head.data[: len(data)]
    count = head.read
    for (start, end), part in zip(spans, read(spans) if spans else [], strict=True):
        data[start : start + len(part)] = part
        count += len(part)
        if len(part) < end - start:
            raise TruncatedError(f"file: ends at byte {start + len(part)}, expected {size} bytes")
    return Parts(data, size, count)


def _joined(spans: Iterable[Span]) -> list[Span]:
    """Spans that lie close together become one; empty ones are left out.

    >>> _joined([(9000, 9001), (0, 5), (7, 9), (3, 3)])
    [(0, 9), (9000, 9001)]
    """
    joined: list[Span] = []
    for start, end in sorted(span for span in spans if span[0] < span[1]):
        if joined and start <= joined[-1][1] + _GAP:
            joined[-1] = joined[-1][0], max(end, joined[-1][1])
        else:
            joined.append((start, end))
    return joined
