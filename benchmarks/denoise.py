"""`aecodec denoise` on noisy images, beside a median filter of 3x3 pixels -> denoise.json.

The images get Gaussian noise, clipped to 0..255, or salt noise (a fraction of the pixels becomes random), and are
stored as PNG files. The command reads these and writes others, which are compared with the clean images. PSNR-RGB in
dB, the mean over the images of a folder; photographs and images named gfx_* (screens, illustrations) also apart.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from common import command_line, write_result
from PIL import Image, ImageFilter

from aecodec.bench.images import as_rgb, find_images, load_image
from aecodec.pixels import psnr

SIGMAS = (10, 25, 50)  # of 0..255
SALT = 0.1
MODEL = "photo-denoise"


def gaussian(clean: np.ndarray, sigma: float, rng: np.random.Generator) -> np.ndarray:
    """Return the image, uint8 (H, W, 3), with normal noise."""
    return np.clip(np.round(clean + rng.normal(0, sigma, clean.shape)), 0, 255).astype(np.uint8)


def salt(clean: np.ndarray, fraction: float, rng: np.random.Generator) -> np.ndarray:
    """Return the image with a fraction of its pixels replaced by random ones."""
    hit = rng.random(clean.shape[:2]) < fraction
    return np.where(hit[..., None], rng.integers(0, 256, clean.shape, np.uint8), clean)


NOISES = {f"sigma {s}": lambda x, rng, s=s: gaussian(x, s, rng) for s in SIGMAS}
NOISES[f"salt {SALT:g}"] = lambda x, rng: salt(x, SALT, rng)


def measure(files: list[Path], kind: str, folder: Path) -> list[dict[str, float]]:
    """Return the PSNR of each image: noisy, after the median filter, after the command."""
    noisy_folder, denoised_folder = folder / "noisy", folder / "denoised"
    noisy_folder.mkdir()
    denoised_folder.mkdir()
    images, rows = [as_rgb(load_image(file).pixels) for file in files], []
    for number, clean in enumerate(images):
        noisy = NOISES[kind](clean, np.random.default_rng(number))
        Image.fromarray(noisy).save(noisy_folder / f"{number:04}.png", compress_level=1)
        median = np.asarray(Image.fromarray(noisy).filter(ImageFilter.MedianFilter(3)))
        rows.append({"noisy": psnr(clean, noisy), "median": psnr(clean, median)})
    inputs = [str(path) for path in sorted(noisy_folder.iterdir())]
    command = command_line("denoise", *inputs, "-o", str(denoised_folder), "--model", MODEL)
    done = subprocess.run(command, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit(f"aecodec denoise: exit code {done.returncode}\n{done.stderr}")
    for path, clean, row in zip(sorted(denoised_folder.iterdir()), images, rows, strict=True):
        row["denoised"] = psnr(clean, np.asarray(Image.open(path)))
    return rows


def mean(name: str, kind: str, rows: list[dict[str, float]]) -> dict:
    """Return a row of the result."""
    means = {way: round(float(np.mean([row[way] for row in rows])), 2) for way in rows[0]}
    gain = round(float(min(row["denoised"] - row["noisy"] for row in rows)), 2)
    return {"folder": name, "images": len(rows), "noise": kind, **means, "min_gain": gain}


def run(options) -> None:
    result = []
    for folder in options.images:
        files = find_images([folder])
        groups = {folder.name: files}
        if graphics := [file for file in files if file.name.startswith("gfx_")]:
            groups[f"{folder.name}, photographs"] = [file for file in files if file not in graphics]
            groups[f"{folder.name}, screens"] = graphics
        for kind in NOISES:
            with tempfile.TemporaryDirectory() as work:
                rows = dict(zip(files, measure(files, kind, Path(work)), strict=True))
            result += [mean(name, kind, [rows[file] for file in members]) for name, members in groups.items()]
    write_result("denoise", {"model": MODEL, "rows": result})
