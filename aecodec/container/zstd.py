"""zstd frames that state the size of their content (RFC 8878): no size is allocated before it is known to be sane."""

import zstandard

from aecodec.container.header import BytesLike
from aecodec.errors import CorruptError

MAX_LEVEL = 19  # slow, 1 to 5 MB/s: for small data

_FRAME = b"\x28\xb5\x2f\xfd"  # the first bytes of a frame
_MAX_RATIO = (128 << 10) // 4  # bytes of content for each byte of a frame at most: a block of 128 KiB takes 4 bytes


def compress(raw: BytesLike, level: int = MAX_LEVEL) -> bytes:
    """Return a frame that states its size. It has no checksum of its own: the container's CRC-32 covers it."""
    return zstandard.ZstdCompressor(level=level, write_checksum=False, write_content_size=True).compress(raw)


def content_size(frame: memoryview, label: str) -> int:
    """Return the size that a frame states, in bytes. Raises CorruptError, which begins with `label`."""
    if frame[:4] != _FRAME:  # zstandard also takes a skippable frame, and its length for the size of its content
        raise CorruptError(f"{label}: no zstd frame")
    try:
        size = zstandard.get_frame_parameters(frame).content_size
    except zstandard.ZstdError:
        raise CorruptError(f"{label}: no zstd frame") from None
    if size == zstandard.CONTENTSIZE_UNKNOWN:
        raise CorruptError(f"{label}: a zstd frame without its size")
    if not size:  # zstandard looks no further than that
        raise CorruptError(f"{label}: an empty zstd frame")
    if size > len(frame) * _MAX_RATIO:
        raise CorruptError(f"{label}: a zstd frame of {len(frame)} bytes that claims {size}")
    return size


def decompress(frame: memoryview, size: int, label: str, unit: str = "bytes") -> bytes:
    """Decompress exactly one frame of `size` bytes; nothing is allocated before it states that size.

    `unit`: what the bytes are, for the message. Raises CorruptError, which begins with `label`.

    >>> decompress(memoryview(compress(bytes(300))), 300, "tile 0") == bytes(300)
    True
    """
    if (stated := content_size(frame, label)) != size:
        raise CorruptError(f"{label}: {stated} {unit}, expected {size}")
    try:
        raw = zstandard.ZstdDecompressor().decompress(frame, max_output_size=size, allow_extra_data=False)
    except zstandard.ZstdError:
        raise CorruptError(f"{label}: damaged zstd frame") from None
    if len(raw) != size:
        raise CorruptError(f"{label}: {len(raw)} bytes, expected {size}")
    return raw
