"""The networks as LiteRT graphs: what aecodec/model.py runs. Needs the TensorFlow backend."""

import numpy as np
import tensorflow as tf
from keras import ops

from aecodec.train.entropy_model import step_masks
from aecodec.train.photo import TILE, Photo


def lite(function, *specs: tf.TensorSpec, float16: bool = True) -> bytes:
    """Convert a function of fixed input shapes; its convolutional graphs may be resized when run."""
    concrete = tf.function(function, input_signature=specs).get_concrete_function()
    converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete], function)
    if float16:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.target_spec.supported_types = [tf.float16]
    return converter.convert()


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
