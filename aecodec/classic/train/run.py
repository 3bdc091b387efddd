"""A run from data to a model that can be installed."""

import json
from pathlib import Path

from aecodec.classic.train import data, export, measure, pictures
from aecodec.classic.train.entries import Entry
from aecodec.classic.train.loop import HISTORY, SETTINGS, Trained, fit
from aecodec.classic.train.widen import widen


def run(
    entry: Entry,
    folder: Path | None,
    test: Path | None,
    out: Path,
    verbose: str | int = "auto",
    narrow: Path | None = None,
) -> str:
    """Train an entry and write into `out`: weights, losses, graphs, pictures, figures. -> the figures as a line.

    narrow: run of a narrower net to start from.

    Raises ValueError, OSError, AezError or FloatingPointError.
    """
    if (out / SETTINGS).exists():
        raise FileExistsError(f"{out / SETTINGS}: exists; choose another --out")
    seed = entry.training["seed"]
    small = export.load_run(narrow)[1] if narrow else None

    def begin(trained: Trained) -> None:
        if small is not None:
            widen(small, trained, seed)

    found = data.load(entry, folder, test, seed)
    return finish(entry, fit(entry, found, out, verbose, begin), found, out)


def finish(entry: Entry, trained: Trained, found: data.Pictures, out: Path) -> str:
    """Write what comes after the training."""
    pictures.draw_losses(json.loads((out / HISTORY).read_text()), out / pictures.LOSS)

    def measured(net) -> dict:
        pictures.draw_comparison(entry, net, found.test, out / pictures.COMPARISON)
        return measure.measure(net, found.test)

    return measure.line(entry.name, export.write_run(out, entry, trained, found, measured))
