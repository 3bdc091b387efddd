"""Small images: from the latents of the shipped model, from exact tiles, and by decoding and reducing elsewhere."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from mirrored import HEIGHT, WIDTH, picture
from screens import mixed, photo

import aecodec
from aecodec import container
from aecodec.errors import CorruptError, LimitError, ModelError
from aecodec.files.thumbnail import thumbnail
from aecodec.model import thumbnail as linear
from aecodec.model.model import Model, models
from aecodec.model.weights import weights_folder
from aecodec.pixels import psnr
from aecodec.scaling import FACTORS, reduced

SMALL = (8, 16)


@pytest.fixture(scope="module")
def files() -> dict[int, bytes]:
    return {channels: aecodec.encode(picture(channels), 75, effort=0) for channels in (1, 2, 3, 4)}


@pytest.fixture
def nothing_is_synthesised(monkeypatch):
    def fail(*_):
        raise AssertionError("the synthesis runs")

    monkeypatch.setattr(Model, "synthesis", fail)


def near(found: np.ndarray, expected: np.ndarray) -> bool:
    return found.shape == expected.shape and np.abs(found.astype(int) - expected).max() <= 1


@pytest.mark.usefixtures("nothing_is_synthesised")
@pytest.mark.parametrize(("factor", "least"), [(8, 35), (16, 40)])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_the_map_makes_the_means_of_the_image(files, channels, factor, least):
    small, expected = aecodec.decode(files[channels], scale=1 / factor), reduced(picture(channels), factor)
    assert small.shape == expected.shape
    assert small.flags.c_contiguous
    whole = np.s_[: HEIGHT // factor, : WIDTH // factor]  # squares that the edge cuts off are continued by the encoder
    if channels % 2:
        assert psnr(small[whole], expected[whole]) > least
    else:
        np.testing.assert_array_equal(small[..., -1], expected[..., -1])
    assert psnr(small, reduced(picture(channels), factor)) > 33


@pytest.mark.parametrize("channels", [2, 3])
def test_a_model_without_the_map_decodes_and_reduces(channels, weights, monkeypatch, tmp_path):
    shutil.copytree(weights / "photo", tmp_path / "photo")
    manifest = json.loads((weights / "manifest.json").read_text())
    del manifest["models"]["photo"]["auxiliary"]
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    monkeypatch.setenv("AECODEC_WEIGHTS", str(tmp_path))
    data = aecodec.encode(picture(channels), 75)
    whole = aecodec.decode(data)
    for factor in FACTORS:
        np.testing.assert_array_equal(aecodec.decode(data, scale=1 / factor), reduced(whole, factor, channels == 2))


def test_half_is_the_decoded_image_reduced(files):
    np.testing.assert_array_equal(aecodec.decode(files[3], scale=1 / 2), reduced(aecodec.decode(files[3]), 2))


@pytest.mark.parametrize("factor", FACTORS[1:])
@pytest.mark.parametrize("channels", [2, 3])
def test_lossless_files_are_reduced(factor, channels):
    image = picture(channels, 260, 300)
    data = aecodec.encode(image, lossless=True, effort=0)
    np.testing.assert_array_equal(aecodec.decode(data, scale=1 / factor), reduced(image, factor, channels == 2))


@pytest.fixture(scope="module")
def of_both_kinds() -> tuple[bytes, np.ndarray]:
    """A file with exact and learned tiles, and its pixels."""
    data = aecodec.encode(mixed(), 75, effort=0, tune="psnr")
    return data, aecodec.decode(data)


@pytest.mark.parametrize("factor", SMALL)
def test_exact_tiles_are_reduced_and_learned_ones_beside_them_have_no_seam(of_both_kinds, factor):
    data, whole = of_both_kinds
    index = container.read_index(data)
    assert 0 < len(index.exact) < len(index.tiles)
    small, expected = aecodec.decode(data, scale=1 / factor), reduced(whole, factor)
    for number in range(len(index.tiles)):
        x, y, width, height = (-(-edge // factor) for edge in index.header.tile_area(number))
        part = np.s_[y : y + height, x : x + width]
        if number in index.exact:
            np.testing.assert_array_equal(small[part], expected[part])
        else:
            least = {8: 38.4, 16: 42.0}[factor]  # about 1.1 dB less if the latents of exact tiles counted
            assert psnr(small[part], expected[part]) > least


@pytest.mark.parametrize("factor", [2, *SMALL])
def test_a_region_is_the_crop_of_the_whole(files, factor):
    whole = aecodec.decode(files[3], scale=1 / factor)
    for region in ((0, 0, 1, 1), (300, 300, 100, 80), (255, 255, 2, 2), (13, 7, 530, 411)):
        x, y, width, height = region
        expected = whole[y // factor : -(-(y + height) // factor), x // factor : -(-(x + width) // factor)]
        assert near(aecodec.decode(files[3], scale=1 / factor, region=region), expected), region


def test_only_the_tiles_of_a_region_are_read(files):
    data = files[3]
    index = container.read_index(data)
    last = index.tiles[-1].offset
    damaged = data[:last] + bytes([data[last] ^ 1]) + data[last + 1 :]
    assert aecodec.decode(damaged, scale=1 / 16, region=(0, 0, 200, 200)).shape == (13, 13, 3)
    with pytest.raises(CorruptError, match=r"^tile \d+: "):
        aecodec.decode(damaged, scale=1 / 16)
    with pytest.raises(LimitError):
        aecodec.decode(data, scale=1 / 16, limits=aecodec.Limits(max_pixels=1000))


@pytest.mark.parametrize("size", [1, 16, 100, 256, 700, 5000])
def test_a_thumbnail_fits_into_its_size(files, size):
    small, metadata = thumbnail(files[3], size)
    assert max(small.shape[:2]) == min(size, WIDTH)
    assert abs(small.shape[0] - small.shape[1] * HEIGHT / WIDTH) <= 1
    assert metadata == aecodec.Metadata()


def test_a_thumbnail_stands_upright_and_keeps_the_profile_alone():
    exif = bytes.fromhex("49492a00080000000100120103000100000006000000 00000000")
    metadata = aecodec.Metadata(icc=b"profile", exif=exif, xmp=b"<x/>")
    data = aecodec.encode(photo(96, 160, "kodim15"), metadata=metadata)
    small, kept = thumbnail(data, 80)
    assert small.shape == (80, 48, 3)
    assert kept == aecodec.Metadata(icc=b"profile")
    upright = np.rot90(aecodec.decode(data, scale=1 / 2), -1)
    assert near(small, upright)


def test_the_map_does_not_depend_on_the_order_of_sums(files):
    """In float64, where sums differ in their last bits only, no sample is another by more than a level."""
    [model] = [model for model in models().values() if model.name == "photo"]
    rng = np.random.default_rng(0)
    y = rng.normal(0, 1.5, (20, 30, len(model.thumbnail.weights) // 9)).astype(np.float32)
    precise = linear.ThumbnailMap(*(part.astype(np.float64) for part in model.thumbnail))
    for factor in SMALL:
        found, expected = (m.apply(y, np.ones((20, 30), bool), factor) for m in (model.thumbnail, precise))
        assert near(found, expected)
        assert np.count_nonzero(found != expected) < 0.001 * found.size


def test_a_map_is_packed_and_unpacked():
    rng = np.random.default_rng(0)
    made = linear.ThumbnailMap(rng.normal(size=(27, 12)), rng.normal(size=12))
    found = linear.ThumbnailMap.unpack(made.pack())
    np.testing.assert_allclose(found.weights, made.weights, rtol=1e-3)
    np.testing.assert_allclose(found.bias, made.bias, rtol=1e-3)


def test_what_is_not_known_counts_as_the_middle():
    y = np.arange(6, dtype=np.float32).reshape(2, 3, 1)
    known = np.array([[True, True, False], [True, True, True]])
    for place, (first, last) in enumerate([(1, 1), (1, 5), (1, 5), (0, 4), (1, 5), (1, 5), (3, 5), (4, 5), (5, 5)]):
        weights = np.zeros((9, 12), np.float32)
        weights[place] = 1
        means = linear.ThumbnailMap(weights, np.zeros(12, np.float32)).apply(y, known, 16)[..., 0].astype(int) - 128
        assert (means[0, 1], means[1, 2]) == (first, last)


@pytest.mark.parametrize("height", [1, 64, 65, 130])
def test_bands_of_rows_do_not_show(height):
    rng = np.random.default_rng(height)
    y, known = rng.normal(0, 9, (height, 5, 4)).astype(np.float32), rng.random((height, 5)) < 0.8
    made = linear.ThumbnailMap(rng.normal(size=(36, 12)).astype(np.float32), np.zeros(12, np.float32))
    padded, there = np.pad(y, ((1, 1), (1, 1), (0, 0))), np.pad(known, 1)
    expected = np.zeros((height, 5, 12))
    for i, j, place in np.ndindex(height, 5, 9):
        at = i + place // 3, j + place % 3
        expected[i, j] += (padded[at] if there[at] else y[i, j]) @ made.weights[4 * place : 4 * place + 4]
    expected = np.clip(expected.reshape(height, 5, 2, 2, 3).swapaxes(1, 2).reshape(2 * height, 10, 3) + 128, 0, 255)
    assert np.abs(made.apply(y, known, 8) - expected).max() < 0.51


def test_a_damaged_map_is_a_model_error_and_no_other_decoding_needs_it(files, tmp_path, monkeypatch):
    shutil.copytree(weights_folder(), tmp_path / "weights", ignore=shutil.ignore_patterns("*.average.npz"))
    monkeypatch.setenv("AECODEC_WEIGHTS", str(tmp_path / "weights"))
    path = Path(tmp_path / "weights" / "photo" / linear.FILE)
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    assert aecodec.decode(files[3], region=(0, 0, 8, 8)).shape == (8, 8, 3)
    with pytest.raises(ModelError, match=r"thumbnail\.npz: sha256"):
        aecodec.decode(files[3], scale=1 / 16)
