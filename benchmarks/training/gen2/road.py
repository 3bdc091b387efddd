"""Replacements for what surrounds the nets, each beside today's in the same run -> road.json.

Every replacement is checked against what it replaces before it is timed, in processor time of one thread.
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))
from common import write_result
from runtime import interleaved, onnx_session, processor_flags
from shapes import SIGNED, _Stack

import aecodec
from aecodec.api import decode_symbols
from aecodec.bench.images import as_rgb, find_images, load_image
from aecodec.codec.latents import Symbols
from aecodec.entropy.coder import TileDecoder, encode_tile
from aecodec.entropy.hyper_synthesis import SCALES, Z_MAX
from aecodec.entropy.tables import RangeDecoder, RangeEncoder, TableRow, coder_table
from aecodec.families import by_name
from aecodec.model.lapped import overlap, segment_matrix
from aecodec.model.model import Model
from aecodec.model.point import QualityPoint
from aecodec.train.onnx_graphs import to_onnx
from aecodec.train.static import Network
from aecodec.train.static_numpy import run_numpy

TILE = 256 * 256  # pixels
QUALITY = 75
FLOOR = 5  # scale indexes up to this one need not be coded (floor.py)
_POSITION_BITS = 17  # 16 x 16 x 384 latents of a tile are fewer than 2^17


class Grouping:
    """Positions of a tile's coded latents in the order of their scale indexes; one for a thread, it keeps its memory.

    Index and position are packed into one uint32 and sorted as plain integers, for which NumPy has vector code; an
    argsort of the indexes needs 8 bytes for each position and a gather for everything that it orders.
    """

    def __init__(self, latents: int):
        self._positions = np.arange(latents, dtype=np.uint32)
        self._keys = np.empty(latents, np.uint32)
        self._kept = np.empty(latents, np.intp)
        self._edges = np.arange(SCALES + 1, dtype=np.uint32) << _POSITION_BITS

    def __call__(self, index: np.ndarray) -> tuple[np.ndarray, list[int]]:
        """index: uint8 (H, W, M) -> flat positions, valid until the next call, and the bounds (65,) of the groups."""
        keys = self._keys[: index.size]
        np.copyto(keys, index.reshape(-1))
        np.left_shift(keys, _POSITION_BITS, out=keys)
        np.bitwise_or(keys, self._positions[: index.size], out=keys)
        keys = keys[index.reshape(-1) > 0]
        keys.sort()
        positions = self._kept[: len(keys)]
        np.bitwise_and(keys, (1 << _POSITION_BITS) - 1, out=positions, casting="unsafe")
        return positions, np.searchsorted(keys, self._edges).tolist()


def decode_residuals(coder, index: np.ndarray, tables: TableRow, grouping: Grouping) -> np.ndarray:
    """What `TileDecoder.r` does where nothing is escaped."""
    positions, bounds = grouping(index)
    values = np.empty(len(positions), np.int32)
    for i, table in enumerate(tables.r):
        low, high = bounds[i], bounds[i + 1]
        if low < high:
            np.subtract(coder.decode(table, high - low), tables.reach[i], out=values[low:high])
    r = np.zeros(index.size, np.int32)
    r[positions] = values
    return r.reshape(index.shape)


def encode_residuals(coder, r: np.ndarray, index: np.ndarray, tables: TableRow, grouping: Grouping) -> None:
    """The part of `encode_tile` for residuals, where none is escaped."""
    positions, bounds = grouping(index)
    values = r.reshape(-1).take(positions)
    for i, table in enumerate(tables.r):
        low, high = bounds[i], bounds[i + 1]
        if low < high:
            coder.encode(values[low:high] + tables.reach[i], table)


def residuals(symbols: list[Symbols], tables: TableRow) -> dict[str, dict]:
    """Today's coding of residuals, the replacement, and the replacement without the lowest indexes."""
    grouping, calls = Grouping(max(index.size for _, index, _ in symbols)), {}
    for name, floor in (("replacement", 0), (f"replacement, indexes to {FLOOR} not coded", FLOOR)):
        tiles = []
        for _, index, r in symbols:
            index = np.where(index <= floor, 0, index)
            index[np.abs(r) > tables.reach[index]] = 0  # escaped ones are few
            tiles.append((index, (r * (index > 0)).astype(np.int32)))
        streams = []
        for index, r in tiles:
            coder = RangeEncoder()
            encode_residuals(coder, r, index, tables, grouping)
            streams.append(coder.get_compressed())
            assert (decode_residuals(RangeDecoder(streams[-1]), index, tables, grouping) == r).all()
        calls |= _residual_calls(name, tiles, streams, tables, grouping)
    packed = [encode_tile(z, r, index, tables) for z, index, r in symbols]
    calls["encode: today"] = lambda: [encode_tile(z[:0], r, index, tables) for z, index, r in symbols]

    def decode_today():
        for data, (z, index, _) in zip(packed, symbols, strict=True):
            coder = TileDecoder(data, tables)
            coder.z(*z.shape[:2])
            coder.r(index)

    calls["decode: today, z too"] = decode_today
    return _per_mp(calls, len(symbols))


def _residual_calls(name, tiles, streams, tables, grouping) -> dict[str, Callable]:
    def decode():
        for data, (index, _) in zip(streams, tiles, strict=True):
            decode_residuals(RangeDecoder(data), index, tables, grouping)

    def encode():
        for index, r in tiles:
            encode_residuals(RangeEncoder(), r, index, tables, grouping)

    def group():
        for index, _ in tiles:
            grouping(index)

    return {f"decode: {name}": decode, f"encode: {name}": encode, f"grouping of it: {name}": group}


def hyper_latents(symbols: list[Symbols], tables: TableRow, classes: int = 12) -> dict[str, dict]:
    """z by one table for each of 96 channels, and by `classes` tables for channels that spread alike."""
    planes = [np.ascontiguousarray(z.reshape(-1, z.shape[-1]).T.astype(np.int32) + Z_MAX) for z, _, _ in symbols]
    each = tables.z
    spread = [np.abs(np.arange(-Z_MAX, Z_MAX + 1)) @ (row / 2**24) for row in tables.frequencies.astype(np.float64)]
    groups = np.array_split(np.argsort(spread), classes)
    shared = [coder_table(_mean_table(tables.frequencies[group])) for group in groups]
    bits = {"96 tables": 0, f"{classes} tables": 0}
    streams = []
    for plane in planes:
        first, second = RangeEncoder(), RangeEncoder()
        for channel, table in zip(plane, each, strict=True):
            first.encode(channel, table)
        for group, table in zip(groups, shared, strict=True):
            second.encode(np.ascontiguousarray(plane[group]).reshape(-1), table)
        streams.append((first.get_compressed(), second.get_compressed(), plane.shape[1]))
        bits["96 tables"] += first.num_bits()
        bits[f"{classes} tables"] += second.num_bits()

    def decode_each():
        for data, _, count in streams:
            coder = RangeDecoder(data)
            for table in each:
                coder.decode(table, count)

    def decode_shared():
        for _, data, count in streams:
            coder = RangeDecoder(data)
            for group, table in zip(groups, shared, strict=True):
                coder.decode(table, count * len(group))

    def decode_today():
        for data, _, _ in streams:
            TileDecoder(data.tobytes(), tables).z(4, 4)

    times = _per_mp({"decode: today": decode_today}, len(symbols))
    times |= _per_mp({"decode: 96 tables": decode_each, f"decode: {classes} tables": decode_shared}, len(symbols))
    return times | {"bits": bits}


def _mean_table(tables: np.ndarray) -> np.ndarray:
    """uint32 frequencies that sum to 2^24."""
    mean = np.maximum(tables.astype(np.float64).mean(0).astype(np.int64), 1)
    mean[mean.argmax()] += 2**24 - mean.sum()
    return mean.astype(np.uint32)


def scale_indexes(model: Model, tiles: int = 8) -> dict[str, dict]:
    """The scale net in NumPy, 8 tiles at once, and as a static 8-bit graph of its shape, a tile at a time."""
    stack = _Stack()
    stack.name, stack.channels = "z", len(model.hyper_synthesis.w_in)
    stack.dense(256).depthwise().dense(model.hyper_synthesis.w_out.shape[1]).unfold(4)
    network = Network({"z": (len(model.hyper_synthesis.w_in), SIGNED)}, stack.layers)
    session = onnx_session(to_onnx(network))
    z = np.random.default_rng(0).integers(-9, 10, (tiles, 4, 4, len(model.hyper_synthesis.w_in)))
    shifted = (z + SIGNED).astype(np.uint8)
    assert (session.run(None, {"z": shifted[:1]})[0][0] == run_numpy(network, {"z": shifted[0]})[0]).all()

    def graph():
        for tile in shifted:
            index = session.run(None, {"z": tile[None]})[0]
            np.minimum(index, SCALES - 1, out=index)

    return _per_mp({"today": lambda: model.hyper_synthesis.run(z, 1000), "static 8-bit graph": graph}, tiles)


def overlap_strips(x: np.ndarray, across: np.ndarray, down: np.ndarray, out: np.ndarray) -> None:
    """The filter of `lapped.overlap`, then clipping and rounding down, square row by square row.

    x: float32 (H, W, 3), is overwritten. across: (48, 48), down: (16, 16). out: uint8 (H, W, 3).
    """
    height, width, _ = x.shape
    flat, pixels = x.reshape(height, -1), out.reshape(height, -1)
    inner = np.empty((16 * (width // 16 - 1), 48), np.float32)
    filtered, product = np.empty_like(inner), np.empty((16, 3 * width), np.float32)
    for top in range(0, height, 16):
        strip = flat[top : top + 16, 24:-24]
        inner.reshape(strip.shape)[:] = strip
        strip[:] = np.matmul(inner, across, out=filtered).reshape(strip.shape)
        if top:
            np.matmul(down, flat[top - 8 : top + 8], out=product)
            np.clip(product, 0, 255, out=product)
            pixels[top - 8 : top + 8] = product
    for edge in (slice(0, 8), slice(height - 8, height)):
        pixels[edge] = np.clip(flat[edge], 0, 255)


def overlaps(model: Model, side: int = 80) -> dict[str, dict]:
    v = model.numbers["overlap_post"]
    segment = segment_matrix(v)
    across = np.ascontiguousarray(np.kron(segment, np.eye(3, dtype=np.float32)))
    down = np.ascontiguousarray(segment.T)
    x = np.random.default_rng(1).uniform(0, 255, (16 * side, 16 * side, 3)).astype(np.float32)
    out = np.empty(x.shape, np.uint8)

    def today() -> np.ndarray:
        filtered = overlap(x.copy(), v)
        return np.clip(filtered, 0, 255, out=filtered).astype(np.uint8)

    expected = today()
    overlap_strips(x.copy(), across, down, out)
    assert np.abs(expected.astype(int) - out).max() <= 1  # another order of sums
    calls = {
        "today, with a copy": today,
        "strips, with a copy": lambda: overlap_strips(x.copy(), across, down, out),
        "the copy": x.copy,
    }
    return _per_mp(calls, side * side * 256 / TILE)


def small_context(latent: int = 384) -> dict[str, dict]:
    """Layers of the small context as static 8-bit graphs, a tile at a time, beside today's context net."""
    hyper = _Stack()
    hyper.name, hyper.channels = "z", 96
    hyper.dense(512).unfold(2).depthwise().dense(128).dense(512).unfold(2).depthwise().dense(128)
    step = _Stack()
    step.name, step.channels = "known", latent
    step.depthwise(5, SIGNED).dense(192).product(latent // 4)  # the product at all latents: a quarter of the channels
    first = _Stack()
    first.name, first.channels = "features", 128
    first.product(latent)
    networks = {
        "z": Network({"z": (96, SIGNED)}, hyper.layers),
        "known": Network({"known": (latent, SIGNED)}, step.layers),
        "features": Network({"features": (128, 0)}, first.layers),
    }
    sessions = {name: onnx_session(to_onnx(network)) for name, network in networks.items()}
    random = np.random.default_rng(2)

    def small(side: int) -> Callable:
        shapes = {"z": (side // 4, side // 4, 96), "features": (side, side, 128), "known": (side, side, latent)}
        inputs = {name: random.integers(64, 192, (1, *shape)).astype(np.uint8) for name, shape in shapes.items()}
        runs = [(sessions[name], {name: inputs[name]}) for name in ("z", "features", "known", "known", "known")]
        return lambda: [session.run(None, given) for session, given in runs]

    model = by_name("photo")
    r, z = np.zeros((16, 16, latent), np.float32), np.zeros((4, 4, 96), np.int32)
    times = _per_mp({"today": lambda: model.reconstruct(r, z), "small, without additions": small(16)}, 1)
    return times | _per_mp({"small, for 64x64 alone, of its size": small(4)}, 1 / 16)


def _per_mp(calls: dict[str, Callable], tiles: float) -> dict[str, dict]:
    seconds = interleaved(calls, rounds=15)
    return {name: {"ms_per_mp": [round(1e9 * t / (tiles * TILE), 2) for t in both]} for name, both in seconds.items()}


def replacements(files: list[bytes]) -> dict[str, dict]:
    """Tables for the files of one quality: median and minimum, ms of processor time for each MP of tiles."""
    model = by_name("photo")
    tables = QualityPoint(model, model.qindex(QUALITY)).tables
    symbols = [tile for data in files for tile in decode_symbols(data)]
    return {
        "residuals": residuals(symbols, tables),
        "z": hyper_latents(symbols, tables),
        "scale net": scale_indexes(model),
        "overlap": overlaps(model),
        "context": small_context(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=Path, nargs="+", required=True, help="images or folders, of whole tiles")
    images = [as_rgb(load_image(file).pixels) for file in find_images(parser.parse_args().images)]
    files = [aecodec.encode(pixels, QUALITY, effort=0, threads=1) for pixels in images]
    result = {"flags": processor_flags(), "quality": QUALITY, "pictures": len(files)}
    write_result("road", result | replacements(files), Path(__file__).parent)


if __name__ == "__main__":
    main()
