"""The classic autoencoders in Keras: their declarations, their data, and one trained from the command line."""

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
from digits import write_digits
from frameworks import keras_on_tensorflow
from PIL import Image, ImageFilter
from typer.testing import CliRunner

import aecodec
from aecodec.api import decode, encode
from aecodec.classic.weights import classics
from aecodec.cli import app

keras = keras_on_tensorflow()

from aecodec.classic.train import data, export, layers, loop  # noqa: E402
from aecodec.classic.train.begun import check_widening  # noqa: E402
from aecodec.classic.train.entries import ENTRIES  # noqa: E402
from aecodec.classic.train.install import FIRST  # noqa: E402
from aecodec.classic.train.widen import widen  # noqa: E402
from aecodec.classic.train.words import Conv, parse  # noqa: E402

# Keras variables know nothing of NumPy 2's `copy`.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

SAMPLES = Path(aecodec.__file__).parent / "bench" / "samples"
PUBLISHED = {  # latents of a patch; weights, where the description gives the net to the last layer
    "mnist-dense": ((4,), 2 * 784 * 300 + 2 * 300 * 4 + 300 + 4 + 300 + 784),
    "mnist-divide": ((10,), 2 * 196 * 300 + 2 * 300 * 10 + 300 + 10 + 300 + 196),
    "image-dense": ((16,), 2 * 256 * 64 + 2 * 64 * 16 + 64 + 16 + 64 + 256),
    "image-conv": ((6, 6, 1), None),
    "mnist-level": ((64,), 2 * 784 * 64 + 64 + 784),
    "mnist-conv-pool": ((7, 7, 2), None),
    "mnist-salt": ((7, 7, 8), None),
    "fashion-conv": ((2,), None),
    "fashion-vae": ((2,), None),
    "mnist-conv-7x7": ((7, 7, 1), None),
    "mnist-simple": ((32,), 2 * 784 * 32 + 32 + 784),
    "mnist-conv": ((4, 4, 8), 4385),
    "mnist-denoise": ((4, 4, 16), None),
}


@pytest.fixture
def train(tmp_path, monkeypatch):
    """Run aecodec in an empty folder; -> what it says."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AECODEC_WEIGHTS", str(tmp_path / "weights"))

    def run(*arguments: str, code: int = 0) -> str:
        done = CliRunner().invoke(app, arguments)
        assert done.exit_code == code, done.stderr
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        return done.stderr

    return run


@pytest.mark.parametrize("name", PUBLISHED)
def test_nets_have_the_published_shapes(name):
    trained = loop.Trained(ENTRIES[name])
    latent, weights = PUBLISHED[name]
    assert trained.latent == latent
    assert weights in (None, trained.model.count_params())
    edge = ENTRIES[name].edge
    assert trained.model.output_shape == (None, edge, edge, 1)


def test_every_entry_is_looked_at():
    assert set(ENTRIES) == {*PUBLISHED, "photo-denoise"}
    published = {"A1", "A2", "A3", "A4", "B1", "B2", "B3", "C1", "C2", "D1", "E1", "E2", "E3"}
    assert {e.label for e in ENTRIES.values()} == published


def test_a_classic_model_is_trained_installed_and_used(train, tmp_path):
    folder = tmp_path / "digits"
    folder.mkdir()
    write_digits(folder, 240, 30)
    arguments = ["train", "mnist-dense", "--data", "digits", "--epochs", "3", "--batch", "16", "--out", "run"]
    said = train(*arguments, "-p", "m=8", "-p", "optimizer=adam", "-p", "rate=0.01", "--seed", "3")
    assert "mnist-dense: " in said
    assert " dB, mse " in said
    losses = json.loads((tmp_path / "run" / "history.json").read_text())
    assert losses["val_loss"][-1] < 0.9 * losses["val_loss"][0]
    with Image.open(tmp_path / "run" / "images.png") as image:
        assert image.size == (604, 124)
    with Image.open(tmp_path / "run" / "loss.png") as image:
        assert image.size == (600, 350)
    assert "choose another --out" in train(*arguments, code=1)

    assert f"model id 0x{FIRST:04x}" in train("export", "run")
    net = classics()["mnist-dense"]
    assert net.entry["parameters"]["m"] == 8
    assert net.entry["training"] | {"rate": 0.01, "epochs": 3, "seed": 3} == net.entry["training"]
    digit = data.read_digits(folder).test[0]
    file = encode(digit, model="mnist-dense")
    # The figure of the run is that of the files.
    found = decode(file)
    assert ((found / 255.0 - digit / 255.0) ** 2).mean() < 3 * net.entry["results"]["mse"]
    assert net.entry["results"]["bytes"] == pytest.approx(len(file), abs=2)

    entry = json.loads((tmp_path / "run" / "entry.json").read_text())
    (tmp_path / "run" / "numbers.npz").write_bytes(b"other")
    assert "sha256" in train("export", "run", code=1)
    assert entry["entry"]["label"] == "A1"


def test_a_wide_net_begins_as_the_narrow_one():
    entry = ENTRIES["mnist-conv-7x7"]
    narrow, wide, other = (
        entry.with_parameters({"filters": words, "up": up})
        for words, up in (("4 p 3 2:1 p 1:1", "transposed"), ("9 p 7 2:1 p 1:1", "transposed"), ("9 p 2 p 1", "resize"))
    )
    first, second = loop.Trained(narrow), loop.Trained(wide)
    x = np.random.default_rng(0).random((3, 28, 28, 1), np.float32)
    check_widening(narrow, wide)
    widen(first, second, noise=0)
    assert np.allclose(first.model(x), second.model(x), atol=1e-6)
    assert np.ptp(first.model(x)) > 1e-3
    widen(first, second)
    assert np.abs(first.model(x) - second.model(x)).max() > 1e-6
    with pytest.raises(ValueError, match="--widen: convolution 1 is 3x3 to 9 channels, expected 3x3 to 4 at most"):
        check_widening(wide, narrow)
    with pytest.raises(ValueError, match="--widen: 8 convolutions, expected 6"):
        check_widening(narrow, other)
    with pytest.raises(ValueError, match="--widen: expected nets of convolutions alone"):
        check_widening(ENTRIES["mnist-dense"], wide)


def test_a_run_goes_on_from_another_of_the_same_shape():
    entry, other = (ENTRIES["photo-denoise"].with_parameters({"width": w, "blocks": "1"}) for w in ("4", "5"))
    first, second = loop.Trained(entry), loop.Trained(entry)
    first.model.set_weights([w + 0.01 for w in first.model.get_weights()])
    check_widening(entry, entry)
    widen(first, second)
    assert all((a == b).all() for a, b in zip(first.model.get_weights(), second.model.get_weights(), strict=True))
    with pytest.raises(ValueError, match="--widen: expected a denoiser of the same width"):
        check_widening(entry, other)


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("transposed", [False, True])
def test_a_plan_knows_the_sizes_that_keras_makes(padding, transposed):
    kind = keras.layers.Conv2DTranspose if transposed else keras.layers.Conv2D
    for edge, size, stride in itertools.product((9, 10, 28), (1, 2, 3, 5), (1, 2, 3)):
        expected = kind(2, size, stride, padding).compute_output_shape((1, edge, edge, 1))[1]
        assert Conv(2, size, stride, padding, transposed).after(edge) == expected


@pytest.mark.parametrize("words", ["", "p", "16 q", "0", "16:0", "8/0", "16 -3"])
def test_words_that_are_no_filters(words):
    with pytest.raises(ValueError, match="filters: "):
        parse(words)


@pytest.mark.parametrize(("words", "message"), [("4 p p p p", "come back as"), ("4v 4v " * 8, "leave nothing")])
def test_filters_that_do_not_come_back_to_the_picture(words, message):
    with pytest.raises(ValueError, match=message):
        ENTRIES["mnist-conv-pool"].with_parameters({"filters": words})


def test_data_sets_of_keras(monkeypatch):
    def download():
        raise OSError("no network")

    monkeypatch.setattr(keras.datasets.mnist, "load_data", download)
    with pytest.raises(ValueError, match=r"keras.datasets: mnist could not be had \(no network\); give --data DIR"):
        data.load(ENTRIES["mnist-dense"], None, None)


def test_patches_of_digits_and_crops_of_pictures(tmp_path):
    write_digits(tmp_path, 24, 10)
    whole = data.load(ENTRIES["mnist-dense"], tmp_path, None)
    assert (whole.train.shape, whole.val.shape) == ((22, 28, 28, 1), (2, 28, 28, 1))
    quarters = data.load(ENTRIES["mnist-divide"], tmp_path, None)
    assert quarters.train.shape == (88, 14, 14, 1)
    assert (quarters.train[:4, 0, 0, 0] == whole.train[0, ::14, ::14, 0].ravel()).all()
    grey = data.load(ENTRIES["image-dense"], SAMPLES, None)
    assert grey.train.shape[1:] == (16, 16, 1)
    assert len(grey.test) == 1


def test_noise_is_what_it_says():
    rng = np.random.default_rng(0)
    x = np.full((4, 50, 50, 3), 0.5, np.float32)
    salted = data.salt(x, 0.1, rng)
    hit = (salted != 0.5).any(-1)
    assert hit.mean() == pytest.approx(0.1, abs=0.015)
    assert (salted[hit] != 0.5).all()
    assert salted[hit].mean() == pytest.approx(0.5, abs=0.05)
    noisy = data.gaussian(x, 0.1, rng)
    assert noisy.std() == pytest.approx(0.1, abs=0.005)
    both = data.noisy(ENTRIES["photo-denoise"])(np.repeat(x, 50, axis=0), rng)
    deviations = both.std((1, 2, 3)) * 255
    gaussian = (both != 0.5).mean((1, 2, 3)) > 0.5
    assert deviations[gaussian].min() == pytest.approx(10, abs=2)
    assert deviations[gaussian].max() == pytest.approx(50, abs=4)
    assert 0.1 < (~gaussian).mean() < 0.4


def test_validation_noise_stays_and_training_noise_changes(tmp_path):
    write_digits(tmp_path, 24, 10)
    entry = ENTRIES["mnist-denoise"]
    pictures = data.load(entry, tmp_path, None)
    fixed = loop.Batches(pictures.val, 2, entry, 0, renew=False)
    first = fixed[0][0]
    fixed.on_epoch_end()
    assert (fixed[0][0] == first).all()
    fresh = loop.Batches(pictures.train, 8, entry, 0)
    before = fresh[0][0]
    fresh.on_epoch_end()
    assert (fresh[0][0] != before).any()
    seen, clean = fresh[0]
    assert seen.shape == clean.shape == (8, 28, 28, 1)
    assert 0 < clean.max() <= 1


def test_a_drawn_code_is_its_mean_outside_training():
    layer = layers.Variational()
    given = np.float32([[1.0, -2.0, 0.0, 0.0]])
    assert np.allclose(layer(given, training=False), [[1, -2]])
    drawn = np.stack([layer(given, training=True) for _ in range(300)])
    assert drawn.mean((0, 1)) == pytest.approx([1, -2], abs=0.25)
    assert drawn.std((0, 1)) == pytest.approx([1, 1], abs=0.2)
    # KL of N((1, -2), 1) from N(0, 1): (1 + 4) / 2
    assert float(layer.losses[-1]) == pytest.approx(2.5)


def test_the_median_is_that_of_pillow():
    x = np.random.default_rng(1).integers(0, 256, (2, 9, 12, 3), np.uint8)
    expected = [np.asarray(Image.fromarray(one).filter(ImageFilter.MedianFilter(3))) for one in x]
    assert (np.asarray(layers.median(x.astype(np.float32))) == np.stack(expected)).all()


def test_a_denoiser_begins_between_the_picture_and_its_median():
    """And comes through the conversion to ONNX, median and all."""
    from aecodec.model.onnx_runtime import OnnxNet

    entry = ENTRIES["photo-denoise"].with_parameters({"width": "4", "blocks": "1"})
    trained = loop.Trained(entry)
    x = np.random.default_rng(1).integers(0, 256, (1, 16, 20, 3), np.uint8)
    expected = (x / 255 + np.asarray(layers.median(x / np.float32(255)))) / 2
    assert np.allclose(trained.model(x / np.float32(255)), expected, atol=1e-5)
    net = OnnxNet(lambda: export.graphs(entry, trained)["denoise.onnx"])
    assert np.abs(net(x)[0] - 255 * expected).max() < 0.51


def test_a_graph_enlarges_by_the_neighbours_of_keras():
    """From 4 to 7, whose factor is not whole; weights are float16 in the graph, so levels may differ by one."""
    from aecodec.model.onnx_runtime import OnnxNet

    keras.utils.set_random_seed(1)
    entry = ENTRIES["mnist-conv"]
    trained = loop.Trained(entry)
    assert trained.latent[:2] == (4, 4)
    z = np.random.default_rng(1).normal(0, 20, (3, *trained.latent)).astype(np.float32)
    expected = 255 * np.asarray(trained.decode(z))
    assert expected.std() > 10
    found = OnnxNet(lambda: export.graphs(entry, trained)["decoder.onnx"])(z)[0]
    assert np.abs(found - expected).max() < 1.51


@pytest.mark.parametrize("name", ["fashion-vae", "mnist-conv-7x7"])
def test_bright_pixels_keep_their_gradient_in_mixed_precision(name):
    keras.mixed_precision.set_global_policy("mixed_bfloat16")
    try:
        trained = loop.Trained(ENTRIES[name])
    finally:
        keras.mixed_precision.set_global_policy("float32")
    convolution, output = trained.decoder.layers[-2:]
    assert convolution.compute_dtype == "bfloat16"
    bright = np.float32([6, 7])
    assert output(bright).numpy().max() < 1
    assert trained.model.output.dtype == "float32"


@pytest.mark.parametrize(("loss", "alive"), [("mse", False), ("binary_crossentropy", True)])
@pytest.mark.filterwarnings("ignore:Even though the `tf.config:UserWarning")  # batches are made by a graph all the same
@pytest.mark.usefixtures("eager")
def test_a_pixel_that_is_white_for_ever_recovers_by_cross_entropy_alone(tmp_path, loss, alive):
    """Where the last sigmoid is exactly 1, the squared error has no gradient."""
    settings = {"filters": "2/2 2/2", "loss": loss, "epochs": "2", "batch": "4", "rate": "0.5"}
    entry = ENTRIES["fashion-conv"].with_parameters(settings)
    images = data.Images(np.zeros((8, 28, 28, 1), np.uint8), np.zeros((4, 28, 28, 1), np.uint8), [])

    def saturate(trained):
        trained.decoder.layers[-2].bias.assign([40.0])

    trained = loop.fit(entry, images, tmp_path / "run", 0, saturate)
    assert (float(trained.decoder.layers[-2].bias[0]) < 39) == alive
