"""The quality scale for the eye: AECODEC_WEIGHTS=FOLDER python scale.py --val VAL

Real files of photographs along the quality axis, SSIMULACRA 2 of each, and from its mean the pairs (quality, share of
the axis) of a scale whose levels of SSIMULACRA 2 are LEVELS at these qualities and rise evenly between them. The ends
are what the ends of the axis give. `QUALITY` in aecodec/train/export.py holds the pairs.
"""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image

import aecodec
from aecodec.bench.metrics import ssimulacra2
from aecodec.families import by_name
from aecodec.settings import DEFAULT_MODEL

EDGE = 384
LEVELS = {30: 44.0, 75: 76.0, 90: 86.5}  # acceptable; clean at arm's length; indistinguishable side by side
QUALITIES = (1, 5, 10, 15, 20, 25, 30, 40, 50, 60, 70, 75, 80, 85, 90, 95, 100)


def photographs(folder: Path) -> list[np.ndarray]:
    """The middles of all photographs, EDGE pixels along an edge at most."""
    out = []
    for path in sorted(path for path in folder.glob("*.png") if not path.name.startswith("gfx")):
        with Image.open(path) as image:
            pixels = np.asarray(image.convert("RGB"))
        height, width = (min(EDGE, length) for length in pixels.shape[:2])
        top, left = (pixels.shape[0] - height) // 2, (pixels.shape[1] - width) // 2
        out.append(np.ascontiguousarray(pixels[top : top + height, left : left + width]))
    return out


def measured(images: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """The mean SSIMULACRA 2 and the mean bits per pixel at each of QUALITIES."""
    rows = []
    for quality in QUALITIES:
        files = [aecodec.encode(image, quality) for image in images]
        levels = [ssimulacra2(image, aecodec.decode(file)) for image, file in zip(images, files, strict=True)]
        rates = [8 * len(file) / image[..., 0].size for image, file in zip(images, files, strict=True)]
        rows.append((np.mean(levels), np.mean(rates)))
        print(f"quality {quality}: {rows[-1][0]:.1f} (worst {min(levels):.1f}), {rows[-1][1]:.3f} bpp", flush=True)
    levels, rates = np.array(rows).T
    return levels, rates


def main() -> None:
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--val", type=Path, required=True)
    images = photographs(ap.parse_args().val)
    model = by_name(DEFAULT_MODEL)
    shares = np.array([model.qindex(quality) for quality in QUALITIES]) / model.max_qindex
    levels, rates = measured(images)
    anchors = {1: levels[0], **LEVELS, 100: levels[-1]}
    pairs = []
    for quality in QUALITIES:
        level = np.interp(quality, list(anchors), list(anchors.values()))
        share = float(np.interp(level, levels, shares))
        pairs.append((quality, round(share, 4)))
        print(f"quality {quality}: {level:.1f}, {np.interp(share, shares, rates):.3f} bpp", flush=True)
    print(f"QUALITY = {tuple(pairs)}")


if __name__ == "__main__":
    main()
