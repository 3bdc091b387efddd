"""A model, FORMAT.md section 8.1: the graphs and the arrays of a folder, and what lies between two knots."""

from pathlib import Path

import numpy as np

from reference.graphs import Graph

TUNING = 4096  # the header's quality is a qindex plus so many times the tuning


class Model:
    """The graphs of a decoder by name, and for each tuning the arrays by name."""

    def __init__(self, folder: Path):
        names = "scales", "reconstruct", "synthesis", "analysis"
        self.graphs = {name: Graph(folder / f"{name}.onnx") for name in names}
        self.numbers = [dict(np.load(folder / "numbers.npz"))]
        if (folder / "visual.npz").exists():
            self.numbers.append(self.numbers[0] | dict(np.load(folder / "visual.npz")))

    def knows(self, quality: int) -> bool:
        """Whether a header's quality is one of this model."""
        tuning, qindex = divmod(quality, TUNING)
        return tuning < len(self.numbers) and qindex <= 256 * (len(self.numbers[0]["offset"]) - 1)


def between(rows: np.ndarray, qindex: int) -> np.ndarray:
    """The row of float32 at a qindex, by single operations of float32."""
    k = min(qindex // 256, len(rows) - 2)
    w = np.float32((qindex - 256 * k) / 256)
    return rows[k] * (np.float32(1) - w) + rows[k + 1] * w


def integers_between(rows: np.ndarray, qindex: int) -> np.ndarray:
    """The row of int32 at a qindex."""
    k = min(qindex // 256, len(rows) - 2)
    f = qindex - 256 * k
    a, b = rows[k : k + 2].astype(np.int64)
    return (a * (256 - f) + b * f + 128 >> 8).astype(np.int32)
