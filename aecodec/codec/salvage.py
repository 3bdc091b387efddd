"""What can be decoded of a damaged file: sound tiles as they are, flat colour for the others.

Damage to a tile reaches its own pixels and the synthesis halo around them, 72 pixels, and by way of exact tiles, whose
latents come from pixels, faintly 144 more: tiles are coded each for itself.
"""

from collections.abc import Mapping

import numpy as np

from aecodec.codec.decoder import Decoder
from aecodec.codec.tilecoder import CodedTile
from aecodec.errors import CorruptError, DecodeError
from aecodec.exact.tiles import check_any_sound, decode_exact, fill_damaged
from aecodec.family import Bitstreams


def salvage(
    decoder: Decoder, bitstreams: Bitstreams, damaged: Mapping[int, DecodeError]
) -> tuple[np.ndarray, dict[int, DecodeError]]:
    """Return the colours of the image, and by number what is wrong with each damaged tile.

    Damaged tiles get the mean colour of the tiles around them. Raises CorruptError if all are damaged.
    """
    window, damaged = decoder.window, dict(damaged)
    y_hat = np.zeros((window.height, window.width, decoder.coder.model.latent), np.float32)

    def run(number: int) -> CorruptError | None:
        coded = CodedTile(number, decoder.tiles[number], bitstreams.tile(number))
        try:
            y_hat[coded.tile.inside] = next(decoder.coder.decode_tiles([coded]))
        except CorruptError as error:  # a wrong bitstream under a right checksum
            return CorruptError(str(error))  # without the traceback, which holds all arrays of the tile
        return None

    learned = [n for n in range(len(decoder.tiles)) if n not in damaged and n not in bitstreams.exact]
    errors = zip(learned, decoder.workers.map(run, learned), strict=True)
    damaged |= {number: error for number, error in errors if error is not None}
    exact = bitstreams._replace(exact=set(bitstreams.exact) - damaged.keys())
    damaged |= decode_exact(exact, exact.whole, decoder.workers, keep_going=True)[1]
    check_any_sound(decoder.header, damaged)  # before pixels are made of nothing
    rgb = decoder.pixels([y_hat], window, exact._replace(exact=set(exact.exact) - damaged.keys()))
    fill_damaged(rgb, decoder.header, damaged)
    return decoder.colours(rgb), damaged
