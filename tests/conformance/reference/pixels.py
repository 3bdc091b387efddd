"""The pixels of a file, FORMAT.md section 9: bit for bit.

Lossless WebP is left to Pillow, Zstandard to zstandard.
"""

import io

import numpy as np
import zstandard
from PIL import Image

from reference.model import TUNING, Model, between, integers_between
from reference.symbols import Tile, decode_tile, read_tiles

ROOTS = [8388608, 9147842, 9975792, 10878679, 11863283, 12937002, 14107901, 15384775]  # 2^(i / 8 + 23)


def decode_pixels(file: bytes, model: Model) -> np.ndarray:
    """-> uint8 (height, width, channels). Raises Refused."""
    header, chunks, tiles = read_tiles(file, model)
    height, width = header.height, header.width
    image, known = np.zeros((height, width, 4), np.uint8), np.zeros((height, width), bool)
    for tile in tiles:
        if tile.exact:
            area = np.s_[tile.top : tile.top + tile.height, tile.left : tile.left + tile.width]
            image[area], known[area] = _webp(tile.data), True
    if not known.all():
        learned = [tile for tile in tiles if not tile.exact]
        synthesise(image[..., :3], known, learned, header.quality, model)
    colours, alpha = image[..., :3], image[..., 3:]
    if header.channels < 3:
        colours = ((colours.astype(int) @ [299, 587, 114] + 500) // 1000)[..., None].astype(np.uint8)
    if b"ALPH" in chunks:
        alpha = _alpha(chunks[b"ALPH"], height, width)
    return np.concatenate([colours, alpha], axis=2) if header.channels in (2, 4) else colours


def synthesise(rgb: np.ndarray, known: np.ndarray, learned: list[Tile], quality: int, model: Model) -> None:
    """Fill in what is not known."""
    height, width, _ = rgb.shape
    rows, columns = -(-height // 16), -(-width // 16)
    tuning, qindex = divmod(quality, TUNING)
    numbers = model.numbers[tuning]
    weight = np.float32(numbers.get("log_weight", 0))
    gain, inverse_gain = (
        exponential(between(numbers[name], qindex) + sign * weight)
        for name, sign in (("log_gain", 1), ("log_gain_inverse", -1))
    )
    plane = np.zeros((rows, columns, len(gain)), np.float32)
    for tile in learned:
        top, left = tile.top // 16, tile.left // 16
        part = plane[top : top + 16, left : left + 16]
        y_hat, eighths = decode_latents(tile.data, *part.shape[:2], quality, model)
        part[:] = y_hat * inverse_gain
        part *= power(-eighths)[..., None]
    biases = integers_between(numbers["biases"], qindex)

    def run() -> None:
        net, linear = model.graphs["synthesis"](plane[None], biases)
        samples = unfold((net[0] + numbers["sample_offset"]) + unfold(linear[0], 2), 8)
        pixels = overlapped(np.rint(samples), numbers["overlap_post"]) // 8192
        rgb[~known] = np.clip(pixels, 0, 255)[:height, :width][~known]

    run()
    if known.any():
        pixels = np.pad(rgb, ((0, -height % 16), (0, -width % 16), (0, 0)), "edge")
        levels = np.rint(overlapped(8.0 * pixels, numbers["overlap_pre"]) / 8192)
        [y] = model.graphs["analysis"](fold(levels - 128, 8)[None].astype(np.float32))
        exact = known[::16, ::16]
        plane[exact] = (y[0] * (gain * inverse_gain))[exact]
        run()


def decode_latents(data: bytes, height: int, width: int, quality: int, model: Model) -> tuple[np.ndarray, np.ndarray]:
    """Bitstream of a tile -> y_hat (height, width, M), and the deltas that scale it (height, width), 0 in tuning 0."""
    tuning, qindex = divmod(quality, TUNING)
    z, _, r = decode_tile(data, height, width, quality, model)
    rows, columns = -(-height // 4), -(-width // 4)
    z, deltas = np.split(z[:rows, :columns], [z.shape[-1] - tuning], 2)
    inputs = (part[None].astype(np.float32) for part in (r[: 4 * rows, : 4 * columns], z))
    [y_hat] = model.graphs["reconstruct"](*inputs, between(model.numbers[tuning]["steps"], qindex))
    return y_hat[0, :height, :width], deltas.sum(2).repeat(4, 0).repeat(4, 1)[:height, :width]


def fold(x: np.ndarray, n: int) -> np.ndarray:
    """The inverse of `unfold`."""
    height, width, size = x.shape
    rows, columns = height // n, width // n
    return x.reshape(rows, n, columns, n, size).swapaxes(1, 2).reshape(rows, columns, n * n * size)


def unfold(x: np.ndarray, n: int) -> np.ndarray:
    """(rows, columns, n * n * C) -> (n * rows, n * columns, C)."""
    rows, columns, size = x.shape
    return x.reshape(rows, columns, n, n, -1).swapaxes(1, 2).reshape(n * rows, n * columns, size // n**2)


def power(eighths: np.ndarray) -> np.ndarray:
    """2^(n / 8) as float32.

    >>> power(np.array([-8, 0, 4, 24])).tolist()
    [0.5, 1.0, 1.4142135381698608, 8.0]
    """
    return np.array(ROOTS, np.float32)[eighths % 8] * np.exp2(eighths // 8 - 23.0).astype(np.float32)


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
        return np.asarray(image.convert("RGBA"))


def _alpha(data: bytes, height: int, width: int) -> np.ndarray:
    if data[0] == 0:
        return np.full((height, width, 1), data[1], np.uint8)
    plane = zstandard.ZstdDecompressor().decompress(data[1:])
    alpha = np.frombuffer(plane, np.uint8).reshape(height, width, 1)
    for axis, codings in ((1, (2, 4)), (0, (3, 4))):
        if data[0] in codings:
            alpha = np.cumsum(alpha, axis=axis, dtype=np.uint8)
    return alpha
