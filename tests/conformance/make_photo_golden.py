"""The script that makes golden_photo: files of the default model, remade with its weights until a release.

python tests/conformance/make_photo_golden.py
"""

import json
import shutil
from pathlib import Path

import numpy as np
from make_tiny import SAMPLES, metadata_hashes, symbol_hashes
from PIL import Image
from screens import screen

import aecodec
from aecodec.container.metadata import Metadata

FOLDER = Path(__file__).parent / "golden_photo"


def pictures() -> dict[str, tuple[np.ndarray, float, Metadata]]:
    """name -> picture, quality, metadata; the tuning is visual where the name does not say psnr."""
    photo = np.asarray(Image.open(SAMPLES / "kodim15_crop.png").convert("RGB"))
    other = np.asarray(Image.open(SAMPLES / "kodim05_crop.png").convert("RGB"))
    wide = np.concatenate([photo[100:148], other[100:148, :40]], axis=1)  # 296 px: two tiles
    noise = np.random.default_rng(7).integers(0, 256, (40, 40, 3), np.uint8)
    square = np.pad(photo, ((0, 2), (0, 4), (0, 0)), mode="reflect")  # 260x258 px: 2 x 2 tiles
    ramp = np.add.outer(np.arange(33), 7 * np.arange(17)).astype(np.uint8)
    beside = np.concatenate([photo[100:148], screen(48, 44)], axis=1)  # 300 px: a learned and an exact tile
    meta = Metadata(icc=b"profile " * 40, exif=b"II*\0\x08\0\0\0\0\0\0\0\0\0", xmp=b"<x:xmpmeta/>")
    none = Metadata()
    return {
        "rgb-296x48-q1": (wide, 1, none),
        "rgb-296x48-q50": (wide, 50, none),
        "rgb-mixed-300x48-q75": (beside, 75, none),
        "rgb-psnr-mixed-300x48-q40": (beside, 40, none),
        "rgba-mixed-300x48-q50": (np.dstack([beside, beside[..., 1]]), 50, meta),
        "grey-mixed-300x48-q90": (np.ascontiguousarray(beside[..., 1]), 90, none),
        "rgb-33x65-q75": (photo[90:155, 60:93], 75, none),
        "rgb-psnr-296x48-q75": (wide, 75, none),
        "grey-psnr-33x65-q50": (photo[90:155, 60:93, 1], 50, none),
        "rgb-noise-40x40-q75": (noise, 75, none),
        "rgb-40x40-q100": (photo[60:100, 60:100], 100, none),
        "rgb-1x1-q75": (photo[:1, :1], 75, none),
        "rgb-260x258-q33.3": (square, 33.3, meta),
        "grey-64x48-q75": (other[80:128, 80:144, 1], 75, none),
        "grey-1x40-q75": (photo[:40, :1, 1], 75, none),
        "grey-alpha-17x33-q1": (np.dstack([photo[:33, :17, 1], ramp]), 1, meta),
        "rgba-17x33-q50": (np.dstack([photo[60:93, 90:107], ramp]), 50, meta),
        "rgba-opaque-16x16-q100": (np.dstack([photo[:16, :16], np.full((16, 16), 255, np.uint8)]), 100, none),
    }


def main() -> None:
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir()
    hashes = {}
    for name, (image, quality, metadata) in pictures().items():
        data = aecodec.encode(image, quality, metadata=metadata, tune="psnr" if "psnr" in name else "visual")
        (FOLDER / f"{name}.aez").write_bytes(data)
        Image.fromarray(aecodec.decode(data)).save(FOLDER / f"{name}.png", optimize=True)
        hashes[name] = symbol_hashes(data) | metadata_hashes(metadata)
    (FOLDER / "hashes.json").write_text(json.dumps(hashes, indent=1) + "\n")


if __name__ == "__main__":
    main()
