"""A trained classic autoencoder -> what aecodec/classic runs: graphs with float16 weights, scales, a manifest entry.

Needs the TensorFlow backend.
"""

import hashlib
import io
import json
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from aecodec.classic.latents import MOST_BITS, Scale, scale_of
from aecodec.classic.train.data import Pictures
from aecodec.classic.train.entries import ENTRIES, Entry
from aecodec.classic.train.install import ENTRY, FIRST
from aecodec.classic.train.loop import SETTINGS, WEIGHTS, Trained
from aecodec.classic.weights import Classic
from aecodec.errors import ModelError
from aecodec.parallel import Workers

_SAMPLE = 20_000  # patches whose latents give the scales
_WORSE = 1.005  # how much fewer bits may raise the error


def _lite(function, *shape: int | None, dtype=tf.float32) -> bytes:
    """Convert a function of one input to a graph with float16 weights; its first axis may have any length."""
    concrete = tf.function(function, input_signature=[tf.TensorSpec(shape, dtype)]).get_concrete_function()
    converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete], function)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.target_spec.supported_types = [tf.float16]
    return converter.convert()


def _pixels(x):
    """0..1 -> 0..255, to the nearest."""
    return ops.cast(ops.floor(ops.clip(ops.cast(x, "float32") * 255.0 + 0.5, 0.0, 255.0)), "uint8")


def _unit(pixels):
    return ops.cast(pixels, "float32") * np.float32(1 / 255)


def graphs(entry: Entry, trained: Trained) -> dict[str, bytes]:
    """File name -> graph; signatures in aecodec/classic/weights.py."""
    if entry.denoiser:
        whole = _lite(lambda pixels: _pixels(trained.denoise(_unit(pixels))), 1, 64, 64, 3, dtype=tf.uint8)
        return {"denoise.tflite": whole}
    encoder = _lite(lambda p: trained.encode(_unit(p)), None, entry.edge, entry.edge, 1, dtype=tf.uint8)
    decoder = _lite(lambda z: _pixels(trained.decode(z)), None, *trained.latent)
    return {"encoder.tflite": encoder, "decoder.tflite": decoder}


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
            if error(scale.dequantise(scale.quantise(latents))) > _WORSE * free:
                break
            best = scale
    return best


def _goal(entry: Entry, trained: Trained) -> float | None:
    """What is asked of as many numbers for as many pixels as are published, whatever the net between them."""
    published = ENTRIES[entry.name]
    same = entry.edge == published.edge and trained.latent == Trained(published).latent
    return published.goal if same else None


def write_run(folder: Path, entry: Entry, trained: Trained, pictures: Pictures, measure) -> dict:
    """Write the files of a model and its entry into the run's folder; -> the entry, with what `measure` finds.

    measure: Classic -> figures that JSON can hold.
    """
    if keras.backend.backend() != "tensorflow":
        raise ModelError(f"export runs on the TensorFlow backend, not on {keras.backend.backend()}")
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
            "latent": list(trained.latent or ()),
            "noise": entry.noise,
            "goal": _goal(entry, trained),
            "parameters": dict(entry.parameters),
            "training": dict(entry.training),
            "files": {name: hashlib.sha256(data).hexdigest() for name, data in files.items()},
        }

    if not entry.denoiser:
        sample, val = pictures.train[:_SAMPLE], pictures.val[: _SAMPLE // 10]
        scale = _fewest_bits(Classic(entry.name, described(), folder), sample, val)
        files["numbers.npz"] = _numbers(scale)
        (folder / "numbers.npz").write_bytes(files["numbers.npz"])
    found = described()
    found["results"] = measure(Classic(entry.name, found, folder))
    (folder / ENTRY).write_text(json.dumps({"name": entry.name, "entry": found}, indent=1) + "\n")
    return found


def load_run(folder: Path) -> tuple[Entry, Trained]:
    """The entry of a run with its settings, and its best epoch. Raises ModelError or OSError."""
    try:
        settings = json.loads((folder / SETTINGS).read_text())
        entry = ENTRIES[settings["name"]]
        given = {name: str(value) for part in ("parameters", "training") for name, value in settings[part].items()}
    except (ValueError, KeyError, TypeError):
        raise ModelError(f"{folder / SETTINGS}: not the settings of a run") from None
    entry = entry.with_parameters(given)
    trained = Trained(entry)
    try:
        trained.model.load_weights(folder / WEIGHTS)
    except (ValueError, OSError) as error:
        raise ModelError(f"{folder / WEIGHTS}: {' '.join(str(error).split())[:100].lower()}") from None
    return entry, trained
