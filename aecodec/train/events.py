"""The log of a training run as events of TensorBoard: a file of records that TensorFlow alone can write."""

import errno
from collections.abc import Iterator, Sequence
from pathlib import Path

import tensorflow as tf

from aecodec.train.runs import Row

FILE = "events.out.tfevents.aecodec"  # TensorBoard looks for the middle of it
_STEPS = ("step", "epoch")


def write_events(rows: Sequence[Row], folder: Path) -> None:
    """Write every number of the rows of `runs.read_log`, by step or epoch, to `FILE` in a folder. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with tf.io.TFRecordWriter(str(folder / FILE)) as file:
            for event in _events(rows):
                file.write(event.SerializeToString())
    except tf.errors.OpError as error:
        raise OSError(errno.EIO, error.message, str(folder / FILE)) from None


def _events(rows: Sequence[Row]) -> Iterator:
    proto = tf.compat.v1
    yield proto.Event(file_version="brain.Event:2")
    for row in rows:
        values = [
            proto.Summary.Value(tag=name.replace(".", "/"), simple_value=value)
            for name, value in row.items()
            if isinstance(value, int | float) and name not in _STEPS
        ]
        step = next((row[name] for name in _STEPS if name in row), 0)
        yield proto.Event(wall_time=60 * row.get("minutes", 0), step=step, summary=proto.Summary(value=values))
