"""What the visual tuning is made of: channels weighted by their deviation, cells by their texture -> a table.

    python tunings.py --val VAL [VARIANT ...]

Latents of the shipped model, not refined, are multiplied by a factor for each channel and position before they are
coded, and divided by it afterwards. Printed are SSIMULACRA 2, PSNR of RGB and MS-SSIM (dB) less those of no factors at
the same bits (of real bitstreams, without what a map of cells would take), at three qualities, mean of six photographs.
"""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image

from aecodec.bench.metrics import METRICS
from aecodec.codec.encoder import Encoder
from aecodec.codec.latents import Latents
from aecodec.codec.transforms import synthesise
from aecodec.families import by_name
from aecodec.model.point import QualityPoint
from aecodec.pixels import LUMA
from aecodec.settings import Settings
from aecodec.system.parallel import Workers

IMAGES = (
    *("cid22_23c932812a_1", "cid22_27991f37c4_1", "cid22_7323856cf7_1"),
    *("mex_02a66c3430_1", "photostream_723d499a7d_1", "solus_516e71abf7_1"),
)
EDGE = 512  # of the middle of each
QINDEXES = (500, 800, 1100)
CURVE = (*QINDEXES, 1400)  # of no factors
PLAIN = Settings(effort=0, tune="psnr")
NAMES = ("ssimulacra2", "psnr", "ms-ssim")


def power(deviation: np.ndarray, exponent: float) -> np.ndarray:
    """A factor for each channel: its deviation over that of the 49th strongest, to a power."""
    return ((deviation / np.sort(deviation)[::-1][48]) ** exponent).astype(np.float32)


def cells(pixels: np.ndarray, edge: int, exponent: float, floor: float = 1.0, pool: str = "mean") -> np.ndarray:
    """A factor for each position: (9 / texture) to a power, the same in cells of edge x edge latents."""
    luma = pixels.astype(float) @ (LUMA / 1000)
    blocks = luma.reshape(EDGE // 8, 8, EDGE // 8, 8).std((1, 3))
    count, inside = EDGE // 16 // edge, 2 * edge
    blocks = blocks.reshape(count, inside, count, inside).transpose(0, 2, 1, 3).reshape(count, count, -1)
    pooled = {
        "mean": lambda: blocks.mean(-1),
        "log": lambda: np.exp(np.log(blocks + floor).mean(-1)) - floor,
        "low": lambda: np.percentile(blocks, 25, axis=-1),
    }[pool]()
    factor = np.clip(((8 + floor) / (pooled + floor)) ** exponent, np.exp(-1), np.exp(1))
    return factor.repeat(edge, 0).repeat(edge, 1)[..., None].astype(np.float32)


VARIANTS = {  # name -> factors from pixels and the channels' deviations
    "channels 0.1": lambda p, d: power(d, 0.1),
    "channels 0.2": lambda p, d: power(d, 0.2),
    "channels 0.3": lambda p, d: power(d, 0.3),
    "cells of 4, 0.25": lambda p, d: cells(p, 4, 0.25),
    "both": lambda p, d: power(d, 0.2) * cells(p, 4, 0.25),
    "both, cells of 2": lambda p, d: power(d, 0.2) * cells(p, 2, 0.25),
    "both, cells of 1": lambda p, d: power(d, 0.2) * cells(p, 1, 0.25),
    "both, cells 0.35": lambda p, d: power(d, 0.2) * cells(p, 4, 0.35),
    "both, 25th percentile": lambda p, d: power(d, 0.2) * cells(p, 4, 0.25, pool="low"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("variants", nargs="*", help=f"of {', '.join(VARIANTS)} (default: all)")
    parser.add_argument("--val", required=True, type=Path)
    given = parser.parse_args()
    model, images, latents = by_name("photo"), [], []
    with Workers(None) as workers:
        for name in IMAGES:
            pixels = np.asarray(Image.open(given.val / f"{name}.png").convert("RGB"))
            top, left = ((edge - EDGE) // 2 for edge in pixels.shape[:2])
            images.append(np.ascontiguousarray(pixels[top : top + EDGE, left : left + EDGE]))
            latents.append(Encoder(images[-1], PLAIN, model, workers).latents.y)
        deviation = np.sqrt(np.mean([np.square(y).mean((0, 1)) for y in latents], axis=0))

        def measure(number: int, qindex: int, factor: np.ndarray) -> np.ndarray:
            """Logarithm of the bits, then the metrics."""
            y, pixels = latents[number] * factor, images[number]
            out, point = np.empty_like(y), QualityPoint(model, qindex)
            bitstreams = Encoder(pixels, PLAIN, model, workers).coder(qindex).encode(Latents.of(y), out)
            decoded = synthesise([out / factor], pixels.shape[:2], point, workers)
            values = [METRICS[name].level(METRICS[name].compare(pixels, decoded)) for name in NAMES]
            return np.array([np.log(sum(map(len, bitstreams))), *values])

        one = np.ones(1, np.float32)
        curves = [np.array([measure(n, qindex, one) for qindex in CURVE]) for n in range(len(images))]
        for name in given.variants or VARIANTS:
            gains = []
            for n, curve in enumerate(curves):
                for qindex in QINDEXES:
                    bits, *values = measure(n, qindex, VARIANTS[name](images[n], deviation))
                    low = int(np.clip(np.searchsorted(curve[:, 0], bits) - 1, 0, len(curve) - 2))
                    share = (bits - curve[low, 0]) / (curve[low + 1, 0] - curve[low, 0])
                    gains.append(np.array(values) - (curve[low, 1:] * (1 - share) + curve[low + 1, 1:] * share))
            mean = np.mean(np.reshape(gains, (len(images), len(QINDEXES), -1)), axis=0).T
            print(f"{name:24}", *np.round(mean, 2), flush=True)


if __name__ == "__main__":
    main()
