"""Weights of the tiny models, where `tiny` has a visual tuning with tables of its own."""

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np

from aecodec.model.tuning import FILE, OWN
from aecodec.train.frequencies import to_frequencies

TINY = Path(__file__).parent / "tiny"
MODEL = "tiny"


def make_tuned(folder: Path) -> Path:
    """Make them in `folder`; the tuning weighs channels heavily, and each of its tables differs from the other's."""
    rng = np.random.default_rng(7)
    shutil.copytree(TINY, folder)
    with np.load(folder / MODEL / "numbers.npz") as numbers:
        own = {name: numbers[name] for name in OWN}
    own["z_tables"] = own["z_tables"][::-1]
    own["offset"] = own["offset"] + rng.integers(-3000, 3000, own["offset"].shape, np.int32)
    own["biases"] = own["biases"] + rng.integers(-900, 900, own["biases"].shape, np.int32)
    own["steps"] = own["steps"] * np.float32(1.25)
    own["log_gain"] = own["log_gain"] + rng.normal(0, 0.3, own["log_gain"].shape).astype(np.float32)
    own["log_gain_inverse"] = own["log_gain_inverse"] - np.float32(0.1)
    weights, frequencies = rng.normal(0, 0.7, 8).astype(np.float32), to_frequencies(rng.exponential(1, 127))
    np.savez_compressed(folder / MODEL / FILE, log_weight=weights, deltas=frequencies, **own)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["models"][MODEL]["files"][FILE] = hashlib.sha256((folder / MODEL / FILE).read_bytes()).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder
