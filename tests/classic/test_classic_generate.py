"""Images drawn from classic models, and the data sets that they are plotted with."""

import gzip
import struct

import numpy as np
import pytest
from digits import drawn, write_digits, write_idx

from aecodec.classic import generate
from aecodec.classic.idx import read_digits, read_idx
from aecodec.errors import ModelError

pytestmark = pytest.mark.usefixtures("tiny_weights")


def test_idx_files_plain_and_packed(tmp_path):
    array = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    write_idx(tmp_path / "a.gz", array)
    (tmp_path / "a").write_bytes(gzip.decompress((tmp_path / "a.gz").read_bytes()))
    assert (tmp_path / "a").read_bytes()[:16] == struct.pack(">4B3I", 0, 0, 8, 3, 2, 3, 4)
    for name in ("a", "a.gz"):
        assert (read_idx(tmp_path / name) == array).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda raw: raw[:-5], "damaged gzip"),
        (lambda raw: raw[:20] + b"\xff" + raw[21:], "gzip|bytes, expected"),
        (lambda raw: b"", "starts with nothing"),
        (lambda raw: b"P5 2 2 255\n", "starts with 50 35 20 32"),
        (lambda raw: gzip.decompress(raw)[:-1], r"\d+ bytes, expected \d+"),
        (lambda raw: gzip.decompress(raw)[:6], r"\d+ bytes, expected \d+"),
    ],
)
def test_damaged_idx_files(tmp_path, change, message):
    write_digits(tmp_path, 20, 20)
    path = tmp_path / "t10k-images-idx3-ubyte.gz"
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(ValueError, match=message):
        read_digits(tmp_path)


def test_data_sets_with_parts_missing(tmp_path):
    with pytest.raises(ValueError, match="no such folder"):
        read_digits(tmp_path / "none")
    with pytest.raises(ValueError, match=r"no train-images-idx3-ubyte.gz, expected the four IDX files"):
        read_digits(tmp_path)
    write_digits(tmp_path, 20, 20)
    write_idx(tmp_path / "t10k-labels-idx1-ubyte.gz", np.zeros(7, np.uint8))
    with pytest.raises(ValueError, match="test has images"):
        read_digits(tmp_path)


def test_samples_follow_the_seed_and_the_grid_the_prior():
    net = generate.generator("fashion-vae")
    one, same, other = (generate.samples(net, 9, seed) for seed in (1, 1, 2))
    assert one.shape == (92, 92)
    assert (one == same).all()
    assert (one != other).any()
    assert generate.samples(net, 1, 0).shape == (32, 32)
    assert generate.latent_grid(net, 4).shape == (122, 122)


def test_rows_of_classes_and_their_latents(tmp_path):
    write_digits(tmp_path)
    net = generate.with_classes("fashion-vae")
    rows = generate.class_rows(net, tmp_path, 0)
    assert rows.shape == (62, 302)
    assert (rows[2:30, 32:60] == drawn(40, 40)[0][1::10]).all(axis=(1, 2)).any()  # the second class, as it is
    plot = generate.scatter(net, tmp_path)
    assert plot.shape == (640, 780, 3)
    assert len(np.unique(plot.reshape(-1, 3), axis=0)) > 10
    with pytest.raises(ModelError, match="mnist-dense has 4 latents, expected 2"):
        generate.scatter(generate.with_classes("mnist-dense"), tmp_path)
    with pytest.raises(ValueError, match="--data: expected the folder of the IDX files of mnist"):
        generate.class_rows(generate.with_classes("mnist-dense"), None, 0)
