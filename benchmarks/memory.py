"""Peak memory of `aecodec compress` and `decompress` on very large and very long images -> memory.json (Linux, macOS).

Mosaics of photographs of 24 MP and 100 MP, and strips of one column and of three rows. What comes back is compared with
the image. Every command stays under LIMIT_MB.
"""

import sys
import tempfile
from pathlib import Path

from common import command_line, in_child, mosaic, run_measured, write_result

SIZES = {"6000x4000": (6000, 4000), "10000x10000": (10_000, 10_000), "1x100000": (1, 100_000), "65535x3": (65_535, 3)}
LIMIT_MB = 1500
QUALITY = 75


def add_options(parser) -> None:
    parser.add_argument("--only", choices=SIZES, help="measure one size and write no result")


def make(images: list[Path], size: tuple[int, int], path: str) -> None:
    """Write the mosaic of a size as PNG."""
    from PIL import Image

    Image.fromarray(mosaic(images, *size)).save(path, compress_level=1)


def compare(original: str, decoded: str) -> float:
    """Return the PSNR in dB of a decoded PNG."""
    import numpy as np
    from PIL import Image

    from aecodec.pixels import psnr

    Image.MAX_IMAGE_PIXELS = None
    with Image.open(original) as a, Image.open(decoded) as b:
        return round(psnr(np.asarray(a), np.asarray(b)), 2)


def measure(images: list[Path], size: tuple[int, int]) -> dict[str, float]:
    """Return megabytes of both commands, bytes and PSNR of one mosaic."""
    with tempfile.TemporaryDirectory() as folder:
        original, packed, decoded = (str(Path(folder) / name) for name in ("image.png", "image.aez", "decoded.png"))
        in_child(make, images, size, original)
        _, compress = run_measured(command_line("compress", original, "-q", str(QUALITY), "-o", packed))
        _, decompress = run_measured(command_line("decompress", packed, "-o", decoded))
        row = {"compress_mb": compress, "decompress_mb": decompress, "bytes": Path(packed).stat().st_size}
        return row | {"psnr": in_child(compare, original, decoded)}


def run(options) -> None:
    rows = {}
    for name in [options.only] if options.only else SIZES:
        rows[name] = measure(options.images, SIZES[name])
        print(name, rows[name], flush=True)
    if not options.only:
        starts = {"python": [sys.executable, "-c", "pass"], "aecodec --help": command_line("--help")}
        starts_mb = {name: run_measured(command)[1] for name, command in starts.items()}
        write_result("memory", {"quality": QUALITY, "limit_mb": LIMIT_MB, "starts_mb": starts_mb, "images": rows})
    if over := [name for name, row in rows.items() if max(row["compress_mb"], row["decompress_mb"]) > LIMIT_MB]:
        sys.exit(f"{', '.join(over)}: more than {LIMIT_MB} MB")
