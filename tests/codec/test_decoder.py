"""Parts of a picture: the crop of the whole, from the tiles that matter and no others."""

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mirrored import HEIGHT, WIDTH, picture

import aecodec
from aecodec import container, geometry
from aecodec.codec import transforms
from aecodec.errors import CorruptError, DecodeError, LimitError, TruncatedError, UnsupportedError

TESTS = Path(__file__).parents[1]
INSTALLED = os.environ.get("AECODEC_WEIGHTS")


pytestmark = pytest.mark.usefixtures("tiny_weights")


@pytest.fixture(scope="module")
def files(tiny_weights) -> dict[int, bytes]:
    metadata = aecodec.Metadata(icc=b"profile", xmp=b"<x/>")
    return {n: aecodec.encode(picture(n), 80, model="tiny", metadata=metadata) for n in (1, 2, 3, 4)}


@pytest.fixture(scope="module")
def wholes(files) -> dict[int, np.ndarray]:
    return {channels: aecodec.decode(data) for channels, data in files.items()}


def cut(whole: np.ndarray, region: tuple[int, int, int, int]) -> np.ndarray:
    x, y, width, height = region
    return whole[y : y + height, x : x + width]


def assert_is_cut(found: np.ndarray, whole: np.ndarray, region: tuple[int, int, int, int]):
    expected = cut(whole, region)
    assert (found.shape, found.dtype) == (expected.shape, np.uint8)
    assert found.flags.c_contiguous
    assert found.flags.writeable
    assert np.abs(found.astype(int) - expected).max() <= 1


def flipped(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 0x10]) + data[at + 1 :]


# Equal to the crop


@pytest.mark.parametrize(
    "region",
    [
        (0, 0, WIDTH, HEIGHT),
        (0, 0, 1, 1),
        (WIDTH - 1, 0, 1, 1),
        (0, HEIGHT - 1, 1, 1),
        (WIDTH - 1, HEIGHT - 1, 1, 1),
        (300, 300, 100, 80),
        (255, 255, 2, 2),
        (256, 256, 256, 256),
        (0, 290, WIDTH, 1),
        (290, 0, 1, HEIGHT),
        (512, 512, 268, 18),
        (13, 7, 530, 411),
    ],
)
def test_a_region_is_the_crop_of_the_whole(files, wholes, region):
    assert_is_cut(aecodec.decode(files[3], region=region), wholes[3], region)


@pytest.mark.parametrize("channels", [1, 2, 4])
def test_regions_of_all_kinds_of_pixels(files, wholes, channels):
    region = (200, 100, 301, 203)
    found = aecodec.decode(files[channels], region=region, threads=1)
    assert_is_cut(found, wholes[channels], region)
    if channels in (2, 4):
        np.testing.assert_array_equal(found[..., -1], cut(picture(channels), region)[..., -1])


@settings(max_examples=20, deadline=None)
@given(st.data())
def test_any_region_is_the_crop_of_the_whole(files, wholes, data):
    x, y = data.draw(st.integers(0, WIDTH - 1)), data.draw(st.integers(0, HEIGHT - 1))
    region = x, y, data.draw(st.integers(1, WIDTH - x)), data.draw(st.integers(1, HEIGHT - y))
    assert_is_cut(aecodec.decode(files[4], region=region), wholes[4], region)


@pytest.mark.parametrize("window", [16, 23])
def test_regions_larger_than_a_window(files, wholes, monkeypatch, window):
    monkeypatch.setattr(transforms, "WINDOW", window)
    region = (100, 50, 610, 444)
    assert_is_cut(aecodec.decode(files[3], region=region), wholes[3], region)


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_threads_make_no_difference(files, wholes, threads):
    region = (240, 240, 300, 60)
    assert_is_cut(aecodec.decode(files[3], region=region, threads=threads), wholes[3], region)


def test_regions_of_pictures_of_one_tile_and_less():
    for height, width in ((256, 256), (256, 300), (300, 257)):
        image = picture(3, height, width)
        data = aecodec.encode(image, 50, model="tiny")
        whole = aecodec.decode(data)
        for region in ((0, 0, width, height), (width - 3, height - 5, 3, 5), (100, 100, 1, 1)):
            assert_is_cut(aecodec.decode(data, region=region), whole, region)


def test_the_weights_that_users_have(monkeypatch):
    """The halo of the small model might be smaller than that of the one that counts."""
    monkeypatch.delenv("AECODEC_WEIGHTS")
    if INSTALLED:
        monkeypatch.setenv("AECODEC_WEIGHTS", INSTALLED)
    data = aecodec.encode(picture(3, 400, 420), 75)
    whole = aecodec.decode(data)
    for region in ((150, 170, 99, 80), (255, 255, 3, 2)):
        assert_is_cut(aecodec.decode(data, region=region), whole, region)


def test_integers_of_any_type(files, wholes):
    region = (300, 300, 10, 8)
    for given_as in (list(region), np.array(region, np.uint16), np.array(region, np.int64)):
        assert_is_cut(aecodec.decode(files[3], region=given_as), wholes[3], region)


# Only what matters is read


def tiles_that_matter(region: tuple[int, int, int, int]) -> set[int]:
    """From the format: latents are 16 pixels, a pixel depends on none further than 5 latents, tiles are 256 pixels."""
    x, y, width, height = region
    columns = range((max(x // 16 - 5, 0)) * 16 // 256, min((x + width - 1) // 16 + 5, (WIDTH - 1) // 16) // 16 + 1)
    rows = range((max(y // 16 - 5, 0)) * 16 // 256, min((y + height - 1) // 16 + 5, (HEIGHT - 1) // 16) // 16 + 1)
    return {4 * row + column for row in rows for column in columns}


@pytest.mark.parametrize(
    ("region", "expected"),
    [
        ((80, 80, 96, 96), {0}),
        ((80, 80, 97, 96), {0, 1}),
        ((79 + 256, 336, 1, 1), {4, 5}),
        ((336, 336, 48, 48), {5}),
        ((760, 520, 20, 10), {6, 7, 10, 11}),
        ((0, 336, WIDTH, 10), {4, 5, 6, 7}),
    ],
)
def test_damage_that_is_too_far_away_to_matter_is_not_seen(files, wholes, region, expected):
    assert tiles_that_matter(region) == expected
    data = files[3]
    for number, (offset, *_) in enumerate(container.read_index(data).tiles):
        damaged = flipped(data, offset + 3)
        if number in expected:
            with pytest.raises(CorruptError, match=rf"^tile {number}: checksum "):
                aecodec.decode(damaged, region=region)
        else:
            assert_is_cut(aecodec.decode(damaged, region=region), wholes[3], region)
        with pytest.raises(CorruptError, match=rf"^tile {number}: checksum "):
            aecodec.decode(damaged)


def test_the_end_of_a_file_need_not_be_there(files, wholes):
    data, region = files[3], (0, 0, 176, 176)
    last = container.read_index(data).tiles[0]
    end = last.offset + last.size
    assert_is_cut(aecodec.decode(data[:end], region=region), wholes[3], region)
    with pytest.raises(TruncatedError, match=r"^tile 0: "):
        aecodec.decode(data[: end - 1], region=region)


def test_alpha_is_checked_and_metadata_is_not(files, wholes):
    data, region = files[4], (320, 320, 10, 10)
    places = dict(container.read_index(data).chunks)
    with pytest.raises(CorruptError, match=r"^chunk ALPH: checksum "):
        aecodec.decode(flipped(data, places[container.ALPHA].offset), region=region)
    damaged = flipped(data, places[container.ICC].offset)
    assert_is_cut(aecodec.decode(damaged, region=region), wholes[4], region)
    with pytest.raises(CorruptError, match=r"^chunk iccp: checksum "):
        aecodec.read_metadata(damaged)


def test_metadata_is_read_without_the_tiles(files):
    first = container.read_index(files[3]).tiles[0].offset
    assert aecodec.read_metadata(files[3][:first]) == aecodec.Metadata(icc=b"profile", xmp=b"<x/>")


def test_every_flipped_bit_of_a_small_file_is_an_error_or_the_same_pixels():
    image = picture(4, 300, 257)[:17, :33]
    data = aecodec.encode(image, 30, model="tiny", metadata=aecodec.Metadata(xmp=b"<x:xmpmeta/>"))
    whole, region = aecodec.decode(data), (5, 3, 20, 10)
    for bit in range(0, 8 * len(data), 3):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        try:
            found = aecodec.decode(damaged, region=region)
        except DecodeError:
            continue
        assert_is_cut(found, whole, region)


# Bad arguments


@pytest.mark.parametrize(
    "region",
    [
        (WIDTH, 0, 1, 1),
        (0, HEIGHT, 1, 1),
        (-1, 0, 10, 10),
        (0, -1, 10, 10),
        (WIDTH - 9, 0, 10, 1),
        (0, HEIGHT - 9, 1, 10),
        (0, 0, WIDTH + 1, HEIGHT),
        (5, 5, 0, 4),
        (5, 5, 4, 0),
        (5, 5, -2, 4),
        (2**70, 0, 1, 1),
    ],
)
def test_a_region_outside_names_the_size_of_the_picture(files, region):
    x, y, width, height = region
    message = f"region: {width}x{height} at {x},{y}, expected at least 1x1 inside the image of {WIDTH}x{HEIGHT}"
    with pytest.raises(ValueError, match=f"^{message}$") as error:
        aecodec.decode(files[3], region=region)
    assert not isinstance(error.value, aecodec.AezError)


@pytest.mark.parametrize("region", [(), (1, 2, 3), (1, 2, 3, 4, 5)])
def test_a_region_is_four_numbers(files, region):
    with pytest.raises(ValueError, match=rf"^region: {len(region)} numbers, expected x, y, width and height$"):
        aecodec.decode(files[3], region=region)


@pytest.mark.parametrize("region", [(0, 0, 1.5, 2), "0,0,1,2", 5, (0, 0, None, 1)])
def test_a_region_is_of_integers(files, region):
    with pytest.raises(TypeError):
        aecodec.decode(files[3], region=region)


def test_limits_and_models_are_those_of_the_whole(files):
    with pytest.raises(LimitError, match=r"^header: 780x530 pixels, limit 1000 \(max_pixels\)$"):
        aecodec.decode(files[3], region=(0, 0, 1, 1), limits=aecodec.Limits(max_pixels=1000))
    file = container.read(files[3])
    header = container.Header(0x7ABC, WIDTH, HEIGHT, 3, file.header.quality, 256)
    with pytest.raises(UnsupportedError, match=r"^model 0x7abc: "):
        aecodec.decode(container.write(header, file.tiles), region=(0, 0, 1, 1))


# Geometry


@pytest.mark.parametrize("length", [1, 16, 17, 100, 256, 780])
def test_what_pixels_need(length):
    """Against the definition: the latents no further than 5 from that of any pixel, as far as there are any."""
    for start in range(0, length, 7):
        for size in (1, 5, 16, 33, length):
            if start + size > length:
                continue
            own = {pixel // 16 for pixel in range(start, start + size)}
            reach = {n for n in range(-(-length // 16)) if any(abs(n - m) <= 5 for m in own)}
            found = transforms.needed(geometry.Region(start, 0, size, 1), 1, length)
            assert set(range(found.left, found.left + found.width)) == reach
            assert (found.top, found.height) == (0, 1)
            found = transforms.needed(geometry.Region(0, start, 1, size), length, 1)
            assert set(range(found.top, found.top + found.height)) == reach
