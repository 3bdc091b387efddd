"""The public functions: arguments are checked here, and the family of the model does the rest."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from aecodec import container, geometry
from aecodec.container import BytesLike
from aecodec.container.alpha import decode_alpha
from aecodec.container.metadata import TAGS, Metadata, pack_metadata, unpack_metadata
from aecodec.families import by_id, by_name, family_of, find
from aecodec.family import Bitstreams
from aecodec.geometry import Region, View
from aecodec.limits import DEFAULT_LIMITS, Limits, check_input
from aecodec.model.weights import Weights
from aecodec.pixels import merge, split
from aecodec.scaling import factor_of, reduced
from aecodec.settings import DEFAULT_EFFORT, DEFAULT_MODEL, Settings, Target


@dataclass(frozen=True, slots=True)
class Info:
    """What a file says about itself.

    `model` is None for a model that is not installed. `quality` is on the scale 1..100, None where the model has one
    quality or is not installed. `tune`: what the file is made for, visual or psnr, None where the model has no tunings
    or is not installed. `tile` is the edge of a tile in pixels, 0 for one tile, the whole image. `exact` is the
    number of tiles that are stored as pixels, which all decoders find the same. `chunks` maps tags to stored sizes in
    bytes. `size`: bytes of the whole file.
    """

    version: int
    model_id: int
    model: str | None
    width: int
    height: int
    channels: int
    quality: float | None
    tune: str | None
    tile: int
    tiles: int
    exact: int
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
    lossless: bool = False,
    effort: int = DEFAULT_EFFORT,
    model: str | Weights = DEFAULT_MODEL,
    metadata: Metadata = Metadata(),  # noqa: B008 (immutable)
    keep_hidden: bool = False,
    tune: str | None = None,
    threads: int | None = None,
) -> bytes:
    """Compress an image to the bytes of an .aez file.

    Tiles of text and flat graphics are stored as pixels where that costs less than the model's bitstream: with all
    their colours, or with a palette of fewer where that costs less still. From quality 75 on they keep all colours
    where these take no more bytes than the model's bitstream.

    At most one of `quality`, `target_size`, `target_bpp` and `target_psnr` is given; quality 75 if none is. In tiny
    images the steps of the quality may be too coarse for the margins that are stated, and in noise or dithered drawings
    a tile that becomes exact takes many more bytes at once; the bounds hold nevertheless.

    Parameters
    ----------
    image : ndarray of uint8
        (H, W) grey, (H, W, 2) grey and alpha, (H, W, 3) RGB or (H, W, 4) RGB and alpha; alpha is lossless.
    quality : float, optional
        1 (smallest file) to 100 (best image).
    target_size : int, optional
        Bytes that the whole file has at most; at least 97 % of them are used unless quality 100 needs less.
    target_bpp : float, optional
        The same in bits per pixel.
    target_psnr : float, optional
        dB that the decoded colours (the grey) have at least, and at most 0.1 dB more unless quality 1 has or exact
        tiles have. What quality 100 does not reach is reached by more exact tiles.
    lossless : bool
        Code all tiles without loss, alpha and the colours that it hides included; no quality or target is given then.
    effort : int
        Number of refinement steps, 0 to 9; each decodes the current result and corrects the latents by gradient
        descent. From 5 on the gradient goes through the whole synthesis, where the model has what that takes: for files
        that are kept for long, as encoding takes more than twice as long. Files get smaller at the same PSNR; at the
        same quality PSNR and bytes rise. Decoding takes the same time. A model without refinement ignores it.
    model : str or a loaded model
        Name of an installed model. A classic autoencoder has one quality and takes grey images only.
    metadata : Metadata
        ICC profile, EXIF and XMP, stored as they are.
    keep_hidden : bool
        Code the colours of fully transparent pixels as well as others. By default they are replaced by smooth ones,
        which cost few bits, and do not count in `target_psnr`: nobody sees them.
    tune : {"visual", "psnr"}, optional
        What the bits are spent for: what the eye sees, such as gradients and faint texture in smooth areas, or the
        squared error alone, for measurements. Files of both are decoded by the same model. visual if None, but psnr
        with `target_psnr`. A model without a visual tuning ignores it.
    threads : int, optional
        None for all that the process may use; the bytes are always the same.

    Returns
    -------
    bytes

    Raises
    ------
    EncodeError
        A target cannot be met, or the image does not suit the model.
    ModelError
        The model is not installed, or its files are damaged.
    TypeError, ValueError
        An argument has the wrong type or is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> image = np.zeros((40, 60, 3), np.uint8)
    >>> decode(encode(image, quality=50)).shape
    (40, 60, 3)
    >>> len(encode(image, target_size=500)) <= 500
    True
    """
    split(image)  # checks it
    target = Target(quality, target_size, target_bpp, target_psnr)
    if not isinstance(metadata, Metadata):
        raise TypeError(f"metadata: {type(metadata).__name__}, expected aecodec.Metadata")
    settings = Settings(target, effort, pack_metadata(metadata), threads, keep_hidden, tune)
    loaded = encoding_model(model, lossless)
    return family_of(loaded).encode(image, loaded, settings)


def encoding_model(model: str | Weights, lossless: bool) -> Weights:
    """The model that `encode` takes for these arguments. Raises ModelError, TypeError, ValueError."""
    if not isinstance(lossless, bool):
        raise TypeError(f"lossless: {lossless!r}, expected True or False")
    if lossless and model != DEFAULT_MODEL:
        raise ValueError(f"model: {model!r}, expected none with lossless")
    loaded = by_name("exact" if lossless else model) if isinstance(model, str) else model
    family_of(loaded)  # checks it
    return loaded


def decode(
    data: BytesLike,
    /,
    *,
    region: Sequence[int] | None = None,
    scale: float = 1,
    limits: Limits = DEFAULT_LIMITS,
    threads: int | None = None,
) -> np.ndarray:
    """Decompress an .aez file to the shape that was encoded, or smaller.

    Parameters
    ----------
    data : bytes-like
        The whole file.
    region : sequence of 4 int, optional
        x, y, width, height in pixels, for that part of the image alone. It is what decoding the whole and cutting
        gives (with a classic autoencoder within one level), but only the tiles that it depends on are read: time and
        memory go with the region (but for alpha, which is stored in one piece), and damage elsewhere stays unnoticed.
    scale : float
        1, 1/2, 1/4, 1/8 or 1/16: a pixel for each square of so many pixels, close to their mean, counted from the upper
        left corner of the image; squares that the edge of the image or of the region cuts are among them. Squares of 8
        and 16 pixels come from the latents by a linear map, if the model has one, which takes a fraction of the time.
    limits : Limits
        What the file may ask for.
    threads : int, optional
        None for all that the process may use.

    Returns
    -------
    ndarray of uint8
        (H, W), (H, W, 2), (H, W, 3) or (H, W, 4), in C order.

    Raises
    ------
    DecodeError
        One of its subclasses, see `aecodec.errors`.
    ModelError
        The files of the model are damaged.
    ValueError
        The region is not inside the image, or the scale is another.

    Examples
    --------
    >>> data = encode(np.zeros((400, 600, 3), np.uint8), quality=50)
    >>> decode(data, region=(500, 300, 80, 60)).shape
    (60, 80, 3)
    >>> decode(data, scale=1 / 16).shape
    (25, 38, 3)
    """
    check_input(data, limits)
    factor = factor_of(scale)
    tile: Callable[[int], BytesLike]
    if region is None:
        file = container.read(data, limits)
        header, chunks, exact, tile = file.header, file.chunks, file.exact, file.tiles.__getitem__
        area = Region(0, 0, header.width, header.height)
    else:
        index = container.read_index(data, limits)
        header, exact, tile = index.header, index.exact, partial(container.read_tile, data, index)
        area = geometry.checked_region(region, header.width, header.height)
        area = area.grown(factor, header.width, header.height)
        chunks = container.read_chunks(data, index, [container.ALPHA])
    model = by_id(header.model)
    stored = next((chunk.data for chunk in chunks if chunk.tag == container.ALPHA), None)
    in_tiles = header.has_alpha and stored is None
    family, bitstreams = family_of(model), Bitstreams(header, tile, exact, in_tiles)
    small = None if factor == 1 else family.decode_reduced(bitstreams, model, View(area, factor), threads)
    colours = family.decode(bitstreams, model, area, threads) if small is None else small
    alpha = None if stored is None else decode_alpha(stored, header.height, header.width)[area.inside]
    if small is not None:
        return merge(small, None if alpha is None else reduced(alpha, factor))
    return reduced(merge(colours, alpha), factor, header.has_alpha)


def read_info(data: BytesLike, /, *, limits: Limits = DEFAULT_LIMITS) -> Info:
    """Describe a file from its header and index alone.

    Parameters
    ----------
    data : bytes-like
        The file; what follows its index may be missing.
    limits : Limits
        What the file may ask for.

    Returns
    -------
    Info

    Raises
    ------
    DecodeError
        The header or the index is damaged.
    ModelError
        The list of installed models is damaged.

    Examples
    --------
    >>> read_info(encode(np.zeros((40, 60), np.uint8), quality=50)).channels
    1
    """
    check_input(data, limits)
    index = container.read_index(data, limits)
    header = index.header
    model = find(header.model)
    quality = model.quality(header.quality) if model else None
    sizes: dict[str, int] = {}
    for tag, span in index.chunks:
        name = tag.decode("ascii").strip()
        sizes[name] = sizes.get(name, 0) + span.size
    return Info(
        version=header.version,
        model_id=header.model,
        model=model.name if model else None,
        width=header.width,
        height=header.height,
        channels=header.channels,
        quality=None if quality is None else round(quality, 2),
        tune=model.tuning(header.quality) if model else None,
        tile=header.tile,
        tiles=header.tile_count,
        exact=len(index.exact),
        chunks=sizes,
        size=index.size,
    )


def read_metadata(data: BytesLike, /, *, limits: Limits = DEFAULT_LIMITS) -> Metadata:
    """Read ICC profile, EXIF and XMP of a file; its tiles are not looked at.

    Parameters
    ----------
    data : bytes-like
        The file; its tiles may be missing.
    limits : Limits
        What the file may ask for.

    Returns
    -------
    Metadata

    Raises
    ------
    DecodeError
        The header, the index or a chunk of metadata is damaged.

    Examples
    --------
    >>> read_metadata(encode(np.zeros((4, 6), np.uint8), metadata=Metadata(xmp=b"<x/>"))).xmp
    b'<x/>'
    """
    check_input(data, limits)
    chunks = container.read_chunks(data, container.read_index(data, limits), TAGS)
    return unpack_metadata(chunks, limits)
