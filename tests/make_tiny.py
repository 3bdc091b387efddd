"""The script that made tests/tiny (a frozen model) and golden files of it, which must decode for ever.

    python tests/make_tiny.py [FOLDER]      writes tiny/tiny and conformance/golden into FOLDER, by default beside it

What is there is never replaced: a run makes the model if it is missing, and adds the golden files that are. A change
of the format that cannot read the old ones is a mistake. Another machine's model is as good, but other bytes. While a
model is still to be changed, its folder, its entry in tiny/manifest.json and its golden files are removed first.
"""

import hashlib
import json
import os
import sys
from contextlib import nullcontext
from pathlib import Path
from unittest import mock

import numpy as np
from PIL import Image
from small import SMALL

from aecodec import api, research
from aecodec.codec.latents import Symbols
from aecodec.container import NO_MODEL
from aecodec.container.metadata import Metadata
from aecodec.families import by_name
from aecodec.model.weights import installed_models

HERE = Path(__file__).parent
SAMPLES = HERE.parent / "aecodec" / "bench" / "samples"
SEED = 20
SHAPE = SMALL | {"lmbda_low": 4e-6, "knots": 3}
ID, STEPS, RATE = 0xFFFD, 150, 1e-3
LEARNED = "rgb-noise-48x48-q100", "grey-noise-48x48-q100", "rgba-15x31-q100"  # they would cost less if they were exact
NOTE = "for tests only: trained for a minute on three small pictures; tests/conformance/golden depends on it for ever"


def train():
    """A tiny model, trained for a few steps on the sample pictures."""
    import keras

    from aecodec.train.backend import Stepper
    from aecodec.train.data import Crops, image_files, load_images, principal_components
    from aecodec.train.optimizer import FastMuon
    from aecodec.train.photo import Photo, Shape

    keras.utils.set_random_seed(SEED)
    shape = Shape(**SHAPE)
    crops = Crops(load_images(image_files(SAMPLES)), SEED)
    model = Photo(shape, *principal_components(crops, 4000))
    model.build()
    stepper = Stepper(model, FastMuon())
    for step in range(STEPS):
        loss, bpp, mse, _ = stepper.step(crops.batch(step, 4, 128, shape), RATE)
        if step % 10 == 9:
            print(f"step {step + 1}: loss {loss:.3f}, {bpp:.3f} bpp, mse {mse:.1f}")
    return model, crops.images


def pictures() -> dict[str, tuple[np.ndarray, float | None, Metadata, str]]:
    """name -> picture, quality or None for lossless, metadata, tune: one file for each way through the codec."""
    photo = np.asarray(Image.open(SAMPLES / "kodim15_crop.png").convert("RGB"))
    other = np.asarray(Image.open(SAMPLES / "kodim05_crop.png").convert("RGB"))
    rng = np.random.default_rng(SEED)
    wide = np.concatenate([photo[100:140], other[100:140, :1]], axis=1)  # 257 px: the last tile is one pixel wide
    ramp = np.add.outer(np.arange(33), 7 * np.arange(17)).astype(np.uint8)
    noise = rng.integers(0, 256, (48, 48, 3), np.uint8)
    squares = np.where(rng.random((3, 4, 3)) < 0.5, 0, 255).astype(np.uint8).repeat(16, axis=0).repeat(16, axis=1)
    meta = Metadata(
        icc=b"profile " * 40, exif=b"II*\0\x08\0\0\0\0\0\0\0\0\0", xmp=b"<x:xmpmeta xmlns:x='adobe:ns:meta/'/>"
    )
    none = Metadata()
    old = {
        "rgb-1x1-q50": (photo[:1, :1], 50, none),
        "rgb-17x33-q1": (photo[60:93, 90:107], 1, none),
        "rgb-17x33-q50": (photo[60:93, 90:107], 50, none),
        "rgb-17x33-q100": (photo[60:93, 90:107], 100, none),
        "rgb-257x40-q33.3": (wide, 33.3, none),
        "rgb-40x257-q87.5": (np.ascontiguousarray(wide.transpose(1, 0, 2)), 87.5, none),
        "rgb-noise-48x48-q100": (noise, 100, none),
        "grey-noise-48x48-q100": (np.ascontiguousarray(noise[..., 0]), 100, none),
        "rgb-squares-64x48-q20": (squares, 20, none),
        "rgb-metadata-24x16-q50": (other[:16, :24], 50, meta),
        "rgba-17x33-q50": (np.dstack([photo[:33, :17], ramp]), 50, none),
        "rgba-opaque-16x16-q75": (np.dstack([photo[:16, :16], np.full((16, 16), 255, np.uint8)]), 75, none),
        "grey-1x40-q75": (photo[:40, :1, 1], 75, none),
        "grey-64x48-q50": (photo[80:128, 80:144, 1], 50, none),
        "grey-alpha-17x33-q1": (np.dstack([photo[:33, :17, 1], ramp]), 1, meta),
    }
    # Added later: the kinds at the qualities that were missing, each way to store alpha, more shapes and tiles.
    bits = rng.integers(0, 2, (17, 33), np.uint8) * 255
    steps = np.cumsum(rng.choice([1, 9], (16, 48)), axis=1).astype(np.uint8)  # differences along rows are all it needs
    square = np.pad(photo, ((0, 2), (0, 4), (0, 0)), mode="reflect")  # 260x258 px: 2 x 2 tiles
    fade = np.linspace(255, 0, 260).astype(np.uint8)
    full = Metadata(icc=bytes(range(256)) * 2, exif=b"MM\0*\0\0\0\x08" + bytes(500), xmp=b"<x/>" * 99)
    new = {
        "grey-19x35-q1": (other[60:95, 40:59, 1], 1, none),
        "grey-33x15-q75": (other[60:75, 40:73, 1], 75, full),
        "grey-alpha-33x17-q50": (np.dstack([photo[60:77, 90:123, 1], bits]), 50, none),
        "grey-alpha-16x48-q75": (np.dstack([other[:48, :16, 1], steps.T]), 75, none),
        "grey-alpha-48x16-q100": (np.dstack([other[:16, :48, 1], steps]), 100, none),
        "rgb-31x47-q75": (photo[150:197, 60:91], 75, none),
        "rgb-1x300-q50": (np.concatenate([photo, other])[:300, 99:100], 50, none),
        "rgb-300x1-q85": (np.concatenate([photo, other], axis=1)[99:100, :300], 85, none),
        "rgba-260x258-q1": (np.dstack([square, np.broadcast_to(fade, (258, 260))]), 1, none),
        "rgba-33x1-q75": (np.dstack([photo[:1, :33], bits[:1]]), 75, full),
        "rgba-15x31-q100": (np.dstack([other[20:51, 20:35], 255 - ramp[:31, :15]]), 100, meta),
    }
    # Format version 2: exact tiles beside learned ones, and alone.
    drawing = ((np.add.outer(np.arange(48), np.arange(274)) // 5 % 3) * 90).astype(np.uint8)
    drawing = np.dstack([drawing, 255 - drawing, drawing // 2])
    blocks = rng.integers(0, 256, (120, 3), np.uint8)[rng.integers(0, 120, (5, 75))]  # one palette: one large tile
    blocks = blocks.repeat(4, 0).repeat(4, 1)
    beside = np.concatenate([photo[40:72], drawing[:32, :44]], axis=1)
    above = np.concatenate([photo[:, :20], drawing.transpose(1, 0, 2)[:256, :20], other[:18, :20]])
    veiled = np.dstack([photo[60:77, 90:123], np.kron(bits[:5, :9], np.ones((4, 4), np.uint8))[:17, :33]])
    drawn = (
        old
        | new
        | {
            "rgb-mixed-300x32-q75": (beside, 75, none),
            "rgb-mixed-20x530-q80": (above, 80, none),
            "grey-mixed-300x32-q100": (np.ascontiguousarray(beside[..., 1]), 100, full),
            "grey-alpha-mixed-300x32-q50": (np.dstack([beside[..., 1], drawing[:32, :1, 0].repeat(300, 1)]), 50, none),
            "rgba-mixed-20x530-q75": (np.dstack([above, above[..., 2] // 2]), 75, meta),
            "rgb-1x1-lossless": (photo[:1, :1], None, none),
            "rgb-270x11-lossless": (np.concatenate([photo[:11], other[:11, :14]], axis=1), None, none),
            "rgb-274x48-lossless": (drawing, None, full),
            "rgb-300x20-lossless": (blocks, None, none),
            "rgba-33x17-lossless": (veiled, None, none),
            "rgba-48x16-lossless": (np.dstack([drawing[:16, :48], 255 - drawing[:16, :48, 0]]), None, none),
            "grey-1x40-lossless": (photo[:40, :1, 1], None, none),
            "grey-alpha-33x17-lossless": (np.dstack([drawing[:17, :33, 0], 255 - drawing[:17, :33, 0]]), None, meta),
        }
    )
    # The visual tuning: smooth and textured cells, several of them in a tile, cut off at its edges.
    uneven = np.concatenate([photo[100:177], other[100:177, :14]], axis=1)
    uneven[:, 20:90], uneven[5:70, 130:200] = uneven[:, :1], rng.integers(0, 256, (65, 70, 3))
    smooth = np.concatenate([uneven[:32, 100:256], photo[70:102, 60:160], drawing[:32, :44]], axis=1)
    visual = {
        "rgb-visual-270x77-q60": (uneven, 60, none),
        "rgb-visual-1x300-q50": (np.concatenate([photo, other])[:300, 99:100], 50, none),
        "grey-visual-67x130-q22": (np.ascontiguousarray(uneven[:67, 70:200, 1].T), 22, none),
        "rgb-visual-mixed-300x32-q80": (smooth, 80, full),
    }
    return {
        name: (*rest, tune) for tune, files in (("psnr", drawn), ("visual", visual)) for name, rest in files.items()
    }


def learned_symbols(data: bytes) -> list[Symbols]:
    """Of each learned tile, if there are any."""
    return [] if api.read_info(data).model_id == NO_MODEL else research.decode_symbols(data)


def symbol_hashes(data: bytes) -> dict[str, str]:
    """sha256 of the decoded symbols of all tiles, one after another, each array in C order (row, column, channel).

    z: int8, 4 x 4 x Z, or Z + 1 with deltas. index: uint8, 16 x 16 x M. r: int32 little-endian, 16 x 16 x M.
    All are zero outside the picture.
    """
    tiles = learned_symbols(data)
    parts = {
        "z": b"".join(z.astype("i1").tobytes() for z, _, _ in tiles),
        "index": b"".join(index.astype("u1").tobytes() for _, index, _ in tiles),
        "r": b"".join(r.astype("<i4").tobytes() for _, _, r in tiles),
    }
    return {name: hashlib.sha256(part).hexdigest() for name, part in parts.items()}


def metadata_hashes(metadata: Metadata) -> dict[str, str]:
    """sha256 of each kind of metadata that is there."""
    return {kind: hashlib.sha256(part).hexdigest() for kind, part in metadata._asdict().items() if part}


def make_model(tiny: Path) -> None:
    os.environ["KERAS_BACKEND"] = "tensorflow"
    from aecodec.train import export

    model, samples = train()
    entry, files = export.build(model, "tiny", ID, samples, export.quality_scale(model.shape))
    entry["note"] = NOTE
    export.write(tiny, "tiny", entry, files)
    installed_models.cache_clear()
    print({name: len(data) for name, data in files.items()}, sum(map(len, files.values())))


def learned(*_) -> bool:
    return False


def make_golden(golden: Path) -> None:
    """The golden files that are missing."""
    weights = by_name("tiny")
    golden.mkdir(parents=True, exist_ok=True)
    listed = golden / "hashes.json"
    known = json.loads(listed.read_text()) if listed.exists() else {}
    for title, (image, quality, metadata, tune) in pictures().items():
        if title in known:
            continue
        how = {"lossless": True} if quality is None else {"quality": quality, "model": weights, "tune": tune}
        looks = {"worth_trying": learned, "palette_worth_trying": learned}
        with mock.patch.multiple("aecodec.exact.look.Look", **looks) if title in LEARNED else nullcontext():
            data = api.encode(image, metadata=metadata, threads=1, **how)
        with open(golden / f"{title}.aez", "xb") as file:
            file.write(data)
        Image.fromarray(api.decode(data, threads=1)).save(golden / f"{title}.png", optimize=True)
        symbols = learned_symbols(data)
        counts = {
            "coded": int(sum(np.count_nonzero(index) for _, index, _ in symbols)),
            "not zero": int(sum(np.count_nonzero(r) for _, _, r in symbols)),
            "escaped": int(sum(np.count_nonzero(np.abs(r) > weights.tables.reach[i]) for _, i, r in symbols)),
        }
        known[title] = {
            "bytes": len(data),
            "exact": api.read_info(data).exact,
            "symbols": counts,
            "sha256": symbol_hashes(data) | metadata_hashes(metadata),
        }
        print(title, len(data), known[title]["exact"], counts, len({n for _, i, _ in symbols for n in i.flat}))
    listed.write_text(json.dumps(known, indent=1) + "\n")


def main(folder: Path) -> None:
    tiny = folder / "tiny"
    os.environ["AECODEC_WEIGHTS"] = str(tiny)
    if not (tiny / "manifest.json").exists():
        make_model(tiny)
    make_golden(folder / "conformance" / "golden")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE)
