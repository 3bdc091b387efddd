"""Weights on disk: where they lie, what the manifest says of them, and that they are what it says."""

import hashlib
import json
import os
from pathlib import Path

from aecodec.errors import ModelError

DEVELOPMENT = 0x8000  # ids from here on are development weights: later versions may refuse their files


def weights_folder() -> Path:
    """Where weights lie: AECODEC_WEIGHTS, inside the installed package, or beside it in a source tree."""
    if folder := os.environ.get("AECODEC_WEIGHTS"):
        return Path(folder)
    package = Path(__file__).parent.parent
    installed = package / "_weights"
    return installed if installed.is_dir() else package.parent / "weights"


def checked_bytes(path: Path, expected: str | None) -> bytes:
    """Read a file whose sha256 the manifest says. Raises ModelError."""
    try:
        data = path.read_bytes()
    except OSError as e:
        raise ModelError(f"{path}: {(e.strerror or str(e)).lower()}") from None
    if (found := hashlib.sha256(data).hexdigest()) != expected:
        raise ModelError(f"{path}: sha256 {found[:16]}, expected {str(expected)[:16]}")
    return data


def read_manifest(folder: Path) -> dict[str, dict]:
    """The entries of a folder's manifest by name. Raises ModelError."""
    try:
        return dict(json.loads((folder / "manifest.json").read_text())["models"])
    except OSError as e:
        raise ModelError(f"{folder / 'manifest.json'}: {(e.strerror or str(e)).lower()}") from None
    except (ValueError, KeyError, TypeError):
        raise ModelError(f"{folder / 'manifest.json'}: not a manifest of models") from None
