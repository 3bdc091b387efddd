"""A run from data to a model that can be installed."""

import json
from pathlib import Path

from aecodec.train.classic import data, export, measure, pictures
from aecodec.train.classic.entries import Entry
from aecodec.train.classic.loop import HISTORY, SETTINGS, Trained, fit


def run(entry: Entry, folder: Path | None, test: Path | None, out: Path, verbose: str | int = "auto") -> str:
    """Train an entry and write into `out`: weights, losses, graphs, pictures, figures. -> the figures as a line.

    Raises ValueError, OSError, AezError or FloatingPointError.
    """
    if (out / SETTINGS).exists():
        raise FileExistsError(f"{out / SETTINGS}: exists; choose another --out")
    found = data.load(entry, folder, test, entry.training["seed"])
    return finish(entry, fit(entry, found, out, verbose), found, out)


def finish(entry: Entry, trained: Trained, found: data.Pictures, out: Path) -> str:
    """Write what comes after the training."""
    pictures.draw_losses(json.loads((out / HISTORY).read_text()), out / pictures.LOSS)

    def measured(net) -> dict:
        pictures.draw_comparison(entry, net, found.test, out / pictures.COMPARISON)
        return measure.measure(net, found.test)

    return measure.line(entry.name, export.write_run(out, entry, trained, found, measured))
