"""Decoded images of `aecodec.batch.iterate` in a second, .aez beside JPEG and WebP -> loading.json.

Files lie on the disk, in turn, on one thread; what counts is processor time. Quality is such that the PSNR is about the
same: each codec's is the lowest that reaches the PSNR of .aez at the quality that is asked for.
"""

import io
import tempfile
import time
from pathlib import Path

import numpy as np
from common import write_result
from PIL import Image

import aecodec
from aecodec import batch
from aecodec.bench.images import as_rgb, centre, find_images, load_image
from aecodec.pixels import psnr

FORMATS = {"JPEG": ".jpg", "WebP": ".webp"}


def add_options(parser) -> None:
    parser.add_argument("--quality", type=int, default=75, help="of .aez (default: 75)")
    parser.add_argument("--edge", type=int, default=512, help="of the square cut out of each image (default: 512)")
    parser.add_argument("--rounds", type=int, default=3, help="turns; the median counts (default: 3)")


def pack(image: np.ndarray, kind: str, quality: int) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, kind, quality=quality)
    return stream.getvalue()


def unpack(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


def run(options) -> None:
    loaded = [as_rgb(load_image(path).pixels) for path in find_images(options.images)]
    images = [centre(image, options.edge, options.edge) for image in loaded]
    files = {"aez": [aecodec.encode(image, options.quality) for image in images]}
    aims = [psnr(image, aecodec.decode(data)) for image, data in zip(images, files["aez"], strict=True)]
    for kind in FORMATS:
        files[kind] = []
        for image, aim in zip(images, aims, strict=True):
            packed = (pack(image, kind, quality) for quality in range(50, 101))
            files[kind].append(next((p for p in packed if psnr(image, unpack(p)) >= aim), pack(image, kind, 100)))
    rows = {}
    with tempfile.TemporaryDirectory() as work:
        paths = {}
        for kind, datas in files.items():
            paths[kind] = [Path(work) / f"{number}{FORMATS.get(kind, '.aez')}" for number in range(len(datas))]
            for path, data in zip(paths[kind], datas, strict=True):
                path.write_bytes(data)
        seconds: dict[str, list[float]] = {kind: [] for kind in files}
        for _ in range(options.rounds + 1):
            for kind in files:
                start = time.process_time()
                count = sum(1 for _ in batch.iterate(paths[kind], threads=1))
                seconds[kind].append((time.process_time() - start) / count)
    for kind, datas in files.items():
        errors = [psnr(i, aecodec.imread(io.BytesIO(d))[..., :3]) for i, d in zip(images, datas, strict=True)]
        rows[kind] = {
            "images_per_core_second": round(1 / float(np.median(seconds[kind][1:])), 1),
            "bytes_of_an_image": round(float(np.mean([len(data) for data in datas]))),
            "mean_psnr": round(float(np.mean(errors)), 2),
        }
    settings = {"images": len(images), "edge": options.edge, "quality": options.quality, "rounds": options.rounds}
    write_result("loading", {**settings, "codecs": rows})
