"""The optimizer: kernels and biases of fine layers move in smaller steps than those of others."""

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="training needs the extra `train`")

from aecodec.train.layers import Pointwise
from aecodec.train.optimizer import FINE_RATE, FastMuon
from aecodec.train.stack import array

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def moves(fine: bool, gradients: list[np.ndarray]) -> list[np.ndarray]:
    """How far one step takes kernel and bias."""
    layer = Pointwise(6, fine=fine, init="ones", out=None)
    layer.build((None, None, None, 4))
    before = [array(v) for v in layer.trainable_variables]
    optimizer = FastMuon(0.01)
    optimizer.build(layer.trainable_variables)
    optimizer.apply(gradients, layer.trainable_variables)
    return [array(v) - b for v, b in zip(layer.trainable_variables, before, strict=True)]


def test_fine_layers_move_a_part_of_what_others_do():
    rng = np.random.default_rng(0)
    gradients = [rng.normal(size=(4, 6)).astype("float32"), rng.normal(size=6).astype("float32")]
    for fine, usual in zip(moves(True, gradients), moves(False, gradients), strict=True):
        assert np.abs(usual).min() > 1e-5
        np.testing.assert_allclose(fine, FINE_RATE * usual, rtol=2e-2, atol=1e-6)


def test_kernels_of_fine_layers_are_orthogonalised_too():
    gradient = np.outer(np.arange(1, 5), np.arange(1, 7)).astype("float32") + np.eye(4, 6, dtype="float32")
    kernel, _ = moves(True, [gradient, np.ones(6, "float32")])
    values = np.linalg.svd(kernel, compute_uv=False)
    assert values.max() < 5 * values.min(), "singular values of the step lie close together, the gradient's do not"
    assert np.linalg.svd(gradient, compute_uv=False).max() > 50 * np.linalg.svd(gradient, compute_uv=False).min()
