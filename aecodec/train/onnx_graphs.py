"""A static network (static.py) as an ONNX model."""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np
from onnx import NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper

from aecodec.train import static

MICROSOFT = "com.microsoft"  # domain of the operators that ONNX Runtime adds
_TYPES: dict[type, Any] = {np.float32: TensorProto.FLOAT, np.int32: TensorProto.INT32}


def to_onnx(network: static.Network) -> bytes:
    """An ONNX model of a network; tensors are (1, h, w, C) with any height and width. Raises ValueError of `check`."""
    static.check(network)
    return _Builder(network).model()


class _Builder:
    """Nodes and constants of a graph under way."""

    def __init__(self, network: static.Network):
        self.network, self.zeros, self.channels = network, network.zeros(), network.channels()
        self.nodes: list[NodeProto] = []
        self.constants: list[TensorProto] = []
        self._parts: dict[static.Part, str] = {}
        self.one = self._constant("one", np.float32(1))
        self.weight_zero = self._constant("weight_zero", np.int8(0))
        zeros = {zero for zero in self.zeros.values() if zero is not None}
        self.zero = {zero: self._constant(f"zero_{zero}", np.uint8(zero)) for zero in zeros}
        for name, layer in network.layers.items():
            self._METHODS[type(layer)](self, name, layer)

    def _constant(self, name: str, value) -> str:
        self.constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def _number(self, name: str, value: float) -> str:
        return self.one if value == 1 else self._constant(name, np.float32(value))

    def _node(self, kind: str, inputs: Sequence[str], output: str, domain: str = "", **attributes) -> str:
        self.nodes.append(helper.make_node(kind, list(inputs), [output], domain=domain, **attributes))
        return output

    def _reshape(self, source: str, output: str, shape: Sequence[int]) -> str:
        return self._node("Reshape", [source, self._constant(f"{output}.shape", np.array(shape))], output)

    def _zero(self, tensor: str) -> str:
        zero = self.zeros[tensor]
        assert zero is not None
        return self.zero[zero]

    def _part(self, part: static.Part) -> str:
        """The name of a part of a vector."""
        if part not in self._parts:
            name = f"{part.vector}.{part.start}"
            ends = [self._constant(f"{name}.{end}", np.array([getattr(part, end)])) for end in ("start", "stop")]
            self._parts[part] = self._node("Slice", [part.vector, *ends], name)
        return self._parts[part]

    def _multiplied(self, name: str, source: str, scale: np.ndarray) -> str:
        if np.all(scale == 1):
            return source
        return self._node("Mul", [source, self._constant(f"{name}.scale", np.float32(scale))], f"{name}.scaled")

    def _conv(self, name: str, layer: static.Conv) -> None:
        k, source, bias = layer.weight.shape[0], layer.source, layer.bias
        kernel = self._constant(f"{name}.weight", np.ascontiguousarray(layer.weight.transpose(3, 2, 0, 1)))
        factors = self._constant(f"{name}.scale", layer.scale)
        inputs = [source, self.one, self._zero(source), kernel, factors, self.weight_zero, self.one]
        added = self._part(bias) if isinstance(bias, static.Part) else self._constant(f"{name}.bias", bias)
        shape = {"kernel_shape": [k, k], "pads": [k // 2] * 4, "channels_last": 1}
        group = layer.weight.shape[-1] if layer.depthwise else 1
        self._node("QLinearConv", [*inputs, self._zero(name), added], name, MICROSOFT, group=group, **shape)

    def _add(self, name: str, layer: static.Add) -> None:
        a = self._constant(f"{name}.scale", np.float32(layer.scale * static.OUTWARD))
        b = self._constant(f"{name}.other_scale", np.float32(layer.other_scale * static.OUTWARD))
        first, second = [layer.source, a, self._zero(layer.source)], [layer.other, b, self._zero(layer.other)]
        self._node("QLinearAdd", [*first, *second, self.one, self._zero(name)], name, MICROSOFT)

    def _product(self, name: str, layer: static.Product) -> None:
        matrix, factor = self._constant(f"{name}.weight", layer.weight), self._constant(f"{name}.scale", layer.scale)
        by = self._part(layer.by) if layer.by else self.one
        inputs = [layer.source, matrix, by, factor, self._zero(layer.source), self.weight_zero]
        self._node("MatMulIntegerToFloat", inputs, name, MICROSOFT)

    def _join(self, name: str, layer: static.Join) -> None:
        self._node("Concat", layer.sources, name, axis=3)

    def _depth_to_space(self, name: str, layer: static.DepthToSpace) -> None:
        # Height and width are free. In a Reshape 0 keeps an axis and one -1 takes what remains.
        c = self.channels[name]
        self._node("Squeeze", [layer.source, self._constant(f"{name}.axis", np.array([0]))], f"{name}.hwc")
        self._reshape(f"{name}.hwc", f"{name}.split", [0, 0, layer.n, layer.n * c])
        self._node("Transpose", [f"{name}.split"], f"{name}.rows", perm=[0, 2, 1, 3])
        self._reshape(f"{name}.rows", f"{name}.columns", [0, 0, -1, c])
        self._reshape(f"{name}.columns", name, [1, -1, 0, c])

    def _space_to_depth(self, name: str, layer: static.SpaceToDepth) -> None:
        c = self.channels[layer.source]
        self._reshape(layer.source, f"{name}.columns", [0, 0, -1, layer.n * c])
        self._reshape(f"{name}.columns", f"{name}.rows", [-1, layer.n, 0, 0])
        self._node("Transpose", [f"{name}.rows"], f"{name}.split", perm=[0, 2, 1, 3])
        self._reshape(f"{name}.split", f"{name}.hwc", [0, 0, layer.n * layer.n * c])
        self._node("Unsqueeze", [f"{name}.hwc", self._constant(f"{name}.axis", np.array([0]))], name)

    def _pick(self, name: str, layer: static.Pick) -> None:
        width, blocks = layer.width, layer.blocks
        if blocks == tuple(range(blocks[0], blocks[0] + len(blocks))):
            ends = [[blocks[0] * width], [(blocks[-1] + 1) * width], [3]]
            bounds = [self._constant(f"{name}.{i}", np.array(end)) for i, end in enumerate(ends)]
            self._node("Slice", [layer.source, *bounds], name)
            return
        self._reshape(layer.source, f"{name}.blocks", [0, 0, 0, -1, width])
        order = self._constant(f"{name}.order", np.array(blocks))
        self._node("Gather", [f"{name}.blocks", order], f"{name}.picked", axis=3)
        self._reshape(f"{name}.picked", name, [0, 0, 0, len(blocks) * width])

    def _limit(self, name: str, layer: static.Limit) -> None:
        most = self._node("Min", [layer.source, self._constant(f"{name}.high", np.uint8(layer.high))], f"{name}.min")
        few = self._node("Less", [most, self._constant(f"{name}.low", np.uint8(layer.low))], f"{name}.few")
        self._node("Where", [few, self._constant(f"{name}.none", np.uint8(0)), most], name)

    def _quantise(self, name: str, layer: static.Quantise) -> None:
        step = self._part(layer.by) if isinstance(layer.by, static.Part) else self._number(f"{name}.step", layer.by)
        self._node("QuantizeLinear", [self._multiplied(name, layer.source, layer.scale), step, self._zero(name)], name)

    def _rounded(self, name: str, layer: static.Rounded) -> None:
        self._node("Round", [self._multiplied(name, layer.source, layer.scale)], name)

    def _linear(self, name: str, layer: static.Linear) -> None:
        steps: list[tuple[str, str | None]] = [("MatMul", self._constant(f"{name}.weight", layer.weight))]
        steps += [] if layer.bias is None else [("Add", self._constant(f"{name}.bias", layer.bias))]
        steps += [("Relu", None)] if layer.relu else []
        source = layer.source
        for i, (kind, constant) in enumerate(steps):
            output = name if i == len(steps) - 1 else f"{name}.{i}"
            source = self._node(kind, [source, *([constant] if constant else [])], output)

    def _transposed(self, name: str, layer: static.Transposed) -> None:
        weight = self._constant(f"{name}.weight", np.ascontiguousarray(layer.weight.T))
        whole = self._node("Cast", [weight], f"{name}.float", to=TensorProto.FLOAT)
        rows = self._constant(f"{name}.scale", layer.scale.astype(np.float32)[:, None])
        self._node("MatMul", [layer.source, self._node("Mul", [whole, rows], f"{name}.scaled")], name)

    def _spread(self, name: str, layer: static.Spread) -> None:
        k, *_, c = layer.weight.shape
        self._node("Transpose", [layer.source], f"{name}.first", perm=[0, 3, 1, 2])
        kernel = self._constant(f"{name}.weight", np.ascontiguousarray(layer.weight.transpose(3, 2, 0, 1)))
        bias = [] if layer.bias is None else [self._constant(f"{name}.bias", layer.bias)]
        self._node("Conv", [f"{name}.first", kernel, *bias], f"{name}.sums", group=c, pads=[k // 2] * 4)
        self._node("Transpose", [f"{name}.sums"], name, perm=[0, 2, 3, 1])

    def _sum(self, name: str, layer: static.Sum) -> None:
        self._node("Add", [layer.source, layer.other], name)

    def _scaled(self, name: str, layer: static.Scaled) -> None:
        self._node("Mul", [layer.source, self._constant(f"{name}.scale", np.float32(layer.scale))], name)

    def _gate(self, name: str, layer: static.Gate) -> None:
        # Two thirds of the time of Where.
        is_open = self._node("Min", [layer.by, self._constant(f"{name}.most", np.uint8(1))], f"{name}.open")
        factor = self._node("Cast", [is_open], f"{name}.factor", to=TensorProto.FLOAT)
        self._node("Mul", [layer.source, factor], name)

    def _shift(self, name: str, layer: static.Shift) -> None:
        self._node("Add", [layer.source, self._constant(f"{name}.shift", layer.shift)], name)

    def _dead_zone(self, name: str, layer: static.DeadZone) -> None:
        v = self._node("Sub", [layer.source, layer.mean], f"{name}.v")
        sides = []
        for side, kind, pair in (("up", "Add", [v, layer.rounding]), ("down", "Sub", [layer.rounding, v])):
            size = self._node("Floor", [self._node(kind, pair, f"{name}.{side}")], f"{name}.{side}.floor")
            sides.append(self._node("Relu", [size], f"{name}.{side}.symbol"))
        self._node("Sub", sides, name)

    _METHODS: ClassVar[dict[type, Callable[["_Builder", str, Any], None]]] = {
        static.Conv: _conv,
        static.Add: _add,
        static.Product: _product,
        static.Join: _join,
        static.DepthToSpace: _depth_to_space,
        static.SpaceToDepth: _space_to_depth,
        static.Pick: _pick,
        static.Limit: _limit,
        static.Quantise: _quantise,
        static.Rounded: _rounded,
        static.Linear: _linear,
        static.Transposed: _transposed,
        static.Spread: _spread,
        static.Sum: _sum,
        static.Scaled: _scaled,
        static.Gate: _gate,
        static.Shift: _shift,
        static.DeadZone: _dead_zone,
    }

    def model(self) -> bytes:
        """The graph, serialised."""

        def image(name: str, label: str) -> ValueInfoProto:
            kind = TensorProto.FLOAT if self.zeros[name] is None else TensorProto.UINT8
            shape: list[str | int | None] = [1, f"h_{label}", f"w_{label}", self.channels[name]]
            return helper.make_tensor_value_info(name, kind, shape)

        network = self.network
        inputs = [image(name, name) for name in network.inputs]
        for name, (size, kind) in network.vectors.items():
            inputs.append(helper.make_tensor_value_info(name, _TYPES[kind], [size]))
        outputs = [image(name, f"out_{name}") for name in network.results]
        graph = helper.make_graph(self.nodes, "network", inputs, outputs, initializer=self.constants)
        opsets = [helper.make_opsetid("", 17), helper.make_opsetid(MICROSOFT, 1)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString()
