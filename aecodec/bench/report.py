"""Measurements -> one dictionary that JSON can hold: points, means, equal-PSNR comparisons, BD-rates, conditions."""

import math
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from aecodec.bench.codecs import ANCHOR, SUBJECT
from aecodec.bench.curves import Curve, bd_rate, overlap
from aecodec.bench.machine import describe_machine, library_versions
from aecodec.bench.measure import Failure, Point, Sweep, Unsuited, mean_sweep
from aecodec.bench.metrics import METRICS
from aecodec.bench.plan import Plan
from aecodec.bench.speed import Speed
from aecodec.bench.targets import Kind

Json = dict[str, Any]
_FEWEST = 4  # points of a curve that a BD-rate is given for
_QUIET = 0.9  # of a core: with less, other work disturbs the speeds


class ImageResult(NamedTuple):
    """One image with all its measurements."""

    path: Path
    name: str
    width: int
    height: int
    note: str  # see images.SourceImage
    digest: str
    sweep: Sweep


def build_report(
    results: Sequence[ImageResult], plan: Plan, not_measured: Mapping[str, str], skipped: Mapping[str, str]
) -> Json:
    """Return the report of a run: the plan has the codecs and metrics that ran; the mappings give reasons by name."""
    codecs, metrics, published = plan.codecs, plan.metrics, plan.published
    images = [
        {"name": result.name, "width": result.width, "height": result.height}
        | {"note": result.note, "sha256": result.digest}
        | {"too_small_for": [m.name for m in metrics if m.min_side > min(result.height, result.width)]}
        | compare(result.sweep)
        for result in results
    ]
    means = mean_sweep([result.sweep for result in results])
    if results:
        pixels = statistics.fmean(result.width * result.height for result in results)
        means |= {curve.name: curve.column(pixels) for curve in published}
    curves = {name: column for name, column in means.items() if isinstance(column, list) and len(column) >= _FEWEST}
    return {
        "report": 3,
        "mode": {"kind": plan.target.kind.value, "values": list(plan.target.values)},
        "repeats": plan.repeats,
        "machine": describe_machine(),
        "versions": plan.cache.versions or library_versions(),  # those at the start of the run
        "anchor": ANCHOR,
        "metrics": {m.name: {"title": m.title, "unit": m.unit, "digits": m.digits} for m in metrics},
        "codecs": {codec.name: codec.about for codec in codecs} | {curve.name: curve.about for curve in published},
        "published": [curve.name for curve in published],
        "lossless": [codec.name for codec in codecs if codec.lossless],
        "fixed_quality": [codec.name for codec in codecs if codec.fixed_quality and not codec.lossless],
        "not_measured": dict(not_measured),
        "skipped": dict(skipped),
        "images": images,
        "mean": compare(means),
        "bd_rates": {name: bd_rates(curves, name)[0] for name in curves},
    }


def compare(sweep: Sweep) -> Json:
    """Return the points of one image (or mean) with what the other codecs need at their PSNR, and the BD-rates.

    aez is compared with every other codec at its own points, every other codec with aez.
    """
    points = {name: column for name, column in sweep.items() if isinstance(column, list)}
    size = {name: Curve([p.size for p in column], [p.psnr for p in column]) for name, column in points.items()}
    codecs: Json = {}
    for name, column in sweep.items():
        if isinstance(column, Failure):
            codecs[name] = {"failed": column.reason}
            continue
        if isinstance(column, Unsuited):
            codecs[name] = {"not_measured": column.reason}
            continue
        others = [other for other in points if other != name and SUBJECT in (name, other)]
        codecs[name] = {"points": [_point(point, {other: size[other] for other in others}) for point in column]}
    deltas, ranges = bd_rates(points)
    return {"codecs": codecs, "bd_rate": deltas, "shared_range": ranges}


def bd_rates(points: Mapping[str, Sequence[Point]], anchor: str = ANCHOR) -> tuple[Json, Json]:
    """Return the BD-rates against the anchor by metric and codec, and by metric the range that all curves share.

    Each is taken over what the two curves have in common, None where that is nothing; "shared" is the same over what
    all curves have in common, which makes the codecs comparable with each other. Codecs with fewer than four points
    have none, as Bjontegaard's method wants four.
    """
    deltas: Json = {}
    ranges: Json = {}
    long = {name: column for name, column in points.items() if len(column) >= _FEWEST}
    for metric in METRICS.values():
        curves = {
            name: Curve([p.bpp for p in column], [metric.level(p.values[metric.name]) for p in column])
            for name, column in long.items()
            if all(metric.name in point.values for point in column)
        }
        curves = {name: curve for name, curve in curves.items() if curve.log_rate is not None}  # not lossless
        if anchor not in curves:
            continue
        common = overlap(curves.values())
        ranges[metric.name] = common and [round(level, 3) for level in common]
        deltas[metric.name] = {}
        for name, curve in curves.items():
            if name != anchor:
                own = bd_rate(curves[anchor], curve)
                shared = common and bd_rate(curves[anchor], curve, common)
                deltas[metric.name][name] = own and {
                    **{key: round(value, 3) for key, value in own._asdict().items()},
                    "shared": shared and round(shared.percent, 3),
                }
    return deltas, ranges


def comparable(delta: Json) -> float:
    """Return the BD-rate over the range that all codecs share, or else over what the codec shares with the anchor."""
    return delta["percent"] if delta.get("shared") is None else delta["shared"]


def speed_block(result: ImageResult, level: float | None, repeats: int, speeds: Mapping[str, Speed | Failure]) -> Json:
    """Return the part of the report on speeds and memory, all measured on one image."""
    codecs = {name: speed_row(speed) for name, speed in speeds.items()}
    near = None if level is None or not math.isfinite(level) else round(level, 2)
    head = {"image": result.name, "width": result.width, "height": result.height, "near_psnr": near, "repeats": repeats}
    shares = [speed.core_fraction for speed in speeds.values() if isinstance(speed, Speed) and speed.core_fraction]
    share = round(statistics.median(shares), 2) if shares else None
    return head | {"core_fraction": share, "busy": share is not None and share < _QUIET, "codecs": codecs}


def speed_row(speed: Speed | Failure) -> Json:
    """Return the speeds (MP/s by the number of cores) and peak memory (MB) of one codec."""
    if isinstance(speed, Failure):
        return {"failed": speed.reason}
    return {
        "quality": speed.quality,
        "encode_mps": {str(cores): round(value, 3) for cores, value in speed.encode_mps.items()},
        "decode_mps": {str(cores): round(value, 3) for cores, value in speed.decode_mps.items()},
        "encode_mb": speed.encode_mb,
        "decode_mb": speed.decode_mb,
    }


def shown_level(metric: str, value: float | None) -> float | None:
    """Return a metric's value in a report on the axis of its plots: MS-SSIM in dB; None for a lossless point.

    >>> round(shown_level("ms-ssim", 0.99), 6)
    20.0
    """
    if value is None:
        return None
    level = METRICS[metric].level(value)
    return level if math.isfinite(level) else None


def has_mean(report: Json) -> bool:
    """Return whether the mean says more than the one image."""
    return len(report["images"]) > 1 or bool(report["published"])


def mean_title(report: Json) -> str:
    """Return how the mean is called."""
    count = len(report["images"])
    return f"mean of {count} images" if count > 1 else "mean of 1 image"


def is_sweep(report: Json) -> bool:
    """Return whether the points of a report make curves."""
    return report["mode"]["kind"] == Kind.SWEEP.value


def _point(point: Point, others: Mapping[str, Curve]) -> Json:
    at_this_psnr = {name: curve.rate_at(point.psnr) for name, curve in others.items()}
    values = {name: round(value, 5) if math.isfinite(value) else None for name, value in point.values.items()}
    return {  # a metric that is None: lossless
        "quality": round(point.quality, 3),
        "bytes": round(point.size, 1),
        "bpp": round(point.bpp, 5),
        **values,
        "reached": point.reached,
        "bytes_at_this_psnr": {name: size and round(size, 1) for name, size in at_this_psnr.items()},
    }
