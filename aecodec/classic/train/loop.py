"""Training of a classic autoencoder: Model.fit, of which the best epoch is kept."""

import json
import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

from aecodec.classic.train.begun import WEIGHTS
from aecodec.classic.train.data import Images, noisy
from aecodec.classic.train.entries import Entry
from aecodec.train.runs import HISTORY, SETTINGS

_QUIET = 10.0  # seconds without a line


class Trained:
    """The layers of an entry, built: `encode` and `decode`, or `denoise`, on Keras tensors, and `model` for the fit."""

    def __init__(self, entry: Entry):
        nets = entry.nets()
        if entry.denoiser:
            given = keras.Input((None, None, 3))
            self.denoise, self.latent = nets, ()
            self.model = keras.Model(given, nets(given), name=entry.label)
            return
        given = keras.Input((entry.edge, entry.edge, 1))
        self.encoder = keras.Sequential(nets.encoder, name="encoder")
        self.code = keras.Sequential(nets.code, name="code") if nets.code else None
        code = self.encoder(given)
        latents = self.code(code) if self.code else code
        self.decoder = keras.Sequential(nets.decoder, name="decoder")
        self.latent = tuple(latents.shape[1:])
        self.model = keras.Model(given, self.decoder(latents), name=entry.label)

    def encode(self, x):
        """Images (N, e, e, 1) in 0..1 -> latents; the mean, if they are drawn in training."""
        code = self.encoder(x, training=False)
        return self.code(code, training=False) if self.code else code

    def decode(self, latents):
        """Latents -> images (N, e, e, 1), about 0..1."""
        return self.decoder(latents, training=False)


class Batches(keras.utils.PyDataset):
    """Batches (seen, clean) for Model.fit, float32 in 0..1; with `renew` each epoch has a new order and new noise."""

    def __init__(self, images: np.ndarray, batch: int, entry: Entry, seed: int, renew: bool = True):
        super().__init__()
        self.images, self.batch, self.noise, self.seed, self.renew = images, batch, noisy(entry), seed, renew
        self.epoch, self.order = 0, np.arange(len(images))
        self.on_epoch_end()

    def __len__(self) -> int:
        return -(-len(self.images) // self.batch)

    def on_epoch_end(self) -> None:
        if self.renew:
            np.random.default_rng([self.seed, self.epoch]).shuffle(self.order)
            self.epoch += 1

    def __getitem__(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        chosen = self.order[number * self.batch : (number + 1) * self.batch]
        clean = self.images[chosen].astype(np.float32) / np.float32(255)
        if self.noise is None:
            return clean, clean
        return self.noise(clean, np.random.default_rng([self.seed, self.epoch, number])), clean


class _Best(keras.callbacks.Callback):
    """Keep the weights of the epoch with the lowest validation loss; end the training if the loss is not finite."""

    def __init__(self, path: Path):
        super().__init__()
        self.path, self.best = path, math.inf

    def on_epoch_end(self, epoch, logs=None):
        if not math.isfinite(logs["loss"]):
            raise FloatingPointError(f"epoch {epoch + 1}: loss is not finite; the best epoch before it stands")
        if logs["val_loss"] < self.best:
            self.best = logs["val_loss"]
            self.model.save_weights(self.path)


def _optimizer(training: Mapping[str, Any], steps: int):
    rate = training["rate"]
    if training["decay"]:
        falling = max(1, round(steps * training["decay"]))
        rate = _Falling(rate, steps - falling, falling)
    if training["optimizer"] == "adadelta":
        return keras.optimizers.Adadelta(rate, rho=0.8)
    return {"adam": keras.optimizers.Adam, "nadam": keras.optimizers.Nadam}[training["optimizer"]](rate)


class _Falling(keras.optimizers.schedules.LearningRateSchedule):
    """A constant rate, then a cosine down to 1 %."""

    def __init__(self, rate: float, start: int, steps: int):
        self.rate, self.start, self.fall = rate, start, keras.optimizers.schedules.CosineDecay(rate, steps, alpha=0.01)

    def __call__(self, step):
        return self.fall(keras.ops.maximum(keras.ops.cast(step, "float32") - self.start, 0.0))

    def get_config(self) -> dict:
        return {"rate": self.rate, "start": self.start, "steps": self.fall.decay_steps}


class _Signs(keras.callbacks.Callback):
    """A line every ten seconds within an epoch, where Keras itself says nothing before its end."""

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        self.epoch, self.said = epoch + 1, time.monotonic()

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        if time.monotonic() - self.said > _QUIET:
            self.said = time.monotonic()
            print(f"epoch {self.epoch}, step {batch + 1}, loss {(logs or {}).get('loss', math.nan):.5f}", flush=True)


def fit(
    entry: Entry,
    images: Images,
    folder: Path,
    verbose: str | int = "auto",
    begin: Callable[[Trained], None] = lambda trained: None,
) -> Trained:
    """Train an entry, from the weights that `begin` sets, and return the best epoch.

    Its weights are written into `folder`, with the settings and the losses of all epochs. Raises ValueError for
    parameters that contradict each other, FloatingPointError if the loss is not finite.
    """
    t = entry.training
    keras.utils.set_random_seed(t["seed"])
    keras.mixed_precision.set_global_policy(t["precision"])
    try:
        begun = Trained(entry)
    finally:
        keras.mixed_precision.set_global_policy("float32")
    begin(begun)
    model = begun.model
    batches = Batches(images.train[: t["pictures"] or None], t["batch"], entry, t["seed"])
    val = Batches(images.val, t["batch"], entry, t["seed"] + 1, renew=False)
    optimizer = _optimizer(t, t["epochs"] * len(batches))
    model.compile(optimizer=optimizer, loss=t["loss"], loss_weights=[entry.weight], jit_compile=False)
    folder.mkdir(parents=True, exist_ok=True)
    settings = {"name": entry.name, "parameters": dict(entry.parameters), "training": dict(t)}
    (folder / SETTINGS).write_text(json.dumps(settings) + "\n")
    best = _Best(folder / WEIGHTS)
    callbacks = [best, *([_Signs()] if verbose == 2 else [])]
    history = model.fit(batches, validation_data=val, epochs=t["epochs"], callbacks=callbacks, verbose=verbose)
    losses = {name: [float(value) for value in values] for name, values in history.history.items()}
    (folder / HISTORY).write_text(json.dumps(losses) + "\n")
    trained = Trained(entry)
    trained.model.load_weights(folder / WEIGHTS)
    return trained
