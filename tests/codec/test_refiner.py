"""Refinement as an object, with a model that is made up: its formula, its strips, its hyperpriors."""

from collections.abc import Iterator
from types import SimpleNamespace

import numpy as np
import pytest
from lapping import strips_of

from aecodec.codec import refine
from aecodec.codec.latents import Latents
from aecodec.codec.refine import STEP, Refiner, gradient, strips
from aecodec.model.lapped import Fill
from aecodec.model.tuning import PSNR, VISUAL
from aecodec.system.parallel import Workers

M = 3


class Point:
    """A synthesis that repeats the first three channels in squares of 16x16 pixels, and its transpose."""

    inverse_curvature = np.float32([1, 2, 4]) / 256
    rounding_scale = np.float32([1, 1, 0.5])

    def __init__(self, tuning: int = PSNR):
        self.tuning, self.model = tuning, SimpleNamespace(adjoint=self.adjoint)

    def synthesis(self, y_hat: np.ndarray) -> np.ndarray:
        return np.clip(y_hat.repeat(16, 0).repeat(16, 1), 0, 255).astype(np.uint8)

    def adjoint(self, fill: Fill, size: tuple[int, int]) -> np.ndarray:
        height, width = size
        error = np.full((height, width, M), np.nan, np.float32)
        for top in range(0, height, 16):
            fill(top, error[top : top + 16])
        return error.reshape(height // 16, 16, width // 16, 16, M).sum((1, 3))


class Coder:
    """Rounds to multiples of 8; counts how often the hyperpriors are computed."""

    def __init__(self, workers: Workers):
        self.point, self.workers, self.asked = Point(), workers, 0

    def hyper(self, latents: Latents) -> list[str]:
        self.asked += 1
        return [f"hyperprior of {latents.top}"] * len(latents.tiles)

    def reconstruct(self, latents: Latents, out: np.ndarray) -> None:
        out[:] = np.round(latents.y / 8) * 8


def image_and_latents(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(height)
    y = rng.uniform(20, 230, (-(-height // 16), -(-width // 16), M)).astype(np.float32)
    return rng.integers(0, 256, (height, width, M), np.uint8), y


def expected(pixels: np.ndarray, y: np.ndarray) -> np.ndarray:
    point, y_hat = Point(), np.round(y / 8) * 8
    decoded = point.synthesis(y_hat).astype(np.float32)
    error = np.zeros_like(decoded)
    height, width, _ = pixels.shape
    error[:height, :width] = decoded[:height, :width] - pixels
    newton = point.inverse_curvature * point.adjoint(strips_of(error), error.shape[:2])
    return y - STEP * (newton - (point.rounding_scale * y_hat - y))


def cut(y: np.ndarray) -> Iterator[Latents]:
    return (Latents.of(y[rows], rows.start) for rows in strips(*y.shape[:2]))


@pytest.mark.parametrize("size", [(16, 16), (40, 50), (1100, 30), (30, 1300), (530, 700), (2060, 16)])
@pytest.mark.parametrize("rows", [1, 4])
def test_a_step_is_the_formula_whatever_the_strips(monkeypatch, size, rows):
    """The synthesis that is made up reaches no neighbour, so strips and windows must leave no mark at all."""
    monkeypatch.setattr(refine, "_ROWS", rows)
    pixels, y = image_and_latents(*size)
    with Workers(2) as workers:
        refined = list(Refiner(pixels, Coder(workers)).step(cut(y)))
    assert [strip.top for strip in refined] == list(range(0, len(y), 16 * rows))
    np.testing.assert_allclose(np.concatenate([strip.y for strip in refined]), expected(pixels, y), rtol=1e-5)


def test_steps_keep_the_first_hyperpriors():
    pixels, y = image_and_latents(1300, 40)
    with Workers(1) as workers:
        coder = Coder(workers)
        refiner, latents = Refiner(pixels, coder), cut(y)
        for _ in range(3):
            latents = refiner.step(latents)
        latents = list(latents)
    assert coder.asked == len(latents) == 2
    assert [strip.hyper[0] for strip in latents] == ["hyperprior of 0", "hyperprior of 64"]
    twice = expected(pixels, expected(pixels, expected(pixels, y)))
    np.testing.assert_allclose(np.concatenate([strip.y for strip in latents]), twice, rtol=1e-4)


def test_strips_cover_the_latents_and_wide_ones_are_a_row_of_tiles():
    assert strips(70, 3) == [slice(0, 64), slice(64, 70)]
    assert strips(40, 2000) == [slice(0, 16), slice(16, 32), slice(32, 40)]


def test_the_gradient_counts_no_pixel_outside_the_image():
    y_hat = np.full((2, 2, M), 100, np.float32)
    slope = gradient(y_hat, np.full((17, 20, M), 90, np.uint8), Point())
    np.testing.assert_array_equal(slope[..., 0], 10 * np.array([[256, 64], [16, 4]]))


def test_the_visual_tuning_corrects_errors_of_luma_above_all():
    """Grey ones count eight tenths, blue and yellow ones hardly."""
    pixels = np.full((16, 16, M), 100, np.uint8)
    grey, colour = np.float32([[[10, 10, 10]]]), np.float32([[[-4, -4, 14]]])
    for error, low, high in ((grey, 0.75, 0.85), (colour, 0.0, 0.15)):
        plain, seen = (gradient(100 + error, pixels, Point(tuning))[0, 0] @ error[0, 0] for tuning in (PSNR, VISUAL))
        assert low < seen / plain < high
