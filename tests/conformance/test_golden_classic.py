"""A file of every classic model: exact latents, pixels within one level. Remade with its weights until a release."""

import hashlib
import json

import numpy as np
import pytest
from make_classic_golden import FOLDER, HASHES, digest, noisy, picture
from PIL import Image

import aecodec
from aecodec.classic.denoise import denoise
from aecodec.classic.weights import classics, folder_of_models

KNOWN = json.loads(HASHES.read_text())
DENOISER = "photo-denoise"
ASKED = 15_000_000  # bytes of all weights together


def golden(name: str) -> np.ndarray:
    with Image.open(FOLDER / f"{name}.png") as image:
        return np.asarray(image)


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    return 10 * np.log10(255**2 / np.mean((a.astype(float) - b) ** 2))


@pytest.mark.parametrize("name", sorted(KNOWN))
def test_latents_and_pixels(name):
    data = (FOLDER / f"{name}.aez").read_bytes()
    assert digest(data, classics()[name]) == KNOWN[name]
    found, expected = aecodec.decode(data), golden(name)
    assert found.shape == expected.shape
    assert np.abs(found.astype(int) - expected).max() <= 1
    assert aecodec.read_info(data).model == name


def test_a_denoised_photograph():
    net, seen = classics()[DENOISER], golden(f"{DENOISER}-noisy")
    assert (seen == noisy(picture(net))).all()
    assert np.abs(denoise(seen, net).astype(int) - golden(DENOISER)).max() <= 1


def test_every_system_is_installed_and_has_its_files():
    nets = classics()
    labels = " ".join(sorted({net.entry["label"] for net in nets.values()}))
    assert labels == "A1 A2 A3 A4 B1 B2 B3 C1 C2 D1 E1 E2 E3"
    assert set(nets) == {*KNOWN, DENOISER}
    expected = {f"{name}{end}" for name in KNOWN for end in (".aez", ".png")}
    expected |= {f"{DENOISER}.png", f"{DENOISER}-noisy.png", HASHES.name}
    assert {path.name for path in FOLDER.iterdir()} == expected


def test_the_pictures_are_still_recognised():
    """Bars are no digits: the nets of digits have never seen one."""
    least = {"grey": 26, "mnist": 9, "fashion-mnist": 12, "photos": 26}
    for name, net in classics().items():
        assert psnr(golden(name), picture(net)) > least[net.entry["data"]], name


def test_weights_are_those_of_the_manifest_and_together_small():
    ids, total = set(), 0
    for name, net in classics().items():
        files = {file.name: file.read_bytes() for file in net.folder.iterdir()}
        assert {file: hashlib.sha256(data).hexdigest() for file, data in files.items()} == net.entry["files"], name
        total += sum(map(len, files.values()))
        ids.add(net.id)
    manifest = json.loads((folder_of_models() / "manifest.json").read_text())
    assert ids <= {int(number, 16) for number in manifest["ids"]}
    assert len(ids) == len(classics())
    assert total < ASKED


def test_every_model_reaches_what_was_asked():
    """On all test pictures of its data set, as it was measured when it was made; README.md there has the words."""
    for name, net in classics().items():
        results, goal = net.entry["results"], net.entry["goal"]
        if goal is not None:
            assert results["mse"] <= goal, name
        for kind, row in results.get("denoised", {}).items():
            assert row["denoised"] > max(row["noisy"], row["median3x3"]), f"{name}: {kind}"
    photo = classics()[DENOISER].entry["results"]["denoised"]
    assert photo["sigma 25/255"]["denoised"] - photo["sigma 25/255"]["noisy"] >= 7
