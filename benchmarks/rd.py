"""Rate-distortion curves and BD-rates of aez and the other codecs on a folder -> rd_<folder>.json and plots.

Points are kept, as `aecodec bench` keeps them, and taken from the previous result: a point does not change while the
codec's settings, its libraries and the image stay the same (for aez: its code and weights). So a run that was stopped
continues where it was. Besides all images, photographs and images named gfx_* (screens, illustrations) are groups of
their own. Plots: rd_<folder>.svg and .png by PSNR, rd_<folder>_metrics.* by the other metrics.
"""

import json
import math
import sys
from pathlib import Path
from typing import Any

from common import RESULTS, progress, write_result

from aecodec.bench.cache import Cache, default_folder
from aecodec.bench.codecs import ANCHOR, choose, known_codecs
from aecodec.bench.images import find_images
from aecodec.bench.machine import library_versions
from aecodec.bench.measure import Point, Sweep, fitting, mean_sweep
from aecodec.bench.metrics import DEFAULT_METRICS, choose_metrics
from aecodec.bench.plan import Plan
from aecodec.bench.plots import draw_curves
from aecodec.bench.report import compare
from aecodec.bench.run import run_bench, steps_of_run
from aecodec.bench.table import format_bd_rates
from aecodec.bench.targets import Target

_HEAD = ["quality", "bytes"]  # of a point in the result, then the metrics


def add_options(parser) -> None:
    parser.add_argument("--codecs", default="all", help="as in aecodec bench; those of the last result stay (all)")
    parser.add_argument("--metrics", default=",".join(DEFAULT_METRICS), help="as in aecodec bench (%(default)s)")
    parser.add_argument("--jobs", type=int, default=1, help="processes that share the work (default: 1)")
    parser.add_argument("--fresh", action="store_true", help="measure everything again")
    parser.add_argument("--draw", action="store_true", help="only draw the plots of all results again")


def read_result(path: Path, cache: Cache) -> list[str]:
    """Put the points of an earlier result into the cache, under the versions it was made with; return its codecs."""
    if not path.exists():
        return []
    before = json.loads(path.read_text())
    cache = Cache(cache.folder, before["versions"])
    metrics, known = before["columns"][len(_HEAD) :], known_codecs()
    same = {name for name, about in before["codecs"].items() if name in known and known[name].about == about}
    for image in before["images"]:
        cached = cache.of(image["sha256"])
        pixels = image["width"] * image["height"]
        for name in same & image["codecs"].keys():
            for quality, size, *values in image["codecs"][name].get("points", ()):
                levels = dict(zip(metrics, (math.inf if value is None else value for value in values), strict=True))
                key = Target().key(quality)
                if cached.get(known[name], key, levels) is None:
                    cached.put(known[name], key, Point(quality, pixels, size, 8 * size / pixels, levels))
    return [name for name in before["codecs"] if name in known]


def shorten(image: dict[str, Any], metrics: list[str]) -> dict[str, Any]:
    """Return one image's part of the result: its points as [quality, bytes, metrics ...] (null: lossless)."""
    codecs = {
        name: {"points": [[point["quality"], round(point["bytes"]), *(point[m] for m in metrics)] for point in points]}
        if (points := block.get("points"))
        else block
        for name, block in image["codecs"].items()
    }
    head = {key: image[key] for key in ("name", "width", "height", "note", "sha256")}
    return head | {"bd_rate": image["bd_rate"], "codecs": codecs}


def group(sweeps: dict[str, Sweep]) -> dict[str, dict[str, Any]]:
    """Return what all images, photographs and screens have on average, from the sweeps by the names of the images."""
    screens = [sweep for name, sweep in sweeps.items() if name.startswith("gfx_")]
    groups = {"all": list(sweeps.values())}
    if 0 < len(screens) < len(sweeps):
        photographs = [sweep for name, sweep in sweeps.items() if not name.startswith("gfx_")]
        groups |= {"photographs": photographs, "screens": screens}
    return {name: {"images": len(members), **compare(mean_sweep(members))} for name, members in groups.items()}


def draw(path: Path) -> None:
    """Draw the mean curves of each group of a result, side by side, beside it."""
    result = json.loads(path.read_text())
    folder = path.stem.removeprefix("rd_")
    blocks = [
        (f"{folder}: {title}, mean of {block['images']} images", block) for title, block in result["groups"].items()
    ]
    plots = draw_curves(path.stem, blocks, ["psnr"], result["anchor"])
    if others := [metric for metric in result["columns"][len(_HEAD) :] if metric != "psnr"]:
        plots |= draw_curves(f"{path.stem}_metrics", blocks, others, result["anchor"])
    for name, data in plots.items():
        path.with_name(name).write_bytes(data)
    print(f"wrote {', '.join(plots)}")


def run(options) -> None:
    if options.draw:
        for path in sorted(RESULTS.glob("rd_*.json")):
            draw(path)
        return
    if len(options.images) != 1 or not options.images[0].is_dir():
        sys.exit("rd: --images: expected one folder, whose name the result gets")
    name = f"rd_{options.images[0].resolve().name}"
    paths = find_images(options.images)
    cache = Cache(default_folder(), library_versions(), fresh=options.fresh)
    before = [] if options.fresh else read_result(RESULTS / f"{name}.json", cache)
    codecs = choose([*options.codecs.split(","), *before])
    metrics = choose_metrics(options.metrics.split(","))
    plan = Plan(codecs, metrics, cache, repeats=0, jobs=options.jobs)
    report, measured, plan = run_bench(paths, plan, progress(steps_of_run(paths, plan)))
    min_side = min((min(entry.width, entry.height) for entry in measured), default=0)
    names = [metric.name for metric in fitting(plan.metrics, min_side, min_side)]
    groups = group({entry.name: entry.sweep for entry in measured})
    result = {
        "versions": cache.versions,  # those at the start of the run
        "anchor": ANCHOR,
        "columns": [*_HEAD, *names],
        "codecs": report["codecs"],
        "not_measured": report["not_measured"],
        "groups": groups,
        "images": [shorten(image, names) for image in report["images"]],
    }
    draw(write_result(name, result))
    for title, block in groups.items():
        print(f"\n{title}, {block['images']} images\n" + "\n".join(format_bd_rates(block, report)))
