"""The shape of the networks of `photo`, on which a training run, its checkpoints and its export agree."""

import json
import math
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import get_type_hints

import numpy as np

from aecodec.entropy.tables import SCALES
from aecodec.errors import explain
from aecodec.model.tuning import AXIS

REACH8 = 8  # squares of 8 pixels that a network may reach to every side: 4 latents
_LOW, _HIGH = 1, math.inf  # of a whole number, where no other range is said
_RANGES = {
    "latent": (4, 16 * 16 * 3),  # a square has no more principal components
    "knots": (2, AXIS // 256),
    "coded_from": (0, SCALES - 1),
    **dict.fromkeys(("analysis_blocks16", "synthesis_blocks16"), (0, _HIGH)),
}
_KINDS = {bool: "true or false", float: "a number", int: "a whole number"}


@dataclass(frozen=True)
class Shape:
    """Everything that changes the shape of a tensor; kept beside the weights. Those of `photo` are the defaults.

    Names with 8 and 16 are widths of the transforms at 1/8 and 1/16 of the resolution.

    Raises ValueError for a field that has another type or lies out of its range.
    """

    latent: int = 384
    hyper: int = 96
    blocks8: int = 4  # of either transform
    analysis8: int = 96
    analysis16: int = 256
    analysis_blocks16: int = 2
    analysis_ratio: int = 1  # width of the second branches of the blocks, in widths of the first
    synthesis16: int = 224
    synthesis_blocks16: int = 0
    synthesis8: int = 128
    synthesis_ratio: int = 2
    features: int = 128
    context: int = 192
    reach: int = 5
    hyper_width: int = 192
    scale_width: int = 256
    lmbda_low: float = 0.0005
    lmbda_high: float = 0.6
    knots: int = 9
    coded_from: int = 6  # scale index below which a latent is not coded: its mean stands for it
    visual: bool = True  # it has a visual tuning, with which every other image of a batch is coded

    def __post_init__(self) -> None:
        for name, kind in get_type_hints(Shape).items():
            value, kinds = getattr(self, name), int | float if kind is float else kind
            if isinstance(value, bool) != (kind is bool) or not isinstance(value, kinds):
                raise ValueError(f"{name}: {json.dumps(value)}, expected {_KINDS[kind]}")
            low, high = _RANGES.get(name, (_LOW, _HIGH))
            if kind is int and not low <= value <= high:
                raise ValueError(f"{name}: {value}, expected {low} {'or more' if high == _HIGH else f'to {high}'}")
        if self.latent % 4:
            raise ValueError(f"latent: {self.latent}, expected a multiple of 4")
        for name in ("analysis_blocks16", "synthesis_blocks16"):  # beyond it windows would show: FORMAT.md, section 9.2
            if self.blocks8 + 2 * getattr(self, name) > REACH8:
                raise ValueError(f"blocks8 + 2 * {name}: expected at most {REACH8}")
        if not 0 < self.lmbda_low < self.lmbda_high < math.inf:
            raise ValueError(f"lmbda_low, lmbda_high: {self.lmbda_low}, {self.lmbda_high}, expected 0 < low < high")

    @property
    def lmbdas(self) -> np.ndarray:
        """Lagrangian multiplier at each knot of the quality axis: loss = bpp + lmbda * mse (0..255)."""
        return np.geomspace(self.lmbda_low, self.lmbda_high, self.knots)

    @property
    def rows(self) -> int:
        """Rows of what depends on the quality: one for each knot, of either tuning."""
        return self.knots * (1 + self.visual)

    def as_dict(self) -> dict:
        return asdict(self)


PHOTO = "photo"


def shape_of(word: str) -> Shape:
    """The shape `photo`, or that of a JSON file with the fields that differ from it. Raises ValueError."""
    if word == PHOTO:
        return Shape()
    if not word.endswith(".json"):
        raise ValueError(f"shape {word}: expected {PHOTO} or a JSON file")
    try:
        given = json.loads(Path(word).read_bytes())
        if not isinstance(given, dict):
            raise ValueError("expected a JSON object")
        known = [field.name for field in fields(Shape)]
        for name in given:
            if name not in known:
                raise ValueError(f"unknown field {name!r}, expected one of {', '.join(known)}")
        return Shape(**given)
    except OSError as error:
        raise ValueError(f"shape {word}: {explain(error)}") from None
    except RecursionError:  # its text is another in each version of Python
        raise ValueError(f"shape {word}: nested too deeply") from None
    except ValueError as error:
        raise ValueError(f"shape {word}: {error}") from None
