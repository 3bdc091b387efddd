"""Estimated rate and distortion of a model on a fixed set of tiles, at whole knots of the quality axis."""

import keras
import numpy as np
from keras import ops


class Validation:
    """Measures a model.

    pixels: (N, S, S, 3) uint8, as `tiles_of` gives them; N is cut to whole batches where it has to be. points: so many
    knots, evenly over the axis.
    """

    def __init__(self, model, pixels: np.ndarray, points: int = 5, batch: int = 8):
        self.model, self.batch = model, min(batch, len(pixels))
        self.knots = sorted({round(k) for k in np.linspace(0, model.shape.knots - 1, points)})
        self.pixels = pixels[: len(pixels) // self.batch * self.batch]

        def measure(pixels, q):
            return ops.stack(model.loss_terms(pixels, q))

        if keras.backend.backend() == "tensorflow":
            import tensorflow as tf

            measure = tf.function(measure)
        self._measure = measure

    def run(self) -> dict:
        """-> loss (mean over the knots), and per knot bpp and psnr (dB, of the mean over pictures of each PSNR)."""
        knots: dict[str, dict[str, float]] = {}
        total = 0.0
        for knot in self.knots:
            q = np.full(self.batch, knot, np.float32)
            parts = [
                np.asarray(
                    ops.convert_to_numpy(
                        self._measure(ops.convert_to_tensor(self.pixels[i : i + self.batch]), ops.convert_to_tensor(q))
                    )
                )
                for i in range(0, len(self.pixels), self.batch)
            ]
            loss, bpp, mse = np.concatenate(parts, axis=1)
            psnr = 10 * np.log10(255**2 / np.maximum(mse, 1e-3))
            knots[str(knot)] = {"bpp": float(bpp.mean()), "psnr": float(psnr.mean())}
            total += float(loss.mean()) / len(self.knots)
        return {"loss": total, "knots": knots}
