"""Time to decode a region against its area, on 12 MP -> results/region.json.

Times are processor time on one thread, medians; regions lie in the middle of the picture and have its shape. Each is
compared with the crop of the whole decode.
"""

import argparse
import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np
from common import RESULTS, conditions, mosaic, write_json

import aecodec
from aecodec import tiles
from aecodec.bench.images import find_images
from aecodec.transforms import needed

WIDTH, HEIGHT = 4000, 3000
QUALITY = 75
PARTS = (1, 2, 4, 8, 16, 32, 64, 256, 1024)  # of the area


def region(part: int) -> tiles.Region:
    """Return x, y, width and height of one part of the picture."""
    width, height = round(WIDTH / part**0.5), round(HEIGHT / part**0.5)
    return tiles.Region((WIDTH - width) // 2, (HEIGHT - height) // 2, width, height)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=Path, nargs="+", required=True, help="pictures or folders, for the mosaic")
    parser.add_argument("--rounds", type=int, default=3, help="turns after the warm-up (default: 3)")
    arguments = parser.parse_args()
    data = aecodec.encode(mosaic(find_images(arguments.images), WIDTH, HEIGHT), QUALITY)
    whole = aecodec.decode(data)
    place = tiles.tiles(HEIGHT, WIDTH)
    seconds: dict[int, list[float]] = {part: [] for part in PARTS}
    differences = {}
    for _ in range(arguments.rounds + 1):
        for part in PARTS:
            area = region(part)
            start = time.process_time()
            found = aecodec.decode(data, region=area, threads=1)
            seconds[part].append(time.process_time() - start)
            differences[part] = int(np.abs(found.astype(int) - whole[area.inside]).max())
    full = statistics.median(seconds[1][1:])
    rows: list[dict[str, Any]] = []
    for part in PARTS:
        area, taken = region(part), statistics.median(seconds[part][1:])
        window = needed(area, HEIGHT, WIDTH)
        rows.append(
            {
                "area": round(area.width * area.height / (WIDTH * HEIGHT), 5),
                "width": area.width,
                "height": area.height,
                "tiles": sum(tile.meets(window) for tile in place),
                "seconds": round(taken, 4),
                "time_over_whole": round(taken / full, 4),
                "levels_off": differences[part],
            }
        )
    size = {"width": WIDTH, "height": HEIGHT, "tiles": len(place), "bytes": len(data)}
    result = conditions() | {"picture": size, "quality": QUALITY, "rounds": arguments.rounds, "regions": rows}
    write_json(RESULTS / "region.json", result)
    for row in rows:
        print(row)


if __name__ == "__main__":
    main()
