"""Rate-distortion curves as JSON in the form of CompressAI (Bégaint et al., 2020), read and written.

    {"name": ..., "description": ..., "results": {"bpp": [...], "psnr-rgb": [...], "ms-ssim-rgb": [...]}}

Each list holds means over the images of a data set, one for each quality. Older files of it call the metrics psnr and
ms-ssim. A curve of somebody else's measurements is a row of the mean alone, and means something if the images are the
same.
"""

import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from aecodec.bench.measure import Point
from aecodec.errors import printable

_KEYS = {"psnr": ("psnr-rgb", "psnr"), "ms-ssim": ("ms-ssim-rgb", "ms-ssim")}


class Published(NamedTuple):
    """A curve from a file: rising bits per pixel, and the metrics at each of them."""

    name: str
    about: str
    points: list[tuple[float, dict[str, float]]]

    def column(self, pixels: float) -> list[Point]:
        """Points as if they were measured on images of so many pixels; their quality is their number."""
        return [
            Point(number, pixels, bpp * pixels / 8, bpp, values) for number, (bpp, values) in enumerate(self.points, 1)
        ]


def read_curve(path: Path) -> Published:
    """Read a curve. Raises OSError, ValueError for what has another form."""
    label = printable(str(path))
    try:
        data = json.loads(path.read_bytes())
        results = {key: [float(value) for value in values] for key, values in _lists(data["results"]).items()}
        name, about = printable(str(data.get("name") or path.stem)), printable(str(data.get("description") or ""))
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
        raise ValueError(f"{label}: not a curve, expected JSON with lists of numbers in results") from None
    keys = {metric: key for metric, known in _KEYS.items() for key in reversed(known) if key in results}
    for key in ("bpp", keys.get("psnr", "psnr-rgb")):
        if not results.get(key):
            raise ValueError(f"{label}: no {key} in results")
    columns = {"bpp": results["bpp"]} | {metric: results[key] for metric, key in keys.items()}
    if len({len(column) for column in columns.values()}) > 1:
        raise ValueError(f"{label}: lists of {' and '.join(str(len(c)) for c in columns.values())} numbers")
    if min(columns["bpp"]) <= 0 or max(columns.get("ms-ssim", [0])) > 1:
        raise ValueError(f"{label}: numbers out of range, expected bpp above 0 and MS-SSIM of at most 1")
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    points = sorted(((row.pop("bpp"), row) for row in rows), key=lambda point: point[0])
    return Published(name, f"published{about and f': {about}'}", points)


def _lists(results: Mapping[str, Any]) -> dict[str, list]:
    known = ("bpp", *(key for keys in _KEYS.values() for key in keys))
    curves = {key: values for key, values in results.items() if key in known}
    if not all(isinstance(values, list) and all(_finite(value) for value in values) for values in curves.values()):
        raise ValueError("not numbers")
    return curves


def _finite(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def curve_files(report: Mapping[str, Any]) -> dict[str, bytes]:
    """Return a file of CompressAI's form for each codec of a report that has a curve of its own, by file name."""
    files = {}
    for name, codec in report["mean"]["codecs"].items():
        points = [point for point in codec.get("points", ()) if point["psnr"] is not None]
        if not points or name in report["lossless"] or name in report["published"]:
            continue
        results = {"bpp": [point["bpp"] for point in points]}
        for metric, (key, _) in _KEYS.items():
            if all(metric in point for point in points):
                results[key] = [point[metric] for point in points]
        curve = {"name": name, "description": report["codecs"][name], "results": results}
        files[re.sub(r"[^\w.-]+", "_", name) + ".json"] = (json.dumps(curve, indent=2) + "\n").encode()
    return files
