"""The .aez container: bytes <-> header, chunks and the tiles' bitstreams. FORMAT.md specifies it to the bit.

    +--------+-------+------------+-----------+
    | header | index | chunk data | tile data |     every byte under a CRC-32, no byte left over
    +--------+-------+------------+-----------+

Nothing in a file is believed: a length counts only after the checksum over it holds, and nothing is allocated or
looped over that the size of the file does not pay for.
"""

import re
import struct
import zlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from aecodec.errors import CorruptError, DecodeError, EncodeError, TruncatedError, UnsupportedError
from aecodec.header import (
    HEADER_SIZE,
    NO_MODEL,
    U32,
    BytesLike,
    Header,
    check_sum,
    pack_header,
    read_header,
    view_bytes,
)
from aecodec.header import SIGNATURE as SIGNATURE
from aecodec.header import VERSION as VERSION
from aecodec.limits import DEFAULT_LIMITS, Limits

# Tags of chunks. An upper-case first letter means: a reader that does not know the tag refuses the file.
ALPHA = b"ALPH"
ICC = b"iccp"
EXIF = b"exif"
XMP = b"xmp "
KNOWN_TAGS = (ALPHA, ICC, EXIF, XMP)

_TAG = re.compile(rb"[A-Za-z][A-Za-z0-9 ]{3}")
_MAX_CHUNKS = 0xFF
_MAX_LENGTH = 0xFFFFFFFF
_SMALLEST_TILE_ENTRY = 5  # a length in one byte, a checksum in four


class Chunk(NamedTuple):
    """A named piece of the file beside the tiles. `tag`: 4 bytes; `data`: as stored, not unpacked."""

    tag: bytes
    data: bytes


@dataclass(frozen=True, slots=True)
class Container:
    """A whole file. `tiles`: one bitstream per tile, row by row, as views into the bytes that were read.

    `exact`: numbers of the tiles that are stored without loss; the others are for the header's model.
    """

    header: Header
    tiles: tuple[memoryview, ...]
    chunks: tuple[Chunk, ...]
    exact: frozenset[int] = frozenset()


class Span(NamedTuple):
    """Where a chunk's data or a bitstream lies in the file, in bytes, and its CRC-32."""

    offset: int
    size: int
    checksum: int


@dataclass(frozen=True, slots=True)
class Index:
    """Where everything lies. `chunks`: (tag, place) in the order of the file; `size`: bytes of the whole file.

    `exact`: as in `Container`.
    """

    header: Header
    tiles: tuple[Span, ...]
    chunks: tuple[tuple[bytes, Span], ...]
    size: int
    exact: frozenset[int] = frozenset()


class Salvage(NamedTuple):
    """What is left of a damaged file.

    In `container` a damaged tile is an empty view and a damaged chunk is missing. `tiles` maps the number of each
    damaged tile, `chunks` the tag of each damaged chunk, to what is wrong with it.
    """

    container: Container
    tiles: dict[int, DecodeError]
    chunks: dict[bytes, DecodeError]


def write(
    header: Header, tiles: Sequence[BytesLike], chunks: Sequence[Chunk] = (), exact: Collection[int] = ()
) -> bytes:
    """Put a file together.

    `tiles`: the bitstreams, row by row, `header.tile_count` of them. `chunks`: stored in this order; `ALPHA` exactly
    if there is an alpha channel, but if all tiles are exact they may hold it. `exact`: numbers of the exact tiles; they
    decide on the version, whatever the header says; if all are, its model must be `NO_MODEL` and its quality 0.

    Raises EncodeError if a value is out of range, tiles are missing or left over, or `read` would refuse the chunks;
    TypeError if a value is no integer or a bitstream no bytes.

    >>> data = write(Header(1, 3, 2, 3, 1024, 256), [b"bits"], [Chunk(ICC, b"profile")])
    >>> read(data).chunks
    (Chunk(tag=b'iccp', data=b'profile'),)
    """
    header = replace(header, version=2 if exact else 1)
    head = pack_header(header)
    if len(tiles) != header.tile_count:
        raise EncodeError(f"container: {len(tiles)} tiles, expected {header.tile_count}")
    if len(chunks) > _MAX_CHUNKS:
        raise EncodeError(f"container: {len(chunks)} chunks, expected at most {_MAX_CHUNKS}")
    _check_exact(header, exact, EncodeError)
    _check_tags([tag for tag, _ in chunks], header, EncodeError, EncodeError)
    chunk_data = [view_bytes(data) for _, data in chunks]
    tile_data = [view_bytes(data) for data in tiles]
    longest = _MAX_LENGTH // header.version
    for view in chunk_data + tile_data:
        if view.nbytes > longest:
            raise EncodeError(f"container: chunk or tile of {view.nbytes} bytes, expected at most {longest}")

    index = bytearray([len(chunks)])
    for (tag, _), view in zip(chunks, chunk_data, strict=True):
        index += tag + _varint(view.nbytes) + U32.pack(zlib.crc32(view))
    for number, view in enumerate(tile_data):
        size = 2 * view.nbytes + (number in exact) if exact else view.nbytes
        index += _varint(size) + U32.pack(zlib.crc32(view))
    return b"".join([head, index, U32.pack(zlib.crc32(index)), *chunk_data, *tile_data])


def read(data: BytesLike, limits: Limits = DEFAULT_LIMITS) -> Container:
    """Take a file apart and check all of it.

    Raises NotAezError, TruncatedError, CorruptError, UnsupportedError or LimitError.

    >>> data = write(Header(1, 300, 2, 1, 1024, 256), [b"left", b"right"])
    >>> [bytes(tile) for tile in read(data).tiles]
    [b'left', b'right']
    >>> read(data[:-1] + b"T")
    Traceback (most recent call last):
    aecodec.errors.CorruptError: tile 1: checksum 0x8fa455dc, expected 0xb4ca7514
    """
    view = view_bytes(data)
    index = read_index(view, limits)
    check_size(view, index)
    tiles = tuple(read_tile(view, index, number) for number in range(len(index.tiles)))
    return Container(index.header, tiles, read_chunks(view, index), index.exact)


def salvage(data: BytesLike, limits: Limits = DEFAULT_LIMITS) -> Salvage:
    """Read what is sound in a file whose tiles or chunks are damaged, cut off, or followed by other bytes.

    Raises what `read` raises if the header or the index is damaged: without them nothing else can be found.

    >>> data = write(Header(1, 300, 2, 1, 1024, 256), [b"left", b"right"])
    >>> salvage(data[:-1]).tiles
    {1: TruncatedError('tile 1: 4 bytes, expected 5')}
    """
    view = view_bytes(data)
    index = read_index(view, limits)
    tiles: list[memoryview] = []
    chunks: list[Chunk] = []
    damaged_tiles: dict[int, DecodeError] = {}
    damaged_chunks: dict[bytes, DecodeError] = {}
    for tag, span in index.chunks:
        try:
            chunks.append(_read_chunk(view, tag, span))
        except DecodeError as error:
            damaged_chunks[tag] = error.with_traceback(None)
    for number in range(len(index.tiles)):
        try:
            tiles.append(read_tile(view, index, number))
        except DecodeError as error:
            tiles.append(view[:0])
            damaged_tiles[number] = error.with_traceback(None)  # there may be very many
    return Salvage(Container(index.header, tuple(tiles), tuple(chunks), index.exact), damaged_tiles, damaged_chunks)


def read_index(data: BytesLike, limits: Limits = DEFAULT_LIMITS) -> Index:
    """Read header and index; the bytes after them may be missing or damaged.

    Raises NotAezError, TruncatedError, CorruptError, UnsupportedError or LimitError.

    >>> index = read_index(write(Header(1, 3, 2, 3, 1024, 256), [b"bits"])[:37])
    >>> index.tiles[0].offset, index.tiles[0].size, index.size
    (36, 4, 40)
    """
    view = view_bytes(data)
    header = read_header(view)
    count = header.tile_count
    limits.check("pixels", header.width * header.height, f"header: {header.width}x{header.height} pixels")
    limits.check("tiles", count, f"header: {count} tiles")
    least = 1 + count * _SMALLEST_TILE_ENTRY + 4
    if view.nbytes - HEADER_SIZE < least:
        raise TruncatedError(f"index: {view.nbytes - HEADER_SIZE} bytes, expected at least {least} for {count} tiles")

    tags: list[bytes] = []
    entries: list[tuple[int, int]] = []  # length and checksum, chunks before tiles
    try:
        chunk_count = view[HEADER_SIZE]
        at = HEADER_SIZE + 1
        for number in range(chunk_count + count):
            if number < chunk_count:
                tags.append(bytes(view[at : at + 4]))
                at += 4
            length, at = _read_varint(view, at)
            entries.append((length, U32.unpack_from(view, at)[0]))
            at += 4
        check_sum("index", view[HEADER_SIZE:at], U32.unpack_from(view, at)[0])
        at += 4
    except (IndexError, struct.error):
        raise TruncatedError(f"index: goes on after the end of the file at byte {view.nbytes}") from None
    exact: frozenset[int] = frozenset()
    if header.version > 1:
        exact = frozenset(number for number, (size, _) in enumerate(entries[chunk_count:]) if size % 2)
        entries[chunk_count:] = [(size // 2, checksum) for size, checksum in entries[chunk_count:]]
        if not exact:
            raise CorruptError("index: no tile is exact, expected one in format version 2")
    _check_exact(header, exact, CorruptError)
    _check_tags(tags, header, CorruptError, UnsupportedError)
    metadata = sum(length for tag, (length, _) in zip(tags, entries, strict=False) if tag != ALPHA)
    limits.check("metadata", metadata, f"index: {metadata} bytes of metadata")

    spans = []
    for length, checksum in entries:
        spans.append(Span(at, length, checksum))
        at += length
    return Index(header, tuple(spans[chunk_count:]), tuple(zip(tags, spans, strict=False)), at, exact)


def read_tile(data: BytesLike, index: Index, number: int) -> memoryview:
    """Return the bitstream of one tile, as a view into `data`; no other tile is looked at.

    Raises TruncatedError or CorruptError, with the tile's number.

    >>> data = write(Header(1, 300, 2, 1, 1024, 256), [b"left", b"right"])
    >>> bytes(read_tile(data, read_index(data), 1))
    b'right'
    """
    return _take(view_bytes(data), index.tiles[number], f"tile {number}")


def read_chunks(data: BytesLike, index: Index, tags: Sequence[bytes] | None = None) -> tuple[Chunk, ...]:
    """Return the chunks with these tags, None for all; no tile is looked at.

    Raises TruncatedError or CorruptError, with the chunk's tag.

    >>> data = write(Header(1, 3, 2, 3, 1024, 256), [b"bits"], [Chunk(ICC, b"profile")])
    >>> read_chunks(data, read_index(data), [ICC])
    (Chunk(tag=b'iccp', data=b'profile'),)
    """
    view = view_bytes(data)
    return tuple(_read_chunk(view, tag, span) for tag, span in index.chunks if tags is None or tag in tags)


def check_size(data: BytesLike, index: Index) -> None:
    """Raise TruncatedError or CorruptError if the file does not end where the index says."""
    found = view_bytes(data).nbytes
    if found != index.size:
        error = TruncatedError if found < index.size else CorruptError
        raise error(f"file: {found} bytes, expected {index.size}")


def _read_chunk(view: memoryview, tag: bytes, span: Span) -> Chunk:
    return Chunk(tag, bytes(_take(view, span, f"chunk {_name(tag)}")))


def _take(view: memoryview, span: Span, place: str) -> memoryview:
    part = view[span.offset : span.offset + span.size]
    if part.nbytes < span.size:
        raise TruncatedError(f"{place}: {part.nbytes} bytes, expected {span.size}")
    check_sum(place, part, span.checksum)
    return part


def _check_exact(header: Header, exact: Collection[int], error: type[Exception]) -> None:
    """Raise an error unless model and quality are 0 exactly if all tiles are exact."""
    whole = len(exact) == header.tile_count
    if exact and whole != (header.model == NO_MODEL):
        raise error(f"header: model {header.model}, but {len(exact)} of {header.tile_count} tiles are exact")
    if whole and header.quality:
        raise error(f"header: quality {header.quality}, expected 0 where all tiles are exact")


def _check_tags(tags: list[bytes], header: Header, error: type[Exception], unknown: type[Exception]) -> None:
    for tag in tags:
        if not _TAG.fullmatch(tag):
            raise error(f"index: chunk tag {tag!r}, expected a letter and three letters, digits or spaces")
    for tag in tags:
        if tag[:1].isupper() and tag not in KNOWN_TAGS:
            raise unknown(f"chunk {_name(tag)}: required but unknown, needs a later aecodec")
    for tag in KNOWN_TAGS:
        if tags.count(tag) > 1:
            raise error(f"chunk {_name(tag)}: found {tags.count(tag)} times, expected once")
    needed = header.channels in (2, 4)
    in_tiles = needed and header.version > 1 and header.model == NO_MODEL
    if (ALPHA in tags) != needed and not in_tiles:
        raise error(f"chunk ALPH: {'found' if ALPHA in tags else 'missing'}, but channels is {header.channels}")


def _name(tag: bytes) -> str:
    return tag.decode("ascii").rstrip()


def _varint(value: int) -> bytes:
    """LEB128: 7 bits per byte, lowest first, the top bit set in all bytes but the last."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _read_varint(view: memoryview, at: int) -> tuple[int, int]:
    """Return the value and the offset behind it. Raises IndexError at the end of the view."""
    value = 0
    for shift in range(0, 35, 7):
        byte = view[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            if byte == 0 and shift > 0:
                raise CorruptError(f"index: length before byte {at} in {shift // 7 + 1} bytes, expected the fewest")
            if value > _MAX_LENGTH:
                break
            return value, at
    raise CorruptError(f"index: length before byte {at}, expected at most {_MAX_LENGTH}")
