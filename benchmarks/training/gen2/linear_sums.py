"""How large the sums of the linear synthesis become: python linear_sums.py IMAGE ... [--quality Q ...]

FORMAT.md, section 9.1: float32 holds them exactly, in any order, where the magnitudes of their terms add up to less
than 2048 levels. Printed is the most that they add up to in each image, psnr tuning, and in one that is made for the
purpose: 256x256 pixels in squares of 7, each black, white or one of the six colours between.
"""

import argparse
import io
from pathlib import Path

import numpy as np
import onnx
from PIL import Image

from aecodec.codec.encoder import Encoder
from aecodec.families import by_name
from aecodec.model.model import Model
from aecodec.model.squares import EIGHTHS
from aecodec.settings import Settings
from aecodec.system.parallel import Workers


def linear_part(model: Model) -> tuple[np.ndarray, np.ndarray]:
    """Factors (M,) of y_hat before it is rounded, and magnitudes of the matrix behind it (M, 768), in levels."""
    graph = onnx.load(io.BytesIO(model.read("synthesis.onnx"))).graph
    constants = {one.name: onnx.numpy_helper.to_array(one) for one in graph.initializer}
    made = {node.output[0]: node for node in graph.node}
    (product,) = (node for node in graph.node if node.op_type == "MatMul")
    scaled = made[made[product.input[0]].input[0]]
    return constants[scaled.input[1]], np.abs(constants[product.input[1]]) / EIGHTHS


def squares(edge: int = 7, size: int = 256) -> np.ndarray:
    """uint8 (size, size, 3)."""
    count = -(-size // edge)
    colours = 255 * np.random.default_rng(0).integers(0, 2, (count, count, 3), np.uint8)
    return np.ascontiguousarray(colours.repeat(edge, 0).repeat(edge, 1)[:size, :size])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("images", type=Path, nargs="*")
    parser.add_argument("--quality", type=float, nargs="+", default=[50, 85, 100])
    args = parser.parse_args()
    model = by_name("photo")
    factor, matrix = linear_part(model)
    images = {path.name: np.asarray(Image.open(path).convert("RGB")) for path in args.images}
    with Workers(None) as workers:
        for name, image in (images | {"squares of 7 pixels": squares()}).items():
            encoder = Encoder(image, Settings(tune="psnr"), model, workers)
            for quality in args.quality:
                y_hat = np.empty((*encoder.size, model.latent), np.float32)
                encoder.encode(model.qindex(quality), y_hat)
                most = (np.abs(np.rint(y_hat * factor)).reshape(-1, model.latent) @ matrix).max()
                print(f"{name:24} quality {quality:g}: {most:6.0f} levels", flush=True)


if __name__ == "__main__":
    main()
