"""What makes small images: the map fitted to the small model, and the networks of the coarse channels."""

import json

import numpy as np
import pytest
from screens import photo

import aecodec
from aecodec.families import by_name
from aecodec.model.thumbnail import FILE
from aecodec.pixels import psnr
from aecodec.scaling import reduced
from aecodec.train.manifest import write
from aecodec.train.thumbnail import auxiliary, fit

IMAGES = [photo(256, 256, name) for name in ("kodim05", "kodim15")]
UNSEEN = photo(200, 256, "kodim20")

pytestmark = pytest.mark.usefixtures("tiny_weights")


def test_the_fit_makes_means_of_images_that_it_has_not_seen(tmp_path, monkeypatch):
    model = by_name("tiny")
    beside = {file: model.read_auxiliary(file) for file in model.auxiliary} | {FILE: fit(model, IMAGES).pack()}
    weights = {file: model.read(file) for file in model.entry["files"]}
    write(tmp_path, "tiny", model.entry | auxiliary(beside), weights | beside)
    data = aecodec.encode(UNSEEN, 75, model="tiny")
    monkeypatch.setenv("AECODEC_WEIGHTS", str(tmp_path))
    assert by_name("tiny").thumbnail is not None
    for factor in (8, 16):
        original = reduced(UNSEEN, factor)
        flat = np.broadcast_to(np.rint(original.mean((0, 1))).astype(np.uint8), original.shape)
        found = psnr(aecodec.decode(data, scale=1 / factor), original)
        assert found > psnr(flat, original) + 6
    entry = json.loads((tmp_path / "manifest.json").read_text())["models"]["tiny"]
    assert entry["files"] == model.entry["files"]  # what an id stands for is the same
    assert set(entry["auxiliary"]) == {FILE, "coarse_scales.onnx", "coarse_reconstruct.onnx"}
