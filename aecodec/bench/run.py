"""One run of the bench: read the pictures one after the other, measure, report."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from aecodec.bench.measure import count_steps, describe, sweep
from aecodec.bench.pictures import load_picture, printable
from aecodec.bench.report import Json, Measured, build_report
from aecodec.bench.rivals import Rival
from aecodec.errors import AezError


def run_bench(
    paths: Sequence[Path],
    rivals: Sequence[Rival],
    *,
    repeats: int = 3,
    tick: Callable[[int], None] = lambda steps: None,
    skip: Callable[[str], None] = lambda line: print(line, file=sys.stderr),
) -> Json:
    """Measure picture files with all the rivals that can run here and return the report.

    A picture that cannot be read is given to `skip` as one line, named in the report, and left out. `tick` is called
    with the number of steps done, of `steps_of_run` altogether.
    """
    reasons = {rival.name: rival.missing() for rival in rivals}
    present = [rival for rival in rivals if reasons[rival.name] is None]
    measured: list[Measured] = []
    skipped: dict[str, str] = {}
    for path in paths:
        try:
            source = load_picture(path)
        except (AezError, OSError, MemoryError) as error:
            reason = _reason(error, path)
            skipped[printable(path.name)] = reason
            skip(f"{printable(str(path))}: skipped: {reason}")
            tick(count_steps(present, repeats))
            continue
        height, width, _ = source.pixels.shape
        result = sweep(source.pixels, present, repeats=repeats, tick=lambda: tick(1))
        measured.append(Measured(source.name, width, height, source.note, result))
    not_measured = {name: reason for name, reason in reasons.items() if reason}
    return build_report(measured, present, repeats=repeats, not_measured=not_measured, skipped=skipped)


def steps_of_run(paths: Sequence[Path], rivals: Sequence[Rival], repeats: int) -> int:
    """Return the number of steps that run_bench counts with `tick`."""
    return len(paths) * count_steps([rival for rival in rivals if rival.missing() is None], repeats)


def went_well(report: Json) -> bool:
    """Return whether a report holds measurements of every picture by every codec that ran."""
    blocks = [picture["codecs"].values() for picture in report["pictures"]]
    return bool(blocks) and not report["skipped"] and not any("failed" in codec for block in blocks for codec in block)


def _reason(error: Exception, path: Path) -> str:
    """Return an error without the path, which the line names already and a report must not hold."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return " ".join(str(error).split()).removeprefix(f"{path}: ") or describe(error)
