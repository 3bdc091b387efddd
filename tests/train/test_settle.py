"""Weights that come to rest: the pull by hand, and a run at whose end rounding changes nothing."""

import itertools
import signal
from dataclasses import replace

import numpy as np
import pytest
from frameworks import TRAINING, keras_on_tensorflow

keras = keras_on_tensorflow()

from aecodec.train import checkpoint, loop, quantize, settle  # noqa: E402
from aecodec.train.settle import ALL, Grid, pull  # noqa: E402
from aecodec.train.stack import array  # noqa: E402
from train.runs import FINISH, PHASE, arrays, interrupt, new_run  # noqa: E402

pytestmark = TRAINING

STEPS = 6
SETTLES = replace(PHASE, steps=STEPS, bits=8, settles=True)


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
def settled(quick, straight, tmp_path_factory):
    """A run that went on with weights that come to rest, and its state before, once its channels had equal spans."""
    folder = tmp_path_factory.mktemp("settled")
    checkpoint_of(straight, folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "CROPS", 18)
        run = new_run(folder, SETTLES, resume=True, val=True)
        before = [array(v) for v in run.model.trainable_variables]
        assert run.train() is True
    return run, before


def checkpoint_of(run, folder) -> None:
    (folder / "checkpoint.npz").write_bytes((run / "checkpoint.npz").read_bytes())


def test_rounding_changes_nothing_at_the_end(settled):
    run, before = settled
    grids = run.stepper.grids
    assert {layer.path for layer in quantize.kernels(run.model)} <= {path.rsplit("/", 1)[0] for path in grids}
    moved = 0
    for variable, first, average in zip(run.model.trainable_variables, before, run.stepper.average, strict=True):
        np.testing.assert_array_equal(array(variable), average)
        if variable.path in grids:
            grid = grids[variable.path]
            np.testing.assert_allclose(array(variable) / grid.unit, np.rint(array(variable) / grid.unit), atol=1e-3)
            at = np.abs(first / grid.unit)
            moved += (np.abs(at - np.rint(at)) > 0.1).sum()
    assert moved > 100  # which were not there to begin with
    for path, grid in settle.grids(run.model).items():
        np.testing.assert_allclose(grid.unit, grids[path].unit, rtol=1e-6)  # as files will have it


def test_an_interrupted_one_resumes_exactly(settled, straight, tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "CROPS", 18)
    checkpoint_of(straight, tmp_path)
    run = new_run(tmp_path, SETTLES, resume=True)
    interrupt(run, {run.position.step + 4: signal.SIGINT})
    assert run.train() is False
    rest = new_run(tmp_path, FINISH, resume=True)
    assert rest.phase.settles
    assert 0 < rest.position.pulled < 1
    assert rest.train() is True
    expected, found = arrays(settled[0].path), arrays(tmp_path / "checkpoint.npz")
    for name in expected:
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-6, atol=1e-7, err_msg=name)


def test_it_is_judged_by_what_rounding_leaves(settled):
    """In the middle of a phase as well, when rounding still changes something."""
    run, before = settled
    trained = run.model.trainable_variables
    rounded = [array(v) for v in trained]
    run.stepper.average = before
    run.best = np.inf
    run.validate()
    quantize.switch_weights(run.model, True)
    for variable, value in zip(trained, before, strict=True):
        variable.assign(value)
    assert checkpoint.read_meta(run.folder / "average.npz")["val"]["loss"] == run.validation.run()["loss"]
    quantize.switch_weights(run.model, False)
    for variable, value in zip(trained, rounded, strict=True):
        variable.assign(value)
