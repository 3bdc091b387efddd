"""Static 8-bit networks: lists of layers, run by ONNX Runtime (onnx_graphs.py), or by NumPy in tests, alike.

    float32 (h, w, C) --> Quantise --> Conv, Add, Join, DepthToSpace ... on uint8 --> Product --> float32

A uint8 tensor has a zero point: 0 where a ReLU comes before it, which the rounding then does, or 128. Layers add
products of integers and an integer bias in int32, multiply by a float32 for each output channel, and round to the
nearest, halves to even: single IEEE operations, the same on every processor. Weights of dense layers lie in -63..63,
because ONNX Runtime adds pairs of products in int16 on processors with AVX2 or AVX-512 alone; then no pair saturates.
Sums of two uint8 tensors need scales that are powers of two, because some processors fuse the multiplication with the
addition. ONNX Runtime rounds halves of such sums to even on x86 and away from zero on ARM; with scales a little larger
there are none, and what was a half goes away from zero. Layers of float32 do one operation at a time, or products of
integers that float32 holds exactly; of `Linear` that is so only if its weights and what it gets are made for it.
"""

from dataclasses import dataclass, field

import numpy as np

WEIGHT_MAX, DEPTHWISE_MAX = 63, 127
SIGNED = 128  # zero point of tensors that may be negative
BIAS_MAX = 1 << 30
OUTWARD = 1 + 2.0**-12  # times the scales of a sum: what was a half is more
SCALE_MIN = 2.0**-4  # of a sum; smaller ones would need more bits than float32 has to keep what is no half on its side


@dataclass(frozen=True, slots=True)
class Part:
    """Elements start..stop of a vector that the network gets beside its inputs."""

    vector: str
    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class Conv:
    """clip(rint((sum of (x - zero of x) * weight + bias) * scale) + zero, 0, 255), stride 1, zeros outside.

    weight: int8 (k, k, c_in, c_out), or (k, k, 1, c) for a depthwise layer. bias: int32 and scale: float32 (c_out,).
    """

    source: str
    weight: np.ndarray
    bias: np.ndarray | Part
    scale: np.ndarray
    depthwise: bool = False
    zero: int = 0


@dataclass(frozen=True, slots=True)
class Add:
    """clip(round((a - zero of a) * scale + (b - zero of b) * other_scale) + zero, 0, 255), halves away from zero.

    Scales are powers of two, SCALE_MIN or more.
    """

    source: str
    other: str
    scale: float = 1.0
    other_scale: float = 1.0
    zero: int = 0


@dataclass(frozen=True, slots=True)
class Join:
    """Channels of tensors of one kind and zero point side by side: `source`, then `other`, then `more`."""

    source: str
    other: str
    more: tuple[str, ...] = ()

    @property
    def sources(self) -> tuple[str, ...]:
        return self.source, self.other, *self.more


@dataclass(frozen=True, slots=True)
class DepthToSpace:
    """(h, w, n * n * C) -> (n * h, n * w, C): channels (n * i + j) * C ... + C go to pixel (i, j) of a square."""

    source: str
    n: int


@dataclass(frozen=True, slots=True)
class SpaceToDepth:
    """The inverse of DepthToSpace."""

    source: str
    n: int


@dataclass(frozen=True, slots=True)
class Pick:
    """Some of the channels, in blocks of so many, in this order."""

    source: str
    width: int
    blocks: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Limit:
    """min(x, high) of uint8, and 0 where that is below `low`."""

    source: str
    high: int
    low: int = 0


@dataclass(frozen=True, slots=True)
class Product:
    """(x - zero of x) @ weight * (scale * by) in float32, not rounded: a last layer, without its bias.

    weight: int8 (c_in, c_out). scale: float32 (c_out,). by: one number of a vector.
    """

    source: str
    weight: np.ndarray
    scale: np.ndarray
    by: Part | None = None


@dataclass(frozen=True, slots=True)
class Quantise:
    """float32 -> uint8: clip(rint(x * scale / by) + zero, 0, 255). scale: float32 (C,) or (1,), by: one number."""

    source: str
    scale: np.ndarray
    zero: int = SIGNED
    by: Part | float = 1.0


@dataclass(frozen=True, slots=True)
class Rounded:
    """rint(x * scale) in float32."""

    source: str
    scale: np.ndarray


@dataclass(frozen=True, slots=True)
class Linear:
    """x @ weight + bias in float32, then perhaps a ReLU. weight: float32 (c_in, c_out). bias: float32 (c_out,)."""

    source: str
    weight: np.ndarray
    bias: np.ndarray | None = None
    relu: bool = False


@dataclass(frozen=True, slots=True)
class Transposed:
    """(x * scale) @ weight.T in float32: the gradient by what a dense layer gets. weight: int8 (c_in, c_out)."""

    source: str
    weight: np.ndarray
    scale: np.ndarray


@dataclass(frozen=True, slots=True)
class Spread:
    """Depthwise convolution in float32, zeros outside. weight: (k, k, 1, c). bias: (c,) or None."""

    source: str
    weight: np.ndarray
    bias: np.ndarray | None


@dataclass(frozen=True, slots=True)
class Sum:
    """a + b in float32."""

    source: str
    other: str


@dataclass(frozen=True, slots=True)
class Scaled:
    """x * scale in float32. scale: one number or (C,)."""

    source: str
    scale: np.ndarray | float


@dataclass(frozen=True, slots=True)
class Gate:
    """x in float32 where `by`, a uint8 tensor of its shape, is not 0; elsewhere 0."""

    source: str
    by: str


@dataclass(frozen=True, slots=True)
class Shift:
    """x + shift in float32. shift: float32 (C,)."""

    source: str
    shift: np.ndarray


@dataclass(frozen=True, slots=True)
class DeadZone:
    """Symbols of float32: sign(v) * max(floor(|v| + rounding), 0) with v = source - mean."""

    source: str
    mean: str
    rounding: str


Layer = (
    Conv | Add | Join | DepthToSpace | SpaceToDepth | Pick | Limit | Product | Quantise | Rounded | Linear | Transposed
    | Spread | Sum | Scaled | Gate | Shift | DeadZone
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Network:
    """inputs: name -> (channels, zero point, None of float32). layers: the name of a layer's output -> it, in order.

    vectors: name -> length and type of what it gets beside them. outputs: names; by default the last layer's.
    """

    inputs: dict[str, tuple[int, int | None]]
    layers: dict[str, Layer]
    vectors: dict[str, tuple[int, type]] = field(default_factory=dict)
    outputs: tuple[str, ...] = ()

    @property
    def results(self) -> tuple[str, ...]:
        """The names of the outputs."""
        return self.outputs or (list(self.layers)[-1],)

    def zeros(self) -> dict[str, int | None]:
        """The zero point of every uint8 tensor, None of the others."""
        zeros = {name: zero for name, (_, zero) in self.inputs.items()}
        for name, layer in self.layers.items():
            match layer:
                case Conv() | Add() | Quantise():
                    zeros[name] = layer.zero
                case Join() | DepthToSpace() | SpaceToDepth() | Pick() | Limit():
                    zeros[name] = zeros[layer.source]
                case _:
                    zeros[name] = None
        return zeros

    def channels(self) -> dict[str, int]:
        """The channels of every tensor."""
        channels = {name: count for name, (count, _) in self.inputs.items()}
        for name, layer in self.layers.items():
            match layer:
                case Conv() | Product() | Linear():
                    channels[name] = layer.weight.shape[-1]
                case Transposed():
                    channels[name] = len(layer.weight)
                case Join():
                    channels[name] = sum(channels[source] for source in layer.sources)
                case DepthToSpace():
                    channels[name] = channels[layer.source] // layer.n**2
                case SpaceToDepth():
                    channels[name] = channels[layer.source] * layer.n**2
                case Pick():
                    channels[name] = layer.width * len(layer.blocks)
                case _:
                    channels[name] = channels[layer.source]
        return channels


def check(network: Network) -> None:
    """Raise ValueError where a network would not run the same everywhere."""
    zeros = network.zeros()
    for name, layer in network.layers.items():
        match layer:
            case Conv():
                _check_weights(name, layer, DEPTHWISE_MAX if layer.depthwise else WEIGHT_MAX, 1 << 31)
            case Product():
                _check_weights(name, layer, WEIGHT_MAX, 1 << 24)
            case Add():
                scales = np.array([layer.scale, layer.other_scale])
                _check_scales(name, scales)
                if scales.min() < SCALE_MIN:
                    raise ValueError(f"{name}: a scale of {scales.min()}, expected at least {SCALE_MIN}")
            case Join():
                kinds = [zeros[source] for source in layer.sources]
                if len(set(kinds)) > 1:
                    raise ValueError(f"{name}: zero points {' and '.join(map(str, kinds))}, expected one")


def _check_weights(name: str, layer: Conv | Product, largest: int, limit: int) -> None:
    weight = np.abs(layer.weight.astype(np.int64))
    if weight.max() > largest:
        raise ValueError(f"{name}: a weight of {weight.max()}, expected at most {largest}")
    bias = np.zeros(1) if isinstance(layer, Product) else BIAS_MAX if isinstance(layer.bias, Part) else layer.bias
    sums = 255 * weight.reshape(-1, weight.shape[-1]).sum(0) + np.abs(np.asarray(bias, np.int64))
    if sums.max() >= limit:
        raise ValueError(f"{name}: a sum may reach {sums.max()}, expected less than {limit}")


def _check_scales(name: str, scale: np.ndarray) -> None:
    if (np.frexp(scale)[0] != 0.5).any():
        raise ValueError(f"{name}: a scale is not a power of two")
