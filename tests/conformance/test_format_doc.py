"""FORMAT.md is read again, and what it says is held against the code."""

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aecodec import container, errors
from aecodec.container import Chunk, Header, read, write
from aecodec.errors import DecodeError
from aecodec.limits import Limits

TEXT = (Path(__file__).parents[2] / "FORMAT.md").read_text("utf-8")
SIZES = {"u8": 1, "u16": 2, "u32": 4, "6 bytes": 6}


def section(title: str) -> str:
    """The text below the heading of level 2 that ends with `title`."""
    found = re.search(rf"^## \d+\. {re.escape(title)}\n(.*?)(?=^## |\Z)", TEXT, re.MULTILINE | re.DOTALL)
    assert found, title
    return found[1]


def table(text: str) -> list[list[str]]:
    """The rows of the first table, without its head."""
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("|")]
    return rows[2:]


def crc32(data: bytes) -> int:
    """Section 7, bit by bit; 0xedb88320 is 0x04c11db7 with its bits reversed."""
    register = 0xFFFFFFFF
    for byte in data:
        register ^= byte
        for _ in range(8):
            register = register >> 1 ^ (0xEDB88320 if register & 1 else 0)
    return register ^ 0xFFFFFFFF


def example() -> tuple[bytes, list[tuple[int, bytes, str]]]:
    """The annotated dump of section 13: all of its bytes, and (offset, bytes, note) of each line."""
    block = re.search(r"```\n(.*?)```", section("Example"), re.DOTALL)[1]
    lines = []
    for line in block.splitlines():
        offset, digits, note = re.fullmatch(r"([0-9a-f]{2})  ((?:[0-9a-f]{2} )+) +(.+)", line).groups()
        lines.append((int(offset, 16), bytes.fromhex(digits), note))
    return b"".join(part for _, part, _ in lines), lines


def read_container(data: bytes):
    """Run the decoder of section 10; ValueError where it refuses the file."""

    def require(condition):
        if not condition:
            raise ValueError("refused")

    scope = {"require": require, "crc32": crc32}
    exec(re.search(r"```python\n(.*?)```", section("Decoder in pseudocode"), re.DOTALL)[1], scope)
    return scope["read_container"](data)


HEADER = Header(model=0xFFFF, width=3, height=2, channels=3, quality=768, tile=256)
DATA, LINES = example()


def test_example_is_complete_and_in_order():
    at = 0
    for offset, part, _ in LINES:
        assert offset == at
        at += len(part)
    assert f"complete container of {at} bytes" in section("Example")


def test_example_is_what_write_makes():
    assert write(HEADER, [b"123456789"], [Chunk(b"demo", b"hello")]) == DATA


def test_example_is_read():
    found = read(DATA)
    assert found.header == HEADER
    assert [bytes(tile) for tile in found.tiles] == [b"123456789"]
    assert found.chunks == ((b"demo", b"hello"),)


def test_checksums_of_the_example_cover_what_their_notes_say():
    covered = 0
    for _, part, note in LINES:
        if found := re.fullmatch(r"CRC-32 of bytes (\w\w) to (\w\w)", note):
            first, last = int(found[1], 16), int(found[2], 16)
            assert int.from_bytes(part, "little") == crc32(DATA[first : last + 1])
            covered += 1
    assert covered == 2
    notes = {note: int.from_bytes(part, "little") for _, part, note in LINES}
    assert notes["CRC-32 of its data"] == crc32(b"hello")
    assert notes["CRC-32 of its bitstream, 0xcbf43926"] == 0xCBF43926


def test_check_value_of_the_checksum():
    assert "`123456789` give 0xcbf43926, no bytes give 0" in section("Checksums")
    assert crc32(b"123456789") == 0xCBF43926
    assert crc32(b"") == 0


def test_header_table_gives_the_fields_of_the_example():
    at, fields = 0, {}
    for offset, kind, name, *_ in table(section("Header")):
        assert int(offset) == at
        fields[name] = DATA[at : at + SIZES[kind]]
        at += SIZES[kind]
    assert at == container.HEADER_SIZE
    assert fields.pop("signature") == container.SIGNATURE
    numbers = {name: int.from_bytes(value, "little") for name, value in fields.items()}
    assert numbers.pop("version") == 1
    assert numbers.pop("checksum") == crc32(DATA[: at - 4])
    assert Header(**numbers) == HEADER


def test_signature_in_the_header_table():
    row = table(section("Header"))[0]
    assert bytes.fromhex(row[3].strip("`")) == container.SIGNATURE


def test_errors_in_the_text_exist():
    names = set(re.findall(r"\b[A-Z]\w+Error\b", TEXT))
    assert names == {"NotAezError", "TruncatedError", "CorruptError", "UnsupportedError", "LimitError"}
    assert all(issubclass(getattr(errors, name), DecodeError) for name in names)


def test_tags_in_the_chunk_table():
    known = section("Chunks").split("These tags are known")[1]
    tags = [re.fullmatch(r"`(.{4})`", row[0])[1].encode() for row in table(known)]
    assert tuple(tags) == container.KNOWN_TAGS
    assert "The tag `demo` never gets" in section("Chunks").replace("\n", " ")


def test_limits_in_the_table():
    values = [int(re.match(r"\d+", row[1])[0]) for row in table(section("Limits"))]
    defaults = Limits()
    assert values == [defaults.max_pixels, defaults.max_tiles, defaults.max_metadata]


def test_varint_in_the_text():
    assert "300 is `ac 02`" in section("Scope and words")
    assert write(Header(1, 1, 1, 1, 0, 0), [bytes(300)])[27:29] == bytes.fromhex("ac 02")


def test_overhead_in_the_text():
    text = section("Index").replace("\n", " ")
    assert "37 bytes for one tile of 128 to 16383 bytes, and 67 bytes for six" in text
    for size in (128, 16383):
        assert len(write(HEADER, [bytes(size)])) - size == 37
    assert len(write(Header(1, 768, 512, 3, 0, 256), [bytes(2048)] * 6)) - 6 * 2048 == 67


def test_sections_that_the_text_refers_to_exist():
    headings = re.findall(r"^###? (\d+(?:\.\d+)?)", TEXT, re.MULTILINE)
    assert headings == sorted(headings, key=lambda number: [int(part) for part in number.split(".")])
    assert set(re.findall(r"section (\d+(?:\.\d+)?)", TEXT)) <= set(headings)


# The decoder of the text, against the code


def test_pseudocode_reads_the_example():
    assert read_container(DATA) == ((0xFFFF, 3, 2, 3, 768, 256), [(b"demo", b"hello")], [b"123456789"], [False])


FILES = [
    DATA,
    write(Header(1, 5, 3, 4, 9, 4), [b"a", b"bb"], [Chunk(b"xmp ", b"x"), Chunk(b"ALPH", b"pha"), Chunk(b"note", b"")]),
    write(Header(2, 9, 9, 1, 0, 3), [b"%d" % number for number in range(9)]),
    write(Header(3, 70, 2, 2, 0, 0), [bytes(200)], [Chunk(b"ALPH", b"")]),
    write(Header(2, 9, 9, 1, 5, 3), [b"%d" % number for number in range(9)], exact=[0, 4]),
    write(Header(0, 70, 2, 2, 0, 0), [bytes(200)], exact=[0]),
]


NO_LIMITS = Limits(max_pixels=2**62, max_tiles=2**62, max_metadata=2**62)  # the pseudocode knows none


def agree(data: bytes) -> bool:
    """Whether pseudocode and code accept the same bytes; assert that they find the same in them."""
    try:
        fields, chunks, bitstreams, exact = read_container(data)
    except ValueError:
        with pytest.raises(DecodeError):
            read(data, NO_LIMITS)
        return False
    found = read(data, NO_LIMITS)
    header = found.header
    assert fields == (header.model, header.width, header.height, header.channels, header.quality, header.tile)
    assert chunks == list(found.chunks)
    assert bitstreams == [bytes(tile) for tile in found.tiles]
    assert {number for number, kind in enumerate(exact) if kind} == found.exact
    return True


@pytest.mark.parametrize("data", FILES)
def test_pseudocode_agrees_with_the_code(data):
    assert agree(data)
    assert not agree(data + b"\0")
    for size in range(len(data)):
        assert not agree(data[:size])


def reseal(data: bytearray) -> bytes:
    """Make the checksum of the header right again, so that the rules behind it are reached."""
    data[22:26] = crc32(data[:22]).to_bytes(4, "little")
    return bytes(data)


def test_pseudocode_and_code_refuse_a_file_without_model_or_exact_tiles():
    changed = bytearray(next(data for data in FILES if data[6] == 1))
    changed[8:12] = bytes(4)
    assert not agree(reseal(changed))


@settings(max_examples=200)
@given(st.sampled_from(FILES), st.integers(6, 21), st.integers(0, 255))
def test_pseudocode_agrees_about_headers(data, at, value):
    changed = bytearray(data)
    changed[at] = value
    agree(reseal(changed))


@settings(max_examples=150)
@given(
    st.integers(1, 4), st.binary(max_size=8), st.lists(st.tuples(st.binary(max_size=4), st.integers(0, 3))), st.data()
)
def test_pseudocode_agrees_about_indexes(channels, length, raw_chunks, draw):
    """Indexes with right checksums and wrong tags, numbers and lengths."""
    tags = st.sampled_from([b"ALPH", b"iccp", b"note", b"xmp ", b"NOTE", b"n\xffte", b" ote", b"no e"])
    chunks = [(draw.draw(tags), size) for _, size in raw_chunks[:4]]
    index = bytes([len(chunks)]) + b"".join(
        tag + bytes([size]) + crc32(b"x" * size).to_bytes(4, "little") for tag, size in chunks
    )
    index += (length or b"\0") + bytes(4)
    index += crc32(index).to_bytes(4, "little")
    for file in FILES[3], FILES[5]:
        start = reseal(bytearray(file[:7] + bytes([channels]) + file[8:26]))
        agree(start + index + b"x" * sum(size for _, size in chunks))
