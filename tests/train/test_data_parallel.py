"""Processes that share each batch: the mean that they exchange, steps as those of one, and how they end."""

import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import train_steps
from small import SMALL
from typer.testing import CliRunner

import aecodec
from aecodec.cli import app
from aecodec.errors import ModelError
from aecodec.train.data_parallel import Exchange, Leader, part

SAMPLES = Path(aecodec.__file__).parent / "bench" / "samples"
# Keras variables know nothing of NumPy 2's `copy`.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
STEPS, SHAPES, SIZE = 3, [(2, 3), (4,)], 10


def gradients(step: int, rank: int) -> list[np.ndarray]:
    rng = np.random.default_rng([step, rank])
    return [rng.normal(size=shape).astype(np.float32) for shape in SHAPES]


def follow(folder: Path, dies: bool, rank: int, exchange: Exchange) -> None:
    """Write down what is exchanged, in the end whether the leader ends this process."""
    means, paces = [], []
    try:
        for step in range(STEPS + 1):
            if dies and step == 1:
                os._exit(7)
            values, pace = exchange(gradients(step, rank), (0.0, 0.0))
            means += values
            paces.append(pace)
    finally:
        np.savez(folder / f"{rank}.npz", *means, paces=paces)


def test_every_process_has_the_mean_and_the_leader_s_pace(tmp_path):
    means, expected = [], []
    with closing(Leader(partial(follow, tmp_path, False), 3, SIZE)) as leader:
        for step in range(STEPS):
            values, pace = leader.exchange(gradients(step, 0), (0.5 + step, 0.25))
            assert pace == (0.5 + step, 0.25)
            means += values
            given = [gradients(step, rank) for rank in range(3)]
            expected += [np.mean(values, axis=0) for values in zip(*given, strict=True)]
    for mean, value in zip(means, expected, strict=True):
        np.testing.assert_allclose(mean, value, rtol=1e-6)
    for rank in (1, 2):  # they had begun another step, and the leader ended
        with np.load(tmp_path / f"{rank}.npz") as file:
            assert file["paces"].tolist() == [[0.5, 0.25], [1.5, 0.25], [2.5, 0.25]]
            for i, mean in enumerate(means):
                np.testing.assert_array_equal(file[f"arr_{i}"], mean)


def test_a_process_that_dies_is_told_in_one_line(tmp_path):
    with closing(Leader(partial(follow, tmp_path, True), 2, SIZE)) as leader:
        leader.exchange(gradients(0, 0), (0.5,))
        with pytest.raises(ModelError, match="another process of this training ended, with exit code 7"):
            leader.exchange(gradients(1, 0), (0.5,))


def test_a_batch_is_dealt_in_parts():
    batch = [np.arange(12).reshape(6, 2), np.arange(6)]
    assert [[array.tolist() for array in part(batch, rank, 3)][1] for rank in range(3)] == [[0, 1], [2, 3], [4, 5]]


def test_two_that_exchange_gradients_train_as_one_does():
    tf = pytest.importorskip("tensorflow")
    tf.config.run_functions_eagerly(True)
    try:
        _two_as_one()
    finally:
        tf.config.run_functions_eagerly(False)


def _two_as_one() -> None:
    import keras

    from aecodec.train.backend import Stepper
    from aecodec.train.photo import Photo, Shape

    shape = Shape(**SMALL)
    basis = np.linalg.qr(np.random.default_rng(0).normal(size=(768, shape.latent)))[0].astype(np.float32)
    steppers = []
    for _ in range(3):
        keras.utils.set_random_seed(1)
        model = Photo(shape, basis, np.linspace(4, 1, shape.latent))
        model.build()
        steppers.append(Stepper(model, keras.optimizers.SGD(0.1)))
    batch, barrier, given = train_steps.batch(shape, 4), threading.Barrier(2), {}

    def exchange(rank, own, pace):
        given[rank] = own
        barrier.wait(60)
        means = [(a + b) / 2 for a, b in zip(given[0], given[1], strict=True)]
        barrier.wait(60)
        return means, pace

    for rank, stepper in enumerate(steppers[1:]):
        stepper.exchange = partial(exchange, rank)
    with ThreadPoolExecutor(2) as pool:
        alone = steppers[0].step(batch, 0.02)
        shared = pool.map(lambda rank: steppers[1 + rank].step(part(batch, rank, 2), 0.02), range(2))
        np.testing.assert_allclose(list(shared), [alone, alone], rtol=1e-4)
    for one, *others in zip(*[stepper.model.trainable_variables for stepper in steppers], strict=True):
        for other in others:
            np.testing.assert_allclose(np.array(other), np.array(one), atol=1e-6)


@pytest.mark.parametrize(
    ("batch", "processes", "line"),
    [
        (3, 2, "batch 3: expected a multiple of --processes 2"),
        (2, 2, "batch 2: expected two images or more for each process"),
        (1, 1, "batch 1: expected two images or more"),
    ],
)
def test_a_batch_that_cannot_be_dealt_is_refused_at_once(tmp_path, batch, processes, line):
    arguments = ["train", "photo", "--data", str(SAMPLES), "--out", str(tmp_path / "run"), "--steps", "1"]
    result = CliRunner().invoke(app, [*arguments, "--batch", str(batch), "--processes", str(processes)])
    assert result.exit_code == 2
    assert line in result.stderr


@pytest.mark.slow
@pytest.mark.parametrize("killed", [False, True])
def test_processes_end_together(tmp_path, killed):
    """When the leader is told to stop, and when another one is killed; a checkpoint is written either way."""
    pytest.importorskip("tensorflow")
    out, log = tmp_path / "run", tmp_path / "stderr"
    arguments = ["--data", SAMPLES, "--steps", 100_000, "--batch", 4, "--crop", 64, "--processes", 2]
    with open(log, "w") as stderr:
        run = subprocess.Popen(
            [sys.executable, "-m", "aecodec", "train", "photo", "--out", out, *map(str, arguments)], stderr=stderr
        )
    try:
        _until(lambda: "loss" in log.read_text(), 300)
        children = Path(f"/proc/{run.pid}/task/{run.pid}/children").read_text().split()
        (other,) = [c for c in children if "spawn_main" in Path(f"/proc/{c}/cmdline").read_text()]
        os.kill(int(other) if killed else run.pid, signal.SIGKILL if killed else signal.SIGTERM)
        assert run.wait(60) == 1
        _until(lambda: not any(Path(f"/proc/{child}/exe").exists() for child in children), 30)
    finally:
        run.kill()
        run.wait()
    assert (out / "checkpoint.npz").exists()
    text = log.read_text()
    assert "Traceback" not in text
    assert ("another process of this training ended, with exit code -9" in text) == killed


def _until(true, seconds: float) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.1)
