"""aecodec train refuses wrong arguments, each with one line, before a training framework is loaded."""

import gzip
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from aecodec.cli import app

SHAPES = {
    "[]": "expected a JSON object",
    "{": "Expecting property name",
    "[" * 100_000: "nested too deeply",
    '{"width": 1}': "unknown field 'width', expected one of latent, hyper, ",
    '{"latent": "a"}': 'latent: "a", expected a whole number',
    '{"latent": 384.0}': "latent: 384.0, expected a whole number",
    '{"latent": true}': "latent: true, expected a whole number",
    '{"latent": null}': "latent: null, expected a whole number",
    '{"latent": 772}': "latent: 772, expected 4 to 768",
    '{"latent": 10}': "latent: 10, expected a multiple of 4",
    '{"knots": 17}': "knots: 17, expected 2 to 16",
    '{"coded_from": 64}': "coded_from: 64, expected 0 to 63",
    '{"synthesis16": 0}': "synthesis16: 0, expected 1 or more",
    '{"blocks8": 0}': "blocks8: 0, expected 1 or more",
    '{"synthesis_blocks16": -1}': "synthesis_blocks16: -1, expected 0 or more",
    '{"blocks8": 9}': "blocks8 + 2 * analysis_blocks16: expected at most 8",
    '{"synthesis_blocks16": 3}': "blocks8 + 2 * synthesis_blocks16: expected at most 8",
    '{"visual": 1}': "visual: 1, expected true or false",
    '{"lmbda_low": "a"}': 'lmbda_low: "a", expected a number',
    '{"lmbda_low": 0.7}': "lmbda_low, lmbda_high: 0.7, 0.6, expected 0 < low < high",
    '{"lmbda_low": NaN}': "lmbda_low, lmbda_high: nan, 0.6, expected 0 < low < high",
}
PHOTO = {
    "": (2, "--data: photo needs a folder of images"),
    "--data none --steps 1": (1, "--data: none: no such folder"),
    "--data . --val none --steps 1": (1, "--val: none: no such folder"),
    "--data empty --steps 1": (1, "empty: no images here"),
    "--data images --val empty --steps 1": (1, "empty: no images here"),
    "--data broken --steps 1": (1, "broken/a.png: "),
    "--data small --steps 1": (1, "small: no image has 128 pixels along both edges"),
    "--data small --steps 1 --crop 64 --val small": (1, "small: no image has 256 pixels along both edges"),
    "--data images": (2, "a new run needs --minutes or --steps"),
    "--data images --steps 1 --minutes 1": (2, "--minutes and --steps exclude each other"),
    "--data images --steps 0": (2, "Invalid value for '--steps'"),
    "--data images --minutes nan": (2, "--minutes"),
    "--data images --minutes inf": (2, "--minutes inf: expected a finite number"),
    "--data images --steps 1 --rate inf": (2, "--rate inf: expected a finite number"),
    "--data images --steps 1 --rate -1": (2, "Invalid value for '--rate'"),
    "--data images --steps 1 --decay nan": (2, "--decay"),
    "--data images --steps 1 --decay 2": (2, "Invalid value for '--decay'"),
    "--data images --steps 1 --crop 100": (2, "--crop 100: expected a multiple of 64"),
    "--data images --steps 1 --crop 320": (2, "--crop 320: expected a multiple of 64, above 256 a multiple of 256"),
    "--data images --steps 1 --batch 0": (2, "Invalid value for '--batch'"),
    "--data images --steps 1 --seed -1": (2, "Invalid value for '--seed'"),
    "--data images --steps 1 --seed 4294967296": (2, "Invalid value for '--seed'"),
    "--data images --steps 1 --bits 4": (2, "Invalid value for '--bits'"),
    "--data images --steps 1 --settle": (2, "--settle: the values that weights come to rest on are those of --bits 8"),
    "--data images --steps 1 --precision half": (2, "--precision half: expected auto, float32 or bfloat16"),
    "--data images --steps 1 --epochs 3": (2, "--epochs: not for photo"),
    "--data images --steps 1 --full": (2, "--full: not for photo"),
    "--data images --steps 1 -p k=3": (2, "-p: not for photo"),
    "--data images --steps 1 --widen images": (2, "--widen: not for photo"),
    "--data images --steps 1 --from none": (1, "--from: none: no such file"),
    "--data images --steps 1 --from a.txt": (1, "a.txt: not a checkpoint: "),
    "--data images --steps 1 --from other.npz": (1, "other.npz: no shape that this version knows"),
    "--data images --steps 1 --from wrong.npz --shape photo": (1, "wrong.npz: no shape that this version knows"),
    "--data images --steps 1 --shape wide": (2, "--shape wide: expected photo or a JSON file"),
    "--data images --steps 1 --shape none.json": (2, "--shape none.json: none.json: no such file or directory"),
    "--data images --steps 1 --distortion best": (2, "--distortion best: expected psnr, opponent, masked, visual, "),
    "--data images --steps 1 --distortion none:f": (2, "--distortion none:f: no module named 'none'"),
    "--data images --steps 1 --distortion none.x:f": (2, "--distortion none.x:f: No module named 'none'"),
    "--data images --steps 1 --distortion mine:f": (2, "--distortion mine:f: module 'mine' has no attribute 'f'"),
    "--data images --steps 1 --distortion mine:abs": (2, "--distortion mine:abs: module 'mine' has no attribute 'abs'"),
    "--data images --steps 1 --distortion bad:f": (2, "--distortion bad:f: invalid syntax (bad.py, line 1)"),
    "--data images --steps 1 --distortion :f": (2, "--distortion :f: expected psnr, "),
    "--data images --steps 1 --out run": (1, "run/checkpoint.npz: exists; continue photo with --resume"),
    "--data images --steps 1 --out a.txt": (1, "a.txt"),
    "--data images --steps 1 --out a.txt/run": (1, "a.txt"),
    "--data images --resume --out none": (1, "none: no checkpoint.npz or average.npz to go on from"),
    "--data images --resume --out run": (1, "run/checkpoint.npz: not a checkpoint: "),
    "--data images --resume --out run --shape photo": (2, "--shape: --resume goes on with the networks of the run"),
    "--data images --resume --out run --from photo": (2, "--from: --resume goes on with the networks of the run"),
    "--data images --resume --out run --fixed-overlap": (2, "--fixed-overlap: --resume without --minutes or --steps"),
    "--data images --resume --out mine": (2, "--distortion mine:f: module 'mine' has no attribute 'f'"),
    "--data images --resume --out judged": (2, "--val: this run keeps what is best on images, which have to be named"),
    "--data small --resume --out large": (1, "small: no image has 512 pixels along both edges"),
}
CLASSIC = {
    "nosuch": (2, "unknown model 'nosuch': there are photo, mnist-dense, "),
    "mnist-dense --minutes 3": (2, "--minutes: not for mnist-dense"),
    "mnist-dense --fixed-overlap": (2, "--fixed-overlap: not for mnist-dense"),
    "mnist-dense --from photo": (2, "--from: not for mnist-dense"),
    "mnist-dense --refine": (2, "--refine: not for mnist-dense"),
    "mnist-dense --epochs 0": (2, "Invalid value for '--epochs'"),
    "mnist-dense --rate inf": (2, "--rate inf: expected a finite number"),
    "mnist-dense -p nosuch=1": (2, "mnist-dense: unknown parameter 'nosuch', expected one of n, m, k, "),
    "mnist-dense -p k": (2, "-p k: expected NAME=VALUE"),
    "mnist-dense -p k=many": (2, "mnist-dense: k=many, expected a whole number"),
    "mnist-dense -p k=0": (2, "mnist-dense: k=0, expected a whole number above 0"),
    "mnist-dense -p n=783": (2, "mnist-dense: n=783, expected the square of a divisor of 28"),
    "mnist-dense -p rate=-1": (2, "mnist-dense: rate=-1, expected a number that is not negative"),
    "mnist-dense -p decay=2": (2, "mnist-dense: decay=2, expected a fraction of 0 to 1"),
    "mnist-dense -p seed=4294967296": (2, "mnist-dense: seed=4294967296, expected a number below 2^32"),
    "mnist-dense -p code=none": (2, "mnist-dense: code=none, expected linear, relu, "),
    "image-dense -p d=7": (2, "image-dense: d=7, expected a divisor of 256"),
    "image-conv -p d=256": (2, "image-conv: filters: '64v 1:1' leave nothing of an image of 1 pixels"),
    "mnist-conv -p optimizer=best": (2, "mnist-conv: optimizer=best, expected adam, adadelta, nadam"),
    "mnist-conv -p filters=16q": (2, "mnist-conv: filters: '16q', expected p or channels as in 16, 8:1, 64/2 or 64v"),
    "mnist-conv -p filters=p": (2, "mnist-conv: filters: 'p', expected at least one convolution"),
    "mnist-conv-pool -p filters=3:5/3": (2, "mnist-conv-pool: filters: images come back as 30x30, expected 28x28"),
    "mnist-salt -p salt=1.5": (2, "mnist-salt: salt=1.5, expected a fraction of 0 to 1"),
    "fashion-vae -p latent=0": (2, "fashion-vae: variational=True, expected latent above 0"),
    "fashion-vae -p norm=maybe": (2, "fashion-vae: norm=maybe, expected true or false"),
    "mnist-dense --data none": (1, "--data: none: no such folder"),
    "mnist-dense --data empty": (1, "empty: no train-images-idx3-ubyte.gz"),
    "mnist-dense --data digits": (1, "digits: images of 20x20, expected 28x28"),
    "mnist-dense --data cut": (1, "cut/train-images-idx3-ubyte.gz: damaged gzip file: "),
    "mnist-dense --data images --val images": (1, "--val images: mnist has test images of its own"),
    "mnist-dense --val images": (1, "--val images: mnist has test images of its own"),
    "image-dense": (1, "--data: expected a folder of images"),
    "image-dense --data empty": (1, "empty: no images here"),
    "image-dense --data small": (1, "small: one image, expected more, or others in --val"),
    "image-dense --data small --val empty": (1, "empty: no images here"),
    "image-dense --data images --val none": (1, "--val: none: no such folder"),
    "image-dense -p d=2 --data small --val images": (1, "small: images too small, expected 128 pixels"),
    "mnist-conv --out run": (1, "run/checkpoint.npz: exists; "),
    "mnist-conv --out a.txt/run": (1, "a.txt"),
    "mnist-conv --widen none": (1, "--widen: none: no such folder"),
    "mnist-conv --widen images": (1, "images/settings.json: no such file or directory"),
    "mnist-conv --widen settings": (1, "settings/settings.json: not the settings of a run"),
    "mnist-conv --widen weightless": (1, "weightless/best.weights.h5: no such file or directory"),
    "mnist-conv --widen dense": (1, "--widen: expected nets of convolutions alone"),
    "mnist-conv --widen wide": (1, "--widen: convolution 1 is 3x3 to 32 channels, expected 3x3 to 16 at most"),
    "mnist-conv --widen deep": (1, "--widen: 5 convolutions, expected 7 as in the wide net"),
    "photo-denoise --data images --widen dense": (1, "--widen: expected a denoiser of the same width"),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Data, files and runs that something is wrong with."""
    folder = tmp_path_factory.mktemp("train")
    for name in ("empty", "images", "small", "broken", "digits", "cut", "run", "mine", "large", "judged"):
        (folder / name).mkdir()
    Image.new("RGB", (300, 280)).save(folder / "images" / "a.png")
    Image.new("RGB", (300, 280)).save(folder / "images" / "b.png")
    Image.new("RGB", (100, 100)).save(folder / "small" / "a.png")
    (folder / "broken" / "a.png").write_bytes((folder / "images" / "a.png").read_bytes()[:60])
    for part, count in (("train", 30), ("t10k", 5)):
        images, classes = bytes([0, 0, 8, 3, 0, 0, 0, count, 0, 0, 0, 20, 0, 0, 0, 20]), bytes([0, 0, 8, 1, 0, 0, 0])
        (folder / "digits" / f"{part}-images-idx3-ubyte").write_bytes(images + bytes(400 * count))
        (folder / "digits" / f"{part}-labels-idx1-ubyte").write_bytes(classes + bytes([count]) + bytes(count))
    (folder / "cut" / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(bytes(500))[:20])
    for number, text in enumerate(SHAPES):
        (folder / f"{number}.json").write_text(text)
    (folder / "a.txt").write_text("no checkpoint")
    (folder / "run" / "checkpoint.npz").write_text("no checkpoint")
    (folder / "mine.py").write_text("import keras\n\n\ndef l1(x, y):\n    return abs(x - y)\n")
    (folder / "bad.py").write_text("def (\n")
    metas = {
        "other.npz": {"step": 1},
        "wrong.npz": {"shape": {"latent": 7}},
        "mine/average.npz": {"shape": {}, "phase": {"distortion": "mine:f"}},
        "judged/checkpoint.npz": {"shape": {}, "phase": {}, "judge": 7},
        "large/checkpoint.npz": {"shape": {}, "phase": {"crop": 512}},
    }
    for name, meta in metas.items():
        np.savez(folder / name, meta=np.array(json.dumps(meta)))
    runs = {
        "settings": {"name": "mnist-conv", "parameters": {"filters": "q"}, "training": {}},
        "weightless": {"name": "mnist-conv", "parameters": {}, "training": {}},
        "dense": {"name": "mnist-dense", "parameters": {"k": 5}, "training": {"epochs": 1}},
        "wide": {"name": "mnist-conv", "parameters": {"filters": "32 p 8 p 8 p"}, "training": {}},
        "deep": {"name": "mnist-conv", "parameters": {"filters": "8 p 8 p"}, "training": {}},
    }
    for name, settings in runs.items():
        (folder / name).mkdir()
        (folder / name / "settings.json").write_text(json.dumps(settings))
        if name != "weightless":
            (folder / name / "best.weights.h5").touch()
    return folder


CASES = {f"photo {line}": expected for line, expected in PHOTO.items()} | CLASSIC
CASES |= {
    f"photo --data images --steps 1 --shape {number}.json": (2, f"--shape {number}.json: {line}")
    for number, line in enumerate(SHAPES.values())
}


@pytest.mark.parametrize("line", CASES)
def test_wrong_arguments_are_refused_before_a_framework_is_loaded(folder, monkeypatch, line):
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "path", sys.path[:])
    for module in ("keras", "tensorflow", "aecodec.train.loop", "aecodec.classic.train.run"):
        monkeypatch.setitem(sys.modules, module, None)  # to import it is an error
    before = sorted(folder.rglob("*"))
    done = CliRunner().invoke(app, ["train", *line.split()])
    code, message = CASES[line]
    assert (done.exit_code, type(done.exception)) == (code, SystemExit)
    assert message in done.stderr.splitlines()[-1]
    assert done.stderr.count("\n") == 1 or done.stderr.startswith("Usage: ")
    assert sorted(folder.rglob("*")) == before


@pytest.mark.parametrize("line", ["photo --data images --steps 1", "mnist-dense", "image-dense --data images"])
def test_without_the_frameworks_the_extra_is_named(folder, monkeypatch, line):
    monkeypatch.chdir(folder)
    for module in ("keras", "aecodec.train.loop", "aecodec.classic.train.run"):
        monkeypatch.setitem(sys.modules, module, None)
    done = CliRunner().invoke(app, ["train", *line.split(), "--quiet"])
    assert done.exit_code == 1
    assert done.stderr.startswith("training needs the extra 'train': pip install 'aecodec[train]' (")
    assert done.stderr.count("\n") == 1
