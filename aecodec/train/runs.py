"""A training run, without a training framework: what it is begun with, whether its folder is free, its log."""

import csv
import errno
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Row = dict[str, Any]
CHECKPOINT, AVERAGE, LOG = "checkpoint.npz", "average.npz", "log.jsonl"  # of photo
SETTINGS, HISTORY = "settings.json", "history.json"  # of a classic autoencoder


@dataclass(frozen=True)
class Setup:
    """What a run of photo is begun with, beside its phase and the shape of its networks."""

    folder: Path  # of the run
    data: Path  # of the training images
    val: Path | None = None  # of the images to validate on
    resume: bool = False
    start: Path | None = None  # moving average that a new run takes over what has kept its shape from
    precision: str = "auto"  # a run may go on in another one
    processes: int = 1  # that share each batch


def check_new(run: Path) -> None:
    """Raise FileExistsError for a folder that holds a run."""
    for path in (run / name for name in (CHECKPOINT, AVERAGE, LOG, SETTINGS)):
        if path.exists():
            reason = "exists; continue photo with --resume, or choose another --out"
            raise FileExistsError(errno.EEXIST, reason, str(path))


def state_of(run: Path) -> Path:
    """The file that a run of photo goes on from: its checkpoint, or else an average. Raises FileNotFoundError."""
    for path in (run / CHECKPOINT, run / AVERAGE):
        if path.exists():
            return path
    raise FileNotFoundError(errno.ENOENT, f"no {CHECKPOINT} or {AVERAGE} to go on from", str(run))


def drop_cut_line(run: Path) -> None:
    """Take the last line of a log away where it was cut off, as by a full disk, before more is added to it."""
    path = run / LOG
    if path.exists() and (data := path.read_bytes()) and not data.endswith(b"\n"):
        with open(path, "r+b") as file:
            file.truncate(data.rfind(b"\n") + 1)


def read_log(run: Path) -> list[Row]:
    """Return a flat row for each step or epoch that a run has logged; {"val": {"loss": 1}} is called val.loss.

    Raises OSError, ValueError for a damaged log; the last line of a run that goes on may be cut off.
    """
    path = run / (HISTORY if (run / HISTORY).exists() else LOG)
    try:
        if path.name == HISTORY:
            losses = json.loads(path.read_text())
            return [dict(zip(("epoch", *losses), row)) for row in zip(range(1, 1 << 30), *losses.values())]  # noqa: B905
        lines = path.read_text().splitlines(keepends=True)
        return [dict(_flat(json.loads(line))) for line in lines if line.endswith("\n")]
    except (ValueError, TypeError, AttributeError, RecursionError):
        raise ValueError(f"{path}: not the log of a training run") from None


def _flat(values: Row, before: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{before}{name}.")
        else:
            yield before + name, value


def csv_of(rows: Sequence[Row]) -> str:
    """Return the rows as CSV, with all columns in the order in which they come."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    file = io.StringIO()
    writer = csv.DictWriter(file, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return file.getvalue()
