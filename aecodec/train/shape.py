"""The shape of the networks of `photo`, on which a training run, its checkpoints and its export agree."""

import json
import math
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import get_type_hints

import numpy as np

from aecodec.entropy.hyper_synthesis import SCALES
from aecodec.errors import explain
from aecodec.model.tuning import AXIS

_LOW, _HIGH = 1, math.inf  # of a whole number, where no other range is said
_RANGES = {
    "generation": (1, 2),
    "latent": (4, 16 * 16 * 3),  # a square has no more principal components
    "knots": (2, AXIS // 256),
    "coded_from": (0, SCALES - 1),
    **dict.fromkeys(("analysis_blocks16", "blocks16"), (0, _HIGH)),
}
_KINDS = {bool: "true or false", float: "a number", int: "a whole number", int | None: "a whole number or null"}


@dataclass(frozen=True)
class Shape:
    """Everything that changes the shape of a tensor; kept beside the weights.

    generation: 2 has blocks with a second branch no wider than the block (twice as wide before), a context net of
    plain layers, a scale net with a pointwise layer more, and a synthesis that is told the quality by biases (by
    factors before).

    Raises ValueError for a field that has another type or lies out of its range.
    """

    generation: int = 1
    latent: int = 384
    hyper: int = 96
    analysis8: int = 128
    analysis16: int | None = None  # width of the analysis at 1/16; None: as the synthesis
    analysis_blocks16: int | None = None
    analysis_ratio: int | None = None  # width of the second branches of the analysis, in widths of its blocks
    synthesis8: int = 128
    synthesis_ratio: int | None = None  # the same of the synthesis
    blocks8: int = 4  # of either transform
    width16: int = 256
    blocks16: int = 2
    features: int = 192
    context: int = 256
    reach: int = 5
    hyper_width: int = 192
    scale_width: int = 256
    lmbda_low: float = 0.0005
    lmbda_high: float = 0.6
    knots: int = 9
    coded_from: int = 1  # scale index below which a latent is not coded: its mean stands for it
    visual: bool = False  # it has a visual tuning, with which every other image of a batch is coded

    def __post_init__(self) -> None:
        for name, kind in get_type_hints(Shape).items():
            value, kinds = getattr(self, name), int | float if kind is float else kind
            if isinstance(value, bool) != (kind is bool) or not isinstance(value, kinds):
                raise ValueError(f"{name}: {json.dumps(value)}, expected {_KINDS[kind]}")
            low, high = _RANGES.get(name, (_LOW, _HIGH))
            if kind in (int, int | None) and value is not None and not low <= value <= high:
                raise ValueError(f"{name}: {value}, expected {low} {'or more' if high == _HIGH else f'to {high}'}")
        if self.latent % 4:
            raise ValueError(f"latent: {self.latent}, expected a multiple of 4")
        if not 0 < self.lmbda_low < self.lmbda_high < math.inf:
            raise ValueError(f"lmbda_low, lmbda_high: {self.lmbda_low}, {self.lmbda_high}, expected 0 < low < high")

    @property
    def ratio(self) -> int:
        """Width of the second branch of a transform's block, in widths of the block."""
        return 2 if self.generation == 1 else 1

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


SHAPES = {
    "photo": Shape(),
    "slim": Shape(
        generation=2, analysis8=96, analysis16=256, analysis_blocks16=2, synthesis8=128, blocks8=4, width16=224,
        blocks16=0, features=128, context=192, coded_from=6,
        visual=True,
    ),
}  # fmt: skip


def shape_of(word: str) -> Shape:
    """The shape of this name, or that of a JSON file with the fields that differ from `photo`. Raises ValueError."""
    if word in SHAPES:
        return SHAPES[word]
    if not word.endswith(".json"):
        raise ValueError(f"shape {word}: expected one of {', '.join(SHAPES)}, or a JSON file")
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
    except (ValueError, RecursionError) as error:
        raise ValueError(f"shape {word}: {error}") from None
