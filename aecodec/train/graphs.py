"""The networks as LiteRT graphs: what aecodec/model.py runs. Needs the TensorFlow backend."""

import contextlib
import io
import tempfile

import numpy as np
import tensorflow as tf
from ai_edge_quantizer import qtyping, quantizer
from keras import ops

from aecodec.train.entropy_model import step_masks
from aecodec.train.layers import Pointwise
from aecodec.train.photo import TILE, Photo


def lite(function, *specs: tf.TensorSpec) -> bytes:
    """Convert a function of fixed input shapes; the graph may be resized when run.

    Pointwise layers get 8-bit weights, one scale per output channel, and quantise their input pixel by pixel when run;
    the linear bypass and the depthwise layers stay float32.
    """
    concrete = tf.function(function, input_signature=specs).get_concrete_function()
    graph = tf.lite.TFLiteConverter.from_concrete_functions([concrete], function).convert()
    with tempfile.NamedTemporaryFile(suffix=".tflite") as file:
        file.write(graph)
        file.flush()
        work = quantizer.Quantizer(file.name)
        dense = qtyping.TFLOperationName.FULLY_CONNECTED
        work.add_dynamic_config(regex=".*", operation_name=dense, num_bits=8)
        work.update_quantization_recipe(regex=".*linear.*", operation_name=dense, algorithm_key="no_quantize")
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            return bytes(work.quantize().quantized_model)


@contextlib.contextmanager
def _as_matmul():
    Pointwise.as_matmul = True
    try:
        yield
    finally:
        Pointwise.as_matmul = False


@_as_matmul()
def graphs(model: Photo) -> dict[str, bytes]:
    """name -> .tflite file; signatures in aecodec/model.py."""
    s = model.shape
    latent = tf.TensorSpec((1, TILE, TILE, s.latent), tf.float32)
    z = tf.TensorSpec((1, TILE // 4, TILE // 4, s.hyper), tf.float32)
    masks = step_masks(TILE, TILE, s.latent)

    def analysis(pixels):
        return model.analysis(ops.cast(pixels, "float32") * np.float32(1 / 255) - 0.5)

    def hyper_analysis(y):
        return model.hyper_analysis(y)

    def code(given, z, rounding, encoding):
        found = []

        def residual(mean, mask):
            v = given - encoding * mean
            r = ops.relu(ops.floor(v + rounding)) - ops.relu(ops.floor(rounding - v))
            found.append(r * mask)
            return r

        _, y_hat = model.mean_net(z, residual=residual, masks=masks)
        return {"a_r": sum(found), "b_y_hat": y_hat}

    def synthesis(y_hat, features):
        x = model.synthesis(y_hat, features)
        return ops.cast(ops.floor(ops.clip(x * 255.0 + 128.0, 0.0, 255.0)), "uint8")

    one = tf.TensorSpec((1, 1, 1, 1), tf.float32)
    features = tf.TensorSpec((1, 1, 1, s.width16 + s.synthesis8), tf.float32)
    return {
        "analysis": lite(analysis, tf.TensorSpec((1, 256, 256, 3), tf.uint8)),
        "hyper_analysis": lite(hyper_analysis, latent),
        "code": lite(code, latent, z, latent, one),
        "synthesis": lite(synthesis, latent, features),
    }
