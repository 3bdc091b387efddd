"""The script that makes golden_classic: a file of every classic model, remade with its weights until a release.

python tests/conformance/make_classic_golden.py [NAME...]

A denoiser of photographs has no file: NAME-noisy.png is what it sees, NAME.png what it makes of it.
"""

import hashlib
import json
import sys
from pathlib import Path

import numpy as np
from digits import drawn
from make_tiny import SAMPLES
from PIL import Image

import aecodec
from aecodec import container
from aecodec.classic.denoise import denoise
from aecodec.classic.latents import unpack
from aecodec.classic.patches import grid
from aecodec.classic.weights import Classic, classics

FOLDER = Path(__file__).parent / "golden_classic"
HASHES = FOLDER / "hashes.json"


def picture(net: Classic) -> np.ndarray:
    """What a model's file shows: a bar, a shirt, a crop of a photograph; uint8 (H, W), without a code (H, W, 3)."""
    if net.entry["data"] == "mnist":
        return drawn(4)[0][3]
    if net.entry["data"] == "fashion-mnist":
        shirt = np.zeros((28, 28), np.uint8)
        shirt[2:27, 8:20], shirt[3:11, 4:24], shirt[2:4, 12:16] = 170, 170, 0
        return shirt
    with Image.open(SAMPLES / "kodim15_crop.png") as image:
        return np.asarray(image.convert("L" if net.codes else "RGB"))[60:121, 90:135]


def noisy(clean: np.ndarray) -> np.ndarray:
    """The picture with Gaussian noise of sigma 25."""
    noise = np.random.default_rng(8).normal(0, 25, clean.shape)
    return np.clip(np.round(clean + noise), 0, 255).astype(np.uint8)


def latents(data: bytes, net: Classic) -> np.ndarray:
    """The integers in a file, uint8 (patches, ...)."""
    file = container.read(data)
    rows, columns = grid(file.header.height, file.header.width, net.edge)
    return unpack(file.tiles[0], (rows * columns, *net.latent), net.scale.bits)


def digest(data: bytes, net: Classic) -> str:
    """The sha256 of a file's integers."""
    return hashlib.sha256(latents(data, net).tobytes()).hexdigest()


def main(names: list[str]) -> None:
    FOLDER.mkdir(exist_ok=True)
    hashes = json.loads(HASHES.read_text()) if HASHES.exists() else {}
    for name, net in classics().items():
        if names and name not in names:
            continue
        clean = picture(net)
        if net.codes:
            data = aecodec.encode(clean, model=name)
            (FOLDER / f"{name}.aez").write_bytes(data)
            hashes[name] = digest(data, net)
            after = aecodec.decode(data)
        else:
            before = noisy(clean)
            Image.fromarray(before).save(FOLDER / f"{name}-noisy.png", optimize=True)
            after = denoise(before, net)
        Image.fromarray(after).save(FOLDER / f"{name}.png", optimize=True)
    HASHES.write_text(json.dumps(hashes, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
