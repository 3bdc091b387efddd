"""Time to decode a region against its area, on 12 MP -> region.json.

Times are processor time on one thread, medians; regions lie in the middle of the image and have its shape. Each is
compared with the crop of the whole decode.
"""

import time
from functools import partial

import numpy as np
from common import median_seconds, mosaic, write_result

import aecodec
from aecodec import geometry
from aecodec.codec.transforms import needed

WIDTH, HEIGHT = 4000, 3000
QUALITY = 75
PARTS = (1, 2, 4, 8, 16, 32, 64, 256, 1024)  # of the area


def region(part: int) -> geometry.Region:
    """Return x, y, width and height of one part of the image."""
    width, height = round(WIDTH / part**0.5), round(HEIGHT / part**0.5)
    return geometry.Region((WIDTH - width) // 2, (HEIGHT - height) // 2, width, height)


def add_options(parser) -> None:
    parser.add_argument("--rounds", type=int, default=3, help="turns after the warm-up (default: 3)")


def run(options) -> None:
    data = aecodec.encode(mosaic(options.images, WIDTH, HEIGHT), QUALITY)
    whole = aecodec.decode(data)
    grid = geometry.tiles(HEIGHT, WIDTH)
    decoders = {str(part): partial(aecodec.decode, data, region=region(part), threads=1) for part in PARTS}
    seconds = median_seconds(decoders, options.rounds, time.process_time)
    rows = []
    for part in PARTS:
        area = region(part)
        window = needed(area, HEIGHT, WIDTH)
        decoded = decoders[str(part)]()
        rows.append(
            {
                "area": round(area.width * area.height / (WIDTH * HEIGHT), 5),
                "width": area.width,
                "height": area.height,
                "tiles": sum(tile.meets(window) for tile in grid),
                "seconds": round(seconds[str(part)], 4),
                "time_over_whole": round(seconds[str(part)] / seconds["1"], 4),
                "levels_off": int(np.abs(decoded.astype(int) - whole[area.inside]).max()),
            }
        )
    size = {"width": WIDTH, "height": HEIGHT, "tiles": len(grid), "bytes": len(data)}
    write_result("region", {"image": size, "quality": QUALITY, "rounds": options.rounds, "regions": rows})
