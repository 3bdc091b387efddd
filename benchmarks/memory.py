"""Peak memory of `aecodec compress` and `decompress` of a 24 MP picture -> results/memory.json (Linux, macOS).

The commands are children of this process, which stays small and makes the picture in another child: on Linux the peak
of a child counts from the size of the parent it was started by.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from common import RESULTS, command_line, conditions, mosaic, peak_mb, write_json

WIDTH, HEIGHT = 6000, 4000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=Path, nargs="+", required=True, help="pictures or folders, for the mosaic")
    parser.add_argument("--make", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.make:
        from PIL import Image

        from aecodec.bench.images import find_images

        pixels = mosaic(find_images(arguments.images), WIDTH, HEIGHT)
        Image.fromarray(pixels).save(arguments.make, compress_level=1)
        return

    with tempfile.TemporaryDirectory() as folder:
        picture, packed, back = (str(Path(folder) / name) for name in ("big.png", "big.aez", "back.png"))
        images = [str(path) for path in arguments.images]
        subprocess.run([sys.executable, __file__, "--images", *images, "--make", picture], check=True)
        peaks = {
            "python, nothing imported": peak_mb([sys.executable, "-c", "pass"]),
            "aecodec --help": peak_mb(command_line("--help")),
            "aecodec compress": peak_mb(command_line("compress", picture, "-o", packed)),
            "aecodec decompress": peak_mb(command_line("decompress", packed, "-o", back)),
        }
    size = {"width": WIDTH, "height": HEIGHT}
    write_json(RESULTS / "memory.json", conditions() | {"picture": size, "peak_mb": peaks})
    for name, peak in peaks.items():
        print(f"{name}: {peak:.0f} MB")


if __name__ == "__main__":
    main()
