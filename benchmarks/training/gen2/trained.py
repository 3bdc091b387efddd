"""What the experiments here share: models, pictures, training for a while, measuring, results."""

import json
import math
import platform
import re
import time
from pathlib import Path

import keras
import numpy as np

from aecodec.train import checkpoint, quantize
from aecodec.train.backend import Stepper
from aecodec.train.data import Crops, batches, image_files, load_images, tiles_of
from aecodec.train.loop import Phase
from aecodec.train.optimizer import FastMuon
from aecodec.train.photo import Photo, Shape

HERE = Path(__file__).parent
SHIPPED = HERE.parents[2] / "weights" / "photo.average.npz"
KNOTS = (0, 2, 4, 6, 8)
WARM_UP = 60  # steps


def loaded(path: Path) -> Photo:
    """A model with the moving average at `path`, in 8 bits if it was trained in them."""
    meta = checkpoint.read_meta(path)
    model = Photo(checkpoint.part_of(meta, "shape", Shape, path))
    model.build()
    checkpoint.load_average(path, model)
    if "steps" in meta:
        quantize.load_steps(model, meta["steps"])
        quantize.switch(model)
    return model


def machine() -> dict:
    """The processor, and which of the instructions it has that decide how fast networks run."""
    text = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    flags = set(m[1].split()) if (m := re.search(r"^(?:flags|Features)\s*:(.*)$", text, re.M)) else set()
    wanted = ("avx2", "fma", "avx512f", "avx512_vnni", "avx512_bf16", "amx_int8", "asimddp", "i8mm", "bf16")
    return {
        "machine": platform.machine(),
        "flags": [f for f in wanted if f in flags],
        "precision": keras.mixed_precision.global_policy().name,
    }


def record(file: str, name: str, row: dict) -> None:
    """Put a row, with the processor's flags, into a JSON file beside this module."""
    path = HERE / file
    rows = json.loads(path.read_text()) if path.exists() else {}
    rows[name] = row | machine()
    path.write_text(json.dumps(rows, indent=1) + "\n")
    print(name, json.dumps(row), flush=True)


def crops_of(folder: Path, size: int = 256, seed: int = 7) -> Crops:
    return Crops(load_images(image_files(folder), size), seed)


def tiles(folder: Path, size: int = 256) -> np.ndarray:
    return tiles_of(load_images(image_files(folder)), size)


def train(model, crops: Crops, shape: Shape, rate: float, batch: int, steps: int, optimizer=None, cosine=True) -> dict:
    """Train for `steps` with warm-up and cosine -> steps, CPU minutes, CPU ms of a step (median)."""
    stepper = Stepper(model, optimizer or FastMuon(rate))
    schedule = Phase(steps=steps, rate=rate, decay=0.6 if cosine else 0.0)
    feed, times = batches(crops, 0, batch, 256, shape), []
    for step in range(steps):
        data, start = next(feed), time.process_time()
        lr = schedule.learning_rate(step / steps, 10**9) * min(1.0, (step + 1) / WARM_UP)
        metrics = stepper.step(data, lr)
        times.append(time.process_time() - start)
        if step % 50 == 49:
            print(step + 1, np.round(metrics, 4), f"{np.median(times) * 1e3:.0f} ms", flush=True)
    feed.close()
    return {"steps": steps, "batch": batch, "rate": rate, "cpu_minutes": sum(times) / 60} | {
        "step_cpu_ms": 1e3 * float(np.median(times))
    }


def gained(first: list[float], second: list[float], bits: list[float], other: list[float]) -> float:
    """By how much a metric is higher at equal bits, mean over the logarithm of the rate where both were measured."""
    low, high = max(min(bits), min(other)), min(max(bits), max(other))
    at = np.linspace(math.log(low), math.log(high), 100)
    return float(np.mean(np.interp(at, np.log(other), second) - np.interp(at, np.log(bits), first)))
