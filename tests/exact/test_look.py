"""The look tells what is worth coding without loss from what is not."""

import math

import numpy as np
import pytest
from PIL import Image
from screens import photo, screen

import aecodec
from aecodec.exact import webp
from aecodec.exact.look import Look
from aecodec.families import by_name
from aecodec.model.point import QualityPoint


def lmbda(quality: float) -> float:
    model = by_name("photo")
    return QualityPoint(model, model.qindex(quality)).lmbda


def unasked() -> float:
    pytest.fail("the cost of a learned tile takes a synthesis")


@pytest.mark.parametrize("name", ["kodim05", "kodim15", "kodim20"])
def test_a_photograph_is_not_worth_it(name):
    """At the bytes that it takes, up to the highest quality."""
    for quality in (20, 75, 90, 100):
        size = len(aecodec.encode(photo(name=name), quality))
        assert not Look(photo(name=name)).worth_trying(size, lmbda(quality), unasked)


@pytest.mark.parametrize("bpp", [0.01, 0.3, 3])
def test_text_and_flat_colour_are_worth_it(bpp):
    """Text as soon as it takes as many bytes as at quality 50."""
    assert Look(np.full((256, 256, 3), 77, np.uint8)).worth_trying(256 * 256 * bpp / 8, lmbda(50), unasked)
    assert Look(screen()).worth_trying(256 * 256 * bpp / 8, lmbda(50), unasked) == (bpp > 0.1)


def test_a_photograph_is_worth_it_where_its_learned_bitstream_is_as_large():
    size = len(webp.encode(photo(), 1))
    assert Look(photo()).worth_trying(size, lmbda(75), lambda: 8 * size)
    assert not Look(photo()).worth_trying(size, lmbda(75), lambda: 7 * size)


@pytest.mark.parametrize("colours", [48, 256])
def test_a_dithered_picture_is_no_photograph(colours):
    """Half of its pixels repeat a neighbour, as in a smooth photograph; but it has few colours."""
    image = Image.fromarray(photo(name="kodim15"))
    dithered = np.asarray(image.quantize(colours, dither=Image.Dither.FLOYDSTEINBERG).convert("RGB"))
    assert Look(dithered).repeated > 0.2
    assert Look(photo(name="kodim15")).photographic
    assert Look(np.asarray(image.convert("L").convert("RGB"))).photographic
    assert not Look(dithered).photographic
    assert Look(dithered).worth_trying(256 * 256 * 1.5 / 8, lmbda(75), unasked)


def test_a_pattern_is_worth_it_though_its_neighbours_do_not_tell():
    board = np.repeat((np.indices((90, 90)).sum(0) % 2 * 255).astype(np.uint8)[..., None], 3, axis=-1)
    assert Look(board).lossless_bpp > 0.9
    assert Look(board).worth_trying(80, lmbda(1), unasked)


@pytest.mark.parametrize("quality", [75, 90, 100])
def test_noise_is_worth_it_long_before(quality):
    """Its error is large, so a quarter of the bits of a lossless bitstream is too much for the learned one."""
    noise = np.random.default_rng(1).integers(0, 256, (256, 256, 3), np.uint8)
    assert Look(noise).worth_trying(noise.size // 4, lmbda(quality), lambda: math.inf)
    assert not Look(noise).worth_trying(noise.size // 4, 0, unasked)


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 1), (2, 2), (1, 2), (17, 5)])
def test_tiles_of_a_few_rows_or_columns(size):
    look = Look(photo(300, 300)[: size[0], : size[1]])
    assert 0 <= look.lossless_bpp <= 24
    assert 0 <= look.repeated <= 1


def test_the_forecast_is_that_of_the_coder():
    """For a photograph within a third; noise takes all its bits, and a flat tile none."""
    for name in ("kodim05", "kodim15", "kodim20"):
        pixels = photo(name=name)
        look = Look(pixels)
        assert look.lossless_bpp == pytest.approx(8 * len(webp.encode(pixels, 1)) / 256**2, rel=0.35)
        assert look.repeated < 0.2
    noise = np.random.default_rng(0).integers(0, 256, (256, 256, 3), np.uint8)
    assert Look(noise).lossless_bpp == pytest.approx(24, abs=1)
    plain = Look(np.full((64, 64, 3), 9, np.uint8))
    assert (plain.lossless_bpp, plain.repeated) == pytest.approx((0, 1), abs=1e-9)


def test_flat_colours_are_told_from_gradients():
    y, x = np.mgrid[:256, :256]
    assert Look(screen()).flat
    assert Look(np.zeros((1, 1, 3), np.uint8)).flat
    assert not Look(np.stack([x, y, x // 2 + y // 2], -1).astype(np.uint8)).flat


@pytest.mark.parametrize("name", ["kodim05", "kodim15", "kodim20"])
def test_a_palette_is_for_graphics_with_noise_too_and_not_for_photographs(name):
    noise = np.random.default_rng(0).integers(-3, 4, (256, 256, 3))
    noisy = np.clip(screen() + noise, 0, 255).astype(np.uint8)
    for image in (screen(), noisy):
        assert Look(image).palette_worth_trying(12_000)
        assert not Look(image).palette_worth_trying(1_000)
    assert Look(screen()).repeats
    assert not Look(noisy).repeats
    y, x = np.mgrid[:256, :256]
    for gradient in (np.stack([x, x, x], -1), np.stack([y, y // 2, x], -1), np.stack([y, y, y], -1)):
        assert not Look(gradient.astype(np.uint8)).palette_worth_trying(12_000)
    for quality in (20, 75):
        assert not Look(photo(name=name)).palette_worth_trying(len(aecodec.encode(photo(name=name), quality)))
