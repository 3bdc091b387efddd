"""What a classic model reaches on its test pictures, in real bytes; JPEG and PNG of the same pictures beside it."""

import io
import math
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageFilter

from aecodec.classic.codec import decode, encode
from aecodec.classic.denoise import denoise
from aecodec.classic.patches import cut, join
from aecodec.classic.train.data import gaussian, salt
from aecodec.classic.weights import Classic
from aecodec.container import read
from aecodec.parallel import Workers

FILES = 500  # pictures that files are made of, where there are more
JPEG_QUALITY = 75  # Pillow's default
SIGMAS = (10, 25, 50)  # of 0..255, at which a denoiser of photographs is measured


def psnr(mse: float) -> float:
    """dB of a mean squared error of 0..1."""
    return -10 * math.log10(mse) if mse else math.inf


def mse(a: np.ndarray, b: np.ndarray) -> float:
    """Mean squared error, in 0..1, of two uint8 arrays."""
    return float(np.square(a.astype(np.float64) - b).mean() / 255**2)


def _mean(clean: list[np.ndarray], found: list[np.ndarray]) -> dict:
    """The error over all pixels together, as the linear figures are given."""
    total = sum(a.size for a in clean)
    error = sum(mse(a, b) * a.size for a, b in zip(clean, found, strict=True)) / total
    return {"mse": round(error, 6), "psnr": round(psnr(error), 2)}


def through(net: Classic, pictures: list[np.ndarray]) -> list[np.ndarray]:
    """Pictures uint8 (H, W, 1) as files give them back, without making the files."""
    found, scale = [], net.scale
    with Workers(None) as workers:
        if len({p.shape for p in pictures}) == 1 and not net.any_size:
            latents = scale.quantise(net.encode(np.stack(pictures), workers))
            return list(net.decode(scale.dequantise(latents), workers))
        for picture in pictures:
            latents = scale.quantise(net.encode(cut(picture, net.edge), workers))
            found.append(join(net.decode(scale.dequantise(latents), workers), *picture.shape[:2]))
    return found


def measure_codec(net: Classic, pictures: list[np.ndarray]) -> dict:
    """Figures of coding pictures uint8 (H, W, 1): the error of all, mean bytes of the files of the first ones."""
    some = pictures[:FILES]
    files = [encode(p[..., 0], net, threads=1) for p in some]
    for data, back in zip(files[:20], through(net, some[:20]), strict=True):  # the shortcut is none
        file = read(data)
        again = decode(file.header, file.tiles[0], net, threads=1)
        if np.abs(again.astype(int) - back[..., 0]).max() > 1:
            raise ArithmeticError(f"{net.name}: a file decodes to other pixels than its latents")
    pixels = sum(p.size for p in some)
    size = sum(map(len, files))
    return {
        "pictures": len(pictures),
        **_mean(pictures, through(net, pictures)),
        "bits": net.scale.bits,
        "bytes": round(size / len(some), 1),
        "bpp": round(8 * size / pixels, 4),
        "source_bytes": pixels // len(some),
        "float32_bytes": 4 * net.latents * round(pixels / len(some) / net.edge**2),
        "jpeg": measure_pillow(some, "JPEG", quality=JPEG_QUALITY, optimize=True),
        "png": measure_pillow(some, "PNG", optimize=True),
    }


def measure_pillow(pictures: list[np.ndarray], kind: str, **options) -> dict:
    """Mean bytes and error of grey pictures in another format, by Pillow."""
    sizes, found = 0, []
    for picture in pictures:
        file = io.BytesIO()
        Image.fromarray(picture[..., 0]).save(file, kind, **options)
        sizes += file.tell()
        found.append(np.asarray(Image.open(file))[..., None])
    error = _mean(pictures, found)
    if not error["mse"]:
        return {"bytes": round(sizes / len(pictures), 1)}
    return {"bytes": round(sizes / len(pictures), 1), **error}


def measure_denoiser(net: Classic, pictures: list[np.ndarray]) -> dict:
    """Figures of taking noise away: before and after, for each kind of noise that the model knows."""
    kinds: dict[str, Callable] = {}
    given = net.entry["parameters"]
    if net.noise in ("salt", "photo"):
        kinds[f"salt {given['salt']:g}"] = lambda x, rng: salt(x, given["salt"], rng)
    if net.noise == "gaussian":
        kinds[f"sigma {given['sigma']:g}"] = lambda x, rng: gaussian(x, given["sigma"], rng)
    if net.noise == "photo":
        kinds |= {f"sigma {s}/255": lambda x, rng, s=s: gaussian(x, s / 255, rng) for s in SIGMAS}
    results = {}
    for name, noise in kinds.items():
        rows = {"noisy": [], "denoised": [], "median3x3": []}
        rng = np.random.default_rng(1)
        for picture in pictures:
            seen = to_pixels(noise(picture.astype(np.float32) / np.float32(255), rng))
            if seen.shape[-1] == 1:
                seen = seen[..., 0]
            rows["noisy"].append(seen)
            rows["denoised"].append(denoise(seen, net))
            bands = [
                Image.fromarray(b).filter(ImageFilter.MedianFilter(3)) for b in np.atleast_3d(seen).transpose(2, 0, 1)
            ]
            rows["median3x3"].append(np.dstack([np.asarray(b) for b in bands]))
        clean = pictures if pictures[0].shape[-1] > 1 else [p[..., 0] for p in pictures]
        results[name] = {}
        for kind, found in rows.items():
            each = [psnr(mse(a, b.reshape(a.shape))) for a, b in zip(clean, found, strict=True)]
            results[name][kind] = round(float(np.mean(each)), 2)
    return results


def to_pixels(x: np.ndarray) -> np.ndarray:
    """0..1 -> uint8, to the nearest."""
    return np.floor(x * 255 + 0.5).astype(np.uint8)


def measure(net: Classic, pictures: list[np.ndarray]) -> dict:
    """All figures of a model; `denoised` has the mean of the pictures' PSNR in dB."""
    results = measure_codec(net, pictures) if net.codes else {"pictures": len(pictures)}
    if net.noise:
        results["denoised"] = measure_denoiser(net, pictures[:FILES])
    return results


def line(name: str, entry: dict) -> str:
    """The figures of a manifest's entry as one line."""
    found = entry["results"]
    parts = []
    if "psnr" in found:
        goal = f" ({entry['goal']:g} asked for)" if entry["goal"] else ""
        parts.append(f"{found['psnr']:.2f} dB, mse {found['mse']:.5f}{goal}")
        parts.append(f"{found['bytes']:.0f} bytes, {found['bpp']:.3f} bpp")
        jpeg = found["jpeg"]
        parts.append(f"JPEG {jpeg['bytes']:.0f} bytes, {jpeg['psnr']:.2f} dB; PNG {found['png']['bytes']:.0f} bytes")
    for kind, row in found.get("denoised", {}).items():
        parts.append(f"{kind}: {row['noisy']:.2f} -> {row['denoised']:.2f} dB, median 3x3 {row['median3x3']:.2f} dB")
    return f"{name}: {'; '.join(parts)}"
