"""Reading and writing of whole files: header, index, chunks and the bitstreams of the tiles.

Nothing in a file is trusted: a length is used only after the checksum over it was verified, and no allocation and no
loop is larger than the size of the file allows.
"""

import struct
import zlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from aecodec.container.chunks import ALPHA, Chunk, check_tags, label
from aecodec.container.header import (
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
from aecodec.errors import CorruptError, EncodeError, TruncatedError, UnsupportedError
from aecodec.limits import DEFAULT_LIMITS, Limits

_MAX_CHUNKS = 0xFF
_MAX_LENGTH = 0xFFFFFFFF
_SMALLEST_TILE_ENTRY = 5  # a length in one byte, a checksum in four


@dataclass(frozen=True, slots=True)
class Container:
    """A whole file. `tiles`: one bitstream per tile, row by row, as views into the bytes that were read.

    `exact`: numbers of the tiles that are stored as pixels; the others are for the header's model.
    """

    header: Header
    tiles: tuple[memoryview, ...]
    chunks: tuple[Chunk, ...]
    exact: frozenset[int] = frozenset()


class Extent(NamedTuple):
    """Where a chunk's data or a bitstream lies in the file, in bytes, and its CRC-32."""

    offset: int
    size: int
    checksum: int


@dataclass(frozen=True, slots=True)
class Index:
    """Where everything lies. `chunks`: tags and extents in the order of the file; `size`: bytes of the whole file.

    `exact`: as in `Container`.
    """

    header: Header
    tiles: tuple[Extent, ...]
    chunks: tuple[tuple[bytes, Extent], ...]
    size: int
    exact: frozenset[int] = frozenset()


def write(
    header: Header, tiles: Sequence[BytesLike], chunks: Sequence[Chunk] = (), exact: Collection[int] = ()
) -> bytes:
    """Pack a file.

    `tiles`: the bitstreams, row by row, `header.tile_count` of them. `chunks`: stored in this order; one of them is
    `ALPHA` if and only if there is an alpha channel, but if all tiles are exact, they may hold it. `exact`: numbers of
    the exact tiles; they decide on the version, whatever the header says. If all tiles are exact, the header's model
    must be `NO_MODEL` and its quality 0; otherwise the model must be another.

    Raises EncodeError if a value is out of range, tiles are missing or left over, or `read` would refuse the chunks;
    TypeError if a value is no integer or a bitstream no bytes.

    >>> data = write(Header(1, 3, 2, 3, 1024, 256), [b"bits"], [Chunk(b"iccp", b"profile")])
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
    check_tags([tag for tag, _ in chunks], header, EncodeError, EncodeError)
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
    """Unpack a file and check all of it.

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


def longest_index(tiles: int) -> int:
    """Bytes: count of chunks; tag, length and checksum of each; length and checksum of each tile; checksum."""
    return 1 + 255 * (4 + 5 + 4) + tiles * (5 + 4) + 4


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
    min_size = 1 + count * _SMALLEST_TILE_ENTRY + 4
    size = view.nbytes - HEADER_SIZE
    if size < min_size:
        raise TruncatedError(f"index: {size} bytes, expected at least {min_size} for {count} tiles")

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
    check_tags(tags, header, CorruptError, UnsupportedError)
    metadata = sum(length for tag, (length, _) in zip(tags, entries, strict=False) if tag != ALPHA)
    limits.check("metadata", metadata, f"index: {metadata} bytes of metadata")

    extents = []
    for length, checksum in entries:
        extents.append(Extent(at, length, checksum))
        at += length
    return Index(header, tuple(extents[chunk_count:]), tuple(zip(tags, extents, strict=False)), at, exact)


def read_tile(data: BytesLike, index: Index, number: int) -> memoryview:
    """Return the bitstream of one tile, as a view into `data`; no other tile is read.

    Raises TruncatedError or CorruptError, with the tile's number.

    >>> data = write(Header(1, 300, 2, 1, 1024, 256), [b"left", b"right"])
    >>> bytes(read_tile(data, read_index(data), 1))
    b'right'
    """
    return _take(view_bytes(data), index.tiles[number], f"tile {number}")


def read_chunks(data: BytesLike, index: Index, tags: Sequence[bytes] | None = None) -> tuple[Chunk, ...]:
    """Return the chunks with these tags, None for all; no tile is read.

    Raises TruncatedError or CorruptError, with the chunk's tag.

    >>> data = write(Header(1, 3, 2, 3, 1024, 256), [b"bits"], [Chunk(b"iccp", b"profile")])
    >>> read_chunks(data, read_index(data), [b"iccp"])
    (Chunk(tag=b'iccp', data=b'profile'),)
    """
    view = view_bytes(data)
    return tuple(read_chunk(view, tag, extent) for tag, extent in index.chunks if tags is None or tag in tags)


def check_size(data: BytesLike, index: Index) -> None:
    """Raise TruncatedError or CorruptError if the file does not end where the index says."""
    size = view_bytes(data).nbytes
    if size != index.size:
        error = TruncatedError if size < index.size else CorruptError
        raise error(f"file: {size} bytes, expected {index.size}")


def read_chunk(view: memoryview, tag: bytes, extent: Extent) -> Chunk:
    """Return one chunk of the index. Raises TruncatedError or CorruptError."""
    return Chunk(tag, bytes(_take(view, extent, label(tag))))


def _take(view: memoryview, extent: Extent, name: str) -> memoryview:
    part = view[extent.offset : extent.offset + extent.size]
    if part.nbytes < extent.size:
        raise TruncatedError(f"{name}: {part.nbytes} bytes, expected {extent.size}")
    check_sum(name, part, extent.checksum)
    return part


def _check_exact(header: Header, exact: Collection[int], error: type[Exception]) -> None:
    """Raise an error unless model and quality are 0 exactly if all tiles are exact."""
    whole = len(exact) == header.tile_count
    if whole != (header.model == NO_MODEL):
        raise error(f"header: model {header.model}, but {len(exact)} of {header.tile_count} tiles are exact")
    if whole and header.quality:
        raise error(f"header: quality {header.quality}, expected 0 where all tiles are exact")


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
