"""The graphs of a model, FORMAT.md section 9.3: ONNX files -> NumPy, integers in int64.

A file is a protocol buffer (https://protobuf.dev/programming-guides/encoding), with the fields of onnx.proto.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

TYPES = {1: "<f4", 2: "u1", 3: "i1", 6: "<i4", 7: "<i8"}  # TensorProto.DataType


class Graph:
    """Nodes in order, constants, and the names of inputs and outputs."""

    def __init__(self, path: Path):
        model = _message(path.read_bytes())
        graph = _message(model[7][0])
        self.constants = dict(map(_tensor, graph[5]))
        self.nodes = [_node(data) for data in graph[1]]
        self.inputs, self.outputs = ([_message(data)[1][0].decode() for data in graph[field]] for field in (11, 12))

    def __call__(self, *inputs: np.ndarray) -> list[np.ndarray]:
        values = self.constants | dict(zip(self.inputs, inputs, strict=True))
        for kind, sources, output, attributes in self.nodes:
            values[output] = OPERATORS[kind](*(values[name] for name in sources), **attributes)
        return [values[name] for name in self.outputs]


# Reading


def _message(data: bytes) -> dict[int, list]:
    """The values of each field, integers or bytes."""
    found: dict[int, list] = {}
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        number, kind = key >> 3, key & 7
        if kind == 0:
            value, at = _varint(data, at)
        else:
            size, at = _varint(data, at) if kind == 2 else ({5: 4, 1: 8}[kind], at)
            value, at = data[at : at + size], at + size
        found.setdefault(number, []).append(value)
    return found


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while data[at] & 128:
        value |= (data[at] & 127) << shift
        shift, at = shift + 7, at + 1
    return value | data[at] << shift, at + 1


def _integers(values: list) -> Iterator[int]:
    """Of a repeated field of int64, packed or not."""
    for value in values:
        at, packed = 0, value if isinstance(value, bytes) else None
        while packed is not None and at < len(packed):
            value, at = _varint(packed, at)
            yield value - (value >> 63 << 64)
        if packed is None:
            yield value - (value >> 63 << 64)


def _tensor(data: bytes) -> tuple[str, np.ndarray]:
    fields = _message(data)
    shape = tuple(_integers(fields.get(1, [])))
    return fields[8][0].decode(), np.frombuffer(fields[9][0], TYPES[fields[2][0]]).reshape(shape)


def _node(data: bytes) -> tuple[str, list[str], str, dict]:
    fields, attributes = _message(data), {}
    for part in map(_message, fields.get(5, [])):
        value = next(_integers(part[3])) if 3 in part else list(_integers(part[8]))
        attributes[part[1][0].decode()] = value
    [output] = fields[2]
    return fields[4][0].decode(), [name.decode() for name in fields[1]], output.decode(), attributes


# Operators


def _rounded(x: np.ndarray, zero) -> np.ndarray:
    return np.clip(np.rint(x) + zero, 0, 255).astype(np.uint8)


def _scaled(sums: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Integers times float32: one conversion, one multiplication."""
    assert np.abs(sums).max() < 1 << 31
    return sums.astype(np.float32) * scale


def _matrix(x: np.ndarray, w: np.ndarray) -> np.ndarray:
    """The product of integers, by way of float64, which holds all sums exactly."""
    return np.rint(x.astype(np.float64) @ w.astype(np.float64)).astype(np.int64)


def q_linear_conv(
    x, x_scale, x_zero, w, scale, w_zero, y_scale, zero, bias, *, group, kernel_shape, pads, channels_last
):
    assert (x_scale, w_zero, y_scale, channels_last) == (1, 0, 1, 1)
    x, (k, _), (_, height, width, _) = x.astype(np.int64) - x_zero, kernel_shape, x.shape
    assert pads == [k // 2] * 4
    x = np.pad(x, ((0, 0), (k // 2,) * 2, (k // 2,) * 2, (0, 0)))
    sums = np.zeros((1, height, width, len(bias)), np.int64) + bias
    for i in range(k):
        for j in range(k):
            part = x[:, i : i + height, j : j + width]
            sums += part * w[:, 0, i, j].astype(np.int64) if group > 1 else _matrix(part, w[:, :, i, j].T)
    return _rounded(_scaled(sums, scale), zero)


def q_linear_add(a, a_scale, a_zero, b, b_scale, b_zero, scale, zero):
    assert scale == 1
    a, b = (np.float32(x) - np.float32(x_zero) for x, x_zero in ((a, a_zero), (b, b_zero)))
    return _rounded(a * a_scale + b * b_scale, zero)


def mat_mul_integer_to_float(a, b, a_scale, b_scale, a_zero, b_zero):
    assert b_zero == 0
    return _scaled(_matrix(a.astype(np.int64) - a_zero, b), a_scale * b_scale)


def mat_mul(x, w):
    """Exact, then rounded to float32 once: so nothing is rounded where float32 holds all sums."""
    return (x.astype(np.float64) @ w.astype(np.float64)).astype(np.float32)


def reshape(x, shape):
    return x.reshape([x.shape[i] if n == 0 else n for i, n in enumerate(shape.tolist())])


def part_of(x, starts, ends, axes=None):
    axis = 0 if axes is None else int(axes[0])
    return np.moveaxis(np.moveaxis(x, axis, 0)[int(starts[0]) : int(ends[0])], 0, axis)


OPERATORS = {
    "Add": np.add,
    "Concat": lambda *parts, axis: np.concatenate(parts, axis),
    "Gather": lambda x, order, axis: np.take(x, order, axis),
    "Less": np.less,
    "MatMul": mat_mul,
    "MatMulIntegerToFloat": mat_mul_integer_to_float,
    "Min": np.minimum,
    "Mul": np.multiply,
    "QLinearAdd": q_linear_add,
    "QLinearConv": q_linear_conv,
    "QuantizeLinear": lambda x, scale, zero: _rounded(x / scale, zero.astype(np.float32)),
    "Reshape": reshape,
    "Round": np.rint,
    "Slice": part_of,
    "Squeeze": lambda x, axes: np.squeeze(x, tuple(axes)),
    "Transpose": lambda x, perm: x.transpose(perm),
    "Unsqueeze": lambda x, axes: np.expand_dims(x, tuple(axes)),
    "Where": np.where,
}
