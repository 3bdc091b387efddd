"""Denoising with classic models."""

import numpy as np
import pytest
from digits import drawn, wave

from aecodec.classic import denoise
from aecodec.errors import EncodeError

pytestmark = pytest.mark.usefixtures("tiny_weights")


DIGITS = drawn(10)[0]


@pytest.mark.parametrize("channels", [0, 2, 3, 4])
def test_a_denoiser_of_photographs_takes_any_picture(channels):
    before = wave(37, 51, channels)
    after = denoise.denoise(before, denoise.denoiser("photo-denoise"))
    assert after.shape == before.shape
    assert after.dtype == np.uint8
    if channels in (2, 4):
        assert (after[..., -1] == before[..., -1]).all()


def test_windows_leave_no_seams(monkeypatch):
    net = denoise.denoiser("photo-denoise")
    before = np.random.default_rng(3).integers(0, 256, (101, 150, 3), np.uint8)
    whole = denoise.denoise(before, net)
    monkeypatch.setattr(denoise, "WINDOW", 40)
    assert np.abs(denoise.denoise(before, net).astype(int) - whole).max() <= 1


def test_digits_lose_their_noise():
    net = denoise.denoiser("mnist-denoise")
    clean = DIGITS[2]
    rng = np.random.default_rng(4)
    seen = np.clip(clean + 128 * rng.standard_normal(clean.shape), 0, 255).astype(np.uint8)
    error = [((one / 255.0 - clean / 255.0) ** 2).mean() for one in (seen, denoise.denoise(seen, net))]
    assert error[1] < error[0] / 2
    with pytest.raises(EncodeError, match="expected 28x28"):
        denoise.denoise(wave(29, 28), net)
    with pytest.raises(EncodeError, match="expected grey"):
        denoise.denoise(wave(28, 28, 3), net)
