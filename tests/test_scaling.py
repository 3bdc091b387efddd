"""Means over squares of pixels, against Pillow's and against fractions."""

from fractions import Fraction

import numpy as np
import pytest
from PIL import Image

from aecodec.scaling import FACTORS, factor_for, factor_of, reduced

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("factor", FACTORS)
@pytest.mark.parametrize("size", [(1, 1), (16, 16), (17, 33), (300, 5)])
def test_means_are_those_of_pillow(factor, size):
    image = RNG.integers(0, 256, (*size, 3), np.uint8)
    expected = np.asarray(Image.fromarray(image).reduce(factor))
    found = reduced(image, factor)
    assert (found.shape, found.dtype) == (expected.shape, np.uint8)
    assert np.abs(found.astype(int) - expected).max() <= 1


def test_a_square_that_is_cut_off_counts_what_is_there():
    image = np.array([[10, 20, 30], [30, 40, 60], [1, 2, 255]], np.uint8)
    np.testing.assert_array_equal(reduced(image, 2), [[25, 45], [2, 255]])


@pytest.mark.parametrize("channels", [2, 4])
def test_colours_are_weighted_by_alpha(channels):
    image = RNG.integers(0, 256, (8, 8, channels), np.uint8)
    image[:4, :4, -1] = 0
    found = reduced(image, 4, alpha=True)
    assert not found[0, 0].any()
    for y, x in ((0, 1), (1, 0), (1, 1)):
        square = image[4 * y : 4 * y + 4, 4 * x : 4 * x + 4].reshape(-1, channels).astype(int).tolist()
        weight = sum(pixel[-1] for pixel in square)
        for channel in range(channels - 1):
            exact = Fraction(sum(pixel[channel] * pixel[-1] for pixel in square), weight)
            assert abs(found[y, x, channel] - exact) <= Fraction(1, 2)
        assert abs(found[y, x, -1] - Fraction(weight, 16)) <= Fraction(1, 2)


def test_the_largest_sums_do_not_overflow():
    image = np.full((600, 40, 4), 255, np.uint8)
    assert (reduced(image, 16, alpha=True) == 255).all()


@pytest.mark.parametrize("scale", [0, -0.5, 2, 1 / 3, 1 / 32, float("nan"), float("inf")])
def test_other_scales_are_refused(scale):
    with pytest.raises(ValueError, match=r"^scale: .*, expected 1, 1/2, 1/4, 1/8 or 1/16$"):
        factor_of(scale)


@pytest.mark.parametrize("scale", ["1/2", None, True])
def test_what_is_no_number_is_named(scale):
    with pytest.raises(TypeError, match=r"^scale: \w+, expected a number$"):
        factor_of(scale)


def test_the_factor_for_a_size_keeps_so_many_pixels():
    for longest in range(1, 70):
        factor = factor_for(3, longest, 4)
        assert factor == 1 or longest / factor >= 4
        assert factor == 16 or longest / (2 * factor) < 4 or longest < 4
