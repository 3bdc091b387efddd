"""The pixels of a file of a model of the second generation, FORMAT.md section 9, in NumPy: bit for bit.

Lossless WebP is left to Pillow, Zstandard to zstandard.
"""

import io
from pathlib import Path
from typing import NamedTuple

import numpy as np
import zstandard
from PIL import Image

from reference.container import read_container, require
from reference.graphs import Graph
from reference.hyper_synthesis import offsets_at
from reference.numbers import load_model, read_arrays
from reference.symbols import TUNING, Model, check_exact, decode_tile

ROOTS = [8388608, 9147842, 9975792, 10878679, 11863283, 12937002, 14107901, 15384775]  # 2^(i / 8 + 23)


class PixelModel(NamedTuple):
    """What symbols need, the graphs behind them, and for either tuning all arrays by name."""

    symbols: Model
    reconstruct: Graph
    synthesis: Graph
    analysis: Graph
    numbers: tuple[dict[str, np.ndarray], ...]


def load_pixel_model(folder: Path) -> PixelModel:
    """Read a model's folder."""
    graphs = (Graph(folder / f"{name}.onnx") for name in ("reconstruct", "synthesis", "analysis"))
    numbers = ({name: np.array(a) for name, a in read_arrays(folder, tuning).items()} for tuning in (0, 1))
    return PixelModel(load_model(folder), *graphs, tuple(numbers))


def decode_pixels(file: bytes, model: PixelModel) -> np.ndarray:
    """-> uint8 (height, width, channels). Raises Refused."""
    header, chunks, bitstreams, exact = read_container(file)
    require(header.tile == 256 and len(exact) < len(bitstreams), "header: no learned tile, or another size of tiles")
    require(model.symbols.knows(header.quality), "header: quality")
    height, width = header.height, header.width
    rgb, known = np.zeros((height, width, 3), np.uint8), np.zeros((height, width), bool)
    learned = {}
    for number, data in enumerate(bitstreams):
        row, column = divmod(number, -(-width // 256))
        area = np.s_[row * 256 : row * 256 + 256, column * 256 : column * 256 + 256]
        if number in exact:
            check_exact(data, *rgb[area].shape[:2], alpha=False)
            rgb[area], known[area] = _webp(data), True
        else:
            learned[row, column] = data
    synthesise(rgb, known, learned, header.quality, model)
    if header.channels < 3:
        rgb = ((rgb.astype(int) @ [299, 587, 114] + 500) // 1000)[..., None].astype(np.uint8)
    return np.concatenate([rgb, *(_alpha(data, height, width) for tag, data in chunks.items() if tag == b"ALPH")], 2)


def synthesise(rgb: np.ndarray, known: np.ndarray, learned: dict, quality: int, model: PixelModel) -> None:
    """Fill in what is not known. learned: bitstreams by (row, column) of their tiles."""
    height, width, _ = rgb.shape
    rows, columns = -(-height // 16), -(-width // 16)
    tuning, qindex = divmod(quality, TUNING)
    numbers = model.numbers[tuning]
    weight = np.float32(numbers.get("log_weight", 0))
    gain, inverse_gain = (
        exponential(between(numbers[name].astype(np.float32), qindex) + sign * weight)
        for name, sign in (("log_gain", 1), ("log_gain_inverse", -1))
    )
    plane = np.zeros((rows, columns, len(gain)), np.float32)
    for (row, column), data in learned.items():
        part = plane[row * 16 : row * 16 + 16, column * 16 : column * 16 + 16]
        y_hat, eighths = decode_latents(data, *part.shape[:2], quality, model)
        part[:] = y_hat * inverse_gain
        part *= power(-eighths)[..., None]
    biases = np.array(offsets_at(numbers["biases"].tolist(), qindex), np.int32)

    def run() -> None:
        samples = model.synthesis(plane[None], biases)[0][0]
        pixels = overlapped(np.rint(samples), numbers["overlap_post"]) // 8192
        rgb[~known] = np.clip(pixels, 0, 255)[:height, :width][~known]

    run()
    if known.any():
        pixels = np.pad(rgb, ((0, -height % 16), (0, -width % 16), (0, 0)), "edge")
        levels = np.rint(overlapped(8.0 * pixels, numbers["overlap_pre"]) / 8192)
        y = model.analysis(levels[None].astype(np.float32))[0][0] * (gain * inverse_gain)
        exact = known[::16, ::16]
        plane[exact] = y[exact]
        run()


def decode_latents(
    data: bytes, height: int, width: int, quality: int, model: PixelModel
) -> tuple[np.ndarray, np.ndarray]:
    """Bitstream of a tile -> y_hat (height, width, M), and the deltas that scale it (height, width), 0 in tuning 0."""
    tuning, qindex = divmod(quality, TUNING)
    z, _, r = (np.array(part) for part in decode_tile(data, height, width, quality, model.symbols))
    rows, columns = -(-height // 4), -(-width // 4)
    steps = between(model.numbers[tuning]["steps"].astype(np.float32), qindex)
    z, deltas = np.split(z[:rows, :columns], [z.shape[-1] - tuning], 2)
    inputs = (part[None].astype(np.float32) for part in (r[: 4 * rows, : 4 * columns], z))
    [y_hat] = model.reconstruct(*inputs, steps)
    return y_hat[0, :height, :width], deltas.sum(2).repeat(4, 0).repeat(4, 1)[:height, :width]


def power(eighths: np.ndarray) -> np.ndarray:
    """2^(n / 8) as float32.

    >>> power(np.array([-8, 0, 4, 24])).tolist()
    [0.5, 1.0, 1.4142135381698608, 8.0]
    """
    return np.array(ROOTS, np.float32)[eighths % 8] * np.exp2(eighths // 8 - 23.0).astype(np.float32)


def between(rows: np.ndarray, quality: int) -> np.ndarray:
    """The row of float32 at a quality, by single operations of float32."""
    k = min(quality // 256, len(rows) - 2)
    w = np.float32((quality - 256 * k) / 256)
    return rows[k] * (np.float32(1) - w) + rows[k + 1] * w


def exponential(x: np.ndarray) -> np.ndarray:
    """e^x of float32, by single operations of float64.

    >>> bool(np.allclose(exponential(np.float32([0, 1, -7.3])), np.exp([0, 1, -7.3])))
    True
    """
    x = x.astype(np.float64)
    n = np.rint(x * 1.4426950408889634)
    rest, series = x - n * 0.6931471805599453, np.ones_like(x)
    for i in range(13, 0, -1):
        series = series * rest / i + 1
    return (series * 2.0**n).astype(np.float32)


def overlapped(samples: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Whole eighths of a level (rows, columns, 3) -> int64 in 1024ths of them."""
    v = np.rint(512 * matrix).astype(np.int64)
    flip = np.eye(8, dtype=np.int64)[::-1]
    segment = 512 * np.block([[flip @ flip, flip], [flip, flip @ flip]])
    segment += np.block([[flip @ v @ flip, -flip @ v], [-v @ flip, v]])
    gain = int(np.abs(segment).sum(0).max())
    limit = ((1 << 24) - gain) * 1024 // gain**2
    x = np.clip(samples.astype(np.int64), -limit, limit)
    along_rows = np.rint(_filtered(x, segment) / 1024).astype(np.int64)  # to the even one of two that are as near
    return _filtered(along_rows.swapaxes(0, 1), segment).swapaxes(0, 1)


def _filtered(x: np.ndarray, segment: np.ndarray) -> np.ndarray:
    """Along the second axis."""
    out = 1024 * x
    for border in range(16, x.shape[1], 16):
        part = np.s_[:, border - 8 : border + 8]
        out[part] = np.einsum("hic,io->hoc", x[part], segment)
    return out


def _webp(data: bytes) -> np.ndarray:
    chunk = b"VP8L" + len(data).to_bytes(4, "little") + data + bytes(len(data) % 2)
    file = b"RIFF" + (4 + len(chunk)).to_bytes(4, "little") + b"WEBP" + chunk
    with Image.open(io.BytesIO(file), formats=["WEBP"]) as image:
        return np.asarray(image.convert("RGB"))


def _alpha(data: bytes, height: int, width: int) -> np.ndarray:
    if data[0] == 0:
        return np.full((height, width, 1), data[1], np.uint8)
    plane = zstandard.ZstdDecompressor().decompress(data[1:])
    alpha = np.frombuffer(plane, np.uint8).reshape(height, width, 1)
    for axis, codings in ((1, (2, 4)), (0, (3, 4))):
        if data[0] in codings:
            alpha = np.cumsum(alpha, axis=axis, dtype=np.uint8)
    return alpha
