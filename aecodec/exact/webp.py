"""Exact tiles: pixels <-> the bitstream of lossless WebP (RFC 9649), without the RIFF container around it.

Screens, text and drawings take fewer bytes this way than through any transform, and come back bit for bit. A bitstream
begins with 5 bytes that state its size, so that nothing larger than the tile is ever allocated for it:

    0x2f | width - 1 (14 bits) | height - 1 (14 bits) | alpha (1 bit) | version (3 bits, 0) | image data
"""

import io
import struct
from contextlib import nullcontext

import numpy as np

from aecodec.container import BytesLike
from aecodec.errors import CorruptError, UnsupportedError

EDGE_MAX = 16383  # pixels along the edge of a WebP image
_SIGNATURE = 0x2F
_HEAD = struct.Struct("<BI")
_RIFF = struct.Struct("<4sI4s4sI")
# Last effort, and libwebp's method and quality up to it; 6 with 100 takes ten times as long as 4 with 90.
_SETTINGS = ((0, 2, 50), (3, 4, 90), (6, 4, 100), (9, 6, 100))


def encode(pixels: np.ndarray, effort: int) -> bytes:
    """Compress pixels to a bitstream.

    pixels: uint8 (h, w, 3) or, with alpha, (h, w, 4), at most `EDGE_MAX` along an edge; effort: 0 to 9.
    """
    from PIL import Image

    method, quality = next((method, quality) for last, method, quality in _SETTINGS if effort <= last)
    file, options = io.BytesIO(), {"lossless": True, "exact": True, "method": method, "quality": quality}
    Image.fromarray(np.ascontiguousarray(pixels)).save(file, "WEBP", **options)
    data = file.getbuffer()
    size = _RIFF.unpack_from(data)[-1]
    return bytes(data[_RIFF.size : _RIFF.size + size])


def decode(data: BytesLike, height: int, width: int, alpha: bool = False) -> np.ndarray:
    """Decompress a bitstream to uint8 (height, width, 3) or, with alpha, (height, width, 4).

    Raises CorruptError if it is no lossless WebP of this size, or has alpha where there is to be none;
    UnsupportedError if Pillow lacks WebP.
    """
    head = bytes(data[: _HEAD.size])
    if len(head) < _HEAD.size:
        raise CorruptError(f"exact: {len(head)} bytes, expected at least {_HEAD.size}")
    signature, fields = _HEAD.unpack(head)
    if signature != _SIGNATURE or fields >> 29 or (fields >> 28 and not alpha):
        raise CorruptError(
            f"exact: starts with {head.hex(' ')}, expected lossless WebP{'' if alpha else ' without alpha'}"
        )
    columns, rows = (fields & 0x3FFF) + 1, (fields >> 14 & 0x3FFF) + 1
    if (columns, rows) != (width, height):
        raise CorruptError(f"exact: {columns}x{rows} pixels, expected {width}x{height}")
    if max(columns, rows) > EDGE_MAX:
        raise CorruptError(f"exact: {columns}x{rows} pixels, expected at most {EDGE_MAX} along an edge")
    padding = bytes(len(data) % 2)
    size = _RIFF.size - 8 + len(data) + len(padding)
    file = b"".join([_RIFF.pack(b"RIFF", size, b"WEBP", b"VP8L", len(data)), data, padding])

    from PIL import Image, features

    from aecodec.system.pillow_limits import OWN_LIMITS

    if not features.check("webp"):
        raise UnsupportedError("exact: this installation of Pillow has no WebP, expected one that has")
    try:
        lower = Image.MAX_IMAGE_PIXELS is not None and columns * rows > Image.MAX_IMAGE_PIXELS
        with OWN_LIMITS if lower else nullcontext(), Image.open(io.BytesIO(file), formats=["WEBP"]) as image:
            return np.asarray(image.convert("RGBA" if alpha else "RGB"))
    except MemoryError:
        raise
    except Exception as error:  # damaged data make Pillow raise what it likes
        raise CorruptError(f"exact: {' '.join(str(error).split()) or type(error).__name__}") from None
