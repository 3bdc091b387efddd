"""The look tells what is worth coding without loss from what is not."""

import numpy as np
import pytest
from PIL import Image
from screens import photo, screen

import aecodec
from aecodec.exact import webp
from aecodec.exact.look import flat, lossless_bpp, palette_worth_trying, photographic, repeats, worth_trying
from aecodec.families import by_name
from aecodec.model.point import QualityPoint


def lmbda(quality: float) -> float:
    model = by_name("photo")
    return QualityPoint(model, model.qindex(quality)).lmbda


@pytest.mark.parametrize("name", ["kodim05", "kodim15", "kodim20"])
def test_a_photograph_is_not_worth_it(name):
    """At the bytes that it takes, up to the highest quality."""
    for quality in (20, 75, 90, 100):
        assert not worth_trying(photo(name=name), len(aecodec.encode(photo(name=name), quality)), lmbda(quality))


@pytest.mark.parametrize("bpp", [0.01, 0.3, 3])
def test_text_and_flat_colour_are_worth_it(bpp):
    """Text as soon as it takes as many bytes as at quality 50."""
    assert worth_trying(np.full((256, 256, 3), 77, np.uint8), 256 * 256 * bpp / 8, lmbda(50))
    assert worth_trying(screen(), 256 * 256 * bpp / 8, lmbda(50)) == (bpp > 0.1)


def test_a_photograph_is_worth_it_where_its_learned_bitstream_is_as_large():
    assert worth_trying(photo(), len(webp.encode(photo(), 1)), lmbda(75))


@pytest.mark.parametrize("colours", [48, 256])
def test_a_dithered_picture_is_no_photograph(colours):
    """Half of its pixels repeat a neighbour, as in a smooth photograph; but it has few colours."""
    image = Image.fromarray(photo(name="kodim15"))
    dithered = np.asarray(image.quantize(colours, dither=Image.Dither.FLOYDSTEINBERG).convert("RGB"))
    assert lossless_bpp(dithered)[1] > 0.2
    assert photographic(photo(name="kodim15"))
    assert photographic(np.asarray(image.convert("L").convert("RGB")))
    assert not photographic(dithered)
    assert worth_trying(dithered, 256 * 256 * 1.5 / 8, lmbda(75))


@pytest.mark.parametrize("quality", [75, 90, 100])
def test_noise_is_worth_it_long_before(quality):
    """Its error is large, so a quarter of the bits of a lossless bitstream is too much for the learned one."""
    noise = np.random.default_rng(1).integers(0, 256, (256, 256, 3), np.uint8)
    assert worth_trying(noise, noise.size // 4, lmbda(quality))
    assert not worth_trying(noise, noise.size // 4, 0)


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 1), (2, 2), (1, 2), (17, 5)])
def test_tiles_of_a_few_rows_or_columns(size):
    bpp, repeated = lossless_bpp(photo(300, 300)[: size[0], : size[1]])
    assert 0 <= bpp <= 24
    assert 0 <= repeated <= 1


def test_the_forecast_is_that_of_the_coder():
    """For a photograph within a third; noise takes all its bits, and a flat tile none."""
    for name in ("kodim05", "kodim15", "kodim20"):
        pixels = photo(name=name)
        bpp, repeated = lossless_bpp(pixels)
        assert bpp == pytest.approx(8 * len(webp.encode(pixels, 1)) / 256**2, rel=0.35)
        assert repeated < 0.2
    assert lossless_bpp(np.random.default_rng(0).integers(0, 256, (256, 256, 3), np.uint8))[0] == pytest.approx(
        24, abs=1
    )
    assert lossless_bpp(np.full((64, 64, 3), 9, np.uint8)) == pytest.approx((0, 1), abs=1e-9)


def test_flat_colours_are_told_from_gradients():
    y, x = np.mgrid[:256, :256]
    assert flat(screen())
    assert flat(np.zeros((1, 1, 3), np.uint8))
    assert not flat(np.stack([x, y, x // 2 + y // 2], -1).astype(np.uint8))


@pytest.mark.parametrize("name", ["kodim05", "kodim15", "kodim20"])
def test_a_palette_is_for_graphics_with_noise_too_and_not_for_photographs(name):
    noise = np.random.default_rng(0).integers(-3, 4, (256, 256, 3))
    noisy = np.clip(screen() + noise, 0, 255).astype(np.uint8)
    for image in (screen(), noisy):
        assert palette_worth_trying(image, 12_000)
        assert not palette_worth_trying(image, 1_000)
    assert repeats(screen())
    assert not repeats(noisy)
    y, x = np.mgrid[:256, :256]
    for gradient in (np.stack([x, x, x], -1), np.stack([y, y // 2, x], -1), np.stack([y, y, y], -1)):
        assert not palette_worth_trying(gradient.astype(np.uint8), 12_000)
    for quality in (20, 75):
        assert not palette_worth_trying(photo(name=name), len(aecodec.encode(photo(name=name), quality)))
