"""Weights that come to rest: the pull by hand, and a run at whose end rounding changes nothing."""

import itertools
import json
import shutil
import signal
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from frameworks import TRAINING, keras_on_tensorflow

keras = keras_on_tensorflow()

from aecodec.train import checkpoint, quantize, settle  # noqa: E402
from aecodec.train.loop import Run  # noqa: E402
from aecodec.train.photo import Photo  # noqa: E402
from aecodec.train.settle import ALL, Grid, pull  # noqa: E402
from aecodec.train.stack import array  # noqa: E402
from train.runs import FINISH, PHASE, SHAPE, arrays, interrupt, new_run  # noqa: E402

pytestmark = TRAINING

SETTLES = replace(PHASE, steps=4, bits=8, settles=True)


def test_a_value_comes_nearer_to_its_grid_and_stays_there():
    grid, start = Grid(np.float32(0.5), 63), np.zeros(5, np.float32)
    value = np.float32([0.1, 0.2, 0.5, 0.7, -1.26])  # in units 0.2, 0.4, 1, 1.4, -2.52
    np.testing.assert_allclose(grid.pulled(value, start, np.float32(0.1)), [0.05, 0.15, 0.5, 0.65, -1.31], atol=1e-6)
    np.testing.assert_allclose(grid.pulled(value, start, np.float32(0.5)), [0, 0, 0.5, 0.5, -1.5], atol=1e-6)
    value, start = np.float32([32, -31.2, 31.2]), np.float32([31, -31.5, 30])
    np.testing.assert_array_equal(grid.pulled(value, start, np.float32(0)), np.float32([31.5, -31.5, 31.2]))


def test_what_is_pulled_over_a_phase_is_more_than_half_a_unit():
    shares = np.linspace(0, 1, 40)
    parts = [pull(a, b) for a, b in itertools.pairwise(shares)]
    assert sum(parts) == pytest.approx(ALL)
    assert ALL > 0.5
    assert (np.diff(parts) > 0).all()


@pytest.fixture(scope="module")
def rounded(straight, tmp_path_factory):
    """The state of a run in 8 bits, whose steps are all the same, as choosing them takes longer than all else here."""
    path = tmp_path_factory.mktemp("rounded") / "checkpoint.npz"
    model = Photo(SHAPE)
    model.build()
    steps = [np.full(r.step.shape, 1 / 16).tolist() for r in quantize.roundings(model)]
    meta = checkpoint.read_meta(straight / "checkpoint.npz") | {"steps": steps}
    np.savez(path, meta=np.array(json.dumps(meta)), **arrays(straight / "checkpoint.npz"))
    return path


def begun(rounded, folder) -> Run:
    shutil.copy(rounded, folder)
    return new_run(folder, SETTLES, resume=True)


@pytest.fixture(scope="module")
def settled(quick, rounded, tmp_path_factory):
    """A run that went on from there with weights that come to rest, and its weights before."""
    run = begun(rounded, tmp_path_factory.mktemp("settled"))
    before = [array(v) for v in run.model.trainable_variables]
    assert run.train() is True
    return run, before


def test_rounding_changes_nothing_at_the_end(settled):
    run, before = settled
    grids = run.stepper.grids
    assert {layer.path for layer in quantize.kernels(run.model)} <= {path.rsplit("/", 1)[0] for path in grids}
    moved = 0
    for variable, first, average in zip(run.model.trainable_variables, before, run.stepper.average, strict=True):
        np.testing.assert_array_equal(array(variable), average)
        if variable.path in grids:
            at, start = array(variable) / grids[variable.path].unit, first / grids[variable.path].unit
            np.testing.assert_allclose(at, np.rint(at), atol=1e-3)
            moved += (np.abs(start - np.rint(start)) > 0.1).sum()
    assert moved > 100  # which were not there to begin with
    for path, grid in settle.grids(run.model).items():
        np.testing.assert_allclose(grid.unit, grids[path].unit, rtol=1e-6)  # as files will have it


def test_an_interrupted_one_resumes_exactly(settled, rounded, tmp_path):
    run = begun(rounded, tmp_path)
    interrupt(run, {run.position.step + 2: signal.SIGINT})
    assert run.train() is False
    rest = new_run(tmp_path, FINISH, resume=True)
    assert rest.phase.settles
    assert 0 < rest.position.pulled < 1
    assert rest.train() is True
    expected, found = arrays(settled[0].path), arrays(tmp_path / "checkpoint.npz")
    for name in expected:
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-6, atol=1e-7, err_msg=name)


def test_it_is_judged_by_what_rounding_leaves(settled, monkeypatch):
    """In the middle of a phase as well, when rounding still changes something."""
    run, before = settled
    seen = []

    def judged() -> dict:
        seen.extend(layer.few_bits for layer in quantize.kernels(run.model))
        np.testing.assert_array_equal(array(run.model.trainable_variables[0]), before[0])
        return {"loss": 1.0}

    monkeypatch.setattr(run, "validation", SimpleNamespace(run=judged))
    monkeypatch.setattr(run.stepper, "average", before)
    run.validate()
    assert all(seen)
    assert not any(layer.few_bits for layer in quantize.kernels(run.model))
