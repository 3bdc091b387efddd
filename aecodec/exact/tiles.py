"""Exact tiles of a file -> pixels."""

from collections.abc import Mapping

import numpy as np

from aecodec.container import Header
from aecodec.errors import CorruptError, DecodeError
from aecodec.exact import webp
from aecodec.family import Bitstreams
from aecodec.geometry import Region
from aecodec.system.parallel import Workers


def decode_exact(
    bitstreams: Bitstreams, area: Region, workers: Workers, *, keep_going: bool = False
) -> tuple[np.ndarray, dict[int, DecodeError]]:
    """Decode the exact tiles that meet an area -> its pixels, uint8 (H, W, 3), or (H, W, 4) if the tiles hold alpha.

    What belongs to other tiles is 0. Raises DecodeError with the tile's number; with `keep_going` that goes into the
    second result, by the number, and the tile's pixels are 0.
    """
    header = bitstreams.header
    damaged: dict[int, DecodeError] = {}
    out: np.ndarray = np.zeros((area.height, area.width, 4 if bitstreams.alpha else 3), np.uint8)

    def run(number: int) -> None:
        tile = Region(*header.tile_area(number))
        common = tile.common(area)
        if common is None:
            return
        bitstream = bitstreams.tile(number)
        try:
            pixels = webp.decode(bitstream, tile.height, tile.width, bitstreams.alpha)
        except CorruptError as error:
            labelled = CorruptError(f"tile {number}: {error}")
            if not keep_going:
                raise labelled from None
            damaged[number] = labelled
            return
        out[common.moved(-area.x, -area.y).inside] = pixels[common.moved(-tile.x, -tile.y).inside]

    workers.map(run, sorted(bitstreams.exact))
    return out, damaged


def check_any_sound(header: Header, damaged: Mapping[int, DecodeError]) -> None:
    """Raise CorruptError if all tiles are damaged."""
    if len(damaged) == header.tile_count:
        raise CorruptError(
            f"file: {len(damaged)} of {header.tile_count} tiles damaged, nothing to salvage; {damaged[0]}"
        )


def fill_damaged(pixels: np.ndarray, header: Header, damaged: Mapping[int, DecodeError]) -> None:
    """Give each damaged tile the mean colour of the sound ones among the eight around it, or else of all sound ones.

    Raises CorruptError if all are damaged.
    """
    if not damaged:
        return
    check_any_sound(header, damaged)
    count = header.tile_count
    rows, columns = header.tile_grid
    areas = [Region(*header.tile_area(number)).inside for number in range(count)]
    totals = {number: _total(pixels[area]) for number, area in enumerate(areas) if number not in damaged}
    everywhere = np.sum([*totals.values()], axis=0)
    for number in damaged:
        row, column = divmod(number, columns)
        near = [
            totals[r * columns + c]
            for r in range(max(row - 1, 0), min(row + 2, rows))
            for c in range(max(column - 1, 0), min(column + 2, columns))
            if r * columns + c in totals
        ]
        total = np.sum(near, axis=0) if near else everywhere
        pixels[areas[number]] = np.rint(total[:-1] / total[-1])


def _total(part: np.ndarray) -> np.ndarray:
    """Sums of the channels, and the number of pixels."""
    return np.append(part.sum((0, 1), np.int64), part.shape[0] * part.shape[1])
