"""Damaged files: what is sound comes out as it was, what is not is named."""

import re
import time
from pathlib import Path

import numpy as np
import pytest
from mirrored import HEIGHT, WIDTH, picture

import aecodec
from aecodec import container
from aecodec.container import ALPHA, EXIF, ICC, Chunk
from aecodec.errors import CorruptError, LimitError, NotAezError, TruncatedError, UnsupportedError

HERE = Path(__file__).parent
MARGIN = 64
METADATA = aecodec.Metadata(icc=b"profile", exif=b"II*\0" * 20, xmp=b"<x/>")


pytestmark = pytest.mark.usefixtures("tiny_weights")


@pytest.fixture(scope="module", params=["psnr", "visual"])
def coded(request) -> dict[str, str]:
    """The model in either tuning."""
    return {"model": "tiny", "tune": request.param}


@pytest.fixture(scope="module")
def model(coded) -> str:
    return coded["model"]


@pytest.fixture(scope="module")
def files(tiny_weights, coded) -> dict[int, bytes]:
    return {n: aecodec.encode(picture(n), 80, metadata=METADATA, **coded) for n in (1, 2, 3, 4)}


@pytest.fixture(scope="module")
def wholes(files) -> dict[int, np.ndarray]:
    return {channels: aecodec.decode(data) for channels, data in files.items()}


def flipped(data: bytes, *places: int) -> bytes:
    damaged = bytearray(data)
    for at in places:
        damaged[at] ^= 0x10
    return bytes(damaged)


def tile(number: int, margin: int = 0) -> tuple[slice, slice]:
    row, column = divmod(number, 4)
    rows = slice(max(256 * row - margin, 0), min(256 * row + 256 + margin, HEIGHT))
    return rows, slice(max(256 * column - margin, 0), min(256 * column + 256 + margin, WIDTH))


def offsets(data: bytes) -> list[int]:
    """A byte in the middle of each tile."""
    return [span.offset + span.size // 2 for span in container.read_index(data).tiles]


def chunk_offset(data: bytes, tag: bytes) -> int:
    return dict(container.read_index(data).chunks)[tag].offset


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_a_sound_file_is_decoded(files, wholes, channels):
    found = aecodec.salvage(files[channels])
    np.testing.assert_array_equal(found.pixels, wholes[channels])
    assert found[1:] == (METADATA, (), ())


# Tiles


@pytest.mark.parametrize("number", [0, 3, 5, 11])
def test_one_flipped_byte_costs_one_tile_and_is_named(files, wholes, number, model):
    data, whole = files[3], wholes[3]
    assert container.read_header(data).tile_count == 12
    found = aecodec.salvage(flipped(data, offsets(data)[number]))
    assert found.tiles == (number,)
    rows, columns = tile(number)
    area = f"{columns.stop - columns.start}x{rows.stop - rows.start} pixels at {columns.start},{rows.start}"
    assert len(found.damage) == 1
    assert re.fullmatch(
        rf"tile {number}: checksum 0x[0-9a-f]{{8}}, expected 0x[0-9a-f]{{8}}; filled {area}", found.damage[0]
    )
    assert found.metadata == METADATA

    spoiled = np.zeros((HEIGHT, WIDTH), bool)
    spoiled[tile(number, MARGIN)] = True
    assert np.abs(found.pixels.astype(int) - whole)[~spoiled].max() <= (1 if model == "tiny" else 0)
    filled = found.pixels[tile(number)]
    assert (filled == filled[0, 0]).all()
    assert (found.pixels != whole)[tile(number)].mean() > 0.9


def mean_colour(pixels: np.ndarray, numbers: list[int]) -> np.ndarray:
    return np.concatenate([pixels[tile(number)].reshape(-1, 3) for number in numbers]).mean(0)


@pytest.mark.parametrize(
    ("wrong", "neighbours"),
    [
        ({0}, {0: [1, 4, 5]}),
        ({5}, {5: [0, 1, 2, 4, 6, 8, 9, 10]}),
        ({11}, {11: [6, 7, 10]}),
        ({0, 1}, {0: [4, 5], 1: [2, 4, 5, 6]}),
        ({0, 1, 4, 5}, {0: [2, 3, 6, 7, 8, 9, 10, 11], 1: [2, 6], 4: [8, 9], 5: [2, 6, 8, 9, 10]}),
        (set(range(11)), {0: [11], 10: [11]}),
    ],
)
def test_a_tile_is_filled_with_the_mean_colour_of_its_neighbours(files, wrong, neighbours):
    places = offsets(files[3])
    found = aecodec.salvage(flipped(files[3], *(places[number] for number in wrong)))
    assert found.tiles == tuple(sorted(wrong))
    assert [line.split(":")[0] for line in found.damage] == [f"tile {number}" for number in sorted(wrong)]
    for number, near in neighbours.items():
        expected = mean_colour(found.pixels, near)
        assert np.abs(found.pixels[tile(number)][0, 0] - expected).max() <= 0.5 + 1e-9


@pytest.mark.parametrize("channels", [1, 2, 4])
def test_all_kinds_of_pixels(files, wholes, channels):
    found = aecodec.salvage(flipped(files[channels], offsets(files[channels])[6]), threads=1).pixels
    assert found.shape == wholes[channels].shape
    assert found.flags.c_contiguous
    if channels in (2, 4):
        np.testing.assert_array_equal(found[..., -1], wholes[channels][..., -1])
    colours = found if channels == 1 else found[..., :-1]
    assert (colours[tile(6)] == colours[tile(6)][0, 0]).all()


def test_a_file_that_is_cut_off_loses_the_tiles_behind_the_cut(files, wholes):
    spans = container.read_index(files[3]).tiles
    found = aecodec.salvage(files[3][: spans[9].offset + 5])
    assert found.tiles == (9, 10, 11)
    assert found.damage[0].startswith(f"tile 9: 5 bytes, expected {spans[9].size}; filled 256x18 pixels at 256,512")
    assert found.damage[2].startswith(f"tile 11: 0 bytes, expected {spans[11].size}; filled 12x18 pixels at 768,512")
    assert np.abs(found.pixels[: 512 - MARGIN].astype(int) - wholes[3][: 512 - MARGIN]).max() <= 1


def test_bytes_after_the_end_are_ignored_and_named(files, wholes):
    found = aecodec.salvage(files[3] + b"more")
    np.testing.assert_array_equal(found.pixels, wholes[3])
    size = len(files[3])
    assert found.damage == (f"file: {size + 4} bytes, expected {size}; the rest ignored",)


def test_a_wrong_bitstream_under_a_right_checksum_is_damage(files, wholes):
    file = container.read(files[3])
    bitstreams = [bytes(bitstream) for bitstream in file.tiles]
    bitstreams[5] += b"\x01" * 40
    found = aecodec.salvage(container.write(file.header, bitstreams, file.chunks))
    assert found.tiles == (5,)
    assert found.damage == ("tile 5: bitstream: symbols end before the data does; filled 256x256 pixels at 256,256",)
    np.testing.assert_array_equal(found.pixels[tile(11)], wholes[3][tile(11)])


# Chunks


def test_damaged_alpha_is_opaque_and_named(files, wholes):
    for channels in (2, 4):
        data = files[channels]
        found = aecodec.salvage(flipped(data, chunk_offset(data, ALPHA)))
        np.testing.assert_array_equal(found.pixels[..., :-1], wholes[channels][..., :-1])
        assert (found.pixels[..., -1] == 255).all()
        assert found.tiles == ()
        assert len(found.damage) == 1
        assert re.fullmatch(r"chunk ALPH: checksum 0x\w{8}, expected 0x\w{8}; opaque", found.damage[0])


@pytest.mark.parametrize("stored", [b"", b"\x07junk", b"\x01junk", b"\x00"])
def test_wrong_alpha_under_a_right_checksum_is_opaque(files, stored):
    file = container.read(files[2])
    chunks = [Chunk(ALPHA, stored) if chunk.tag == ALPHA else chunk for chunk in file.chunks]
    found = aecodec.salvage(container.write(file.header, file.tiles, chunks))
    assert (found.pixels[..., -1] == 255).all()
    assert re.fullmatch(r"chunk ALPH: .+; opaque", found.damage[0])
    assert found.metadata == METADATA


def test_damaged_metadata_is_left_out_and_named(files, wholes):
    data = files[3]
    found = aecodec.salvage(flipped(data, chunk_offset(data, ICC)))
    assert found.metadata == METADATA._replace(icc=None)
    assert len(found.damage) == 1
    assert re.fullmatch(r"chunk iccp: checksum 0x\w{8}, expected 0x\w{8}; left out", found.damage[0])
    np.testing.assert_array_equal(found.pixels, wholes[3])


def test_wrong_metadata_under_a_right_checksum_is_left_out(files):
    file = container.read(files[3])
    chunks = [Chunk(EXIF, b"\x09") if chunk.tag == EXIF else chunk for chunk in file.chunks]
    found = aecodec.salvage(container.write(file.header, file.tiles, chunks))
    assert found.metadata == METADATA._replace(exif=None)
    assert found.damage == ("chunk exif: coding 9, expected 0 or 1; left out",)


def test_alpha_of_a_later_version_is_opaque_and_named():
    noise = np.random.default_rng(0).integers(0, 256, (20, 30, 4), np.uint8)
    file = container.read(aecodec.encode(noise, 20, model="tiny"))
    found = aecodec.salvage(container.write(file.header, file.tiles, [Chunk(container.ALPHA, b"\x09")]))
    assert found.damage == ("chunk ALPH: coding 9, expected 0 to 4; opaque",)
    assert (found.pixels[..., 3] == 255).all()


def test_the_limit_on_metadata_holds_for_all_of_it(files):
    file = container.read(files[3])
    tags = ICC, EXIF, container.XMP
    chunks = [Chunk(tag, b"\0" + bytes(100)) for tag in tags]
    data = container.write(file.header, file.tiles, chunks)
    with pytest.raises(LimitError):
        aecodec.salvage(data, limits=aecodec.Limits(max_metadata=250))
    small = aecodec.encode(picture()[:20, :20], model="tiny", metadata=aecodec.Metadata(bytes(1000), bytes(1000)))
    found = aecodec.salvage(small, limits=aecodec.Limits(max_metadata=1500))
    assert found.metadata == aecodec.Metadata(icc=bytes(1000))
    assert found.damage == ("metadata: 2000 bytes, limit 1500 (max_metadata); left out",)


def test_everything_at_once(files):
    data = files[4]
    places = [*(offsets(data)[n] for n in (1, 7)), chunk_offset(data, ALPHA), chunk_offset(data, ICC)]
    found = aecodec.salvage(flipped(data, *places) + b"!")
    names = [line.split(":")[0] for line in found.damage]
    assert sorted(names) == ["chunk ALPH", "chunk iccp", "file", "tile 1", "tile 7"]
    assert found.tiles == (1, 7)
    assert found.metadata == METADATA._replace(icc=None)


# What nothing can be had of


def test_without_header_or_index_there_is_nothing(files):
    data = files[3]
    with pytest.raises(NotAezError):
        aecodec.salvage(b"\x89PNG\r\n\x1a\n" + data)
    with pytest.raises(CorruptError, match=r"^header: checksum "):
        aecodec.salvage(flipped(data, 12))
    with pytest.raises(CorruptError, match=r"^index: "):
        aecodec.salvage(flipped(data, 60))
    for size in (0, 10, 26, 80):
        with pytest.raises(TruncatedError):
            aecodec.salvage(data[:size])


def test_without_a_sound_tile_there_is_nothing(files):
    damaged = flipped(files[3], *offsets(files[3]))
    with pytest.raises(CorruptError, match=r"^file: 12 of 12 tiles damaged, nothing to salvage; tile 0: checksum "):
        aecodec.salvage(damaged)


def test_an_unknown_model_is_unsupported(files):
    file = container.read(files[3])
    header = container.Header(0x7ABC, WIDTH, HEIGHT, 3, file.header.quality, 256)
    with pytest.raises(UnsupportedError, match=r"^model 0x7abc: "):
        aecodec.salvage(container.write(header, file.tiles))


def test_many_damaged_tiles_take_no_more_than_bounded_time():
    """A strip of 1500 tiles with every second one damaged: filling them looks at neighbours, not at all tiles."""
    flat = aecodec.encode(np.full((256, 16, 3), 90, np.uint8), 1, model="tiny", tune="psnr")
    header = container.Header(container.read_header(flat).model, 16, 256 * 1500, 3, 0, 256)
    bitstream = bytes(container.read(flat).tiles[0])
    data = bytearray(container.write(header, [bitstream] * 1500))
    for span in container.read_index(data).tiles[1::2]:
        data[span.offset] ^= 1
    start = time.process_time()
    found = aecodec.salvage(data)
    assert time.process_time() - start < 20
    assert found.tiles == tuple(range(1, 1500, 2))
    assert (found.pixels[256:512] == found.pixels[256, 0]).all()
