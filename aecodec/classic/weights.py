"""The classic models that are installed, and the networks that run them.

    weights/classic/manifest.json            names, ids, sha256 of every file, what each model is and what it reaches
    weights/classic/<name>/encoder.tflite    patches uint8 (N, e, e, 1) -> latents float32 (N, ...)
    weights/classic/<name>/decoder.tflite    latents float32 (N, ...) -> patches uint8 (N, e, e, 1)
    weights/classic/<name>/numbers.npz       low and step of each channel, bits: how latents become integers
    weights/classic/<name>/denoise.tflite    of a denoiser of photographs, instead: uint8 (1, h, w, 3) -> the same

Nothing is loaded before it is needed, and nothing is believed that the manifest's hashes do not cover.
"""

import math
from collections.abc import Callable
from functools import cached_property
from pathlib import Path

import numpy as np

from aecodec.classic.latents import Scale
from aecodec.errors import ModelError
from aecodec.model.runtime import Net
from aecodec.model.weights import Weights, read_models, weights_folder
from aecodec.parallel import Workers

BATCH = 512  # patches that a net gets at once


class Classic(Weights):
    """One classic model."""

    def __init__(self, name: str, entry: dict, folder: Path):
        super().__init__(name, entry, folder)
        self.kind: str = self.entry_of("kind")  # autoencoder, variational or denoiser
        self.edge: int = self.entry_of("edge")  # of a patch, in pixels; a denoiser's input is a multiple of it
        self.any_size: bool = self.entry_of("any_size")
        self.latent = tuple(self.entry_of("latent"))  # shape of one patch's latents; () of a denoiser
        self.noise: str | None = self.entry_of("noise")  # what it takes away, or None

    @property
    def codes(self) -> bool:
        """Whether it has a code, so that pictures can be compressed with it."""
        return self.kind != "denoiser"

    @property
    def latents(self) -> int:
        """Numbers that stand for a patch."""
        return math.prod(self.latent)

    def _net(self, name: str) -> Net:
        return Net(self.read(f"{name}.tflite"))

    @cached_property
    def scale(self) -> Scale:
        """How its latents become integers."""
        numbers = self.arrays("numbers.npz")
        return Scale(numbers["low"], numbers["step"], int(numbers["bits"]))

    @cached_property
    def _encoder(self) -> Net:
        return self._net("encoder")

    @cached_property
    def _decoder(self) -> Net:
        return self._net("decoder")

    @cached_property
    def _denoiser(self) -> Net:
        return self._net("denoise")

    def encode(self, patches: np.ndarray, workers: Workers) -> np.ndarray:
        """Patches uint8 (N, e, e, 1) -> latents float32 (N, *latent)."""
        return _in_batches(self._encoder, patches, workers)

    def decode(self, latents: np.ndarray, workers: Workers) -> np.ndarray:
        """Latents float32 (N, *latent) -> patches uint8 (N, e, e, 1)."""
        return _in_batches(self._decoder, latents, workers)

    def denoise(self, window: np.ndarray) -> np.ndarray:
        """Pixels uint8 (h, w, 3), multiples of `edge` -> the same without the noise."""
        return self._denoiser(window[None])[0][0]


def _in_batches(net: Callable, rows: np.ndarray, workers: Workers) -> np.ndarray:
    parts = [rows[at : at + BATCH] for at in range(0, len(rows), BATCH)]
    return np.concatenate(workers.map(lambda part: net(part)[0], parts))


def folder_of_models() -> Path:
    """Where the classic models lie."""
    return weights_folder() / "classic"


def classics() -> dict[str, Classic]:
    """All installed classic models by name. Raises ModelError for a damaged manifest."""
    folder = folder_of_models()
    return read_models(folder, Classic) if (folder / "manifest.json").exists() else {}


def by_name(name: str, use: Callable[[Classic], bool], what: str) -> Classic:
    """The model of this name, if it is of use. Raises ModelError that says which are: `what` names them."""
    found = classics()
    fitting = ", ".join(one for one, net in found.items() if use(net)) or "none"
    if name not in found:
        raise ModelError(f"unknown model {name!r}: {what} are {fitting}")
    if not use(found[name]):
        raise ModelError(f"model {name} is no such model: {what} are {fitting}")
    return found[name]
