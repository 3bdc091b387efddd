"""Static 8-bit graphs in ONNX Runtime give what integers in NumPy give, bit for bit."""

import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks" / "training" / "gen2"))

import graphs  # noqa: E402
from graphs import SIGNED, WEIGHT_MAX, Add, Conv, DepthToSpace, Join, Network, Product  # noqa: E402


def run_onnx(network, inputs):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(graphs.to_onnx(network), options, providers=["CPUExecutionProvider"])
    return session.run(None, {name: x[None] for name, x in inputs.items()})[0][0]


def conv(random, source, k, c_in, c_out, zero, depthwise=False):
    shape = (k, k, 1 if depthwise else c_in, c_out)
    weight = random.integers(-WEIGHT_MAX, WEIGHT_MAX + 1, shape).astype(np.int8)
    bias = random.integers(-5000, 5000, c_out).astype(np.int32)
    scale = np.exp(random.uniform(-8, -5, c_out)).astype(np.float32)
    return Conv(source, weight, bias, scale, depthwise, zero)


def everything(random, zero):
    """A network with a layer of each kind and tensors of both zero points."""
    product = random.integers(-WEIGHT_MAX, WEIGHT_MAX + 1, (20, 12)).astype(np.int8)
    return Network(
        {"y": (48, SIGNED), "f": (8, zero)},
        {
            "a": conv(random, "y", 1, 48, 32, zero),
            "b": conv(random, "a", 3, 32, 32, SIGNED, depthwise=True),
            "c": conv(random, "b", 3, 32, 32, SIGNED),
            "d": Add("b", "c", 0.5, 2.0, SIGNED),
            "e": conv(random, "d", 1, 32, 12, zero),
            "g": Join("e", "f"),
            "h": conv(random, "g", 5, 20, 20, 0, depthwise=True),
            "i": conv(random, "h", 1, 20, 80, SIGNED),
            "j": DepthToSpace("i", 2),
            "out": Product("j", product, np.arange(12, dtype=np.int32), np.full(12, 2.0**-6, np.float32)),
        },
    )


@pytest.mark.parametrize("zero", [0, SIGNED])
@pytest.mark.parametrize("size", [(1, 1), (2, 9), (13, 8)])
def test_every_layer_as_in_integers(zero, size):
    random = np.random.default_rng(sum(size) + zero)
    network = everything(random, zero)
    for low, high in ((0, 256), (255, 256), (0, 1)):
        inputs = {n: random.integers(low, high, (*size, c)).astype(np.uint8) for n, (c, _) in network.inputs.items()}
        expected, found = graphs.run_numpy(network, inputs), run_onnx(network, inputs)
        assert found.dtype == expected.dtype == np.float32
        assert found.shape == (2 * size[0], 2 * size[1], 12)
        assert (found == expected).all()


def test_worst_case_of_two_neighbours():
    """Pairs of products are added in int16 on some processors: 2 * 255 * 63 still fits."""
    for sign in (-1, 1):
        weight = np.full((1, 1, 64, 16), sign * WEIGHT_MAX, np.int8)
        layer = Conv("y", weight, np.zeros(16, np.int32), np.full(16, sign / 2**14, np.float32))
        network = Network({"y": (64, 0)}, {"out": layer})
        y = np.full((3, 5, 64), 255, np.uint8)
        assert graphs.run_numpy(network, {"y": y})[0, 0, 0] == round(64 * 255 * 63 / 2**14)
        assert (run_onnx(network, {"y": y}) == graphs.run_numpy(network, {"y": y})).all()


def test_halves_go_to_the_even_number():
    layer = Conv("y", np.ones((1, 1, 1, 1), np.int8), np.zeros(1, np.int32), np.full(1, 0.5, np.float32))
    network, y = Network({"y": (1, 0)}, {"out": layer}), np.arange(8, dtype=np.uint8).reshape(1, 8, 1)
    assert graphs.run_numpy(network, {"y": y}).ravel().tolist() == [0, 0, 1, 2, 2, 2, 3, 4]
    assert run_onnx(network, {"y": y}).ravel().tolist() == [0, 0, 1, 2, 2, 2, 3, 4]


def one(layer, zero=0):
    return Network({"y": (4, zero), "f": (4, SIGNED)}, {"out": layer})


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (Conv("y", np.full((1, 1, 4, 4), 64, np.int8), np.zeros(4, np.int32), np.ones(4, np.float32)), "weight of 64"),
        (Conv("y", np.ones((1, 1, 4, 4), np.int8), np.full(4, 2**31 - 9, np.int32), np.ones(4, np.float32)), "sum may"),
        (Add("y", "f", 0.3, 1.0), "power of two"),
        (Join("y", "f"), "zero points 0 and 128"),
        (Product("y", np.ones((4, 4), np.int8), np.zeros(4, np.int32), np.full(4, 3.0, np.float32)), "power of two"),
        (Product("y", np.ones((4, 4), np.int8), np.full(4, 2**24, np.int32), np.ones(4, np.float32)), "sum may"),
    ],
)
def test_what_would_differ_between_processors_is_refused(layer, message):
    with pytest.raises(ValueError, match=f"out: .*{message}"):
        graphs.to_onnx(one(layer))
