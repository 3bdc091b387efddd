"""Measurements -> one dictionary that JSON can hold: points, means, equal-PSNR comparisons, BD-rates, conditions."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from aecodec.bench.machine import describe_machine, library_versions
from aecodec.bench.measure import Failure, Point, Sweep, mean_sweep
from aecodec.bench.metrics import Curve, bd_rate
from aecodec.bench.rivals import ANCHOR, SUBJECT, Rival

Json = dict[str, Any]


class Measured(NamedTuple):
    """One picture with all its measurements."""

    name: str
    width: int
    height: int
    note: str  # see pictures.Source
    sweep: Sweep


def build_report(
    measured: Sequence[Measured],
    rivals: Sequence[Rival],
    *,
    repeats: int,
    not_measured: Mapping[str, str] | None = None,
    skipped: Mapping[str, str] | None = None,
) -> Json:
    """Return the report of a run: `rivals` are those that ran; the mappings give reasons by codec and by picture."""
    return {
        "report": 1,
        "repeats": repeats,
        "machine": describe_machine(),
        "versions": library_versions(),
        "anchor": ANCHOR,
        "codecs": {rival.name: rival.about for rival in rivals},
        "not_measured": dict(not_measured or {}),
        "skipped": dict(skipped or {}),
        "pictures": [
            {"name": one.name, "width": one.width, "height": one.height, "note": one.note, **compare(one.sweep)}
            for one in measured
        ],
        "mean": compare(mean_sweep([one.sweep for one in measured])),
    }


def compare(sweep: Sweep) -> Json:
    """Return the points of one picture (or mean) with what the other codecs need at their PSNR, and the BD-rates.

    aez is compared with every other codec at its own points, every other codec with aez.
    """
    points = {name: column for name, column in sweep.items() if not isinstance(column, Failure)}
    size = {name: Curve([p.size for p in column], [p.psnr for p in column]) for name, column in points.items()}
    rate = {name: Curve([p.bpp for p in column], [p.psnr for p in column]) for name, column in points.items()}
    codecs: Json = {}
    for name, column in sweep.items():
        if isinstance(column, Failure):
            codecs[name] = {"failed": column.reason}
            continue
        others = [other for other in points if other != name and SUBJECT in (name, other)]
        codecs[name] = {"points": [_point(point, {other: size[other] for other in others}) for point in column]}
    deltas: Json = {}
    for name in rate:
        if ANCHOR in rate and name != ANCHOR:
            delta = bd_rate(rate[ANCHOR], rate[name])
            deltas[name] = delta and {key: round(value, 3) for key, value in delta._asdict().items()}
    return {"codecs": codecs, "bd_rate": deltas}


def _point(point: Point, others: Mapping[str, Curve]) -> Json:
    at_this_psnr = {name: curve.rate_at(point.psnr) for name, curve in others.items()}
    result: Json = {
        "quality": point.quality,
        "bytes": round(point.size, 1),
        "bpp": round(point.bpp, 5),
        "psnr": round(point.psnr, 4) if math.isfinite(point.psnr) else None,  # None: lossless
        "bytes_at_this_psnr": {name: size and round(size, 1) for name, size in at_this_psnr.items()},
    }
    if math.isfinite(point.encode_s):  # a point read from a cache has no times
        result |= {"encode_mps": round(point.encode_mps, 3), "decode_mps": round(point.decode_mps, 3)}
    return result
