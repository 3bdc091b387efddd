"""The same networks by other means, for comparison: float32 in ONNX Runtime, float32 and static int8 in LiteRT."""

import numpy as np
from shapes import LATENT

from aecodec.train.static import Add, Conv, DepthToSpace, Join, Network, Product


def float_onnx(network: Network) -> bytes:
    """The same layers in float32 with channels first, the layout for which ONNX Runtime has its fast kernels."""
    from onnx import TensorProto, helper, numpy_helper

    nodes, constants = [], []

    def constant(name, value):
        constants.append(numpy_helper.from_array(value, name))
        return name

    for name, layer in network.layers.items():
        match layer:
            case Conv() | Product():
                weight = (layer.weight * layer.scale).astype(np.float32)
                weight = weight[None, None] if isinstance(layer, Product) else weight
                k, depthwise = weight.shape[0], isinstance(layer, Conv) and layer.depthwise
                bias = constant(f"{name}.b", (layer.bias * layer.scale).astype(np.float32))
                inputs = [layer.source, constant(f"{name}.w", np.ascontiguousarray(weight.transpose(3, 2, 0, 1))), bias]
                out = name if isinstance(layer, Product) else f"{name}.linear"
                group = weight.shape[-1] if depthwise else 1
                nodes.append(helper.make_node("Conv", inputs, [out], group=group, pads=[k // 2] * 4))
                if isinstance(layer, Conv):  # behind a linear layer nothing, which ONNX Runtime takes away
                    nodes.append(helper.make_node("Identity" if layer.zero else "Relu", [out], [name]))
            case Add():
                nodes.append(helper.make_node("Add", [layer.source, layer.other], [name]))
            case Join():
                nodes.append(helper.make_node("Concat", [layer.source, layer.other], [name], axis=1))
            case DepthToSpace():
                nodes.append(helper.make_node("DepthToSpace", [layer.source], [name], blocksize=layer.n))
    spec = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, LATENT, "h", "w"])
    out = helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, None, "h_out", "w_out"])
    graph = helper.make_graph(nodes, "network", [spec], [out], initializer=constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()


def lite(network: Network, integers: bool) -> bytes:
    """The same layers as a LiteRT graph: float32, or static int8 with ranges from random inputs."""
    import tensorflow as tf

    def function(y):
        values = {"y": y}
        for name, layer in network.layers.items():
            x = values[layer.source]
            match layer:
                case Conv() | Product():
                    weight = (layer.weight * layer.scale).astype(np.float32)
                    bias = (layer.bias * layer.scale).astype(np.float32)
                    weight = weight[None, None] if isinstance(layer, Product) else weight
                    if isinstance(layer, Conv) and layer.depthwise:
                        x = tf.nn.depthwise_conv2d(x, weight.transpose(0, 1, 3, 2), [1] * 4, "SAME") + bias
                    else:
                        x = tf.nn.conv2d(x, weight, 1, "SAME") + bias
                    values[name] = x if isinstance(layer, Product) or layer.zero else tf.nn.relu(x)
                case Add():
                    values[name] = x * layer.scale + values[layer.other] * layer.other_scale
                case Join():
                    values[name] = tf.concat([x, values[layer.other]], -1)
                case DepthToSpace():
                    values[name] = tf.nn.depth_to_space(x, layer.n)
        return values[name]

    spec = tf.TensorSpec((1, 16, 16, LATENT), tf.float32)
    concrete = tf.function(function, input_signature=[spec]).get_concrete_function()
    converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete])
    if integers:
        random = np.random.default_rng(0)
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: (
            [random.integers(0, 256, spec.shape).astype(np.float32)] for _ in range(4)
        )
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = tf.int8
    return converter.convert()


class Lite:
    """A one-thread interpreter of LiteRT for one shape at a time."""

    def __init__(self, data: bytes):
        from ai_edge_litert.interpreter import Interpreter

        self._interpreter = Interpreter(model_content=data, num_threads=1)

    def __call__(self, y: np.ndarray) -> np.ndarray:
        spec = self._interpreter.get_input_details()[0]
        if tuple(spec["shape"]) != (1, *y.shape):
            self._interpreter.resize_tensor_input(spec["index"], (1, *y.shape))
            self._interpreter.allocate_tensors()
        x = (y.astype(np.int16) - 128).astype(np.int8) if spec["dtype"] is np.int8 else y.astype(np.float32)
        self._interpreter.set_tensor(spec["index"], x[None])
        self._interpreter.invoke()
        return self._interpreter.get_tensor(self._interpreter.get_output_details()[0]["index"])[0]
