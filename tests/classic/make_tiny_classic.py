"""Make tests/tiny/classic: small classic models, trained for a moment, one of each kind. Run it only if they change.

    python tests/classic/make_tiny_classic.py [NAME...]

Their ids are at the end of the development ids, which nothing else uses.
"""

import shutil
import sys
import tempfile
from pathlib import Path

from digits import write_digits

from aecodec.classic.train.data import load
from aecodec.classic.train.entries import ENTRIES
from aecodec.classic.train.install import install
from aecodec.classic.train.run import run

TESTS = Path(__file__).parents[1]
SAMPLES = TESTS.parent / "aecodec" / "bench" / "samples"
SETTINGS = {  # name: id and parameters
    "mnist-dense": (0xFF00, {"m": "8"}),
    "image-conv": (0xFF01, {"filters": "8v 1:1", "pictures": "4000"}),
    "fashion-vae": (0xFF02, {"filters": "4/2 8/2"}),
    "mnist-denoise": (0xFF03, {"filters": "4 p 4 p"}),
    "photo-denoise": (0xFF04, {"width": "8", "blocks": "1", "pictures": "160"}),
}
COMMON = {"epochs": "3", "optimizer": "adam", "rate": "5e-3", "batch": "16"}


def main(names: list[str]) -> None:
    """Train and install them, without names all of them."""
    target = TESTS / "tiny" / "classic"
    if not names:
        shutil.rmtree(target, ignore_errors=True)
    with tempfile.TemporaryDirectory() as folder:
        digits = Path(folder) / "digits"
        digits.mkdir()
        write_digits(digits)
        for name in names or SETTINGS:
            number, parameters = SETTINGS[name]
            entry = ENTRIES[name].with_parameters(COMMON | parameters)
            pictures = SAMPLES if entry.data in ("grey", "photos") else digits
            out = Path(folder) / name
            images = load(entry, pictures, SAMPLES if pictures == SAMPLES else None)
            print(run(entry, images, out, verbose=2), file=sys.stderr)
            install(out, target, number)


if __name__ == "__main__":
    main(sys.argv[1:])
