"""Palettes of exact tiles."""

import numpy as np
import pytest

from aecodec.exact.colours import ALL_COLOURS, COLOURS, with_colours
from aecodec.pixels import psnr


@pytest.fixture
def gradient() -> np.ndarray:
    """A smooth surface with thousands of colours."""
    y, x = np.mgrid[:64, :80]
    return np.stack([3 * x, 4 * y, x + y], -1).astype(np.uint8)


@pytest.mark.parametrize("colours", COLOURS[:-1])
def test_so_many_colours_are_left(gradient, colours):
    reduced = with_colours(gradient, colours)
    assert reduced.shape == gradient.shape
    assert reduced.dtype == np.uint8
    assert colours // 2 < len(np.unique(reduced.reshape(-1, 3), axis=0)) <= colours


def test_more_colours_are_nearer(gradient):
    values = [psnr(gradient, with_colours(gradient, colours)) for colours in COLOURS]
    assert values == sorted(values)
    assert values[-1] == np.inf
    assert values[0] > 15


def test_few_colours_stay_what_they_are():
    image = np.array([[[1, 2, 3], [200, 100, 0]], [[9, 9, 9], [1, 2, 3]]], np.uint8).repeat(20, 0).repeat(20, 1)
    assert np.array_equal(with_colours(image, 8), image)
    assert with_colours(image, ALL_COLOURS) is image
