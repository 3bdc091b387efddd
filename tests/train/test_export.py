"""Weights of a trained tiny shape: what they code, and that they do what training did."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from frameworks import TRAINING, keras_on_tensorflow
from lapping import overlapped, strips_of
from PIL import Image

import aecodec
from aecodec import api
from aecodec.model.model import Model
from aecodec.model.point import QualityPoint

keras = keras_on_tensorflow()
tf = pytest.importorskip("tensorflow")

from aecodec.train import export  # noqa: E402
from aecodec.train.transforms import Overlap  # noqa: E402
from train.runs import SAMPLES, SHAPE, command  # noqa: E402

pytestmark = TRAINING


@pytest.fixture(scope="module")
def exported(straight, tmp_path_factory) -> tuple[Path, Model]:
    from aecodec.cli.export import export as command

    folder = tmp_path_factory.mktemp("weights")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(export, "CROPS", 18)  # two for each knot
        command(straight, SAMPLES, out=folder, name="tiny", number=None, images=3, sources=None)
    entry = json.loads((folder / "manifest.json").read_text())["models"]["tiny"]
    return folder, Model("tiny", entry, folder / "tiny")


@pytest.fixture(scope="module")
def trained(straight):
    model, _ = export.load_trained(straight / "average.npz")
    return model


def test_the_command_writes_weights_with_their_hashes(exported, straight):
    folder, weights = exported
    manifest = json.loads((folder / "manifest.json").read_text())
    entry = manifest["models"]["tiny"]
    assert entry["id"] == 0x8000
    assert entry["shape"] == SHAPE.as_dict()
    assert entry["training"]["position"]["step"] == 3
    for file, digest in entry["files"].items():
        assert hashlib.sha256((folder / "tiny" / file).read_bytes()).hexdigest() == digest
    assert set(manifest["ids"]) == {"0x8000"}
    assert weights.self_test() == entry["self_test"]


def test_exported_weights_code_pictures(exported, monkeypatch):
    folder, weights = exported
    monkeypatch.setenv("AECODEC_WEIGHTS", str(folder))
    with Image.open(SAMPLES / "kodim20_crop.png") as f:
        image = np.asarray(f.convert("RGB"))[:100, :150]
    sizes = []
    for quality in (1, 50, 100):
        data = aecodec.encode(image, quality, model="tiny")
        found = aecodec.decode(data)
        assert found.shape == image.shape
        assert np.mean(np.abs(found.astype(float) - image)) < 30
        sizes.append(len(data))
    assert sizes == sorted(sizes)
    assert aecodec.read_info(data).model_id == weights.id


def test_tables_cover_every_symbol(exported):
    _, weights = exported
    assert weights.tables.z.shape == (9, 4, 127)
    assert [len(row) for row in weights.tables.r] == [63] * 9
    for table in [*weights.tables.z.reshape(-1, 127), *(table for row in weights.tables.r for table in row)]:
        assert table.min() >= 1
        assert int(table.sum(dtype=np.int64)) == 1 << 24


def relative(found: np.ndarray, expected: np.ndarray) -> float:
    """Root mean square of the difference, as a share of the expected values' own."""
    return float(np.sqrt(np.mean((found - expected) ** 2) / np.mean(expected**2)))


def test_the_adjoint_is_the_gradient_of_the_linear_synthesis(exported, trained):
    _, weights = exported
    rng = np.random.default_rng(6)
    y_hat = tf.constant(rng.normal(0, 1, (1, 6, 4, SHAPE.latent)).astype(np.float32))
    error = rng.normal(0, 9, (96, 64, 3)).astype(np.float32)
    with tf.GradientTape() as tape:
        tape.watch(y_hat)
        product = tf.reduce_sum(trained.post(trained.synthesis.linear(y_hat)) * error)
    assert relative(weights.adjoint(strips_of(error), error.shape[:2]), tape.gradient(product, y_hat)[0].numpy()) < 0.02


@pytest.mark.parametrize("knot", [0, 3, 6])
def test_the_inverse_curvature_finds_the_change_behind_a_gradient(exported, knot):
    """Channel by channel, of a change of all latents by chance; in the middle of a tile."""
    _, weights = exported
    rng = np.random.default_rng(7)
    with Image.open(SAMPLES / "kodim15_crop.png") as f:
        y = weights.analysis(np.asarray(f.convert("RGB")))
    features = QualityPoint(weights, 256 * knot).features
    before = weights.synthesis(y, features).astype(np.float32)
    change = np.zeros_like(y)
    change[2:14, 2:14] = rng.choice([-1, 1], (12, 12, y.shape[-1])) / QualityPoint(weights, 256 * knot).gain
    error = weights.synthesis(y + change, features) - before
    gradient = weights.adjoint(strips_of(error), error.shape[:2])
    found = (QualityPoint(weights, 256 * knot).inverse_curvature * gradient * change).sum((0, 1)) / np.square(
        change
    ).sum((0, 1))
    np.testing.assert_allclose(found, 1, atol=0.35)


@pytest.mark.parametrize("knot", [2, 5, 8])
def test_refinement_in_training_is_the_encoders(exported, trained, knot, monkeypatch):
    """By the error of what comes back, which refinement changes much more than 8-bit layers do."""
    folder, weights = exported
    monkeypatch.setattr("aecodec.exact.look.Look.worth_trying", lambda *_: False)
    monkeypatch.setattr("aecodec.exact.look.Look.palette_worth_trying", lambda *_: False)
    monkeypatch.setenv("AECODEC_WEIGHTS", str(folder))
    monkeypatch.setattr(trained, "refines", True)
    with Image.open(SAMPLES / "kodim15_crop.png") as f:
        pixels = np.asarray(f.convert("RGB"))
    _, _, mse = trained.loss_terms(pixels[None], keras.ops.convert_to_tensor(np.full(1, knot, np.float32)))
    scale, plain_and_refined = weights.quality(256 * knot), []
    for effort in (0, 1):
        decoded = api.decode(api.encode(pixels, scale, model="tiny", effort=effort, tune="psnr"))
        plain_and_refined.append(np.mean((decoded - pixels.astype(float)) ** 2))
    plain, refined = plain_and_refined
    assert float(mse[0]) == pytest.approx(refined, rel=0.35 * (plain / refined - 1))


def test_the_overlap_in_training_is_the_codecs():
    layer = Overlap()
    layer.build()
    layer.v.assign(np.random.default_rng(3).standard_normal((8, 8)))
    x = np.random.default_rng(4).uniform(-0.5, 0.5, (2, 48, 80, 3)).astype(np.float32)
    found = np.asarray(layer(x))
    for one, expected in zip(found, x, strict=True):
        np.testing.assert_allclose(one, overlapped(expected, np.asarray(layer.matrix())), atol=1e-5)


def test_quantising_is_to_the_nearest_and_reconstruct_finds_its_means(exported):
    _, weights = exported
    rng, point = np.random.default_rng(1), QualityPoint(weights, 1024)
    y = rng.normal(0, 8, (16, 16, SHAPE.latent)).astype(np.float32)
    z = rng.integers(-9, 10, (4, 4, SHAPE.hyper))
    r, y_hat = point.quantise(y, z, np.full(y.shape, 0.5, np.float32))
    np.testing.assert_array_equal(r, np.rint(r))
    assert np.abs(y_hat - y).max() <= 0.5 + 1e-3
    np.testing.assert_array_equal(point.reconstruct(r, z), y_hat)
    nothing, means = point.quantise(y, z, np.full(y.shape, -1e9, np.float32))
    assert not nothing.any()
    np.testing.assert_array_equal(means, point.reconstruct(np.zeros_like(y), z))


def test_estimated_bits_of_training_are_near_the_files(exported, trained, monkeypatch):
    """Validation's rate of rounded symbols against real tiles, on a picture of one tile at whole knots."""
    folder, weights = exported
    monkeypatch.setattr("aecodec.exact.look.Look.worth_trying", lambda *_: False)
    monkeypatch.setattr("aecodec.exact.look.Look.palette_worth_trying", lambda *_: False)
    monkeypatch.setenv("AECODEC_WEIGHTS", str(folder))
    with Image.open(SAMPLES / "kodim15_crop.png") as f:
        pixels = np.asarray(f.convert("RGB"))
    for knot in (4, 8):
        q = keras.ops.convert_to_tensor(np.full(1, knot, np.float32))
        _, bpp, _ = (np.asarray(v) for v in trained.loss_terms(pixels[None], q))
        scale = weights.quality(256 * knot)
        real = 8 * (len(api.encode(pixels, scale, model="tiny")) - 37) / pixels[..., 0].size
        assert real == pytest.approx(float(bpp[0]), rel=0.25)


def test_frequencies_sum_to_two_to_the_24():
    rng = np.random.default_rng(0)
    weight = rng.random((5, 511)) ** 20
    weight[0] = 0
    weight[0, 3] = 1.0
    found = export.to_frequencies(weight)
    assert found.dtype == np.uint32
    assert found.min() == 1
    assert (found.sum(1, dtype=np.int64) == 1 << 24).all()
    assert found[0, 3] == (1 << 24) - 510
    np.testing.assert_allclose(found[1:] / 2**24, weight[1:] / weight[1:].sum(1, keepdims=True), atol=511 / 2**24)


@pytest.mark.parametrize("number", ["65536", "-1", "0x10000", "x"])
def test_an_id_that_no_file_can_carry_is_refused(straight, tmp_path, number):
    code, line = command("export", str(straight), "--data", str(SAMPLES), "--out", str(tmp_path / "w"), "--id", number)
    assert code == 2
    assert f"'{number}', expected 1 to 65535 or 0x0001 to 0xffff" in line
    assert not (tmp_path / "w").exists()
