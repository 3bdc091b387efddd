"""The exported graphs: what LiteRT's kernels make of a layer with 8-bit weights, with and without XNNPACK."""

import numpy as np
import portability
import pytest

keras = pytest.importorskip("keras")
tf = pytest.importorskip("tensorflow")
pytest.importorskip("ai_edge_quantizer")
if keras.backend.backend() != "tensorflow":
    pytest.skip("graphs are made on the TensorFlow backend", allow_module_level=True)

from aecodec.train.graphs import lite  # noqa: E402

ROWS, INPUTS, OUTPUTS = 2000, 96, 40


@pytest.fixture(scope="module")
def layer() -> tuple[bytes, np.ndarray, np.ndarray]:
    """A dense layer as a graph; its weights; its input, whose rows differ in range and are mostly not around zero."""
    rng = np.random.default_rng(5)
    weights = rng.normal(size=(INPUTS, OUTPUTS)).astype(np.float32)
    graph = lite(lambda x: tf.matmul(x, weights), tf.TensorSpec((ROWS, INPUTS), tf.float32))
    x = rng.normal(rng.normal(size=(ROWS, 1)), rng.uniform(0.01, 9, (ROWS, 1)), (ROWS, INPUTS))
    x[::3] = np.abs(x[::3])  # as after a ReLU
    return graph, weights, x.astype(np.float32)


def run(graph: bytes, x: np.ndarray, reference: bool) -> np.ndarray:
    interpreter = portability.interpreter(graph, 1, reference)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], x)
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])


def quantised(x: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The layer: 8-bit weights with a scale for each output, 8-bit input with a scale and a zero point for each row."""
    scale = np.abs(weights).max(0) / 127
    w = np.rint(weights / scale).astype(int)
    low, high = np.minimum(x.min(1), 0), np.maximum(x.max(1), 0)
    step = ((high - low) / 255).astype(float)[:, None]
    zero = np.rint(-128 - low[:, None] / step)
    q = np.clip(np.rint(x / step) + zero, -128, 127) - zero
    return q.astype(int) @ w * step * scale


@pytest.mark.parametrize("reference", [False, True], ids=["default", "reference"])
def test_all_kernels_quantise_what_enters_a_layer_with_a_zero_point(layer, reference):
    """All but a few rows are as computed here, and those differ by a step of one input or of the zero point."""
    graph, weights, x = layer
    found, expected = run(graph, x, reference), quantised(x, weights)
    difference = np.abs(found - expected).max(1) / np.abs(expected).max(1)
    assert np.mean(difference > 1e-4) < 0.01
    assert difference.max() < 0.05


def test_kernels_agree(layer):
    graph, _, x = layer
    default, reference = run(graph, x, False), run(graph, x, True)
    assert np.mean((np.abs(default - reference) > 1e-4 * np.abs(default).max()).any(1)) < 0.01
