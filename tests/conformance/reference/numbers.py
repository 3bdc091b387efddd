"""The numbers of a model, FORMAT.md section 8.1: numbers.npz and visual.npz, archives of NumPy's arrays -> plain lists.

Their format: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html, versions 1 to 3.
"""

import ast
import struct
import zipfile
from itertools import islice
from math import prod
from pathlib import Path

from reference.hyper_synthesis import HyperSynthesis, ScaleGraph
from reference.symbols import Model

CODES = {"i1": "b", "i4": "i", "i8": "q", "u4": "I", "f4": "f", "f8": "d"}  # of the module struct


def load_model(folder: Path) -> Model:
    """Read what symbols need of a model's folder."""
    tuned = read_arrays(folder, 1)
    return _model(folder, read_arrays(folder))._replace(tuned=_model(folder, tuned) if "deltas" in tuned else None)


def read_arrays(folder: Path, tuning: int = 0) -> dict[str, list]:
    """All arrays as a tuning has them, as nested lists."""
    arrays = {}
    for path in (folder / "numbers.npz", folder / "visual.npz")[: 1 + tuning]:
        if path.exists():
            with zipfile.ZipFile(path) as archive:
                arrays |= {name.removesuffix(".npy"): _array(archive.read(name)) for name in archive.namelist()}
    return arrays


def _model(folder: Path, arrays: dict[str, list]) -> Model:
    if "w_in" in arrays:
        net = HyperSynthesis(*(arrays[name] for name in HyperSynthesis._fields))
    else:  # the second generation
        from reference.graphs import Graph

        net = ScaleGraph(Graph(folder / "scales.onnx"), arrays["offset"])
    rows = arrays["r_tables"]
    if not isinstance(rows[0], list):  # one for all knots
        rows = [rows] * len(arrays["z_tables"])
    deltas = [arrays["deltas"]] if "deltas" in arrays else []
    return Model(net, [row + deltas for row in arrays["z_tables"]], [_split(row, arrays["r_sizes"]) for row in rows])


def _split(row: list, sizes: list[int]) -> list[list]:
    rest = iter(row)
    return [list(islice(rest, size)) for size in sizes]


def _array(data: bytes) -> list:
    magic, version, _ = struct.unpack_from("<6sBB", data)
    assert magic == b"\x93NUMPY"
    size = "<H" if version == 1 else "<I"
    start = 8 + struct.calcsize(size)
    end = start + struct.unpack_from(size, data, 8)[0]
    head = ast.literal_eval(data[start:end].decode("utf-8"))
    order, kind = head["descr"][0], head["descr"][1:]
    assert order in "<|"
    assert not head["fortran_order"]
    shape = head["shape"]
    values = struct.unpack_from(f"<{prod(shape)}{CODES[kind]}", data, end)
    for length in reversed(shape[1:]):
        values = [list(values[at : at + length]) for at in range(0, len(values), length)]
    return list(values)
