"""Run codecs over their qualities on one picture: real bytes, decoded from those bytes, timed.

    warm-up of every rival -> round 1: rival A at all qualities, rival B at all qualities -> round 2 ... -> medians

The rounds alternate the rivals, so that a busy moment of the machine does not fall on one of them alone.
"""

import statistics
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from aecodec.bench.metrics import psnr
from aecodec.bench.rivals import Rival


class Point(NamedTuple):
    """One quality of one codec on one picture, or the mean over pictures."""

    quality: int
    pixels: float
    size: float  # bytes of the file
    bpp: float
    psnr: float  # dB over the 8-bit RGB values, inf when lossless
    encode_s: float  # seconds, median
    decode_s: float

    @property
    def encode_mps(self) -> float:
        return self.pixels / self.encode_s / 1e6

    @property
    def decode_mps(self) -> float:
        return self.pixels / self.decode_s / 1e6


class Failure(NamedTuple):
    """Why a codec has no points."""

    reason: str


Sweep = dict[str, list[Point] | Failure]  # by the name of the rival


def measure_once(rival: Rival, pixels: np.ndarray, quality: int) -> Point:
    """Encode `pixels`, uint8 (H, W, 3), decode the bytes and compare.

    Raises whatever the codec raises, and ValueError when it gives back a picture of another shape or no bytes.
    """
    start = time.perf_counter()
    data = rival.encode(pixels, quality)
    middle = time.perf_counter()
    decoded = rival.decode(data)
    end = time.perf_counter()
    if decoded.shape != pixels.shape:
        raise ValueError(f"quality {quality}: decoded to shape {decoded.shape}, expected {pixels.shape}")
    count = pixels.shape[0] * pixels.shape[1]
    bpp = 8 * len(data) / count
    return Point(quality, count, len(data), bpp, psnr(pixels, decoded), middle - start, end - middle)


def sweep(
    pixels: np.ndarray, rivals: Sequence[Rival], *, repeats: int = 3, tick: Callable[[], None] = lambda: None
) -> Sweep:
    """Measure every rival at each of its qualities, `repeats` times after one warm-up; times are medians.

    A rival that raises is given a Failure and left out of the remaining rounds; the others go on. `tick` is called
    after each of the points counted by `count_steps`, at once for those that a failure takes away.
    """
    if repeats < 1:
        raise ValueError(f"repeats: found {repeats}, expected at least 1")
    runs: dict[str, list[list[Point]]] = {rival.name: [[] for _ in rival.qualities] for rival in rivals}
    failures: dict[str, Failure] = {}
    for round_number in range(repeats + 1):
        for rival in rivals:
            warm_up = round_number == 0
            left = 1 if warm_up else len(rival.qualities)
            try:
                if warm_up:
                    measure_once(rival, pixels, rival.qualities[len(rival.qualities) // 2])
                    left = 0
                    tick()
                elif rival.name not in failures:
                    for quality, measured in zip(rival.qualities, runs[rival.name], strict=True):
                        measured.append(measure_once(rival, pixels, quality))
                        left -= 1
                        tick()
            except Exception as error:  # a codec may raise anything at all; the others still get their measurement
                failures[rival.name] = Failure(describe(error))
            for _ in range(left):
                tick()
    return {name: failures.get(name) or [_median(point) for point in measured] for name, measured in runs.items()}


def count_steps(rivals: Sequence[Rival], repeats: int) -> int:
    """Return how many times `sweep` calls `tick`."""
    return sum(1 + repeats * len(rival.qualities) for rival in rivals)


def mean_sweep(sweeps: Sequence[Sweep]) -> Sweep:
    """Return the mean over pictures of size, bpp, PSNR and times at each quality.

    A mean stands for all the pictures or is not given: a rival that failed on some of them is a Failure here too.
    """
    means: Sweep = {}
    for name in sweeps[0] if sweeps else ():
        columns = [one[name] for one in sweeps]
        failed = [column for column in columns if isinstance(column, Failure)]
        if failed:
            means[name] = Failure(f"on {len(failed)} of {len(columns)} pictures: {failed[0].reason}")
        else:
            means[name] = [_mean(points) for points in zip(*columns, strict=True)]
    return means


def describe(error: Exception) -> str:
    """Return an exception as one line."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _mean(points: Sequence[Point]) -> Point:
    return Point(points[0].quality, *(statistics.fmean(column) for column in list(zip(*points, strict=True))[1:]))


def _median(measured: list[Point]) -> Point:
    return measured[0]._replace(
        encode_s=statistics.median(point.encode_s for point in measured),
        decode_s=statistics.median(point.decode_s for point in measured),
    )
