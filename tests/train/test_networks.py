"""The networks: their training graph, their start from other weights, their packed average."""

import numpy as np
import pytest

tf = pytest.importorskip("tensorflow")
keras = pytest.importorskip("keras")

from small import SMALL  # noqa: E402

from aecodec.train import checkpoint, entropy_model  # noqa: E402
from aecodec.train.backend import Stepper  # noqa: E402
from aecodec.train.photo import Photo, Shape  # noqa: E402
from aecodec.train.warm import copy_kept  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

SHAPE = Shape(**SMALL)
WIDER = Shape(**SMALL | {"analysis8": 8, "synthesis8": 8, "features": 8})


def unbuilt(shape: Shape, seed: int) -> Photo:
    keras.utils.set_random_seed(seed)
    basis = np.linalg.qr(np.random.default_rng(seed).normal(size=(768, 8)))[0].astype(np.float32)
    return Photo(shape, basis, np.linspace(4, 1, 8))


def model(shape: Shape, seed: int) -> Photo:
    made = unbuilt(shape, seed)
    made.build()
    return made


def batch(seed: int = 1, count: int = 3, size: int = 64) -> tuple:
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (count, 8, 8, 3), np.uint8).repeat(size // 8, 1).repeat(size // 8, 2)
    y = rng.random((count, size // 16, size // 16, 8), np.float32) - np.float32(0.5)
    z = rng.random((count, size // 64, size // 64, 4), np.float32) - np.float32(0.5)
    return pixels, np.linspace(0.2, 7.9, count, dtype=np.float32), y, z


def four_masked_steps(net, z_hat, y, offset):
    """Means as FORMAT.md tells them: all latents at each step, of which a mask takes a quarter."""
    features = net.hyper(z_hat)
    base = net.first(features)
    row, column = np.indices(y.shape[1:3])
    position = row % 2 * 2 + column % 2
    mu, y_hat = np.zeros(y.shape, np.float32), np.zeros(y.shape, np.float32)
    for step in range(4):
        mean = base
        if step:
            mean = base + net.steps[step - 1](tf.concat([net.reach[step - 1](y_hat), features], -1))
        r = np.sign(y - mean) * np.maximum(np.floor(np.abs(y - mean) + offset), 0)
        width = y.shape[-1] // 4
        for group in range(4):
            at = np.array(entropy_model.ORDER[group])[position] == step
            part = slice(group * width, (group + 1) * width)
            mu[:, at, part], y_hat[:, at, part] = mean.numpy()[:, at, part], (mean + r).numpy()[:, at, part]
    return mu, y_hat


def test_means_are_those_of_four_masked_steps():
    rng = np.random.default_rng(0)
    net = unbuilt(SHAPE, 0).mean_net
    net.build((None, 4, 4, 4))
    for v in net.trainable_variables:
        v.assign(rng.normal(size=v.shape, scale=0.3))
    z_hat, y = rng.integers(-3, 4, (2, 4, 4, 4)).astype(np.float32), rng.normal(size=(2, 16, 16, 8), scale=3)
    offset = rng.choice(entropy_model.rounding_offsets(SHAPE.coded_from), y.shape)
    found = net(z_hat, y.astype(np.float32), offset)
    for ours, theirs in zip(found, four_masked_steps(net, z_hat, y, offset), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-4)


def test_latents_under_the_first_coded_index_stay_at_their_means():
    offset = entropy_model.rounding_offsets(5)
    assert (entropy_model.rounded(np.full(5, 1e6, np.float32), offset[:5]).numpy() == 0).all()
    assert entropy_model.rounded(np.float32(1.0), offset[5]).numpy() == 1


def test_a_new_shape_takes_over_what_has_kept_its_shape(tmp_path):
    old, new = model(WIDER, 0), model(SHAPE, 1)
    checkpoint.save_average(
        tmp_path / "a.npz", [np.array(v) for v in old.trainable_variables], {"shape": WIDER.as_dict()}
    )
    copied = copy_kept(tmp_path / "a.npz", new)
    assert {"analysis.linear", "synthesis.linear", "hyper_analysis", "hyper_synthesis", "log_gain"} <= set(copied)
    assert not {"analysis", "synthesis", "mean_net", "features"} & set(copied)
    for part in (lambda made: made.analysis.linear.layers[1].w, lambda made: made.hyper_synthesis.w_mid):
        np.testing.assert_array_equal(np.array(part(new)), np.array(part(old)))
    same = model(WIDER, 2)
    assert {"analysis", "synthesis", "mean_net", "features"} <= set(copy_kept(tmp_path / "a.npz", same))
    for ours, theirs in zip(same.trainable_variables, old.trainable_variables, strict=True):
        np.testing.assert_array_equal(np.array(ours), np.array(theirs))


@pytest.mark.usefixtures("eager")
def test_a_fixed_overlap_stays_and_all_else_learns():
    made = model(SHAPE, 0)
    made.fixed_overlap = True
    before = {v.path: np.array(v) for v in made.trainable_variables}
    stepper = Stepper(made, keras.optimizers.Adam())
    for seed in range(2):
        assert np.isfinite(stepper.step(batch(seed), 1e-2)).all()
    still = {v.path for v in made.trainable_variables if np.array_equal(before[v.path], np.array(v))}
    assert [path for path in still if "pre" in path] == [path for path in before if "/pre" in path]
    assert not [path for path in still if "synthesis" in path or "mean_net" in path or "post" in path]


@pytest.mark.parametrize(("least", "sizes"), [(100, {True, False}), (10**9, {False})])
def test_a_packed_average_keeps_eight_bits_of_the_mantissa_of_large_arrays(tmp_path, monkeypatch, least, sizes):
    monkeypatch.setattr(checkpoint, "LARGE", least)
    made = model(SHAPE, 0)
    average = [np.array(v) + 0.01 for v in made.trainable_variables]
    checkpoint.save_average(tmp_path / "a.npz", average, {"shape": SHAPE.as_dict(), "position": {"step": 7}})
    checkpoint.pack_average(tmp_path / "a.npz", tmp_path / "packed.npz")
    meta = checkpoint.load_average(tmp_path / "packed.npz", made)
    assert meta["position"] == {"step": 7}
    rounded = [a.size >= least for a in average]
    assert {*rounded} == sizes
    for v, a, large in zip(made.trainable_variables, average, rounded, strict=True):
        fraction, exponent = np.frexp(a)
        np.testing.assert_array_equal(np.array(v), np.ldexp(np.rint(fraction * 2**9) / 2**9, exponent) if large else a)
