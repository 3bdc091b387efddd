"""All classic autoencoders, one declaration each: network, data, loss, published hyper-parameters as defaults."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from aecodec.classic.train.words import Plan

if TYPE_CHECKING:
    from aecodec.classic.train.layers import Nets

ACTIVATIONS = ("linear", "relu", "leaky_relu", "sigmoid", "tanh")
SIZES = {"mnist": 28, "fashion-mnist": 28, "grey": 256, "photos": 64}  # pixels along the edge of its images
CHOICES = {
    "optimizer": ("adam", "adadelta", "nadam"),
    "loss": ("mse", "mae", "binary_crossentropy"),
    "precision": ("float32", "mixed_bfloat16"),
    "up": ("resize", "transposed"),
    **dict.fromkeys(("activation", "code", "output"), ACTIVATIONS),
}


@dataclass(frozen=True)
class Entry:
    """One model. `parameters` of the network and of the noise and those of the `training` can be set by the user.

    `goal`: mean squared error (0..1) to reach on the test images: that of principal components with as many numbers as
    the published code, or a looser one for a network too small for that; None: there is no goal.
    """

    name: str
    label: str  # of the published system
    about: str
    data: str  # a key of SIZES
    net: Callable[..., Any]  # gives Nets, or the function of a denoiser
    parameters: Mapping[str, Any]
    training: Mapping[str, Any]
    weight: float = 1.0  # of the loss, beside a divergence
    noise: str | None = None  # "salt", "gaussian" or "photo"
    goal: float | None = None

    @property
    def edge(self) -> int:
        """Pixels along the edge of a patch, which the network codes in one piece. Raises ValueError."""
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
        """Whether images are cut into patches and may have any size."""
        return "d" in self.parameters or self.edge < SIZES[self.data]

    @property
    def digits(self) -> bool:
        """Whether its data is a set of IDX files, which can be downloaded and has test images of its own."""
        return self.data in ("mnist", "fashion-mnist")

    @property
    def plan(self) -> Plan | None:
        """The convolutions; None for other nets. Raises ValueError."""
        given = self.parameters
        return (
            Plan.of(given["filters"], self.edge, given["up"], bool(given.get("latent"))) if "filters" in given else None
        )

    @property
    def denoiser(self) -> bool:
        """Whether it has no code: an image goes in, an image comes out."""
        return self.data == "photos"

    def nets(self) -> Any:
        """Make the layers, not yet built: Nets, or the function of a denoiser. Raises ValueError."""
        given = {name: value for name, value in self.parameters.items() if name not in ("n", "d", *NOISE)}
        if self.denoiser:
            return self.net(**given)
        return self.net((self.edge, self.edge, 1), **given)

    def with_parameters(self, settings: Mapping[str, str]) -> "Entry":
        """Set parameters, given as text as on the command line. Raises ValueError."""
        parameters, training = dict(self.parameters), dict(self.training)
        for name, text in settings.items():
            group = parameters if name in parameters else training
            if name not in group:
                raise ValueError(f"unknown parameter {name!r}, expected one of {', '.join(parameters | training)}")
            group[name] = _value(name, text, group[name])
        for name, value in (parameters | training).items():
            if name in CHOICES and value not in CHOICES[name]:
                raise ValueError(f"{name}={value}, expected {', '.join(CHOICES[name])}")
        changed = replace(self, parameters=parameters, training=training)
        if changed.edge < 1:
            raise ValueError("expected at least one pixel")
        if parameters.get("variational") and not parameters["latent"]:
            raise ValueError("variational=True, expected latent above 0")
        _ = changed.plan  # raises ValueError for filters that do not suit
        return changed


def _value(name: str, text: str, default: Any) -> Any:
    """Parse a parameter; it has the type of its default."""
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
    if name in _FRACTIONS and value > 1:
        raise ValueError(f"{name}={text}, expected a fraction of 0 to 1")
    if name == "seed" and value >= 1 << 32:
        raise ValueError(f"seed={text}, expected a number below 2^32")
    return value


# Fraction of samples; standard deviations: of 0..1, in photographs of 0..255; fraction of images with salt noise.
NOISE = ("salt", "sigma", "sigma_low", "salted")
_MAY_BE_ZERO = ("seed", "latent", "pictures")
_FRACTIONS = ("salt", "salted", "decay")


def _fit(epochs: int, batch: int, rate: float = 1e-3, **others: Any) -> dict[str, Any]:
    """`decay`: fraction of the steps, at the end, in which a cosine lowers the rate to 1 %.

    `pictures`: of the training images, so few that an epoch takes less than a minute on two cores; 0 for all.
    """
    defaults = {"optimizer": "adam", "decay": 0.0, "loss": "mse", "pictures": 0, "precision": "float32", "seed": 0}
    return {"epochs": epochs, "batch": batch, "rate": rate} | defaults | others


def _layers(name: str) -> Callable[..., Any]:
    """A function of the layers, which load Keras when it is called: an entry can be looked at without."""

    def make(*arguments: Any, **options: Any) -> Any:
        from aecodec.classic.train import layers

        return getattr(layers, name)(*arguments, **options)

    return make


dense, convolutional, residual = map(_layers, ("dense", "convolutional", "residual"))


def _hidden(shape: tuple, m: int, **rest: Any) -> "Nets":
    return dense(shape, (m,), **rest)


def _plain(shape: tuple, k: int, **rest: Any) -> "Nets":
    return dense(shape, (), k, activation="linear", **rest)


def _level(shape: tuple, level: int, **rest: Any) -> "Nets":
    return _plain(shape, level * level, **rest)


_DENSE: dict[str, Any] = {"activation": "leaky_relu", "code": "linear", "output": "linear"}
_POOLED: dict[str, Any] = {"activation": "relu", "code": "relu", "output": "sigmoid", "up": "resize"}
_FASHION: dict[str, Any] = {"filters": "32 64/2 64/2 64", "latent": 2, "norm": True, "up": "transposed"}
_CROSS = "binary_crossentropy"
_ADADELTA = partial(_fit, optimizer="adadelta", rate=1.0)

# fmt: off
_TABLE = (
    Entry("mnist-dense", "A1", "dense 784-300-k and back", "mnist", _hidden,
          {"n": 784, "m": 300, "k": 4} | _DENSE, _ADADELTA(50, 256), goal=0.0479),
    Entry("mnist-divide", "A2", "d x d square patches, each dense 300-k and back", "mnist", _hidden,
          {"d": 2, "m": 300, "k": 10} | _DENSE, _ADADELTA(50, 256), goal=0.0342),
    Entry("image-dense", "A3", "patches of 16x16 pixels, each dense 64-k and back", "grey", _hidden,
          {"d": 16, "m": 64, "k": 16} | _DENSE, _ADADELTA(50, 32), goal=0.00179),
    Entry("image-conv", "A4", "patches of 8x8 pixels, convolutions to one map of 6x6 and back", "grey", convolutional,
          {"d": 32, "filters": "64v 1:1"} | _POOLED | {"code": "linear", "output": "linear", "up": "transposed"},
          _ADADELTA(50, 32), goal=0.001),
    Entry("mnist-level", "B1", "dense to a small picture of level x level, dense back", "mnist", _level,
          {"level": 8, "code": "relu", "output": "sigmoid"}, _fit(20, 128), goal=0.00905),
    Entry("mnist-conv-pool", "B2", "convolutions and max-pooling, up-sampling or transposed convolutions back", "mnist",
          convolutional, {"filters": "16 p 32 p 2"} | _POOLED | {"code": "linear", "up": "transposed"},
          _fit(20, 128, loss=_CROSS), goal=0.0058),
    Entry("mnist-salt", "B3", "B2 for salt noise: each pixel is replaced by a random one with probability salt",
          "mnist", convolutional,
          {"filters": "16 p 32 p 8", "salt": 0.1} | _POOLED | {"code": "linear", "up": "transposed"},
          _fit(20, 128, loss=_CROSS), noise="salt"),
    Entry("photo-denoise", "B3", "photographs with Gaussian noise of sigma_low to sigma, or salt noise, in RGB",
          "photos", residual, {"width": 48, "blocks": 3, "sigma_low": 10.0, "sigma": 50.0, "salt": 0.1, "salted": 0.33},
          _fit(20, 16, decay=0.5, pictures=3_000), noise="photo"),
    Entry("fashion-conv", "C1", "strided convolutions and batch normalisation to a dense code, transposed convolutions "
          "back", "fashion-mnist", convolutional, _FASHION, _fit(100, 32, 5e-4, pictures=10_000), goal=0.0461),
    Entry("fashion-vae", "C2", "C1 with a code that is drawn: a variational autoencoder", "fashion-mnist",
          convolutional, _FASHION | {"variational": True}, _fit(100, 32, 5e-4, pictures=10_000), weight=1000.0,
          goal=0.0461),
    Entry("mnist-conv-7x7", "D1", "convolutions and max-pooling to one map of 7x7, up-sampling back", "mnist",
          convolutional,
          {"filters": "256 128 64 p 32 16 8:1 p 4 2:1 1:1", "code_bias": 0.5} | _POOLED | {"output": "tanh"},
          _fit(20, 32, pictures=1_000), goal=0.0117),
    Entry("mnist-simple", "E1", "dense 784-k and back", "mnist", _plain,
          {"k": 32, "code": "relu", "output": "sigmoid"}, _fit(20, 200, loss=_CROSS), goal=0.0168),
    Entry("mnist-conv", "E2", "narrow convolutions and max-pooling to 4x4x8, resizing back", "mnist", convolutional,
          {"filters": "16 p 8 p 8 p"} | _POOLED, _fit(10, 200, loss=_CROSS), goal=0.012),
    Entry("mnist-denoise", "E3", "the same with 32, 32 and 16 channels, for Gaussian noise", "mnist", convolutional,
          {"filters": "32 p 32 p 16 p", "sigma": 0.5} | _POOLED, _fit(30, 200, loss=_CROSS), noise="gaussian"),
)
# fmt: on
ENTRIES = {entry.name: entry for entry in _TABLE}
