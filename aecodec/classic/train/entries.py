"""All classic autoencoders, one declaration each: net, data, loss, and the published hyper-parameters as defaults."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from aecodec.classic.train.layers import ACTIVATIONS, Nets, convolutional, dense, residual

SIZES = {"mnist": 28, "fashion-mnist": 28, "grey": 256, "photos": 64}  # edge of the pictures that a net sees
CHOICES = {
    "optimizer": ("adam", "adadelta", "nadam"),
    "loss": ("mse", "mae", "binary_crossentropy"),
    "precision": ("float32", "mixed_bfloat16"),
    "up": ("resize", "transposed"),
    **dict.fromkeys(("activation", "code", "output"), ACTIVATIONS),
}


@dataclass(frozen=True)
class Entry:
    """One system. `parameters` are those of the net and of the noise, `training` those of the fit; both are settable.

    `goal`: mean squared error (0..1) on the test pictures that principal components have with as many numbers as the
    published code, or what is asked of a net too small for that; None: nothing is known.
    """

    name: str
    label: str  # of the published system
    about: str
    data: str  # a key of SIZES
    net: Callable[..., Nets]
    parameters: Mapping[str, Any]
    weight: float = 1.0  # of the loss, beside a divergence
    noise: str | None = None  # "salt", "gaussian" or "photo"
    goal: float | None = None
    training: Mapping[str, Any] = field(default_factory=dict)

    @property
    def edge(self) -> int:
        """Pixels along the edge of what the net codes in one piece. Raises ValueError."""
        size, given = SIZES[self.data], self.parameters
        if "n" in given:
            edge = math.isqrt(given["n"])
            if edge * edge != given["n"] or size % edge:
                raise ValueError(f"n={given['n']}, expected the square of a divisor of {size}")
            return edge
        d = given.get("d", 1)
        if d < 1 or size % d:
            raise ValueError(f"d={d}, expected a divisor of {size}")
        return size // d

    @property
    def any_size(self) -> bool:
        """Whether pictures are cut into patches, so that they may have any size."""
        return "d" in self.parameters or self.edge < SIZES[self.data]

    @property
    def denoiser(self) -> bool:
        """Whether there is no code, only a picture out of a picture."""
        return self.data == "photos"

    def nets(self) -> Any:
        """Make the layers, not yet built: Nets, or the function of a denoiser. Raises ValueError."""
        given = {name: value for name, value in self.parameters.items() if name not in ("n", "d", *NOISE)}
        if self.denoiser:
            return self.net(**given)
        return self.net((self.edge, self.edge, 1), **given)

    def with_parameters(self, settings: Mapping[str, str]) -> "Entry":
        """Set parameters from text, as they are on the command line. Raises ValueError."""
        parameters, training = dict(self.parameters), dict(self.training)
        for name, text in settings.items():
            place = next((place for place in (parameters, training) if name in place), None)
            if place is None:
                known = ", ".join([*parameters, *training])
                raise ValueError(f"unknown parameter {name!r}, expected one of {known}")
            place[name] = _value(name, text, place[name])
        for name, value in (parameters | training).items():
            if name in CHOICES and value not in CHOICES[name]:
                raise ValueError(f"{name}={value}, expected {', '.join(CHOICES[name])}")
        changed = replace(self, parameters=parameters, training=training)
        if changed.edge < 1:
            raise ValueError("expected at least one pixel")
        return changed


def _value(name: str, text: str, default: Any) -> Any:
    """Read a parameter as what its default is."""
    kind = type(default)
    try:
        if kind is bool:
            value: Any = {"true": True, "1": True, "false": False, "0": False}[text.lower()]
        else:
            value = kind(text)
    except (ValueError, KeyError):
        kinds = {int: "a whole number", float: "a number", bool: "true or false"}
        raise ValueError(f"{name}={text}, expected {kinds[kind]}") from None
    if kind is int and value < (0 if name in _MAY_BE_ZERO else 1):
        raise ValueError(f"{name}={text}, expected a whole number above 0")
    if kind is float and not 0 <= value < math.inf:
        raise ValueError(f"{name}={text}, expected a number that is not negative")
    return value


# Share of samples; standard deviations: of 0..1, in photographs of 0..255; share of pictures with salt, not Gaussian.
NOISE = ("salt", "sigma", "sigma_low", "salted")
_MAY_BE_ZERO = ("seed", "latent", "pictures")


def _training(
    epochs: int, batch: int, rate: float = 1e-3, optimizer: str = "adam", decay: float = 0.0, loss: str = "mse"
) -> dict:
    """decay: share of the steps, at the end, in which a cosine takes the rate down to 1 %.

    pictures: how many patches to learn from; 0: all.
    """
    fixed = {"loss": loss, "pictures": 0, "precision": "float32", "seed": 0}
    return {
        "epochs": epochs,
        "batch": batch,
        "rate": rate,
        "optimizer": optimizer,
        "decay": decay,
        "loss": loss,
    } | fixed


def _hidden(shape: tuple, m: int, **rest: Any) -> Nets:
    return dense(shape, (m,), **rest)


def _plain(shape: tuple, k: int, **rest: Any) -> Nets:
    return dense(shape, (), k, activation="linear", **rest)


def _level(shape: tuple, level: int, **rest: Any) -> Nets:
    return _plain(shape, level * level, **rest)


_DENSE: dict[str, Any] = {"activation": "leaky_relu", "code": "linear", "output": "linear"}
_POOLED: dict[str, Any] = {"activation": "relu", "code": "relu", "output": "sigmoid", "up": "resize"}
_FASHION: dict[str, Any] = {"filters": "32 64/2 64/2 64", "latent": 2, "norm": True, "up": "transposed"}
_ADADELTA = partial(_training, optimizer="adadelta", rate=1.0)

_TABLE = (
    Entry(
        "mnist-dense",
        "A1",
        "dense 784-300-k and back",
        "mnist",
        _hidden,
        {"n": 784, "m": 300, "k": 4} | _DENSE,
        goal=0.0479,
        training=_ADADELTA(50, 256),
    ),
    Entry(
        "mnist-divide",
        "A2",
        "d x d square patches, each dense 300-k and back",
        "mnist",
        _hidden,
        {"d": 2, "m": 300, "k": 10} | _DENSE,
        goal=0.0342,
        training=_ADADELTA(50, 256),
    ),
    Entry(
        "image-dense",
        "A3",
        "patches of 16x16 pixels, each dense 64-k and back",
        "grey",
        _hidden,
        {"d": 16, "m": 64, "k": 16} | _DENSE,
        goal=0.00179,
        training=_ADADELTA(50, 32),
    ),
    Entry(
        "image-conv",
        "A4",
        "patches of 8x8 pixels, convolutions to one map of 6x6 and back",
        "grey",
        convolutional,
        {"d": 32, "filters": "64v 1:1"} | _POOLED | {"code": "linear", "output": "linear", "up": "transposed"},
        goal=0.001,
        training=_ADADELTA(50, 32),
    ),
    Entry(
        "mnist-level",
        "B1",
        "dense to a small picture of level x level, dense back",
        "mnist",
        _level,
        {"level": 8, "code": "relu", "output": "sigmoid"},
        goal=0.00905,
        training=_training(20, 128),
    ),
    Entry(
        "mnist-conv-pool",
        "B2",
        "convolutions and max-pooling, up-sampling or transposed convolutions back",
        "mnist",
        convolutional,
        {"filters": "16 p 32 p 2"} | _POOLED | {"code": "linear", "up": "transposed"},
        goal=0.0058,
        training=_training(20, 128, loss="binary_crossentropy"),
    ),
    Entry(
        "mnist-salt",
        "B3",
        "B2 for salt noise: each pixel is replaced by a random one with probability salt",
        "mnist",
        convolutional,
        {"filters": "16 p 32 p 8", "salt": 0.1} | _POOLED | {"code": "linear", "up": "transposed"},
        noise="salt",
        training=_training(20, 128, loss="binary_crossentropy"),
    ),
    Entry(
        "photo-denoise",
        "B3",
        "photographs with Gaussian noise of sigma_low to sigma, or salt noise, in RGB",
        "photos",
        residual,
        {"width": 48, "blocks": 3, "sigma_low": 10.0, "sigma": 50.0, "salt": 0.1, "salted": 0.33},
        noise="photo",
        training=_training(20, 16, decay=0.5),
    ),
    Entry(
        "fashion-conv",
        "C1",
        "strided convolutions and batch normalisation to a dense code, transposed convolutions back",
        "fashion-mnist",
        convolutional,
        _FASHION,
        goal=0.0461,
        training=_training(100, 32, 5e-4),
    ),
    Entry(
        "fashion-vae",
        "C2",
        "C1 with a code that is drawn: a variational autoencoder",
        "fashion-mnist",
        convolutional,
        _FASHION | {"variational": True},
        weight=1000.0,
        goal=0.0461,
        training=_training(100, 32, 5e-4),
    ),
    Entry(
        "mnist-conv-7x7",
        "D1",
        "convolutions and max-pooling to one map of 7x7, up-sampling back",
        "mnist",
        convolutional,
        {"filters": "256 128 64 p 32 16 8:1 p 4 2:1 1:1", "code_bias": 0.5} | _POOLED | {"output": "tanh"},
        goal=0.0117,
        training=_training(20, 32),
    ),
    Entry(
        "mnist-simple",
        "E1",
        "dense 784-k and back",
        "mnist",
        _plain,
        {"k": 32, "code": "relu", "output": "sigmoid"},
        goal=0.0168,
        training=_training(20, 200, loss="binary_crossentropy"),
    ),
    Entry(
        "mnist-conv",
        "E2",
        "narrow convolutions and max-pooling to 4x4x8, resizing back",
        "mnist",
        convolutional,
        {"filters": "16 p 8 p 8 p"} | _POOLED,
        goal=0.012,
        training=_training(10, 200, loss="binary_crossentropy"),
    ),
    Entry(
        "mnist-denoise",
        "E3",
        "the same with 32, 32 and 16 channels, for Gaussian noise",
        "mnist",
        convolutional,
        {"filters": "32 p 32 p 16 p", "sigma": 0.5} | _POOLED,
        noise="gaussian",
        training=_training(30, 200, loss="binary_crossentropy"),
    ),
)
ENTRIES = {entry.name: entry for entry in _TABLE}
