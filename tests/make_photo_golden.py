"""The script that makes tests/golden_photo: files of the default model, remade with its weights until a release.

python tests/make_photo_golden.py
"""

import json
import shutil
from pathlib import Path

import numpy as np
from make_tiny import SAMPLES, symbol_hashes
from PIL import Image

import aecodec

FOLDER = Path(__file__).parent / "golden_photo"


def pictures() -> dict[str, tuple[np.ndarray, float]]:
    """name -> picture, quality."""
    photo = np.asarray(Image.open(SAMPLES / "kodim15_crop.png").convert("RGB"))
    other = np.asarray(Image.open(SAMPLES / "kodim05_crop.png").convert("RGB"))
    wide = np.concatenate([photo[100:148], other[100:148, :40]], axis=1)  # 296 px: two tiles
    noise = np.random.default_rng(7).integers(0, 256, (40, 40, 3), np.uint8)
    return {
        "rgb-296x48-q1": (wide, 1),
        "rgb-296x48-q50": (wide, 50),
        "rgb-33x65-q75": (photo[90:155, 60:93], 75),
        "rgb-40x40-q100": (noise, 100),
        "grey-64x48-q75": (other[80:128, 80:144, 1], 75),
    }


def main() -> None:
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir()
    hashes = {}
    for name, (image, quality) in pictures().items():
        data = aecodec.encode(image, quality)
        (FOLDER / f"{name}.aez").write_bytes(data)
        Image.fromarray(aecodec.decode(data)).save(FOLDER / f"{name}.png", optimize=True)
        hashes[name] = symbol_hashes(data)
    (FOLDER / "hashes.json").write_text(json.dumps(hashes, indent=1) + "\n")


if __name__ == "__main__":
    main()
