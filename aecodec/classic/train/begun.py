"""A run that another one starts from, looked at without Keras."""

import json
from pathlib import Path
from typing import Any

from aecodec.classic.train.entries import ENTRIES, Entry
from aecodec.errors import ModelError
from aecodec.train.runs import SETTINGS

WEIGHTS = "best.weights.h5"


def read_entry(folder: Path) -> Entry:
    """The entry of a run, with its settings. Raises ModelError or OSError, also where its weights are missing."""
    try:
        settings = json.loads((folder / SETTINGS).read_bytes())
        given = {name: str(value) for part in ("parameters", "training") for name, value in settings[part].items()}
        entry = ENTRIES[settings["name"]].with_parameters(given)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ModelError(f"{folder / SETTINGS}: not the settings of a run") from None
    (folder / WEIGHTS).open("rb").close()
    return entry


def check_widening(narrow: Entry, wide: Entry) -> None:
    """Raise ValueError unless `wide` has the shape of `narrow`, or the same convolutions with more channels.

    Dense layers, batch normalisation and denoisers are not widened.
    """
    if _shape(narrow) == _shape(wide):
        return
    if narrow.denoiser or wide.denoiser:
        raise ValueError("--widen: expected a denoiser of the same width")
    if any(e.plan is None or e.parameters.get("latent") or e.parameters.get("norm") for e in (narrow, wide)):
        raise ValueError("--widen: expected nets of convolutions alone")
    before, after = (e.plan.convolutions() for e in (narrow, wide) if e.plan)
    if len(before) != len(after):
        raise ValueError(f"--widen: {len(before)} convolutions, expected {len(after)} as in the wide net")
    for number, (small, large) in enumerate(zip(before, after, strict=True), 1):
        if (small.size, small.transposed) != (large.size, large.transposed) or small.filters > large.filters:
            label = f"{small.size}x{small.size} to {small.filters} channels"
            expected = f"{large.size}x{large.size} to {large.filters} at most"
            raise ValueError(f"--widen: convolution {number} is {label}, expected {expected}")


def _shape(entry: Entry) -> tuple[Any, ...]:
    """What decides the shapes of the weights."""
    given = entry.parameters
    code = given["level"] ** 2 if "level" in given else given.get("k")
    sizes = ("m", "latent", "variational", "norm", "width", "blocks")
    return (entry.plan, None if entry.plan else entry.edge, code, *map(given.get, sizes))
