"""Weights on disk: where they are, what the manifest says of them, and that they are what it says.

    weights/manifest.json     names, ids, sha256 of every file
    weights/<name>/<file>     ONNX graphs, arrays of NumPy

Nothing is loaded before it is needed, and nothing is believed that the manifest's hashes do not cover.
"""

import hashlib
import io
import json
import os
from functools import cache, partial
from pathlib import Path
from typing import Any, NamedTuple, TypeVar
from zipfile import BadZipFile

import numpy as np

from aecodec.errors import ModelError
from aecodec.model.onnx_runtime import OnnxNet

DEVELOPMENT = 0x8000  # ids from here on are development weights: later versions may refuse their files


class Description(NamedTuple):
    """What a list says of a model: its data set, the shape of its latents and what it reaches on its test images."""

    what: str
    data: str = ""
    latents: str = ""
    reached: str = ""


class Weights:
    """One installed model: its entry in the manifest, and its files, each checked when it is read.

    Raises ModelError for an entry or a file that is missing or wrong.
    """

    def __init__(self, name: str, entry: dict[str, Any], folder: Path):
        self.name, self.entry, self.folder = name, entry, folder
        self.id: int = self.entry_of("id")

    @property
    def codes(self) -> bool:
        """Whether images can be encoded with it."""
        return True

    def describe(self) -> Description:
        """What it is, in words."""
        return Description(self.name)

    def unsuited(self, pixels: np.ndarray) -> str | None:
        """Why it is not for an image, uint8 (H, W) or (H, W, 3); None if it is."""
        return None

    def quality(self, stored: int) -> float | None:
        """The quality on the scale 1..100 that a header stores as `stored`, None where the model has one quality."""
        return None

    def tuning(self, stored: int) -> str | None:
        """The name of the tuning of such a quality, None where the model has none."""
        return None

    def entry_of(self, key: str) -> Any:
        """A value of the entry."""
        try:
            return self.entry[key]
        except (KeyError, TypeError) as error:
            raise ModelError(f"{self.folder.parent / 'manifest.json'}: {self.name}: {error} is missing") from None

    def read(self, file: str) -> bytes:
        """The bytes of one of its files."""
        if file not in self.entry_of("files"):
            raise ModelError(f"{self.folder.parent / 'manifest.json'}: {self.name}: no {file}, as this version needs")
        return checked_bytes(self.folder / file, self.entry["files"][file])

    def net(self, name: str, exact: bool = True) -> OnnxNet:
        """One of its networks, which is read when it first runs; exact: see `OnnxNet`."""
        return OnnxNet(partial(self.read, f"{name}.onnx"), exact)

    @property
    def auxiliary(self) -> dict[str, str]:
        """The sha256 of the files beside the weights that no decoded file depends on."""
        return self.entry.get("auxiliary", {})

    def read_auxiliary(self, file: str) -> bytes:
        """The bytes of one of them."""
        return checked_bytes(self.folder / file, self.auxiliary[file])

    def auxiliary_net(self, name: str) -> OnnxNet:
        """A network among them."""
        return OnnxNet(partial(self.read_auxiliary, f"{name}.onnx"))

    def arrays(self, file: str) -> dict[str, np.ndarray]:
        """The arrays of an .npz file; one that is missing raises ModelError when it is asked for."""
        data = self.read(file)
        try:
            with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
                return _Arrays(self.folder / file, dict(arrays))
        except (ValueError, TypeError, OSError, EOFError, BadZipFile):
            raise ModelError(f"{self.folder / file}: not an archive of arrays") from None


class _Arrays(dict[str, np.ndarray]):
    """The arrays of a file by name."""

    def __init__(self, path: Path, arrays: dict[str, np.ndarray]):
        super().__init__(arrays)
        self._path = path

    def __missing__(self, name: str) -> np.ndarray:
        raise ModelError(f"{self._path}: array {name} is missing")


Kind = TypeVar("Kind", bound=Weights)


def weights_folder() -> Path:
    """Where weights are: AECODEC_WEIGHTS, inside the installed package, or beside it in a source tree."""
    if folder := os.environ.get("AECODEC_WEIGHTS"):
        return Path(folder)
    package = Path(__file__).parent.parent
    installed = package / "_weights"
    return installed if installed.is_dir() else package.parent / "weights"


def read_models(folder: Path, kind: type[Kind]) -> dict[str, Kind]:
    """The models of a folder by name, each of this kind. Raises ModelError."""
    return {name: kind(name, entry, folder / name) for name, entry in read_manifest(folder).items()}


@cache
def installed_models(folder: Path, kind: type[Kind]) -> dict[str, Kind]:
    """The same, read once: what is installed does not change while a program runs."""
    return read_models(folder, kind)


def read_manifest(folder: Path) -> dict[str, dict[str, Any]]:
    """The entries of a folder's manifest by name. Raises ModelError."""
    try:
        return dict(json.loads((folder / "manifest.json").read_text())["models"])
    except OSError as e:
        raise ModelError(f"{folder / 'manifest.json'}: {(e.strerror or str(e)).lower()}") from None
    except (ValueError, KeyError, TypeError):
        raise ModelError(f"{folder / 'manifest.json'}: not a manifest of models") from None


def checked_bytes(path: Path, expected: str) -> bytes:
    """Read a file whose sha256 the manifest says. Raises ModelError."""
    try:
        data = path.read_bytes()
    except OSError as e:
        raise ModelError(f"{path}: {(e.strerror or str(e)).lower()}") from None
    if (digest := hashlib.sha256(data).hexdigest()) != expected:
        raise ModelError(f"{path}: sha256 {digest[:16]}, expected {expected[:16]}")
    return data
