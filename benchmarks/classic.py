"""Every classic autoencoder beside JPEG, PNG and the flagship, each on its own test pictures: bytes and PSNR.

    python benchmarks/classic.py --mnist DIR --fashion DIR --images DIR

DIR: IDX files of MNIST and of Fashion-MNIST, grey pictures. What is not given is left out. Files are whole .aez files,
JPEGs and PNGs of each picture, PSNR is that of all pixels together.
"""

import argparse
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
from common import RESULTS, conditions, write_json
from PIL import Image

import aecodec
from aecodec.classic.idx import read_digits
from aecodec.classic.weights import classics

JPEG = (1, 75)
FLAGSHIP = (1, 50, 75)


def aez(picture: np.ndarray, **settings) -> tuple[int, np.ndarray]:
    """Size of a file and what comes back from it."""
    data = aecodec.encode(picture, **settings)
    return len(data), aecodec.decode(data)


def pillow(picture: np.ndarray, kind: str, **settings) -> tuple[int, np.ndarray]:
    """The same through Pillow."""
    file = io.BytesIO()
    Image.fromarray(picture).save(file, kind, optimize=True, **settings)
    return file.tell(), np.asarray(Image.open(file))


def mean(pictures: list[np.ndarray], code: Callable) -> dict:
    """Mean bytes, bits per pixel and PSNR of a set."""
    size = error = 0.0
    for picture in pictures:
        found, back = code(picture)
        size += found
        error += float(np.square(picture.astype(float) - back).sum())
    pixels = sum(p.size for p in pictures)
    psnr = round(10 * np.log10(255**2 * pixels / error), 2) if error else None  # None: lossless
    return {"bytes": round(size / len(pictures), 1), "bpp": round(8 * size / pixels, 4), "psnr": psnr}


def rows(data: str, pictures: list[np.ndarray]) -> list[dict]:
    """All codecs on one set."""
    found = []
    for name, net in classics().items():
        if net.codes and net.entry["data"] == data:
            label = f"{net.entry['label']} {name}"
            patches = round(pictures[0].size / net.edge**2)
            more = {"latents": net.latents * patches, "bits": net.scale.bits, "float32": 4 * net.latents * patches}
            found.append({"codec": label, **mean(pictures, lambda p, name=name: aez(p, model=name)), **more})
    for quality in FLAGSHIP:
        found.append({"codec": f"photo, quality {quality}", **mean(pictures, lambda p, q=quality: aez(p, quality=q))})
    for quality in JPEG:
        measured = mean(pictures, lambda p, q=quality: pillow(p, "JPEG", quality=q))
        found.append({"codec": f"JPEG, quality {quality}", **measured})
    found.append({"codec": "PNG", **mean(pictures, lambda p: pillow(p, "PNG"))})
    raw = sum(p.size for p in pictures) / len(pictures)
    found.append({"codec": "raw", "bytes": raw, "bpp": 8.0, "psnr": None})
    return [{"data": data, **row} for row in found]


def table(found: list[dict]) -> str:
    """The rows in Markdown."""
    lines = ["| test pictures | codec | latents, bits each | as float32 | bytes | bpp | PSNR |", "|" + "---|" * 7]
    for row in found:
        latents = f"{row['latents']}, {row['bits']}" if "latents" in row else ""
        psnr = "lossless" if row["psnr"] is None else f"{row['psnr']:.2f} dB"
        cells = [row["data"], row["codec"], latents, str(row.get("float32", ""))]
        cells += [f"{row['bytes']:.0f}", f"{row['bpp']:.3f}", psnr]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Measure, write results/classic.json, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mnist", type=Path)
    parser.add_argument("--fashion", type=Path)
    parser.add_argument("--images", type=Path)
    parser.add_argument("--pictures", type=int, default=100, help="of each set: the first test pictures")
    given = parser.parse_args()
    found = []
    for name, folder in (("mnist", given.mnist), ("fashion-mnist", given.fashion)):
        if folder:
            found += rows(name, list(read_digits(folder).test[: given.pictures]))
    if given.images:
        files = sorted(path for path in given.images.iterdir() if path.suffix.lower() in (".png", ".jpg", ".jpeg"))
        found += rows("grey", [np.asarray(Image.open(path).convert("L")) for path in files[: given.pictures]])
    if not found:
        parser.error("no pictures given")
    write_json(RESULTS / "classic.json", conditions() | {"pictures": given.pictures, "rows": found})
    print(table(found))


if __name__ == "__main__":
    main()
