"""Metadata <-> the data of their chunks: a byte for the coding, then the bytes as they are or in a zstd frame."""

from collections.abc import Iterable
from typing import NamedTuple

from aecodec.container import zstd
from aecodec.container.chunks import EXIF, ICC, XMP, Chunk, label
from aecodec.errors import CorruptError, UnsupportedError
from aecodec.limits import DEFAULT_LIMITS, Limits

# First byte of a chunk.
_STORED = 0
_ZSTD = 1

_TAGS = {"icc": ICC, "exif": EXIF, "xmp": XMP}
TAGS = tuple(_TAGS.values())


class Metadata(NamedTuple):
    """What an image carries beside its pixels. None or no bytes: absent.

    `icc`: colour profile. `exif`: a TIFF structure as in PNG's eXIf chunk, without JPEG's "Exif" prefix. `xmp`: the
    packet, normally UTF-8. The bytes are kept as they are, not interpreted.
    """

    icc: bytes | None = None
    exif: bytes | None = None
    xmp: bytes | None = None


def pack_metadata(metadata: Metadata) -> list[Chunk]:
    """Return a chunk for each kind of metadata that is present, compressed where that is smaller.

    Raises TypeError for what is no bytes.

    >>> pack_metadata(Metadata(icc=b"tiny"))
    [Chunk(tag=b'iccp', data=b'\\x00tiny')]
    """
    chunks = []
    for name, tag in _TAGS.items():
        if raw := getattr(metadata, name):
            try:
                packed = zstd.compress(raw)
            except TypeError:
                raise TypeError(f"metadata: {name}: {type(raw).__name__}, expected bytes") from None
            smaller = len(packed) < len(raw)
            chunks.append(Chunk(tag, bytes([_ZSTD]) + packed if smaller else bytes([_STORED]) + bytes(raw)))
    return chunks


def unpack_metadata(chunks: Iterable[Chunk], limits: Limits = DEFAULT_LIMITS, taken: int = 0) -> Metadata:
    """Return the metadata in the chunks; chunks with other tags are ignored.

    The limit counts all metadata together, with `taken` bytes from elsewhere, before anything is decompressed.
    Raises CorruptError, UnsupportedError or LimitError.

    >>> unpack_metadata([Chunk(b"xmp ", b"\\x00<x/>")])
    Metadata(icc=None, exif=None, xmp=b'<x/>')
    """
    stored = {tag: memoryview(data).cast("B") for tag, data in chunks if tag in _TAGS.values()}
    sizes = {tag: _unpacked_size(tag, view) for tag, view in stored.items()}
    total = taken + sum(sizes.values())
    limits.check("metadata", total, f"metadata: {total} bytes")
    values = {}
    for name, tag in _TAGS.items():
        if tag in stored:
            coding, payload = stored[tag][0], stored[tag][1:]
            values[name] = bytes(payload) if coding == _STORED else zstd.decompress(payload, sizes[tag], label(tag))
    return Metadata(**values)


def _unpacked_size(tag: bytes, view: memoryview) -> int:
    if not view.nbytes:
        raise CorruptError(f"{label(tag)}: no bytes, expected a coding")
    if view[0] == _STORED:
        return view.nbytes - 1
    if view[0] != _ZSTD:
        raise UnsupportedError(f"{label(tag)}: coding {view[0]}, expected {_STORED} or {_ZSTD}")
    return zstd.content_size(view[1:], label(tag))
