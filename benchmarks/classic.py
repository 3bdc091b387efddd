"""Every classic autoencoder beside JPEG, PNG and the photo model, on its own test images -> classic.json.

Folders: IDX files of MNIST and of Fashion-MNIST, grey images. What is not given is left out. Files are whole
.aez files, JPEGs and PNGs of each image; the PSNR is that of all pixels of a set together.
"""

import statistics
import sys
from functools import partial
from pathlib import Path

import numpy as np
from common import write_result
from PIL import Image

from aecodec.bench.codecs import CODECS, SUBJECT, Codec, known_codecs
from aecodec.bench.images import find_images
from aecodec.bench.libraries import decode_pillow
from aecodec.bench.measure import measure_once
from aecodec.classic.idx import read_digits
from aecodec.classic.weights import classics
from aecodec.imagefile.write import encode_plain
from aecodec.pixels import decibels

ENCODE, DECODE = partial(encode_plain, format="JPEG", optimize=True), partial(decode_pillow, format="JPEG")
JPEG = Codec("JPEG", "optimised, baseline", ENCODE, DECODE, (1, 75))
PHOTO_QUALITIES = (1, 50, 75)


def add_options(parser) -> None:
    parser.add_argument("--mnist", type=Path, help="folder of IDX files")
    parser.add_argument("--fashion", type=Path, help="folder of IDX files")
    parser.add_argument("--first", type=int, default=100, metavar="N", help="test images of each set (default: 100)")


def mean(codec: Codec, quality: float, images: list[np.ndarray]) -> dict[str, float | None]:
    """Return mean bytes, bits per pixel and PSNR (None: lossless) of a set of grey images."""
    points = [measure_once(codec, image, quality) for image in images]
    pixels = sum(point.pixels for point in points)
    error = sum(point.pixels * 10 ** (-point.psnr / 10) for point in points) / pixels
    size = statistics.fmean(point.size for point in points)
    bpp = round(8 * sum(point.size for point in points) / pixels, 4)
    return {"bytes": round(size, 1), "bpp": bpp, "psnr": round(float(decibels(255**2 * error)), 2) if error else None}


def rows(data: str, images: list[np.ndarray]) -> list[dict]:
    """Return the results of all codecs on one set."""
    result = []
    for name, net in classics().items():
        if net.codes and net.entry["data"] == data:
            latents = net.latents * round(images[0].size / net.edge**2)
            row = {"codec": f"{net.entry['label']} {name}", **mean(known_codecs()[name], 1, images)}
            result.append(row | {"latents": latents, "bits": net.scale.bits, "float32": 4 * latents})
    others = [(f"photo, quality {quality}", CODECS[SUBJECT], quality) for quality in PHOTO_QUALITIES]
    others += [(f"JPEG, quality {quality}", JPEG, quality) for quality in JPEG.qualities]
    others += [("PNG", CODECS["png"], 80)]
    result += [{"codec": label, **mean(codec, quality, images)} for label, codec, quality in others]
    result.append({"codec": "raw", "bytes": statistics.fmean(image.size for image in images), "bpp": 8.0, "psnr": None})
    return [{"data": data, **row} for row in result]


def table(rows: list[dict]) -> str:
    """Return the rows in Markdown."""
    lines = ["| test images | codec | latents, bits each | as float32 | bytes | bpp | PSNR |", "|" + "---|" * 7]
    for row in rows:
        latents = f"{row['latents']}, {row['bits']}" if "latents" in row else ""
        psnr = "lossless" if row["psnr"] is None else f"{row['psnr']:.2f} dB"
        cells = [row["data"], row["codec"], latents, str(row.get("float32", ""))]
        cells += [f"{row['bytes']:.0f}", f"{row['bpp']:.3f}", psnr]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def run(options) -> None:
    result = []
    for name, folder in (("mnist", options.mnist), ("fashion-mnist", options.fashion)):
        if folder:
            result += rows(name, list(read_digits(folder).test[: options.first]))
    if options.images:
        files = find_images(options.images)[: options.first]
        result += rows("grey", [np.asarray(Image.open(path).convert("L")) for path in files])
    if not result:
        sys.exit("no images given: expected --mnist, --fashion or --images")
    write_result("classic", {"images": options.first, "rows": result})
    print(table(result))
