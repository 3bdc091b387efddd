"""A stack of images in a Zarr array, aecodec beside other codecs of numcodecs: bytes and PSNR -> arrays.json.

The stack is uint8 (20, 1024, 1024, 3), mosaics of the images that are given, one image a chunk. Codecs that are not
installed are left out.
"""

import importlib
from collections.abc import Iterator
from typing import Any

import numpy as np
from common import mosaic, write_result

from aecodec.bench.images import find_images
from aecodec.pixels import psnr

EDGE = 1024
# Module, class, and the arguments of each point.
CODECS: dict[str, tuple[str, str, list[dict[str, Any]]]] = {
    "blosc-zstd": ("numcodecs", "Blosc", [{"cname": "zstd", "clevel": 5}]),
    "aecodec lossless": ("aecodec.arrays.numcodecs", "Aez", [{"lossless": True}]),
    "JPEG XL lossless": ("imagecodecs.numcodecs", "Jpegxl", [{"lossless": True}]),
    "aecodec": ("aecodec.arrays.numcodecs", "Aez", [{"quality": quality} for quality in (50, 75, 90)]),
    "AVIF": ("imagecodecs.numcodecs", "Avif", [{"speed": 6, "level": level} for level in (40, 60, 75)]),
    "JPEG XL": ("imagecodecs.numcodecs", "Jpegxl", [{"lossless": False, "distance": d} for d in (4, 2, 1)]),
}


def add_options(parser) -> None:
    parser.add_argument("--count", type=int, default=20, help="images in the stack (default: 20)")


def run(options) -> None:
    paths = find_images(options.images)
    turns = [paths[number % len(paths) :] + paths[: number % len(paths)] for number in range(options.count)]
    stack = np.stack([mosaic(turn, EDGE, EDGE) for turn in turns])
    rows = []
    for name in CODECS:
        for row in points(name, stack):
            print(row, flush=True)
            rows.append(row)
    write_result("arrays", {"shape": list(stack.shape), "chunk": [1, EDGE, EDGE, 3], "codecs": rows})


def points(name: str, stack: np.ndarray) -> Iterator[dict[str, Any]]:
    """Yield what each point of a codec takes and loses; nothing for a codec that is not installed."""
    import numcodecs
    import zarr

    module, kind, settings = CODECS[name]
    try:
        codec = getattr(importlib.import_module(module), kind)
    except ImportError:
        return
    numcodecs.register_codec(codec)
    for arguments in settings:
        store = zarr.storage.MemoryStore()
        chunks = (1, *stack.shape[1:])
        made = {"shape": stack.shape, "chunks": chunks, "dtype": "uint8", "zarr_format": 2}
        array = zarr.create_array(store, compressors=codec(**arguments), **made)
        array[:] = stack
        size, error = array.nbytes_stored(), psnr(array[:], stack)
        yield {
            "codec": name,
            **arguments,
            "bytes": size,
            "bits_per_pixel": round(24 * size / stack.nbytes, 3),
            "of_raw": round(size / stack.nbytes, 4),
            "psnr": None if error == np.inf else round(error, 2),
        }
