"""The training loop of the flagship: schedule, log, validation, checkpoints."""

import json
import math
import signal
import tempfile
import time
import zlib
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import keras
import numpy as np
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from aecodec.errors import ModelError
from aecodec.pixels import decibels
from aecodec.train import checkpoint, precision, quantize, runs, settle
from aecodec.train.backend import METRICS, Stepper
from aecodec.train.data import Crops, batches, image_files, load_images, principal_components, tiles_of
from aecodec.train.data_parallel import Exchange, Leader, part
from aecodec.train.distortions import distortion_of
from aecodec.train.optimizer import FastMuon
from aecodec.train.photo import Photo, Shape
from aecodec.train.runs import Setup
from aecodec.train.validation import Validation
from aecodec.train.warm import copy_kept

WARM_UP = 200  # steps
AVERAGE_EVERY = 8  # steps
AVERAGE = 0.997  # of the moving average stays then: it is that of about 2,700 steps
PAUSE = 30.0  # seconds: a longer step was a pause of the process and does not count as training
CROPS = 72  # that the steps of 8 bits are chosen from, where a run begins with them
QUIET = 10.0  # seconds without a line, where there is no terminal for the bar


@dataclass(frozen=True)
class Phase:
    """One stretch of training with its own budget; a run is a sequence of phases."""

    steps: int | None = None  # budget in steps, or
    minutes: float | None = None  # in minutes of training
    batch: int = 16
    crop: int = 128
    rate: float = 2e-3
    decay: float = 0.6  # share of the budget, at its end, in which a cosine takes the learning rate down to 1 %
    seed: int = 0
    refines: bool = False  # latents are refined before the loss sees them, as the encoder does it
    distortion: str = "psnr"  # what the loss takes for it, see distortions.py
    fixed_overlap: bool = False  # the overlap before the analysis is left as it is
    bits: int | None = None  # 8: networks are rounded in the forward pass, as static graphs round them
    settles: bool = False  # weights of 8 bits are not, but come to rest where rounding changes nothing, see settle.py

    @property
    def open_ended(self) -> bool:
        """Whether it has no budget, and so stands for the phase that was interrupted."""
        return self.steps is None and self.minutes is None

    def learning_rate(self, done: float, steps_since_warm: int) -> float:
        """done: share of the budget in 0..1."""
        rate = self.rate * min(1.0, (steps_since_warm + 1) / WARM_UP)
        if self.decay > 0 and done > 1 - self.decay:
            fall = min(1.0, (done - (1 - self.decay)) / self.decay)
            rate *= 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * fall))
        return rate


@dataclass
class Position:
    """Where a run stands; lies in the checkpoint."""

    step: int = 0
    seconds: float = 0.0
    cpu_seconds: float = 0.0  # of all threads of the leading process
    phase_step: int = 0  # at which the phase began
    phase_seconds: float = 0.0
    warm_step: int = 0  # at which the last warm-up began
    pulled: float = 0.0  # share of the phase after which weights were pulled last, where they come to rest

    def done(self, phase: Phase) -> float:
        if phase.steps is not None:
            return (self.step - self.phase_step) / phase.steps
        minutes = math.inf if phase.minutes is None else phase.minutes
        return (self.seconds - self.phase_seconds) / 60 / minutes


def average_decay(step: int) -> float:
    """Of the moving average, per update: short at first, so that the start is forgotten."""
    return min(AVERAGE, (step / AVERAGE_EVERY) / (step / AVERAGE_EVERY + 5))


class Run:
    """A training run in a folder: a checkpoint, its moving average, a log."""

    def __init__(self, setup: Setup, shape: Shape, phase: Phase):
        self.setup, self.folder, self.console = setup, setup.folder, Console(stderr=True)
        self.path = self.folder / runs.CHECKPOINT
        meta, new_phase = None, True
        if setup.resume:
            self.path = runs.state_of(self.folder)
            meta = checkpoint.read_meta(self.path)
            shape = checkpoint.part_of(meta, "shape", Shape, self.path)
            runs.drop_cut_line(self.folder)
            if phase.open_ended:
                phase, new_phase = checkpoint.part_of(meta, "phase", Phase, self.path), False
        else:
            runs.check_new(self.folder)
        images = load_images(image_files(setup.data), phase.crop)
        self.crops = Crops(images, phase.seed)
        basis, variance = (None, None) if meta else principal_components(self.crops)

        copied: dict[str, None] = {}

        def stepper(name: str) -> Stepper:
            """A new model in this precision, and how it is trained."""
            precision.use(name)
            keras.utils.set_random_seed(phase.seed)
            model = Photo(shape, basis, variance, refines=phase.refines)
            model.build()
            if setup.start and not setup.resume:
                copied.update(dict.fromkeys(copy_kept(setup.start, model)))
            return Stepper(model, FastMuon(phase.rate))

        def seconds(name: str) -> float:
            return stepper(name).seconds(self.crops.batch(0, phase.batch, phase.crop, shape))

        self.precision = precision.choose(setup.precision, seconds)
        self.stepper = stepper(self.precision[0])
        self.model = self.stepper.model
        if copied:
            self.console.print(f"{setup.start}: copied {', '.join(copied)}", soft_wrap=True, highlight=False)
        self.position, self.phase, self.best = Position(), phase, math.inf
        if meta:
            self._continue(checkpoint.load(self.path, self.stepper), new_phase)
        self.model.refines, self.model.fixed_overlap = self.phase.refines, self.phase.fixed_overlap
        self.model.distortion = distortion_of(self.phase.distortion)
        if self.phase.bits:
            self._round((meta or {}).get("steps"))
        if self.phase.settles:
            self._settle(new_phase)
        self.path = self.folder / runs.CHECKPOINT
        self.validation, self.judge = self._validation(setup.val)
        if meta and self.judge is not None and meta.get("judge") == self.judge:
            self.best = meta["best"]

    def _validation(self, folder: Path | None) -> tuple[Validation | None, int | None]:
        """How the run is judged, and a checksum of that; None without images."""
        if folder is None:
            return None, None
        tiles = tiles_of(load_images(image_files(folder)))
        judged_by = self.phase.distortion + " and visual" * self.model.shape.visual
        judged_by += " of 8 bits" * bool(self.phase.bits) + " refined" * self.phase.refines
        return Validation(self.model, tiles), zlib.crc32(judged_by.encode(), zlib.crc32(tiles.data))

    def _continue(self, meta: dict, new_phase: bool) -> None:
        self.position = checkpoint.part_of(meta, "position", Position, self.path)
        if not meta["complete"]:
            self.position.warm_step = self.position.step
        if new_phase:
            step, seconds = self.position.step, self.position.seconds
            self.position = replace(self.position, phase_step=step, phase_seconds=seconds, pulled=0.0)

    def _round(self, steps: list | None) -> None:
        """Switch 8 bits on; steps: those that the run has already, None where it begins with them.

        Then weights and average become the average with its channels brought to equal spans, as mixing it with others
        would be wrong.
        """
        if steps:
            quantize.load_steps(self.model, steps)
        else:
            self._begin_with_average()
            quantize.calibrate(
                self.model, self.crops.pixels(np.random.default_rng(self.phase.seed), CROPS, self.phase.crop)
            )
            self.stepper.average = [np.array(variable) for variable in self.model.trainable_variables]
            self.stepper.reload()
        quantize.switch(self.model)

    def _settle(self, new_phase: bool) -> None:
        """Weights come to rest from here on, in a new phase those of the average; the average is then what they are."""
        if new_phase:
            self._begin_with_average()
        quantize.switch_weights(self.model, False)
        self.stepper.grids = settle.grids(self.model)

    def _begin_with_average(self) -> None:
        """Weights become the average, and warm up."""
        for variable, average in zip(self.model.trainable_variables, self.stepper.average, strict=True):
            variable.assign(average)
        self.stepper.reload()
        self.position.warm_step = self.position.step

    def _meta(self) -> dict:
        return {
            "shape": self.model.shape.as_dict(),
            "phase": asdict(self.phase),
            "position": asdict(self.position),
            "best": self.best,
            **({"steps": quantize.steps(self.model)} if self.phase.bits else {}),
            "judge": self.judge,  # a checksum of the images and of the loss that say what is best
        }

    def log(self, **row) -> None:
        p = self.position
        row = {"step": p.step, "minutes": round(p.seconds / 60, 2), "cpu_minutes": round(p.cpu_seconds / 60, 2)} | row
        self.folder.mkdir(parents=True, exist_ok=True)
        with open(self.folder / runs.LOG, "a") as f:
            f.write(json.dumps(row) + "\n")
        if not self.console.is_terminal or "val" in row or "precision" in row:
            self.console.print(json.dumps(row), soft_wrap=True, highlight=False)

    def _average(self) -> None:
        """Take the weights into the moving average; of weights that come to rest it is what they are now."""
        self.stepper.update_average(0.0 if self.phase.settles else average_decay(self.position.step))

    def save(self) -> None:
        """Write a checkpoint; without validation the average beside it is the last one."""
        checkpoint.save(self.path, self.stepper, self._meta())
        if self.validation is None:
            checkpoint.save_average(self.folder / runs.AVERAGE, self.stepper.average, self._meta())

    def validate(self) -> None:
        """Measure the moving average; keep it when it is the best so far."""
        if self.validation is None:
            return
        self.stepper.sync()
        variables = self.model.trainable_variables
        kept = [np.array(v) for v in variables]
        for v, a in zip(variables, self.stepper.average, strict=True):
            v.assign(a)
        quantize.switch_weights(self.model, bool(self.phase.bits))
        result = self.validation.run()
        quantize.switch_weights(self.model, bool(self.phase.bits) and not self.phase.settles)
        for v, k in zip(variables, kept, strict=True):
            v.assign(k)
        self.stepper.reload()
        self.log(val=result)
        if result["loss"] < self.best:
            self.best = result["loss"]
            checkpoint.save_average(self.folder / runs.AVERAGE, self.stepper.average, self._meta() | {"val": result})

    def _feed(self, rank: int, count: int) -> Generator[list[np.ndarray], None, None]:
        """The parts of the batches from here on that process `rank` of `count` takes."""
        phase = self.phase
        with closing(batches(self.crops, self.position.step, phase.batch, phase.crop, self.model.shape)) as feed:
            for batch in feed:
                yield part(batch, rank, count)

    @contextmanager
    def _others(self) -> Iterator[None]:
        """The other processes, where there are any, which begin in the state of this one."""
        count = self.setup.processes
        if count == 1:
            yield
            return
        if keras.backend.backend() != "tensorflow":
            raise ModelError(f"Keras backend {keras.backend.backend()}: --processes needs tensorflow")
        size = sum(int(np.prod(v.shape)) for v in self.model.trainable_variables) + METRICS
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            checkpoint.save(folder / runs.CHECKPOINT, self.stepper, self._meta())
            setup = Setup(folder, self.setup.data, resume=True, precision=self.precision[0], processes=count)
            with closing(Leader(partial(_follow, setup), count, size)) as leader:
                self.stepper.exchange = leader.exchange
                yield

    def train(self, save_minutes: float = 5.0, validate_minutes: float = 10.0) -> bool:
        """Run the phase to its end. -> False when Ctrl-C or SIGTERM stopped it; a checkpoint is written anyway."""
        stop = []
        old = {s: signal.signal(s, lambda *_: stop.append(1)) for s in (signal.SIGINT, signal.SIGTERM)}
        bar = Progress(
            TextColumn("step {task.fields[step]}"),
            BarColumn(),
            TextColumn(
                "{task.percentage:>3.0f}% loss {task.fields[loss]:.3f} "
                "bpp {task.fields[bpp]:.3f} psnr {task.fields[psnr]:.2f}"
            ),
            TimeRemainingColumn(),
            console=self.console,
            disable=not self.console.is_terminal,
        )
        self.log(precision=self.precision[0], why=self.precision[1])
        feed = self._feed(0, self.setup.processes)
        rows, saved, checked = [], self.position.seconds, self.position.seconds
        try:
            with bar, self._others():
                task = bar.add_task("", total=1.0, step=self.position.step, loss=0.0, bpp=0.0, psnr=0.0)
                last, cpu = time.monotonic(), time.process_time()
                said = last
                while not stop and (done := self.position.done(self.phase)) < 1:
                    p = self.position
                    rate = self.phase.learning_rate(done, p.step - p.warm_step)
                    try:
                        pull = settle.pull(p.pulled, done) if self.phase.settles else 0.0
                        rows.append(self.stepper.step(next(feed), rate, pull))
                    except ModelError:  # another process has ended; what was learned until then is whole
                        self.save()
                        raise
                    p.step, p.pulled = p.step + 1, done
                    if p.step % AVERAGE_EVERY == 0:
                        self._average()
                    now = time.monotonic()
                    p.seconds, last = p.seconds + min(now - last, PAUSE), now
                    p.cpu_seconds, cpu = p.cpu_seconds + time.process_time() - cpu, time.process_time()
                    if not np.isfinite(rows[-1]).all():
                        raise FloatingPointError(f"step {p.step}: loss is not finite; the last checkpoint stands")
                    if p.step % 100 == 0:
                        loss, bpp, mse, norm = np.mean(rows, axis=0).astype(float)
                        psnr, rows = decibels(mse), []
                        self.log(loss=loss, bpp=bpp, psnr=psnr, norm=norm, rate=rate)
                        bar.update(task, completed=done, step=p.step, loss=loss, bpp=bpp, psnr=psnr)
                        said = now
                    elif now - said > QUIET and not self.console.is_terminal:
                        self.console.print(f"step {p.step}, {done:.1%}, loss {rows[-1][0]:.3f}", highlight=False)
                        said = now
                    if p.seconds - saved > 60 * save_minutes:
                        self.save()
                        saved = p.seconds
                    if p.seconds - checked > 60 * validate_minutes:
                        self.validate()
                        checked, last, cpu = p.seconds, time.monotonic(), time.process_time()
            if not stop:
                if self.phase.settles:
                    self.stepper.settle()
                    self._average()
                self.validate()
            self.save()
            return not stop
        finally:
            feed.close()
            for s, handler in old.items():
                signal.signal(s, handler)


def _follow(setup: Setup, rank: int, exchange: Exchange) -> None:
    """Train as process `rank`, from the state in the folder, until the leader ends; see data_parallel.py."""
    run = Run(setup, Shape(), Phase())
    run.stepper.exchange = exchange
    for batch in run._feed(rank, setup.processes):
        run.stepper.step(batch, 0.0)  # the leader says the rate
