"""What research says of a file is what its bytes hold: sums of bits, symbols, and the image that follows from y_hat."""

import json
import shutil

import numpy as np
import pytest
from mirrored import picture
from PIL import Image
from screens import mixed, photo

from aecodec import DecodeError, ModelError, api, decode, encode, research
from aecodec.codec.transforms import synthesise
from aecodec.geometry import STRIDE, tiles
from aecodec.model.model import models
from aecodec.model.point import QualityPoint
from aecodec.settings import TUNINGS
from aecodec.system.parallel import Workers

pytestmark = pytest.mark.usefixtures("small_default")


@pytest.mark.parametrize("quality", [5, 60, 100])
def test_the_bits_are_those_of_the_file(quality):
    for image in (picture(), mixed()[:520, :600], picture(4)[:200, :300]):
        data = encode(image, quality)
        info, contents = api.read_info(data), research.examine(data)
        coders = 40 * (info.tiles - info.exact)  # each ends in up to two words
        assert contents.bits == pytest.approx(8 * len(data), rel=0.001, abs=coders)
        assert contents.bits_map().sum() + contents.other_bits == pytest.approx(contents.bits)
        assert contents.exact.any() == bool(info.exact) == bool(contents.exact_bits.any())


def test_the_bits_of_a_photograph_are_within_a_per_cent(monkeypatch):
    monkeypatch.delenv("AECODEC_WEIGHTS")
    data = encode(photo(), 50, effort=0)
    assert research.examine(data).bits == pytest.approx(8 * len(data), rel=0.01)


def test_the_symbols_are_those_of_the_tiles():
    data = encode(picture(), 60)
    contents = research.examine(data)
    height, width = picture().shape[:2]
    for tile, (z, index, r) in zip(tiles(height, width), research.decode_symbols(data), strict=True):
        top, left = tile.top // 4, tile.left // 4
        rows, columns = tile.hyper
        inside = np.s_[top : top + rows, left : left + columns]
        np.testing.assert_array_equal(contents.z[inside], z[tile.hyper_crop][..., :-1])
        np.testing.assert_array_equal(contents.deltas[inside], z[tile.hyper_crop][..., -1])
        np.testing.assert_array_equal(contents.scale_indexes[tile.inside], index[tile.crop])
        np.testing.assert_array_equal(contents.r[tile.inside], r[tile.crop])


@pytest.mark.parametrize("tune", ["visual", "psnr"])
def test_y_hat_is_the_image_and_near_to_y(tune):
    image = picture()
    data = encode(image, 80, effort=0, tune=tune)
    contents = research.examine(data)
    point = QualityPoint(models()["photo"], contents.qindex, TUNINGS.index(tune))
    factors = np.exp2(contents.deltas / 8).repeat(4, 0).repeat(4, 1)[: len(contents.r), : contents.r.shape[1], None]
    with Workers(1) as workers:
        np.testing.assert_array_equal(synthesise([contents.y_hat], image.shape[:2], point, workers), decode(data))
    y_hat = (contents.means + contents.r) * contents.inverse_gain / factors
    np.testing.assert_allclose(y_hat, contents.y_hat, atol=1e-5)
    y = research.analyse(image)
    error = y * contents.gain * factors - contents.means - contents.r
    coded = contents.scale_indexes > 0
    assert np.abs(error[coded]).max() <= 1 + 1e-3  # a residual is cut off to the integer towards zero at most
    assert np.abs(error[coded]).mean() < 0.5


@pytest.mark.parametrize("tune", ["visual", "psnr"])
def test_refined_latents_are_those_that_are_coded(monkeypatch, tune):
    monkeypatch.delenv("AECODEC_WEIGHTS")  # the small model does not refine
    image = photo()[:200, :100]
    contents = research.examine(encode(image, 60, effort=2, tune=tune))
    refined = research.analyse(image, 60, effort=2, tune=tune)
    plain = research.analyse(image)
    assert np.abs(refined - plain).max() > 0.01
    scaled = refined * contents.gain * np.exp2(contents.deltas / 8).repeat(4, 0).repeat(4, 1)[:13, :7, None]
    error = np.abs(scaled - contents.means - contents.r)
    assert error[contents.scale_indexes > 0].max() <= 1 + 1e-3


def test_a_model_that_is_not_installed(weights, monkeypatch, tmp_path):
    loaded = research.load_models(weights)["photo"]
    image = picture()[:100, :90]
    data = encode(image, 60, model=loaded)
    expected = decode(data)
    monkeypatch.setenv("AECODEC_WEIGHTS", str(tmp_path))
    with pytest.raises(ModelError):
        decode(data)
    np.testing.assert_array_equal(research.decode(data, loaded), expected)
    assert research.examine(data, loaded).bits == pytest.approx(8 * len(data), rel=0.02)
    (tmp_path / "manifest.json").write_text(json.dumps({"models": {}}))
    with pytest.raises(ModelError, match="no models"):
        research.load_models(tmp_path)


@pytest.mark.parametrize("channels", [None, 2, 3, 4])
def test_a_file_of_exact_tiles_alone_needs_no_model(weights, channels):
    image = np.dstack([picture()[:40, :50]] * 2)[..., :channels] if channels else picture()[:40, :50, 0]
    image = np.ascontiguousarray(image)
    data = encode(image, lossless=True)
    colours = image[..., 0] if channels == 2 else image[..., :3] if channels else image
    np.testing.assert_array_equal(research.decode(data, research.load_models(weights)["photo"]), colours)


def test_models_that_were_written_anew_are_read_anew(weights, tmp_path):
    shutil.copytree(weights, tmp_path / "weights")
    assert research.load_models(tmp_path / "weights")["photo"].id
    manifest = tmp_path / "weights" / "manifest.json"
    entries = json.loads(manifest.read_text())
    entries["models"] = {"renamed": entries["models"]["photo"]}
    manifest.write_text(json.dumps(entries))
    assert list(research.load_models(tmp_path / "weights")) == ["renamed"]


def test_files_of_other_models_are_refused():
    classic = encode(picture()[:28, :28, 0], model="mnist-dense")
    with pytest.raises(DecodeError, match="has no latents"):
        research.examine(classic)
    with pytest.raises(DecodeError):
        research.examine(b"not a file")


@pytest.mark.parametrize("size", [(30, 41), (300, 270)])
def test_a_file_of_exact_tiles_has_a_map_too(size):
    image = np.zeros((*size, 3), np.uint8)
    image[20:, 20:] = np.random.default_rng(0).integers(0, 256, (size[0] - 20, size[1] - 20, 3))
    data = encode(image, lossless=True)
    contents = research.examine(data)
    assert contents.bits == pytest.approx(8 * len(data))
    assert contents.exact.all()
    assert research.draw_bits(contents).shape == image.shape


def test_the_map_shows_where_the_bits_are(aecodec, tmp_path):
    rng = np.random.default_rng(1)
    image = rng.integers(120, 136, (256, 200, 3), np.uint8)
    image[64:128, 48:96] = rng.integers(0, 256, (64, 48, 3))
    (tmp_path / "a.aez").write_bytes(encode(image, 50, tune="psnr"))
    done = aecodec("bits", "a.aez", "-o", "map.png", "--json")
    found = json.loads(done.stdout)
    parts = ("residuals", "hyper_latents", "deltas", "exact_tiles", "other")
    assert sum(found[part] for part in parts) == pytest.approx((tmp_path / "a.aez").stat().st_size, rel=0.03)
    with Image.open(tmp_path / "map.png") as opened:
        brightness = np.asarray(opened).astype(int).sum(-1)
    assert brightness.shape == image.shape[:2]
    brightest = np.unravel_index(brightness.argmax(), brightness.shape)
    assert 64 <= brightest[0] < 128
    assert 48 <= brightest[1] < 96
    assert len(np.unique(brightness[:STRIDE, :STRIDE])) == 1
    assert "residuals" in aecodec("bits", "a.aez").lines[0]


def test_what_is_wrong_with_a_map_is_one_line(aecodec, tmp_path):
    (tmp_path / "a.aez").write_bytes(encode(picture()[:40, :40], 50))
    (tmp_path / "b.aez").write_bytes(encode(picture()[:40, :40], 50)[:-3])
    assert aecodec("bits", "b.aez", "-o", "map.png", code=1).lines[0].startswith("b.aez: ")
    assert aecodec("bits", "none.aez", code=1).lines == ["none.aez: no such file or directory"]
    assert "extension" in aecodec("bits", "a.aez", "-o", "map.xyz", code=1).lines[0]
    assert not (tmp_path / "map.png").exists()
    (tmp_path / "map.png").write_bytes(b"mine")
    assert "exists" in aecodec("bits", "a.aez", "-o", "map.png", code=1).lines[0]
    assert (tmp_path / "map.png").read_bytes() == b"mine"
