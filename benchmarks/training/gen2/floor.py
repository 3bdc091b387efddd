"""Rate and distortion when latents of the lowest scale indexes are never coded -> floor.json.

The shipped weights code what has a scale index of 1 or more. Here indexes up to a floor are taken as 0 by encoder and
decoder alike; real files, effort 0, four qualities, BD-rate against the floor of 0. Photographs of the validation set.
"""

import argparse
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))
from aecodec.bench.pictures import as_rgb, find_pictures, load_picture
from bjontegaard import bd_rate
from common import conditions, write_json

import aecodec
from aecodec import tilecoder

QUALITIES = (25, 50, 75, 90)
FLOORS = (0, 3, 4, 5, 6, 8)


def measure(pictures: list[np.ndarray], quality: int) -> dict[str, float]:
    bits, psnr = 0, []
    for pixels in pictures:
        data = aecodec.encode(pixels, quality, effort=0)
        error = np.mean((pixels.astype(float) - aecodec.decode(data)) ** 2)
        bits += 8 * len(data)
        psnr.append(10 * np.log10(255**2 / error))
    area = sum(one.shape[0] * one.shape[1] for one in pictures)
    return {"bpp": round(bits / area, 5), "psnr": round(float(np.mean(psnr)), 4)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=Path, nargs="+", required=True, help="pictures or folders")
    files = [f for f in find_pictures(parser.parse_args().images) if not f.name.startswith("gfx")]
    pictures = [as_rgb(load_picture(file).pixels) for file in files]
    usual, floor, counts = tilecoder._scale_indexes, 0, np.zeros(64, np.int64)

    def with_floor(*arguments):
        index = usual(*arguments)
        index[index <= floor] = 0
        counts[:] += np.bincount(index.reshape(-1), minlength=64)
        return index

    tilecoder._scale_indexes = with_floor
    rows = []
    for floor in FLOORS:
        points = []
        for quality in QUALITIES:
            counts[:] = 0
            points.append({"quality": quality, **measure(pictures, quality)})
            points[-1]["coded"] = round(1 - counts[0] / counts.sum(), 4)
        curve = [[p["bpp"] for p in points], [p["psnr"] for p in points]]
        first = curve if not rows else [[p[key] for p in rows[0]["points"]] for key in ("bpp", "psnr")]
        rows.append({"floor": floor, "bd_rate": round(bd_rate(*first, *curve, method="pchip"), 3), "points": points})
        print(rows[-1], flush=True)
    write_json(Path(__file__).parent / "floor.json", conditions() | {"pictures": len(pictures), "rows": rows})


if __name__ == "__main__":
    main()
