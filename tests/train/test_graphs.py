"""Static graphs of a small random network, against Keras, integers in NumPy, and real files."""

import json
import shutil

import numpy as np
import pytest
from lapping import overlapped, strips_of

import aecodec

pytest.importorskip("keras")
pytest.importorskip("tensorflow")
pytest.importorskip("onnx")

import tensorflow as tf
from static_numpy import run_numpy

from aecodec import api
from aecodec.codec.encoder import Encoder
from aecodec.families import by_name
from aecodec.model.coarse import CoarsePoint
from aecodec.model.lapped import UNIT
from aecodec.model.point import QualityPoint
from aecodec.model.tuning import OWN, PSNR, VISUAL
from aecodec.settings import Settings
from aecodec.system.parallel import Workers
from aecodec.train import export, graphs, quantize, static
from aecodec.train.entropy_model import rounding_offsets
from aecodec.train.layers import at_knots
from aecodec.train.photo import Photo
from aecodec.train.stack import integers
from train.runs import RANDOM_SHAPE as SHAPE

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@pytest.fixture(scope="module")
def exported(trained, picture, tmp_path_factory):
    """Its model folder as the default one."""
    folder = tmp_path_factory.mktemp("graphs")
    entry, files = export.build(trained, "photo", 0x9001, [picture], export.quality_scale(SHAPE))
    export.write(folder, "photo", entry, files)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AECODEC_WEIGHTS", str(folder))
        yield by_name("photo")


def near(found, expected, share: float) -> None:
    """Root mean square of the difference, as a share of the expected values' own deviation."""
    assert np.sqrt(np.mean((found - expected) ** 2)) < share * np.std(expected)


def test_the_model_is_files_of_onnx(exported):
    assert {file.split(".")[-1] for file in exported.entry["files"]} == {"onnx", "npz"}
    assert exported.self_test() == exported.entry["self_test"]


def test_a_unit_without_weights_keeps_its_bias():
    biases = np.float32([[0.25, -3, 100], [0.5, 2, 0]])
    weight, unit = integers(np.float32([[0, 1, 0], [0, -3, 0]]), biases=biases)
    assert weight.tolist() == [[0, 21, 0], [0, -63, 0]]
    found = np.rint(biases / unit)
    assert np.abs(found).max() <= 1 << 30
    np.testing.assert_allclose(found * unit, biases, atol=0.02)


def test_the_gradient_goes_through_the_net_as_numpy_and_keras_have_it(exported, trained):
    """Keras stops what is beyond the ends of 8 bits, too; that is the difference."""
    rng, qindex = np.random.default_rng(3), 300
    y_hat = rng.normal(0, 0.3, (6, 8, SHAPE.latent)).astype(np.float32)
    error = rng.normal(0, 20, (96, 128, 3)).astype(np.float32)
    features = QualityPoint(exported, qindex).features
    through_all = exported.gradient(strips_of(error), y_hat, features)
    through_net = through_all - exported.adjoint(strips_of(error), error.shape[:2])
    back = overlapped(error, exported.numbers["overlap_post"].T)
    squares = back.reshape(12, 8, 16, 8, 3).swapaxes(1, 2).reshape(12, 16, 192)
    inputs = {"y_hat": y_hat, "error": squares, "biases": features}
    np.testing.assert_allclose(through_net, run_numpy(graphs.gradient(trained), inputs)[0], atol=1e-3, rtol=1e-3)

    row = np.float32([qindex / 256])
    y = tf.constant(y_hat[None])
    with tf.GradientTape() as tape:
        tape.watch(y)
        net = trained.synthesis(y, at_knots(trained.features, row)) - trained.synthesis.linear(y)
        dot = tf.reduce_sum(net * back[None])
    near(through_net, tape.gradient(dot, y)[0].numpy(), 0.3)


def test_efforts_from_five_on_take_the_gradient_of_the_whole_synthesis(exported, picture, tmp_path, monkeypatch):
    """Models without its network, as they were once exported, take that of the linear part."""
    image = picture[:80, :96]
    whole = [aecodec.encode(image, 60, effort=effort, tune="psnr") for effort in (4, 5)]
    folder = tmp_path / "weights"
    shutil.copytree(exported.folder.parent, folder)
    manifest = json.loads((folder / "manifest.json").read_text())
    del manifest["models"]["photo"]["auxiliary"]["gradient.onnx"]
    (folder / "manifest.json").write_text(json.dumps(manifest))
    (folder / "photo" / "gradient.onnx").unlink()
    monkeypatch.setenv("AECODEC_WEIGHTS", str(folder))
    linear = [aecodec.encode(image, 60, effort=effort, tune="psnr") for effort in (4, 5)]
    assert whole[0] == linear[0]
    assert whole[1] != linear[1]
    assert aecodec.decode(whole[1]).shape == image.shape


@pytest.mark.parametrize("tuning", [PSNR, VISUAL])
def test_either_tuning_has_the_rows_that_were_trained_for_it(exported, trained, tuning):
    point, row = QualityPoint(exported, 256, tuning), 1 + SHAPE.knots * tuning
    np.testing.assert_allclose(point.gain, np.exp(trained.log_gain[row]), rtol=1e-6)
    np.testing.assert_allclose(point.inverse_gain, np.exp(trained.log_gain_inverse[row]), rtol=1e-6)
    np.testing.assert_array_equal(point.features, graphs.synthesis_biases(trained)[row])
    np.testing.assert_array_equal(point.steps, graphs.code_steps(trained)[row])
    other = QualityPoint(exported, 256, VISUAL - tuning)
    for name in OWN:
        first, second = (p.numbers[name][:, : SHAPE.hyper if name == "z_tables" else None] for p in (point, other))
        assert (first != second).any() or name in ("offset", "biases"), name  # as many rows, not yet trained apart


@pytest.mark.parametrize("qindex", [0, 100, 256, 512])
def test_scale_indexes_are_the_trained_ones_and_numpys(exported, trained, qindex):
    rng = np.random.default_rng(qindex)
    z = rng.integers(-63, 64, (6, 4, 4, SHAPE.hyper))
    z[0] = -63
    found = QualityPoint(exported, qindex).scale_indexes(z)
    assert found.dtype == np.uint8
    offsets = np.tile(graphs.array(trained.hyper_synthesis.integers()["offset"])[min(qindex // 256, 2)], 16).astype(
        np.int32
    )
    for index, tile in zip(found, z.astype(np.float32), strict=True):
        if qindex % 256 == 0:
            np.testing.assert_array_equal(index, run_numpy(graphs.scales(trained), {"z": tile, "offsets": offsets})[0])
    expected = np.array(trained.hyper_synthesis(z.astype(np.float32), np.full(len(z), qindex / 256, np.float32)))
    expected[expected < SHAPE.coded_from] = 0
    assert np.mean(found != expected) <= (0 if qindex % 256 == 0 else 0.01)
    assert len(np.unique(found)) > 10
    assert found[found > 0].min() >= SHAPE.coded_from


def unfold(x: np.ndarray, n: int) -> np.ndarray:
    """(h, w, n * n * C) -> (n * h, n * w, C)."""
    h, w, size = x.shape
    return x.reshape(h, w, n, n, -1).swapaxes(1, 2).reshape(n * h, n * w, size // n**2)


def filtered(x: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Whole eighths of levels -> pixels."""
    return np.clip(np.floor(overlapped(x, v, True) / 8), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("qindex", [0, 300, 512])
def test_coarse_channels_are_those_of_the_whole_where_the_others_say_nothing(exported, trained, qindex):
    point, coarse, rng = QualityPoint(exported, qindex), CoarsePoint(exported, qindex), np.random.default_rng(qindex)
    r, z = np.rint(rng.normal(0, 3, (16, 16, 8))).astype(np.float32), rng.integers(-9, 10, (4, 4, SHAPE.hyper))
    inputs, channels = {"z": z.astype(np.float32), "steps": point.steps}, coarse.channels
    assert 0 < channels.sum() < 8
    steps = graphs.mean_steps(trained, channels)
    found = coarse.reconstruct(r[..., channels], z)
    [expected] = run_numpy(
        graphs.coarse_networks(trained, channels, steps)["coarse_reconstruct"], inputs | {"r": r[..., channels]}
    )
    np.testing.assert_array_equal(found, expected)
    kernels = [step.layers[0].w for step in trained.mean_net.steps]
    before = [np.array(kernel) for kernel in kernels]
    for kernel, values in zip(kernels, before, strict=True):  # rows of latents, then those of what z says
        heard = np.append(channels, np.ones(len(values) - 8, bool))
        kernel.assign(values * heard[:, None])
    try:
        [whole] = run_numpy(graphs.reconstruct(trained), inputs | {"r": r})
        steps = graphs.mean_steps(trained, channels)
        [alone] = run_numpy(
            graphs.coarse_networks(trained, channels, steps)["coarse_reconstruct"], inputs | {"r": r[..., channels]}
        )
    finally:
        for kernel, values in zip(kernels, before, strict=True):
            kernel.assign(values)
    np.testing.assert_array_equal(alone, whole[..., channels])
    assert (point.reconstruct(r, z)[..., channels] != found).any()


@pytest.mark.parametrize("qindex", [0, 300, 512])
@pytest.mark.parametrize("encoding", [0, 1])
def test_means_and_pixels_are_numpys_to_the_bit(exported, trained, qindex, encoding):
    point, rng = QualityPoint(exported, qindex), np.random.default_rng(qindex)
    values = np.rint(rng.normal(0, 3, (16, 16, 8))) if encoding == 0 else rng.normal(0, 3, (16, 16, 8))
    z = rng.integers(-9, 10, (4, 4, SHAPE.hyper))
    rounding = (
        rounding_offsets(SHAPE.coded_from)[rng.integers(0, 64, (16, 16, 8))]
        if encoding
        else np.full((16, 16, 8), 0.5, "f4")
    )
    values, inputs = values.astype(np.float32), {"z": z.astype(np.float32), "steps": point.steps}
    if encoding:
        expected = run_numpy(graphs.quantise(trained), inputs | {"y": values, "rounding": rounding})
        found = point.quantise(values, z, rounding)
        np.testing.assert_array_equal(point.reconstruct(found[0], z), found[1])
    else:
        expected, found = (
            run_numpy(graphs.reconstruct(trained), inputs | {"r": values}),
            [point.reconstruct(values, z)],
        )
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)
    y_hat = expected[-1] * point.inverse_gain
    net, linear = run_numpy(graphs.synthesis(trained), {"y_hat": y_hat, "biases": point.features})
    samples = (net + graphs.sample_offset(trained)) + unfold(linear, 2)
    x = np.rint(unfold(samples, 8))
    np.testing.assert_array_equal(point.synthesis(y_hat), filtered(x, exported.numbers["overlap_post"]))
    assert len(np.unique(samples)) > 1000


@pytest.mark.parametrize("kind", ["picture", "black and white", "noise"])
def test_the_analysis_of_decoded_pixels_is_exact(exported, trained, picture, kind):
    """The same to the bit whatever the order of additions, and near the one of the encoder."""
    noise = np.random.default_rng(0).integers(0, 256, (64, 48, 3), np.uint8)
    pixels = {"picture": picture[:64, :48], "noise": noise, "black and white": noise // 128 * 255}[kind]
    levels = np.rint(overlapped(8.0 * pixels.astype(np.float32), exported.numbers["overlap_pre"], True) / 8) - 128
    folded = levels.reshape(8, 8, 6, 8, 3).swapaxes(1, 2).reshape(8, 6, 192)
    found, network = exported.analysis_of_decoded(pixels), graphs.analysis(trained)
    np.testing.assert_array_equal(found, run_numpy(network, {"x": folded})[0])
    for layer in network.layers.values():
        if isinstance(layer, static.Linear):
            order = np.random.default_rng(1).permutation(len(layer.weight))
            weight, x = (
                layer.weight[order],
                np.full((1, len(order)), 200, np.float32) * np.sign(layer.weight[order, :1].T),
            )
            np.testing.assert_array_equal(np.cumsum(x.T * weight, 0)[-1:], x.astype(float) @ weight)
    assert np.sqrt(np.mean((found - exported.analysis(pixels)) ** 2)) < 0.6 / 255


def test_graphs_compute_what_rounding_in_training_does(exported, trained, picture):
    """But for halves, which 8 bits round to either side, and for the rounding of latents for the linear synthesis."""
    x = picture.astype(np.float32) / 255 - 0.5
    y = np.asarray(trained.analysis(trained.pre(x[None])))
    near(exported.analysis(picture), y[0], 0.01)
    for row in range(SHAPE.rows):
        tuning, knot = divmod(row, SHAPE.knots)
        point, q = QualityPoint(exported, 256 * knot, tuning), np.full(1, row, np.float32)
        scaled = y * point.gain
        z = np.clip(np.rint(np.asarray(trained.hyper_analysis(scaled))), -63, 63)
        assert np.mean(exported.hyper_analysis(scaled[0]) != z[0]) < 0.01
        offset = np.full(y.shape, 0.5, np.float32)
        mu, y_hat = trained.mean_net(z, scaled, offset, q, at_knots(trained.level(), q))
        with_deltas = np.pad(z[0], ((0, 0), (0, 0), (0, tuning)))
        near(point.reconstruct(np.rint(np.asarray(y_hat - mu))[0], with_deltas), np.asarray(y_hat)[0], 0.02)
        features = at_knots(trained.features, q)
        x_hat = np.asarray(trained.post(trained.synthesis(y, features)))[0] * 255 + 127.5
        found = point.synthesis(y[0]).astype(float)
        near(found, np.clip(x_hat, 0, 255), 0.02)


def test_the_overlap_in_integers():
    """Near the one in float32, and exactly what integers give."""
    rng = np.random.default_rng(1)
    v = np.rint((np.eye(8) + rng.normal(0, 0.1, (8, 8))) / UNIT).astype(np.float32) * np.float32(UNIT)
    x = rng.uniform(-40, 300, (64, 80, 3)).astype(np.float32)
    found = filtered(np.rint(8 * x), v)
    expected = np.clip(overlapped(x, v), 0, 255)
    assert np.abs(found - expected).max() < 2
    assert np.mean(np.abs(found - np.floor(expected))) < 0.1
    segment = np.rint(np.block([
        [np.eye(8) + v[::-1, ::-1], np.eye(8)[::-1] - v[::-1]], [np.eye(8)[::-1] - v[:, ::-1], np.eye(8) + v],
    ]) * 512).astype(np.int64)  # fmt: skip
    whole = np.rint(x * 8).astype(np.int64)
    for axis in (1, 0):
        swapped = whole.swapaxes(0, 1) if axis == 0 else whole
        for border in range(16, swapped.shape[1], 16):
            part = swapped[:, border - 8 : border + 8]
            sums = np.einsum("hic,io->hoc", part, segment)
            part[:] = np.rint(sums / 1024) if axis == 1 else np.floor_divide(sums, 1024)
    np.testing.assert_array_equal(found, np.clip(whole, 0, 8 * 255) // 8)


@pytest.mark.parametrize("tune", ["visual", "psnr"])
@pytest.mark.parametrize("effort", [0, 1, 2])
def test_files_of_it(exported, effort, tune):
    from mirrored import picture as mirrored

    image = mirrored(3, 300, 290)
    data = aecodec.encode(image, 80, effort=effort, tune=tune, threads=2)
    assert data == aecodec.encode(image, 80, effort=effort, tune=tune, threads=1)
    decoded = aecodec.decode(data, threads=2)
    np.testing.assert_array_equal(decoded, aecodec.decode(data, threads=1))
    with Workers(1) as workers:  # the encoder knows to the bit what the decoder finds
        encoder = Encoder(image, Settings(effort=effort, tune=tune), exported, workers)
        y_hat, qindex = np.empty_like(encoder.latents.y), exported.qindex(80)
        tiles = encoder.encode(qindex, y_hat)
        np.testing.assert_array_equal(encoder.decode(tiles, y_hat, qindex), decoded)
    region = aecodec.decode(data, region=(150, 170, 90, 80))
    np.testing.assert_array_equal(region, decoded[170:250, 150:240])


def test_exact_tiles_beside_learned_ones(exported):
    from mirrored import picture as mirrored

    image = mirrored(3, 256, 400)[:40].copy()
    image[:, 256:] = (np.arange(144) // 9 % 2 * 200)[None, :, None]
    data = aecodec.encode(image, 75)
    assert api.read_info(data).exact == 1
    np.testing.assert_array_equal(aecodec.decode(data)[:, 256:], image[:, 256:])


def test_targets(exported, picture):
    assert len(aecodec.encode(picture, target_size=4000, effort=0)) <= 4000


def test_a_network_with_a_branch_that_gives_nothing_is_exported(trained, picture):
    """Its step would be far finer than that of the sum it goes into."""
    made = Photo(SHAPE)
    made.build()
    for ours, theirs in zip(made.trainable_variables, trained.trainable_variables, strict=True):
        ours.assign(theirs)
    block = made.synthesis.net8.layers[0]
    for variable in (block.reduce.w, block.reduce.b):
        variable.assign(np.zeros(variable.shape))
    quantize.calibrate(made, np.stack([picture[i : i + 128, :128] for i in range(0, 120, 20)]))
    assert {"synthesis", "analysis"} <= graphs.networks(made).keys()
    for network in graphs.networks(made).values():
        static.check(network)
