"""Files of the default model: exact symbols, pixels within one level. Remade with its weights until they are frozen."""

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
    found = aecodec.decode(data)
    assert found.shape == expected.shape
    assert np.abs(found.astype(int) - expected).max() <= 1
    if found.ndim == 3 and found.shape[-1] in (2, 4):
        np.testing.assert_array_equal(found[..., -1], expected[..., -1])


def test_every_model_has_its_files():
    """And every kind of picture and four qualities are among them."""
    infos = [aecodec.read_info((FOLDER / f"{name}.aez").read_bytes()) for name in HASHES]
    assert {info.model for info in infos} == set(model.models())
    assert {info.channels for info in infos} == {1, 2, 3, 4}
    assert {round(info.quality) for info in infos} >= {1, 50, 75, 100}


def test_the_pictures_are_still_recognised():
    """A golden file that decodes to the wrong picture would be worth nothing.

    Of white noise the 384 latents of 768 samples hold about half the energy: 14 dB.
    """
    least = {"rgb-296x48-q1": 23, "rgb-40x40-q100": 13, "grey-alpha-17x33-q1": 23}
    for name, (image, _, _) in pictures().items():
        with Image.open(FOLDER / f"{name}.png") as decoded:
            error = np.asarray(decoded).astype(float) - image
        assert 10 * np.log10(255**2 / np.mean(error**2)) > least.get(name, 28), name
