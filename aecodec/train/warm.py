"""A new shape starts from the weights of another: what has kept its shape is copied."""

from pathlib import Path
from typing import Any

import numpy as np
from keras import ops

from aecodec.errors import ModelError
from aecodec.train import checkpoint
from aecodec.train.photo import Photo, Shape

# Parts that mean the same in every shape. Their variables are compared in order.
PARTS = (
    "pre", "post", "analysis", "analysis.linear", "synthesis", "synthesis.linear", "hyper_analysis", "scale_net",
    "mean_net", "hyper_rate",
)  # fmt: skip
KNOTS = ("log_gain", "log_gain_inverse", "log_features")


def _part(model: Photo, name: str) -> dict[str, Any]:
    """Variables of a part by their name inside it, where layers without a name of their own are counted."""
    for step in name.split("."):
        model = getattr(model, step)
    variables: dict[str, Any] = {}
    for v in model.trainable_variables:
        same = sum(key.split("/")[0] == v.name for key in variables)
        variables[f"{v.name}/{same}"] = v
    return variables


def copy_kept(path: Path, model: Photo) -> list[str]:
    """Copy from the moving average at `path` what `model` has in the same shape -> names of the parts copied.

    A part whose variables differ in number or shape is left as it is, but for the linear maps and the variables of the
    scale net, which stand alone. So a new shape starts as the linear codec of the old weights, with its rates, and not
    as noise. Raises ModelError when the file is missing or damaged.
    """
    old = Photo(checkpoint.part_of(checkpoint.read_meta(path), "shape", Shape, path))
    old.build()
    checkpoint.load_average(path, old)
    copied = []
    for name in PARTS:
        theirs, ours = _part(old, name), _part(model, name)
        if name == "scale_net":
            ours = {key: v for key, v in ours.items() if key in theirs}
        if theirs.keys() == ours.keys() and all(theirs[k].shape == ours[k].shape for k in ours):
            for key, v in ours.items():
                v.assign(np.asarray(ops.convert_to_numpy(theirs[key])))
            copied.append(name)
    for name in KNOTS:
        if getattr(old, name).shape == getattr(model, name).shape and (
            name != "log_features" or old.synthesis.biased == model.synthesis.biased
        ):
            getattr(model, name).assign(np.asarray(ops.convert_to_numpy(getattr(old, name))))
            copied.append(name)
    if old.shape.visual and model.shape.visual and old.log_weight.shape == model.log_weight.shape:
        model.log_weight.assign(np.asarray(ops.convert_to_numpy(old.log_weight)))
        copied.append("log_weight")
    if not copied:
        raise ModelError(f"{path}: nothing in it has a shape of the new networks")
    return copied
