"""Whether this machine decodes the golden files like others: python tests/conformance/portability.py [FOLDER] -> JSON.

For each file of golden, or golden_photo: whether its symbols and its pixels are the same. It needs what the package
runs on and nothing else: any Python, any processor.
"""

import json
import os
import sys
from pathlib import Path

import numpy as np
from PIL import Image

HERE = Path(__file__).parent
TESTS = HERE.parent
sys.path[:0] = str(TESTS), str(TESTS.parent)  # from wherever it is run
from make_tiny import symbol_hashes  # noqa: E402

import aecodec  # noqa: E402

MODELS = {"golden": TESTS / "tiny" / "tiny", "golden_photo": TESTS.parent / "weights" / "photo"}


def known_symbols(folder: str) -> dict[str, dict[str, str]]:
    """name of a golden file -> what the hashes of its symbols must be."""
    rows = json.loads((HERE / folder / "hashes.json").read_text())
    hashes = {name: row.get("sha256", row) for name, row in rows.items()}
    return {name: {kind: row[kind] for kind in ("z", "index", "r")} for name, row in hashes.items()}


def compare(folder: str) -> dict[str, dict[str, bool]]:
    """name of a golden file -> whether its symbols and its pixels are those of when it was made."""
    rows = {}
    for name, hashes in known_symbols(folder).items():
        data = (HERE / folder / f"{name}.aez").read_bytes()
        with Image.open(HERE / folder / f"{name}.png") as image:
            same = np.array_equal(aecodec.decode(data), np.asarray(image))
        rows[name] = {"symbols": symbol_hashes(data) == hashes, "pixels": same}
    return rows


if __name__ == "__main__":
    folder = (*sys.argv[1:], "golden")[0]
    os.environ["AECODEC_WEIGHTS"] = str(MODELS[folder].parent)
    print(json.dumps(compare(folder)))
