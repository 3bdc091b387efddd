"""The hyper-synthesis, FORMAT.md section 8: hyper-latents -> scale indexes.

Of the second generation of models it is a graph, which needs NumPy; all else is plain Python.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

GRID = 4  # hyper-latents along the edge of a tile
Plane = list[list[list[int]]]  # [row][column][channel]


class HyperSynthesis(NamedTuple):
    """Integers: w_in [Z][C], b_in [C], w_dw [3][3][C], b_dw [C], w_out [C][16 M], offset [knot][M]."""

    w_in: Sequence
    b_in: Sequence
    w_dw: Sequence
    b_dw: Sequence
    w_out: Sequence
    offset: Sequence

    def run(self, z: Plane, quality: int, height: int = GRID, width: int = GRID) -> Plane:
        """z: 4x4 hyper-latents -> 16x16 scale indexes in 0..63; zero but for the first height x width of the 4x4."""
        at = range(GRID)
        entered = [[_requantise(_affine(z[i][j], self.w_in, self.b_in), 2) for j in at] for i in at]
        offsets = offsets_at(self.offset, quality)
        latents = len(offsets)
        index = [[[0] * latents for _ in range(4 * GRID)] for _ in range(4 * GRID)]
        for i in range(height):
            for j in range(width):
                sums = list(self.b_dw)
                for di in range(3):
                    for dj in range(3):
                        if 0 <= i + di - 1 < GRID and 0 <= j + dj - 1 < GRID:
                            near = entered[i + di - 1][j + dj - 1]
                            sums = [s + w * v for s, w, v in zip(sums, self.w_dw[di][dj], near, strict=True)]
                out = _affine(_requantise(sums, 6), self.w_out, offsets * 16)
                for square in range(16):
                    part = out[square * latents : (square + 1) * latents]
                    index[4 * i + square // 4][4 * j + square % 4] = [_round(v, 10, 63) for v in part]
        return index


class ScaleGraph(NamedTuple):
    """The graph scales.onnx, and integers: offset [knot][M]."""

    graph: Callable
    offset: Sequence

    def run(self, z: Plane, quality: int, height: int = GRID, width: int = GRID) -> Plane:
        """The same, but what lies beyond the first height x width counts as nothing."""
        import numpy as np

        offsets = np.array(offsets_at(self.offset, quality) * 16, np.int32)
        [found] = self.graph(np.array([z], np.float32)[:, :height, :width], offsets)
        index = np.zeros((4 * GRID, 4 * GRID, found.shape[-1]), int)
        index[: 4 * height, : 4 * width] = found[0]
        return index.tolist()


def offsets_at(rows: Sequence, quality: int) -> list[int]:
    """Integers [knot][n] at a quality in 1/256 of a knot."""
    knot = min(quality // 256, len(rows) - 2)
    f = quality - 256 * knot
    return [a * (256 - f) + b * f + 128 >> 8 for a, b in zip(rows[knot], rows[knot + 1], strict=True)]


def _affine(values: Sequence[int], weights: Sequence, bias: Sequence[int]) -> list[int]:
    sums = list(bias)
    for value, row in zip(values, weights, strict=True):
        if value:
            sums = [s + value * w for s, w in zip(sums, row, strict=True)]
    return sums


def _round(value: int, shift: int, top: int) -> int:
    """floor(value / 2^shift + 1/2), clipped to 0..top."""
    return min(max(value + (1 << shift - 1) >> shift, 0), top)


def _requantise(values: Sequence[int], shift: int) -> list[int]:
    return [_round(v, shift, 255) for v in values]
