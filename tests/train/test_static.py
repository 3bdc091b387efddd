"""Static 8-bit graphs in ONNX Runtime give what integers in NumPy give, bit for bit."""

import numpy as np
import pytest

pytest.importorskip("onnx")

from static_numpy import run_numpy

from aecodec.model.onnx_runtime import OnnxNet
from aecodec.train.onnx_graphs import to_onnx
from aecodec.train.static import (
    SIGNED,
    WEIGHT_MAX,
    Add,
    Conv,
    DeadZone,
    DepthToSpace,
    Join,
    Limit,
    Linear,
    Network,
    Part,
    Pick,
    Product,
    Quantise,
    Rounded,
    Shift,
    SpaceToDepth,
    Spread,
    Sum,
)  # fmt: skip


def run_onnx(network, inputs):
    arrays = [x[None] if x.ndim == 3 else x for x in (inputs[name] for name in (*network.inputs, *network.vectors))]
    return [found[0] for found in OnnxNet(lambda: to_onnx(network))(*arrays)]


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
            "out": Product("j", product, np.full(12, 2.0**-6, np.float32)),
        },
    )


@pytest.mark.parametrize("zero", [0, SIGNED])
@pytest.mark.parametrize("size", [(1, 1), (2, 9), (13, 8)])
def test_every_layer_as_in_integers(zero, size):
    random = np.random.default_rng(sum(size) + zero)
    network = everything(random, zero)
    for low, high in ((0, 256), (255, 256), (0, 1)):
        inputs = {n: random.integers(low, high, (*size, c)).astype(np.uint8) for n, (c, _) in network.inputs.items()}
        (expected,), (found,) = run_numpy(network, inputs), run_onnx(network, inputs)
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
        assert run_numpy(network, {"y": y})[0][0, 0, 0] == round(64 * 255 * 63 / 2**14)
        assert (run_onnx(network, {"y": y})[0] == run_numpy(network, {"y": y})[0]).all()


def test_halves_go_to_the_even_number():
    layer = Conv("y", np.ones((1, 1, 1, 1), np.int8), np.zeros(1, np.int32), np.full(1, 0.5, np.float32))
    network, y = Network({"y": (1, 0)}, {"out": layer}), np.arange(8, dtype=np.uint8).reshape(1, 8, 1)
    assert run_numpy(network, {"y": y})[0].ravel().tolist() == [0, 0, 1, 2, 2, 2, 3, 4]
    assert run_onnx(network, {"y": y})[0].ravel().tolist() == [0, 0, 1, 2, 2, 2, 3, 4]


def floats(random):
    """A network with the layers of float32, whose products are exact, and with what folds and picks channels."""
    integers = random.integers(-99, 99, (12, 20)).astype(np.float32)
    return Network(
        {"x": (12, None), "rounding": (20, None)},
        {
            "u": Rounded("x", np.exp(random.uniform(-1, 1, 12)).astype(np.float32)),
            "v": Linear("u", integers / 64, np.arange(20, dtype=np.float32) / 64),
            "p": Linear("u", integers, relu=True),
            "w": Quantise("v", np.exp(random.uniform(-4, -2, 20)).astype(np.float32), SIGNED, Part("by", 1, 2)),
            "i": Quantise("v", np.ones(1, np.float32), by=1.7),
            "f": SpaceToDepth("w", 2),
            "k": Pick("f", 5, (1, 0, 15, 7)),
            "j": Join("k", "k", ("k",)),
            "s": Pick("j", 20, (1,)),
            "h": Limit("s", 140, 70),
            "c": Conv(
                "h",
                random.integers(-63, 64, (1, 1, 20, 80)).astype(np.int8),
                Part("biases", 3, 83),
                np.exp(random.uniform(-8, -5, 80)).astype(np.float32),
                zero=0,
            ),
            "q": Product(
                "c",
                random.integers(-63, 64, (80, 80)).astype(np.int8),
                np.exp(random.uniform(-9, -5, 80)).astype(np.float32),
                Part("by", 0, 1),
            ),
            "g": DepthToSpace("q", 2),
            "e": Pick("g", 5, (3, 0, 2, 1)),
            "m": Sum("e", "p"),
            "n": Shift("m", np.linspace(-3, 3, 20, dtype=np.float32)),
            "d": DeadZone("n", "v", "rounding"),
            "o": Sum("d", "v"),
        },
        {"by": (2, np.float32), "biases": (90, np.int32)},
        ("d", "o", "w", "i"),
    )


def test_layers_of_float32_as_in_numpy():
    random = np.random.default_rng(3)
    network = floats(random)
    for _ in range(2):
        inputs = {
            "x": random.normal(0, 9, (6, 10, 12)).astype(np.float32),
            "rounding": random.choice([-1e9, 0.35, 0.5], (6, 10, 20)).astype(np.float32),
            "by": np.float32([1.7, 0.31]),
            "biases": random.integers(-20_000, 20_000, 90).astype(np.int32),
        }
        for found, expected in zip(run_onnx(network, inputs), run_numpy(network, inputs), strict=True):
            assert found.dtype == expected.dtype
            assert np.unique(found).size > 20
            np.testing.assert_array_equal(found, expected)


def test_spread_is_a_depthwise_convolution():
    random = np.random.default_rng(4)
    spread = Spread("x", random.normal(size=(3, 3, 1, 6)).astype(np.float32), random.normal(size=6).astype(np.float32))
    network, x = Network({"x": (6, None)}, {"out": spread}), random.normal(size=(5, 4, 6)).astype(np.float32)
    (found,), (expected,) = run_onnx(network, {"x": x}), run_numpy(network, {"x": x})
    np.testing.assert_allclose(found, expected, atol=1e-5)
    inner = (x[1:4, 1:4] * spread.weight[:, :, 0]).sum((0, 1)) + spread.bias
    np.testing.assert_allclose(found[2, 2], inner, atol=1e-5)


def one(layer, zero=0):
    return Network({"y": (4, zero), "f": (4, SIGNED)}, {"out": layer})


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (Conv("y", np.full((1, 1, 4, 4), 64, np.int8), np.zeros(4, np.int32), np.ones(4, np.float32)), "weight of 64"),
        (Conv("y", np.ones((1, 1, 4, 4), np.int8), np.full(4, 2**31 - 9, np.int32), np.ones(4, np.float32)), "sum may"),
        (Add("y", "f", 0.3, 1.0), "power of two"),
        (Add("y", "f", 2.0**-5, 1.0), "a scale of 0.03125"),
        (Join("y", "f"), "zero points 0 and 128"),
        (Product("y", np.full((1100, 4), 63, np.int8), np.ones(4, np.float32)), "sum may"),
    ],
)
def test_what_would_differ_between_processors_is_refused(layer, message):
    with pytest.raises(ValueError, match=f"out: .*{message}"):
        to_onnx(one(layer))


@pytest.mark.parametrize("scales", [(1.0, 1.0), (0.5, 1.0), (2.0**-4, 8.0), (0.25, 0.5), (1.0, 2.0**-4)])
def test_halves_of_all_sums_go_away_from_zero(scales):
    a, b = (x.astype(np.uint8)[..., None] for x in np.mgrid[:256, :256])
    network = Network({"a": (1, SIGNED), "b": (1, SIGNED)}, {"out": Add("a", "b", *scales, SIGNED)})
    (found,) = run_onnx(network, {"a": a, "b": b})
    sixteenths = (16 * scales[0] * (a.astype(int) - 128) + 16 * scales[1] * (b.astype(int) - 128)).astype(int)
    expected = np.sign(sixteenths) * ((np.abs(sixteenths) + 8) // 16)
    np.testing.assert_array_equal(found, np.clip(expected + 128, 0, 255))
