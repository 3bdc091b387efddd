"""A cache of measured points: a stopped run continues where it was, and a second run is quick.

Each image has a file with one line of JSON per point. A line is written in one call, and a truncated line is ignored,
so a run can stop at any time. A point is valid as long as the pixels, the codec's settings and the versions of its
libraries (for aez: its code and weights) are the same.
"""

import hashlib
import json
import math
import os
from collections.abc import Collection, Mapping
from pathlib import Path

import numpy as np

from aecodec.bench.codecs import Codec
from aecodec.bench.measure import Point

_METRICS = ("ssimulacra2",)  # libraries of metrics


def default_folder() -> Path:
    """Return aecodec/bench in the user's cache folder."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "aecodec" / "bench"


def digest_of(pixels: np.ndarray) -> str:
    """Return the sha256 of an image's shape and pixels."""
    return hashlib.sha256(repr(pixels.shape).encode() + pixels.tobytes()).hexdigest()


class Cache:
    """The points of all images; without a folder nothing is stored."""

    def __init__(self, folder: Path | None, versions: Mapping[str, str], *, fresh: bool = False) -> None:
        self.folder = folder
        self.versions = dict(versions)
        self.fresh = fresh  # ignore the points that are stored
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)

    def of(self, digest: str) -> "CachedPoints":
        """Return the points of an image."""
        path = None if self.folder is None else self.folder / f"{digest[:32]}.jsonl"
        return CachedPoints(path, self.versions, self.fresh)


class CachedPoints:
    """The points of one image."""

    def __init__(self, path: Path | None, versions: Mapping[str, str], fresh: bool) -> None:
        self.path, self.versions = path, versions
        self.points: dict[tuple[str, str], Point] = {}  # (state of the codec, key of the target)
        try:
            stored = b"" if path is None or fresh or not path.exists() else path.read_bytes()
        except OSError:
            self.path, stored = None, b""
        for line in stored.splitlines():
            try:
                state, key, quality, pixels, size, bpp, values, reached = json.loads(line)
                values = {name: math.inf if value is None else value for name, value in values.items()}
                self.points[state, key] = Point(quality, pixels, size, bpp, values, reached)
            except (ValueError, TypeError, AttributeError):
                continue  # a truncated line

    def get(self, codec: Codec, key: str, metrics: Collection[str]) -> Point | None:
        """Return a point that has all of these metrics, or None."""
        point = self.points.get((state_of(codec, self.versions), key))
        if point is None or not set(metrics) <= point.values.keys():
            return None
        return point._replace(values={name: value for name, value in point.values.items() if name in metrics})

    def of(self, codec: Codec) -> list[Point]:
        """Return all points of a codec."""
        state = state_of(codec, self.versions)
        return [point for (point_state, _), point in self.points.items() if point_state == state]

    def put(self, codec: Codec, key: str, point: Point) -> None:
        """Store a point."""
        state = state_of(codec, self.versions)
        self.points[state, key] = point
        if self.path is None:
            return
        values = {name: value if math.isfinite(value) else None for name, value in point.values.items()}
        numbers = (point.quality, point.pixels, point.size, point.bpp)
        line = json.dumps([state, key, *numbers, values, point.reached], allow_nan=False)
        try:
            with open(self.path, "ab", buffering=0) as file:
                file.write(f"\n{line}\n".encode())  # the first line end closes a truncated line
        except OSError:
            self.path = None  # a full disk: the run continues without a cache


def state_of(codec: Codec, versions: Mapping[str, str]) -> str:
    """Return a hash of everything that a codec's bytes and their metrics depend on besides pixels and quality."""
    parts = [codec.name, codec.about, {name: versions.get(name) for name in (*codec.versions, *_METRICS)}]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]
