"""Channels of equal spans: what a model computes stays, what 8 bits cost it falls."""

import numpy as np
import pytest

keras = pytest.importorskip("keras")
pytest.importorskip("tensorflow")

from small import SMALL  # noqa: E402

from aecodec.train import equalise, quantize  # noqa: E402
from aecodec.train.photo import Photo, Shape  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@pytest.fixture(scope="module", params=[0, 1], ids=["no blocks at 1/16", "a block at 1/16"])
def model(request) -> Photo:
    """A model with channels of very different spans."""
    keras.utils.set_random_seed(1)
    shape = Shape(**SMALL | {"blocks8": 2, "synthesis_blocks16": request.param})
    made = Photo(shape, np.linalg.qr(np.random.default_rng(1).normal(size=(768, 8)))[0].astype(np.float32), np.ones(8))
    made.build()
    rng = np.random.default_rng(2)
    for v in made.trainable_variables:
        if v.name.startswith("kernel") and "linear" not in v.path:
            v.assign_add(rng.normal(0, 0.1, v.shape))
    for stage in equalise.stages(made):
        equalise.scale(stage, np.exp(rng.normal(0, 1.5, stage.width)).astype(np.float32))
    return made


def pictures(count: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, 16, 16, 3), np.uint8).repeat(4, 1).repeat(4, 2)


def test_a_model_computes_the_same_and_loses_less_to_8_bits(model, monkeypatch):
    x, q = pictures(9) / np.float32(255) - np.float32(0.5), np.arange(9, dtype=np.float32)

    def transformed() -> list[np.ndarray]:
        y = model.analysis(x)
        return [np.asarray(y), np.asarray(model.synthesis(y, model.features[:, None, None]))]

    def rounded() -> list[float]:
        quantize.switch(model)
        losses = [np.square(few - exact).mean() for few, exact in zip(transformed(), exact_values, strict=True)]
        quantize.switch(model, False)
        return losses

    exact_values = transformed()
    with monkeypatch.context() as patched:
        patched.setattr(quantize, "equalise", lambda *_: None)
        quantize.calibrate(model, pictures(18), batch=18)
    before = rounded()
    quantize.calibrate(model, pictures(18), batch=18)
    for value, exact in zip(transformed(), exact_values, strict=True):
        np.testing.assert_allclose(value, exact, rtol=1e-3, atol=1e-4 * exact.std())
    assert all(after < loss / 4 for after, loss in zip(rounded(), before, strict=True))
    assert np.asarray(model(x, q)[0]).shape == x.shape


def test_every_tensor_of_the_transforms_but_the_latents_is_in_a_stage(model):
    tensors = [id(r) for stage in equalise.stages(model) for r in stage.tensors]
    wanted = {id(r) for name in ("analysis", "synthesis") for r in quantize.layers_of(model, name, quantize.Rounding)}
    outs = {id(layer.out) for block in blocks(model) for layer in (block.leave, block.reduce)}
    ends = {id(model.analysis.net.layers[1].into), id(model.synthesis.enter.into)}
    assert sorted(tensors) == sorted(wanted - outs - ends)


def blocks(model: Photo) -> list:
    nets = (model.analysis, model.synthesis)
    return [b for net in nets for b in net._flatten_layers(include_self=False) if isinstance(b, equalise.Block)]
