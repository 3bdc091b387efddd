"""Reading of damaged files: the tiles and chunks that are sound, and what is wrong with the others."""

from typing import NamedTuple

from aecodec.container.chunks import Chunk
from aecodec.container.container import Container, read_chunk, read_index, read_tile
from aecodec.container.header import BytesLike, view_bytes
from aecodec.errors import DecodeError
from aecodec.limits import DEFAULT_LIMITS, Limits


class DamagedFile(NamedTuple):
    """A file that may be damaged.

    In `container` a damaged tile is an empty view and a damaged chunk is missing. `tiles` maps the number of each
    damaged tile, `chunks` the tag of each damaged chunk, to its error.
    """

    container: Container
    tiles: dict[int, DecodeError]
    chunks: dict[bytes, DecodeError]


def read_damaged(data: BytesLike, limits: Limits = DEFAULT_LIMITS) -> DamagedFile:
    """Read a file whose tiles or chunks are damaged, cut off, or followed by other bytes.

    Raises what `read` raises if the header or the index is damaged: without them nothing else can be located.

    >>> from aecodec.container import Header, write
    >>> data = write(Header(1, 300, 2, 1, 1024, 256), [b"left", b"right"])
    >>> read_damaged(data[:-1]).tiles
    {1: TruncatedError('tile 1: 4 bytes, expected 5')}
    """
    view = view_bytes(data)
    index = read_index(view, limits)
    tiles: list[memoryview] = []
    chunks: list[Chunk] = []
    damaged_tiles: dict[int, DecodeError] = {}
    damaged_chunks: dict[bytes, DecodeError] = {}
    for tag, extent in index.chunks:
        try:
            chunks.append(read_chunk(view, tag, extent))
        except DecodeError as error:
            damaged_chunks[tag] = error.with_traceback(None)
    for number in range(len(index.tiles)):
        try:
            tiles.append(read_tile(view, index, number))
        except DecodeError as error:
            tiles.append(view[:0])
            damaged_tiles[number] = error.with_traceback(None)  # there may be very many
    return DamagedFile(Container(index.header, tuple(tiles), tuple(chunks), index.exact), damaged_tiles, damaged_chunks)
