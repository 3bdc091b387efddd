"""Runs that several test modules look at."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def quick():
    """Quick steps: not compiled, which takes longer than a few of them, and without Muon, which the backends have.

    The principal components of the crops are found once.
    """
    import keras
    import tensorflow as tf

    from aecodec.train import loop

    found, real = [], loop.principal_components

    def once(crops) -> tuple:
        found[:] = found or [real(crops)]
        return found[0]

    tf.config.run_functions_eagerly(True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "FastMuon", lambda rate: keras.optimizers.SGD(rate, momentum=0.9))
        patch.setattr(loop, "AVERAGE_EVERY", 2)
        patch.setattr(loop, "principal_components", once)
        yield
    tf.config.run_functions_eagerly(False)


@pytest.fixture(scope="module")
def straight(quick, tmp_path_factory) -> Path:
    """A run of three steps, validated at its end."""
    from train.runs import PHASE, new_run

    folder = tmp_path_factory.mktemp("straight")
    assert new_run(folder, PHASE, val=True).train() is True
    return folder


@pytest.fixture(scope="module")
def continued(straight, tmp_path_factory):
    """What another machine continues from: the average alone."""
    from train.runs import PHASE, new_run

    folder = tmp_path_factory.mktemp("continued")
    shutil.copy(straight / "average.npz", folder)
    return new_run(folder, replace(PHASE, steps=2), resume=True)
