"""Lossless files: all pixels bit for bit, parts of them, what is left of damaged ones, and what is refused."""

import numpy as np
import pytest
from screens import mixed, photo, screen

import aecodec
from aecodec import container
from aecodec.errors import CorruptError, EncodeError
from aecodec.exact import layout

ALPH = container.ALPHA


@pytest.fixture
def small_tiles(monkeypatch):
    """However many bytes larger ones would save."""
    monkeypatch.setattr(layout, "_EDGES", (256,))


def image_of(channels: int, height: int, width: int) -> np.ndarray:
    """A photograph and text; alpha hides colours."""
    rgb = photo(height, width)
    rgb[height // 2 :] = screen(height, width)[height // 2 :]
    alpha = np.random.default_rng(1).integers(0, 3, (height, width), np.uint8) * 127
    planes = {1: rgb[..., 1], 2: np.dstack([rgb[..., 1], alpha]), 3: rgb, 4: np.dstack([rgb, alpha])}
    return np.ascontiguousarray(planes[channels])


def with_tile(data: bytes, number: int, tile: bytes) -> bytes:
    file = container.read(data)
    tiles = [tile if n == number else old for n, old in enumerate(file.tiles)]
    return container.write(file.header, tiles, file.chunks, file.exact)


def damaged(data: bytes, *numbers: int) -> bytes:
    """A byte in the middle of each of these tiles is another."""
    out = bytearray(data)
    for number in numbers:
        extent = container.read_index(data).tiles[number]
        out[extent.offset + extent.size // 2] ^= 0x40
    return bytes(out)


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 1), (257, 300), (40, 33)])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_every_pixel_comes_back(channels, size):
    image = image_of(channels, *size)
    data = aecodec.encode(image, lossless=True)
    found = aecodec.decode(data)
    assert (found.shape, found.dtype, found.flags.c_contiguous) == (image.shape, np.uint8, True)
    np.testing.assert_array_equal(found, image)
    info = aecodec.read_info(data)
    assert (info.model, info.model_id, info.version, info.quality) == ("exact", 0, 2, None)
    assert (info.channels, info.exact) == (channels, info.tiles)


def test_alpha_lies_where_it_takes_fewer_bytes():
    """In the tiles if it goes with the colours or hides nothing, in a chunk if it is smooth or all is hidden."""
    rgb = screen(200, 200)
    ramp = np.add.outer(np.arange(200), np.arange(200)).astype(np.uint8)
    for alpha, in_chunk in ((rgb[..., 0], False), (ramp, True), (np.full((200, 200), 255), False), (ramp * 0, True)):
        image = np.dstack([rgb, alpha]).astype(np.uint8)
        data = aecodec.encode(image, lossless=True)
        file = container.read(data)
        assert (ALPH in [chunk.tag for chunk in file.chunks]) == in_chunk
        np.testing.assert_array_equal(aecodec.decode(data), image)
        np.testing.assert_array_equal(aecodec.salvage(data).pixels, image)


@pytest.mark.usefixtures("small_tiles")
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_a_region_is_the_cut(channels):
    image = image_of(channels, 300, 280)
    data = aecodec.encode(image, lossless=True)
    for x, y, width, height in ((0, 0, 1, 1), (279, 299, 1, 1), (250, 200, 20, 80), (0, 256, 280, 1)):
        found = aecodec.decode(data, region=(x, y, width, height))
        np.testing.assert_array_equal(found, image[y : y + height, x : x + width])


@pytest.mark.usefixtures("small_tiles")
def test_a_region_reads_no_other_tile():
    image = photo(512, 512)
    data = damaged(aecodec.encode(image, lossless=True), 3)
    np.testing.assert_array_equal(aecodec.decode(data, region=(0, 0, 256, 256)), image[:256, :256])
    with pytest.raises(CorruptError, match=r"^tile 3: checksum"):
        aecodec.decode(data, region=(256, 256, 1, 1))


# Damage


@pytest.mark.usefixtures("small_tiles")
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_a_damaged_byte_costs_its_tile_and_no_other_pixel(channels):
    image = image_of(channels, 300, 530)
    data = aecodec.encode(image, lossless=True)
    assert aecodec.read_info(data).tiles == 6
    found = aecodec.salvage(damaged(data, 1))
    assert found.tiles == (1,)
    [line] = found.damage
    assert line.startswith("tile 1: checksum ")
    assert line.endswith("; filled 256x256 pixels at 256,0")
    same = found.pixels == image
    hole = same[:256, 256:512].copy()
    same[:256, 256:512] = True
    assert same.all()
    assert not hole.all()
    with pytest.raises(CorruptError, match=r"^tile 1: checksum "):
        aecodec.decode(damaged(data, 1))


@pytest.mark.usefixtures("small_tiles")
def test_a_damaged_tile_has_the_colour_of_those_around_it():
    image = np.full((300, 530, 3), 200, np.uint8)
    image[:, :256] = photo(300, 256)
    data = aecodec.encode(image, lossless=True)
    filled = aecodec.salvage(damaged(data, 2)).pixels[:256, 512:]
    assert (filled == 200).all()


@pytest.mark.usefixtures("small_tiles")
def test_wrong_bitstreams_under_right_checksums():
    """Nonsense behind a right head, another size, a tile cut short: each is named, and the rest is there."""
    image = photo(512, 512)
    data = aecodec.encode(image, lossless=True)
    tile = bytes(container.read(data).tiles[2])
    for wrong in (tile[:5] + b"\xff" * 90, tile[:-40], b"", tile[:1] + b"\0" + tile[2:]):
        bad = with_tile(data, 2, wrong)
        with pytest.raises(CorruptError, match=r"^tile 2: exact: "):
            aecodec.decode(bad)
        found = aecodec.salvage(bad)
        assert found.tiles == (2,)
        np.testing.assert_array_equal(found.pixels[:256], image[:256])


@pytest.mark.usefixtures("small_tiles")
def test_all_tiles_damaged_is_refused():
    data = damaged(aecodec.encode(photo(512, 300), lossless=True), 0, 1, 2, 3)
    with pytest.raises(CorruptError, match=r"^file: \d of \d tiles damaged, nothing to salvage; tile 0: checksum"):
        aecodec.salvage(data)


@pytest.mark.usefixtures("small_tiles")
def test_a_file_that_is_cut_off_keeps_what_is_there():
    image = photo(512, 512)
    data = aecodec.encode(image, lossless=True, metadata=aecodec.Metadata(xmp=b"<x/>"))
    found = aecodec.salvage(data[: container.read_index(data).tiles[3].offset + 9])
    assert (found.tiles, found.metadata.xmp) == ((3,), b"<x/>")
    np.testing.assert_array_equal(found.pixels[:256], image[:256])


def test_a_damaged_alpha_plane_is_opaque():
    image = np.dstack([screen(60, 60), np.add.outer(np.arange(60), np.arange(60)).astype(np.uint8)])
    data = bytearray(aecodec.encode(image, lossless=True))
    [(tag, extent)] = container.read_index(data).chunks
    assert tag == ALPH
    data[extent.offset + 3] ^= 1
    found = aecodec.salvage(bytes(data))
    np.testing.assert_array_equal(found.pixels[..., :3], image[..., :3])
    assert (found.pixels[..., 3] == 255).all()


# What is refused


@pytest.mark.parametrize("target", [{"quality": 75}, {"target_size": 9999}, {"target_bpp": 1}, {"target_psnr": 40}])
def test_there_is_one_quality(target):
    [name] = target
    with pytest.raises(EncodeError, match=f"^{name}: lossless files have one quality$"):
        aecodec.encode(screen(), lossless=True, **target)


def test_there_is_one_model():
    with pytest.raises(ValueError, match=r"^model: 'mnist-dense', expected none with lossless$"):
        aecodec.encode(screen(), lossless=True, model="mnist-dense")
    assert aecodec.encode(screen(), model="exact") == aecodec.encode(screen(), lossless=True)


def test_limits_hold():
    data = aecodec.encode(mixed(), lossless=True)
    for name, limits in (("pixels", aecodec.Limits(max_pixels=520 * 600 - 1)), ("tiles", aecodec.Limits(max_tiles=0))):
        for call in (aecodec.decode, aecodec.salvage, aecodec.read_info):
            with pytest.raises(aecodec.LimitError, match=name):
                call(data, limits=limits)
