"""One run of the bench: read the images one after the other, measure, report."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from aecodec.bench.cache import CachedPoints, digest_of
from aecodec.bench.codecs import Codec
from aecodec.bench.images import load_image
from aecodec.bench.measure import Column, Failure, Point, Sweep, Unsuited, describe, fitting, measure_once
from aecodec.bench.plan import Plan
from aecodec.bench.processes import Died, each
from aecodec.bench.report import ImageResult, Json, build_report, speed_block
from aecodec.bench.speed import measure_speeds
from aecodec.errors import AezError, printable

Tick = Callable[[int], None]


class Run(NamedTuple):
    """What a run of the bench gives: the report, and what it was made of."""

    report: Json
    results: list[ImageResult]
    plan: Plan  # with the codecs and metrics that could be used


def run_bench(
    paths: Sequence[Path],
    plan: Plan,
    tick: Tick = lambda steps: None,
    skip: Callable[[str], None] = lambda line: print(line, file=sys.stderr),
) -> Run:
    """Measure image files with all the codecs and metrics that can be used here.

    An image that cannot be read is given to `skip` as one line, named in the report, and left out. `tick` is called
    with a number of steps that are done; `steps_of_run` tells how many there are.
    """
    present, not_measured = _present(plan.codecs)
    usable, without = _present(plan.metrics)
    plan = replace(plan, codecs=present, metrics=usable)
    results: list[ImageResult] = []
    skipped: dict[str, str] = {}

    def tasks() -> Iterator[_Task]:
        for path in paths:
            try:
                source = load_image(path, plan.max_side)
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

    with closing(each(tasks(), partial(_measure, plan=plan), plan.jobs)) as columns:
        for task, column in columns:
            column = Failure(str(column)) if isinstance(column, Died) else column
            results[task.image].sweep[task.codec.name] = column
            tick(1)
    unsuited = _take_unsuited(results)
    plan = replace(plan, codecs=[codec for codec in present if codec.name not in unsuited])
    report = build_report(results, plan, not_measured | unsuited | without, skipped)
    if plan.repeats and results and plan.codecs:
        report["speed"] = speed_of(results, plan)
    tick(int(plan.repeats > 0))
    return Run(report, results, plan)


def measure(codec: Codec, pixels: np.ndarray, plan: Plan, cached: CachedPoints) -> Column:
    """Return a codec's points on one image, from the cache where it has them, measured otherwise."""
    if reason := codec.unsuited(pixels):
        return Unsuited(reason)
    fit, target = fitting(plan.metrics, *pixels.shape[:2]), plan.target
    names = [metric.name for metric in fit]
    points: list[Point] = []
    for value in target.values_for(codec):
        key = target.key(value)
        point = cached.get(codec, key, names)
        if point is None:
            try:
                quality, reached = target.quality_for(codec, pixels, value, cached.of(codec))
                point = measure_once(codec, pixels, quality, fit)._replace(reached=reached)
            except Exception as error:  # a codec may raise anything at all; the others still get their measurement
                return Failure(f"{key}: {describe(error)}")
            cached.put(codec, key, point)
        points.append(point)
    return points


def speed_of(results: Sequence[ImageResult], plan: Plan) -> Json:
    """Time the codecs on the largest image, each at the quality whose PSNR is nearest to the first codec's near 75."""
    result = max(results, key=lambda result: result.width * result.height)
    columns = {name: column for name, column in result.sweep.items() if isinstance(column, list)}
    lossy = [codec.name for codec in plan.codecs if codec.name in columns and not codec.lossless]
    entrants, level = [], None
    if lossy:
        level = min(columns[lossy[0]], key=lambda point: abs(point.quality - 75)).psnr
    for codec in plan.codecs:
        if points := columns.get(codec.name):
            point = points[0] if level is None else min(points, key=lambda point: abs(point.psnr - level))
            entrants.append((codec, point.quality))
    speeds = measure_speeds(load_image(result.path, plan.max_side).pixels, entrants, repeats=plan.repeats)
    return speed_block(result, level, plan.repeats, speeds)


def steps_of_run(paths: Sequence[Path], plan: Plan) -> int:
    """Return the number of steps of run_bench: each codec on each image, and the speeds."""
    return len(paths) * len(_present(plan.codecs)[0]) + int(plan.repeats > 0)


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


def _measure(task: _Task, plan: Plan) -> Column:
    return measure(task.codec, task.pixels, plan, plan.cache.of(task.digest))


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
