"""Colours that nobody sees."""

import numpy as np
import pytest

from aecodec.codec.hidden import fill_hidden


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (5, 3), (300, 257)])
def test_filling_leaves_what_is_seen_and_is_smooth_elsewhere(size):
    rng = np.random.default_rng(1)
    rgb = rng.integers(0, 256, (*size, 3), np.uint8)
    seen = np.zeros(size, bool)
    assert (fill_hidden(rgb, seen) == 0).all()  # nothing is seen
    seen[0, 0] = True
    assert (fill_hidden(rgb, seen) == rgb[0, 0]).all()
    seen[:] = rng.random(size) < 0.5
    assert (fill_hidden(rgb, seen)[seen] == rgb[seen]).all()
    seen[:] = True
    assert fill_hidden(rgb, seen) is rgb
