"""The hyper-synthesis gives the same integers whoever computes it: NumPy, LiteRT, plain Python."""

import numpy as np
import pytest
import reference
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.hyper_synthesis import offsets_at

from aecodec.entropy.hyper_synthesis import HyperSynthesis
from aecodec.errors import ModelError
from aecodec.families import by_name

LIMIT = 1 << 24


def net_of(w_in, b_in, w_dw, b_dw, w_out, offset) -> HyperSynthesis:
    floats = (np.asarray(part, np.float32) for part in (w_in, b_in, w_dw, b_dw, w_out))
    return HyperSynthesis(*floats, np.asarray(offset, np.int32))


def random_net(seed: int) -> HyperSynthesis:
    """Weights of all sizes, and sums that reach both sides of every clip."""
    rng = np.random.default_rng(seed)
    z, c, m, knots = 12, 20, 3, 4
    return net_of(
        rng.integers(-127, 128, (z, c)) // rng.choice([1, 8, 64]),
        rng.integers(-500, 500, c),
        rng.integers(-127, 128, (3, 3, c)) // rng.choice([1, 8]),
        rng.integers(-5000, 15000, c),
        rng.integers(-127, 128, (c, 16 * m)) // rng.choice([1, 4]),
        rng.integers(-20_000, 60_000, (knots, m)),
    )


WIDE = [(2096, 16), (16, 517)]  # channels of z and hidden ones: each as many as the bound lets one layer have


def extreme_net(signs, z: int = 16, c: int = 517) -> HyperSynthesis:
    """All weights at their limit, and every sum as close to 2^24 as the bound allows. signs: (shape) -> -1 or 1."""
    m, knots = 1, 2
    return net_of(
        127 * signs((z, c)),
        (LIMIT - 1 - z * 127 * 63) * signs((c,)),
        127 * signs((3, 3, c)),
        (LIMIT - 1 - 9 * 127 * 255) * signs((c,)),
        127 * signs((c, 16 * m)),
        (LIMIT - 1 - c * 127 * 255) * signs((knots, m)),
    )


def signs_of(seed: int):
    """-1, all; 0, alternating; 1, all; else drawn with a bias, so that rows do not cancel."""
    rng = np.random.default_rng(abs(seed))

    def signs(shape):
        if seed in (-1, 1):
            return np.full(shape, seed)
        if seed == 0:
            return np.where(np.indices(shape).sum(0) % 2, -1, 1)
        return np.where(rng.random(shape) < rng.choice([0.3, 0.48, 0.52, 0.7]), -1, 1)

    return signs


def in_python(net: HyperSynthesis, z: np.ndarray, quality: int) -> np.ndarray:
    plain = reference.HyperSynthesis(*(part.astype(int).tolist() for part in net))
    return np.array([plain.run(tile, quality) for tile in z.tolist()])


def hyper_latents(net: HyperSynthesis, seed: int, count: int = 1) -> np.ndarray:
    """One half at the ends of the range, one half anywhere."""
    rng = np.random.default_rng(seed)
    shape = count, 4, 4, len(net.w_in)
    return np.where(rng.random(shape) < 0.5, rng.choice([-63, 63], shape), rng.integers(-63, 64, shape))


def assert_same_everywhere(net: HyperSynthesis, z: np.ndarray, quality: int) -> np.ndarray:
    net.check()
    single = net.run(z, quality, np.float32)
    assert single.dtype == np.uint8
    np.testing.assert_array_equal(single, net.run(z, quality, np.float64))
    np.testing.assert_array_equal(single, in_python(net, z, quality))
    return single


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32), st.integers(0, 768))
def test_random_nets(seed, quality):
    net = random_net(seed)
    assert_same_everywhere(net, hyper_latents(net, seed, 2), quality)


def test_random_nets_reach_all_indexes():
    found = [random_net(seed).run(hyper_latents(random_net(seed), seed, 4), 100 * seed) for seed in range(8)]
    assert set(np.unique(found)) == set(range(64))


@pytest.mark.parametrize("z", [-63, 63, None])
@pytest.mark.parametrize("seed", [-1, 0, 1, 2, 3])
@pytest.mark.parametrize("widths", WIDE)
def test_extreme_nets(widths, seed, z):
    net = extreme_net(signs_of(seed), *widths)
    given_z = hyper_latents(net, seed + 9) if z is None else np.full((1, 4, 4, len(net.w_in)), z)
    assert_same_everywhere(net, given_z, 256)


def test_batch_and_order_do_not_matter():
    net = random_net(1)
    z = hyper_latents(net, 1, 5)
    whole = net.run(z, 300)
    for i in range(5):
        np.testing.assert_array_equal(net.run(z[i : i + 1], 300)[0], whole[i])


def test_a_net_worked_out_by_hand():
    """One channel everywhere, one hyper-latent that is not zero, at (1, 1)."""
    kernel = 14 * np.arange(9).reshape(3, 3, 1)
    w_out = np.zeros((1, 32))
    w_out[0, 2 * (4 * 3 + 1) + 1] = 100  # row 3, column 1 of a square, channel 1
    net = net_of([[100]], [0], kernel, [16], w_out, [[0, 512], [1024, 512]])
    z = np.zeros((1, 4, 4, 1), int)
    z[0, 1, 1] = 5  # 5 * 100 / 4 = 125
    # (16 + 125 * w) / 64 with w = 0, 14, ... 112, where the kernel meets it, so its last entry lies on the upper left
    hidden = [[219, 192, 164], [137, 110, 82], [55, 28, 0]]
    expected = np.zeros((16, 16, 2), int)
    expected[..., 1] = 1  # 512 / 1024, rounded up
    for i in range(3):
        for j in range(3):
            expected[4 * i + 3, 4 * j + 1, 1] = (hidden[i][j] * 100 + 512 + 512) // 1024
    np.testing.assert_array_equal(net.run(z, 0)[0], expected)
    assert net.run(z, 128)[0, 0, 0].tolist() == [1, 1]
    assert net.run(z, 127)[0, 0, 0].tolist() == [0, 1]  # 508 / 1024


def test_installed_model():
    net = by_name("photo").hyper_synthesis
    assert_same_everywhere(net, hyper_latents(net, 4), 256 * len(net.offset) // 2 - 77)


# LiteRT


def lite_graph(net: HyperSynthesis, quality: int) -> bytes:
    """The net as LiteRT runs such things: 1x1 convolutions, a depthwise one, depth to space."""
    tf = pytest.importorskip("tensorflow", reason="TensorFlow builds the graph")
    c = net.w_in.shape[1]

    def requantise(x, shift):
        return tf.clip_by_value(tf.floor(x * 2.0**-shift + 0.5), 0, 255)

    def run(z):
        h = requantise(tf.nn.conv2d(z, net.w_in[None, None], 1, "VALID") + net.b_in, 2)
        h = tf.nn.depthwise_conv2d(h, net.w_dw.reshape(3, 3, c, 1), [1, 1, 1, 1], "SAME")
        h = tf.nn.conv2d(requantise(h + net.b_dw, 6), net.w_out[None, None], 1, "VALID")
        h = tf.nn.depth_to_space(h, 4) + net.offsets(quality).astype(np.float32)
        return tf.clip_by_value(tf.floor(h * 2.0**-10 + 0.5), 0, 63)

    spec = tf.TensorSpec((1, 4, 4, len(net.w_in)), tf.float32)
    concrete = tf.function(run, input_signature=[spec]).get_concrete_function()
    return tf.lite.TFLiteConverter.from_concrete_functions([concrete], run).convert()


@pytest.mark.parametrize("net", [random_net(7), extreme_net(signs_of(2))], ids=["random", "extreme"])
def test_litert(net):
    interpreter = pytest.importorskip("ai_edge_litert.interpreter")
    graph = lite_graph(net, 200)
    kernels = interpreter.OpResolverType
    for threads, kind in [(1, kernels.AUTO), (2, kernels.AUTO), (1, kernels.BUILTIN_REF)]:
        lite = interpreter.Interpreter(model_content=graph, num_threads=threads, experimental_op_resolver_type=kind)
        lite.allocate_tensors()
        for seed in range(3):
            z = hyper_latents(net, seed)
            lite.set_tensor(lite.get_input_details()[0]["index"], z.astype(np.float32))
            lite.invoke()
            found = lite.get_tensor(lite.get_output_details()[0]["index"])
            np.testing.assert_array_equal(found, net.run(z, 200))


# Offsets


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(st.integers(1 - LIMIT, LIMIT - 1), min_size=3, max_size=3), min_size=2, max_size=5))
def test_offsets_at_every_quality(offset):
    net = random_net(0)._replace(offset=np.array(offset, np.int32))
    plain = reference.HyperSynthesis(*net[:5], offset)
    for quality in range(256 * (len(offset) - 1) + 1):
        found = net.offsets(quality).tolist()
        low = min(quality // 256, len(offset) - 2)
        ends = zip(offset[low], offset[low + 1], strict=True)
        f = quality - 256 * low
        assert found == [(a * (256 - f) + b * f + 128) // 256 for a, b in ends]
        assert found == offsets_at(plain.offset, quality)
    for knot, values in enumerate(offset):
        assert net.offsets(256 * knot).tolist() == values


# The bound


def test_check_accepts_the_greatest_sums():
    extreme_net(signs_of(1)).check()


@pytest.mark.parametrize("part", ["b_in", "b_dw", "offset"])
def test_check_refuses_a_sum_that_may_reach_the_bound(part):
    net = extreme_net(signs_of(1))
    values = getattr(net, part).copy()
    values.reshape(-1)[-1] += 1
    with pytest.raises(ModelError, match=r"^hyper-synthesis: a sum may reach 2\^24$"):
        net._replace(**{part: values}).check()


@pytest.mark.parametrize("part", ["w_in", "w_dw", "w_out"])
@pytest.mark.parametrize("value", [-128, 128])
def test_check_refuses_a_weight_outside_its_range(part, value):
    net = random_net(3)
    values = getattr(net, part).copy()
    values.reshape(-1)[5] = value
    with pytest.raises(ModelError, match=r"^hyper-synthesis: a weight lies outside -127..127$"):
        net._replace(**{part: values}).check()


@pytest.mark.parametrize("part", ["w_in", "b_in", "w_dw", "b_dw", "w_out"])
@pytest.mark.parametrize("value", [0.5, np.nan])
def test_check_refuses_what_is_no_integer(part, value):
    net = random_net(3)
    values = getattr(net, part).copy()
    values.reshape(-1)[5] = value
    with pytest.raises(ModelError, match=r"^hyper-synthesis: a weight is not an integer$"):
        net._replace(**{part: values}).check()


@pytest.mark.parametrize("value", [np.inf, -np.inf])
def test_check_refuses_infinity(value):
    net = random_net(3)
    values = net.w_out.copy()
    values[0, 0] = value
    with pytest.raises(ModelError, match=r"^hyper-synthesis: "):
        net._replace(w_out=values).check()
