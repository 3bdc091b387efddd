"""Make the map from latents to small images for a model that is there: python benchmarks/training/thumbnail.py DATA

Writes thumbnail.npz beside the model's other files, which stay as they are, and its sha256 into the manifest. `aecodec
export` does the same for a new model.
"""

import argparse
from pathlib import Path

from aecodec.model.model import Model
from aecodec.model.weights import read_models, weights_folder
from aecodec.train.data import image_files, load_images
from aecodec.train.manifest import write
from aecodec.train.thumbnail import IMAGES, auxiliary


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder of training images")
    parser.add_argument("--name", default="photo", help="name of the model (default: photo)")
    parser.add_argument("--weights", type=Path, default=weights_folder(), help="folder of the weights")
    options = parser.parse_args()
    model = read_models(options.weights, Model)[options.name]
    files = image_files(options.data)
    entry, made = auxiliary(model, load_images(files[:: -(-len(files) // IMAGES)]))
    write(options.weights, options.name, model.entry | entry, made)
    print(f"{options.weights / options.name}: {', '.join(f'{name}, {len(data)} bytes' for name, data in made.items())}")


if __name__ == "__main__":
    main()
