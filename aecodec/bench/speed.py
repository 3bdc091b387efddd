"""How fast codecs are, on one core and on all, and how much memory they need, on one image.

    for one core, then all:  warm-up of every codec -> round 1: codec A, codec B ... -> round 2 ... -> medians

The rounds alternate the codecs, so that a busy moment of the machine does not fall on one of them alone. Memory is
measured in a new process for each codec and direction, without what that process holds before (Python, NumPy, the image
or the file) and with what a codec loads on its first use:

    python -m aecodec.bench.speed encode|decode CODEC QUALITY IMAGE.npy
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from aecodec.bench.codecs import Codec, known_codecs
from aecodec.bench.measure import Failure, decode_checked, describe
from aecodec.system.parallel import usable_threads

_WARM_UP = 256  # pixels on each side of the part of the image that is coded before the clock runs


class Speed(NamedTuple):
    """One codec at one quality; the mappings are by the number of cores."""

    quality: float
    encode_mps: dict[int, float]
    decode_mps: dict[int, float]
    encode_mb: float | None = None  # 10^6 bytes at the peak, above what the process held before
    decode_mb: float | None = None
    core_fraction: float | None = None  # of one core that it got while it ran on one: less than 1 where others work too


Entrant = tuple[Codec, float]  # and the quality it runs at


def core_counts() -> list[int]:
    """Return on how many cores speeds can be measured here: one and all, or just all where a process cannot choose."""
    cores = usable_threads()
    return sorted({1, cores}) if hasattr(os, "sched_setaffinity") else [cores]


def measure_speeds(pixels: np.ndarray, entrants: Sequence[Entrant], *, repeats: int = 3) -> dict[str, Speed | Failure]:
    """Time every codec on `pixels` at its quality: medians of `repeats` rounds after a warm-up.

    `pixels`: uint8 (H, W) or (H, W, 3). A codec that raises is given a Failure and left out of the remaining rounds.
    """
    if repeats < 1:
        raise ValueError(f"repeats: {repeats}, expected at least 1")
    seconds: dict[str, dict[int, list[tuple[float, float, float]]]] = {codec.name: {} for codec, _ in entrants}
    failures: dict[str, Failure] = {}
    small = np.ascontiguousarray(pixels[:_WARM_UP, :_WARM_UP])
    for cores in core_counts():
        with _on_cores(cores):
            for turn in range(repeats + 1):
                for codec, quality in entrants:
                    try:
                        if codec.name not in failures:
                            taken = _time(codec, quality, pixels if turn else small)
                            if turn:
                                seconds[codec.name].setdefault(cores, []).append(taken)
                    except Exception as error:  # a codec may raise anything at all; the others still get measured
                        failures[codec.name] = Failure(describe(error))
    peaks = _peaks(pixels, [(codec, quality) for codec, quality in entrants if codec.name not in failures])
    megapixels = pixels.shape[0] * pixels.shape[1] / 1e6
    result: dict[str, Speed | Failure] = {}
    for codec, quality in entrants:
        if codec.name in failures:
            result[codec.name] = failures[codec.name]
            continue
        times = seconds[codec.name].items()
        encode, decode = (
            {n: megapixels / statistics.median(t[i] for t in turns) for n, turns in times} for i in (0, 1)
        )
        alone = seconds[codec.name].get(1, [])
        fraction = sum(cpu for _, _, cpu in alone) / sum(a + b for a, b, _ in alone) if alone else None
        result[codec.name] = Speed(quality, encode, decode, *peaks[codec.name], fraction)
    return result


def _time(codec: Codec, quality: float, pixels: np.ndarray) -> tuple[float, float, float]:
    """Return seconds of encoding, of decoding, and of the processor's time for both."""
    cpu, start = time.process_time(), time.perf_counter()
    data = codec.encode(pixels, quality)
    middle = time.perf_counter()
    decode_checked(codec, data, pixels)
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


def _peaks(pixels: np.ndarray, entrants: Sequence[Entrant]) -> dict[str, tuple[float | None, float | None]]:
    known = known_codecs()
    result: dict[str, tuple[float | None, float | None]] = {}
    with tempfile.TemporaryDirectory() as folder:
        image = Path(folder) / "image.npy"
        np.save(image, pixels)
        for codec, quality in entrants:
            result[codec.name] = (None, None)
            if codec.name in known and known[codec.name].about == codec.about:  # the new process finds it
                encode = _peak("encode", codec.name, quality, image)
                image.with_suffix(".bin").write_bytes(codec.encode(pixels, quality))
                result[codec.name] = (encode, _peak("decode", codec.name, quality, image))
    return result


def _peak(way: str, name: str, quality: float, image: Path) -> float | None:
    command = [sys.executable, "-m", "aecodec.bench.speed", way, name, str(quality), str(image)]
    done = subprocess.run(command, capture_output=True, text=True)
    return float(done.stdout) if done.returncode == 0 and done.stdout else None


def _print_peak(way: str, name: str, quality: str, image: str) -> None:
    """Code an image once (decode: the file beside it) and print the megabytes that took, if the system tells."""
    codec, path = known_codecs()[name], Path(image)
    given: Any = np.load(path) if way == "encode" else path.with_suffix(".bin").read_bytes()
    before = _resident(restart=True)
    codec.encode(given, float(quality)) if way == "encode" else codec.decode(given)
    after = _resident()
    if before is not None and after is not None:
        print(round((after - before) / 1e6, 1))


def _resident(restart: bool = False) -> float | None:
    """Return the most bytes that this process has held in memory so far; from now on, where the system can."""
    try:
        if restart:
            Path("/proc/self/clear_refs").write_text("5")
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return float(line.split()[1]) * 1024
    except OSError:
        pass  # not Linux, or not allowed
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return float(peak * (1 if sys.platform == "darwin" else 1024))


if __name__ == "__main__":
    _print_peak(*sys.argv[1:])
