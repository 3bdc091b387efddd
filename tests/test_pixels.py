"""Channels, luma and PSNR, against whole-array formulas; in bands they must be the same."""

import math

import numpy as np
import pytest

from aecodec.errors import EncodeError
from aecodec.pixels import LUMA, decibels, luma, merge, psnr, psnr_of, split, squared_error


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 2), (5, 7, 3), (5, 7, 4)])
def test_split_and_merge(shape):
    image = noise(*shape)
    rgb, alpha, channels = split(image)
    assert (rgb.shape, channels) == ((5, 7, 3), 1 if len(shape) == 2 else shape[2])
    colours = rgb if channels > 2 else rgb[..., 0]
    np.testing.assert_array_equal(merge(colours, alpha), image)
    assert merge(colours, alpha).flags.c_contiguous
    if channels < 3:
        assert (rgb == rgb[..., :1]).all()


def test_split_refuses_an_image_without_pixels():
    with pytest.raises(EncodeError, match=r"^image: 0x4, expected at least 1x1$"):
        split(np.zeros((4, 0, 3), np.uint8))


def test_luma_of_many_rows():
    rgb = noise(600, 3, 3)
    expected = (rgb.astype(int) @ [299, 587, 114] + 500) // 1000
    np.testing.assert_array_equal(luma(rgb), expected)
    red, green = np.indices((256, 256))
    rgb = np.stack([red, green, (7 * red + 13 * green) % 256], -1).astype(np.uint8)
    np.testing.assert_array_equal(luma(rgb), (rgb.astype(int) @ [299, 587, 114] + 500) // 1000)
    grey = noise(9, 9)
    np.testing.assert_array_equal(luma(split(grey).rgb), grey)


@pytest.mark.parametrize("shape", [(600, 11), (600, 11, 3), (1, 1)])
def test_psnr_of_many_rows(shape):
    a, b = noise(*shape), noise(*shape, seed=1)
    mse = np.mean((a.astype(float) - b) ** 2)
    assert squared_error(a, b) == round(mse * a.size)
    assert psnr(a, b) == pytest.approx(10 * math.log10(255**2 / mse))
    assert psnr(a, a) == math.inf
    assert psnr_of(255**2 * 10, 10) == 0


def test_decibels_of_numbers_and_arrays():
    assert decibels(255**2) == 0
    assert decibels(0) == math.inf
    assert decibels(0, floor=255**2 / 10) == pytest.approx(10)
    np.testing.assert_allclose(decibels(np.array([0.0, 65.025, 6502.5]), floor=65.025), [30, 30, 10])


def test_luma_in_thousandths_is_that_of_bt_601():
    assert (LUMA / 1000).tolist() == [0.299, 0.587, 0.114]
