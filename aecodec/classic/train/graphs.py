"""Networks of Keras as ONNX graphs with float16 weights, which take half the bytes. Needs the TensorFlow backend."""

import keras
import numpy as np
import onnx
import tensorflow as tf
import tf2onnx
from keras import ops
from onnx import ModelProto, TensorProto, helper, numpy_helper

from aecodec.classic.train.entries import Entry
from aecodec.classic.train.loop import Trained
from aecodec.errors import ModelError

_OPSET = 17
_MANY = 64  # numbers: a smaller constant stays in float32


def graphs(entry: Entry, trained: Trained) -> dict[str, bytes]:
    """Name of file -> graph; aecodec/classic/weights.py has the signatures. Raises ModelError on another backend."""
    if keras.backend.backend() != "tensorflow":
        raise ModelError(f"export runs on the TensorFlow backend, not on {keras.backend.backend()}")
    if entry.denoiser:
        whole = _graph(lambda pixels: _pixels(trained.denoise(_unit(pixels))), 1, None, None, 3, dtype=tf.uint8)
        return {"denoise.onnx": whole}
    encoder = _graph(lambda p: trained.encode(_unit(p)), None, entry.edge, entry.edge, 1, dtype=tf.uint8)
    decoder = _graph(lambda z: _pixels(trained.decode(z)), None, *trained.latent)
    return {"encoder.onnx": encoder, "decoder.onnx": decoder}


def _pixels(x):
    """0..1 -> 0..255, to the nearest."""
    return ops.cast(ops.floor(ops.clip(ops.cast(x, "float32") * 255.0 + 0.5, 0.0, 255.0)), "uint8")


def _unit(pixels):
    return ops.cast(pixels, "float32") * np.float32(1 / 255)


def _graph(function, *shape: int | None, dtype=tf.float32) -> bytes:
    """Convert a function of one input, whose axes that are None may have any length."""
    given = [tf.TensorSpec(shape, dtype, name="given")]
    model, _ = tf2onnx.convert.from_function(tf.function(function), given, opset=_OPSET)
    return _finished(model)


def _finished(model: ModelProto) -> bytes:
    """A graph of tf2onnx as a file: large constants in float16, nearest neighbours chosen as ONNX has it now."""
    graph, casts = model.graph, []
    for constant in graph.initializer:
        values = numpy_helper.to_array(constant)
        if constant.data_type == TensorProto.FLOAT and values.size >= _MANY:
            name, half = constant.name, f"{constant.name}.half"
            constant.CopyFrom(numpy_helper.from_array(values.astype(np.float16), half))
            casts.append(helper.make_node("Cast", [half], [name], to=TensorProto.FLOAT))
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
    for node in graph.node:
        if node.op_type == "Resize":  # tf_half_pixel_for_nn, which opset 13 withdrew: floor((i + 1/2) / factor)
            kept = [a for a in node.attribute if a.name not in ("coordinate_transformation_mode", "nearest_mode")]
            del node.attribute[:]
            node.attribute.extend(kept)
            choice = {"coordinate_transformation_mode": "half_pixel", "nearest_mode": "round_prefer_ceil"}
            node.attribute.extend(helper.make_attribute(*pair) for pair in choice.items())
    onnx.checker.check_model(model)
    return model.SerializeToString()
