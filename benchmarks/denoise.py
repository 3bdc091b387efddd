"""`aecodec denoise` on noisy pictures, beside a median filter of 3x3 pixels -> results/denoise.json.

    python benchmarks/denoise.py --images val/

The pictures get Gaussian noise, clipped to 0..255, or salt noise (a share of the pixels becomes random), and they
are stored as PNG files; the command reads these and writes others, which are measured against the clean pictures.
PSNR-RGB in dB, the mean over the pictures of a folder; of pictures named gfx_* (screens, illustrations) apart.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from common import RESULTS, command_line, conditions, write_json
from PIL import Image, ImageFilter

from aecodec.bench.images import find_images, load_image
from aecodec.bench.metrics import psnr

SIGMAS = (10, 25, 50)  # of 0..255
SALT = (0.1,)
MODEL = "photo-denoise"


def gaussian(clean: np.ndarray, sigma: float, rng: np.random.Generator) -> np.ndarray:
    """The picture, uint8 (H, W, 3), with normal noise."""
    return np.clip(np.round(clean + rng.normal(0, sigma, clean.shape)), 0, 255).astype(np.uint8)


def salt(clean: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    """The picture with a share of its pixels replaced by random ones."""
    hit = rng.random(clean.shape[:2]) < share
    return np.where(hit[..., None], rng.integers(0, 256, clean.shape, np.uint8), clean)


NOISES = {f"sigma {s}": lambda x, rng, s=s: gaussian(x, s, rng) for s in SIGMAS}
NOISES |= {f"salt {p:g}": lambda x, rng, p=p: salt(x, p, rng) for p in SALT}


def measure(files: list[Path], kind: str, folder: Path) -> list[dict[str, float]]:
    """PSNR of each picture: noisy, after the median filter, after the command."""
    seen, after = folder / "noisy", folder / "clean"
    for one in (seen, after):
        one.mkdir(parents=True)
    clean, rows = [load_image(file).pixels for file in files], []
    for number, picture in enumerate(clean):
        noisy = NOISES[kind](picture, np.random.default_rng(number))
        Image.fromarray(noisy).save(seen / f"{number:04}.png", compress_level=1)
        median = np.asarray(Image.fromarray(noisy).filter(ImageFilter.MedianFilter(3)))
        rows.append({"noisy": psnr(picture, noisy), "median": psnr(picture, median)})
    given = [str(path) for path in sorted(seen.iterdir())]
    done = subprocess.run(
        command_line("denoise", *given, "-o", str(after), "--model", MODEL), stderr=subprocess.PIPE, text=True
    )
    if done.returncode:
        sys.exit(f"aecodec denoise: exit code {done.returncode}\n{done.stderr}")
    for path, picture, row in zip(sorted(after.iterdir()), clean, rows, strict=True):
        with Image.open(path) as image:
            row["denoised"] = psnr(picture, np.asarray(image))
    return rows


def mean(name: str, kind: str, rows: list[dict[str, float]]) -> dict:
    """A line of the result."""
    found = {way: round(float(np.mean([row[way] for row in rows])), 2) for way in rows[0]}
    gains = [row["denoised"] - row["noisy"] for row in rows]
    least = round(float(min(gains)), 2)
    return {"images": name, "pictures": len(rows), "noise": kind, **found, "least gain": least}


def main() -> None:
    """Measure, write results/denoise.json, print the lines."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=Path, nargs="+", required=True, help="folders of clean pictures")
    found = []
    for folder in parser.parse_args().images:
        files = find_images([folder])
        screens = [file for file in files if file.name.startswith("gfx_")]
        parts = {folder.name: files}
        if screens:
            parts |= {
                f"{folder.name}, photographs": [file for file in files if file not in screens],
                f"{folder.name}, screens": screens,
            }
        for kind in NOISES:
            with tempfile.TemporaryDirectory() as work:
                rows = dict(zip(files, measure(files, kind, Path(work)), strict=True))
            for name, members in parts.items():
                found.append(mean(name, kind, [rows[file] for file in members]))
                print(found[-1])
    write_json(RESULTS / "denoise.json", conditions() | {"model": MODEL, "rows": found})


if __name__ == "__main__":
    main()
