"""The pipeline from pixels to .aez bytes and back.

    pixels --> windows --> analysis --> y (--> refine.py) --> tiles, each for itself:
                                              y * gain --> hyper_analysis --> z --> scale net --> scale indexes
                                                      '--> code: r = round(y - mu), four steps       |
                                              z, r ------------------- entropy coder <---------------+--> container
    bytes --> container --> tiles: z, scale indexes, r --> code: y_hat = r + mu --> / gain
                                              --> y_hat --> windows --> synthesis --> pixels

The only module that sees all the rooms below it.
"""

import math
import operator
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial

import numpy as np

from aecodec import container, sidedata, tiles
from aecodec.classic import codec as classic
from aecodec.classic.weights import Classic, classics
from aecodec.classic.weights import by_id as classic_by_id
from aecodec.errors import CorruptError, EncodeError, UnsupportedError
from aecodec.header import VERSION, Header
from aecodec.limits import DEFAULT_LIMITS, Limits
from aecodec.model import Model, by_id, by_name, models
from aecodec.sidedata import Metadata
from aecodec.source import Source
from aecodec.targets import fit_psnr, fit_size
from aecodec.tilecoder import decode_tiles, parse
from aecodec.tiles import Region
from aecodec.transforms import luma, needed, synthesise
from aecodec.workers import Workers

TILE = tiles.TILE * tiles.STRIDE  # pixels
DEFAULT_QUALITY = 75
DEFAULT_EFFORT, LAST_EFFORT = 1, 9


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
    quality: float | None = None,
    *,
    target_size: int | None = None,
    target_bpp: float | None = None,
    target_psnr: float | None = None,
    effort: int = DEFAULT_EFFORT,
    model: str | Model | Classic = "photo",
    metadata: Metadata = Metadata(),  # noqa: B008 (immutable)
    threads: int | None = None,
) -> bytes:
    """Compress a picture.

    image: uint8, (H, W) grey, (H, W, 2) grey and alpha, (H, W, 3) RGB or (H, W, 4) RGB and alpha; alpha is lossless.
    One of these says how well, quality 75 if none does:
    quality: 1 (smallest) to 100 (best).
    target_size: bytes that the whole file has at most; at least 97 % of them are used unless quality 100 needs less.
    target_bpp: the same in bits per pixel.
    target_psnr: dB that the decoded colours (the grey) have at least, and at most 0.1 dB more unless quality 1 has.
    In tiny pictures the steps of the quality may be too coarse for these margins; the bounds hold nevertheless.
    effort: 0 to 9, how many times what has been made so far is decoded and corrected by what it lacks. Files are
    smaller at the same PSNR; at the same quality PSNR and bytes rise. Models that cannot refine leave it out.
    model: a name, or a loaded one; a classic autoencoder has one quality and takes grey pictures only.
    threads: None for all that the process may use; the bytes are always the same.
    Raises EncodeError where a target cannot be met, TypeError and ValueError for arguments out of range, ModelError.

    >>> import numpy as np
    >>> image = np.zeros((40, 60, 3), np.uint8)
    >>> decode(encode(image, quality=50)).shape
    (40, 60, 3)
    >>> len(encode(image, target_size=500)) <= 500
    True
    """
    pixels, alpha, channels = _planes(image)
    aimed = _check_aim(quality, target_size, target_bpp, target_psnr)
    if not 0 <= operator.index(effort) <= LAST_EFFORT:
        raise ValueError(f"effort: {effort}, expected 0 to {LAST_EFFORT}")
    weights = _model(model)
    if isinstance(weights, Classic):
        if aimed:
            raise EncodeError(f"{aimed}: model {weights.name} has one quality")
        return classic.encode(image, weights, sidedata.pack_metadata(metadata), threads)
    height, width = pixels.shape[:2]
    chunks = sidedata.pack_metadata(metadata)
    if alpha is not None:
        chunks.append(container.Chunk(container.ALPHA, sidedata.encode_alpha(alpha)))

    def write(units: int, bitstreams: Sequence[bytes]) -> bytes:
        return container.write(Header(weights.id, width, height, channels, units, TILE), bitstreams, chunks)

    with Workers(threads) as workers:
        source = Source.of(pixels, effort, weights, workers)
        if target_psnr is not None:
            return fit_psnr(source, channels < 3, target_psnr, write)
        if target_bpp is not None:
            target_size = math.floor(Fraction(str(float(target_bpp))) * height * width / 8)  # as it was written
        if target_size is not None:
            return fit_size(source, target_size, write)
        units = weights.quality_units(DEFAULT_QUALITY if quality is None else quality)
        return write(units, source.encode(units))


def _check_aim(
    quality: float | None, target_size: int | None, target_bpp: float | None, target_psnr: float | None
) -> str | None:
    """-> which of them is given."""
    targets = {"target_size": target_size, "target_bpp": target_bpp, "target_psnr": target_psnr}
    given = {name: value for name, value in {"quality": quality, **targets}.items() if value is not None}
    if len(given) > 1:
        raise ValueError(f"{' and '.join(given)}: expected one of them at most")
    if quality is not None and not 1 <= quality <= 100:
        raise ValueError(f"quality: {quality}, expected 1 to 100")
    if target_size is not None and operator.index(target_size) < 1:
        raise ValueError(f"target_size: {target_size}, expected 1 or more")
    for name in ("target_bpp", "target_psnr"):
        if name in given and not 0 < given[name] < math.inf:
            raise ValueError(f"{name}: {given[name]}, expected a number above 0")
    return next(iter(given), None)


def _model(model: str | Model | Classic) -> Model | Classic:
    """Find a model by its name. Raises ModelError."""
    if not isinstance(model, str):
        return model
    found = classics()
    return found.get(model) or by_name(model, (name for name, net in found.items() if net.codes))


def decode(
    data,
    /,
    *,
    region: Sequence[int] | None = None,
    limits: Limits = DEFAULT_LIMITS,
    threads: int | None = None,
) -> np.ndarray:
    """Decompress to the shape that was encoded: uint8 (H, W), (H, W, 2), (H, W, 3) or (H, W, 4).

    data: any bytes-like. region: x, y, width, height in pixels, for that part of the picture alone. It is what
    decoding the whole and cutting gives, within one level, but only the tiles that it depends on are read: time and
    memory go with the region (but for alpha, which is stored in one piece), and damage elsewhere stays unnoticed.

    Raises DecodeError (see aecodec.errors), ModelError; ValueError for a region outside the picture.

    >>> data = encode(np.zeros((400, 600, 3), np.uint8), quality=50)
    >>> decode(data, region=(500, 300, 80, 60)).shape
    (60, 80, 3)
    """
    if region is None:
        file = container.read(data, limits)
        header, chunks, bitstream = file.header, file.chunks, file.tiles.__getitem__
        area = Region(0, 0, header.width, header.height)
    else:
        index = container.read_index(data, limits)
        header, bitstream = index.header, partial(container.read_tile, data, index)
        area = tiles.checked_region(region, header.width, header.height)
        chunks = container.read_chunks(data, index, [container.ALPHA])
    if (net := classic_model(header)) is not None:
        return np.ascontiguousarray(classic.decode(header, bitstream(0), net, threads)[area.inside])
    weights = checked_model(header)
    window = needed(area, header.height, header.width)
    place = enumerate(tiles.tiles(header.height, header.width))
    numbered = [(number, tile, bitstream(number)) for number, tile in place if tile.meets(window)]
    top, left = window.top * tiles.STRIDE, window.left * tiles.STRIDE
    size = min(window.height * tiles.STRIDE, header.height - top), min(window.width * tiles.STRIDE, header.width - left)
    with Workers(threads) as workers:
        y_hat = decode_tiles(numbered, window, header, weights, workers)
        pixels = synthesise(y_hat, size, header.quality, weights, workers)
    pixels = pixels[area.y - top :, area.x - left :][: area.height, : area.width]
    alpha = None
    if header.channels % 2 == 0:
        stored = next(c.data for c in chunks if c.tag == container.ALPHA)
        alpha = sidedata.decode_alpha(stored, header.height, header.width)[area.inside]
    return put_together(pixels, alpha, header.channels)


def classic_model(header: Header) -> Classic | None:
    """The classic model that a file needs, or None: their files have one tile, the whole picture."""
    return classic_by_id(header.model) if header.tile == 0 else None


def read_info(data, /, *, limits: Limits = DEFAULT_LIMITS) -> Info:
    """Describe a file from its header and index alone. Raises DecodeError."""
    index = container.read_index(data, limits)
    h = index.header
    net = classic_model(h)
    weights = None if net else next((m for m in models().values() if m.id == h.model), None)
    return Info(
        version=VERSION,
        model_id=h.model,
        model=net.name if net else weights and weights.name,
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
    """ICC profile, EXIF and XMP of a file; its tiles are not looked at. Raises DecodeError."""
    chunks = container.read_chunks(data, container.read_index(data, limits))
    return sidedata.unpack_metadata(chunks, limits)


def decode_symbols(data, /, *, limits: Limits = DEFAULT_LIMITS) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """The exact part of decoding: z, scale indexes and r of each tile. No float network takes part in it."""
    file = container.read(data, limits)
    weights = checked_model(file.header)
    place = tiles.tiles(file.header.height, file.header.width)
    return list(parse(list(zip(range(len(place)), place, file.tiles, strict=True)), file.header, weights))


def checked_model(header: Header) -> Model:
    """The model that a file needs. Raises UnsupportedError or CorruptError."""
    weights = by_id(header.model)
    if header.tile != TILE:
        raise UnsupportedError(f"header: tile of {header.tile} px, expected {TILE}")
    if header.quality > 256 * weights.last_knot:
        raise CorruptError(f"header: quality {header.quality}, expected at most {256 * weights.last_knot}")
    return weights


def put_together(pixels: np.ndarray, alpha: np.ndarray | None, channels: int) -> np.ndarray:
    """RGB (H, W, 3), alpha (H, W) or None -> the picture as its user has it, in C order."""
    if channels < 3:
        pixels = luma(pixels)
    return np.ascontiguousarray(pixels) if alpha is None else np.dstack([pixels, alpha])


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
