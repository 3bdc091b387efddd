"""What the decoder of the browser is made of: its code, weights, ONNX Runtime Web.

    /aez/NAME                    our JavaScript; /aez/aez.js is where it begins
    /weights/manifest.json       the models, as the manifest has them
    /weights/MODEL/FILE          a file of theirs, which the browser checks against the manifest
    /runtime/NAME                files of the npm package onnxruntime-web, from the folder that the user has named

The runtime is no part of aecodec: without it the server decodes.
"""

import gzip
import hashlib
import json
import mimetypes
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple, TypedDict

from aecodec.errors import ModelError
from aecodec.limits import Limits
from aecodec.model.model import Model, models

RUNTIME = ("ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm")
MISSING = "decoded by the server, which has no --runtime for the browser"
_HERE = Path(__file__).parent
CODE = {path.name: path for path in (_HERE / "aez").glob("*.js")}
_TYPES = {".js": "text/javascript", ".mjs": "text/javascript", ".wasm": "application/wasm"}


class Asset(NamedTuple):
    """A file as it is sent. packed: by gzip; tag: of its content."""

    data: bytes
    packed: bytes
    mime: str
    tag: str

    @classmethod
    def of(cls, data: bytes, name: str) -> "Asset":
        """The bytes of a file of this name."""
        mime = _TYPES.get(Path(name).suffix) or mimetypes.guess_type(name)[0] or "application/octet-stream"
        mime += "; charset=utf-8" if mime.startswith("text/") else ""
        return cls(data, gzip.compress(data, 6, mtime=0), mime, f'"{hashlib.sha256(data).hexdigest()[:32]}"')


class Ability(TypedDict):
    """What the browser may decode: ids of models, what is missing for it, limits by name."""

    models: list[int]
    missing: str | None
    limits: dict[str, int]


class BrowserDecoder:
    """runtime: folder of the npm package onnxruntime-web, or its `dist`. Raises ModelError if it is none."""

    def __init__(self, runtime: Path | None = None):
        self.runtime = None
        if runtime is not None:
            self.runtime = runtime / "dist" if (runtime / "dist").is_dir() else runtime
            for name in RUNTIME:
                if not (self.runtime / name).is_file():
                    raise ModelError(f"{runtime}: no {name}, expected the npm package onnxruntime-web")

    def about(self, limits: Limits) -> Ability:
        """What the page asks for."""
        ids = [model.id for model in models().values()]
        allowed = {"pixels": limits.max_pixels, "tiles": limits.max_tiles, "metadata": limits.max_metadata}
        return {"models": ids, "missing": None if self.runtime else MISSING, "limits": allowed}

    def manifest(self) -> dict[str, dict[str, Any]]:
        """The entries of the models by name."""
        return {name: model.entry for name, model in models().items()}

    def find(self, path: str) -> Asset | None:
        """The file of an address, None if there is none. Raises ModelError for a damaged file of weights."""
        parts = path.split("/")[1:]
        match parts:
            case ["aez", name] if name in CODE:
                return _file(CODE[name], _changed(CODE[name]))
            case ["runtime", name] if self.runtime and name in RUNTIME:
                return _file(self.runtime / name, _changed(self.runtime / name))
            case ["weights", "manifest.json"]:
                return Asset.of(json.dumps({"models": self.manifest()}).encode(), "manifest.json")
            case ["weights", name, file] if (model := models().get(name)) and file in _sums(model):
                return _weights(model, file)
        return None


def _sums(model: Model) -> dict[str, str]:
    return model.entry.get("auxiliary", {}) | model.entry_of("files")


def _changed(path: Path) -> int:
    return path.stat().st_mtime_ns


@lru_cache(maxsize=64)
def _file(path: Path, changed: int) -> Asset:
    return Asset.of(path.read_bytes(), path.name)


@lru_cache(maxsize=32)
def _weights(model: Model, file: str) -> Asset:
    data = model.read(file) if file in model.entry_of("files") else model.read_auxiliary(file)
    return Asset.of(data or b"", file)
