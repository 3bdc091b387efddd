"""Throughput of `aecodec compress` and `decompress` with one job and with two -> results/jobs.json (Linux, macOS).

The commands run from start to end on a folder of pictures, turn by turn, so that their ratios hold even where the
machine is not quiet. Beside two processes, which is what --jobs 2 is, stand two threads of one process that do the
same, reading and writing included; and one job with two threads.
"""

import argparse
import math
import shutil
import statistics
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from common import RESULTS, command_line, conditions, run_measured, write_json

from aecodec.bench.images import find_images

WAYS = {  # name: options
    "1 job, 1 thread": ("--jobs", "1", "--threads", "1"),
    "1 job, 2 threads": ("--jobs", "1", "--threads", "2"),
    "2 jobs, 1 thread each": ("--jobs", "2", "--threads", "2"),
}
IN_ONE = "2 threads of one process, 1 thread each"
ONE, TWO = "1 job, 1 thread", "2 jobs, 1 thread each"


def in_one_process(verb: str, source: Path, target: Path) -> None:
    """Do what the command does with two jobs, but in threads."""
    import aecodec
    from aecodec.cli.files import write_output
    from aecodec.picture import pack_picture, read_picture

    def one(file: Path) -> None:
        if verb == "compress":
            pixels, metadata = read_picture(file)
            made = aecodec.encode(pixels, metadata=metadata, threads=1)
        else:
            data = file.read_bytes()
            made = pack_picture(aecodec.decode(data, threads=1), aecodec.read_metadata(data)).data
        write_output(str(target / f"{file.stem}.{'aez' if verb == 'compress' else 'png'}"), made, False)

    target.mkdir()
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(one, sorted(source.iterdir())))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=Path, nargs="+", required=True, help="pictures or folders")
    parser.add_argument("--copies", type=int, default=4, help="of each picture, so that it takes long (default: 4)")
    parser.add_argument("--rounds", type=int, default=3, help="turns (default: 3)")
    parser.add_argument("--in-one", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.in_one:
        in_one_process(arguments.in_one[0], *map(Path, arguments.in_one[1:]))
        return

    from aecodec.picture import read_picture

    images = find_images(arguments.images)
    megapixels = sum(math.prod(read_picture(file).pixels.shape[:2]) for file in images) * arguments.copies / 1e6
    result = conditions() | {"files": len(images) * arguments.copies, "megapixels": round(megapixels, 2)}
    result["rounds"] = arguments.rounds
    with tempfile.TemporaryDirectory() as folder:
        top = Path(folder)
        (top / "pictures").mkdir()
        for number in range(arguments.copies):
            for file in images:
                shutil.copyfile(file, top / "pictures" / f"{file.stem}_{number}{file.suffix}")
        for verb, source in (("compress", top / "pictures"), ("decompress", top / "packed")):
            ways = {
                name: command_line(verb, str(source), "--out-dir", str(top / "out"), *more)
                for name, more in WAYS.items()
            }
            same = [sys.executable, __file__, "--images", ".", "--in-one", verb, str(source), str(top / "out")]
            ways[IN_ONE] = same
            seconds: dict[str, list[float]] = {name: [] for name in ways}
            peaks: dict[str, float] = {}
            for turn in range(arguments.rounds):
                for name, command in ways.items():
                    taken, peak = run_measured(command)
                    seconds[name].append(taken)
                    peaks[name] = max(peak, peaks.get(name, 0))
                    if not (top / "packed").exists():
                        (top / "out").rename(top / "packed")
                    else:
                        shutil.rmtree(top / "out")
                    print(f"{verb}, turn {turn}, {name}: {taken:.1f} s", flush=True)
            medians = {name: statistics.median(taken) for name, taken in seconds.items()}
            result[verb] = {
                name: {
                    "mps": round(megapixels / median, 2),
                    "over_one_job": round(medians[ONE] / median, 2),
                    "peak_mb_of_a_process": peaks[name],
                }
                for name, median in medians.items()
            }
    result["two_jobs_over_one"] = {verb: result[verb][TWO]["over_one_job"] for verb in ("compress", "decompress")}
    write_json(RESULTS / "jobs.json", result)
    print(result["two_jobs_over_one"])


if __name__ == "__main__":
    main()
