"""Distortions of training against windows of NumPy."""

import numpy as np
import pytest

pytest.importorskip("keras")

from keras import ops

from aecodec.pixels import YCBCR
from aecodec.train.losses import C1, C2, COARSE, SCALES, WEIGHTS, coarse_mse, masked_mse, ms_ssim_loss

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@pytest.fixture(scope="module")
def pair() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    x = rng.uniform(-0.5, 0.5, (2, 64, 96, 3)) * np.linspace(0.1, 1, 96)[:, None]
    return x.astype(np.float32), (x + rng.normal(0, 0.05, x.shape)).astype(np.float32)


def windows(x: np.ndarray, size: int, step: int) -> np.ndarray:
    """(B, H, W, C) -> means of squares of this size at every `step` pixels."""
    squares = np.lib.stride_tricks.sliding_window_view(x, (size, size), axis=(1, 2))
    return squares[:, ::step, ::step].mean((-2, -1))


def test_structure_is_compared_in_boxes_of_8x8_at_four_scales(pair):
    a, b = (x.astype(float) @ YCBCR + [0.5, 0, 0] for x in pair)
    total = np.zeros(2)
    for scale in range(SCALES):
        if scale:
            a, b = windows(a, 2, 2), windows(b, 2, 2)
        mean_a, mean_b = windows(a, 8, 4), windows(b, 8, 4)
        covariance = windows(a * b, 8, 4) - mean_a * mean_b
        variances = windows(a**2 + b**2, 8, 4) - mean_a**2 - mean_b**2
        light = (2 * mean_a * mean_b + C1) / (mean_a**2 + mean_b**2 + C1)
        total += (light * (2 * covariance + C2) / (variances + C2)).mean((1, 2)) @ WEIGHTS / SCALES
    np.testing.assert_allclose(ops.convert_to_numpy(ms_ssim_loss(*pair)), 640 * (1 - total), rtol=1e-3)


def test_contrast_hides_errors(pair):
    x, x_hat = (y.astype(float) @ YCBCR for y in pair)
    variance = np.maximum(windows(x[..., :1] ** 2, 8, 4) - windows(x[..., :1], 8, 4) ** 2, 0)
    weight = 0.04 / (np.sqrt(variance + 1e-8) + 0.02)
    expected = 255**2 * (windows((x_hat - x) ** 2, 8, 4) * weight).mean((1, 2)) @ WEIGHTS
    np.testing.assert_allclose(ops.convert_to_numpy(masked_mse(*pair)), expected, rtol=1e-3)


def test_coarse_errors_are_those_of_means(pair):
    error, total = (pair[1].astype(float) - pair[0]) @ YCBCR, np.zeros(2)
    for weight, size in zip(COARSE, (2, 4, 8), strict=True):
        total += weight * np.square(windows(error, size, size)).mean((1, 2)) @ WEIGHTS
    np.testing.assert_allclose(ops.convert_to_numpy(coarse_mse(*pair)), 255**2 * total, rtol=1e-3)
