"""A reduced image of the coarse latents alone: a linear map of them, means over the exact tiles."""

import numpy as np

from aecodec.codec.decoder import Decoder
from aecodec.codec.tilecoder import TileCoder
from aecodec.codec.transforms import needed
from aecodec.exact.tiles import decode_exact
from aecodec.family import Bitstreams
from aecodec.geometry import STRIDE, View, covered
from aecodec.model.coarse import CoarsePoint
from aecodec.model.thumbnail import HALO, ThumbnailMap
from aecodec.scaling import reduced, reduced_size


def decode_reduced(decoder: Decoder, bitstreams: Bitstreams, view: View, thumbnail: ThumbnailMap) -> np.ndarray:
    """The colours of a view at 1/8 or 1/16: uint8 (H, W) of a grey image, else (H, W, 3). Raises DecodeError."""
    area, factor = view
    header, per = decoder.header, STRIDE // factor
    size = reduced_size(area.height, factor), reduced_size(area.width, factor)
    window = needed(area, header.height, header.width, HALO)
    top, left = area.y // factor - window.top * per, area.x // factor - window.left * per
    inside = slice(top, top + size[0]), slice(left, left + size[1])
    exact = covered([decoder.tiles[number] for number in bitstreams.exact], window)
    mask = exact.repeat(per, 0).repeat(per, 1)[inside]
    if mask.all():
        rgb = np.empty((*size, 3), np.uint8)
    else:
        coder = TileCoder(CoarsePoint.of_header(decoder.coder.model, header.quality), decoder.workers)
        y_hat = coder.decode(decoder.coded_tiles(bitstreams, window), window)
        rgb = thumbnail.apply(y_hat, ~exact, factor)[inside]
    if mask.any():
        pixels, _ = decode_exact(bitstreams, area, decoder.workers)
        np.copyto(rgb, reduced(pixels, factor), where=mask[..., None])
    return decoder.colours(rgb)
