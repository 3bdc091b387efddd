"""zstd frames for the tests of what chunks hold."""

import struct

import zstandard


def stored_frame(raw: bytes, claimed: int | None = None) -> bytes:
    """A zstd frame (RFC 8878) with one raw block; `claimed` is the size in its header."""
    size = len(raw) if claimed is None else claimed
    return b"\x28\xb5\x2f\xfd\xa0" + struct.pack("<I", size) + (len(raw) << 3 | 1).to_bytes(3, "little") + raw


def unsized_frame(raw: bytes) -> bytes:
    return zstandard.ZstdCompressor(write_content_size=False).compress(raw)
