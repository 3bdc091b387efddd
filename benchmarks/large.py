"""Peak memory of the command line with very large and very long pictures -> results/large.json (Linux, macOS).

10,000 x 10,000 pixels made of photographs, and strips of one column and of three rows cut from them; under 1.5 GB each.
What comes back is compared with the picture. This process stays small: children measure, make and compare.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from common import RESULTS, command_line, conditions, mosaic, peak_mb, write_json

SIZES = {"10000x10000": (10_000, 10_000), "1x100000": (1, 100_000), "65535x3": (65_535, 3)}
LIMIT = 1500  # MB
QUALITY = 75


def make(images: list[Path], name: str, folder: Path) -> None:
    from PIL import Image

    from aecodec.bench.images import find_images

    pixels = mosaic(find_images(images), *SIZES[name])
    Image.fromarray(pixels).save(folder / f"{name}.png", compress_level=1)


def compare(name: str, folder: Path) -> float:
    """Return the PSNR in dB of what came back."""
    import numpy as np
    from PIL import Image

    from aecodec.bench.metrics import psnr

    Image.MAX_IMAGE_PIXELS = None
    with Image.open(folder / f"{name}.png") as given, Image.open(folder / f"{name}.back.png") as found:
        return round(psnr(np.asarray(given), np.asarray(found)), 2)


def measure(name: str, folder: Path) -> dict[str, float]:
    picture, packed, back = (str(folder / f"{name}{suffix}") for suffix in (".png", ".aez", ".back.png"))
    return {
        "compress_mb": peak_mb(command_line("compress", picture, "-q", str(QUALITY), "-o", packed)),
        "bytes": Path(packed).stat().st_size,
        "decompress_mb": peak_mb(command_line("decompress", packed, "-o", back)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=Path, nargs="*", default=[], help="pictures or folders (default: samples)")
    parser.add_argument("--only", choices=SIZES, help="one of the pictures")
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    images = [str(path) for path in arguments.images]
    if arguments.child:
        task, folder = arguments.child
        if task == "make":
            make(arguments.images, arguments.only, Path(folder))
        else:
            print(compare(arguments.only, Path(folder)))
        return

    rows = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in [arguments.only] if arguments.only else SIZES:
            child = [sys.executable, __file__, "--only", name, "--images", *images, "--child"]
            subprocess.run([*child, "make", folder], check=True)
            rows[name] = measure(name, Path(folder))
            found = subprocess.run([*child, "compare", folder], check=True, capture_output=True, text=True)
            rows[name]["psnr"] = float(found.stdout)
            print(name, rows[name], flush=True)
    if not arguments.only:
        write_json(RESULTS / "large.json", conditions() | {"quality": QUALITY, "limit_mb": LIMIT, "pictures": rows})
    if over := [name for name, row in rows.items() if max(row["compress_mb"], row["decompress_mb"]) > LIMIT]:
        sys.exit(f"{', '.join(over)}: more than {LIMIT} MB")


if __name__ == "__main__":
    main()
