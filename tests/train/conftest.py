"""Runs that several test modules look at."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


@contextmanager
def quick_steps() -> Iterator[None]:
    """Quick steps: not compiled, which takes longer than a few of them, and without Muon, which the backends have.

    The principal components are those of a few crops, and found once.
    """
    import keras
    import tensorflow as tf

    from aecodec.train import loop
    from aecodec.train.data import principal_components

    found, before = [], tf.config.functions_run_eagerly()

    def once(crops) -> tuple:
        found[:] = found or [principal_components(crops, 3000)]
        return found[0]

    tf.config.run_functions_eagerly(True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "FastMuon", lambda rate: keras.optimizers.SGD(rate, momentum=0.9))
        patch.setattr(loop, "AVERAGE_EVERY", 2)
        patch.setattr(loop, "principal_components", once)
        yield
    tf.config.run_functions_eagerly(before)


@pytest.fixture(scope="module")
def quick():
    with quick_steps():
        yield


@pytest.fixture(scope="session")
def straight(tmp_path_factory) -> Path:
    """A run of three steps, validated at its end; nothing may change it."""
    from train.runs import PHASE, new_run

    folder = tmp_path_factory.mktemp("straight")
    with quick_steps():
        assert new_run(folder, PHASE, val=True).train() is True
    return folder


@pytest.fixture(scope="module")
def continued(quick, straight, tmp_path_factory):
    """What another machine continues from: the average alone."""
    from train.runs import PHASE, new_run

    folder = tmp_path_factory.mktemp("continued")
    shutil.copy(straight / "average.npz", folder)
    return new_run(folder, replace(PHASE, steps=2), resume=True)


@pytest.fixture(scope="session")
def picture() -> np.ndarray:
    from mirrored import SAMPLE

    with Image.open(SAMPLE) as image:
        return np.asarray(image.convert("RGB"))


@pytest.fixture(scope="session")
def trained(picture):
    """A network whose every layer does something, with steps of 8 bits, rounding switched on; nothing may change it."""
    import keras

    from aecodec.train import quantize
    from aecodec.train.photo import Photo
    from train.runs import RANDOM_SHAPE

    keras.utils.set_random_seed(3)
    rng = np.random.default_rng(3)
    patches = picture[:256, :256].reshape(16, 16, 16, 16, 3).swapaxes(1, 2).reshape(256, -1) / 255 - 0.5
    variance, basis = np.linalg.eigh(patches.T @ patches / len(patches))
    model = Photo(RANDOM_SHAPE, basis[:, ::-1].astype(np.float32), variance[::-1])
    model.build()
    for v in model.trainable_variables:
        name, _, fine = v.path.split("/")[-1].partition("_")
        if name in ("kernel", "bias", "overlap") and "linear" not in v.path:
            v.assign_add(rng.normal(0, 0.01 if fine else 0.1, v.shape))
    model.hyper_synthesis.w_out.assign_add(rng.normal(0, 0.3, model.hyper_synthesis.w_out.shape))
    model.features.assign(rng.normal(0, 0.1, model.features.shape))
    quantize.calibrate(model, np.stack([picture[i : i + 128, i : i + 128] for i in range(0, 120, 10)]))
    quantize.switch(model)
    return model
