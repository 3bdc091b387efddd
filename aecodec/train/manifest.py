"""Weights folders: a manifest binds each model id to the files it stands for."""

import hashlib
import json
from pathlib import Path

from aecodec.errors import ModelError
from aecodec.model import DEVELOPMENT


def write(folder: Path, name: str, entry: dict, files: dict[str, bytes]) -> None:
    """Put a model into a weights folder. An id of other weights is never taken again: that is a ModelError."""
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text()) if path.exists() else {"models": {}, "ids": {}}
    digest = hashlib.sha256("".join(sorted(entry["files"].values())).encode()).hexdigest()
    key = f"0x{entry['id']:04x}"
    if manifest["ids"].get(key, digest) != digest:
        raise ModelError(f"model id {key} belongs to other weights: choose another")
    manifest["ids"][key] = digest
    manifest["models"][name] = entry
    (folder / name).mkdir(parents=True, exist_ok=True)
    for file, data in files.items():
        (folder / name / file).write_bytes(data)
    part = path.with_name(path.name + ".part")  # until the manifest is replaced, new files count as damaged
    part.write_text(json.dumps(manifest, indent=1) + "\n")
    part.replace(path)


def next_id(folder: Path, first: int = DEVELOPMENT) -> int:
    """The lowest development id from `first` on that was never used in this weights folder."""
    path = folder / "manifest.json"
    used = json.loads(path.read_text())["ids"] if path.exists() else {}
    return next(i for i in range(first, 0x10000) if f"0x{i:04x}" not in used)
