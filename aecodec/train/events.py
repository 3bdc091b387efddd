"""The log of a training run as events of TensorBoard."""

from collections.abc import Sequence
from pathlib import Path

import tensorflow as tf

from aecodec.train.runs import Row


def write_events(rows: Sequence[Row], folder: Path) -> None:
    """Write every number of the rows of `runs.read_log`, by step or epoch. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    with tf.summary.create_file_writer(str(folder)).as_default():
        for row in rows:
            step = row.get("step", row.get("epoch"))
            for name, value in row.items():
                if isinstance(value, int | float) and name not in ("step", "epoch"):
                    tf.summary.scalar(name.replace(".", "/"), value, step=step)
