"""Rate-distortion curves and BD-rates of aez and its codecs on a folder -> results/rd_<folder>.json and plots.

Points are kept, as `aecodec bench` keeps them, and taken from the previous result: a point does not change while the
codec's settings, its libraries and the picture stay the same (for aez: its code and weights). So a run that was stopped
goes on where it was. Speeds are measured by speed.py, not here.
"""

import argparse
import json
import math
from pathlib import Path
from typing import Any

from common import RESULTS, conditions, write_json
from plot import plot_rd

from aecodec.bench.cache import Cache, default_folder
from aecodec.bench.codecs import ANCHOR, choose, known_codecs
from aecodec.bench.images import find_images
from aecodec.bench.measure import Point, fitting, mean_sweep
from aecodec.bench.metrics import DEFAULT_METRICS, choose_metrics
from aecodec.bench.report import comparable, compare
from aecodec.bench.run import run_bench
from aecodec.bench.table import format_delta
from aecodec.bench.targets import Target

_HEAD = ["quality", "bytes"]  # of a point in the result, then the metrics


def read_result(path: Path, cache: Cache) -> list[str]:
    """Put the points of an earlier result into the cache, under the versions it was made with; return its codecs."""
    if not path.exists():
        return []
    before = json.loads(path.read_text())
    then = Cache(cache.folder, before["versions"])
    metrics = before["columns"][len(_HEAD) :]
    codecs = known_codecs()
    same = {name for name, about in before["codecs"].items() if name in codecs and codecs[name].about == about}
    for picture in before["pictures"]:
        known = then.of(picture["sha256"])
        pixels = picture["width"] * picture["height"]
        for name in same & picture["codecs"].keys():
            for quality, size, *values in picture["codecs"][name].get("points", ()):
                found = dict(zip(metrics, (math.inf if value is None else value for value in values), strict=True))
                key = Target().key(quality)
                if known.get(codecs[name], key, list(found)) is None:
                    known.put(codecs[name], key, Point(quality, pixels, size, 8 * size / pixels, found))
    return list(before["codecs"])


def shorten(picture: dict[str, Any], metrics: list[str]) -> dict[str, Any]:
    """Return one picture's part of the result: its points as [quality, bytes, metrics ...] (null: lossless)."""
    codecs = {
        name: {"points": [[point["quality"], round(point["bytes"]), *(point[m] for m in metrics)] for point in points]}
        if (points := block.get("points"))
        else block
        for name, block in picture["codecs"].items()
    }
    head = {key: picture[key] for key in ("name", "width", "height", "note", "sha256")}
    return head | {"bd_rate": picture["bd_rate"], "codecs": codecs}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="folder of pictures")
    parser.add_argument("--codecs", default="all", help="as in aecodec bench; those of the last result stay (all)")
    parser.add_argument("--metrics", default=",".join(DEFAULT_METRICS), help="as in aecodec bench (%(default)s)")
    parser.add_argument("--jobs", type=int, default=1, help="processes that share the work (default: 1)")
    parser.add_argument("--fresh", action="store_true", help="measure everything again")
    arguments = parser.parse_args()
    target = RESULTS / f"rd_{arguments.folder.resolve().name}.json"
    now = conditions()
    cache = Cache(default_folder(), now["versions"], fresh=arguments.fresh)
    before = [] if arguments.fresh else read_result(target, cache)
    codecs = choose([*arguments.codecs.split(","), *(name for name in before if name in known_codecs())])
    metrics = choose_metrics(arguments.metrics.split(","))
    paths = find_images([arguments.folder])
    total = len(paths) * sum(len(codec.qualities) for codec in codecs if codec.missing() is None)
    done = 0

    def tick(steps: int) -> None:
        nonlocal done
        if (done + steps) * 100 // total > done * 100 // total:
            print(f"{(done + steps) * 100 // total} %", flush=True)
        done += steps

    run = run_bench(paths, codecs, metrics, cache, repeats=0, jobs=arguments.jobs, tick=tick)
    smallest = min((min(one.width, one.height) for one in run.measured), default=0)
    names = [metric.name for metric in fitting(run.metrics, smallest, smallest)]
    sweeps = [one.sweep for one in run.measured]
    screens = [one.name.startswith("gfx_") for one in run.measured]
    groups = {"all": sweeps}
    if any(screens) and not all(screens):
        groups["photographs"] = [sweep for sweep, screen in zip(sweeps, screens, strict=True) if not screen]
        groups["screens"] = [sweep for sweep, screen in zip(sweeps, screens, strict=True) if screen]
    result = now | {
        "anchor": ANCHOR,
        "columns": [*_HEAD, *names],
        "codecs": run.report["codecs"],
        "not_measured": run.report["not_measured"],
        "groups": {name: {"pictures": len(own), **compare(mean_sweep(own))} for name, own in groups.items()},
        "pictures": [shorten(picture, names) for picture in run.report["pictures"]],
    }
    write_json(target, result)
    plot_rd(target)
    for name, group in result["groups"].items():
        for metric, deltas in group["bd_rate"].items():
            low, high = group["shared_range"][metric] or (math.nan, math.nan)
            print(
                f"{name}, {group['pictures']} pictures, {metric}, BD-rate against {ANCHOR}, and from {low} to {high}:"
            )
            for codec, delta in deltas.items():
                print(
                    f"  {codec:<10} {format_delta(delta)}   {comparable(delta):+.1f} %" if delta else f"  {codec:<10} -"
                )
        for codec, block in group["codecs"].items():
            if "failed" in block:
                print(f"  {codec:<10} failed: {block['failed']}")


if __name__ == "__main__":
    main()
