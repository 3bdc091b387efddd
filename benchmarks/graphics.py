"""Screens, text, drawings and other synthetic images: bytes and PSNR by quality beside lossless WebP -> graphics.json.

The images are drawn by this module, always the same for one version of Pillow; --save writes them as PNG files. Those
given by --images are measured beside them. --data names a folder with manifest.csv, val/ and train/: the BD-rates
against AVIF are those of the images gfx_* of val/, and of 30 images of train/ whose kind is gfx.
"""

import csv
import math
import random
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from common import progress, write_result
from PIL import Image, ImageDraw, ImageFont

from aecodec.bench.cache import Cache, default_folder
from aecodec.bench.codecs import CODECS, choose
from aecodec.bench.images import SAMPLES, find_images, load_image
from aecodec.bench.machine import library_versions
from aecodec.bench.measure import mean_sweep, measure_once
from aecodec.bench.metrics import choose_metrics
from aecodec.bench.plan import Plan
from aecodec.bench.report import bd_rates
from aecodec.bench.run import run_bench, steps_of_run
from aecodec.bench.targets import Target

QUALITIES = (10, 50, 75, 90, 100)
SUBJECT, ANCHOR = "aez-psnr", "avif"
TRAIN_IMAGES, SEED = 30, 16
TEXT = "the quick brown fox jumps over a lazy dog while 42 liquor jugs, boxed (and taped), wait for 7 zebras: OK?"
WORDS = TEXT.split()
WHITE, INK, GREY, BLUE = (255, 255, 255), (30, 30, 34), (222, 224, 228), (31, 97, 214)


def text(draw: ImageDraw.ImageDraw, box: tuple[int, int, int, int], font, fill, seed: int) -> None:
    """Fill a box (left, top, right, bottom) with lines of words."""
    words, (left, top, right, bottom) = random.Random(seed), box
    height = math.ceil(font.getbbox("Ag")[3] * 1.35)
    for y in range(top, bottom - height, height):
        line = words.choice(WORDS)
        while font.getbbox(f"{line} {(word := words.choice(WORDS))}")[2] < right - left:
            line += f" {word}"
        draw.text((left, y), line, fill, font)


def canvas(width: int, height: int, colour=WHITE, mode: str = "RGB") -> tuple[Image.Image, ImageDraw.ImageDraw]:
    image = Image.new(mode, (width, height), colour)
    return image, ImageDraw.Draw(image)


def screenshot() -> Image.Image:
    """A window with a title bar, a side bar, buttons, and small text in two fonts."""
    image, draw = canvas(800, 600, GREY)
    draw.rectangle((0, 0, 799, 27), (52, 58, 70))
    draw.text((10, 7), "report.txt - Editor", WHITE, ImageFont.load_default(13))
    draw.rectangle((180, 60, 789, 589), WHITE, (170, 174, 182))
    for i in range(9):
        draw.rounded_rectangle((10, 44 + 32 * i, 168, 68 + 32 * i), 4, BLUE if i == 2 else (240, 241, 244))
        draw.text((18, 50 + 32 * i), WORDS[3 + i], WHITE if i == 2 else INK, ImageFont.load_default(12))
    text(draw, (190, 68, 780, 320), ImageFont.load_default(12), INK, 1)
    text(draw, (190, 330, 780, 585), ImageFont.load_default_imagefont(), (20, 110, 60), 2)
    return image


def photo_in_screenshot(photo: Path) -> Image.Image:
    """The window with a photograph in the middle of its text."""
    image = screenshot()
    inset = Image.open(photo).convert("RGB")
    inset.thumbnail((384, 384))
    image.paste(inset, (300, 150))
    return image


def line_drawing() -> Image.Image:
    """Thin black lines, drawn at four times the size: circles, spirals and hatching."""
    image, draw = canvas(2560, 1920, 255, "L")
    for i in range(40):
        draw.ellipse((300 + 20 * i, 200 + 15 * i, 1500 - 10 * i, 1500 - 14 * i), outline=0, width=5)
        draw.line((1500 + 24 * i, 200, 1300 + 30 * i, 1700), 0, 4)
    spiral = [(1800 + 9 * t * math.cos(t / 3), 900 + 9 * t * math.sin(t / 3)) for t in range(90)]
    draw.line(spiral, 0, 8, "curve")
    return image.resize((640, 480), Image.Resampling.BOX)


def logo() -> Image.Image:
    """Flat shapes with smooth edges in four colours."""
    image, draw = canvas(2048, 2048, WHITE)
    draw.ellipse((200, 200, 1848, 1848), BLUE)
    draw.polygon([(1024, 380), (1560, 1500), (488, 1500)], (250, 196, 40))
    draw.pieslice((700, 900, 1348, 1548), 200, 340, (214, 48, 60))
    draw.text((560, 1530), "aecodec", WHITE, ImageFont.load_default(240))
    return image.resize((512, 512), Image.Resampling.BOX)


def colour_bars() -> Image.Image:
    """Seven bars, their complements below, and a staircase of greys."""
    image, draw = canvas(640, 480, (0, 0, 0))
    for i in range(7):
        bits = 7 - i
        colour = tuple(191 * (bits >> shift & 1) for shift in (1, 2, 0))
        draw.rectangle((i * 640 // 7, 0, (i + 1) * 640 // 7 - 1, 319), colour)
        draw.rectangle((i * 640 // 7, 320, (i + 1) * 640 // 7 - 1, 359), tuple(191 - value for value in colour))
    for i in range(16):
        draw.rectangle((40 * i, 360, 40 * i + 39, 479), (17 * i,) * 3)
    return image


def bilevel_scan() -> Image.Image:
    """A page of text, a little turned, in black and white as a scanner thresholds it."""
    image, draw = canvas(1240, 1754, 255, "L")
    text(draw, (120, 120, 1120, 1640), ImageFont.load_default(22), 0, 3)
    turned = np.asarray(image.rotate(0.7, Image.Resampling.BICUBIC, fillcolor=255)).astype(float)
    noise = np.random.default_rng(4).normal(0, 40, turned.shape)
    return Image.fromarray(np.where(turned + noise > 118, 255, 0).astype(np.uint8))


def pixel_art() -> Image.Image:
    """Mirrored sprites of 8x8 pixels in 12 colours, each pixel drawn as a square of 8."""
    rng = np.random.default_rng(5)
    palette = rng.integers(0, 256, (12, 3), np.uint8)
    half = np.where(rng.random((48, 10, 4)) < 0.45, 0, rng.integers(1, 12, (48, 10, 4)))
    indices = np.concatenate([half, half[..., ::-1]], axis=2).reshape(48, 80)
    return Image.fromarray(np.kron(palette[indices], np.ones((8, 8, 1), np.uint8)))


def white_noise() -> Image.Image:
    """Independent uniform values."""
    return Image.fromarray(np.random.default_rng(6).integers(0, 256, (256, 256, 3), np.uint8))


def gradients() -> Image.Image:
    """A linear, a diagonal, a radial and a hue gradient, one in each quarter."""
    y, x = np.mgrid[0:1:256j, 0:1:320j]
    radius = np.hypot(x - 0.5, y - 0.5) * math.sqrt(2)
    linear, diagonal = np.stack([x, x, x], 2), np.stack([x, (x + y) / 2, 1 - y], 2)
    radial = np.stack([1 - radius, 1 - radius**2, 0.6 + 0.4 * radius], 2)
    hue = 0.5 + 0.5 * np.cos(2 * math.pi * (x[..., None] + np.array([0, 1 / 3, 2 / 3])))
    whole = np.concatenate([np.concatenate([linear, diagonal], 1), np.concatenate([radial, hue], 1)])
    return Image.fromarray(np.round(255 * whole).astype(np.uint8))


DRAWINGS: dict[str, Callable[[], Image.Image]] = {
    "screenshot": screenshot,
    "line drawing": line_drawing,
    "logo": logo,
    "colour bars": colour_bars,
    "bilevel scan": bilevel_scan,
    "pixel art": pixel_art,
    "white noise": white_noise,
    "gradients": gradients,
}


def add_options(parser) -> None:
    parser.add_argument("--photo", type=Path, default=SAMPLES / "kodim05_crop.png", help="for the one in a screenshot")
    parser.add_argument("--data", type=Path, help="folder with manifest.csv, val/ and train/: measure BD-rates")
    parser.add_argument("--qualities", default=",".join(map(str, QUALITIES)), help="(default: %(default)s)")
    parser.add_argument("--points", type=int, metavar="N", help="at most so many qualities of each codec's curve")
    parser.add_argument("--save", type=Path, metavar="FOLDER", help="write the synthetic images as PNG files")
    parser.add_argument("--jobs", type=int, default=1, help="processes that share the BD-rates (default: 1)")


def measure(pixels: np.ndarray, qualities: list[float]) -> dict[str, Any]:
    """Return bytes and PSNR (None: lossless) of aez at each quality, and the bytes of lossless WebP."""
    webp = measure_once(CODECS["webp-lossless"], pixels, 80)
    row: dict[str, Any] = {"width": pixels.shape[1], "height": pixels.shape[0], "webp_lossless": int(webp.size)}
    for quality in qualities:
        point = measure_once(CODECS[SUBJECT], pixels, quality)
        psnr = round(point.psnr, 2) if math.isfinite(point.psnr) else None
        row[f"quality {quality:g}"] = {"bytes": int(point.size), "psnr": psnr}
    return row


def graphics_of(data: Path) -> dict[str, list[Path]]:
    """Return the graphics of val/, and some of train/ by the manifest."""
    with open(data / "manifest.csv", encoding="utf-8", newline="") as file:
        train = sorted(
            data / row["file"]
            for row in csv.DictReader(file)
            if row["kind"] == "gfx" and row["file"].startswith("train/")
        )
    chosen = random.Random(SEED).sample(train, min(TRAIN_IMAGES, len(train)))
    return {"val": sorted((data / "val").glob("gfx_*")), "train": sorted(chosen)}


def compare_curves(paths: list[Path], points: int | None, jobs: int) -> dict[str, Any]:
    """Return the BD-rates (percent, PSNR-RGB) of aez against AVIF: of the mean curves, and of each image."""
    codecs, target = choose([SUBJECT, ANCHOR]), Target(max_points=points)
    cache = Cache(default_folder(), library_versions())
    plan = Plan(codecs, choose_metrics([]), cache, target, repeats=0, jobs=jobs)
    run = run_bench(paths, plan, progress(steps_of_run(paths, plan)))

    def bd_rate(sweep) -> float | None:
        columns = {name: column for name, column in sweep.items() if isinstance(column, list)}
        delta = bd_rates(columns, ANCHOR)[0].get("psnr", {}).get(SUBJECT)
        return delta and round(delta["percent"], 1)

    sweeps = {entry.name: entry.sweep for entry in run.results}
    return {
        "images": len(sweeps),
        "bd_rate": bd_rate(mean_sweep(list(sweeps.values()))),
        "by_image": {name: bd_rate(sweep) for name, sweep in sweeps.items()},
    }


def run(options) -> None:
    images = {name: draw() for name, draw in DRAWINGS.items()}
    images["photograph in a screenshot"] = photo_in_screenshot(options.photo)
    if options.save:
        options.save.mkdir(parents=True, exist_ok=True)
        for name, image in images.items():
            image.save(options.save / f"{name.replace(' ', '_')}.png")
    pixels = {name: np.asarray(image) for name, image in images.items()}
    if options.images:
        pixels |= {path.name: load_image(path).pixels for path in find_images(options.images)}
    qualities = [float(part) for part in options.qualities.split(",")]
    rows = {}
    for name, array in pixels.items():
        rows[name] = measure(array, qualities)
        print(f"{name}: {rows[name]}", flush=True)
    result: dict[str, Any] = {"anchor": ANCHOR, "codec": CODECS[SUBJECT].about, "images": rows}
    if options.data:
        sets = graphics_of(options.data)
        if empty := [name for name, paths in sets.items() if not paths]:
            sys.exit(f"{options.data}: no graphics in {' and '.join(empty)}")
        result["bd_rates"] = {name: compare_curves(paths, options.points, options.jobs) for name, paths in sets.items()}
    write_result("graphics", result)
