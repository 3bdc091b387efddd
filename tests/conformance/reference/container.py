"""The container, FORMAT.md sections 2 to 7: bytes -> header, chunks, bitstreams."""

import re
import struct
import zlib
from typing import NamedTuple


class Refused(ValueError):
    """The file breaks a rule of the format."""


class Header(NamedTuple):
    version: int
    channels: int
    model: int
    quality: int
    width: int
    height: int
    tile: int


def require(condition: bool, what: str) -> None:
    if not condition:
        raise Refused(what)


def _checked(part: bytes, checksum: bytes, what: str) -> bytes:
    require(struct.pack("<I", zlib.crc32(part)) == checksum, f"{what}: checksum")
    return part


def _varint(file: bytes, at: int) -> tuple[int, int]:
    """-> value, offset of what follows it."""
    end = at
    while file[end : end + 1] >= b"\x80":
        end += 1
    digits = file[at : end + 1]
    require(1 <= len(digits) <= 5 and digits[-1] < 0x80 and (len(digits) == 1 or digits[-1] > 0), "varint: form")
    value = sum((byte & 0x7F) << 7 * n for n, byte in enumerate(digits))
    require(value < 1 << 32, "varint: range")
    return value, end + 1


def read_container(file: bytes) -> tuple[Header, dict[bytes, bytes], list[bytes], set[int]]:
    """Take a file apart -> header, chunks, bitstreams, numbers of the exact tiles. Raises Refused.

    >>> read_container(b"GIF89a")
    Traceback (most recent call last):
    reference.container.Refused: header: signature
    """
    require(file[:6] == b"\x89AEZ\r\n", "header: signature")
    require(len(file) >= 26, "header: size")
    header = Header(*struct.unpack("<BBHHIIH", _checked(file[:22], file[22:26], "header")[6:]))
    require(header.version in (1, 2) and 1 <= header.channels <= 4, "header: version or channels")
    require(1 <= header.width < 1 << 31 and 1 <= header.height < 1 << 31, "header: size of the picture")
    tiles = -(-header.width // header.tile) * -(-header.height // header.tile) if header.tile else 1
    require(len(file) >= 31 + 5 * tiles, "index: size")

    tags, entries, exact, at = [], [], set(), 27
    for number in range(file[26] + tiles):
        if number < file[26]:
            tags.append(file[at : at + 4])
            at += 4
        size, at = _varint(file, at)
        if header.version == 2 and number >= file[26]:
            size, kind = divmod(size, 2)
            if kind:
                exact.add(number - file[26])
        entries.append((size, file[at : at + 4]))
        at += 4
    _checked(file[26:at], file[at : at + 4], "index")
    at += 4
    whole = len(exact) == tiles
    require(bool(exact) == (header.version == 2), "index: version and kinds")
    require(whole == (header.model == 0), "index: model and kinds")
    require(not whole or header.quality == 0, "header: quality of exact tiles")
    known = {b"ALPH", b"iccp", b"exif", b"xmp "}
    for tag in tags:
        require(re.fullmatch(rb"[A-Za-z][A-Za-z0-9 ]{3}", tag) is not None, "chunk: tag")
        require(tag in known or tag[:1].islower(), "chunk: unknown and required")
        require(tag not in known or tags.count(tag) == 1, "chunk: found twice")
    transparent = header.channels in (2, 4)
    require((b"ALPH" in tags) == transparent or (transparent and whole), "chunk: alpha and channels")

    parts = []
    for size, checksum in entries:
        require(at + size <= len(file), "data: size")
        parts.append(_checked(file[at : at + size], checksum, "data"))
        at += size
    require(at == len(file), "file: size")
    return header, dict(zip(tags, parts, strict=False)), parts[len(tags) :], exact
