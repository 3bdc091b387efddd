"""The commands around the classic autoencoders: what they write, and one line for bad input."""

import io
import json

import numpy as np
import pytest
from digits import drawn, write_digits
from PIL import Image
from typer.testing import CliRunner

from aecodec.cli import app

pytestmark = pytest.mark.usefixtures("tiny_weights")


@pytest.fixture
def aecodec(tmp_path, monkeypatch):
    """Run a command in an empty folder; -> its result, whose error output has no traceback."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str, code: int = 0):
        done = CliRunner().invoke(app, arguments)
        assert done.exit_code == code, done.stderr
        assert done.exception is None or isinstance(done.exception, SystemExit)
        assert not list(tmp_path.rglob("*.tmp"))
        return done

    return run


def save(path, *shape: int) -> np.ndarray:
    pixels = np.resize(drawn(3)[0][2], shape)
    Image.fromarray(pixels).save(path)
    return pixels


def test_compress_with_a_classic_model_and_decompress_without_naming_it(aecodec, tmp_path):
    save(tmp_path / "digit.png", 28, 28)
    done = aecodec("compress", "digit.png", "--model", "mnist-dense", "--verify")
    size = (tmp_path / "digit.aez").stat().st_size
    assert size < 60
    assert done.stderr.startswith(f"digit.png: 28x28, 200 -> {size} bytes")
    aecodec("decompress", "digit.aez", "-o", "back.png")
    with Image.open(tmp_path / "back.png") as image:
        assert (image.mode, image.size) == ("L", (28, 28))
    assert "model    mnist-dense (id 0xff00)" in aecodec("info", "digit.aez").stdout
    assert aecodec("verify", "digit.aez").stdout == "digit.aez: ok\n"


@pytest.mark.parametrize(
    ("arguments", "code", "line"),
    [
        (["compress", "rgb.png", "--model", "mnist-dense"], 1, "rgb.png: image: RGB, expected grey for model"),
        (["compress", "wide.png", "--model", "mnist-dense"], 1, "wide.png: image: 30x28, expected 28x28 for model"),
        (["compress", "wide.png", "--model", "nobody"], 1, "unknown model 'nobody'"),
        (["compress", "wide.png", "--model", "image-conv", "-q", "50"], 1, "quality: model image-conv has one quality"),
        (["compress", "wide.png", "--model", "photo-denoise"], 1, "has no code, see aecodec denoise"),
        (["denoise", "wide.png", "--model", "mnist-denoise"], 1, "wide.png: image: 30x28, expected 28x28"),
        (["denoise", "wide.png", "--model", "mnist-dense"], 1, "denoisers are mnist-denoise, photo-denoise"),
        (["denoise", "none.png"], 1, "none.png: no such file"),
        (["generate", "-o", "a.png", "--model", "image-conv"], 1, "models to draw from are fashion-vae"),
        (["generate", "-o", "a.png", "--show", "scatter", "--data", "none"], 1, "none: no such folder"),
        (["generate", "-o", "a.txt"], 1, "extension .txt: cannot be written"),
        (["generate", "-o", "wide.png"], 1, "wide.png: exists, use --force"),
        (["generate", "-o", "a.png", "--count", "0"], 2, "--count"),
        (["generate"], 2, "--output"),
    ],
)
def test_bad_input_is_one_line(aecodec, tmp_path, arguments, code, line):
    save(tmp_path / "rgb.png", 28, 28, 3)
    save(tmp_path / "wide.png", 28, 30)
    done = aecodec(*arguments, code=code)
    assert line in done.stderr
    if code == 1:
        assert len(done.stderr.splitlines()) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["rgb.png", "wide.png"]


def test_denoise_writes_beside_the_input(aecodec, tmp_path):
    save(tmp_path / "photo.png", 40, 31, 3)
    done = aecodec("denoise", "photo.png")
    assert done.stderr.startswith("photo.png: 31x40, ")
    assert done.stderr.endswith(" bytes, photo-denoise\n")
    with Image.open(tmp_path / "photo-denoised.png") as image:
        assert (image.mode, image.size) == ("RGB", (31, 40))
    assert "exists, use --force" in aecodec("denoise", "photo.png", code=1).stderr


def test_denoise_leaves_out_what_it_made_before(aecodec, tmp_path):
    (tmp_path / "inner").mkdir()
    save(tmp_path / "a.png", 40, 31, 3)
    save(tmp_path / "inner" / "b.png", 40, 31, 3)
    for _ in range(2):
        done = aecodec("denoise", ".", "--recursive", "--force")
        assert [line.split(": ")[0] for line in done.stderr.splitlines()[:-1]] == ["./a.png", "./inner/b.png"]
    names = {path.name for path in tmp_path.rglob("*.png")}
    assert names == {"a.png", "a-denoised.png", "b.png", "b-denoised.png"}
    aecodec("denoise", "a-denoised.png")  # asked for by name
    assert (tmp_path / "a-denoised-denoised.png").exists()


@pytest.mark.parametrize(
    ("options", "size"),
    [
        (["--count", "6"], (92, 62)),
        (["--show", "grid", "--count", "3"], (92, 92)),
        (["--show", "classes", "--data", "."], (302, 62)),
        (["--show", "scatter", "--data", "."], (780, 640)),
    ],
)
def test_generate(aecodec, tmp_path, options, size):
    write_digits(tmp_path, 20, 20)
    done = aecodec("generate", "-o", "out.png", *options)
    assert done.stderr.startswith(f"out.png: {size[0]}x{size[1]}, ")
    with Image.open(tmp_path / "out.png") as image:
        assert image.size == size


def test_generate_to_standard_output(aecodec):
    with Image.open(io.BytesIO(aecodec("generate", "-o", "-", "--count", "1").stdout_bytes)) as image:
        assert image.size == (32, 32)


def test_models_are_listed(aecodec):
    lines = aecodec("models").stdout.splitlines()
    assert lines[0].split() == ["model", "id", "what", "it", "is", "data", "latents", "bytes", "reaches"]
    row = next(line for line in lines if line.startswith("mnist-dense "))
    assert "ff00  A1: dense 784-300-k and back" in row
    assert " dB, " in row
    found = json.loads(aecodec("models", "--json").stdout)
    assert found["fashion-vae"]["latent"] == [2]
    assert found["tiny"]["kind"] == "codec"
