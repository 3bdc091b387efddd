"""The scale indexes are the integers of FORMAT.md, section 8.4, and what is interpolated is the same everywhere."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import model as reference
from reference.graphs import Graph

from aecodec.model import knots
from aecodec.model.coarse import CoarsePoint
from aecodec.model.model import Model
from aecodec.model.point import QualityPoint
from aecodec.model.weights import read_models

ROOT = Path(__file__).parents[2]
MODELS = read_models(ROOT / "tests" / "tiny", Model) | read_models(ROOT / "weights", Model)


@pytest.fixture(params=MODELS)
def model(request) -> Model:
    return MODELS[request.param]


def hyper_latents(model: Model, seed: int, *size: int) -> np.ndarray:
    """One half at the ends of the range, one half anywhere."""
    rng = np.random.default_rng(seed)
    shape = *size, model.numbers["z_tables"].shape[1]
    return np.where(rng.random(shape) < 0.5, rng.choice([-63, 63], shape), rng.integers(-63, 64, shape))


def in_integers(model: Model, z: np.ndarray, qindex: int) -> np.ndarray:
    """z (h, w, Z) -> (4 h, 4 w, M) by the formulas of FORMAT.md, with the weights of the graph."""
    graph = Graph(model.folder / "scales.onnx")
    layers = [sources for kind, sources, *_ in graph.nodes if kind == "QLinearConv"]
    w_in, w_dw, w_mid, w_out = (graph.constants[sources[3]].astype(int).transpose(2, 3, 1, 0) for sources in layers)
    b_in, b_dw, b_mid = (graph.constants[sources[8]].astype(int) for sources in layers[:3])
    offset = reference.integers_between(model.numbers["offset"], qindex)

    def r(x: np.ndarray, s: int, top: int) -> np.ndarray:
        return np.clip(x + (1 << s - 1) >> s, 0, top)

    height, width, _ = z.shape
    a = np.pad(r(b_in + z @ w_in[0, 0], 2, 255), ((1, 1), (1, 1), (0, 0)))
    b = r(b_dw + sum(a[u : u + height, v : v + width] * w_dw[u, v, 0] for u, v in np.ndindex(3, 3)), 6, 255)
    d = r(b_mid + b @ w_mid[0, 0], 6, 255)
    index = r(np.tile(offset, 16) + d @ w_out[0, 0], 10, 63)
    index[index < model.entry["shape"]["coded_from"]] = 0
    return index.reshape(height, width, 4, 4, -1).swapaxes(1, 2).reshape(4 * height, 4 * width, -1)


@pytest.mark.parametrize("size", [(4, 4), (1, 1), (2, 3)])
def test_the_graph_computes_the_formulas_of_format_md(model, size):
    for seed, qindex in enumerate((0, 77, model.max_qindex)):
        z = hyper_latents(model, seed, 1, *size)
        found = QualityPoint(model, qindex).scale_indexes(z)[0]
        np.testing.assert_array_equal(found, in_integers(model, z[0], qindex))
        coarse = CoarsePoint(model, qindex)
        np.testing.assert_array_equal(coarse.scale_indexes(z)[0], found[..., coarse.channels])


def test_tiles_do_not_depend_on_each_other(model):
    z = hyper_latents(model, 1, 5, 4, 4)
    point = QualityPoint(model, 300)
    whole = point.scale_indexes(z)
    assert len(np.unique(whole)) > 20
    for i in reversed(range(5)):
        np.testing.assert_array_equal(point.scale_indexes(z[i : i + 1])[0], whole[i])


def test_the_indexes_are_those_of_the_manifest(model):
    assert model.self_test() == model.entry["self_test"]


@settings(max_examples=20)  # each at all qualities
@given(st.lists(st.lists(st.integers(-(1 << 31), (1 << 31) - 1), min_size=3, max_size=3), min_size=2, max_size=5))
def test_integers_at_every_quality(rows):
    array = np.array(rows, np.int32)
    for qindex in range(256 * (len(rows) - 1) + 1):
        low = min(qindex // 256, len(rows) - 2)
        f = qindex - 256 * low
        found = knots.integers_between(array, qindex)
        assert found.dtype == np.int32
        assert found.tolist() == [
            (a * (256 - f) + b * f + 128) // 256 for a, b in zip(*rows[low : low + 2], strict=True)
        ]
        np.testing.assert_array_equal(reference.integers_between(array, qindex), found)
    for knot, values in enumerate(rows):
        assert knots.integers_between(array, 256 * knot).tolist() == values
