"""Give an installed model its visual tuning: python add_tuning.py NAME --data TRAIN

Writes weights/NAME/visual.npz (aecodec/train/tuning.py) and its hash into weights/manifest.json, which binds the id to
it, too. The files that the model had stay as they are, and so do the images that it coded. Models that `aecodec export`
makes have theirs already.
"""

import argparse
import hashlib
import json
from pathlib import Path

from aecodec.model import tuning
from aecodec.model.model import models
from aecodec.model.weights import weights_folder
from aecodec.train.data import image_files, load_images
from aecodec.train.manifest import digest
from aecodec.train.tuning import usual_file


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name")
    parser.add_argument("--data", required=True, type=Path)
    given = parser.parse_args()
    data = usual_file(models()[given.name], load_images(image_files(given.data), 256))
    folder = weights_folder()
    manifest = json.loads((folder / "manifest.json").read_text())
    entry = manifest["models"][given.name]
    entry["files"][tuning.FILE] = hashlib.sha256(data).hexdigest()
    manifest["ids"][f"0x{entry['id']:04x}"] = digest(entry["files"])
    (folder / given.name / tuning.FILE).write_bytes(data)
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n")


if __name__ == "__main__":
    main()
