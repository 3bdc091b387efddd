"""How fast codecs are, on one core and on all, and how much memory they need, on one picture.

    for one core, then all:  warm-up of every rival -> round 1: rival A, rival B ... -> round 2 ... -> medians

The rounds alternate the rivals, so that a busy moment of the machine does not fall on one of them alone. Memory is
measured in a new process for each rival and direction.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np

from aecodec.bench.measure import Failure, decode_checked, describe
from aecodec.bench.rivals import Rival, known_rivals
from aecodec.parallel import usable_threads

_WARM_UP = 256  # pixels on each side of the part of the picture that is coded before the clock runs


class Speed(NamedTuple):
    """One codec at one quality; the mappings are by the number of cores."""

    quality: float
    encode_mps: dict[int, float]
    decode_mps: dict[int, float]
    encode_mb: float | None = None  # 10^6 bytes at the peak, above what the process held before
    decode_mb: float | None = None
    core_share: float | None = None  # of one core that it got while it ran on one: less than 1 where others work too


Entrant = tuple[Rival, float]  # and the quality it runs at


def core_counts() -> list[int]:
    """Return on how many cores speeds can be measured here: one and all, or just all where a process cannot choose."""
    cores = usable_threads()
    return sorted({1, cores}) if hasattr(os, "sched_setaffinity") else [cores]


def measure_speeds(
    pixels: np.ndarray,
    entrants: Sequence[Entrant],
    *,
    repeats: int = 3,
    tick: Callable[[], None] = lambda: None,
) -> dict[str, Speed | Failure]:
    """Time every rival on `pixels` at its quality: medians of `repeats` rounds after a warm-up.

    `pixels`: uint8 (H, W) or (H, W, 3). A rival that raises is given a Failure and left out of the remaining rounds.
    `tick` is called `count_ticks` times.
    """
    if repeats < 1:
        raise ValueError(f"repeats: found {repeats}, expected at least 1")
    seconds: dict[str, dict[int, list[tuple[float, float, float]]]] = {rival.name: {} for rival, _ in entrants}
    failures: dict[str, Failure] = {}
    small = np.ascontiguousarray(pixels[:_WARM_UP, :_WARM_UP])
    for cores in core_counts():
        with _on_cores(cores):
            for turn in range(repeats + 1):
                for rival, quality in entrants:
                    try:
                        if rival.name not in failures:
                            taken = _time(rival, quality, pixels if turn else small)
                            if turn:
                                seconds[rival.name].setdefault(cores, []).append(taken)
                    except Exception as error:  # a codec may raise anything at all; the others still get measured
                        failures[rival.name] = Failure(describe(error))
                    tick()
    peaks = _peaks(pixels, [(rival, quality) for rival, quality in entrants if rival.name not in failures], tick)
    for _ in failures:
        tick()
    megapixels = pixels.shape[0] * pixels.shape[1] / 1e6
    result: dict[str, Speed | Failure] = {}
    for rival, quality in entrants:
        if rival.name in failures:
            result[rival.name] = failures[rival.name]
            continue
        encode, decode = (
            {
                cores: megapixels / statistics.median(pair[i] for pair in pairs)
                for cores, pairs in seconds[rival.name].items()
            }
            for i in (0, 1)
        )
        alone = seconds[rival.name].get(1, [])
        share = sum(cpu for _, _, cpu in alone) / sum(a + b for a, b, _ in alone) if alone else None
        result[rival.name] = Speed(quality, encode, decode, *peaks[rival.name], share)
    return result


def count_ticks(rivals: int, repeats: int) -> int:
    """Return how many times `measure_speeds` calls `tick`."""
    return rivals * (len(core_counts()) * (repeats + 1) + 1)


def _time(rival: Rival, quality: float, pixels: np.ndarray) -> tuple[float, float, float]:
    """Return seconds of encoding, of decoding, and of the processor's time for both."""
    cpu, start = time.process_time(), time.perf_counter()
    data = rival.encode(pixels, quality)
    middle = time.perf_counter()
    decode_checked(rival, data, pixels)
    return middle - start, time.perf_counter() - middle, time.process_time() - cpu


@contextmanager
def _on_cores(count: int) -> Iterator[None]:
    """Let this thread, and those that it starts, run on so many cores."""
    if count == usable_threads():
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(before)[:count])
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _peaks(
    pixels: np.ndarray, entrants: Sequence[Entrant], tick: Callable[[], None]
) -> dict[str, tuple[float | None, float | None]]:
    known = known_rivals()
    result: dict[str, tuple[float | None, float | None]] = {}
    with tempfile.TemporaryDirectory() as folder:
        picture = Path(folder) / "picture.npy"
        np.save(picture, pixels)
        for rival, quality in entrants:
            result[rival.name] = (None, None)
            if rival.name in known and known[rival.name].about == rival.about:  # the new process finds it
                encode = _peak("encode", rival.name, quality, picture)
                picture.with_suffix(".bin").write_bytes(rival.encode(pixels, quality))
                result[rival.name] = (encode, _peak("decode", rival.name, quality, picture))
            tick()
    return result


def _peak(way: str, name: str, quality: float, picture: Path) -> float | None:
    command = [sys.executable, "-m", "aecodec.bench.memory", way, name, str(quality), str(picture)]
    done = subprocess.run(command, capture_output=True, text=True)
    return float(done.stdout) if done.returncode == 0 and done.stdout else None
