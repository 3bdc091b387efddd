"""Steps of the error at tile borders over those between other columns and rows, on smooth gradients -> seams.json.

Three pictures of 1024x1024 pixels: a sky from blue to white, soft waves of colour, a grey vignette. A step is the
difference of the error between two neighbouring columns or rows; the ratio is the mean of its size at borders over that
elsewhere. Beside it are the mean size at tile borders, in levels of 255, and the PSNR of the whole picture.
Pictures with exact tiles are not measured: such tiles have no error.
"""

import numpy as np
from common import write_result

import aecodec
from aecodec.geometry import STRIDE, TILE
from aecodec.pixels import decibels

EDGE = 1024
QUALITIES = (5, 15, 40)
BORDER = TILE * STRIDE


def gradients() -> dict[str, np.ndarray]:
    """The pictures by name, uint8 (EDGE, EDGE, 3)."""
    y, x = np.mgrid[0 : 1 : EDGE * 1j, 0 : 1 : EDGE * 1j]
    away = np.hypot(x - 0.5, y - 0.4)
    sky = np.stack([70 + 150 * y, 120 + 110 * y, 210 + 35 * y], axis=-1)
    wheel = np.stack([128 + 90 * np.sin(3 * x + phase) * np.cos(2 * y - phase) for phase in (0, 1, 2)], axis=-1)
    vignette = np.repeat((230 - 180 * away**2)[..., None], 3, axis=-1)
    pictures = {"sky": sky, "colours": wheel, "vignette": vignette}
    return {name: np.clip(np.rint(picture), 0, 255).astype(np.uint8) for name, picture in pictures.items()}


def steps_of(error: np.ndarray) -> dict[str, float]:
    """Of an error (EDGE, EDGE, 3): steps at borders of tiles, and at other ones of latents, over those elsewhere."""
    steps = sum(np.abs(np.diff(turned, axis=1)).mean((0, 2)) for turned in (error, error.transpose(1, 0, 2))) / 2
    places = np.arange(1, EDGE)
    tile, square = places % BORDER == 0, places % STRIDE == 0
    elsewhere = steps[~square].mean()
    borders = {"tiles": tile, "latents": square & ~tile}
    ratios = {name: round(float(steps[where].mean() / elsewhere), 3) for name, where in borders.items()}
    return ratios | {
        "levels": round(float(steps[tile].mean()), 2),
        "psnr": round(float(decibels(np.square(error).mean())), 1),
    }


def run(options) -> None:
    rows = []
    for name, image in gradients().items():
        for quality in QUALITIES:
            data = aecodec.encode(image, quality)
            error, row = aecodec.decode(data).astype(np.float32) - image, {"image": name, "quality": quality}
            row["exact_tiles"] = aecodec.read_info(data).exact
            rows.append(row | ({} if row["exact_tiles"] else steps_of(error)))
            print(rows[-1], flush=True)
    write_result("seams", {"edge": EDGE, "rows": rows})
