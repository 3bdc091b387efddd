"""Static 8-bit networks: one list of layers, run by ONNX Runtime or by NumPy, with equal results to the bit.

    y uint8 (h, w, C) --> Conv, Add, Join, DepthToSpace on uint8 --> Product --> float32 (h, w, N)

A uint8 tensor has a zero point: 0 where a ReLU comes before it, which the rounding then does, or 128. Layers add
products of integers and an integer bias in int32, multiply by a float32 for each output channel, and round to the
nearest, halves to even: single IEEE operations, the same on every processor. Weights of dense layers lie in -63..63,
because ONNX Runtime adds pairs of products in int16 on processors with AVX2 or AVX-512 alone; then no pair saturates.
Sums of two tensors, and the last layer, need scales that are powers of two, because some processors fuse the
multiplication with the addition.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

WEIGHT_MAX = 63
SIGNED = 128  # zero point of tensors that may be negative


@dataclass(frozen=True, slots=True)
class Conv:
    """clip(rint((sum of (x - zero of x) * weight + bias) * scale) + zero, 0, 255), stride 1, zeros outside.

    weight: int8 (k, k, c_in, c_out), or (k, k, 1, c) for a depthwise layer. bias: int32 and scale: float32 (c_out,).
    """

    source: str
    weight: np.ndarray
    bias: np.ndarray
    scale: np.ndarray
    depthwise: bool = False
    zero: int = 0


@dataclass(frozen=True, slots=True)
class Add:
    """clip(rint((a - zero of a) * scale + (b - zero of b) * other_scale) + zero, 0, 255); scales are powers of two."""

    source: str
    other: str
    scale: float = 1.0
    other_scale: float = 1.0
    zero: int = 0


@dataclass(frozen=True, slots=True)
class Join:
    """Channels of two tensors of one zero point side by side."""

    source: str
    other: str


@dataclass(frozen=True, slots=True)
class DepthToSpace:
    """(h, w, n * n * C) -> (n * h, n * w, C): channels (n * i + j) * C ... + C go to pixel (i, j) of a square."""

    source: str
    n: int


@dataclass(frozen=True, slots=True)
class Product:
    """((x - zero of x) @ weight + bias) * scale in float32, not rounded: the last layer.

    weight: int8 (c_in, c_out). bias: int32 (c_out,). scale: float32 (c_out,), powers of two, so that it is exact.
    """

    source: str
    weight: np.ndarray
    bias: np.ndarray
    scale: np.ndarray


Layer = Conv | Add | Join | DepthToSpace | Product


@dataclass(frozen=True, slots=True)
class Network:
    """inputs: name -> (channels, zero point). layers: the name of a layer's output -> the layer, in order."""

    inputs: dict[str, tuple[int, int]]
    layers: dict[str, Layer]

    def zeros(self) -> dict[str, int]:
        """The zero point of every uint8 tensor."""
        zeros = {name: zero for name, (_, zero) in self.inputs.items()}
        for name, layer in self.layers.items():
            zeros[name] = layer.zero if isinstance(layer, Conv | Add) else zeros[layer.source]
        return zeros

    def channels(self) -> dict[str, int]:
        """The channels of every tensor."""
        channels = {name: count for name, (count, _) in self.inputs.items()}
        for name, layer in self.layers.items():
            match layer:
                case Conv() | Product():
                    channels[name] = len(layer.bias)
                case Add():
                    channels[name] = channels[layer.source]
                case Join():
                    channels[name] = channels[layer.source] + channels[layer.other]
                case DepthToSpace():
                    channels[name] = channels[layer.source] // layer.n**2
        return channels


def check(network: Network) -> None:
    """Raise ValueError where a network would not run the same everywhere."""
    zeros = network.zeros()
    for name, layer in network.layers.items():
        match layer:
            case Conv():
                _check_weights(name, layer, 127 if layer.depthwise else WEIGHT_MAX, 1 << 31)
            case Product():
                _check_weights(name, layer, WEIGHT_MAX, 1 << 24)
                _check_scales(name, layer.scale)
            case Add():
                _check_scales(name, np.array([layer.scale, layer.other_scale]))
            case Join() if zeros[layer.source] != zeros[layer.other]:
                raise ValueError(f"{name}: zero points {zeros[layer.source]} and {zeros[layer.other]}, expected one")


def _check_weights(name: str, layer: Conv | Product, largest: int, limit: int) -> None:
    weight = np.abs(layer.weight.astype(np.int64))
    if weight.max() > largest:
        raise ValueError(f"{name}: a weight of {weight.max()}, expected at most {largest}")
    sums = 255 * weight.reshape(-1, weight.shape[-1]).sum(0) + np.abs(layer.bias.astype(np.int64))
    if sums.max() >= limit:
        raise ValueError(f"{name}: a sum may reach {sums.max()}, expected less than {limit}")


def _check_scales(name: str, scale: np.ndarray) -> None:
    if (np.frexp(scale)[0] != 0.5).any():
        raise ValueError(f"{name}: a scale is not a power of two")


def run_numpy(network: Network, inputs: dict[str, np.ndarray]) -> np.ndarray:
    """inputs: uint8 (h, w, C) by name -> the last layer's output (h, w, N). The reference."""
    values, zeros = dict(inputs), network.zeros()

    def signed(name: str) -> np.ndarray:
        return values[name].astype(np.int32) - zeros[name]

    for name, layer in network.layers.items():
        match layer:
            case Conv():
                values[name] = _round(_sums(signed(layer.source), layer).astype(np.float32) * layer.scale, layer.zero)
            case Add():
                a, b = (signed(source).astype(np.float32) for source in (layer.source, layer.other))
                values[name] = _round(a * np.float32(layer.scale) + b * np.float32(layer.other_scale), layer.zero)
            case Join():
                values[name] = np.concatenate([values[layer.source], values[layer.other]], axis=-1)
            case DepthToSpace(source=source, n=n):
                h, w, c = values[source].shape
                folded = values[source].reshape(h, w, n, -1).transpose(0, 2, 1, 3)
                values[name] = folded.reshape(n * h, n * w, c // n**2)
            case Product():
                sums = signed(layer.source) @ layer.weight.astype(np.int32) + layer.bias
                values[name] = sums.astype(np.float32) * layer.scale
    return values[name]


def _sums(x: np.ndarray, layer: Conv) -> np.ndarray:
    """-> int32 (h, w, c_out)."""
    h, w, _ = x.shape
    k = layer.weight.shape[0]
    x = np.pad(x, ((k // 2,) * 2, (k // 2,) * 2, (0, 0)))
    weight = layer.weight.astype(np.int32)
    sums = np.broadcast_to(layer.bias, (h, w, len(layer.bias))).copy()
    for i in range(k):
        for j in range(k):
            part = x[i : i + h, j : j + w]
            sums += part * weight[i, j, 0] if layer.depthwise else part @ weight[i, j]
    return sums


def _round(x: np.ndarray, zero: int) -> np.ndarray:
    return np.clip(np.rint(x) + zero, 0, 255).astype(np.uint8)


def to_onnx(network: Network, checked: bool = True) -> bytes:
    """An ONNX model of a network; tensors are (1, h, w, C) with any height and width. Raises ValueError of `check`."""
    if checked:
        check(network)
    return _Builder(network).model()


class _Builder:
    """Nodes and constants of a graph under way."""

    def __init__(self, network: Network):
        self.network, self.nodes, self.constants = network, [], []
        self.zeros, self.channels = network.zeros(), network.channels()
        self.one = self._constant("one", np.float32(1))
        self.weight_zero = self._constant("weight_zero", np.int8(0))
        self.zero = {zero: self._constant(f"zero_{zero}", np.uint8(zero)) for zero in set(self.zeros.values())}
        for name, layer in network.layers.items():
            self._add(name, layer)

    def _constant(self, name: str, value: np.ndarray) -> str:
        from onnx import numpy_helper

        self.constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def _node(self, kind: str, inputs: Sequence[str], output: str, domain: str = "", **attributes) -> None:
        from onnx import helper

        self.nodes.append(helper.make_node(kind, list(inputs), [output], domain=domain, **attributes))

    def _reshape(self, source: str, output: str, shape: Sequence[int]) -> None:
        self._node("Reshape", [source, self._constant(f"{output}.shape", np.array(shape))], output)

    def _zero(self, tensor: str) -> str:
        return self.zero[self.zeros[tensor]]

    def _add(self, name: str, layer: Layer) -> None:
        match layer:
            case Conv(source=source, weight=weight, bias=bias, scale=scale):
                k = weight.shape[0]
                weight = self._constant(f"{name}.weight", np.ascontiguousarray(weight.transpose(3, 2, 0, 1)))
                scale = self._constant(f"{name}.scale", scale)
                inputs = [source, self.one, self._zero(source), weight, scale, self.weight_zero, self.one]
                inputs += [self._zero(name), self._constant(f"{name}.bias", bias)]
                shape = {"kernel_shape": [k, k], "pads": [k // 2] * 4, "channels_last": 1}
                group = len(bias) if layer.depthwise else 1
                self._node("QLinearConv", inputs, name, "com.microsoft", group=group, **shape)
            case Add(source=source, other=other):
                a = self._constant(f"{name}.scale", np.float32(layer.scale))
                b = self._constant(f"{name}.other_scale", np.float32(layer.other_scale))
                inputs = [source, a, self._zero(source), other, b, self._zero(other), self.one, self._zero(name)]
                self._node("QLinearAdd", inputs, name, "com.microsoft")
            case Join(source=source, other=other):
                self._node("Concat", [source, other], name, axis=3)
            case DepthToSpace(source=source, n=n):
                # Height and width are free. In a Reshape 0 keeps an axis and one -1 takes what remains.
                c = self.channels[name]
                self._node("Squeeze", [source, self._constant(f"{name}.axis", np.array([0]))], f"{name}.hwc")
                self._reshape(f"{name}.hwc", f"{name}.split", [0, 0, n, n * c])
                self._node("Transpose", [f"{name}.split"], f"{name}.rows", perm=[0, 2, 1, 3])
                self._reshape(f"{name}.rows", f"{name}.columns", [0, 0, -1, c])
                self._reshape(f"{name}.columns", name, [1, -1, 0, c])
            case Product(source=source, weight=weight, bias=bias, scale=scale):
                weight, factor = self._constant(f"{name}.weight", weight), self._constant(f"{name}.scale", scale)
                added = self._constant(f"{name}.bias", (bias * scale).astype(np.float32))
                inputs = [source, weight, self.one, factor, self._zero(source), self.weight_zero, added]
                self._node("MatMulIntegerToFloat", inputs, name, "com.microsoft")

    def model(self) -> bytes:
        """The graph, serialised."""
        from onnx import TensorProto, helper

        specs = [
            helper.make_tensor_value_info(name, TensorProto.UINT8, [1, f"h_{name}", f"w_{name}", channels])
            for name, (channels, _) in self.network.inputs.items()
        ]
        name, layer = list(self.network.layers.items())[-1]
        kind = TensorProto.FLOAT if isinstance(layer, Product) else TensorProto.UINT8
        out = helper.make_tensor_value_info(name, kind, [1, "h_out", "w_out", self.channels[name]])
        graph = helper.make_graph(self.nodes, "network", specs, [out], initializer=self.constants)
        opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString()
