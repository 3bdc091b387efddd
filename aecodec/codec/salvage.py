"""What can be decoded of a damaged file: sound tiles as they are, flat colour for the others.

Damage to a tile reaches its own pixels and the synthesis halo around them, 72 pixels, and no further: tiles are coded
each for itself.
"""

from collections.abc import Collection

import numpy as np

from aecodec.codec.decoder import Decoder
from aecodec.codec.tilecoder import CodedTile
from aecodec.container import DamagedFile
from aecodec.errors import CorruptError, DecodeError


def salvage(decoder: Decoder, salvaged: DamagedFile) -> tuple[np.ndarray, dict[int, DecodeError]]:
    """Return the colours of the image, and by number what is wrong with each damaged tile.

    Damaged tiles get the mean colour of the tiles around them. Raises CorruptError if all are damaged.
    """
    tiles, damaged = decoder.tiles, dict(salvaged.tiles)
    window = decoder.window
    y_hat = np.zeros((window.height, window.width, decoder.coder.model.latent), np.float32)

    def run(number: int) -> CorruptError | None:
        coded = CodedTile(number, tiles[number], salvaged.container.tiles[number])
        try:
            y_hat[coded.tile.inside] = next(decoder.coder.decode_tiles([coded]))
        except CorruptError as error:  # a wrong bitstream under a right checksum
            return CorruptError(str(error))  # without the traceback, which holds all arrays of the tile
        return None

    numbers = [number for number in range(len(tiles)) if number not in damaged]
    errors = zip(numbers, decoder.workers.map(run, numbers), strict=True)
    damaged |= {number: error for number, error in errors if error is not None}
    if len(damaged) == len(tiles):
        raise CorruptError(f"file: {len(tiles)} of {len(tiles)} tiles damaged, nothing to salvage; {damaged[0]}")
    rgb = decoder.synthesise(y_hat, window)
    _fill(rgb, decoder, damaged)
    return decoder.colours(rgb), damaged


def _fill(rgb: np.ndarray, decoder: Decoder, damaged: Collection[int]) -> None:
    """Give each damaged tile the mean colour of the sound ones among the eight around it, or else of all sound ones."""
    if not damaged:
        return
    rows, columns = decoder.header.tile_grid
    totals = {n: _total(rgb[tile.pixels]) for n, tile in enumerate(decoder.tiles) if n not in damaged}
    everywhere = sum(totals.values())
    for number in damaged:
        row, column = divmod(number, columns)
        near = [
            totals[r * columns + c]
            for r in range(max(row - 1, 0), min(row + 2, rows))
            for c in range(max(column - 1, 0), min(column + 2, columns))
            if r * columns + c in totals
        ]
        red, green, blue, count = sum(near) if near else everywhere
        rgb[decoder.tiles[number].pixels] = np.rint(np.array([red, green, blue]) / count)


def _total(part: np.ndarray) -> np.ndarray:
    """Sums of red, green and blue, and the number of pixels."""
    return np.append(part.sum((0, 1), np.int64), part.shape[0] * part.shape[1])
