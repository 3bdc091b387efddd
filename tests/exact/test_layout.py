"""Tiles of lossless files: as small as bytes allow, and never more bytes than lossless WebP but for a little."""

import io

import numpy as np
import pytest
from PIL import Image
from screens import mixed, photo, screen

import aecodec
from aecodec.exact.layout import encode_image, layout
from aecodec.system.parallel import Workers

NOISE = np.random.default_rng(5)
IMAGES = {
    "photograph": photo(300, 520),
    "screen": screen(400, 1300),
    "photograph inside a screen": mixed(),
    "noise": NOISE.integers(0, 256, (200, 300, 3), np.uint8),
    "two levels of noise": NOISE.integers(0, 2, (300, 700, 1), np.uint8).repeat(3, axis=2) * 255,
    "pixel art": np.kron(NOISE.integers(0, 9, (90, 80, 3)), np.ones((8, 8, 1))).astype(np.uint8) * 28,
    "grey": photo(300, 300)[..., 1],
    "alpha": np.dstack([screen(300, 500), photo(300, 500)[..., 0]]),
    "one column": photo(2000, 1),
}


def webp_size(image: np.ndarray) -> int:
    file = io.BytesIO()
    Image.fromarray(image).save(file, "WEBP", lossless=True, exact=True, method=4, quality=90)
    return len(file.getvalue())


@pytest.mark.parametrize("name", IMAGES)
def test_sizes_are_those_of_lossless_webp(name):
    image = IMAGES[name]
    data = aecodec.encode(image, lossless=True)
    assert len(data) <= 1.01 * webp_size(image) + 100
    np.testing.assert_array_equal(aecodec.decode(data), image)


def test_twelve_megapixels_of_white_are_one_stream():
    white = np.full((3000, 4000, 3), 255, np.uint8)
    data = aecodec.encode(white, lossless=True)
    assert aecodec.read_info(data).tiles == 1
    assert len(data) <= 1.01 * webp_size(white) + 100
    np.testing.assert_array_equal(aecodec.decode(data, region=(3900, 2900, 100, 100)), white[:100, :100])


def test_a_photograph_keeps_small_tiles():
    info = aecodec.read_info(aecodec.encode(photo(500, 700), lossless=True))
    assert (info.tile, info.tiles, info.exact) == (256, 6, 6)


def test_larger_tiles_only_where_they_save_bytes():
    with Workers(2) as workers:
        for image in (screen(400, 1300), photo(300, 520), np.zeros((40, 5000, 3), np.uint8)):
            chosen = encode_image(image, 1, workers)
            sizes = {edge: layout(image, edge, 1, workers).size for edge in (256, 1024, 4096, 16383)}
            assert chosen.size <= 1.01 * min(sizes.values()) + 40
            smaller = [size for edge, size in sizes.items() if edge < chosen.edge]
            assert all(size > 1.004 * chosen.size for size in smaller)


def test_no_tile_is_larger_than_webp_can_be():
    strip = np.zeros((2, 17000, 3), np.uint8)
    data = aecodec.encode(strip, lossless=True)
    assert aecodec.read_info(data).tile <= 16383
    np.testing.assert_array_equal(aecodec.decode(data), strip)


def test_the_number_of_threads_does_not_matter():
    assert len({aecodec.encode(mixed(), lossless=True, threads=threads) for threads in (1, 3)}) == 1


def test_effort_saves_bytes():
    sizes = [len(aecodec.encode(photo(128, 128), lossless=True, effort=effort)) for effort in (0, 1, 9)]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] > sizes[2]
