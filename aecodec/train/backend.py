"""One training step on each Keras backend: the only place that knows which one is in use."""

import time
from collections.abc import Callable

import keras
import numpy as np
from keras import ops

from aecodec.errors import ModelError
from aecodec.train.data_parallel import Exchange
from aecodec.train.settle import Grid

CLIP = 1.0  # global norm of the gradient
METRICS = 3  # that a step has besides the norm: loss, bpp, mse


def on_cpu() -> bool:
    """Whether the backend finds nothing but the processor to compute on."""
    if keras.backend.backend() == "jax":
        import jax

        return jax.default_backend() == "cpu"
    import tensorflow as tf

    return not tf.config.list_physical_devices("GPU")


def clipped(gradients):
    """Gradients scaled down to a global norm of at most CLIP, and the norm."""
    norm = ops.sqrt(sum(ops.sum(ops.square(ops.cast(g, "float32"))) for g in gradients))
    scale = ops.minimum(1.0, CLIP / (norm + 1e-12))
    return [g * ops.cast(scale, g.dtype) for g in gradients], norm


class Stepper:
    """Holds model, optimizer and moving average; `step` trains on one batch.

    model.loss_terms(pixels, q, noise) gives per-image loss, bpp and mse. Raises ModelError on any backend but
    TensorFlow and JAX.
    """

    def __init__(self, model, optimizer):
        runs, backend = {"tensorflow": self._tensorflow, "jax": self._jax}, keras.backend.backend()
        if backend not in runs:
            raise ModelError(f"Keras backend {backend}: training needs tensorflow or jax, see KERAS_BACKEND")
        self.model, self.optimizer = model, optimizer
        optimizer.build(model.trainable_variables)
        self.average = [np.array(v) for v in model.trainable_variables]
        self.exchange: Exchange | None = None  # where a run has several processes
        self.grids: dict[str, Grid] = {}  # of weights that come to rest, set before the first step; see settle.py
        # For a backend that keeps the state elsewhere: `sync` writes it into the Keras variables, `reload` takes over
        # values that were assigned to them from outside.
        self.sync: Callable[[], None] = _nothing
        self.reload: Callable[[], None] = _nothing
        self._run = runs[backend]()

    def _objective(self, pixels, q, noise):
        loss, bpp, mse = self.model.loss_terms(pixels, q, noise)
        return ops.mean(loss), (ops.mean(bpp), ops.mean(mse))

    def step(self, batch, lr: float, pull: float = 0.0) -> np.ndarray:
        """Train on `batch` (pixels, q, noise_y, noise_z); returns loss, bpp, mse, gradient norm.

        pull: by how many units weights with a grid come nearer to it afterwards.
        """
        return self._run(batch, np.float32(lr), np.float32(pull))

    def settle(self) -> None:
        """Bring all weights with a grid onto it."""
        self.sync()
        for v in self.model.trainable_variables:
            if v.path in self.grids:
                v.assign(self.grids[v.path].pulled(v, v, 0.5))
        self.reload()

    def seconds(self, batch, steps: int = 3) -> float:
        """Time of the quickest of so many steps at rate 0, after one that compiles."""
        times = []
        for _ in range(1 + steps):
            start = time.perf_counter()
            self.step(batch, 0.0)
            times.append(time.perf_counter() - start)
        return min(times[1:])

    def update_average(self, decay: float) -> None:
        """average = decay * average + (1 - decay) * weights."""
        self.sync()
        for a, v in zip(self.average, self.model.trainable_variables, strict=True):
            a *= decay
            a += (1 - decay) * np.asarray(ops.convert_to_numpy(v))

    def _tensorflow(self):
        import tensorflow as tf

        trainable = self.model.trainable_variables

        def gradients_of(pixels, q, noise_y, noise_z):
            with tf.GradientTape() as tape:
                loss, (bpp, mse) = self._objective(pixels, q, (noise_y, noise_z))
            gradients = [
                tf.zeros_like(v) if g is None else tf.convert_to_tensor(g)  # None: the model leaves v as it is
                for g, v in zip(tape.gradient(loss, trainable), trainable, strict=True)
            ]
            return [*gradients, tf.stack([loss, bpp, mse])]

        def apply(gradients, metrics, lr, pull):
            self.optimizer.learning_rate.assign(lr)
            gradients, norm = clipped(gradients)
            on_grids = [(v, tf.identity(v), self.grids[v.path]) for v in trainable if v.path in self.grids]
            self.optimizer.apply(gradients, trainable)
            for v, before, grid in on_grids:
                v.assign(grid.pulled(v, before, pull))
            return tf.concat([metrics, norm[None]], axis=0)

        @tf.function
        def run(batch, *pace):
            *gradients, metrics = gradients_of(*batch)
            return apply(gradients, metrics, *pace)

        first, last = tf.function(gradients_of), tf.function(apply)

        def call(batch, *pace):
            batch = [tf.constant(a) for a in batch]
            if self.exchange is None:
                return run(batch, *map(tf.constant, pace)).numpy()
            (*gradients, metrics), pace = self.exchange([a.numpy() for a in first(*batch)], tuple(map(float, pace)))
            return last(gradients, metrics, *(tf.constant(value, tf.float32) for value in pace)).numpy()

        return call

    def _jax(self):
        import jax
        import jax.numpy as jnp

        trainable = self.model.trainable_variables

        def objective(values, frozen, batch):
            pixels, q, *noise = batch
            with keras.StatelessScope(
                list(zip(trainable, values, strict=True))
                + list(zip(self.model.non_trainable_variables, frozen, strict=True))
            ):
                return self._objective(pixels, q, tuple(noise))

        def run(values, frozen, state, batch, lr, pull):
            grad = jax.value_and_grad(objective, has_aux=True)
            (loss, (bpp, mse)), gradients = grad(values, frozen, batch)
            gradients, norm = clipped(gradients)
            state = [
                lr if v is self.optimizer.learning_rate else s
                for v, s in zip(self.optimizer.variables, state, strict=True)
            ]
            before = values
            values, state = self.optimizer.stateless_apply(state, gradients, values)
            values = [
                self.grids[v.path].pulled(value, was, pull) if v.path in self.grids else value
                for v, value, was in zip(trainable, values, before, strict=True)
            ]
            return values, state, jnp.stack([loss, bpp, mse, norm])

        jitted = jax.jit(run, donate_argnums=(0, 2))
        held: dict[str, list] = {}  # values of the weights and of the optimizer

        def call(batch, lr, pull):
            if not held:
                held["values"] = [jnp.array(v.value, copy=True) for v in trainable]
                held["state"] = [jnp.array(v.value, copy=True) for v in self.optimizer.variables]
            frozen = [v.value for v in self.model.non_trainable_variables]
            held["values"], held["state"], metrics = jitted(held["values"], frozen, held["state"], batch, lr, pull)
            return np.asarray(metrics)

        def sync():
            if held:
                for v, value in zip(trainable, held["values"], strict=True):
                    v.assign(jnp.array(value, copy=True))
                for v, value in zip(self.optimizer.variables, held["state"], strict=True):
                    v.assign(jnp.array(value, copy=True))

        self.sync, self.reload = sync, held.clear
        return call


def _nothing() -> None:
    pass
