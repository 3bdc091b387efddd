"""The header: the first 26 bytes of a file, which describe the image. FORMAT.md specifies them."""

import operator
import struct
import zlib
from dataclasses import dataclass

from aecodec.errors import CorruptError, EncodeError, NotAezError, TruncatedError, UnsupportedError

SIGNATURE = b"\x89AEZ\r\n"
VERSION = 2  # the last one that is known; 1 has no exact tiles
NO_MODEL = 0  # id in files whose tiles are all exact
HEADER_SIZE = 26  # with its checksum
U32 = struct.Struct("<I")  # a checksum

_HEADER = struct.Struct("<6sBBHHIIH")  # without its checksum
_RANGES = {  # in the order of the file
    "channels": (1, 4),
    "model": (0, 0xFFFF),
    "quality": (0, 0xFFFF),
    "width": (1, 0x7FFFFFFF),
    "height": (1, 0x7FFFFFFF),
    "tile": (0, 0xFFFF),
}

BytesLike = bytes | bytearray | memoryview  # and any other object with the buffer protocol


@dataclass(frozen=True, slots=True)
class Header:
    """What a file says of its image.

    `model`: 0..65535. `width`, `height`: pixels, 1..2**31-1. `channels`: 1 grey, 2 grey and alpha, 3 RGB, 4 RGB and
    alpha. `quality`: 0..65535, in the model's own units. `tile`: edge of a tile in pixels, 0..65535, where 0 means one
    tile, the whole image. `version`: of the format, 1 or, if some tile is exact, 2. The values are checked when they
    are written or read, not here.

    >>> Header(model=1, width=768, height=512, channels=3, quality=1024, tile=256).tile_grid
    (2, 3)
    """

    model: int
    width: int
    height: int
    channels: int
    quality: int
    tile: int
    version: int = 1

    @property
    def has_alpha(self) -> bool:
        return self.channels in (2, 4)

    @property
    def is_grey(self) -> bool:
        return self.channels < 3

    @property
    def tile_grid(self) -> tuple[int, int]:
        """Rows and columns of tiles."""
        if self.tile == 0:
            return 1, 1
        return -(-self.height // self.tile), -(-self.width // self.tile)

    def tile_area(self, number: int) -> tuple[int, int, int, int]:
        """x, y, width and height of a tile in pixels.

        >>> Header(model=1, width=768, height=500, channels=3, quality=1024, tile=256).tile_area(4)
        (256, 256, 256, 244)
        """
        edge = self.tile or max(self.width, self.height)
        row, column = divmod(number, self.tile_grid[1])
        x, y = column * edge, row * edge
        return x, y, min(edge, self.width - x), min(edge, self.height - y)

    @property
    def tile_count(self) -> int:
        """Number of tiles, which follows from the size of the image."""
        rows, columns = self.tile_grid
        return rows * columns


def pack_header(header: Header) -> bytes:
    """Return the header with its checksum, `HEADER_SIZE` bytes.

    Raises EncodeError if a value is out of range, TypeError if it is no integer.

    >>> pack_header(Header(1, 3, 2, 3, 1024, 256))[6:12].hex(" ")
    '01 03 01 00 00 04'
    """
    _check_header(header, EncodeError)
    head = _HEADER.pack(SIGNATURE, header.version, *(getattr(header, name) for name in _RANGES))
    return head + U32.pack(zlib.crc32(head))


def read_header(data: BytesLike) -> Header:
    """Read the header alone; the first `HEADER_SIZE` bytes of a file are enough.

    Raises NotAezError, TruncatedError, CorruptError or UnsupportedError. Limits do not apply.

    >>> read_header(pack_header(Header(1, 3, 2, 3, 1024, 256)))
    Header(model=1, width=3, height=2, channels=3, quality=1024, tile=256, version=1)
    """
    head = bytes(view_bytes(data)[:HEADER_SIZE])
    start = head[: len(SIGNATURE)]
    if not SIGNATURE.startswith(start):
        raise NotAezError(f"file: starts with {start.hex(' ')}, expected the signature {SIGNATURE.hex(' ')}")
    if len(head) < HEADER_SIZE:
        raise TruncatedError(f"header: {len(head)} bytes, expected {HEADER_SIZE}")
    check_sum("header", head[: _HEADER.size], U32.unpack_from(head, _HEADER.size)[0])
    _, version, *fields = _HEADER.unpack_from(head)
    if not 1 <= version <= VERSION:
        error = UnsupportedError if version > VERSION else CorruptError
        raise error(f"header: format version {version}, expected 1 to {VERSION}")
    header = Header(**dict(zip(_RANGES, fields, strict=True)), version=version)
    _check_header(header, CorruptError)
    return header


def _check_header(header: Header, error: type[Exception]) -> None:
    for name, (low, high) in _RANGES.items():
        value = operator.index(getattr(header, name))
        if not low <= value <= high:
            raise error(f"header: {name} {value}, expected {low} to {high}")


def check_sum(label: str, part: BytesLike, expected: int) -> None:
    """Raise CorruptError, which begins with `label`, unless the CRC-32 of `part` is the expected one."""
    checksum = zlib.crc32(part)
    if checksum != expected:
        raise CorruptError(f"{label}: checksum {checksum:#010x}, expected {expected:#010x}")


def view_bytes(data: BytesLike) -> memoryview:
    """View any bytes-like object as read-only bytes. Raises TypeError for anything else."""
    return memoryview(data).toreadonly().cast("B")
