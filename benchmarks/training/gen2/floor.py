"""Rate and distortion when latents of the lowest scale indexes are never coded -> floor.json.

The shipped weights code what has a scale index of 1 or more. Here indexes up to a floor are taken as 0 by encoder and
decoder alike; real files, effort 0, four qualities, BD-rate against the floor of 0. Photographs of the validation set.
"""

import argparse
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))
from bjontegaard import bd_rate
from common import write_result

import aecodec
from aecodec.bench.images import as_rgb, find_images, load_image
from aecodec.codec.tilecoder import TileCoder
from aecodec.pixels import psnr

QUALITIES = (25, 50, 75, 90)
FLOORS = (0, 3, 4, 5, 6, 8)


def measure(images: list[np.ndarray], quality: int) -> dict[str, float]:
    files = [aecodec.encode(pixels, quality, effort=0) for pixels in images]
    bits, area = 8 * sum(map(len, files)), sum(pixels.shape[0] * pixels.shape[1] for pixels in images)
    levels = [psnr(pixels, aecodec.decode(data)) for pixels, data in zip(images, files, strict=True)]
    return {"bpp": round(bits / area, 5), "psnr": round(float(np.mean(levels)), 4)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=Path, nargs="+", required=True, help="images or folders")
    files = [f for f in find_images(parser.parse_args().images) if not f.name.startswith("gfx")]
    images = [as_rgb(load_image(file).pixels) for file in files]
    usual, floor, counts = TileCoder._scale_indexes, 0, np.zeros(64, np.int64)

    def with_floor(coder, z, tiles):
        index = usual(coder, z, tiles)
        index[index <= floor] = 0
        counts[:] += np.bincount(index.reshape(-1), minlength=64)
        return index

    TileCoder._scale_indexes = with_floor
    rows = []
    for floor in FLOORS:
        points = []
        for quality in QUALITIES:
            counts[:] = 0
            points.append({"quality": quality, **measure(images, quality)})
            points[-1]["coded"] = round(1 - counts[0] / counts.sum(), 4)
        curve = [[p["bpp"] for p in points], [p["psnr"] for p in points]]
        first = curve if not rows else [[p[key] for p in rows[0]["points"]] for key in ("bpp", "psnr")]
        rows.append({"floor": floor, "bd_rate": round(bd_rate(*first, *curve, method="pchip"), 3), "points": points})
        print(rows[-1], flush=True)
    write_result("floor", {"pictures": len(images), "rows": rows}, Path(__file__).parent)


if __name__ == "__main__":
    main()
