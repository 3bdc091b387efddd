"""Rate-distortion curves and BD-rates of aez and its rivals on a folder -> results/rd_<folder>.json and plots.

A rival's points do not change while its settings, its libraries and the picture stay the same, so they are taken from
the previous result where they match; aez is always measured. Speeds are measured by speed.py, not here.
"""

import argparse
import hashlib
import json
import math
from pathlib import Path
from typing import Any

from common import RESULTS, conditions, write_json
from plot import plot_rd

from aecodec.bench.measure import Failure, Point, Sweep, describe, mean_sweep, measure_once
from aecodec.bench.pictures import find_pictures, load_picture
from aecodec.bench.report import compare
from aecodec.bench.rivals import ANCHOR, RIVALS, SUBJECT, Rival, choose
from aecodec.bench.table import format_delta

Cache = dict[tuple[str, str, int], tuple[int, float]]  # (codec, sha256 of the pixels, quality) -> bytes, PSNR


def read_cache(path: Path, now: dict[str, Any]) -> Cache:
    """Return the rivals' points of an earlier result, as far as it was made with the same settings and libraries."""
    if not path.exists():
        return {}
    before = json.loads(path.read_text())
    libraries = [key for key in before["versions"] | now["versions"] if key.startswith(("lib", "pillow", "aom"))]
    if any(before["versions"].get(key) != now["versions"].get(key) for key in libraries):
        return {}
    same = {name for name, rival in RIVALS.items() if name != SUBJECT and before["codecs"].get(name) == rival.about}
    return {
        (name, picture["sha256"], quality): (size, math.inf if level is None else level)
        for picture in before["pictures"]
        for name in same & picture["codecs"].keys()
        for quality, size, level in picture["codecs"][name].get("points", ())
    }


def shorten(compared: dict[str, Any]) -> dict[str, Any]:
    """Return one picture's part of the result: BD-rates, and points as [quality, bytes, PSNR] (null: lossless)."""
    codecs = dict(compared["codecs"])
    for name, block in codecs.items():
        if "points" in block:
            codecs[name] = {"points": [[point["quality"], point["bytes"], point["psnr"]] for point in block["points"]]}
    return {"bd_rate": compared["bd_rate"], "codecs": codecs}


def measure(rival: Rival, pixels: Any, digest: str, cache: Cache) -> list[Point] | Failure:
    """Return a codec's points on one picture, from the cache where it has them."""
    count = pixels.shape[0] * pixels.shape[1]
    points = []
    for quality in rival.qualities:
        known = cache.get((rival.name, digest, quality))
        if known:
            size, psnr = known
            points.append(Point(quality, count, size, 8 * size / count, psnr, math.nan, math.nan))
            continue
        try:
            points.append(measure_once(rival, pixels, quality)._replace(encode_s=math.nan, decode_s=math.nan))
        except Exception as error:  # any rival may fail in any way; the result says so
            if rival.name == SUBJECT:
                raise
            return Failure(describe(error))
    return points


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="folder of pictures")
    parser.add_argument("--codecs", default="all", help="as in aecodec bench (default: all)")
    parser.add_argument("--fresh", action="store_true", help="measure the rivals again")
    arguments = parser.parse_args()
    target = RESULTS / f"rd_{arguments.folder.resolve().name}.json"
    now = conditions()
    cache = {} if arguments.fresh else read_cache(target, now)
    asked = choose(arguments.codecs.split(","))
    chosen = choose([rival.name for rival in asked] + [name for name, _, _ in cache])  # what is known already stays
    not_measured = {rival.name: reason for rival in chosen if (reason := rival.missing())}
    rivals = [rival for rival in chosen if rival.name not in not_measured]

    pictures, sweeps = [], []
    for path in find_pictures([arguments.folder]):
        source = load_picture(path)
        digest = hashlib.sha256(repr(source.pixels.shape).encode() + source.pixels.tobytes()).hexdigest()
        sweep: Sweep = {rival.name: measure(rival, source.pixels, digest, cache) for rival in rivals}
        height, width, _ = source.pixels.shape
        head = {"name": source.name, "width": width, "height": height, "note": source.note, "sha256": digest}
        pictures.append(head | shorten(compare(sweep)))
        sweeps.append(sweep)
        print(path.name, flush=True)

    screens = [picture["name"].startswith("gfx_") for picture in pictures]
    groups = {"all": sweeps}
    if any(screens) and not all(screens):
        groups["photographs"] = [sweep for sweep, screen in zip(sweeps, screens, strict=True) if not screen]
        groups["screens"] = [sweep for sweep, screen in zip(sweeps, screens, strict=True) if screen]
    result = now | {
        "anchor": ANCHOR,
        "codecs": {rival.name: rival.about for rival in rivals},
        "not_measured": not_measured,
        "groups": {name: {"pictures": len(own), **compare(mean_sweep(own))} for name, own in groups.items()},
        "pictures": pictures,
    }
    write_json(target, result)
    plot_rd(target)
    for name, group in result["groups"].items():
        print(f"{name}, {group['pictures']} pictures, BD-rate against {ANCHOR}:")
        for codec, delta in group["bd_rate"].items():
            print(f"  {codec:<10} {format_delta(delta)}")
        for codec, block in group["codecs"].items():
            if "failed" in block:
                print(f"  {codec:<10} failed: {block['failed']}")


if __name__ == "__main__":
    main()
