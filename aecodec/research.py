"""What is inside an image's file: latents, hyper-latents, scale indexes, means and bits, as arrays.

    image --> analyse --> y                                   what the analysis transform makes of it
    image --> encode --> file --> examine --> z, scale indexes, r, means, y_hat, and the bits of every symbol
    file, a model that is not installed --> decode --> image

Latents have one position for 16x16 pixels, hyper-latents one for 4x4 latents: h = ceil(H / 16), w = ceil(W / 16).
"""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from aecodec import api, container, geometry
from aecodec.codec.decoder import Decoder
from aecodec.codec.encoder import Encoder
from aecodec.codec.family import LearnedFamily
from aecodec.codec.latents import Symbols
from aecodec.container import BytesLike
from aecodec.entropy.coder import symbol_bits
from aecodec.errors import ModelError, UnsupportedError
from aecodec.families import by_id, by_name
from aecodec.family import Bitstreams
from aecodec.geometry import HYPER, STRIDE, Region
from aecodec.limits import DEFAULT_LIMITS, Limits, check_input
from aecodec.model.model import Model
from aecodec.model.point import QualityPoint
from aecodec.model.weights import Weights, read_models
from aecodec.pixels import luma, split
from aecodec.settings import DEFAULT_MODEL, DEFAULT_QUALITY, Settings, Target
from aecodec.system.parallel import Workers

_COLOURS = np.array([(0, 0, 0), (60, 15, 110), (190, 50, 90), (250, 150, 40), (255, 255, 230)], np.float32)


@dataclass(frozen=True, slots=True)
class Contents:
    """What a file holds. Arrays are zero where tiles are exact, which have no latents.

    Parameters
    ----------
    z : ndarray of int32 (ceil(h / 4), ceil(w / 4), Z)
        Hyper-latents, -63 to 63.
    scale_indexes : ndarray of uint8 (h, w, M)
        0 to 63, how widely the residuals spread; where it is 0 none is coded.
    r : ndarray of int32 (h, w, M)
        Residuals, the symbols that are coded.
    means : ndarray of float32 (h, w, M)
        What the context model predicts; r = round(y * gain - means) but for the encoder's rounding towards zero.
    deltas : ndarray of int32 (ceil(h / 4), ceil(w / 4))
        Of the visual tuning: y is multiplied by 2^(delta / 8) beside the gain; 0 in files of the other one.
    y_hat : ndarray of float32 (h, w, M)
        (means + r) * inverse_gain / 2^(delta / 8), what the synthesis transform gets; on the scale of y.
    z_bits, r_bits, delta_bits : ndarray of float32, shaped like z, r and deltas
        Bits that each symbol takes.
    exact : ndarray of bool (h, w)
        Where tiles are stored as pixels.
    exact_bits : ndarray of float32 (h, w)
        Bits of exact tiles, spread evenly over each.
    gain, inverse_gain : ndarray of float32 (M,)
        Factors of y at the encoder and of y_hat at the decoder.
    other_bits : int
        Of header, index, alpha and metadata.
    width, height : int
        Pixels of the image.
    qindex : int
        Position on the model's quality axis, in 1/256 of a knot.
    """

    z: np.ndarray
    scale_indexes: np.ndarray
    r: np.ndarray
    means: np.ndarray
    deltas: np.ndarray
    y_hat: np.ndarray
    z_bits: np.ndarray
    r_bits: np.ndarray
    delta_bits: np.ndarray
    exact: np.ndarray
    exact_bits: np.ndarray
    gain: np.ndarray
    inverse_gain: np.ndarray
    other_bits: int
    width: int
    height: int
    qindex: int

    @property
    def bits(self) -> float:
        """Bits of the whole file, within about 40 for each tile, in which the range coder ends."""
        return self.other_bits + float(
            sum(part.sum(dtype=np.float64) for part in (self.z_bits, self.r_bits, self.delta_bits, self.exact_bits))
        )

    def bits_map(self) -> np.ndarray:
        """Bits of each square of 16x16 pixels, float32 (h, w): residuals, hyper-latents, deltas and exact tiles."""
        h, w = self.exact.shape
        rows, columns = (np.minimum(HYPER, n - np.arange(0, n, HYPER)) for n in (h, w))  # latents of a hyper-latent
        shares = ((self.z_bits.sum(-1) + self.delta_bits) / np.outer(rows, columns)).repeat(rows, 0).repeat(columns, 1)
        return (self.r_bits.sum(-1) + shares + self.exact_bits).astype(np.float32)


def analyse(
    image: np.ndarray,
    quality: float = DEFAULT_QUALITY,
    *,
    effort: int = 0,
    tune: str | None = None,
    model: str | Model = DEFAULT_MODEL,
    threads: int | None = None,
) -> np.ndarray:
    """Return the latents of an image before they are quantised.

    Parameters
    ----------
    image : ndarray of uint8
        (H, W), (H, W, 2), (H, W, 3) or (H, W, 4); alpha is left out.
    quality : float
        1 to 100; it matters to the refinement alone, as does `tune`.
    effort : int
        Number of refinement steps. With 0 the latents are those of the analysis transform.
    tune : {"visual", "psnr"}, optional
        As in `aecodec.encode`.
    model : str or a loaded model
    threads : int, optional

    Returns
    -------
    ndarray of float32 (h, w, M)
        y at unit gain; y * gain is what the entropy model sees.

    Examples
    --------
    >>> analyse(np.zeros((40, 60, 3), np.uint8)).shape[:2]
    (3, 4)
    """
    net = _learned(by_name(model) if isinstance(model, str) else model)
    with Workers(threads) as workers:
        settings = Settings(Target(quality=quality), effort, tune=tune)
        encoder = Encoder(split(image).rgb, settings, net, workers)
        return np.concatenate([strip.y for strip in encoder.refined(encoder.coder(net.qindex(quality)))])


def examine(
    data: BytesLike, /, model: Model | None = None, *, limits: Limits = DEFAULT_LIMITS, threads: int | None = None
) -> Contents:
    """Return what a file of a learned model holds, with the bits that each symbol takes.

    One with exact tiles alone has no channels.

    Parameters
    ----------
    data : bytes-like
        The whole file. `examine(aecodec.encode(image, 60))` examines an image at a quality.
    model : Model, optional
        The one that made the file, if it is not installed: see `load_models`.
    limits : Limits
    threads : int, optional

    Raises
    ------
    DecodeError
        The file is damaged, or of a classic model.

    Examples
    --------
    >>> from aecodec import encode
    >>> image = np.random.default_rng(1).normal(128, 20, (40, 60, 3)).astype(np.uint8)
    >>> contents = examine(encode(image, quality=50))
    >>> contents.r.shape == contents.means.shape == contents.r_bits.shape
    True
    """
    check_input(data, limits)
    file = container.read(data, limits)
    if file.header.model == container.NO_MODEL:
        return _examine_exact(file, len(memoryview(data)))
    net = _learned(by_id(file.header.model) if model is None else model)
    with Workers(threads) as workers:
        decoder = Decoder(file.header, net, workers)
        tiles = decoder.coded_tiles(Bitstreams.of(file), decoder.window)
        symbols = workers.map(lambda coded: next(iter(decoder.coder.parse([coded]))), tiles)
        y_hat = workers.map(lambda i: decoder.coder.y_hat_of(tiles[i].tile, symbols[i]), range(len(tiles)))
    point = decoder.coder.point
    contents = _without_symbols(file, len(memoryview(data)), net.latent, net.tables.z.shape[1], point)
    contents.exact[:] = geometry.covered([decoder.tiles[number] for number in file.exact], decoder.window)
    for (_, tile, _), (z, index, r), scaled in zip(tiles, symbols, y_hat, strict=True):
        hyper_inside = tuple(slice(s.start // HYPER, -(-s.stop // HYPER)) for s in tile.inside)
        z, index, r = z[tile.hyper_crop], index[tile.crop], r[tile.crop]
        z_bits, r_bits = symbol_bits(z, r, index, point.tables)
        contents.z[hyper_inside], contents.z_bits[hyper_inside] = point.hyper_latents(z), point.hyper_latents(z_bits)
        if point.has_deltas:
            contents.deltas[hyper_inside], contents.delta_bits[hyper_inside] = z[..., -1], z_bits[..., -1]
        contents.r[tile.inside], contents.r_bits[tile.inside] = r, r_bits
        contents.scale_indexes[tile.inside] = index
        contents.means[tile.inside] = scaled - r
        contents.y_hat[tile.inside] = decoder.coder.at_unit_gain(tile, z, scaled)
    for number in file.exact:
        tile = decoder.tiles[number]
        contents.exact_bits[tile.inside] = 8 * len(file.tiles[number]) / (tile.height * tile.width)
    return contents


def _examine_exact(file: container.Container, size: int) -> Contents:
    contents = _without_symbols(file, size)
    contents.exact[:] = True
    for number, bitstream in enumerate(file.tiles):
        area = Region(*file.header.tile_area(number))
        squares = contents.exact_bits[area.y // STRIDE :, area.x // STRIDE :]
        squares = squares[: geometry.latent_size(area.height), : geometry.latent_size(area.width)]
        squares += 8 * len(bitstream) / squares.size
    return contents


def _without_symbols(
    file: container.Container, size: int, latent: int = 0, hyper_latent: int = 0, point: QualityPoint | None = None
) -> Contents:
    """What a file of so many bytes holds but for its tiles: zeros, for so many channels."""
    header = file.header
    h, w = geometry.latent_size(header.height), geometry.latent_size(header.width)
    latents, hyper = (h, w, latent), (-(-h // HYPER), -(-w // HYPER))
    hyper_latents = *hyper, hyper_latent
    return Contents(
        z=np.zeros(hyper_latents, np.int32),
        scale_indexes=np.zeros(latents, np.uint8),
        r=np.zeros(latents, np.int32),
        means=np.zeros(latents, np.float32),
        deltas=np.zeros(hyper, np.int32),
        y_hat=np.zeros(latents, np.float32),
        z_bits=np.zeros(hyper_latents, np.float32),
        r_bits=np.zeros(latents, np.float32),
        delta_bits=np.zeros(hyper, np.float32),
        exact=np.zeros((h, w), bool),
        exact_bits=np.zeros((h, w), np.float32),
        gain=np.zeros(0, np.float32) if point is None else point.gain,
        inverse_gain=np.zeros(0, np.float32) if point is None else point.inverse_gain,
        other_bits=8 * (size - sum(map(len, file.tiles))),
        width=header.width,
        height=header.height,
        qindex=0 if point is None else point.qindex,
    )


def decode(data: BytesLike, model: Model, /, *, threads: int | None = None) -> np.ndarray:
    """Return the colours of a file by a model that need not be installed: uint8 (H, W) or (H, W, 3), without alpha."""
    file = container.read(data)
    if file.header.model == container.NO_MODEL:  # exact tiles alone, which may hold alpha
        rgb = split(api.decode(data, threads=threads)).rgb
        return luma(rgb) if file.header.is_grey else rgb
    bitstreams = Bitstreams.of(file)
    return LearnedFamily().decode(bitstreams, model, bitstreams.whole, threads)


def decode_symbols(data: BytesLike) -> list[Symbols]:
    """The exact part of decoding, for tests of conformance: the symbols of each learned tile."""
    file = container.read(data)
    model = _learned(by_id(file.header.model))
    with Workers(1) as workers:
        return list(Decoder(file.header, model, workers).symbols(Bitstreams.of(file)))


def load_models(folder: str | os.PathLike[str], /) -> dict[str, Model]:
    """Return the learned models of a folder of weights, such as `aecodec export --out` writes, by their names.

    Each can be the `model` of `aecodec.encode` and of the functions here. Raises ModelError.
    """
    models = read_models(Path(folder), Model)
    if not models:
        raise ModelError(f"{Path(folder) / 'manifest.json'}: no models")
    return models


def draw_bits(contents: Contents) -> np.ndarray:
    """Return a map of the bits as large as the image, uint8 (H, W, 3).

    Black is 0, the brightest colour the square of 16x16 pixels that takes most; the colour goes with the square root.
    """
    bits = contents.bits_map()
    position = np.sqrt(bits / max(bits.max(), 1e-9)) * (len(_COLOURS) - 1)
    low = np.minimum(position.astype(int), len(_COLOURS) - 2)
    share = (position - low)[..., None]
    colours = np.rint(_COLOURS[low] * (1 - share) + _COLOURS[low + 1] * share).astype(np.uint8)
    return colours.repeat(STRIDE, 0)[: contents.height].repeat(STRIDE, 1)[:, : contents.width]


def _learned(model: Weights) -> Model:
    if not isinstance(model, Model):
        raise UnsupportedError(f"model {model.name}: has no latents, expected a learned model")
    return model
