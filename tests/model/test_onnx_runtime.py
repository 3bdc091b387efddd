"""Networks of ONNX Runtime: shared by threads, and one line where one cannot run."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from aecodec.errors import ModelError
from aecodec.model.onnx_runtime import OnnxNet

pytest.importorskip("onnx")

from static_numpy import run_numpy

from aecodec.train.onnx_graphs import to_onnx
from aecodec.train.static import Conv, Network, Quantise


@pytest.fixture(scope="module")
def network() -> Network:
    random = np.random.default_rng(0)
    weight = random.integers(-63, 64, (3, 3, 8, 16)).astype(np.int8)
    conv = Conv("q", weight, np.zeros(16, np.int32), np.full(16, 2.0**-9, np.float32))
    return Network({"x": (8, None)}, {"q": Quantise("x", np.full(1, 9, np.float32)), "out": conv})


def test_threads_share_a_session(network):
    reads = []
    net = OnnxNet(lambda: reads.append(1) or to_onnx(network))
    random = np.random.default_rng(1)
    images = [random.normal(0, 3, (5 + i % 4, 7, 8)).astype(np.float32) for i in range(40)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda x: net(x[None])[0][0], images))
    assert len(reads) == 1
    for one, x in zip(found, images, strict=True):
        np.testing.assert_array_equal(one, run_numpy(network, {"x": x})[0])


def test_a_graph_that_cannot_be_loaded_says_so_in_a_line(network):
    unknown = to_onnx(network).replace(b"QLinearConv", b"QLinearConw")
    for data in (b"", b"no graph", unknown):
        with pytest.raises(ModelError, match=r"^ONNX Runtime \S+ cannot load a network: .") as error:
            OnnxNet(lambda data=data: data)(np.zeros((1, 2, 2, 8), np.float32))
        assert "\n" not in str(error.value)


def test_an_input_that_does_not_fit_says_so_in_a_line(network):
    net = OnnxNet(lambda: to_onnx(network))
    for wrong in (np.zeros((1, 2, 2, 7), np.float32), np.zeros((1, 2, 2, 8), np.float64)):
        with pytest.raises(ModelError, match=r"^ONNX Runtime cannot run a network") as error:
            net(wrong)
        assert "\n" not in str(error.value)
