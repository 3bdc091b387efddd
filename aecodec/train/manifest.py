"""Weights folders: a manifest binds each model id to the files it stands for."""

import hashlib
import json
import os
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from pathlib import Path

from aecodec.errors import ModelError
from aecodec.model.weights import DEVELOPMENT, read_manifest
from aecodec.system.atomic import to_disk, unfinished


def write(folder: Path, name: str, entry: dict, files: dict[str, bytes]) -> None:
    """Put a model into a weights folder. An id of other weights is never taken again: that is a ModelError.

    Nothing is replaced before all of it is on the disk, and the manifest comes last. Who is killed in the instant
    between has files that the manifest does not know, which loading says; writing them again mends it.
    """
    path, manifest = folder / "manifest.json", _read(folder)
    key, bound = f"0x{entry['id']:04x}", digest(entry["files"])
    if manifest["ids"].get(key, bound) != bound:
        raise ModelError(f"model id {key} belongs to other weights: choose another")
    manifest["ids"][key] = bound
    manifest["models"][name] = entry
    (folder / name).mkdir(parents=True, exist_ok=True)
    content = {folder / name / file: data for file, data in files.items()}
    try:
        _replace_all(content | {path: (json.dumps(manifest, indent=1) + "\n").encode()})
    finally:
        with suppress(OSError):  # not empty, unless it is new and nothing could be written
            (folder / name).rmdir()


def digest(files: Mapping[str, str]) -> str:
    """What a manifest binds an id to, from the sha256 of each file."""
    return hashlib.sha256("".join(sorted(files.values())).encode()).hexdigest()


def _replace_all(content: dict[Path, bytes]) -> None:
    """Write files under other names; once all are on the disk, rename them in this order."""
    with ExitStack() as after:
        parts = {path: after.enter_context(unfinished(str(path.parent))) for path in content}
        for path, part in parts.items():
            part.write(content[path])
            to_disk(part)
        for path, part in parts.items():
            os.replace(part.name, path)


def next_id(folder: Path, first: int = DEVELOPMENT) -> int:
    """The lowest development id from `first` on that was never used in this weights folder."""
    used = _read(folder)["ids"]
    return next(i for i in range(first, 0x10000) if f"0x{i:04x}" not in used)


def _read(folder: Path) -> dict[str, dict]:
    """The manifest of a folder, an empty one where there is none. Raises ModelError."""
    path = folder / "manifest.json"
    if not path.exists():
        return {"models": {}, "ids": {}}
    models = read_manifest(folder)
    try:
        return {"models": models, "ids": dict(json.loads(path.read_text())["ids"])}
    except (ValueError, KeyError, TypeError):
        raise ModelError(f"{path}: no ids of models") from None
