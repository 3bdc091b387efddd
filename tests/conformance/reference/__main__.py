"""python -m reference FOLDER_OF_THE_MODEL FILE... -> sha256 of each file's symbols, as JSON; needs NumPy alone."""

import hashlib
import json
import sys
from pathlib import Path

from reference.model import Model
from reference.symbols import decode_symbols

KINDS = {"z": "i1", "index": "u1", "r": "<i4"}  # the arrays' types


def symbol_hashes(file: bytes, model: Model) -> dict[str, str]:
    """Of all tiles, one after another, each array in the order row, column, channel."""
    hashes = {kind: hashlib.sha256() for kind in KINDS}
    for tile in decode_symbols(file, model):
        for (kind, code), plane in zip(KINDS.items(), tile, strict=True):
            hashes[kind].update(plane.astype(code).tobytes())
    return {kind: found.hexdigest() for kind, found in hashes.items()}


if __name__ == "__main__":
    model = Model(Path(sys.argv[1]))
    files = map(Path, sys.argv[2:])
    print(json.dumps({path.stem: symbol_hashes(path.read_bytes(), model) for path in files}))
