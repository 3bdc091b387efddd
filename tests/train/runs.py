"""Runs of a tiny shape on the shipped samples, and what they write."""

import json
import signal
from pathlib import Path

import numpy as np
from small import SMALL
from typer.testing import CliRunner

import aecodec
from aecodec.cli import app
from aecodec.train.loop import Phase, Run
from aecodec.train.photo import Shape
from aecodec.train.runs import Setup

SAMPLES = Path(aecodec.__file__).parent / "bench" / "samples"
SHAPE = Shape(**SMALL)
RANDOM_SHAPE = Shape(**SMALL | {"analysis_ratio": 2, "lmbda_low": 4e-6, "knots": 3, "visual": True})
PHASE = Phase(steps=3, batch=2, crop=64, rate=0.05)  # the warm-up keeps it at 0.001 or less
FINISH = Phase()  # no budget: go on with the phase in the checkpoint


def arrays(path: Path) -> dict[str, np.ndarray]:
    with np.load(path) as f:
        return {name: f[name] for name in f if name != "meta"}


def rows(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def new_run(folder: Path, phase: Phase, *, resume: bool = False, val: bool = False, precision="float32") -> Run:
    return Run(Setup(folder, SAMPLES, SAMPLES if val else None, resume, precision=precision), SHAPE, phase)


def interrupt(run: Run, signals: dict[int, int]) -> None:
    """While step number k runs, `signals[k]` arrives."""
    step = run.stepper.step

    def stepping(*arguments):
        if (number := run.position.step + 1) in signals:
            signal.raise_signal(signals[number])
        return step(*arguments)

    run.stepper.step = stepping


def command(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, arguments, env={"COLUMNS": "200"})
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, " ".join(done.stderr.split())
