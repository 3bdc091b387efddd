"""Palettes of exact tiles."""

import numpy as np
import pytest
from screens import photo, screen

from aecodec.exact.colours import COLOURS, MEDIAN_CUT, METHODS, OCTREE, FewerColours, Palette
from aecodec.pixels import psnr


@pytest.fixture
def gradient() -> np.ndarray:
    """A smooth surface with thousands of colours."""
    y, x = np.mgrid[:64, :80]
    return np.stack([3 * x, 3 * y, x + y], -1).astype(np.uint8)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("colours", COLOURS)
def test_so_many_colours_are_left(gradient, method, colours):
    reduced = FewerColours(gradient).with_palette(Palette(method, colours))
    assert reduced.shape == gradient.shape
    assert reduced.dtype == np.uint8
    assert colours // 4 < len(np.unique(reduced.reshape(-1, 3), axis=0)) <= colours


@pytest.mark.parametrize("method", METHODS)
def test_more_colours_are_nearer(gradient, method):
    values = [psnr(gradient, FewerColours(gradient).with_palette(Palette(method, colours))) for colours in COLOURS]
    assert values == sorted(values)
    assert values[0] > 12


def test_few_colours_stay_what_they_are():
    image = np.array([[[1, 2, 3], [200, 100, 0]], [[9, 9, 9], [1, 2, 3]]], np.uint8).repeat(20, 0).repeat(20, 1)
    assert np.array_equal(FewerColours(image).with_palette(Palette(MEDIAN_CUT, 8)), image)


def noisy(image: np.ndarray) -> np.ndarray:
    noise = np.random.default_rng(0).integers(-3, 4, image.shape)
    return np.clip(image + noise, 0, 255).astype(np.uint8)


def test_an_octree_turns_noise_into_one_colour_and_median_cut_does_not():
    """Neighbours that are equal, as a lossless coder wants them."""
    image = noisy(np.full((64, 64, 3), 100))
    equal = {}
    for method in METHODS:
        reduced = FewerColours(image).with_palette(Palette(method, 16))
        equal[method] = (reduced[1:] == reduced[:-1]).all(-1).mean()
    assert equal[OCTREE] > 2 * equal[MEDIAN_CUT]


def test_smooth_areas_have_no_steps():
    """Text on noise may have few colours, a gradient and flat areas of nearly the same colour may not."""
    assert FewerColours(screen()).keeps_smooth_areas(screen())
    text = noisy(screen())
    assert FewerColours(text).keeps_smooth_areas(FewerColours(text).with_palette(Palette(OCTREE, 128)))
    y, x = np.mgrid[:128, :128]
    for image in (np.stack([x, y, x // 2 + y // 2], -1).astype(np.uint8), photo(name="kodim15")):
        for method in METHODS:
            assert not FewerColours(image).keeps_smooth_areas(FewerColours(image).with_palette(Palette(method, 32)))
    cards = np.full((256, 256, 3), 255, np.uint8)
    cards[100:124] = 247, 248, 249  # the gap between them
    assert not FewerColours(cards).keeps_smooth_areas(np.full_like(cards, 255))
    assert FewerColours(cards).keeps_smooth_areas(np.where(cards == 247, np.uint8(248), cards))


def test_a_glow_has_no_contours():
    y, x = np.mgrid[:256, :256]
    glow = np.clip(255 - np.hypot(y - 128, x - 128) * 3, 60, 255)
    image = np.stack([glow, glow / 2, glow / 2], -1).astype(np.uint8)
    assert FewerColours(image).makes_contours(FewerColours(image).with_palette(Palette(MEDIAN_CUT, 16)))
    assert not FewerColours(image).makes_contours(FewerColours(image).with_palette(Palette(MEDIAN_CUT, 256)))
    text = noisy(screen())
    for method in METHODS:
        assert not FewerColours(text).makes_contours(FewerColours(text).with_palette(Palette(method, 128)))


def test_a_tile_that_would_look_worse_is_not_reduced():
    """Clean text may have any palette of median cut, noisy text one of an octree, a photograph none."""
    text = noisy(screen())
    assert FewerColours(screen()).methods == METHODS
    assert FewerColours(text).methods == (OCTREE,)
    for image, palette in ((screen(), Palette(MEDIAN_CUT, 8)), (text, Palette(OCTREE, 128))):
        assert np.array_equal(FewerColours(image).reduced(palette), FewerColours(image).with_palette(palette))
    assert FewerColours(screen()).reduced(Palette(OCTREE, 8)) is None
    assert FewerColours(photo(name="kodim15")).reduced(Palette(OCTREE, 32)) is None


@pytest.mark.parametrize("size", [(1, 1), (7, 300), (9, 8)])
def test_tiles_of_a_few_rows_or_columns(size):
    image = np.zeros((*size, 3), np.uint8)
    assert FewerColours(image).keeps_smooth_areas(image)
    assert not FewerColours(image).makes_contours(image)
