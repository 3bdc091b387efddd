"""Files of the default model: exactly the same symbols and pixels. Remade with its weights until they are frozen."""

import json
from pathlib import Path

import numpy as np
import pytest
from make_photo_golden import pictures
from make_tiny import metadata_hashes, symbol_hashes
from PIL import Image

import aecodec
from aecodec.model import model

FOLDER = Path(__file__).parent / "golden_photo"
HASHES = json.loads((FOLDER / "hashes.json").read_text())


@pytest.mark.parametrize("name", sorted(HASHES))
def test_symbols_and_pixels(name):
    data = (FOLDER / f"{name}.aez").read_bytes()
    assert symbol_hashes(data) | metadata_hashes(aecodec.read_metadata(data)) == HASHES[name]
    with Image.open(FOLDER / f"{name}.png") as image:
        expected = np.asarray(image)
    np.testing.assert_array_equal(aecodec.decode(data), expected)


def test_every_model_has_its_files():
    """And every kind of picture, four qualities and both tunings are among them, and one that is exact."""
    infos = [aecodec.read_info((FOLDER / f"{name}.aez").read_bytes()) for name in HASHES]
    assert {info.model for info in infos} == {"exact", *model.models()}
    assert {info.channels for info in infos} == {1, 2, 3, 4}
    assert {round(info.quality) for info in infos if info.quality} >= {1, 50, 75, 100}
    assert {info.tune for info in infos} == {"visual", "psnr", None}
    assert {info.tune for info in infos if 0 < info.exact < info.tiles} == {"visual", "psnr"}


def test_the_pictures_are_still_recognised():
    """A golden file that decodes to the wrong picture would be worth nothing."""
    least = {"rgb-296x48-q1": 24, "grey-alpha-17x33-q1": 25}
    for name, (image, *_) in pictures().items():
        with Image.open(FOLDER / f"{name}.png") as decoded:
            error = np.asarray(decoded).astype(float) - image
        assert 10 * np.log10(255**2 / (np.mean(error**2) + 1e-9)) > least.get(name, 28), name
