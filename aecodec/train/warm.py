"""A new shape starts from the weights of another: what has kept its shape is copied."""

from pathlib import Path
from typing import Any

import numpy as np

from aecodec.errors import ModelError
from aecodec.train import checkpoint
from aecodec.train.photo import Photo, Shape
from aecodec.train.stack import array

# Parts that mean the same in every shape. Their variables are compared in order.
PARTS = (
    "pre", "post", "analysis", "analysis.linear", "synthesis", "synthesis.linear", "hyper_analysis", "hyper_synthesis",
    "mean_net", "hyper_rate",
)  # fmt: skip
KNOTS = ("log_gain", "log_gain_inverse", "features")


def _part(model: Photo, name: str) -> dict[str, Any]:
    """Variables of a part by their name inside it, where layers without a name of their own are counted."""
    for step in name.split("."):
        model = getattr(model, step)
    variables: dict[str, Any] = {}
    for v in model.trainable_variables:
        same = sum(key.split("/")[0] == v.name for key in variables)
        variables[f"{v.name}/{same}"] = v
    return variables


def _fitted(theirs: np.ndarray, v, rows: int, apart=False) -> np.ndarray | None:
    """An old variable in the shape of v, None where it has another one.

    A table of `rows`, which knows one tuning, serves for both; apart: these keep the distance at which v begins.
    """
    if theirs.shape == tuple(v.shape):
        return theirs
    if len(theirs) != rows or (2 * rows, *theirs.shape[1:]) != tuple(v.shape):
        return None
    plain, visual = np.split(array(v), 2)
    return np.concatenate([theirs, theirs + (visual - plain if apart else 0)])


def copy_kept(path: Path, model: Photo) -> list[str]:
    """Copy from the moving average at `path` what `model` has in the same shape -> names of the parts copied.

    A part whose variables differ in number or shape is left as it is; the linear maps are parts of their own. So a new
    shape starts as the linear codec of the old weights, with its rates, and not as noise. What an old shape has for one
    tuning serves both of a new one. Raises ModelError when the file is missing or damaged.
    """
    old = Photo(checkpoint.part_of(checkpoint.read_meta(path), "shape", Shape, path))
    old.build()
    checkpoint.load_average(path, old)
    copied = []

    def take(name: str, theirs: dict[str, Any], ours: dict[str, Any]) -> None:
        """Copy all of them, or none."""
        apart = ("log_gain", "log_gain_inverse", "offset/0")
        new = {key: _fitted(array(theirs[key]), v, old.shape.rows, key in apart) for key, v in ours.items()}
        if all(value is not None for value in new.values()):
            for key, value in new.items():
                ours[key].assign(value)
            copied.append(name)

    for name in PARTS:
        theirs, ours = _part(old, name), _part(model, name)
        if theirs.keys() == ours.keys():
            take(name, theirs, ours)
    for name in KNOTS:
        take(name, {name: getattr(old, name)}, {name: getattr(model, name)})
    if not copied:
        raise ModelError(f"{path}: nothing in it has a shape of the new networks")
    return copied
