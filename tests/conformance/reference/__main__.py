"""python -m reference FOLDER_OF_THE_MODEL FILE... -> sha256 of each file's symbols, as JSON; needs Python alone."""

import hashlib
import json
import struct
import sys
from pathlib import Path

from reference.numbers import load_model
from reference.symbols import decode_symbols

KINDS = {"z": "b", "index": "B", "r": "i"}  # the arrays' types in the module struct


def symbol_hashes(file: bytes, model) -> dict[str, str]:
    """Of all tiles, one after another, each array in the order row, column, channel."""
    hashes = {kind: hashlib.sha256() for kind in KINDS}
    for tile in decode_symbols(file, model):
        for (kind, code), plane in zip(KINDS.items(), tile, strict=True):
            flat = [value for row in plane for latent in row for value in latent]
            hashes[kind].update(struct.pack(f"<{len(flat)}{code}", *flat))
    return {kind: found.hexdigest() for kind, found in hashes.items()}


if __name__ == "__main__":
    model = load_model(Path(sys.argv[1]))
    files = map(Path, sys.argv[2:])
    print(json.dumps({path.stem: symbol_hashes(path.read_bytes(), model) for path in files}))
