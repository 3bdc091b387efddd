"""The container on real bytes: files built by hand beside it, damaged in every way, and round trips."""

import dataclasses
import mmap
import re
import time
import tracemalloc
from binascii import crc32

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aecodec import container
from aecodec.container import (
    ALPHA,
    EXIF,
    ICC,
    XMP,
    Chunk,
    Header,
    read,
    read_damaged,
    read_header,
    read_index,
    read_tile,
    write,
)
from aecodec.errors import (
    CorruptError,
    DecodeError,
    EncodeError,
    LimitError,
    NotAezError,
    TruncatedError,
    UnsupportedError,
)
from aecodec.limits import Limits

# fmt: off
HEAD = bytes([
    0x89, 0x41, 0x45, 0x5A, 0x0D, 0x0A,     # signature
    0x01,                                   # version
    0x04,                                   # channels
    0x02, 0x01,                             # model 0x0102
    0x00, 0x04,                             # quality 1024
    0x2C, 0x01, 0x00, 0x00,                 # width 300
    0x02, 0x00, 0x00, 0x00,                 # height 2
    0x00, 0x01,                             # tile 256: two of them
])
ENTRIES = b"".join([
    b"\x02",                                                # two chunks
    b"ALPH", b"\x03", crc32(b"abc").to_bytes(4, "little"),
    b"note", b"\x00", b"\x00\x00\x00\x00",                  # unknown, optional, empty
    b"\xac\x02", crc32(b"L" * 300).to_bytes(4, "little"),   # tile 0: 300 bytes
    b"\x01", crc32(b"R").to_bytes(4, "little"),             # tile 1: 1 byte
])
# fmt: on
BODY = b"abc" + b"L" * 300 + b"R"
HEADER = Header(model=0x0102, width=300, height=2, channels=4, quality=1024, tile=256)
GREY = Header(model=1, width=8, height=8, channels=1, quality=0, tile=0)


def seal(part: bytes) -> bytes:
    return part + crc32(part).to_bytes(4, "little")


def head(version=1, channels=1, model=1, quality=0, width=8, height=8, tile=0) -> bytes:
    """A header built beside the container module, sealed with a right checksum."""
    fields = [(version, 1), (channels, 1), (model, 2), (quality, 2), (width, 4), (height, 4), (tile, 2)]
    return seal(b"\x89AEZ\r\n" + b"".join(value.to_bytes(size, "little") for value, size in fields))


def entry(data: bytes, length: bytes | None = None) -> bytes:
    return (bytes([len(data)]) if length is None else length) + crc32(data).to_bytes(4, "little")


def one_tile(*tags: bytes, channels: int = 1) -> bytes:
    """A file with one empty tile and an empty chunk for each tag."""
    return head(channels=channels) + seal(bytes([len(tags)]) + b"".join(tag + bytes(5) for tag in tags) + bytes(5))


FILE = seal(HEAD) + seal(ENTRIES) + BODY
SMALL = write(
    Header(model=7, width=5, height=3, channels=4, quality=300, tile=4),
    [b"first", b""],
    [Chunk(ALPHA, b"al"), Chunk(b"note", b"?"), Chunk(ICC, b"icc")],
)


def test_write_makes_the_bytes_of_the_specification():
    chunks = [Chunk(ALPHA, b"abc"), Chunk(b"note", b"")]
    assert write(HEADER, [b"L" * 300, b"R"], chunks) == FILE


def test_read_finds_what_the_bytes_say():
    found = read(FILE)
    assert found.header == HEADER
    assert [bytes(tile) for tile in found.tiles] == [b"L" * 300, b"R"]
    assert found.chunks == ((b"ALPH", b"abc"), (b"note", b""))


def test_header_is_read_from_its_own_bytes():
    assert read_header(seal(HEAD)) == HEADER


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("channels", 3),
        ("model", 0xFEDC),
        ("quality", 0xFEDC),
        ("width", 0x7EDCBA98),
        ("height", 0x7EDCBA98),
        ("tile", 0xFEDC),
    ],
)
def test_header_fields_keep_their_place(field, value):
    header = read_header(head(**{field: value}))
    assert header == dataclasses.replace(GREY, **{field: value})


@pytest.mark.parametrize(
    ("width", "height", "tile", "grid"),
    [
        (1, 1, 256, (1, 1)),
        (256, 256, 256, (1, 1)),
        (257, 256, 256, (1, 2)),
        (768, 512, 256, (2, 3)),
        (29, 100, 16, (7, 2)),
        (5000, 3, 0, (1, 1)),
        (2**31 - 1, 2**31 - 1, 1, (2**31 - 1, 2**31 - 1)),
    ],
)
def test_tile_grid(width, height, tile, grid):
    header = Header(1, width, height, 3, 0, tile)
    assert header.tile_grid == grid
    assert header.tile_count == grid[0] * grid[1]


def test_any_bytes_like_object_is_read(tmp_path):
    path = tmp_path / "a.aez"
    path.write_bytes(FILE)
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        assert read_header(mapped) == HEADER
        found = read(mapped)
        assert bytes(found.tiles[1]) == b"R"
        del found
    for data in (bytearray(FILE), memoryview(FILE), np.frombuffer(FILE, np.uint8), memoryview(b"x" + FILE)[1:]):
        assert read(data).chunks[0].data == b"abc"


def test_words_are_written_as_their_bytes():
    words = np.array([1, 2], "<u4")
    assert bytes(read(write(GREY, [words])).tiles[0]) == b"\1\0\0\0\2\0\0\0"


@pytest.mark.parametrize("call", [read, read_header, read_index, read_damaged])
def test_text_is_a_type_error(call):
    with pytest.raises(TypeError):
        call("\x89AEZ\r\n")


# Damage


@pytest.mark.parametrize("size", range(len(SMALL)))
def test_every_truncation_is_refused(size):
    with pytest.raises(TruncatedError):
        read(SMALL[:size])


@pytest.mark.parametrize("size", range(26))
def test_every_truncation_of_the_header_is_refused(size):
    with pytest.raises(TruncatedError, match=rf"^header: {size} bytes, expected 26$"):
        read_header(SMALL[:size])


@pytest.mark.parametrize("data", [FILE, SMALL], ids=["file", "small"])
def test_every_flipped_bit_is_refused(data):
    assert read(data)
    for bit in range(8 * len(data)):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(NotAezError if bit < 48 else (CorruptError, TruncatedError)):
            read(damaged)


@settings(max_examples=300)
@given(st.binary(max_size=80), st.integers(0, len(SMALL)), st.integers(0, len(SMALL)))
def test_replaced_bytes_are_refused_or_harmless(new, start, stop):
    data = SMALL[:start] + new + SMALL[max(start, stop) :]
    if data == SMALL:
        return
    with pytest.raises(DecodeError):
        read(data)


@given(
    st.binary(max_size=60),
    st.binary(max_size=9),
    st.integers(1, 4),
    st.integers(1, 9),
    st.integers(1, 9),
    st.integers(0, 5),
)
def test_any_index_ends_in_a_container_or_a_decode_error(index, rest, channels, width, height, tile):
    """Header and checksums are right, all else is anything: what is accepted is just what write would make of it."""
    data = head(channels=channels, width=width, height=height, tile=tile) + seal(index) + rest
    try:
        found = read(data)
    except DecodeError:
        return
    assert write(found.header, found.tiles, found.chunks) == data


@pytest.mark.parametrize("magic", [b"\x89PNG\r\n\x1a\n", b"GIF89a", b"\x89AEZ\n", b"\x09AEZ\r\n", b"\x00"])
def test_wrong_magic(magic):
    with pytest.raises(NotAezError, match=r"^file: starts with .*, expected the signature 89 41 45 5a 0d 0a$"):
        read(magic + SMALL[len(magic) :])
    with pytest.raises(NotAezError):
        read(magic)


def test_empty_file():
    with pytest.raises(TruncatedError, match=r"^header: 0 bytes, expected 26$"):
        read(b"")


@pytest.mark.parametrize("call", [read, read_header, read_index, read_damaged])
def test_future_version(call):
    with pytest.raises(UnsupportedError, match=r"^header: format version 3, expected 1 to 2$"):
        call(head(version=3) + b"whatever a later version holds")


def test_version_zero_never_was():
    with pytest.raises(CorruptError, match=r"^header: format version 0, expected 1 to 2$"):
        read_header(head(version=0))


def test_damaged_version_is_no_future_version():
    with pytest.raises(CorruptError, match=r"^header: checksum"):
        read_header(SMALL[:6] + b"\x02" + SMALL[7:])


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"channels": 0}, "channels 0, expected 1 to 4"),
        ({"channels": 5}, "channels 5, expected 1 to 4"),
        ({"width": 0}, "width 0, expected 1 to 2147483647"),
        ({"height": 0}, "height 0, expected 1 to 2147483647"),
        ({"height": 1 << 31}, "height 2147483648, expected 1 to 2147483647"),
    ],
)
def test_header_value_out_of_range(fields, message):
    with pytest.raises(CorruptError, match=f"^header: {message}$"):
        read_header(head(**fields))


def test_damage_names_its_place():
    data = bytearray(FILE)
    data[-1] ^= 0x20
    with pytest.raises(CorruptError) as caught:
        read(data)
    assert str(caught.value) == f"tile 1: checksum {crc32(b'r'):#010x}, expected {crc32(b'R'):#010x}"
    with pytest.raises(CorruptError, match=r"^chunk ALPH: checksum 0x[0-9a-f]{8}, expected 0x352441c2$"):
        read(FILE.replace(b"abc", b"abd"))
    with pytest.raises(CorruptError, match=r"^index: checksum "):
        read(FILE.replace(b"note", b"nota"))
    with pytest.raises(CorruptError, match=r"^header: checksum "):
        read(FILE[:10] + b"\xff" + FILE[11:])


@pytest.mark.parametrize("extra", [b"\0", b"R", FILE])
def test_trailing_bytes(extra):
    with pytest.raises(CorruptError, match=f"^file: {len(FILE) + len(extra)} bytes, expected {len(FILE)}$"):
        read(FILE + extra)


# Lengths that lie


@pytest.mark.parametrize("length", [b"\x80\x00", b"\x81\x00", b"\x80\x80\x00", b"\x80\x80\x80\x80\x00"])
def test_varint_not_in_its_shortest_form(length):
    data = head() + seal(b"\0" + entry(b"", length)) + b"\0"
    with pytest.raises(CorruptError, match=r"^index: length before byte \d+ in \d bytes, expected the fewest$"):
        read(data)


@pytest.mark.parametrize("length", [b"\x80\x80\x80\x80\x10", b"\xff\xff\xff\xff\x7f", b"\xff" * 5, b"\x80" * 5 + b"\1"])
def test_varint_too_large(length):
    with pytest.raises(CorruptError, match=r"^index: length before byte \d+, expected at most 4294967295$"):
        read(head() + seal(b"\0" + entry(b"", length)))


@pytest.mark.parametrize(
    ("size", "length"),
    [(0, b"\0"), (1, b"\1"), (127, b"\x7f"), (128, b"\x80\1"), (16383, b"\xff\x7f"), (16384, b"\x80\x80\1")],
)
def test_varint_boundaries(size, length):
    tile = b"x" * size
    data = head() + seal(b"\0" + entry(tile, length)) + tile
    assert write(GREY, [tile]) == data
    assert bytes(read(data).tiles[0]) == tile


def test_largest_length_costs_nothing():
    huge = b"\xff\xff\xff\xff\x0f"
    data = head() + seal(b"\0" + entry(b"", huge)) + b"few"
    assert read_index(data).tiles[0].size == 2**32 - 1
    with pytest.raises(TruncatedError, match=rf"^file: {len(data)} bytes, expected {2**32 - 1 + len(data) - 3}$"):
        read(data)


def hostile(width: int, height: int, tile: int, tail: bytes, limits: Limits) -> type[Exception]:
    """Read a small hostile file; assert that it costs almost nothing; return the error's type."""
    data = head(width=width, height=height, tile=tile) + tail
    tracemalloc.start()
    begin = time.process_time()
    try:
        with pytest.raises(DecodeError) as caught:
            read(data, limits)
        seconds, peak = time.process_time() - begin, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert seconds < 0.5
    assert peak < 1 << 20
    return caught.type


def test_tile_count_that_lies():
    edge = 2**31 - 1
    anything = Limits(max_pixels=2**62, max_tiles=2**62)
    assert hostile(edge, edge, 1, b"\0" * 1000, anything) is TruncatedError
    assert hostile(edge, edge, 256, b"\0" * 1000, Limits()) is LimitError
    assert hostile(1 << 20, 100, 1, b"\0" * 1000, Limits()) is LimitError  # tiles
    assert hostile(6000, 1, 1, b"\0" * 1000, Limits()) is TruncatedError  # within the limits, not within the file
    assert hostile(1, 1, 1, b"\xff" + b"\0" * 60, Limits()) in (TruncatedError, CorruptError)  # chunks


def test_index_that_cannot_fit_is_not_looped_over():
    with pytest.raises(TruncatedError, match=r"^index: 1000 bytes, expected at least 30005 for 6000 tiles$"):
        read(head(width=6000, height=1, tile=1) + bytes(1000))


def test_chunk_count_that_lies():
    for count in (1, 2, 255):
        with pytest.raises((TruncatedError, CorruptError)):
            read(head() + seal(bytes([count]) + entry(b"")))


def test_limits():
    data = write(
        Header(1, 10, 10, 4, 0, 5), [b""] * 4, [Chunk(ALPHA, b"a" * 99), Chunk(EXIF, b"ex"), Chunk(b"note", b"n")]
    )
    enough = Limits(max_pixels=100, max_tiles=4, max_metadata=3)
    assert read(data, enough).header.tile_count == 4
    for field, message in [
        ("max_pixels", "header: 10x10 pixels, limit 99 (max_pixels)"),
        ("max_tiles", "header: 4 tiles, limit 3 (max_tiles)"),
        ("max_metadata", "index: 3 bytes of metadata, limit 2 (max_metadata)"),
    ]:
        with pytest.raises(LimitError, match=f"^{re.escape(message)}$"):
            read(data, dataclasses.replace(enough, **{field: getattr(enough, field) - 1}))


def test_largest_index_within_the_limits_stays_cheap():
    count = Limits().max_tiles
    data = head(width=count, height=1, tile=1) + seal(b"\0" + bytes(5 * count))
    begin = time.process_time()
    assert len(read(data).tiles) == count
    assert time.process_time() - begin < 5


# Chunks


def test_unknown_optional_chunks_are_kept_and_may_repeat():
    data = one_tile(b"note", b"note", b"a1 Z")
    assert [tag for tag, _ in read(data).chunks] == [b"note", b"note", b"a1 Z"]


def test_unknown_required_chunk_is_refused():
    with pytest.raises(UnsupportedError, match=r"^chunk NOTE: required but unknown, needs a later aecodec$"):
        read(one_tile(b"note", b"NOTE"))
    with pytest.raises(UnsupportedError):  # before what it may replace is missed
        read(one_tile(b"ALP2", channels=4))


@pytest.mark.parametrize("tag", [ICC, EXIF, XMP])
def test_known_chunk_twice_is_refused(tag):
    assert read(one_tile(tag, b"note")).chunks[0].tag == tag
    with pytest.raises(CorruptError, match=rf"^chunk {tag.decode().strip()}: found 2 times, expected once$"):
        read(one_tile(tag, b"note", tag))


def test_alpha_exactly_where_there_is_an_alpha_channel():
    for channels in (1, 3):
        assert read(one_tile(channels=channels)).chunks == ()
        with pytest.raises(CorruptError, match=f"^chunk ALPH: found, but channels is {channels}$"):
            read(one_tile(ALPHA, channels=channels))
    for channels in (2, 4):
        assert read(one_tile(ALPHA, channels=channels)).chunks == ((ALPHA, b""),)
        with pytest.raises(CorruptError, match=f"^chunk ALPH: missing, but channels is {channels}$"):
            read(one_tile(channels=channels))
        with pytest.raises(CorruptError, match=r"^chunk ALPH: found 2 times, expected once$"):
            read(one_tile(ALPHA, ALPHA, channels=channels))


@pytest.mark.parametrize("tag", [b" bcd", b"1bcd", b"ab\0d", b"ab-d", b"abc\n", b"abc\xff", b"\xe1bcd", bytes(4)])
def test_tag_that_is_none(tag):
    with pytest.raises(CorruptError, match=r"^index: chunk tag b'.*', expected a letter and three letters"):
        read(one_tile(tag))
    with pytest.raises(EncodeError):
        write(GREY, [b""], [Chunk(tag, b"")])


# Parts of a file


def test_one_tile_is_read_without_the_others():
    index = read_index(FILE[: len(FILE) - len(BODY)])
    assert index.header == HEADER
    assert [tag for tag, _ in index.chunks] == [b"ALPH", b"note"]
    assert index.size == len(FILE)
    blank = bytearray(len(FILE))
    span = index.tiles[1]
    blank[span.offset : span.offset + span.size] = FILE[span.offset : span.offset + span.size]
    assert bytes(read_tile(blank, index, 1)) == b"R"
    with pytest.raises(CorruptError, match=r"^tile 0: checksum"):
        read_tile(blank, index, 0)
    with pytest.raises(TruncatedError, match=r"^tile 1: 0 bytes, expected 1$"):
        read_tile(FILE[:-1], index, 1)


def test_salvage_of_a_sound_file_is_read():
    assert read_damaged(FILE) == (read(FILE), {}, {})


def test_salvage_collects_the_damage():
    data = write(
        Header(1, 4, 1, 4, 0, 1),
        [b"zero", b"one", b"two", b"three"],
        [Chunk(XMP, b"meta"), Chunk(ALPHA, b"alpha"), Chunk(ICC, b"colour")],
    )
    damaged = data.replace(b"one", b"One").replace(b"alpha", b"Alpha")[:-2]
    found = read_damaged(damaged)
    assert [bytes(tile) for tile in found.container.tiles] == [b"zero", b"", b"two", b""]
    assert found.container.chunks == ((XMP, b"meta"), (ICC, b"colour"))
    assert {number: type(error) for number, error in found.tiles.items()} == {1: CorruptError, 3: TruncatedError}
    assert str(found.tiles[1]) == f"tile 1: checksum {crc32(b'One'):#010x}, expected {crc32(b'one'):#010x}"
    assert str(found.tiles[3]) == "tile 3: 3 bytes, expected 5"
    assert list(found.chunks) == [ALPHA]
    assert read_damaged(data + b"rubbish") == read_damaged(data)


@pytest.mark.parametrize("at", [0, 9, 30])
def test_salvage_needs_header_and_index(at):
    data = bytearray(FILE)
    data[at] ^= 1
    with pytest.raises(DecodeError):
        read_damaged(data)


# Writing


@pytest.mark.parametrize(
    ("header", "tiles", "chunks", "message"),
    [
        (dataclasses.replace(GREY, width=0), [b""], [], "header: width 0, expected 1 to 2147483647"),
        (dataclasses.replace(GREY, model=-1), [b""], [], "header: model -1, expected 0 to 65535"),
        (dataclasses.replace(GREY, quality=1 << 16), [b""], [], "header: quality 65536, expected 0 to 65535"),
        (dataclasses.replace(GREY, tile=1 << 16), [b""], [], "header: tile 65536, expected 0 to 65535"),
        (GREY, [], [], "container: 0 tiles, expected 1"),
        (GREY, [b"", b""], [], "container: 2 tiles, expected 1"),
        (GREY, [b""], [Chunk(b"note", b"")] * 256, "container: 256 chunks, expected at most 255"),
        (GREY, [b""], [Chunk(ICC, b""), Chunk(ICC, b"")], "chunk iccp: found 2 times, expected once"),
        (GREY, [b""], [Chunk(b"NOTE", b"")], "chunk NOTE: required but unknown, needs a later aecodec"),
        (GREY, [b""], [Chunk(ALPHA, b"")], "chunk ALPH: found, but channels is 1"),
    ],
)
def test_write_refuses_what_read_would(header, tiles, chunks, message):
    with pytest.raises(EncodeError, match=f"^{message}$"):
        write(header, tiles, chunks)


def test_write_takes_integers_and_bytes_only():
    with pytest.raises(TypeError):
        write(dataclasses.replace(GREY, width=8.0), [b""])
    with pytest.raises(TypeError):
        write(GREY, ["text"])
    with pytest.raises(TypeError):
        write(GREY, [b""], [Chunk("note", b"")])
    assert write(dataclasses.replace(GREY, width=np.int64(8)), [b""]) == write(GREY, [b""])


tag_strategy = st.one_of(
    st.sampled_from([b"note", b"a  0", b"zZZZ"]),
    st.from_regex(r"\A[a-z][A-Za-z0-9 ]{3}\Z").map(str.encode).filter(lambda tag: tag not in container.KNOWN_TAGS),
)


@st.composite
def contents(draw):
    header = Header(
        model=draw(st.integers(1, 0xFFFF)),
        width=draw(st.integers(1, 40)),
        height=draw(st.integers(1, 40)),
        channels=draw(st.integers(1, 4)),
        quality=draw(st.integers(0, 0xFFFF)),
        tile=draw(st.one_of(st.just(0), st.integers(8, 0xFFFF))),
    )
    tiles = draw(st.lists(st.binary(max_size=200), min_size=header.tile_count, max_size=header.tile_count))
    tags = draw(st.lists(tag_strategy, max_size=3)) + draw(st.lists(st.sampled_from([ICC, EXIF, XMP]), unique=True))
    if header.channels in (2, 4):
        tags.append(ALPHA)
    chunks = [Chunk(tag, draw(st.binary(max_size=200))) for tag in draw(st.permutations(tags))]
    return header, tiles, chunks


@given(contents())
def test_round_trip(content):
    header, tiles, chunks = content
    data = write(header, tiles, chunks)
    found = read(data)
    assert (found.header, [bytes(tile) for tile in found.tiles], list(found.chunks)) == (header, tiles, chunks)
    assert write(found.header, found.tiles, found.chunks) == data
    index = read_index(data)
    spans = [span for _, span in index.chunks] + list(index.tiles)
    ends = [len(data) - sum(span.size for span in spans)] + [span.offset + span.size for span in spans]
    assert [span.offset for span in spans] == ends[:-1]  # one after another, nothing between
    assert ends[-1] == index.size == len(data)


# Overhead


@pytest.mark.parametrize(
    ("size", "overhead"), [(0, 36), (127, 36), (128, 37), (16383, 37), (16384, 38), (1 << 21, 39), (1 << 25, 39)]
)
def test_overhead_of_one_tile(size, overhead):
    assert len(write(GREY, [bytes(size)])) - size == overhead <= 40


def test_overhead_of_a_kodak_picture():
    size = 768 * 512 // 4 // 8  # bytes at 0.25 bpp
    tiles = [bytes(size // 6)] * 6
    assert len(write(Header(1, 768, 512, 3, 0, 256), tiles)) - size == 67 < size / 100


# ---- exact tiles ----------------------------------------------------------------------------------------------------

TWO = Header(model=7, width=300, height=2, channels=3, quality=5, tile=256)  # tiles
BOTH = write(TWO, [b"learned", b"exact"], exact=[1])


def test_files_without_exact_tiles_are_of_version_1():
    assert write(dataclasses.replace(TWO, version=2), [b"a", b"b"])[6] == 1
    assert read(write(TWO, [b"a", b"b"])).exact == frozenset()


def test_a_kind_costs_nothing_beside_the_length():
    assert BOTH[6] == 2
    assert len(BOTH) == len(write(TWO, [b"learned", b"exact"]))
    assert BOTH[27] == 2 * 7
    assert BOTH[32] == 2 * 5 + 1
    found = read(BOTH)
    assert found.exact == read_index(BOTH).exact == {1}
    assert found.header == dataclasses.replace(TWO, version=2)
    assert [bytes(tile) for tile in found.tiles] == [b"learned", b"exact"]


def test_all_tiles_exact_need_no_model():
    found = read(write(dataclasses.replace(TWO, model=0, quality=0), [b"a", b"b"], exact=[0, 1]))
    assert found.exact == {0, 1}
    for header, exact, message in (
        (TWO, [0, 1], "model 7, but 2 of 2 tiles are exact"),
        (dataclasses.replace(TWO, model=0), [], "model 0, but 0 of 2 tiles are exact"),
        (dataclasses.replace(TWO, model=0), [1], "model 0, but 1 of 2 tiles are exact"),
        (dataclasses.replace(TWO, model=0), [0, 1], "quality 5, expected 0 where all tiles are exact"),
    ):
        with pytest.raises(EncodeError, match=message):
            write(header, [b"a", b"b"], exact=exact)


def test_alpha_may_lie_in_exact_tiles():
    header = dataclasses.replace(TWO, model=0, quality=0, channels=4)
    assert read(write(header, [b"a", b"b"], exact=[0, 1])).chunks == ()
    assert read(write(header, [b"a", b"b"], [Chunk(ALPHA, b"p")], [0, 1])).chunks == ((ALPHA, b"p"),)
    with pytest.raises(EncodeError, match="chunk ALPH: missing"):
        write(dataclasses.replace(TWO, channels=4), [b"a", b"b"], exact=[0])
    with pytest.raises(EncodeError, match="chunk ALPH: found"):
        write(dataclasses.replace(header, channels=3), [b"a", b"b"], [Chunk(ALPHA, b"p")], [0, 1])


def sealed(*sizes: int, **fields: int) -> bytes:
    """Two empty tiles of version 2, with these numbers in the index."""
    start = head(**{"version": 2, "model": 7, "width": 300, "tile": 256} | fields)
    index = b"\0" + b"".join(bytes([size]) + bytes(4) for size in sizes)
    return start + index + crc32(index).to_bytes(4, "little")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (sealed(0, 0), "no tile is exact, expected one in format version 2"),
        (sealed(0, 0, version=1, model=0), "model 0, but 0 of 2 tiles are exact"),
        (sealed(1, 1), "model 7, but 2 of 2 tiles are exact"),
        (sealed(1, 0, model=0), "model 0, but 1 of 2 tiles are exact"),
        (sealed(1, 1, model=0, quality=3), "quality 3, expected 0 where all tiles are exact"),
    ],
)
def test_kinds_that_contradict_the_header(data, message):
    with pytest.raises(CorruptError, match=message):
        read(data)


def test_kinds_that_do_not():
    assert read(sealed(0, 1)).exact == {1}
    assert read(sealed(1, 1, model=0)).exact == {0, 1}
