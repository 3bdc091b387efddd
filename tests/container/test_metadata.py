"""Metadata against chunks written by hand, and the limits on them."""

import pytest
from frames import stored_frame, unsized_frame
from mutation import zstd_block, zstd_frame

from aecodec.container import Chunk
from aecodec.container.metadata import Metadata, pack_metadata, unpack_metadata
from aecodec.errors import CorruptError, LimitError, UnsupportedError
from aecodec.limits import Limits

PROFILE = bytes(range(256))  # zstd cannot make it smaller
XMP = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'>" + b" " * 500 + b"</x:xmpmeta>"


def test_metadata_comes_back_and_is_coded_where_that_is_smaller():
    metadata = Metadata(icc=PROFILE, exif=b"II*\0", xmp=XMP)
    chunks = pack_metadata(metadata)
    assert [chunk.tag for chunk in chunks] == [b"iccp", b"exif", b"xmp "]
    assert chunks[0].data == b"\0" + PROFILE
    assert chunks[1].data == b"\0II*\0"
    assert chunks[2].data[:5] == b"\1\x28\xb5\x2f\xfd"
    assert len(chunks[2].data) < 100
    assert unpack_metadata(chunks) == metadata
    assert unpack_metadata(reversed(chunks)) == metadata


def test_metadata_written_by_hand():
    chunks = [
        Chunk(b"demo", b"\xff whatever"),
        Chunk(b"xmp ", b"\0<x/>"),
        Chunk(b"ALPH", b"\0\xff"),
        Chunk(b"iccp", b"\1" + stored_frame(b"profile")),
    ]
    assert unpack_metadata(chunks) == Metadata(icc=b"profile", exif=None, xmp=b"<x/>")


def test_absent_metadata_takes_no_chunk():
    assert pack_metadata(Metadata()) == []
    assert pack_metadata(Metadata(icc=b"", exif=b"x")) == [Chunk(b"exif", b"\0x")]
    assert unpack_metadata([]) == Metadata()


BAD_METADATA = {
    "nothing": (b"", "chunk exif: no bytes"),
    "not zstd": (b"\1abcdefghijkl", "chunk exif: no zstd frame"),
    "no size": (b"\1" + unsized_frame(XMP), "chunk exif: a zstd frame without its size"),
    "a wrong size": (b"\1" + stored_frame(XMP, 4), "chunk exif: damaged zstd frame"),
    "bytes after the frame": (b"\1" + stored_frame(XMP) + b"\0", "chunk exif: damaged zstd frame"),
}


@pytest.mark.parametrize("name", BAD_METADATA)
def test_damaged_metadata(name):
    data, message = BAD_METADATA[name]
    with pytest.raises(CorruptError, match=message):
        unpack_metadata([Chunk(b"exif", data)])


def test_a_coding_of_a_later_version_is_unsupported():
    with pytest.raises(UnsupportedError, match="chunk exif: coding 2, expected 0 or 1"):
        unpack_metadata([Chunk(b"exif", b"\2abc")])


def test_the_limit_counts_all_metadata_unpacked():
    packed = pack_metadata(Metadata(icc=PROFILE, xmp=XMP))
    total = len(PROFILE) + len(XMP)
    assert unpack_metadata(packed, Limits(max_metadata=total)).xmp == XMP
    with pytest.raises(LimitError, match=f"metadata: {total} bytes, limit {total - 1} "):
        unpack_metadata(packed, Limits(max_metadata=total - 1))


def test_a_claimed_size_over_the_limit_is_refused_before_it_is_unpacked():
    claimed = stored_frame(bytes(3000), 80 << 20)
    with pytest.raises(LimitError, match=f"metadata: {80 << 20} bytes"):
        unpack_metadata([Chunk(b"xmp ", b"\1" + claimed)])


@pytest.mark.parametrize("claimed", [1 << 20, 3 << 30, 1 << 63, (1 << 64) - 3])
def test_a_claim_that_the_frame_cannot_hold_is_refused_whatever_the_limit(claimed):
    """It was an OverflowError once, for 2^63 bytes under a limit that let them pass."""
    frame = zstd_frame(claimed, zstd_block(0, 1, b"x", last=True))
    with pytest.raises(CorruptError, match=f"^chunk xmp: a zstd frame of {len(frame)} bytes that claims {claimed}$"):
        unpack_metadata([Chunk(b"xmp ", b"\1" + frame)], Limits(max_metadata=1 << 70))


@pytest.mark.parametrize("rest", [b"", b"garbage"])
def test_a_frame_of_nothing_is_refused(rest):
    """Its decompressor would not look at it."""
    frame = zstd_frame(0, zstd_block(0, 0, b"", last=True)) + rest
    with pytest.raises(CorruptError, match=r"^chunk xmp: an empty zstd frame$"):
        unpack_metadata([Chunk(b"xmp ", b"\1" + frame)])


def test_what_compresses_best_is_no_claim_too_large():
    """Zeros, in the fewest bytes that zstd has for them."""
    raw = bytes(48 << 20)
    [chunk] = pack_metadata(Metadata(xmp=raw))
    assert len(raw) / len(chunk.data) > 10_000
    assert unpack_metadata([chunk]).xmp == raw
    densest = zstd_frame(200 << 17, *[zstd_block(1, 1 << 17, b"\0")] * 199, zstd_block(1, 1 << 17, b"\0", last=True))
    assert unpack_metadata([Chunk(b"xmp ", b"\1" + densest)]).xmp == bytes(200 << 17)
