"""Rate and distortion of a classic model on its test images, in bytes of files; JPEG and PNG for comparison."""

import io
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageFilter

from aecodec.classic.codec import decode, encode
from aecodec.classic.denoise import denoise
from aecodec.classic.patches import cut, join
from aecodec.classic.train.data import gaussian, salt
from aecodec.classic.weights import Classic
from aecodec.container import read
from aecodec.pixels import decibels
from aecodec.system.parallel import Workers

FILES = 500  # at most so many images are written as files
JPEG_QUALITY = 75  # Pillow's default
SIGMAS = (10, 25, 50)  # of 0..255, at which a denoiser of photographs is measured


def mse(a: np.ndarray, b: np.ndarray) -> float:
    """Mean squared error of two uint8 arrays."""
    return float(np.square(a.astype(np.float64) - b).mean())


def _mean(images: list[np.ndarray], decoded: list[np.ndarray]) -> dict:
    """The error of values of 0..1 over all pixels together, and its PSNR."""
    total = sum(a.size for a in images)
    error = sum(mse(a, b) * a.size for a, b in zip(images, decoded, strict=True)) / total
    return {"mse": round(error / 255**2, 6), "psnr": round(float(decibels(error)), 2)}


def through(net: Classic, images: list[np.ndarray]) -> list[np.ndarray]:
    """Images uint8 (H, W, 1) as they are decoded from files, without making the files."""
    patches = [cut(image, net.edge) for image in images]
    with Workers(None) as workers:
        q = net.scale.quantise(net.encode(np.concatenate(patches), workers))
        decoded = net.decode(net.scale.dequantise(q), workers)
    parts = np.split(decoded, np.cumsum([len(part) for part in patches])[:-1])
    return [join(part, *image.shape[:2]) for part, image in zip(parts, images, strict=True)]


def measure_codec(net: Classic, images: list[np.ndarray]) -> dict:
    """Measure the coding of images uint8 (H, W, 1): the error of all, the mean bytes of the files of the first ones."""
    first, decoded = images[:FILES], through(net, images)
    files = [encode(p[..., 0], net, threads=1) for p in first]
    for data, back in zip(files[:20], decoded[:20], strict=True):  # files decode to what `through` gives
        file = read(data)
        again = decode(file.header, file.tiles[0], net, threads=1)
        if np.abs(again.astype(int) - back[..., 0]).max() > 1:
            raise ArithmeticError(f"{net.name}: a file decodes to other pixels than its latents")
    pixels = sum(p.size for p in first)
    size = sum(map(len, files))
    return {
        "pictures": len(images),
        **_mean(images, decoded),
        "bits": net.scale.bits,
        "bytes": round(size / len(first), 1),
        "bpp": round(8 * size / pixels, 4),
        "source_bytes": pixels // len(first),
        "float32_bytes": 4 * net.latents * round(pixels / len(first) / net.edge**2),
        "jpeg": measure_pillow(first, "JPEG", quality=JPEG_QUALITY, optimize=True),
        "png": measure_pillow(first, "PNG", optimize=True),
    }


def measure_pillow(images: list[np.ndarray], kind: str, **options) -> dict:
    """Mean bytes and error of grey images in another format, by Pillow."""
    size, decoded = 0, []
    for image in images:
        file = io.BytesIO()
        Image.fromarray(image[..., 0]).save(file, kind, **options)
        size += file.tell()
        decoded.append(np.asarray(Image.open(file))[..., None])
    error = _mean(images, decoded)
    return {"bytes": round(size / len(images), 1)} | (error if error["mse"] else {})


def measure_denoiser(net: Classic, images: list[np.ndarray]) -> dict:
    """PSNR before and after denoising, for each kind of noise that the model was trained for."""
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
        rows: dict[str, list[float]] = {"noisy": [], "denoised": [], "median3x3": []}
        rng = np.random.default_rng(1)
        for image in images:
            noisy = to_pixels(noise(image.astype(np.float32) / np.float32(255), rng))
            noisy = noisy[..., 0] if noisy.shape[-1] == 1 else noisy
            median = Image.fromarray(noisy).filter(ImageFilter.MedianFilter(3))
            for kind, after in (("noisy", noisy), ("denoised", denoise(noisy, net)), ("median3x3", np.asarray(median))):
                rows[kind].append(decibels(mse(image, after.reshape(image.shape))))
        results[name] = {kind: round(float(np.mean(values)), 2) for kind, values in rows.items()}
    return results


def to_pixels(x: np.ndarray) -> np.ndarray:
    """0..1 -> uint8, to the nearest."""
    return np.floor(x * 255 + 0.5).astype(np.uint8)


def measure(net: Classic, images: list[np.ndarray]) -> dict:
    """All results of a model; `denoised` has the mean PSNR of the images in dB."""
    results = measure_codec(net, images) if net.codes else {"pictures": len(images)}
    if net.noise:
        results["denoised"] = measure_denoiser(net, images[:FILES])
    return results


def line(name: str, entry: dict) -> str:
    """The results in a manifest's entry as one line."""
    results = entry["results"]
    parts = []
    if "psnr" in results:
        goal = f" ({entry['goal']:g} asked for)" if entry["goal"] else ""
        parts.append(f"{results['psnr']:.2f} dB, mse {results['mse']:.5f}{goal}")
        parts.append(f"{results['bytes']:.0f} bytes, {results['bpp']:.3f} bpp")
        jpeg = results["jpeg"]
        quality = f"{jpeg['psnr']:.2f} dB" if "psnr" in jpeg else "no loss"
        parts.append(f"JPEG {jpeg['bytes']:.0f} bytes, {quality}; PNG {results['png']['bytes']:.0f} bytes")
    for kind, row in results.get("denoised", {}).items():
        parts.append(f"{kind}: {row['noisy']:.2f} -> {row['denoised']:.2f} dB, median 3x3 {row['median3x3']:.2f} dB")
    return f"{name}: {'; '.join(parts)}"
