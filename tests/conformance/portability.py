"""Whether this machine decodes the golden files like others: python tests/conformance/portability.py [options] -> JSON.

For each file: whether all symbols are the same, the most levels by which a sample differs, and the share of samples
that do. It needs what the package runs on and nothing else: any Python, any processor.
"""

import argparse
import json
import os
from functools import partial, partialmethod
from pathlib import Path

import numpy as np
from make_tiny import symbol_hashes
from PIL import Image

import aecodec
from aecodec.entropy.hyper_synthesis import HyperSynthesis
from aecodec.model import litert

HERE = Path(__file__).parent
TESTS = HERE.parent
FOLDERS = {  # files and the weights of their model
    "golden": TESTS / "tiny",
    "golden2": TESTS / "tiny",
    "golden_photo": TESTS.parent / "weights",
}


def interpreter(data: bytes, threads: int, reference: bool):
    """As `aecodec.model` makes one, but with so many threads, or without the delegate XNNPACK."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    kind = OpResolverType.BUILTIN_REF if reference else OpResolverType.AUTO
    return Interpreter(model_content=data, num_threads=threads, experimental_op_resolver_type=kind)


def differences(found: np.ndarray, expected: np.ndarray) -> dict[str, float]:
    """The most levels by which samples uint8 of one shape differ, and the share of them that do."""
    assert found.shape == expected.shape
    levels = np.abs(found.astype(int) - expected)
    return {"levels": int(levels.max()), "share": float(np.mean(levels > 0))}


def symbols_of(folder: str) -> dict[str, dict[str, str]]:
    """name of a golden file -> what the hashes of its symbols must be."""
    known = json.loads((HERE / folder / "hashes.json").read_text())
    hashes = {name: row.get("sha256", row) for name, row in known.items()}
    return {name: {kind: row[kind] for kind in ("z", "index", "r")} for name, row in hashes.items()}


def compare(folder: str, pixels: bool = True) -> dict[str, dict]:
    """name of a golden file -> how its symbols and pixels compare with those of when it was made."""
    rows = {}
    for name, hashes in symbols_of(folder).items():
        data = (HERE / folder / f"{name}.aez").read_bytes()
        rows[name] = {"symbols": symbol_hashes(data) == hashes}
        if pixels:
            with Image.open(HERE / folder / f"{name}.png") as image:
                rows[name] |= differences(aecodec.decode(data), np.asarray(image))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", choices=FOLDERS, default="golden")
    parser.add_argument("--threads", type=int, default=1, help="of each of LiteRT's interpreters")
    parser.add_argument("--reference", action="store_true", help="LiteRT's reference kernels")
    parser.add_argument("--float64", action="store_true", help="the hyper-synthesis in float64")
    parser.add_argument("--symbols", action="store_true", help="no pixels, so no LiteRT")
    arguments = parser.parse_args()
    os.environ["AECODEC_WEIGHTS"] = str(FOLDERS[arguments.folder])
    litert._interpreter = partial(interpreter, threads=arguments.threads, reference=arguments.reference)
    if arguments.float64:
        HyperSynthesis.run = partialmethod(HyperSynthesis.run, dtype=np.float64)
    print(json.dumps(compare(arguments.folder, not arguments.symbols)))


if __name__ == "__main__":
    main()
