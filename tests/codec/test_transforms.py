"""Learned tiles beside exact ones: no seam, the same in parts and as a whole, with any number of threads."""

import numpy as np
import pytest
from screens import mixed, photo

import aecodec
from aecodec import container
from aecodec.codec import competition, tilecoder, transforms
from aecodec.exact import webp
from aecodec.exact.look import Look
from aecodec.pixels import luma, psnr


@pytest.fixture(scope="module")
def data(mixed_file) -> bytes:
    assert 0 < aecodec.read_info(mixed_file).exact < aecodec.read_info(mixed_file).tiles
    return mixed_file


@pytest.fixture(scope="module")
def whole(data) -> np.ndarray:
    return aecodec.decode(data, threads=1)


def assert_near(found: np.ndarray, expected: np.ndarray):
    assert found.shape == expected.shape
    assert np.abs(found.astype(int) - expected).max() <= 1


def test_pixels_beside_exact_tiles_are_as_good_as_beside_learned_ones(monkeypatch):
    """In the 16 columns left of an exact tile: a photograph whose right half is stored without loss."""
    image = photo(256, 512, "kodim15")
    sizes = {}

    def half(look: Look, *_: float) -> bool:
        return np.array_equal(look.pixels, image[:, 256:])

    border = np.s_[:, 240:256]
    values = {}
    for quality in (30, 75, 95):
        with monkeypatch.context() as patch:
            patch.setattr(Look, "worth_trying", lambda *_: False)
            learned = aecodec.encode(image, quality)
        with monkeypatch.context() as patch:
            patch.setattr(Look, "worth_trying", half)
            patch.setattr(competition.Competition, "_error", lambda *_: 10**12)
            beside = aecodec.encode(image, quality)
        assert container.read(beside).exact == {1}
        sizes[quality] = len(beside)
        values[quality] = [psnr(aecodec.decode(d)[border], image[border]) for d in (learned, beside)]
        np.testing.assert_array_equal(aecodec.decode(beside)[:, 256:], image[:, 256:])
    for before, after in values.values():
        assert after >= before - 0.2, values


def test_without_the_analysis_of_exact_pixels_there_is_a_seam(monkeypatch):
    """That the test above can fail: with zeros behind the border its columns lose more than 1 dB."""
    image = photo(256, 512, "kodim15")
    monkeypatch.setattr(Look, "worth_trying", lambda look, *_: np.array_equal(look.pixels, image[:, 256:]))
    monkeypatch.setattr(competition.Competition, "_error", lambda *_: 10**12)
    data = aecodec.encode(image, 75)
    border = np.s_[:, 240:256]
    right = psnr(aecodec.decode(data)[border], image[border])
    real = transforms._grown
    monkeypatch.setattr(transforms, "_grown", lambda *args: np.zeros_like(real(*args)))
    assert psnr(aecodec.decode(data)[border], image[border]) < right - 1


@pytest.mark.parametrize(
    "region",
    [(0, 0, 256, 256), (0, 0, 600, 520), (200, 200, 150, 150), (255, 255, 2, 2), (300, 0, 30, 520)],
)
def test_a_region_is_the_cut(data, whole, region):
    x, y, width, height = region
    assert_near(aecodec.decode(data, region=region), whole[y : y + height, x : x + width])


def test_regions_of_an_image_whose_kinds_alternate(monkeypatch):
    """Latents behind exact tiles depend on pixels, and these on latents further away."""
    image = photo(256, 1280, "kodim20")
    kinds = iter([False, True, False, True, False])
    monkeypatch.setattr(Look, "worth_trying", lambda *_: next(kinds))
    monkeypatch.setattr(competition.Competition, "_error", lambda *_: 10**12)
    data = aecodec.encode(image, 60, threads=1)
    assert container.read(data).exact == {1, 3}
    whole = aecodec.decode(data)
    for x in range(500, 800, 61):
        assert_near(aecodec.decode(data, region=(x, 100, 9, 50)), whole[100:150, x : x + 9])


def test_the_number_of_threads_does_not_matter(data, whole):
    """Both were made by one."""
    np.testing.assert_array_equal(aecodec.decode(data, threads=5), whole)
    assert aecodec.encode(mixed(), 75, threads=5) == data


@pytest.mark.parametrize("window", [13, 19, 24])
@pytest.mark.parametrize("threads", [1, 5])
def test_windows_do_not_show(data, whole, monkeypatch, window, threads):
    """Nor do the blocks of rows in which latents come."""
    monkeypatch.setattr(transforms, "WINDOW", window)
    monkeypatch.setattr(tilecoder, "BATCH", 1)
    np.testing.assert_array_equal(aecodec.decode(data, threads=threads), whole)


@pytest.mark.parametrize("channels", [1, 2, 4])
def test_other_kinds_of_pixels(channels):
    image = mixed(300, 600)
    alpha = np.maximum(image[..., 2], 1)  # nothing is hidden
    planes = {1: image[..., 1], 2: np.dstack([image[..., 1], alpha]), 4: np.dstack([image, alpha])}
    planes = np.ascontiguousarray(planes[channels])
    data = aecodec.encode(planes, 80)
    file = container.read(data)
    assert 0 < len(file.exact) < file.header.tile_count
    found = aecodec.decode(data)
    for number in file.exact:
        x, y, width, height = file.header.tile_area(number)
        area = np.s_[y : y + height, x : x + width]
        stored = webp.decode(file.tiles[number], height, width)
        colours = found[area].reshape(height, width, -1)[..., : 3 if channels == 4 else 1]
        np.testing.assert_array_equal(colours, stored if channels == 4 else luma(stored)[..., None])
        assert psnr(found[area], planes[area]) > 33
    assert_near(aecodec.decode(data, region=(200, 100, 90, 40)), found[100:140, 200:290])


def test_a_damaged_exact_tile_is_filled_and_named(data, whole):
    file = container.read(data)
    number = max(file.exact)
    extent = container.read_index(data).tiles[number]
    bad = bytearray(data)
    bad[extent.offset + extent.size // 2] ^= 1
    found = aecodec.salvage(bytes(bad))
    assert found.tiles == (number,)
    [line] = found.damage
    assert line.startswith(f"tile {number}: checksum ")
    for other in file.exact - {number}:
        x, y, width, height = file.header.tile_area(other)
        area = np.s_[y : y + height, x : x + width]
        np.testing.assert_array_equal(found.pixels[area], whole[area])


def test_a_damaged_learned_tile_leaves_exact_ones_alone(data, whole):
    file = container.read(data)
    extent = container.read_index(data).tiles[0]
    assert 0 not in file.exact
    bad = bytearray(data)
    bad[extent.offset + 4] ^= 1
    found = aecodec.salvage(bytes(bad))
    assert found.tiles == (0,)
    for number in file.exact:
        x, y, width, height = file.header.tile_area(number)
        area = np.s_[y : y + height, x : x + width]
        np.testing.assert_array_equal(found.pixels[area], whole[area])
