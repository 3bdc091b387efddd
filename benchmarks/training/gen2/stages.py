"""Where the first generation's time goes, stage by stage -> stages.json.

All in processor time of one thread, so that other work on the machine counts for little. Pin it to one core.
"""

import argparse
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))
from common import write_result
from runtime import processor_flags

import aecodec
from aecodec import container
from aecodec.bench.images import as_rgb, find_images, load_image
from aecodec.codec import decoder, encoder, tilecoder
from aecodec.entropy import coder, hyper_synthesis, tables
from aecodec.model import litert, model, weights

HERE = Path(__file__).parent
QUALITY = 75


class Stages:
    """Processor time by stage; what one stage calls another for counts for the other alone."""

    def __init__(self):
        self.seconds: Counter[str] = Counter()
        self._open: list[float] = []  # time spent in stages inside, for each open stage

    def watch(self, owner, function: str, stage: str) -> None:
        original = getattr(owner, function)

        def watched(*arguments, **keywords):
            with self.stage(stage):
                return original(*arguments, **keywords)

        setattr(owner, function, watched)

    def stage(self, name: str) -> "_Stage":
        return _Stage(self, name)

    def take(self) -> dict[str, float]:
        taken, self.seconds = dict(self.seconds), Counter()
        return taken


class _Stage:
    def __init__(self, stages: Stages, name: str):
        self._stages, self._name = stages, name

    def __enter__(self):
        self._stages._open.append(0.0)
        self._start = time.thread_time()

    def __exit__(self, *_):
        whole = time.thread_time() - self._start
        self._stages.seconds[self._name] += whole - self._stages._open.pop()
        if self._stages._open:
            self._stages._open[-1] += whole


def watched() -> Stages:
    stages = Stages()
    for net in ("analysis", "hyper_analysis", "synthesis", "adjoint"):
        stages.watch(model.Model, net, f"{net} net")
    stages.watch(model.Model, "_code", "context net")
    stages.watch(model, "overlap", "overlap")
    stages.watch(litert, "_interpreter", "interpreter: create")
    stages.watch(litert.LiteNet, "_take", "interpreter: take, resize, allocate")
    stages.watch(weights, "checked_bytes", "weights: read and hash")
    stages.watch(np, "load", "weights: unpack numbers")
    stages.watch(model, "Tables", "weights: check tables")
    stages.watch(hyper_synthesis.HyperSynthesis, "check", "weights: check hyper-synthesis")
    stages.watch(hyper_synthesis.HyperSynthesis, "run", "hyper-synthesis")
    stages.watch(tables, "coder_table", "coder: make tables")
    stages.watch(coder, "_groups", "residuals: group by scale index")
    stages.watch(coder.TileDecoder, "z", "z: decode")
    stages.watch(coder.TileDecoder, "r", "residuals: gather, scatter, escapes")
    stages.watch(coder.TileDecoder, "_decode", "constriction (z too)")
    stages.watch(tilecoder, "encode_tile", "encode_tile but for grouping")
    stages.watch(tilecoder.TileCoder, "decode", "tiles: the rest")
    stages.watch(decoder, "synthesise", "windows: cut and paste")
    stages.watch(encoder, "analyse", "windows: cut and paste")
    stages.watch(container, "read", "container")
    stages.watch(container, "write", "container")
    return stages


def by_stage(stages: Stages, call: Callable, items: list, unit: float, repeats: int) -> dict[str, float]:
    """Median over repeats of the sum over items, times `unit`, largest first."""
    runs = []
    for _ in range(repeats):
        stages.take()
        for item in items:
            with stages.stage("everything else"):
                call(item)
        runs.append(stages.take())
    names = sorted({name for run in runs for name in run})
    middle = {name: statistics.median(run.get(name, 0.0) for run in runs) * unit for name in names}
    total = {"total": round(sum(middle.values()), 1)}
    return total | {name: round(ms, 1) for name, ms in sorted(middle.items(), key=lambda item: -item[1]) if ms >= 0.05}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=Path, nargs="+", required=True, help="images or folders")
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    images = [as_rgb(load_image(file).pixels) for file in find_images(arguments.images)]
    stages = watched()
    result = {
        "flags": processor_flags(),
        "quality": QUALITY,
        "pictures": len(images),
        "unit": "ms of processor time",
    }

    small = (np.arange(64 * 64 * 3) % 251).astype(np.uint8).reshape(64, 64, 3)
    first = {"compress": by_stage(stages, lambda x: aecodec.encode(x, QUALITY, threads=1), [small], 1e3, 1)}
    usual = {"compress": by_stage(stages, lambda x: aecodec.encode(x, QUALITY, threads=1), [small], 1e3, 9)}
    packed = aecodec.encode(small, QUALITY, threads=1)
    first["decompress, after it"] = by_stage(stages, lambda d: aecodec.decode(d, threads=1), [packed], 1e3, 1)
    usual["decompress"] = by_stage(stages, lambda d: aecodec.decode(d, threads=1), [packed], 1e3, 9)
    result["64x64, first call of a process, ms"], result["64x64, later calls, ms"] = first, usual

    per_mp = 1e9 / sum(x.shape[0] * x.shape[1] for x in images)
    table = {}
    for effort in (0, 1):
        table[f"encode, effort {effort}"] = by_stage(
            stages,
            lambda x, effort=effort: aecodec.encode(x, QUALITY, effort=effort, threads=1),
            images,
            per_mp,
            arguments.repeats,
        )
        print(table, flush=True)
    files = [aecodec.encode(x, QUALITY, effort=0, threads=1) for x in images]
    table["decode"] = by_stage(stages, lambda d: aecodec.decode(d, threads=1), files, per_mp, arguments.repeats)
    print(table["decode"], flush=True)
    result["ms per MP"] = table
    write_result("stages", result, HERE)


if __name__ == "__main__":
    main()
