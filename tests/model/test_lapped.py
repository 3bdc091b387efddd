"""The overlap of the lapped transform, against its formula border by border and against its mathematics."""

import numpy as np
import pytest
from lapping import overlapped

from aecodec.model import lapped
from aecodec.model.lapped import segment_matrix

RNG = np.random.default_rng(5)
V = (np.eye(8) + 0.2 * RNG.standard_normal((8, 8))).astype(np.float32)


def border_by_border(x: np.ndarray, v: np.ndarray) -> np.ndarray:
    """FORMAT.md, section 9, in float64."""
    x = x.astype(np.float64)
    for axis in (1, 0):
        lines = np.moveaxis(x, axis, 0)
        for border in range(16, len(lines), 16):
            a, b = lines[border - 8 : border][::-1].copy(), lines[border : border + 8].copy()
            changed = np.tensordot(v.astype(np.float64).T, a - b, 1)
            lines[border - 8 : border] = ((a + b + changed) / 2)[::-1]
            lines[border : border + 8] = (a + b - changed) / 2
    return x


@pytest.mark.parametrize("size", [(16, 16), (16, 48), (48, 16), (32, 32), (64, 176), (272, 80)])
@pytest.mark.parametrize("samples", [1, 24_000, lapped._SAMPLES])
def test_is_the_formula(size, samples, monkeypatch):
    """However many rows a strip has."""
    monkeypatch.setattr(lapped, "_SAMPLES", samples)
    x = RNG.uniform(0, 255, (*size, 3)).astype(np.float32)
    found = overlapped(x, V)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, border_by_border(x, V), atol=2e-3)


def test_the_inverse_matrix_undoes_it():
    x = RNG.uniform(0, 255, (96, 64, 3)).astype(np.float32)
    there = overlapped(x, V)
    assert np.abs(there - x).max() > 10
    np.testing.assert_allclose(overlapped(there, np.linalg.inv(V)), x, atol=0.02)


def test_the_transposed_matrix_gives_the_transposed_filter():
    x, error = RNG.normal(size=(2, 80, 96, 3)).astype(np.float32)
    there, back = overlapped(x, V), overlapped(error, V.T)
    assert np.vdot(there, error) == pytest.approx(np.vdot(x, back), abs=1e-2)


def test_mirrored_squares_and_flat_areas_stay():
    square = RNG.uniform(0, 255, (16, 16, 3)).astype(np.float32)
    x = np.concatenate([square, square[:, ::-1]], axis=1)
    x = np.concatenate([x, x[::-1]], axis=0)
    np.testing.assert_allclose(overlapped(x, V), x, atol=1e-3)
    flat = np.full((48, 48, 3), 77.0, np.float32)
    np.testing.assert_allclose(overlapped(flat, V), flat, atol=1e-4)


def test_the_same_in_any_window():
    """What lies 16 pixels or more inside a window does not depend on it."""
    x = RNG.uniform(0, 255, (160, 192, 3)).astype(np.float32)
    whole, part = overlapped(x, V), overlapped(x[32:128, 48:160], V)
    np.testing.assert_allclose(part[16:-16, 16:-16], whole[48:112, 64:144], atol=1e-4)


def test_identity():
    np.testing.assert_array_equal(segment_matrix(np.eye(8, dtype=np.float32)), np.eye(16))
