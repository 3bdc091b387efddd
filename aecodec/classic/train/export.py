"""Export of a trained classic autoencoder: graphs, scales, a manifest entry. Needs the TensorFlow backend."""

import hashlib
import io
import json
from pathlib import Path

import numpy as np

from aecodec.classic.latents import MOST_BITS, Scale, scale_of
from aecodec.classic.train.begun import WEIGHTS, read_entry
from aecodec.classic.train.data import Images
from aecodec.classic.train.entries import ENTRIES, Entry
from aecodec.classic.train.graphs import graphs
from aecodec.classic.train.install import ENTRY, FIRST
from aecodec.classic.train.loop import Trained
from aecodec.classic.weights import Classic
from aecodec.errors import ModelError
from aecodec.system.parallel import Workers

_SAMPLE = 20_000  # patches whose latents give the scales
_MAX_RISE = 1.005  # of the error, through fewer bits


def _numbers(scale: Scale) -> bytes:
    out = io.BytesIO()
    np.savez_compressed(out, low=scale.low, step=scale.step, bits=np.uint8(scale.bits))
    return out.getvalue()


def _fewest_bits(net: Classic, train: np.ndarray, val: np.ndarray) -> Scale:
    """The scale with the fewest bits that raise the error of `val` by no more than 0.5 % over latents in float."""
    with Workers(None) as workers:
        wide = net.encode(train, workers)
        latents, clean = net.encode(val, workers), val.astype(np.float32)

        def error(z: np.ndarray) -> float:
            return float(np.square(net.decode(z, workers) - clean).mean())

        best, free = scale_of(wide), error(latents)
        for bits in range(MOST_BITS - 1, 0, -1):
            scale = scale_of(wide, bits)
            if error(scale.dequantise(scale.quantise(latents))) > _MAX_RISE * free:
                break
            best = scale
    return best


def _goal(entry: Entry, trained: Trained) -> float | None:
    """The goal of the entry if a code of as many numbers as published stands for as many pixels, else None."""
    published = ENTRIES[entry.name]
    same = entry.edge == published.edge and trained.latent == Trained(published).latent
    return published.goal if same else None


def write_run(folder: Path, entry: Entry, trained: Trained, images: Images, measure) -> dict:
    """Write the files of a model and its entry into the run's folder; return the entry, with the results of `measure`.

    measure: Classic -> results that JSON can hold.
    """
    files = graphs(entry, trained)
    for name, data in files.items():
        (folder / name).write_bytes(data)

    def described() -> dict:
        return {
            "id": FIRST,  # until it is installed
            "label": entry.label,
            "about": entry.about,
            "kind": "denoiser" if entry.denoiser else "variational" if trained.code else "autoencoder",
            "data": entry.data,
            "edge": 2 if entry.denoiser else entry.edge,
            "any_size": entry.any_size or entry.denoiser,
            "latent": list(trained.latent),
            "noise": entry.noise,
            "goal": _goal(entry, trained),
            "parameters": dict(entry.parameters),
            "training": dict(entry.training),
            "files": {name: hashlib.sha256(data).hexdigest() for name, data in files.items()},
        }

    if not entry.denoiser:
        sample, val = images.train[:_SAMPLE], images.val[: _SAMPLE // 10]
        scale = _fewest_bits(Classic(entry.name, described(), folder), sample, val)
        files["numbers.npz"] = _numbers(scale)
        (folder / "numbers.npz").write_bytes(files["numbers.npz"])
    installed = described()
    installed["results"] = measure(Classic(entry.name, installed, folder))
    (folder / ENTRY).write_text(json.dumps({"name": entry.name, "entry": installed}, indent=1) + "\n")
    return installed


def load_run(folder: Path) -> Trained:
    """The best epoch of a run. Raises ModelError or OSError."""
    trained = Trained(read_entry(folder))
    try:
        trained.model.load_weights(folder / WEIGHTS)
    except (ValueError, OSError) as error:
        raise ModelError(f"{folder / WEIGHTS}: {' '.join(str(error).split())[:100].lower()}") from None
    return trained
