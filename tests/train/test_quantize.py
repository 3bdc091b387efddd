"""8 bits in the forward pass: the steps that are chosen, what is rounded, a run that goes on with it."""

import json
from typing import NamedTuple

import numpy as np
import pytest

keras = pytest.importorskip("keras")
pytest.importorskip("tensorflow")

from small import SMALL  # noqa: E402

from aecodec.errors import ModelError  # noqa: E402
from aecodec.train import quantize  # noqa: E402
from aecodec.train.layers import Depthwise, Pointwise, Rounding, few_bits, few_bits_weight, weight_unit  # noqa: E402
from aecodec.train.photo import Photo, Shape  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

SHAPE = Shape(**SMALL)


@pytest.fixture(scope="module")
def uncalibrated() -> Photo:
    keras.utils.set_random_seed(1)
    made = Photo(SHAPE, np.linalg.qr(np.random.default_rng(1).normal(size=(768, 8)))[0].astype(np.float32), np.ones(8))
    made.build()
    for v in made.trainable_variables:
        if v.path.split("/")[-1] == "kernel" and "linear" not in v.path:
            v.assign_add(np.random.default_rng(2).normal(0, 0.1, v.shape))
    return made


def pixels(count: int = 6) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, 8, 8, 3), np.uint8).repeat(8, 1).repeat(8, 2)


def test_the_best_step_has_the_least_squared_error():
    rng = np.random.default_rng(0)
    values = rng.laplace(0, [0.1, 1, 30], (5000, 3)).astype(np.float32)
    found = quantize.best_step(values, -128, 127)

    def error(step):
        return np.square(np.clip(np.rint(values / step), -128, 127) * step - values).mean(0)

    for factor in (0.5, 0.8, 1.25, 2):
        assert (error(found) < error(found * factor)).all()
    power = quantize.best_step(values, -128, 127, power=True)
    assert (np.frexp(power)[0] == 0.5).all()
    assert (error(power) <= error(power * 2)).all()
    assert (error(power) <= error(power / 2)).all()
    assert quantize.best_step(np.zeros((9, 1), np.float32), 0, 255) > 0


def test_few_bits_round_and_let_gradients_pass_between_the_ends():
    import tensorflow as tf

    x = tf.constant([-99.0, -3.3, 0.26, 1.1, 127 * 0.5 + 0.2, 70.0])
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = few_bits(x, 0.5, -128, 127)
    assert y.numpy().tolist() == [-64, -3.5, 0.5, 1, 63.5, 63.5]
    assert tape.gradient(y, x).numpy().tolist() == [0, 1, 1, 1, 1, 0]


def test_weights_have_a_step_for_each_output():
    w = np.random.default_rng(3).normal(0, [[0.01, 1.0, 50.0]], (40, 3)).astype(np.float32)
    found = np.asarray(few_bits_weight(w, weight_unit(w, 63)))
    unit = np.abs(w).max(0) / 63
    np.testing.assert_allclose(found / unit, np.rint(w / unit), atol=1e-3)
    step = np.geomspace(0.1, 9, 40)[:, None].astype(np.float32)
    found = np.asarray(few_bits_weight(w, weight_unit(w, 63, step=step))) * step
    unit = np.abs(w * step).max(0) / 63
    np.testing.assert_allclose(found / unit, np.rint(w * step / unit), atol=1e-3)


class Outputs(NamedTuple):
    """What the networks make of the same images."""

    exact: list[np.ndarray]
    calibrated: list[np.ndarray]  # not switched on yet
    few: list[np.ndarray]


@pytest.fixture(scope="module")
def outputs(uncalibrated) -> Outputs:
    x, q = pixels(3) / np.float32(255) - np.float32(0.5), np.float32([0, 4, 8])

    def run() -> list[np.ndarray]:
        return [np.asarray(part) for part in uncalibrated(x, q)]

    exact = run()
    assert not quantize.calibrated(uncalibrated)
    quantize.calibrate(uncalibrated, pixels(9))
    assert quantize.calibrated(uncalibrated)
    calibrated = run()
    quantize.switch(uncalibrated)
    return Outputs(exact, calibrated, run())


@pytest.fixture
def model(uncalibrated, outputs) -> Photo:
    """In 8 bits."""
    return uncalibrated


def test_calibrating_and_switching_change_what_the_networks_give_a_little(model, outputs):
    for found, expected in zip(outputs.calibrated, outputs.exact, strict=True):  # channels have equal spans now
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)
    difference = np.sqrt(np.mean(np.square(outputs.few[0] - outputs.exact[0]))) / outputs.exact[0].std()
    assert 1e-4 < difference < 0.3
    layers = [x for x in model._flatten_layers() if isinstance(x, Pointwise | Depthwise) and x.few_bits]
    assert layers
    assert not [x for x in layers if "linear" in x.path or "hyper_analysis" in x.path]
    for rounding in quantize.roundings(model):
        if rounding.power:
            assert (np.frexp(np.asarray(rounding.step))[0] == 0.5).all()


def test_tensors_have_at_most_256_values(model, monkeypatch):
    seen = {rounding: [] for rounding in quantize.roundings(model)}
    apply = Rounding.apply

    def kept(rounding, *arguments, **options):
        out = apply(rounding, *arguments, **options)
        seen.get(rounding, []).append(out)
        return out

    monkeypatch.setattr(Rounding, "apply", kept)
    model(pixels(1) / np.float32(255) - np.float32(0.5), np.zeros(1, np.float32))
    assert all(seen.values())
    for rounding, (value, *_) in seen.items():
        if rounding.channels == 1:
            assert len(np.unique(np.asarray(value))) <= 256


def test_steps_travel_as_json(model):
    kept = json.loads(json.dumps(quantize.steps(model)))
    other = Photo(SHAPE)
    other.build()
    quantize.load_steps(other, kept)
    for a, b in zip(quantize.roundings(model), quantize.roundings(other), strict=True):
        np.testing.assert_array_equal(np.asarray(a.step), np.asarray(b.step))
    with pytest.raises(ModelError, match="steps of 8 bits"):
        quantize.load_steps(other, kept[:-1])


def test_a_rounding_that_is_off_gives_back_what_it_gets():
    rounding = Rounding()
    rounding.build()
    x = np.ones((1, 2, 2, 3), np.float32)
    assert rounding.apply(x) is x


@pytest.mark.usefixtures("eager")
def test_a_run_goes_on_in_8_bits(tmp_path, monkeypatch):
    """It begins in float32; its steps are chosen once and stay; only networks with static graphs may."""
    from mirrored import SAMPLE

    from aecodec.train import loop
    from aecodec.train.loop import Phase, Run
    from aecodec.train.runs import Setup

    real = loop.principal_components
    monkeypatch.setattr(loop, "principal_components", lambda crops: real(crops, 1000))
    monkeypatch.setattr(loop, "FastMuon", lambda rate: keras.optimizers.SGD(rate, momentum=0.9))
    monkeypatch.setattr(loop, "CROPS", 18)

    def run(phase, resume=True):
        return Run(Setup(tmp_path, SAMPLE.parent, resume=resume, precision="float32"), SHAPE, phase)

    first = run(Phase(steps=1, batch=2, crop=64), resume=False)
    assert first.train()
    second = run(Phase(steps=2, batch=2, crop=64, bits=8))
    steps = quantize.steps(second.model)
    for average, weight in zip(second.stepper.average, second.model.trainable_variables, strict=True):
        np.testing.assert_array_equal(average, weight)  # both are brought to equal spans
    assert all(rounding.on for rounding in quantize.roundings(second.model))
    assert second.train()
    third = run(Phase())
    assert third.phase.bits == 8
    assert quantize.steps(third.model) == steps
