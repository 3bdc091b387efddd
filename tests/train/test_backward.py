"""Backpropagation through static networks, against differences of the same networks without rounding."""

import numpy as np
import pytest

pytest.importorskip("keras")
pytest.importorskip("onnx")

from static_numpy import run_numpy

from aecodec.model.onnx_runtime import OnnxNet
from aecodec.train import static
from aecodec.train.backward import backward
from aecodec.train.onnx_graphs import to_onnx
from aecodec.train.static import SIGNED, Network, Part

RNG = np.random.default_rng(5)


def whole(limit: int, *shape: int) -> np.ndarray:
    return RNG.integers(-limit, limit + 1, shape, dtype=np.int8)


def number(low: float, high: float, size: int) -> np.ndarray:
    return RNG.uniform(low, high, size).astype(np.float32)


BIAS = np.zeros(8, np.int32)
NETWORK = Network(
    {"y": (4, None)},
    {
        "in": static.Quantise("y", number(20, 40, 4), by=0.5),
        "open": static.Conv("in", whole(63, 1, 1, 4, 8), Part("biases", 0, 8), number(0.01, 0.02, 8)),
        "spread": static.Conv("open", whole(127, 3, 3, 1, 8), BIAS, number(0.003, 0.006, 8), True, SIGNED),
        "back": static.Conv("spread", whole(63, 1, 1, 8, 8), BIAS, number(0.005, 0.01, 8), zero=SIGNED),
        "first": static.Conv("in", whole(63, 1, 1, 4, 8), BIAS, number(0.005, 0.01, 8), zero=SIGNED),
        "sum": static.Add("back", "first", 0.5, 2.0, SIGNED),
        "larger": static.DepthToSpace("sum", 2),
        "out": static.Product("larger", whole(63, 2, 5), number(0.01, 0.02, 5)),
        "other": static.Rounded("y", number(1, 2, 4)),
    },
    {"biases": (8, np.int32)},
    ("out", "other"),
)


def smooth(y: np.ndarray, biases: np.ndarray, is_open: np.ndarray) -> np.ndarray:
    """The first output in float64 without roundings, with ReLUs as they are given: (2 h, 2 w, 5)."""
    layers, h, w = NETWORK.layers, *y.shape[:2]

    def dense(x, name, bias=0):
        return (x @ layers[name].weight[0, 0].astype(float) + bias) * layers[name].scale

    x = y * layers["in"].scale / layers["in"].by
    branch = np.pad(dense(x, "open", biases) * is_open, ((1, 1), (1, 1), (0, 0)))
    kernel = layers["spread"].weight[:, :, 0].astype(float)
    spread = sum(branch[i : i + h, j : j + w] * kernel[i, j] for i in range(3) for j in range(3))
    both = 0.5 * dense(spread * layers["spread"].scale, "back") + 2 * dense(x, "first")
    larger = both.reshape(h, w, 2, 2, 2).swapaxes(1, 2).reshape(2 * h, 2 * w, 2)
    return larger @ layers["out"].weight.astype(float) * layers["out"].scale


def test_the_gradient_is_that_of_differences():
    y, biases = RNG.normal(0, 0.4, (5, 6, 4)), RNG.integers(-200, 200, 8, dtype=np.int32)
    error = RNG.normal(0, 1, (10, 12, 5))
    opened = Network(NETWORK.inputs, NETWORK.layers, NETWORK.vectors, ("open",))
    is_open = run_numpy(opened, {"y": y.astype(np.float32), "biases": biases})[0] > 0
    assert 0.2 < is_open.mean() < 0.8
    back = backward(NETWORK, "out", 0.25)
    inputs = {"y": y.astype(np.float32), "error": error.astype(np.float32), "biases": biases}
    (gradient,) = run_numpy(back, inputs)
    for _ in range(5):
        way = RNG.normal(0, 1, y.shape)
        ahead, behind = (smooth(y + step * way, biases, is_open) for step in (1e-3, -1e-3))
        expected = 0.25 * np.sum(error * (ahead - behind)) / 2e-3
        assert np.sum(gradient * way) == pytest.approx(expected, rel=1e-4)
    net = OnnxNet(lambda: to_onnx(back))
    found = net(*(a[None] for a in (inputs["y"], inputs["error"])), biases)[0][0]
    np.testing.assert_allclose(found, gradient, rtol=1e-4, atol=1e-4 * np.abs(gradient).max())


def test_what_no_gate_and_no_gradient_needs_is_left_out():
    back = backward(NETWORK, "out", 1.0)
    assert {"in", "open"} == NETWORK.layers.keys() & back.layers.keys()


def test_other_layers_have_no_gradient():
    network = Network({"y": (4, None)}, {"out": static.Rounded("y", np.float32([1]))})
    with pytest.raises(TypeError, match=r"^out: no gradient of Rounded$"):
        backward(network, "out", 1.0)
