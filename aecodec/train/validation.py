"""Estimated rate and distortion of a model on a fixed set of tiles, at whole knots of the quality axis."""

import keras
import numpy as np
from keras import ops

from aecodec.pixels import decibels


class Validation:
    """Measures a model.

    pixels: (N, S, S, 3) uint8, as `tiles_of` gives them; N is cut to whole batches where it has to be. points: so many
    knots, evenly over the axis.
    """

    def __init__(self, model, pixels: np.ndarray, points: int = 5, batch: int = 8):
        self.model, self.batch = model, min(batch, len(pixels))
        self.knots = sorted({round(k) for k in np.linspace(0, model.shape.knots - 1, points)})
        self.pixels = pixels[: len(pixels) // self.batch * self.batch]

        def measure(pixels, q, chosen):
            return ops.stack(model.loss_terms(pixels, q, None, chosen if model.shape.visual else None))

        if keras.backend.backend() == "tensorflow":
            import tensorflow as tf

            measure = tf.function(measure)
        self._measure = measure

    def run(self) -> dict:
        """-> loss, mean over the knots, and per knot bpp and psnr (dB, of the mean over images of each PSNR).

        Of a model for both tunings, the loss is the mean of both, each by its own distortion, as in training, with
        either beside it in `losses`. Knots are those of the psnr tuning.
        """
        plain = self._at(0.0)
        if not self.model.shape.visual:
            return plain
        losses = {"psnr": plain["loss"], "visual": self._at(1.0)["loss"]}
        return plain | {"loss": sum(losses.values()) / 2, "losses": losses}

    def _at(self, chosen: float) -> dict:
        """Loss and knots of one tuning."""
        knots: dict[str, dict[str, float]] = {}
        total = 0.0
        for knot in self.knots:
            q, tuning = (ops.convert_to_tensor(np.full(self.batch, value, np.float32)) for value in (knot, chosen))
            parts = [
                np.asarray(ops.convert_to_numpy(self._measure(ops.convert_to_tensor(pixels), q, tuning)))
                for pixels in np.split(self.pixels, len(self.pixels) // self.batch)
            ]
            loss, bpp, mse = np.concatenate(parts, axis=1)
            knots[str(knot)] = {"bpp": float(bpp.mean()), "psnr": float(decibels(mse, 1e-3).mean())}
            total += float(loss.mean()) / len(self.knots)
        return {"loss": total, "knots": knots}
