"""The pipeline from pixels to .aez bytes and back.

    pixels --> windows --> analysis --> y --> tiles, each for itself:
                                              y * gain --> hyper_analysis --> z --> scale net --> scale indexes
                                                      '--> code: r = round(y - mu), four steps       |
                                              z, r ------------------- entropy coder <---------------+--> container
    bytes --> container --> tiles: z, scale indexes, r --> code: y_hat = r + mu --> / gain
                                              --> y_hat --> windows --> synthesis --> pixels

The only module that sees all the rooms below it.
"""

import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from aecodec import container, sidedata, tiles
from aecodec.container import DEFAULT_LIMITS, Header, Limits
from aecodec.entropy import TileDecoder, encode_tile
from aecodec.errors import CorruptError, EncodeError, UnsupportedError
from aecodec.model import Model, by_id, by_name, models
from aecodec.sidedata import Metadata

TILE = tiles.TILE * tiles.STRIDE  # pixels
WINDOW = 80  # latents along the edge of the largest window of the transforms
HALO = 4  # latents: the receptive field of either transform
BATCH = 8  # tiles that share one run of the scale net
RESIDUAL_MAX = 60_000  # within the escape code's reach
_GREY = np.array([299, 587, 114], np.uint32)  # luma of ITU-R BT.601, in thousandths


@dataclass(frozen=True, slots=True)
class Info:
    """What a file says about itself. `quality` is on the scale 1..100; `chunks` maps tags to stored sizes in bytes."""

    version: int
    model_id: int
    model: str | None
    width: int
    height: int
    channels: int
    quality: float | None
    tile: int
    tiles: int
    chunks: dict[str, int]
    size: int


def encode(
    image: np.ndarray,
    /,
    quality: float = 75,
    *,
    model: str | Model = "photo",
    metadata: Metadata = Metadata(),  # noqa: B008 (immutable)
    threads: int | None = None,
) -> bytes:
    """Compress a picture.

    image: uint8, (H, W) grey, (H, W, 2) grey and alpha, (H, W, 3) RGB or (H, W, 4) RGB and alpha; alpha is lossless.
    quality: 1 (smallest) to 100 (best). threads: None for all that the process may use; the bytes are always the same.
    model: a name, or a loaded Model.
    Raises TypeError and ValueError for arguments out of range, ModelError.

    >>> import numpy as np
    >>> image = np.zeros((40, 60, 3), np.uint8)
    >>> decode(encode(image, quality=50)).shape
    (40, 60, 3)
    """
    pixels, alpha, channels = _planes(image)
    if not 1 <= quality <= 100:
        raise ValueError(f"quality: {quality}, expected 1 to 100")
    weights = model if isinstance(model, Model) else by_name(model)
    units = weights.quality_units(quality)
    height, width = pixels.shape[:2]
    with Workers(threads) as workers:
        y = analyse(pixels, weights, workers)
        bitstreams = _encode_tiles(y, tiles.tiles(height, width), units, weights, workers)
    chunks = sidedata.pack_metadata(metadata)
    if alpha is not None:
        chunks.append(container.Chunk(container.ALPHA, sidedata.encode_alpha(alpha)))
    return container.write(Header(weights.id, width, height, channels, units, TILE), bitstreams, chunks)


def decode(data, /, *, limits: Limits = DEFAULT_LIMITS, threads: int | None = None) -> np.ndarray:
    """Decompress to the shape that was encoded: uint8 (H, W), (H, W, 2), (H, W, 3) or (H, W, 4).

    data: any bytes-like. Raises DecodeError (see aecodec.errors), ModelError.
    """
    file = container.read(data, limits)
    header = file.header
    weights = _checked_model(header)
    place = tiles.tiles(header.height, header.width)
    with Workers(threads) as workers:
        y_hat = _decode_tiles(file.tiles, place, header, weights, workers)
        pixels = _synthesise(y_hat, header, weights, workers)
    if header.channels < 3:
        pixels = ((pixels @ _GREY + 500) // 1000).astype(np.uint8)
    if header.channels % 2:
        return pixels
    stored = next(c.data for c in file.chunks if c.tag == container.ALPHA)
    alpha = sidedata.decode_alpha(stored, header.height, header.width)
    return np.dstack([pixels, alpha])


def read_info(data, /, *, limits: Limits = DEFAULT_LIMITS) -> Info:
    """Describe a file from its header and index alone. Raises DecodeError."""
    index = container.read_index(data, limits)
    h = index.header
    weights = next((m for m in models().values() if m.id == h.model), None)
    return Info(
        version=container.VERSION,
        model_id=h.model,
        model=weights and weights.name,
        width=h.width,
        height=h.height,
        channels=h.channels,
        quality=weights and round(weights.quality_scale(h.quality), 2),
        tile=h.tile,
        tiles=h.tile_count,
        chunks={tag.decode("ascii").strip(): span.size for tag, span in index.chunks},
        size=index.size,
    )


def read_metadata(data, /, *, limits: Limits = DEFAULT_LIMITS) -> Metadata:
    """ICC profile, EXIF and XMP of a file. Raises DecodeError."""
    return sidedata.unpack_metadata(container.read(data, limits).chunks, limits.max_metadata)


def decode_symbols(data, /, *, limits: Limits = DEFAULT_LIMITS) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """The exact part of decoding: z, scale indexes and r of each tile. No float network takes part in it."""
    file = container.read(data, limits)
    weights = _checked_model(file.header)
    place = tiles.tiles(file.header.height, file.header.width)
    return list(_parse(list(zip(range(len(place)), place, file.tiles, strict=True)), file.header, weights))


class Workers:
    """Runs a function over items on so many threads, results in order; on one thread without any pool."""

    def __init__(self, threads: int | None):
        if threads is not None and threads < 1:
            raise ValueError(f"threads: {threads}, expected 1 or more")
        usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        self.count = threads or usable or 1
        self._pool = ThreadPoolExecutor(self.count) if self.count > 1 else None

    def map(self, function: Callable, items: Iterable) -> list:
        return list((self._pool.map if self._pool else map)(function, items))

    def batches(self, items: Sequence) -> list[Sequence]:
        """Groups of at most BATCH items, small enough that every thread gets some."""
        size = max(1, min(BATCH, len(items) // (2 * self.count)))
        return [items[i : i + size] for i in range(0, len(items), size)]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self._pool:
            self._pool.shutdown(cancel_futures=True)


def _checked_model(header: Header) -> Model:
    weights = by_id(header.model)
    if header.tile != TILE:
        raise UnsupportedError(f"header: tile of {header.tile} px, expected {TILE}")
    if header.quality > 256 * weights.last_knot:
        raise CorruptError(f"header: quality {header.quality}, expected at most {256 * weights.last_knot}")
    return weights


def _planes(image: np.ndarray) -> tuple[np.ndarray, np.ndarray | None, int]:
    """-> RGB (H, W, 3), alpha (H, W) or None, number of channels."""
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8:
        raise TypeError(f"image: {getattr(image, 'dtype', type(image).__name__)}, expected a uint8 array")
    channels = 1 if image.ndim == 2 else image.shape[2] if image.ndim == 3 and image.shape[2] > 1 else 0
    if channels not in (1, 2, 3, 4):
        raise ValueError(f"image: shape {image.shape}, expected (H, W) or (H, W, 2..4)")
    if 0 in image.shape:
        raise EncodeError(f"image: {image.shape[1]}x{image.shape[0]}, expected at least 1x1")
    alpha = image[..., -1] if channels in (2, 4) else None
    if channels >= 3:
        return image[..., :3], alpha, channels
    grey = image if image.ndim == 2 else image[..., 0]
    return np.repeat(grey[..., None], 3, axis=-1), alpha, channels


def analyse(pixels: np.ndarray, weights: Model, workers: Workers) -> np.ndarray:
    """pixels (H, W, 3) -> y (h, w, M) at unit gain."""
    h, w = (tiles.latent_size(n) for n in pixels.shape[:2])
    y = np.empty((h, w, weights.latent), np.float32)

    def run(window):
        rows, columns = window
        part = tiles.pad_window(pixels, *(slice(s.start * tiles.STRIDE, s.stop * tiles.STRIDE) for s in window))
        found = weights.analysis(part)
        y[rows.keep_start : rows.keep_stop, columns.keep_start : columns.keep_stop] = found[
            rows.keep_start - rows.start : rows.keep_stop - rows.start,
            columns.keep_start - columns.start : columns.keep_stop - columns.start,
        ]

    workers.map(run, tiles.windows(h, w, WINDOW, HALO))
    return y


def _synthesise(y_hat: np.ndarray, header: Header, weights: Model, workers: Workers) -> np.ndarray:
    """y_hat (h, w, M) at unit gain -> pixels (H, W, 3)."""
    height, width = header.height, header.width
    pixels = np.empty((height, width, 3), np.uint8)
    features = weights.features(header.quality)

    def run(window):
        rows, columns = window
        part = np.ascontiguousarray(y_hat[rows.start : rows.stop, columns.start : columns.stop])
        found = weights.synthesis(part, features)
        top, left = rows.keep_start * tiles.STRIDE, columns.keep_start * tiles.STRIDE
        bottom, right = min(rows.keep_stop * tiles.STRIDE, height), min(columns.keep_stop * tiles.STRIDE, width)
        up, aside = rows.start * tiles.STRIDE, columns.start * tiles.STRIDE
        pixels[top:bottom, left:right] = found[top - up : bottom - up, left - aside : right - aside]

    workers.map(run, tiles.windows(*y_hat.shape[:2], WINDOW, HALO))
    return pixels


def _scale_indexes(z: np.ndarray, place: Sequence[tiles.Tile], units: int, weights: Model) -> np.ndarray:
    """z (N, 4, 4, Z) -> uint8 (N, 16, 16, M), zero outside the picture."""
    index = weights.scale_net.run(z, units)
    for i, tile in zip(index, place, strict=True):
        i[tile.height :] = 0
        i[:, tile.width :] = 0
    return index


def tile_symbols(y: np.ndarray, batch: Sequence[tiles.Tile], units: int, weights: Model):
    """What the entropy coder gets: z (h, w, Z), scale indexes and r (H, W, M) of each tile, inside the picture."""
    gain = weights.gain(units)
    given = np.zeros((len(batch), tiles.TILE, tiles.TILE, weights.latent), np.float32)
    z = []
    for one, tile in zip(given, batch, strict=True):
        np.multiply(y[tile.inside], gain, out=one[: tile.height, : tile.width])
        rows, columns = tile.hyper
        z.append(weights.hyper_analysis(one))
        z[-1][rows:] = 0
        z[-1][:, columns:] = 0
    index = _scale_indexes(np.stack(z), batch, units, weights)
    rounding = weights.rounding[index]
    for one, hyper, add, scale, tile in zip(given, z, rounding, index, batch, strict=True):
        r, _ = weights.code(one, hyper, add)
        r = np.clip(r, -RESIDUAL_MAX, RESIDUAL_MAX).astype(np.int32)
        inside = slice(tile.height), slice(tile.width)
        yield hyper[: tile.hyper[0], : tile.hyper[1]], scale[inside], r[inside]


def _encode_tiles(y: np.ndarray, place: list[tiles.Tile], units: int, weights: Model, workers: Workers) -> list[bytes]:
    knot = weights.z_knot(units)

    def run(batch):
        return [
            encode_tile(z, r, index, knot, weights.tables) for z, index, r in tile_symbols(y, batch, units, weights)
        ]

    return [data for batch in workers.map(run, workers.batches(place)) for data in batch]


def _parse(batch, header: Header, weights: Model):
    """batch: (number, Tile, bitstream) -> z (4, 4, Z), scale indexes and r (16, 16, M) of each."""
    knot = weights.z_knot(header.quality)
    coders, z = [], np.zeros((len(batch), 4, 4, weights.tables.z.shape[1]), np.int32)
    for (number, tile, data), hyper in zip(batch, z, strict=True):
        with _named(number):
            coders.append(TileDecoder(data, knot, weights.tables))
            rows, columns = tile.hyper
            hyper[:rows, :columns] = coders[-1].z(rows, columns)
    index = _scale_indexes(z, [tile for _, tile, _ in batch], header.quality, weights)
    for (number, tile, _), coder, hyper, scale in zip(batch, coders, z, index, strict=True):
        r = np.zeros(scale.shape, np.int32)
        inside = slice(tile.height), slice(tile.width)
        with _named(number):
            r[inside] = coder.r(scale[inside])
        yield hyper, scale, r


def _decode_tiles(
    bitstreams: Sequence, place: list[tiles.Tile], header: Header, weights: Model, workers: Workers
) -> np.ndarray:
    """-> y_hat (h, w, M) at unit gain."""
    inverse = weights.inverse_gain(header.quality)
    h, w = tiles.latent_size(header.height), tiles.latent_size(header.width)
    y_hat = np.empty((h, w, weights.latent), np.float32)

    def run(batch):
        for (_, tile, _), (z, _, r) in zip(batch, _parse(batch, header, weights), strict=True):
            _, found = weights.code(r.astype(np.float32), z)
            np.multiply(found[: tile.height, : tile.width], inverse, out=y_hat[tile.inside])

    numbered = list(zip(range(len(place)), place, bitstreams, strict=True))
    workers.map(run, workers.batches(numbered))
    return y_hat


class _named:
    """Puts the number of a tile before the message of a CorruptError."""

    def __init__(self, number: int):
        self.number = number

    def __enter__(self):
        return self

    def __exit__(self, kind, error, _):
        if kind is CorruptError:
            raise CorruptError(f"tile {self.number}: {error}") from None
