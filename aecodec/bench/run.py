"""One run of the bench: read the images one after the other, measure, report."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from aecodec.bench.cache import Cache, CachedPoints, digest_of
from aecodec.bench.codecs import Codec
from aecodec.bench.images import load_image
from aecodec.bench.measure import Column, Failure, Point, Sweep, Unsuited, describe, fitting
from aecodec.bench.metrics import Metric
from aecodec.bench.published import Published
from aecodec.bench.report import ImageResult, Json, build_report, speed_block
from aecodec.bench.speed import measure_speeds
from aecodec.bench.targets import Target
from aecodec.errors import AezError, printable
from aecodec.processes import Died, each

Tick = Callable[[int], None]


class Run(NamedTuple):
    """What a run of the bench gives: the report, and what it was made of."""

    report: Json
    results: list[ImageResult]
    codecs: list[Codec]  # that could be used
    metrics: list[Metric]


def run_bench(
    paths: Sequence[Path],
    codecs: Sequence[Codec],
    metrics: Sequence[Metric],
    cache: Cache,
    *,
    target: Target = Target(),  # noqa: B008 (immutable)
    repeats: int = 3,
    jobs: int = 1,
    max_side: int | None = None,
    published: Sequence[Published] = (),
    tick: Tick = lambda steps: None,
    skip: Callable[[str], None] = lambda line: print(line, file=sys.stderr),
) -> Run:
    """Measure image files with all the codecs and metrics that can be used here.

    `jobs` processes share the images and codecs; speeds are measured afterwards by one process alone, on the largest
    image, `repeats` times (0: not at all). Of images larger than `max_side` pixels on a side the centre is measured.
    `published` curves join the mean.
    An image that cannot be read is given to `skip` as one line, named in the report, and left out. `tick` is called
    with a number of steps that are done; `steps_of_run` tells how many there are.
    """
    present, not_measured = _present(codecs)
    usable, without = _present(metrics)
    results: list[ImageResult] = []
    skipped: dict[str, str] = {}

    def tasks() -> Iterator[_Task]:
        for path in paths:
            try:
                source = load_image(path, max_side)
            except (AezError, OSError, MemoryError) as error:
                reason = _reason(error, path)
                skipped[printable(path.name)] = reason
                skip(f"{printable(str(path))}: skipped: {reason}")
                tick(len(present))
                continue
            height, width = source.pixels.shape[:2]
            digest = digest_of(source.pixels)
            sweep: Sweep = {codec.name: [] for codec in present}  # in this order
            results.append(ImageResult(path, source.name, width, height, source.note, digest, sweep))
            yield from (_Task(len(results) - 1, codec, source.pixels, digest) for codec in present)

    job = partial(_measure, target=target, metrics=usable, cache=cache)
    with closing(each(tasks(), job, jobs)) as columns:
        for task, column in columns:
            column = Failure(str(column)) if isinstance(column, Died) else column
            results[task.image].sweep[task.codec.name] = column
            tick(1)
    unsuited = _take_unsuited(results)
    suited = [codec for codec in present if codec.name not in unsuited]
    reasons = not_measured | unsuited | without
    report = build_report(
        results,
        suited,
        usable,
        target=target,
        not_measured=reasons,
        skipped=skipped,
        repeats=repeats,
        published=published,
    )
    if repeats and results and suited:
        report["speed"] = speed_of(results, suited, repeats, max_side)
    tick(int(repeats > 0))
    return Run(report, results, suited, usable)


def measure(
    codec: Codec,
    pixels: np.ndarray,
    target: Target,
    metrics: Sequence[Metric],
    cached: CachedPoints,
) -> Column:
    """Return a codec's points on one image, from the cache where it has them, measured otherwise."""
    if reason := codec.unsuited(pixels):
        return Unsuited(reason)
    fit = fitting(metrics, *pixels.shape[:2])
    names = [metric.name for metric in fit]
    points: list[Point] = []
    for value in target.values_for(codec):
        key = target.key(value)
        point = cached.get(codec, key, names)
        if point is None:
            try:
                point = target.measure(codec, pixels, value, fit, cached.of(codec))
            except Exception as error:  # a codec may raise anything at all; the others still get their measurement
                return Failure(f"{key}: {describe(error)}")
            cached.put(codec, key, point)
        points.append(point)
    return points


def speed_of(
    results: Sequence[ImageResult],
    codecs: Sequence[Codec],
    repeats: int,
    max_side: int | None,
) -> Json:
    """Time the codecs on the largest image, each at the quality whose PSNR is nearest to the first codec's near 75."""
    result = max(results, key=lambda result: result.width * result.height)
    columns = {name: column for name, column in result.sweep.items() if isinstance(column, list)}
    lossy = [codec.name for codec in codecs if codec.name in columns and not codec.lossless]
    entrants, level = [], None
    if lossy:
        level = min(columns[lossy[0]], key=lambda point: abs(point.quality - 75)).psnr
    for codec in codecs:
        if points := columns.get(codec.name):
            point = points[0] if level is None else min(points, key=lambda point: abs(point.psnr - level))
            entrants.append((codec, point.quality))
    speeds = measure_speeds(load_image(result.path, max_side).pixels, entrants, repeats=repeats)
    return speed_block(result, level, repeats, speeds)


def steps_of_run(paths: Sequence[Path], codecs: Sequence[Codec], repeats: int) -> int:
    """Return the number of steps of run_bench: each codec on each image, and the speeds."""
    return len(paths) * len(_present(codecs)[0]) + int(repeats > 0)


def went_well(report: Json) -> bool:
    """Return whether a report holds measurements of every image by every codec that ran."""
    blocks = [image["codecs"] for image in report["images"]]
    blocks.append(report.get("speed", {}).get("codecs", {}))
    failed = any("failed" in codec for block in blocks for codec in block.values())
    return bool(report["images"]) and not report["skipped"] and not failed


class _Task(NamedTuple):
    image: int  # its number
    codec: Codec
    pixels: np.ndarray
    digest: str


def _measure(task: _Task, cache: Cache, **how) -> Column:
    return measure(task.codec, task.pixels, cached=cache.of(task.digest), **how)


def _present(table: Sequence) -> tuple[list, dict[str, str]]:
    """Return the codecs or metrics that can be used here, and why the others cannot."""
    reasons = {entry.name: reason for entry in table if (reason := entry.missing())}
    return [entry for entry in table if entry.name not in reasons], reasons


def _take_unsuited(results: Sequence[ImageResult]) -> dict[str, str]:
    """Take those codecs out of the sweeps that none of the images is for, and return why."""
    reasons = {}
    for name in list(results[0].sweep) if results else ():
        columns = [result.sweep[name] for result in results]
        unsuited = [column.reason for column in columns if isinstance(column, Unsuited)]
        if len(unsuited) == len(columns):
            reasons[name] = " or ".join(dict.fromkeys(unsuited))
            for result in results:
                del result.sweep[name]
    return reasons


def _reason(error: Exception, path: Path) -> str:
    """Return an error without the path, which the line names already and a report must not hold."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return " ".join(str(error).split()).removeprefix(f"{path}: ") or describe(error)
