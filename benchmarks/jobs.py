"""Throughput of `aecodec compress` and `decompress` with one job and with two -> jobs.json (Linux, macOS).

The commands run from start to end on a folder of images, turn by turn, so that their ratios hold even where the machine
is not quiet. Beside the commands stand two threads of one process that do the same, reading and writing included.
"""

import math
import shutil
import statistics
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from common import command_line, in_child, run_measured, to_mb, write_result

WAYS = {  # name: options
    "1 job, 1 thread": ("--jobs", "1", "--threads", "1"),
    "1 job, 2 threads": ("--jobs", "1", "--threads", "2"),
    "2 jobs, 1 thread each": ("--jobs", "2", "--threads", "2"),
}
THREADS = "2 threads of one process, 1 thread each"
ONE, TWO = "1 job, 1 thread", "2 jobs, 1 thread each"


def add_options(parser) -> None:
    parser.add_argument("--copies", type=int, default=4, help="of each image, so that it takes long (default: 4)")
    parser.add_argument("--rounds", type=int, default=3, help="turns (default: 3)")


def in_threads(verb: str, source: Path, target: Path) -> float:
    """Do in two threads what the command does with two jobs; return the peak memory of this process in MB."""
    import resource

    import aecodec
    from aecodec.cli.outputs import write_output
    from aecodec.imagefile import pack_image, read_image

    def code(file: Path) -> None:
        if verb == "compress":
            pixels, metadata, *_ = read_image(file)
            written = aecodec.encode(pixels, metadata=metadata, threads=1)
        else:
            data = file.read_bytes()
            written = pack_image(aecodec.decode(data, threads=1), aecodec.read_metadata(data)).data
        write_output(str(target / f"{file.stem}.{'aez' if verb == 'compress' else 'png'}"), written, False)

    target.mkdir()
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(code, sorted(source.iterdir())))
    return to_mb(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


def copy_images(images: list[Path], copies: int, folder: Path) -> float:
    """Copy every image so many times into a new folder; return the megapixels."""
    from aecodec.bench.images import find_images, load_image

    folder.mkdir()
    files = find_images(images)
    for number in range(copies):
        for file in files:
            shutil.copyfile(file, folder / f"{file.stem}_{number}{file.suffix}")
    return copies * sum(math.prod(load_image(file).pixels.shape[:2]) for file in files) / 1e6


def measure(verb: str, source: Path, target: Path, rounds: int) -> dict[str, tuple[float, float]]:
    """Return median seconds and peak MB of each way to code a folder; the target holds the files in the end."""
    seconds: dict[str, list[float]] = {name: [] for name in (*WAYS, THREADS)}
    peaks = dict.fromkeys(seconds, 0.0)
    for turn in range(rounds):
        for name in seconds:
            shutil.rmtree(target, ignore_errors=True)
            if name == THREADS:
                start = time.perf_counter()
                peak = in_child(in_threads, verb, source, target)
                taken = time.perf_counter() - start
            else:
                taken, peak = run_measured(command_line(verb, str(source), "--out-dir", str(target), *WAYS[name]))
            seconds[name].append(taken)
            peaks[name] = max(peaks[name], peak)
            print(f"{verb}, turn {turn}, {name}: {taken:.1f} s", flush=True)
    return {name: (statistics.median(times), peaks[name]) for name, times in seconds.items()}


def run(options) -> None:
    result = {"rounds": options.rounds}
    with tempfile.TemporaryDirectory() as work:
        originals, packed, decoded = (Path(work) / name for name in ("originals", "packed", "decoded"))
        megapixels = in_child(copy_images, options.images, options.copies, originals)
        result |= {"files": len(list(originals.iterdir())), "megapixels": round(megapixels, 2)}
        for verb, source, target in (("compress", originals, packed), ("decompress", packed, decoded)):
            measured = measure(verb, source, target, options.rounds)
            result[verb] = {
                name: {
                    "mps": round(megapixels / seconds, 2),
                    "over_one_job": round(measured[ONE][0] / seconds, 2),
                    "peak_mb_of_a_process": peak,
                }
                for name, (seconds, peak) in measured.items()
            }
    result["two_jobs_over_one"] = {verb: result[verb][TWO]["over_one_job"] for verb in ("compress", "decompress")}
    write_result("jobs", result)
