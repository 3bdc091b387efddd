"""The codec from end to end with the installed weights: shapes, windows, threads, rates, damage."""

import contextlib
import os
import zlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from screens import photo

import aecodec
from aecodec import container, geometry, research
from aecodec.codec import transforms
from aecodec.codec.encoder import Encoder
from aecodec.container import Header
from aecodec.errors import (
    CorruptError,
    DecodeError,
    EncodeError,
    LimitError,
    ModelError,
    NotAezError,
    TruncatedError,
    UnsupportedError,
)
from aecodec.families import by_name
from aecodec.model.point import QualityPoint
from aecodec.settings import TUNINGS, Settings
from aecodec.system.parallel import Workers

SAMPLES = Path(aecodec.__file__).parent / "bench" / "samples"


def sample(name: str = "kodim15") -> np.ndarray:
    with Image.open(SAMPLES / f"{name}_crop.png") as image:
        return np.asarray(image.convert("RGB"))


def picture(height: int, width: int, channels: int = 3) -> np.ndarray:
    """A photograph of any size, mirrored at its edges; alpha is a disc with a soft rim."""
    wide = np.pad(sample(), ((0, max(0, height - 256)), (0, max(0, width - 256)), (0, 0)), mode="symmetric")
    rgb = wide[:height, :width]
    if channels in (1, 2):
        rgb = rgb[..., 1:2]
    if channels in (2, 4):
        y, x = np.mgrid[:height, :width]
        radius = np.hypot(y - height / 2, x - width / 2)
        alpha = np.clip(20 * (min(height, width) / 2 - radius), 0, 255).astype(np.uint8)
        rgb = np.dstack([rgb, alpha])
    return np.ascontiguousarray(rgb[..., 0] if channels == 1 else rgb)


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    return 10 * np.log10(255**2 / max(np.mean((a.astype(float) - b) ** 2), 1e-9))


def levels(a: np.ndarray, b: np.ndarray) -> int:
    """The largest difference between two pictures."""
    return int(np.abs(a.astype(int) - b).max())


# Sizes and shapes


@pytest.mark.parametrize(
    ("height", "width"),
    [(1, 1), (40, 1), (1, 40), (15, 16), (17, 33), (29, 100), (255, 16), (16, 255), (256, 16), (16, 257), (257, 256)],
)
def test_every_size_comes_back(height, width):
    image = picture(height, width)
    found = aecodec.decode(aecodec.encode(image, 75))
    assert found.shape == image.shape
    assert found.dtype == np.uint8
    assert found.flags.c_contiguous
    assert found.flags.writeable
    assert psnr(image, found) > 28


@pytest.mark.parametrize(("height", "width"), [(1, 1), (17, 33), (16, 272)])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_every_shape_comes_back(height, width, channels):
    image = picture(height, width, channels)
    data = aecodec.encode(image, 75, keep_hidden=True)
    found = aecodec.decode(data)
    assert (found.shape, found.dtype) == (image.shape, np.uint8)
    assert psnr(image, found) > 28
    info = aecodec.read_info(data)
    assert (info.width, info.height, info.channels) == (width, height, channels)
    assert info.tiles == -(-width // 256) * -(-height // 256)
    if channels in (2, 4):
        np.testing.assert_array_equal(found[..., -1], image[..., -1])


def test_grey_costs_no_more_than_the_same_picture_as_rgb():
    for quality in (1, 50, 100):
        grey = picture(120, 100, 1)
        data, coloured = aecodec.encode(grey, quality), aecodec.encode(np.dstack([grey] * 3), quality)
        assert len(data) <= len(coloured)
        assert psnr(grey, aecodec.decode(data)) > 24


def test_grey_is_the_luma_of_what_the_networks_give():
    grey = picture(40, 50, 1)
    found = aecodec.decode(aecodec.encode(grey, 10))
    rgb = aecodec.decode(aecodec.encode(np.dstack([grey] * 3), 10)).astype(int)
    luma = (299 * rgb[..., 0] + 587 * rgb[..., 1] + 114 * rgb[..., 2] + 500) // 1000
    np.testing.assert_array_equal(found, luma)


@pytest.mark.parametrize("channels", [2, 4])
def test_alpha_is_lossless_at_the_lowest_quality(channels):
    image = picture(30, 50, channels)
    image[..., -1] = np.random.default_rng(1).integers(0, 256, (30, 50), np.uint8)
    found = aecodec.decode(aecodec.encode(image, 1))
    np.testing.assert_array_equal(found[..., -1], image[..., -1])


def test_alpha_does_not_touch_the_colours():
    image = picture(64, 64, 4)
    np.testing.assert_array_equal(
        aecodec.decode(aecodec.encode(image, keep_hidden=True))[..., :3], aecodec.decode(aecodec.encode(image[..., :3]))
    )


def test_views_that_are_not_contiguous():
    image = picture(64, 96)[::-2, ::3]
    assert not image.flags.c_contiguous
    assert aecodec.encode(image) == aecodec.encode(image.copy())
    frozen = image.copy()
    frozen.flags.writeable = False
    assert aecodec.encode(frozen) == aecodec.encode(image)


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_any_bytes_like(kind):
    data = aecodec.encode(picture(16, 16))
    np.testing.assert_array_equal(aecodec.decode(kind(data)), aecodec.decode(data))


def test_metadata_comes_back():
    metadata = aecodec.Metadata(icc=b"colour " * 50, exif=b"II*\0\x08\0\0\0\0\0\0\0\0\0", xmp=b"<x:xmpmeta/>")
    image = picture(16, 16, 4)
    data = aecodec.encode(image, 50, metadata=metadata)
    assert aecodec.read_metadata(data) == metadata
    assert set(aecodec.read_info(data).chunks) == {"ALPH", "iccp", "exif", "xmp"}
    np.testing.assert_array_equal(aecodec.decode(data), aecodec.decode(aecodec.encode(image, 50)))
    assert aecodec.read_metadata(aecodec.encode(image, 50)) == aecodec.Metadata()
    first = container.read_index(data).chunks
    assert first[-1][0] == b"ALPH"
    assert aecodec.read_metadata(data[: first[-1][1].offset]) == metadata  # what else is missing does not matter


def test_info_has_the_bytes_of_all_chunks_of_a_tag():
    file = container.read(aecodec.encode(picture(16, 16), lossless=True))
    chunks = [container.Chunk(b"note", b"12345"), container.Chunk(b"note", b"6")]
    assert aecodec.read_info(container.write(file.header, file.tiles, chunks, file.exact)).chunks == {"note": 6}


def test_info_reads_no_further_than_the_index():
    data = aecodec.encode(picture(17, 33), 40)
    info = aecodec.read_info(data)
    assert info.size == len(data)
    assert info.model == "photo"
    assert info.quality == pytest.approx(40, abs=0.2)
    assert aecodec.read_info(data[:60]) == info


# Threads and windows


def test_the_same_bytes_for_any_number_of_threads():
    image = picture(272, 300, 4)
    data = aecodec.encode(image, 60, threads=1)
    for threads in (2, 3, None):
        assert aecodec.encode(image, 60, threads=threads) == data
        np.testing.assert_array_equal(aecodec.decode(data, threads=threads), aecodec.decode(data, threads=1))


@pytest.mark.parametrize(
    ("call", "line"),
    [
        (lambda data: aecodec.encode(picture(1, 1), threads=1.5), "threads: 1.5, expected a whole number"),
        (lambda data: aecodec.decode(data, threads="2"), "threads: '2', expected a whole number"),
        (lambda data: aecodec.decode(data, region=(0, 0, 1.5, 1)), r"region: \(0, 0, 1.5, 1\), expected four whole"),
        (lambda data: aecodec.Limits(max_pixels="9"), "max_pixels: '9', expected a number"),
        (
            lambda data: aecodec.encode(picture(1, 1), metadata=aecodec.Metadata(xmp="<x/>")),
            "metadata: xmp: str, expected bytes",
        ),
    ],
)
def test_other_types_are_named(call, line):
    data = aecodec.encode(picture(4, 4), lossless=True)
    with pytest.raises(TypeError, match=f"^{line}"):
        call(data)


def test_a_lossless_file_has_no_tuning():
    with pytest.raises(aecodec.EncodeError, match=r"^tune: lossless files have one quality$"):
        aecodec.encode(picture(4, 4), lossless=True, tune="psnr")


@pytest.mark.parametrize("threads", [0, -1])
def test_no_threads_at_all(threads):
    with pytest.raises(ValueError, match=rf"^threads: {threads}, expected 1 or more$"):
        aecodec.encode(picture(1, 1), threads=threads)


def test_threads_count_on_systems_without_affinity(monkeypatch):
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    with Workers(1) as one, Workers(None) as all_of_them:
        assert one.count == 1
        assert all_of_them.count == os.cpu_count()


def test_calls_from_four_threads_at_once():
    images = [picture(40, 30 + 16 * i, 3 + i % 2) for i in range(8)]
    alone = [aecodec.encode(image, 20 + 10 * i) for i, image in enumerate(images)]
    pixels = [aecodec.decode(data) for data in alone]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(2):
            together = list(pool.map(lambda job: aecodec.encode(job[1], 20 + 10 * job[0]), enumerate(images)))
            assert together == alone
            for found, expected in zip(pool.map(aecodec.decode, together), pixels, strict=True):
                np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("window", [16, 23])
def test_windows_decode_like_the_whole(monkeypatch, window):
    image = picture(272, 420)
    data = aecodec.encode(image, 60)
    whole = aecodec.decode(data)
    monkeypatch.setattr(transforms, "WINDOW", window)
    assert len(list(geometry.windows((17, 27), window, by_name("photo").synthesis_halo))) > 1
    np.testing.assert_array_equal(aecodec.decode(data), whole)


def test_windows_encode_like_the_whole(monkeypatch):
    """A float that rounds the other way may change a symbol, and that its tile, so floats and rates are compared.

    Latents at a cut see one around them instead of all that they depend on, which changes them by 0.4 % on average.
    """
    image, weights = picture(272, 420), by_name("photo")
    with Workers(2) as workers:
        y = np.concatenate(list(transforms.analyse(image, [slice(0, 17)], weights, workers)))
        monkeypatch.setattr(transforms, "_ANALYSED", 16)
        strips = [slice(0, 5), slice(5, 17)]
        apart = np.concatenate(list(transforms.analyse(image, strips, weights, workers))) - y
        monkeypatch.undo()
    assert np.sqrt(np.mean(apart**2) / np.mean(y**2)) < 5e-3
    assert np.abs(apart).max() < 0.02 * np.abs(y).max()
    data = aecodec.encode(image, 60)
    whole = aecodec.decode(data)
    monkeypatch.setattr(transforms, "_ANALYSED", 16)
    windowed = aecodec.encode(image, 60)
    monkeypatch.undo()
    assert len(windowed) == pytest.approx(len(data), rel=0.002)
    found = aecodec.decode(windowed)
    assert psnr(whole, found) > psnr(image, whole) + 10
    assert psnr(image, found) == pytest.approx(psnr(image, whole), abs=0.02)


def test_the_synthesis_reaches_no_further_than_the_halo():
    weights = by_name("photo")
    features = QualityPoint(weights, weights.qindex(50)).features
    y = np.random.default_rng(2).normal(0, 0.3, (13, 13, weights.latent)).astype(np.float32)
    before = weights.synthesis(y, features).astype(int)
    y[6, 6] += 20
    changed = (weights.synthesis(y, features) != before).any(-1)
    halo = weights.synthesis_halo
    assert halo <= transforms.HALO
    near = slice((6 - halo) * 16, (7 + halo) * 16)
    assert changed[96:112, 96:112].any()
    changed[near, near] = False
    assert not changed.any()


def test_the_analysis_reaches_no_further_than_the_halo():
    weights = by_name("photo")
    image = np.random.default_rng(2).integers(0, 256, (208, 208, 3), np.uint8)
    before = weights.analysis(image)
    image[96:112, 96:112] = 255 - image[96:112, 96:112]
    changed = (weights.analysis(image) != before).any(-1)
    near = slice(6 - transforms.HALO, 7 + transforms.HALO)
    assert changed[6, 6]
    changed[near, near] = False
    assert not changed.any()


# Rate and distortion


def exp_golomb_bits(e: int) -> int:
    """Bits of FORMAT.md's code for an escaped value e >= 1, with its sign."""
    length = e.bit_length() - 1
    return min(length + 1, 15) + length + 1


def estimated_bits(z: np.ndarray, index: np.ndarray, r: np.ndarray, units: int) -> float:
    """-log2(frequency / 2^24) of every symbol of a tile, from the stored tables."""
    weights = by_name("photo")
    tables, knot = weights.tables, round(units / 256)
    bits = 0.0
    for c in range(z.shape[-1]):
        bits -= np.log2(tables.z[knot, c, z[..., c].ravel() + 63] / 2.0**24).sum()
    for i in range(1, 64):
        values = r[index == i]
        table = tables.r[knot][i - 1] / 2.0**24
        reach = (len(table) - 2) // 2
        inside = np.abs(values) <= reach
        bits -= np.log2(table[values[inside] + reach]).sum()
        bits -= np.log2(table[-1]) * np.count_nonzero(~inside)
        bits += sum(exp_golomb_bits(int(abs(v)) - reach) for v in values[~inside])
    return bits


@pytest.mark.parametrize("quality", [10, 50, 90, 100])
def test_real_bits_are_the_estimated_bits_within_two_percent(quality):
    image = picture(256, 300)
    weights = by_name("photo")
    units = weights.qindex(quality)
    with Workers(1) as workers:
        encoder = Encoder(image, Settings(tune="psnr"), weights, workers)
        symbols = list(encoder.symbols(units))
    coded = [(z[tile.hyper_crop], *rest) for (z, *rest), tile in zip(symbols, encoder.latents.tiles, strict=True)]
    estimated = sum(estimated_bits(*parts, units) for parts in coded) / 8
    file = container.read(aecodec.encode(image, quality, tune="psnr"))
    real = sum(len(tile) for tile in file.tiles)
    assert real == pytest.approx(estimated, rel=0.02)
    assert all(not r[index == 0].any() for _, index, r in symbols)


@pytest.mark.parametrize("name", ["kodim05", "kodim15"])
def test_quality_is_monotone_in_bytes_and_psnr(name):
    image = sample(name)
    files = [aecodec.encode(image, quality) for quality in (1, 25, 50, 75, 100)]
    sizes = [len(data) for data in files]
    quality = [psnr(image, aecodec.decode(data)) for data in files]
    assert sizes == sorted(set(sizes))
    assert quality == sorted(set(quality))
    assert quality[-1] - quality[0] > 10


def test_quality_takes_decimals():
    image = sample()
    sizes = [len(aecodec.encode(image, quality)) for quality in (60, 60.5, 61)]
    assert sizes == sorted(set(sizes))
    assert aecodec.read_info(aecodec.encode(image[:64, :64], 60.5)).quality == pytest.approx(60.5, abs=0.03)


@pytest.mark.parametrize("quality", [1, 50, 100])
def test_noise_comes_back(quality):
    noise = np.random.default_rng(5).integers(0, 256, (272, 40, 3), np.uint8)
    found = aecodec.decode(aecodec.encode(noise, quality))
    assert found.shape == noise.shape
    assert psnr(noise, found) > (12 if quality == 100 else 8)


def test_pictures_that_need_escapes_come_back(monkeypatch):
    """Black and white squares in pure colours, not stored without loss: residuals far beyond any photograph's."""
    monkeypatch.setattr("aecodec.exact.look.Look.worth_trying", lambda *_: False)
    monkeypatch.setattr("aecodec.exact.look.Look.palette_worth_trying", lambda *_: False)
    rng = np.random.default_rng(3)
    squares = np.where(rng.random((8, 8, 3)) < 0.5, 0, 255).astype(np.uint8).repeat(16, 0).repeat(16, 1)
    data = aecodec.encode(squares, 100)
    weights = by_name("photo")
    assert any((np.abs(r) > weights.tables.reach[index]).any() for _, index, r in research.decode_symbols(data))
    assert psnr(squares, aecodec.decode(data)) > 28


@pytest.mark.parametrize("tune", TUNINGS)
def test_the_decoder_reads_the_symbols_that_the_encoder_wrote(tune):
    image = picture(40, 300)
    weights = by_name("photo")
    units = weights.qindex(80)
    with Workers(1) as workers:
        written = list(Encoder(image, Settings(tune=tune), weights, workers).symbols(units))
    read = research.decode_symbols(aecodec.encode(image, 80, tune=tune))
    assert len(read) == 2
    for encoded, decoded in zip(written, read, strict=True):
        for kind, ours, theirs in zip(encoded._fields, encoded, decoded, strict=True):
            np.testing.assert_array_equal(theirs, ours, err_msg=kind)


@settings(max_examples=12, deadline=None)
@given(
    height=st.integers(1, 50),
    width=st.integers(1, 50),
    channels=st.integers(1, 4),
    quality=st.floats(1, 100),
    seed=st.integers(0, 2**32 - 1),
)
def test_whatever_is_encoded_decodes(height, width, channels, quality, seed):
    rng = np.random.default_rng(seed)
    shape = (height, width) if channels == 1 else (height, width, channels)
    low, high = sorted(rng.integers(0, 256, 2))
    image = rng.integers(low, high + 1, shape, np.uint8)
    found = aecodec.decode(aecodec.encode(image, quality))
    assert (found.shape, found.dtype) == (shape, np.uint8)
    if channels in (2, 4):
        np.testing.assert_array_equal(found[..., -1], image[..., -1])


# Arguments out of range


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((4, 4, 3), np.uint16), r"^image: uint16, expected a uint8 array$"),
        (np.zeros((4, 4, 3)), r"^image: float64, expected a uint8 array$"),
        (np.zeros((4, 4), bool), r"^image: bool, expected a uint8 array$"),
        ([[0]], r"^image: list, expected a uint8 array$"),
        (None, r"^image: NoneType, expected a uint8 array$"),
    ],
)
def test_what_is_no_uint8_array_is_a_type_error(image, message):
    with pytest.raises(TypeError, match=message):
        aecodec.encode(image)


@pytest.mark.parametrize("shape", [(5,), (4, 4, 1), (4, 4, 5), (1, 4, 4, 3), ()])
def test_a_wrong_shape_is_a_value_error(shape):
    with pytest.raises(ValueError, match=r"^image: shape \(.*\), expected \(H, W\) or \(H, W, 2\.\.4\)$"):
        aecodec.encode(np.zeros(shape, np.uint8))


@pytest.mark.parametrize("shape", [(0, 5, 3), (5, 0, 3), (0, 0), (0, 3, 4)])
def test_a_picture_without_pixels_is_an_encode_error(shape):
    with pytest.raises(EncodeError, match=r"^image: \d+x\d+, expected at least 1x1$"):
        aecodec.encode(np.zeros(shape, np.uint8))


@pytest.mark.parametrize("quality", [0, 0.99, -5, 101, 100.01, float("nan"), float("inf")])
def test_quality_out_of_range_is_a_value_error(quality):
    with pytest.raises(ValueError, match=rf"^quality: {quality}, expected 1 to 100$"):
        aecodec.encode(picture(1, 1), quality)


def test_an_unknown_model_names_those_that_are_there():
    with pytest.raises(ModelError, match=r"^unknown model 'nobody': installed are .*\bphoto\b"):
        aecodec.encode(picture(1, 1), model="nobody")


@pytest.mark.parametrize("data", [None, 5, "text", ["a"]])
def test_what_is_no_bytes_is_a_type_error(data):
    with pytest.raises(TypeError):
        aecodec.decode(data)


# Damaged and hostile files


@pytest.fixture(scope="module")
def small() -> bytes:
    data = aecodec.encode(picture(17, 33, 4), 30, metadata=aecodec.Metadata(xmp=b"<x:xmpmeta/>"))
    assert len(data) < 1000
    return data


def test_every_truncation_is_a_decode_error(small):
    for size in range(len(small)):
        with pytest.raises(TruncatedError):
            aecodec.decode(small[:size])


def test_every_flipped_bit_is_a_decode_error(small):
    for bit in range(8 * len(small)):
        damaged = bytearray(small)
        damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(DecodeError):
            aecodec.decode(damaged)


def test_bytes_after_the_end_are_a_decode_error(small):
    with pytest.raises(CorruptError, match=rf"^file: {len(small) + 1} bytes, expected {len(small)}$"):
        aecodec.decode(small + b"\0")


@pytest.mark.parametrize("data", [b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", b"hello", bytes(100)])
def test_other_files_are_not_aez(data):
    with pytest.raises(NotAezError):
        aecodec.decode(data)


def test_the_empty_file():
    with pytest.raises(TruncatedError, match=r"^header: 0 bytes, expected 26$"):
        aecodec.decode(b"")


def rewritten(data: bytes, bitstreams: list[bytes] | None = None, **fields) -> bytes:
    """The file with other header fields or bitstreams, all checksums valid."""
    file = container.read(data)
    return container.write(replace(file.header, **fields), bitstreams or file.tiles, file.chunks)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (0x7ABC, r"^model 0x7abc: not known to this version; a later one may decode the file$"),
        (0x8004, r"^model 0x8004: development weights .* carry; those of aecodec 0\.1\.0 have this id$"),
        (0xFABC, r"^model 0xfabc: development weights that this version does not carry$"),
    ],
)
def test_an_unknown_model_id_is_unsupported(small, model, message):
    data = rewritten(small, model=model)
    with pytest.raises(UnsupportedError, match=message):
        aecodec.decode(data)
    info = aecodec.read_info(data)
    assert (info.model_id, info.model, info.quality) == (model, None, None)


def test_quality_beyond_the_axis(small):
    last = 256 * by_name("photo").last_knot
    assert aecodec.decode(rewritten(aecodec.encode(picture(16, 16), 100, tune="psnr"), quality=last)).shape == (
        16,
        16,
        3,
    )
    for quality, said in ((last + 1, f"{last + 1} in tuning 0"), (0xFFFF, "4095 in tuning 15")):
        with pytest.raises(CorruptError, match=rf"^header: quality {said}, expected at most {last}, in tuning \d$"):
            aecodec.decode(rewritten(small, quality=quality))


@pytest.mark.parametrize("tile", [0, 128, 512])
def test_another_tile_size_is_unsupported(small, tile):
    with pytest.raises(UnsupportedError, match=rf"^header: tile of {tile} px, expected 256$"):
        aecodec.decode(rewritten(small, tile=tile))


def test_a_large_picture_in_a_small_file(small):
    """The header promises more than the bitstream can hold."""
    header = Header(container.read_header(small).model, 250, 250, 3, 0, 256)
    with contextlib.suppress(DecodeError):
        aecodec.decode(container.write(header, [b""]))
    header = replace(header, width=20_000, height=20_000)
    with pytest.raises(LimitError, match=r"^header: 20000x20000 pixels, limit \d+ \(max_pixels\)$"):
        aecodec.decode(container.write(header, [b""] * header.tile_count))


def test_a_wrong_alpha_plane(small):
    file = container.read(small)
    chunks = [c if c.tag != container.ALPHA else c._replace(data=b"\x01junk") for c in file.chunks]
    with pytest.raises(CorruptError, match=r"^chunk ALPH: "):
        aecodec.decode(container.write(file.header, file.tiles, chunks))


def test_a_bitstream_that_is_cut_with_valid_checksums(small):
    """Checksums only guard against accidents: a hostile file gives pixels or a CorruptError."""
    bitstream = bytes(container.read(small).tiles[0])
    for size in range(0, len(bitstream), 3):
        with contextlib.suppress(CorruptError):
            assert aecodec.decode(rewritten(small, [bitstream[:size]])).shape == (17, 33, 4)


@pytest.mark.parametrize("quality", [0, 1024, 2048])
def test_random_bitstreams_with_valid_checksums(small, quality):
    rng = np.random.default_rng(quality)
    quality = min(quality, 256 * by_name("photo").last_knot)
    for size in (1, 2, 3, 4, 5, 8, 50, 400, 3000):
        for fill in (rng.bytes(size), b"\xff" * size, bytes(size)):
            with contextlib.suppress(CorruptError):
                assert aecodec.decode(rewritten(small, [fill], quality=quality)).shape == (17, 33, 4)


def test_flipped_bits_with_valid_checksums(small):
    bitstream = bytes(container.read(small).tiles[0])
    for bit in range(0, 8 * len(bitstream), 29):
        damaged = bytearray(bitstream)
        damaged[bit // 8] ^= 1 << bit % 8
        with contextlib.suppress(CorruptError):
            assert aecodec.decode(rewritten(small, [bytes(damaged)])).shape == (17, 33, 4)


def test_the_tile_of_an_error_has_its_number():
    data = aecodec.encode(picture(16, 300), 50)
    left, right = container.read(data).tiles
    with pytest.raises(CorruptError, match=r"^tile 1: bitstream: symbols end before the data does$"):
        aecodec.decode(rewritten(data, [left, bytes(right) + b"\x01" * 40]))


def test_overhead_of_the_container():
    for size, limit in ((256, 40), (512, 60)):
        data = aecodec.encode(picture(size, 256), 25)
        assert len(data) - sum(map(len, container.read(data).tiles)) <= limit
    assert zlib.crc32(data[:22]).to_bytes(4, "little") == data[22:26]


# Arguments of the wrong type, pixels that nobody sees


@pytest.fixture
def small_weights(weights, monkeypatch):
    monkeypatch.setenv("AECODEC_WEIGHTS", str(weights))


@pytest.mark.parametrize(
    "arguments",
    [
        {"quality": "75"},
        {"quality": True},
        {"target_size": True},
        {"target_size": 5.5},
        {"target_bpp": "1"},
        {"target_psnr": [30]},
        {"lossless": 1},
        {"lossless": "no"},
        {"effort": True},
        {"effort": "1"},
        {"threads": "2"},
        {"threads": 1.5},
        {"metadata": {}},
        {"metadata": None},
        {"model": None},
    ],
)
@pytest.mark.usefixtures("small_weights")
def test_an_argument_of_the_wrong_type_is_named(arguments):
    [name] = arguments
    with pytest.raises(TypeError, match=f"^{name}: .*, expected "):
        aecodec.encode(np.zeros((8, 8, 3), np.uint8), **arguments)


@pytest.mark.parametrize("call", [aecodec.decode, aecodec.read_info, aecodec.read_metadata, aecodec.salvage])
@pytest.mark.usefixtures("small_weights")
def test_what_is_no_file_in_memory_is_named(call):
    for data in ("a.aez", None, 5):
        with pytest.raises(TypeError, match=r"^data: \w+, expected the bytes of a file$"):
            call(data)
    with pytest.raises(TypeError, match=r"^limits: int, expected aecodec\.Limits$"):
        call(aecodec.encode(np.zeros((8, 8, 3), np.uint8)), limits=5)


def disc(size: int = 256) -> tuple[np.ndarray, np.ndarray]:
    """Noise under alpha 0 around a flat disc, and where the disc is."""
    y, x = np.mgrid[:size, :size]
    seen = (y - size / 2) ** 2 + (x - size / 2) ** 2 < (size / 4) ** 2
    image = np.random.default_rng(0).integers(0, 256, (size, size, 4), np.uint8)
    image[..., 3] = seen * 255
    image[seen, :3] = 200, 120, 40
    return image, seen


def test_hidden_pixels_cost_nothing_and_are_kept_if_asked_for():
    image, seen = disc()
    kept, filled = aecodec.encode(image, keep_hidden=True), aecodec.encode(image)
    assert 3 * len(filled) < len(kept)
    assert (aecodec.decode(filled)[..., 3] == image[..., 3]).all()
    flat = image.copy()
    flat[~seen] = 200, 120, 40, 0
    assert len(filled) <= len(aecodec.encode(flat)) + 8
    opaque = image.copy()
    opaque[..., 3] = 255
    assert aecodec.encode(opaque) == aecodec.encode(opaque, keep_hidden=True)


def test_psnr_counts_what_is_seen():
    image, seen = disc()
    image[seen, :3] = photo()[seen]
    decoded = aecodec.decode(aecodec.encode(image, target_psnr=30))
    error = np.mean((decoded[seen][:, :3].astype(float) - image[seen][:, :3]) ** 2)
    assert 10 * np.log10(255**2 / error) >= 30
    grey = np.ascontiguousarray(image[..., [0, 3]])
    decoded = aecodec.decode(aecodec.encode(grey, target_psnr=30))
    error = np.mean((decoded[seen][:, 0].astype(float) - grey[seen][:, 0]) ** 2)
    assert 10 * np.log10(255**2 / error) >= 30


@pytest.mark.usefixtures("small_weights")
def test_a_size_that_metadata_exceeds_says_so():
    metadata = aecodec.Metadata(exif=np.random.default_rng(0).integers(0, 256, 40_000, np.uint8).tobytes())
    with pytest.raises(aecodec.EncodeError, match=r"at least 4\d{4} bytes or .* bpp, 4\d{4} of them metadata"):
        aecodec.encode(np.zeros((8, 8, 3), np.uint8), target_size=20_000, metadata=metadata)
