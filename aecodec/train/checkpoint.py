"""State of a training run on disk: complete checkpoints, the moving average alone, and packed for keeping.

All are .npz files without pickles: arrays in the order of the model's variables, and `meta`, JSON text.
"""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from zipfile import is_zipfile

import numpy as np

from aecodec.errors import ModelError
from aecodec.system.atomic import to_disk, unfinished

LARGE = 7_000  # values of an array that packing rounds


def _write(path: Path, arrays: dict, meta: dict, save=np.savez) -> None:
    """Write atomically: the old file or the whole new one, never half."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with unfinished(str(path.parent)) as file:
        save(file, meta=np.array(json.dumps(meta)), **arrays)
        to_disk(file)
        os.replace(file.name, path)


@contextmanager
def _opened(path: Path) -> Iterator:
    """The arrays of a file by name, read on access. Raises ModelError when the file is missing or damaged."""
    try:
        with open(path, "rb") as file:
            if not is_zipfile(file):  # NumPy would advise to trust it
                raise ValueError("no .npz file")
            file.seek(0)
            with np.load(file, allow_pickle=False) as f:
                yield _unpacked(f) if "exponent" in f else f
    except ModelError:
        raise
    except Exception as e:  # damaged bytes make zipfile and NumPy raise almost anything
        raise ModelError(f"{path}: not a checkpoint: {str(e) or type(e).__name__}") from None


def read_meta(path: Path) -> dict:
    """The JSON beside the arrays. Raises ModelError when the file is missing or damaged."""
    with _opened(path) as f:
        return json.loads(str(f["meta"]))


def part_of(meta: dict, key: str, kind: type, path: Path):
    """The dataclass `kind` that lies in meta under `key`. Raises ModelError when it is not as this version has it."""
    try:
        return kind(**meta[key])
    except (KeyError, TypeError, ValueError):
        raise ModelError(f"{path}: no {key} that this version knows") from None


def _numbered(prefix: str, arrays) -> dict:
    from keras import ops  # what a file says of itself is read without a framework

    return {f"{prefix}{i:04d}": np.asarray(ops.convert_to_numpy(a)) for i, a in enumerate(arrays)}


def _assign(f, prefix: str, variables, path: Path) -> None:
    for i, v in enumerate(variables):
        name = f"{prefix}{i:04d}"
        value = f.get(name)  # each access reads the file
        if value is None or value.shape != tuple(v.shape):
            shape = "nothing" if value is None else value.shape
            raise ModelError(f"{path}: {v.path}: {shape}, expected {tuple(v.shape)}")
        v.assign(value.astype(v.dtype))


def save(path: Path, stepper, meta: dict) -> None:
    """Everything that an exact continuation needs: weights, optimizer, moving average, meta."""
    stepper.sync()
    arrays = _numbered("w", stepper.model.trainable_variables)
    arrays |= _numbered("o", stepper.optimizer.variables) | _numbered("a", stepper.average)
    _write(path, arrays, meta)


def load(path: Path, stepper) -> dict:
    """Fill the stepper from `save` or `save_average`; a bare average becomes weights and average, without optimizer.

    Raises ModelError when the file is missing, damaged or of other shapes.
    """
    meta = read_meta(path)
    with _opened(path) as f:
        complete = "w0000" in f
        _assign(f, "w" if complete else "a", stepper.model.trainable_variables, path)
        if complete:
            _assign(f, "o", stepper.optimizer.variables, path)
        stepper.average = [f[f"a{i:04d}"].astype(np.float32) for i in range(len(stepper.average))]
    stepper.reload()
    return meta | {"complete": complete}


def save_average(path: Path, average: list[np.ndarray], meta: dict) -> None:
    """The moving average: what an export takes, and what a run continues from without its checkpoint."""
    _write(path, _numbered("a", average), meta)


def pack_average(source: Path, target: Path) -> None:
    """The moving average of `source`, a checkpoint or an average, in little space.

    Large arrays with 8 bits of mantissa, one more than bfloat16, compressed: exponents and the rest lie apart, the
    exponents of all weights take three bits each. Arrays of fewer values than `LARGE` stay as they are: gains are
    logarithms, and 8 bits of one are 1 % of a gain. What reads an average reads this. Raises ModelError as `load` does.
    """
    with _opened(source) as f:
        meta = json.loads(str(f["meta"]))
        average = {name: f[name].astype(np.float32) for name in sorted(f) if name[0] == "a"}
    small = {name: a for name, a in average.items() if a.size < LARGE}
    large = [a.ravel() for name, a in average.items() if name not in small]
    whole = np.concatenate([np.zeros(0, np.float32), *large]).view(np.uint32)
    bits = (whole + 0x3FFF + (whole >> 15 & 1)) >> 15  # rounded to the nearest, ties to even
    planes = {"exponent": bits >> 8 & 0xFF, "mantissa": bits >> 1 & 0x7F | bits >> 9 & 0x80}
    last = np.packbits((bits & 1).astype(np.uint8))
    meta |= {"shapes": {name: a.shape for name, a in average.items() if name not in small}}
    arrays = small | {name: a.astype(np.uint8) for name, a in planes.items()} | {"last": last}
    _write(target, arrays, meta, np.savez_compressed)


def _unpacked(f) -> dict:
    """The arrays of a packed average as `save_average` names them."""
    exponent, mantissa = f["exponent"].astype(np.uint32), f["mantissa"].astype(np.uint32)
    last = np.unpackbits(f["last"], count=len(mantissa)).astype(np.uint32)
    values = ((mantissa & 0x80) << 24 | exponent << 23 | (mantissa & 0x7F) << 16 | last << 15).view(np.float32)
    shapes = json.loads(str(f["meta"]))["shapes"]
    parts = np.split(values, np.cumsum([int(np.prod(shape)) for shape in shapes.values()], dtype=int))[:-1]
    large = {name: part.reshape(shape) for (name, shape), part in zip(shapes.items(), parts, strict=True)}
    return {name: f[name] for name in f if name == "meta" or name[0] == "a"} | large


def load_average(path: Path, model) -> dict:
    """Assign the moving average to the model's weights; returns meta. Raises ModelError as `load` does."""
    meta = read_meta(path)
    with _opened(path) as f:
        _assign(f, "a", model.trainable_variables, path)
    return meta
