"""Refinement at the encoder: what it gains in real files, against its formula, and what must not depend on it."""

import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from lapping import strips_of
from PIL import Image
from typer.testing import CliRunner

import aecodec
from aecodec import research
from aecodec.bench.images import SAMPLES
from aecodec.cli import app
from aecodec.codec import refine
from aecodec.codec.encoder import Encoder
from aecodec.families import by_name
from aecodec.model.point import QualityPoint
from aecodec.pixels import psnr
from aecodec.settings import Settings
from aecodec.system.parallel import Workers

TESTS = Path(__file__).parents[1]
QUALITIES = (5, 40, 75, 100)


def sample(name: str = "kodim15") -> np.ndarray:
    with Image.open(SAMPLES / f"{name}_crop.png") as image:
        return np.asarray(image.convert("RGB"))


def wide(height: int, width: int) -> np.ndarray:
    more = (0, max(0, height - 256)), (0, max(0, width - 256)), (0, 0)
    return np.ascontiguousarray(np.pad(sample("kodim05"), more, mode="symmetric")[:height, :width])


def curve(image: np.ndarray, effort: int) -> tuple[list[float], list[float]]:
    """PSNRs and logarithms of the bytes."""
    files = [aecodec.encode(image, quality, effort=effort) for quality in QUALITIES]
    return [psnr(image, aecodec.decode(data)) for data in files], [np.log(len(data)) for data in files]


def saved(anchor: tuple, other: tuple) -> float:
    """Share of the bytes that `other` saves on average at the same PSNR."""
    levels = np.linspace(max(anchor[0][0], other[0][0]), min(anchor[0][-1], other[0][-1]), 100)
    return 1 - np.exp(np.mean(np.interp(levels, *other) - np.interp(levels, *anchor)))


@pytest.mark.parametrize("name", ["kodim05", "kodim20"])
def test_effort_makes_files_smaller_at_the_same_psnr(name):
    none, one, three = (curve(sample(name), effort) for effort in (0, 1, 3))
    assert saved(none, one) > 0.015
    assert saved(one, three) > 0.003
    assert all(after > before for before, after in zip(none[0], one[0], strict=True))


@pytest.mark.parametrize("quality", [10, 60, 95])
def test_a_step_is_the_formula(quality):
    """On a picture that is one strip and one window."""
    image, weights = sample(), by_name("photo")
    units = weights.qindex(quality)
    with Workers(2) as workers:
        source = Encoder(image, Settings(tune="psnr"), weights, workers)
        coder, y = source.coder(units), source.latents.y
        (strip,) = source.refined(coder)
        y_hat = np.empty_like(y)
        coder.reconstruct(replace(source.latents, hyper=strip.hyper), y_hat)
    error = weights.synthesis(y_hat, QualityPoint(weights, units).features).astype(np.float32) - image
    newton = QualityPoint(weights, units).inverse_curvature * weights.adjoint(strips_of(error), error.shape[:2])
    rounding = y_hat / (QualityPoint(weights, units).gain * QualityPoint(weights, units).inverse_gain) - y
    np.testing.assert_allclose(strip.y, y - 0.4 * (newton - rounding), atol=1e-4)
    assert np.abs(strip.y - y).max() > 1e-3


def test_the_hyperprior_stays():
    """So the scales of the symbols do too."""
    image = wide(300, 280)
    plain, refined = (research.decode_symbols(aecodec.encode(image, 60, effort=effort)) for effort in (0, 2))
    for (z, index, _), (z_refined, index_refined, _) in zip(plain, refined, strict=True):
        np.testing.assert_array_equal(z, z_refined)
        np.testing.assert_array_equal(index, index_refined)
    assert any(not np.array_equal(r, again) for (_, _, r), (_, _, again) in zip(plain, refined, strict=True))


@pytest.mark.parametrize(("height", "width", "cuts"), [(1500, 200, [64]), (100, 1300, [41])])
def test_strips_and_windows_leave_no_mark(height, width, cuts, monkeypatch):
    """In pieces a picture comes out as if it were in one, but for a little near the cuts."""
    with Workers(2) as workers:
        encoder = Encoder(wide(height, width), Settings(tune="psnr"), by_name("photo"), workers)
        assert encoder.latents.y.any()  # the same for both

        def latents() -> np.ndarray:
            return np.concatenate([strip.y for strip in encoder.refined(encoder.coder(1024))])

        pieces = latents()
        monkeypatch.setattr(refine, "_ROWS", 1000)
        monkeypatch.setattr(refine, "_WINDOW", 1000)
        whole = latents()
    difference = np.abs(pieces - whole)
    near = np.abs(np.arange(max(whole.shape[:2]))[:, None] + 0.5 - np.array(cuts)).min(1) < 3
    along = difference.max((1, 2) if height > width else (0, 2))
    assert along[~near].max() < 1e-3 < along[near].max()
    assert difference.mean() < 1e-3 * np.abs(whole).mean()


def test_the_number_of_threads_does_not_matter():
    image = wide(300, 700)
    assert len({aecodec.encode(image, 50, effort=2, threads=threads) for threads in (1, 5)}) == 1


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (300, 1), (17, 33), (33, 600), (16, 16, 4), (40, 30, 2)])
def test_any_size_and_kind(shape):
    image = wide(*shape[:2])
    image = image if len(shape) == 2 else np.dstack([image, image[..., 0]])[..., : shape[2]]
    found = aecodec.decode(aecodec.encode(image, 90, effort=9))
    assert found.shape == image.shape
    colours = len(shape) == 2 or shape[2] == 4
    np.testing.assert_array_equal(found[..., 3 if colours else 1 :], image[..., 3 if colours else 1 :])
    close = slice(3) if colours else slice(1)
    assert psnr(np.ascontiguousarray(image[..., close]), np.ascontiguousarray(found[..., close])) > 30


def test_one_is_the_default():
    image = sample()
    assert aecodec.encode(image, 40) == aecodec.encode(image, 40, effort=1) != aecodec.encode(image, 40, effort=0)


def test_weights_that_cannot_refine_code_as_without(monkeypatch, tmp_path):
    """As those of an export that is under way."""
    shutil.copytree(TESTS / "tiny", tmp_path, dirs_exist_ok=True)
    numbers, manifest = tmp_path / "tiny" / "numbers.npz", json.loads((tmp_path / "manifest.json").read_text())
    with np.load(numbers) as arrays:
        np.savez(numbers, **{name: array for name, array in arrays.items() if name != "log_inverse_curvature"})
    manifest["models"]["tiny"]["files"]["numbers.npz"] = hashlib.sha256(numbers.read_bytes()).hexdigest()
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    monkeypatch.setenv("AECODEC_WEIGHTS", str(tmp_path))
    image = sample()
    assert aecodec.encode(image, 50, model="tiny", effort=3) == aecodec.encode(image, 50, model="tiny", effort=0)


def test_the_option_reaches_the_encoder():
    call = ["compress", str(SAMPLES / "kodim15_crop.png"), "-q", "40", "-o", "-"]
    for options, effort in (([], 1), (["-e", "0"], 0), (["--effort", "2"], 2)):
        done = CliRunner().invoke(app, [*call, *options])
        assert done.stdout_bytes == aecodec.encode(sample(), 40, effort=effort)


def test_tiles_of_a_sample_are_refined_as_in_the_picture():
    """Also where the last row and column of tiles are cut by the edge of the picture, in the middle of a latent."""
    image, weights = wide(505, 505), by_name("photo")
    with Workers(2) as workers:
        source = Encoder(image, Settings(tune="psnr"), weights, workers)
        probe = source.sample(source.latents.tiles)
        decoded, part = np.empty_like(source.latents.y), np.empty_like(probe.latents.y)
        source.reconstruct(1024, decoded)
        probe.reconstruct(1024, part)
    assert probe.pixels.shape == (256, 1024, 3)
    for tile, alone in zip(source.latents.tiles, probe.latents.tiles, strict=True):
        there, here = decoded[tile.inside], part[alone.inside]
        middle = slice(6, 10)
        assert np.abs(there - here)[middle, middle].mean() < 0.02 * np.abs(there[middle, middle]).mean()


@pytest.mark.parametrize("effort", [-1, 10])
def test_effort_out_of_range(effort):
    with pytest.raises(ValueError, match=rf"^effort: {effort}, expected 0 to 9$"):
        aecodec.encode(sample()[:8, :8], effort=effort)


def test_effort_is_an_integer():
    with pytest.raises(TypeError):
        aecodec.encode(sample()[:8, :8], effort=1.5)
