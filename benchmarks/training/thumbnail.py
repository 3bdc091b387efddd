"""Make what a model has beside its weights: python benchmarks/training/thumbnail.py AVERAGE DATA

AVERAGE: average.npz of the run that the model was exported of; DATA: training images. Writes what small images need,
coarse_scales.onnx, coarse_reconstruct.onnx and thumbnail.npz, and gradient.onnx for the encoder beside the model's
other files, which stay as they are, and their sha256 into the manifest. `aecodec export` does the same for a new model.
"""

import argparse
from pathlib import Path

from aecodec.model.model import GRADIENT, Model
from aecodec.model.thumbnail import FILE
from aecodec.model.weights import read_models, weights_folder
from aecodec.train.coarse import coarse_part
from aecodec.train.data import image_files, load_images
from aecodec.train.export import COARSE_CROPS, crops, graph_files, load_trained
from aecodec.train.graphs import coarse_networks, gradient
from aecodec.train.manifest import write
from aecodec.train.thumbnail import IMAGES, auxiliary, fit


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("average", type=Path, help="average.npz of the run that the model was exported of")
    parser.add_argument("data", type=Path, help="folder of training images")
    parser.add_argument("--name", default="photo", help="name of the model (default: photo)")
    parser.add_argument("--weights", type=Path, default=weights_folder(), help="folder of the weights")
    options = parser.parse_args()
    model = read_models(options.weights, Model)[options.name]
    trained, _ = load_trained(options.average)
    files = image_files(options.data)
    images = load_images(files[:: -(-len(files) // IMAGES)])
    coarse = coarse_part(trained, crops(images, COARSE_CROPS), model.coarse)
    made = graph_files(coarse_networks(trained, *coarse) | {GRADIENT: gradient(trained)})
    model = Model(options.name, model.entry | auxiliary(made), model.folder)
    write(options.weights, options.name, model.entry, made)
    made[FILE] = fit(model, images).pack()
    write(options.weights, options.name, model.entry | auxiliary(made), made)
    print(f"{options.weights / options.name}: {', '.join(f'{name}, {len(data)} bytes' for name, data in made.items())}")


if __name__ == "__main__":
    main()
