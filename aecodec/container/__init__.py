"""The .aez container: bytes <-> header, chunks and the bitstreams of the tiles. FORMAT.md specifies it to the bit.

    +--------+-------+------------+-----------+
    | header | index | chunk data | tile data |     every byte is covered by a CRC-32, no byte is left over
    +--------+-------+------------+-----------+

    header, chunks, container    the layout of a file
    salvage                      the sound parts of a damaged file
    alpha, metadata, zstd        what the chunks hold, and how it is compressed

What is imported here needs the standard library alone.
"""

from aecodec.container.chunks import ALPHA, EXIF, ICC, KNOWN_TAGS, XMP, Chunk
from aecodec.container.container import (
    Container,
    Index,
    check_size,
    longest_index,
    read,
    read_chunk,
    read_chunks,
    read_index,
    read_tile,
    write,
)
from aecodec.container.header import (
    HEADER_SIZE,
    NO_MODEL,
    SIGNATURE,
    VERSION,
    BytesLike,
    Header,
    pack_header,
    read_header,
)
from aecodec.container.salvage import DamagedFile, read_damaged

__all__ = [
    "ALPHA",
    "EXIF",
    "HEADER_SIZE",
    "ICC",
    "KNOWN_TAGS",
    "NO_MODEL",
    "SIGNATURE",
    "VERSION",
    "XMP",
    "BytesLike",
    "Chunk",
    "Container",
    "DamagedFile",
    "Header",
    "Index",
    "check_size",
    "longest_index",
    "pack_header",
    "read",
    "read_chunk",
    "read_chunks",
    "read_damaged",
    "read_header",
    "read_index",
    "read_tile",
    "write",
]
