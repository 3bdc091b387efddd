"""Installation of a trained classic model: from the folder of its run to that of the models. Needs no Keras."""

import json
from pathlib import Path

from aecodec.errors import ModelError
from aecodec.model.weights import checked_bytes
from aecodec.train.manifest import next_id, write

ENTRY = "entry.json"  # of a run's folder: what the manifest gets
FIRST = 0x8100  # of the development ids, those of classic models


def install(run: Path, weights: Path, number: int | None = None) -> tuple[str, int, int]:
    """Copy a run's model into the folder of classic models -> name, id, bytes. Raises ModelError or OSError."""
    try:
        described = json.loads((run / ENTRY).read_text())
        name, entry = described["name"], described["entry"]
        files = {file: checked_bytes(run / file, digest) for file, digest in entry["files"].items()}
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ModelError(f"{run / ENTRY}: not a run of a classic model") from None
    entry["id"] = next_id(weights, FIRST) if number is None else number
    write(weights, name, entry, files)
    return name, entry["id"], sum(map(len, files.values()))
