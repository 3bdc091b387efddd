"""The installed classic models and their networks.

    weights/classic/manifest.json            names, ids, sha256 of every file, what each model is and what it reaches
    weights/classic/<name>/encoder.onnx      patches uint8 (N, e, e, 1) -> latents float32 (N, ...)
    weights/classic/<name>/decoder.onnx      latents float32 (N, ...) -> patches uint8 (N, e, e, 1)
    weights/classic/<name>/numbers.npz       low and step of each channel, bits: how latents become integers
    weights/classic/<name>/denoise.onnx      of a denoiser of photographs, instead: uint8 (1, h, w, 3) -> the same

Files are loaded when they are needed, and checked against the hashes of the manifest.
"""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from aecodec.classic.latents import Scale
from aecodec.errors import ModelError
from aecodec.model.onnx_runtime import OnnxNet
from aecodec.model.weights import Description, Weights, installed_models, weights_folder
from aecodec.system.forks import cached_property
from aecodec.system.parallel import Workers

SMALL = 28  # pixels on each side of the images of MNIST and Fashion-MNIST
BATCH = 512  # patches in one call of a network


class Classic(Weights):
    """One classic model."""

    def __init__(self, name: str, entry: dict[str, Any], folder: Path):
        super().__init__(name, entry, folder)
        self.kind: str = self.entry_of("kind")  # autoencoder, variational or denoiser
        self.edge: int = self.entry_of("edge")  # of a patch, in pixels; a denoiser's input is a multiple of it
        self.any_size: bool = self.entry_of("any_size")
        self.latent = tuple(self.entry_of("latent"))  # shape of one patch's latents; () of a denoiser
        self.noise: str | None = self.entry_of("noise")  # what it takes away, or None

    @property
    def codes(self) -> bool:
        """Whether it has a code, so that it can compress images."""
        return self.kind != "denoiser"

    @property
    def latents(self) -> int:
        """Number of latents of a patch."""
        return math.prod(self.latent)

    @cached_property
    def scale(self) -> Scale:
        """How its latents become integers."""
        numbers = self.arrays("numbers.npz")
        return Scale(numbers["low"], numbers["step"], int(numbers["bits"]))

    @cached_property
    def _encoder(self) -> OnnxNet:
        return self.net("encoder", exact=False)

    @cached_property
    def _decoder(self) -> OnnxNet:
        return self.net("decoder", exact=False)

    @cached_property
    def _denoiser(self) -> OnnxNet:
        return self.net("denoise", exact=False)

    def encode(self, patches: np.ndarray, workers: Workers) -> np.ndarray:
        """Patches uint8 (N, e, e, 1) -> latents float32 (N, *latent)."""
        return _in_batches(self._encoder, patches, workers)

    def decode(self, latents: np.ndarray, workers: Workers) -> np.ndarray:
        """Latents float32 (N, *latent) -> patches uint8 (N, e, e, 1)."""
        return _in_batches(self._decoder, latents, workers)

    def denoise(self, window: np.ndarray) -> np.ndarray:
        """Pixels uint8 (h, w, 3), multiples of `edge` -> the same without the noise."""
        return self._denoiser(window[None])[0][0]

    def describe(self) -> Description:
        entry, results = self.entry, self.entry["results"]
        parts = [f"{results['psnr']:.1f} dB, {results['bytes']:.0f} bytes"] if "psnr" in results else []
        for kind, row in results.get("denoised", {}).items():
            parts.append(f"{kind}: {row['noisy']:.1f} -> {row['denoised']:.1f} dB")
        latents = "x".join(map(str, self.latent))
        return Description(f"{entry['label']}: {entry['about']}", entry["data"], latents, "; ".join(parts))

    def unsuited(self, pixels: np.ndarray) -> str | None:
        """Models of digits and clothes are for images of their size, whether they could code others or not."""
        small = self.entry["data"] != "grey"
        if pixels.ndim == 3:
            return f"codes grey images only{f', of {SMALL}x{SMALL} pixels' if small else ''}"
        if small and pixels.shape != (SMALL, SMALL):
            return f"is made for images of {SMALL}x{SMALL} pixels"
        return None


def _in_batches(net: OnnxNet, rows: np.ndarray, workers: Workers) -> np.ndarray:
    parts = [rows[at : at + BATCH] for at in range(0, len(rows), BATCH)]
    return np.concatenate(workers.map(lambda part: net(part)[0], parts))


def folder_of_models() -> Path:
    """The folder of the classic models."""
    return weights_folder() / "classic"


def classics() -> dict[str, Classic]:
    """All installed classic models by name. Raises ModelError for a damaged manifest."""
    folder = folder_of_models()
    return installed_models(folder, Classic) if (folder / "manifest.json").exists() else {}


def by_name(name: str, suits: Callable[[Classic], bool], group: str) -> Classic:
    """The installed model of this name. Raises ModelError, with the names in its `group`, if it does not suit."""
    nets = classics()
    if name in nets and suits(nets[name]):
        return nets[name]
    suitable = ", ".join(net.name for net in nets.values() if suits(net)) or "none"
    problem = f"model {name} is no such model" if name in nets else f"unknown model {name!r}"
    raise ModelError(f"{problem}: {group} are {suitable}")
