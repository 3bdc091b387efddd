"""Twice as wide second branches in a transform of a run: python widen.py AVERAGE OUT analysis|synthesis

The network computes the same as before: what reads the new units begins with zeros. New units are differences of old
ones, so that their values fit the steps of 8 bits that these have. `aecodec train photo --resume` goes on from there.
"""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
from trained import loaded

from aecodec.train import checkpoint
from aecodec.train.photo import Photo, Shape

RATIO = 2
SCALE = 0.7  # of a difference of two units: about the deviation of either


def widened(old: np.ndarray, shape: tuple[int, ...], random: np.random.Generator) -> np.ndarray:
    """A kernel or bias of the branch in its new shape."""
    new = np.zeros(shape, np.float32)
    if old.ndim == 1 or old.shape[0] < shape[0]:  # biases, and what reads the units
        new[: len(old)] = old
        return new
    first, second = (random.permutation(old.shape[1]) for _ in range(2))
    return np.concatenate([old, SCALE * (old[:, first] - old[:, second])], axis=1)


def main(source: Path, target: Path, transform: str) -> None:
    meta = checkpoint.read_meta(source)
    narrow, random = loaded(source), np.random.default_rng(0)
    shape = replace(checkpoint.part_of(meta, "shape", Shape, source), **{f"{transform}_ratio": RATIO})
    wide = Photo(shape)
    wide.build()
    values = []
    for old, new in zip(narrow.trainable_variables, wide.trainable_variables, strict=True):
        value = np.asarray(old)
        values.append(value if old.shape == new.shape else widened(value, tuple(new.shape), random))
    checkpoint.save_average(target, values, meta | {"shape": shape.as_dict(), "judge": None})


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
