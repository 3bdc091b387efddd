"""The map from latents to small images, fitted to the small model."""

import json

import numpy as np
import pytest
from screens import photo

import aecodec
from aecodec.families import by_name
from aecodec.model.thumbnail import FILE, neighbourhoods
from aecodec.pixels import psnr
from aecodec.scaling import reduced
from aecodec.train.manifest import write
from aecodec.train.thumbnail import auxiliary, fit

IMAGES = [photo(256, 256, name) for name in ("kodim05", "kodim15")]
UNSEEN = photo(200, 256, "kodim20")

pytestmark = pytest.mark.usefixtures("tiny_weights")


def test_the_fit_makes_means_of_images_that_it_has_not_seen(tmp_path, monkeypatch):
    model = by_name("tiny")
    entry, files = auxiliary(model, IMAGES)
    weights = {file: model.read(file) for file in model.entry["files"]}
    write(tmp_path, "tiny", model.entry | entry, weights | files)
    data = aecodec.encode(UNSEEN, 75, model="tiny")
    monkeypatch.setenv("AECODEC_WEIGHTS", str(tmp_path))
    assert by_name("tiny").thumbnail is not None
    for factor in (8, 16):
        original = reduced(UNSEEN, factor)
        flat = np.broadcast_to(np.rint(original.mean((0, 1))).astype(np.uint8), original.shape)
        found = psnr(aecodec.decode(data, scale=1 / factor), original)
        assert found > psnr(flat, original) + 6
    digest = json.loads((tmp_path / "manifest.json").read_text())["models"]["tiny"]
    assert digest["files"] == model.entry["files"]  # what an id stands for is the same
    assert set(digest["auxiliary"]) == {FILE}


def test_few_channels_do_most_of_it():
    model, original = by_name("tiny"), reduced(UNSEEN[:192], 8)
    y, known = model.analysis(UNSEEN[:192]), np.ones((12, 16), bool)

    def error(channels: int) -> float:
        fitted = fit(model, IMAGES, channels)
        assert fitted.weights.shape == (9 * channels, 12)
        means = fitted.apply(y[..., fitted.channels], known, 8)
        return float(np.square(means.astype(float) - original).mean())

    errors = [error(channels) for channels in (1, 3, 8)]
    assert errors == sorted(errors, reverse=True)
    assert errors[1] < 0.5 * float(np.var(original.astype(float)))


def test_what_is_not_known_counts_as_the_middle():
    y = np.arange(6, dtype=np.float32).reshape(2, 3, 1)
    known = np.array([[True, True, False], [True, True, True]])
    rows = np.stack(list(neighbourhoods(y, known)))
    assert rows.shape == (2, 3, 9)
    np.testing.assert_array_equal(rows[0, 1], [1, 1, 1, 0, 1, 1, 3, 4, 5])
    np.testing.assert_array_equal(rows[1, 2], [1, 5, 5, 4, 5, 5, 5, 5, 5])
