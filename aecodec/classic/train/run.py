"""A training run, from the data to a model that can be installed."""

import json
from pathlib import Path

from aecodec.classic.train import export, measure, plots
from aecodec.classic.train.data import Images
from aecodec.classic.train.entries import Entry
from aecodec.classic.train.loop import Trained, fit
from aecodec.classic.train.widen import widen
from aecodec.classic.weights import Classic
from aecodec.train.runs import HISTORY, check_new


def run(
    entry: Entry, images: Images, out: Path, verbose: str | int = "auto", narrow: Path | None = None
) -> tuple[dict, str]:
    """Train an entry and write into `out` weights, losses, graphs, plots, results. Return these, and them as one line.

    narrow: the run of a network with fewer channels, or as many, to start from; begun.check_widening() has its shape.

    Raises ValueError, OSError, AezError or FloatingPointError.
    """
    check_new(out)
    seed = entry.training["seed"]
    start = export.load_run(narrow) if narrow else None

    def begin(trained: Trained) -> None:
        if start is not None:
            widen(start, trained, seed)

    def measured(net: Classic) -> dict:
        plots.draw_comparison(entry, net, images.test, out / plots.COMPARISON)
        return measure.measure(net, images.test)

    trained = fit(entry, images, out, verbose, begin)
    plots.draw_losses(json.loads((out / HISTORY).read_text()), out / plots.LOSS)
    installed = export.write_run(out, entry, trained, images, measured)
    return installed["results"], measure.line(entry.name, installed)
