"""Training for both tunings at once."""

from dataclasses import replace

import numpy as np
import pytest

tf = pytest.importorskip("tensorflow")
keras = pytest.importorskip("keras")

from small import SMALL  # noqa: E402

from aecodec.codec.masking import deltas  # noqa: E402
from aecodec.model import tuning as decoder  # noqa: E402
from aecodec.train import checkpoint  # noqa: E402
from aecodec.train.backend import Stepper  # noqa: E402
from aecodec.train.data import Crops  # noqa: E402
from aecodec.train.losses import visual  # noqa: E402
from aecodec.train.optimizer import FastMuon  # noqa: E402
from aecodec.train.photo import Photo, Shape  # noqa: E402
from aecodec.train.tuning import log_factors  # noqa: E402
from aecodec.train.validation import Validation  # noqa: E402
from aecodec.train.warm import copy_kept  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

SHAPE = Shape(**SMALL | {"synthesis_blocks16": 0, "visual": True})


@pytest.fixture(scope="module")
def crops() -> Crops:
    """Noise of all strengths, so that cells have all deltas."""
    rng = np.random.default_rng(2)
    strength = np.linspace(0, 90, 6).repeat(64)[None, :, None]
    image = (128 + strength * rng.uniform(-1, 1, (128, 384, 1))).clip(0, 255).astype(np.uint8)
    return Crops([image.repeat(3, 2)])


def model(shape: Shape = SHAPE, **more) -> Photo:
    keras.utils.set_random_seed(3)
    basis = np.linalg.qr(np.random.default_rng(1).normal(size=(768, 8)))[0].astype(np.float32)
    made = Photo(shape, basis, np.geomspace(4, 0.1, 8), **more)
    made.build()
    return made


@pytest.fixture(scope="module")
def plain() -> Photo:
    """The networks as they start, without the visual tuning."""
    return model(replace(SHAPE, visual=False))


def like(plain: Photo, **more) -> Photo:
    """The same for both tunings."""
    made = model(**more)
    for ours, theirs in zip(made.hyper_rate.variables, plain.hyper_rate.variables, strict=True):
        ours.assign(np.concatenate([theirs, theirs]))
    return made


@pytest.fixture(scope="module")
def both(plain) -> Photo:
    return like(plain)


def test_factors_are_those_of_the_codec(crops):
    image = crops.images[0]
    pixels = np.stack([image, image[:, ::-1]])
    found = np.exp(log_factors(tf.constant(pixels / np.float32(255) - np.float32(0.5)), np.float32([1, 0])))
    np.testing.assert_allclose(found[0], decoder.factors(deltas(image)), rtol=1e-4)
    assert (found[1] == 1).all()
    assert len(np.unique(deltas(image))) > 4


@pytest.mark.parametrize("refines", [False, True])
@pytest.mark.usefixtures("eager")
def test_half_of_a_batch_is_coded_for_the_eye_and_weights_are_learned(crops, plain, refines, monkeypatch):
    """As it is written; test_loop.py compiles such steps, which takes long."""
    made = like(plain, refines=refines)
    before = np.array(made.log_gain)
    weights = before[SHAPE.knots :] - before[: SHAPE.knots]
    assert (weights[:, 0] > weights[:, -1]).all()
    pixels, q, *noise = map(tf.constant, crops.batch(0, 4, 64, SHAPE))
    loss, bpp, _ = made.loss_terms(pixels, q, noise)
    monkeypatch.setattr(plain, "refines", refines)
    theirs, their_bpp, _ = plain.loss_terms(pixels, q, noise)
    np.testing.assert_allclose(loss[1::2], theirs[1::2], rtol=1e-4)
    assert (np.abs(bpp[::2] / their_bpp[::2] - 1) > 1e-3).all()
    x = tf.cast(pixels[:1], tf.float32) / 255 - 0.5
    x_hat, *bits = made(x, q[:1], [n[:1] for n in noise], np.ones(1, np.float32))
    lmbda, middle = float(made.lmbda(q[:1])[0]), np.sqrt(SHAPE.lmbda_low * SHAPE.lmbda_high)
    rate = float(sum(bits)[0]) / 64**2
    assert float(loss[0]) == pytest.approx(
        (rate + lmbda * float(visual(x, x_hat)[0])) / np.sqrt(lmbda / middle), rel=1e-3
    )
    stepper = Stepper(made, FastMuon())
    assert np.isfinite(stepper.step(crops.batch(0, 4, 64, SHAPE), 1e-3)).all()
    assert (np.abs(np.array(made.log_gain) - before).reshape(2, -1).max(1) > 1e-4).all()


def test_without_noise_the_tuning_is_that_for_the_squared_error(crops, both, plain):
    pixels, q, *_ = map(tf.constant, crops.batch(0, 2, 64, SHAPE))
    ours, theirs = both.loss_terms(pixels, q), plain.loss_terms(pixels, q)
    np.testing.assert_allclose(ours, theirs, rtol=1e-5)


def test_validation_of_both_tunings_takes_the_mean_of_their_losses(crops, both, plain):
    pixels = crops.batch(0, 2, 64, SHAPE)[0]
    found = Validation(both, pixels, points=2, batch=2).run()
    q = [tf.fill([2], float(knot)) for knot in (0, SHAPE.knots - 1)]
    ours = [np.mean([both.loss_terms(pixels, k, None, np.full(2, c, np.float32))[0] for k in q]) for c in (0, 1)]
    assert list(found["losses"].values()) == pytest.approx(ours, rel=1e-4)
    assert found["loss"] == pytest.approx(np.mean(ours), rel=1e-4)
    assert ours[0] != pytest.approx(ours[1], rel=1e-3)
    alone = Validation(plain, pixels, points=2, batch=2).run()
    assert alone["loss"] == pytest.approx(ours[0], rel=1e-4)
    assert alone["knots"] == found["knots"]


def test_what_one_tuning_has_learned_serves_for_both(plain, tmp_path):
    """The gains of the visual one keep the distance at which they begin."""
    average = [np.array(v) + np.float32(0.25) for v in plain.trainable_variables]
    checkpoint.save_average(tmp_path / "average.npz", average, {"shape": plain.shape.as_dict()})
    made = model()
    first, knots = np.array(made.log_gain), SHAPE.knots
    assert {"hyper_synthesis", "mean_net", "hyper_rate", "log_gain"} <= set(copy_kept(tmp_path / "average.npz", made))
    gain = np.array(made.log_gain)
    np.testing.assert_allclose(gain[:knots], np.array(plain.log_gain) + 0.25, atol=0.01)
    np.testing.assert_allclose(gain[knots:] - gain[:knots], first[knots:] - first[:knots], atol=1e-5)
    for part in (made.hyper_rate.mean, made.features):
        np.testing.assert_array_equal(*np.split(np.array(part), 2))
