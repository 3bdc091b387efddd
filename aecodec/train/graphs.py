"""The networks as LiteRT graphs: what aecodec/model/model.py runs. Needs the TensorFlow backend."""

import contextlib
import io

import numpy as np
import tensorflow as tf
from ai_edge_litert.tools import flatbuffer_utils
from ai_edge_quantizer import qtyping, quantizer
from keras import ops

from aecodec.train.entropy_model import ORDER, MeanNet
from aecodec.train.layers import for_litert
from aecodec.train.photo import TILE, Photo


def lite(function, *specs: tf.TensorSpec) -> bytes:
    """Convert a function of fixed input shapes; the graph may be resized when run.

    Pointwise layers get 8-bit weights, one scale per output channel, and quantise their input pixel by pixel when run;
    the linear bypass and the depthwise layers stay float32 (the adjoint, a gradient, can do with 8 bits).
    """
    concrete = tf.function(function, input_signature=specs).get_concrete_function()
    graph = tf.lite.TFLiteConverter.from_concrete_functions([concrete], function).convert()
    work = quantizer.Quantizer(_with_zero_points(graph))
    dense = qtyping.TFLOperationName.FULLY_CONNECTED
    work.add_dynamic_config(regex=".*", operation_name=dense, num_bits=8)
    work.update_quantization_recipe(regex=".*linear.*", operation_name=dense, algorithm_key="no_quantize")
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        return bytes(work.quantize().quantized_model)


def _with_zero_points(graph: bytes) -> bytearray:
    """The graph, whose dense layers, where their weights are integers, quantise their input with a zero point.

    XNNPACK does so whatever the graph says; LiteRT's other kernels only if it says this. Without it they quantise
    symmetrically, and the pixels that they make differ several times as much.
    """
    model = flatbuffer_utils.read_model_from_bytearray(bytearray(graph))
    for subgraph in model.subgraphs:
        for operator in subgraph.operators:
            if isinstance(operator.builtinOptions, flatbuffer_utils.FullyConnectedOptionsT):
                operator.builtinOptions.asymmetricQuantizeInputs = True
    return flatbuffer_utils.convert_object_to_bytearray(model)


def _four_steps(net: MeanNet, given, z, rounding, encoding):
    """`net` without masks: 2x2 squares are folded into channels, where what a step codes lies in four slices.

    So each step computes the means of its own quarter only. -> r, y_hat.
    """
    width = net.latent // 4
    features = net.hyper(z)
    base, given, rounding = (ops.space_to_depth(t, 2) for t in (net.first(features), given, rounding))
    r, y_hat = ([ops.zeros_like(base[..., :width])] * 16 for _ in range(2))
    for step in range(4):
        if step:
            known = net.reach[step - 1](ops.depth_to_space(ops.concatenate(y_hat, axis=-1), 2))
            *first, last = net.steps[step - 1].layers
            hidden = ops.concatenate([known, features], axis=-1)
            for layer in first:
                hidden = layer(hidden)
            hidden = ops.split(ops.space_to_depth(hidden, 2), 4, axis=-1)
        for group in range(4):
            position = ORDER[group].index(step)
            columns = slice(group * width, (group + 1) * width)
            place = 4 * position + group
            part = slice(place * width, (place + 1) * width)
            mean = base[..., part]
            if step:
                mean = mean + ops.matmul(hidden[position], last.w[:, columns]) + last.b[columns]
            v = given[..., part] - encoding * mean
            add = rounding[..., part]
            r[place] = ops.relu(ops.floor(v + add)) - ops.relu(ops.floor(add - v))
            y_hat[place] = mean + r[place]
    return tuple(ops.depth_to_space(ops.concatenate(t, axis=-1), 2) for t in (r, y_hat))


@for_litert()
def graphs(model: Photo) -> dict[str, bytes]:
    """name -> .tflite file; signatures in aecodec/model/model.py."""
    s = model.shape
    latent = tf.TensorSpec((1, TILE, TILE, s.latent), tf.float32)
    z = tf.TensorSpec((1, TILE // 4, TILE // 4, s.hyper), tf.float32)

    def analysis(pixels):
        return model.analysis(pixels * np.float32(1 / 255) - 0.5)

    def hyper_analysis(y):
        return model.hyper_analysis(y)

    def code(given, z, rounding, encoding):
        r, y_hat = _four_steps(model.mean_net, given, z, rounding, encoding)
        return {"a_r": r, "b_y_hat": y_hat}

    def synthesis(y_hat, features):
        return model.synthesis(y_hat, features) * 255.0 + 128.0

    def adjoint(error):
        return model.synthesis.adjoint(error)

    scalar = tf.TensorSpec((1, 1, 1, 1), tf.float32)
    features = tf.TensorSpec((1, 1, 1, s.width16 + s.synthesis8), tf.float32)
    return {
        "analysis": lite(analysis, tf.TensorSpec((1, 256, 256, 3), tf.float32)),
        "hyper_analysis": lite(hyper_analysis, latent),
        "code": lite(code, latent, z, latent, scalar),
        "synthesis": lite(synthesis, latent, features),
        "adjoint": lite(adjoint, tf.TensorSpec((1, 256, 256, 3), tf.float32)),
    }
