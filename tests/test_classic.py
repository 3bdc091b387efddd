"""The classic autoencoders as codecs, denoisers and generators, with the small models of tests/tiny/classic."""

import gzip
import json
import math
import struct
from dataclasses import asdict

import numpy as np
import pytest
import zstandard
from digits import drawn, write_digits, write_idx
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from aecodec import container
from aecodec.api import decode, encode, read_info, read_metadata
from aecodec.classic import denoise, generate, latents
from aecodec.classic.idx import read_digits, read_idx
from aecodec.classic.patches import cut, join
from aecodec.classic.weights import Classic, classics
from aecodec.container.metadata import Metadata
from aecodec.damage import salvage
from aecodec.errors import CorruptError, DecodeError, EncodeError, ModelError, TruncatedError, UnsupportedError
from aecodec.model.weights import checked_bytes

pytestmark = pytest.mark.usefixtures("tiny_weights")
DIGITS = drawn(10)[0]


def picture(height: int, width: int, channels: int = 0) -> np.ndarray:
    y, x = np.mgrid[:height, :width]
    grey = (127 + 80 * np.sin(x / 9) + 40 * np.cos(y / 5)).astype(np.uint8)
    return np.repeat(grey[..., None], channels, axis=-1) if channels else grey


def header(data: bytes, **changes: int) -> bytes:
    """The same file with other fields in its header, its checksum right."""
    found = container.read(data)
    fields = asdict(found.header) | changes
    chunks = [container.Chunk(container.ALPHA, b"\x00\xff")] if fields["channels"] in (2, 4) else []
    count = container.Header(**fields).tile_count
    return container.write(container.Header(**fields), [*found.tiles, *[b""] * (count - 1)], chunks)


# ---- patches and bytes ----------------------------------------------------------------------------------------------


@settings(deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 16))
def test_patches_go_back_together(height, width, edge):
    whole = picture(height, width)[..., None]
    parts = cut(whole, edge)
    assert parts.shape == (-(-height // edge) * -(-width // edge), edge, edge, 1)
    assert (join(parts, height, width) == whole).all()


def test_beyond_the_border_the_last_pixels_repeat():
    parts = cut(np.uint8([[1, 2, 3]])[..., None], 2)
    assert parts[..., 0].tolist() == [[[1, 2], [1, 2]], [[3, 3], [3, 3]]]


@st.composite
def codes(draw):
    bits = draw(st.integers(1, 8))
    shape = draw(st.sampled_from([(1, 3), (5, 2), (2, 3, 3, 2), (200, 1)]))
    return draw(arrays.arrays(np.uint8, shape, elements=st.integers(0, 2**bits - 1))), bits


@settings(deadline=None)
@given(codes())
def test_latents_come_back_from_the_shorter_bytes(found):
    q, bits = found
    data = latents.pack(q, bits)
    assert len(data) <= 1 + math.ceil(q.size * bits / 8)
    assert (latents.unpack(data, q.shape, bits) == q).all()


def test_many_equal_latents_go_through_zstd_and_channels_come_first():
    q = np.zeros((500, 2), np.uint8)
    q[:, 1] = 9
    data = latents.pack(q, 8)
    assert data[0] == 1
    assert len(data) < 40
    assert zstandard.ZstdDecompressor().decompress(data[1:]) == bytes(500) + bytes([9] * 500)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "no bytes"),
        (b"\x02\x12\x30", "coding 2"),
        (b"\x00\x12", "1 bytes of latents, expected 2"),
        (b"\x00\x12\x31", "bits after the last latent"),
        (b"\x01\x12\x30", "no zstd frame"),
        (b"\x01" + zstandard.compress(bytes(4)), "4 latents, expected 3"),
        (b"\x01" + zstandard.compress(bytes([1, 2, 16])), "latent 16, expected less than 16"),
        (b"\x01" + zstandard.compress(bytes(3)) + b"x", "zstd"),
    ],
)
def test_damaged_latents(data, message):
    with pytest.raises(CorruptError, match=message):
        latents.unpack(data, (1, 3), 4)


def test_a_scale_reaches_its_ends_and_clips_beyond():
    z = np.float32([[-2, 7], [0, 7], [6, 7]])
    scale = latents.scale_of(z, 2)
    assert scale.quantise(z).tolist() == [[0, 0], [1, 0], [3, 0]]  # steps of 8/3; the second channel never changes
    assert np.abs(scale.dequantise(scale.quantise(z)) - z).max() <= 8 / 6
    assert scale.quantise(np.float32([[-99, 7], [99, 7]])).tolist() == [[0, 0], [3, 0]]


# ---- files ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", ["mnist-dense", "mnist-denoise", "fashion-vae"])
def test_digits_of_a_few_bytes(model):
    data = encode(DIGITS[0], model=model)
    net = classics()[model]
    assert len(data) <= 36 + 1 + math.ceil(net.latents * net.scale.bits / 8)
    back = decode(data)
    assert back.shape == (28, 28)
    assert back.dtype == np.uint8
    assert ((back / 255.0 - DIGITS[0] / 255.0) ** 2).mean() < 0.12


@pytest.mark.parametrize("shape", [(1, 1), (7, 9), (8, 8), (256, 256), (61, 130)])
def test_patches_make_pictures_of_any_size(shape):
    before = picture(*shape)
    back = decode(encode(before, model="image-conv"))
    assert back.shape == shape
    assert ((back / 255.0 - before / 255.0) ** 2).mean() < 0.01


def test_a_file_by_hand():
    """What FORMAT.md says, once more: zstd or bits, scale, LiteRT's interpreter, patches."""
    from ai_edge_litert.interpreter import Interpreter

    before = picture(13, 22)
    data = encode(before, model="image-conv")
    net = classics()["image-conv"]
    with np.load(net.folder / "numbers.npz") as numbers:
        low, step, bits = numbers["low"], numbers["step"], int(numbers["bits"])
    file = container.read(data)
    assert file.header == container.Header(net.id, 22, 13, 1, 0, 0)
    stream, count = bytes(file.tiles[0]), 6 * 36
    if stream[0] == 0:
        number = int.from_bytes(stream[1:], "big")
        last = 8 * (len(stream) - 1)
        values = [number >> (last - bits * (k + 1)) & (2**bits - 1) for k in range(count)]
    else:
        values = list(zstandard.ZstdDecompressor().decompress(stream[1:]))
    assert len(values) == count
    run = Interpreter(model_path=str(net.folder / "decoder.tflite"), num_threads=1)
    run.resize_tensor_input(run.get_input_details()[0]["index"], (1, 6, 6, 1))
    run.allocate_tensors()
    expected = np.zeros((16, 24), np.uint8)
    for patch in range(6):
        z = np.float32(values[36 * patch : 36 * patch + 36]).reshape(1, 6, 6, 1) * step + low
        run.set_tensor(run.get_input_details()[0]["index"], z)
        run.invoke()
        found = run.get_tensor(run.get_output_details()[0]["index"])[0, ..., 0]
        expected[8 * (patch // 3) : 8 * (patch // 3) + 8, 8 * (patch % 3) : 8 * (patch % 3) + 8] = found
    assert np.abs(decode(data).astype(int) - expected[:13, :22]).max() <= 1


def test_region_metadata_info_and_threads():
    before = picture(40, 50)
    data = encode(before, model="image-conv", metadata=Metadata(xmp=b"<x/>"), threads=1)
    assert data == encode(before, model="image-conv", metadata=Metadata(xmp=b"<x/>"), threads=3)
    assert read_metadata(data).xmp == b"<x/>"
    assert (decode(data, region=(5, 9, 20, 3)) == decode(data)[9:12, 5:25]).all()
    info = read_info(data)
    assert (info.model, info.quality, info.tile, info.tiles) == ("image-conv", None, 0, 1)


def test_salvage_takes_all_or_nothing():
    data = encode(picture(20, 20), model="image-conv", metadata=Metadata(xmp=b"<x/>" * 9))
    found = salvage(data)
    assert (found.pixels == decode(data)).all()
    assert found.damage == ()
    with pytest.raises(TruncatedError, match="tile 0"):
        salvage(data[:-1])
    at = data.index(b"<x/>")
    found = salvage(data[:at] + b"!" + data[at + 1 :])
    assert (found.pixels == decode(data)).all()
    assert "left out" in found.damage[0]


def test_every_flipped_bit_and_every_length_is_an_error():
    data = encode(DIGITS[1], model="mnist-dense")
    for length in range(len(data)):
        with pytest.raises(DecodeError):
            decode(data[:length])
    for bit in range(8 * len(data)):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(DecodeError):
            decode(bytes(damaged))


@pytest.mark.parametrize(
    "changes", [{"quality": 1}, {"width": 27}, {"channels": 3}, {"channels": 2}, {"model": 0xFF04}, {"model": 0xFFFF}]
)
def test_headers_that_no_classic_model_writes(changes):
    with pytest.raises(UnsupportedError):
        decode(header(encode(DIGITS[0], model="mnist-dense"), **changes))


def test_a_classic_id_with_tiles_is_not_decoded():
    with pytest.raises(UnsupportedError):
        decode(header(encode(DIGITS[0], model="mnist-dense"), tile=256))


def test_a_bitstream_that_does_not_fit_the_size():
    data = header(encode(picture(16, 16), model="image-conv"), width=17)
    with pytest.raises(CorruptError, match="tile 0"):
        decode(data)


# ---- bad input ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("image", "model", "message"),
    [
        (picture(28, 27), "mnist-dense", "picture: 27x28, expected 28x28 for model mnist-dense"),
        (picture(28, 28, 3), "mnist-dense", "picture: RGB, expected grey"),
        (picture(28, 28, 2), "image-conv", "picture: grey with alpha, expected grey"),
        (picture(28, 28, 4), "image-conv", "picture: RGB with alpha, expected grey"),
    ],
)
def test_pictures_that_a_model_cannot_code(image, model, message):
    with pytest.raises(EncodeError, match=message):
        encode(image, model=model)


@pytest.mark.parametrize("aim", [{"quality": 50}, {"target_size": 99}, {"target_bpp": 1.0}, {"target_psnr": 30.0}])
def test_one_quality(aim):
    with pytest.raises(EncodeError, match=f"{next(iter(aim))}: model mnist-dense has one quality"):
        encode(DIGITS[0], model="mnist-dense", **aim)


def test_models_that_are_not_there_or_of_no_use():
    with pytest.raises(ModelError, match="unknown model 'nobody'"):
        encode(DIGITS[0], model="nobody")
    with pytest.raises(ModelError, match="photo-denoise takes noise away and has no code"):
        encode(DIGITS[0], model="photo-denoise")
    with pytest.raises(ModelError, match="unknown model 'nobody': denoisers are mnist-denoise, photo-denoise"):
        denoise.denoiser("nobody")
    with pytest.raises(ModelError, match="mnist-dense is no such model: models to draw from are fashion-vae"):
        generate.generator("mnist-dense")


def test_files_of_a_model_are_checked(tmp_path):
    net = classics()["mnist-dense"]
    for file in net.folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    data = (tmp_path / "numbers.npz").read_bytes()
    (tmp_path / "numbers.npz").write_bytes(data[:-1] + b"!")
    with pytest.raises(ModelError, match="sha256"):
        _ = Classic("mnist-dense", net.entry, tmp_path).scale
    with pytest.raises(ModelError, match="no such file"):
        checked_bytes(tmp_path / "none", "")


def test_a_damaged_or_absent_manifest(tmp_path, monkeypatch):
    monkeypatch.setenv("AECODEC_WEIGHTS", str(tmp_path))
    assert classics() == {}
    (tmp_path / "classic").mkdir()
    other = tmp_path / "other"
    (other / "classic").mkdir(parents=True)
    (other / "classic" / "manifest.json").write_text(json.dumps({"models": {"a": {"id": 1}}}))
    monkeypatch.setenv("AECODEC_WEIGHTS", str(other))
    with pytest.raises(ModelError, match=r"manifest.json: a: 'kind' is missing"):
        classics()


# ---- data sets ------------------------------------------------------------------------------------------------------


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


# ---- denoising ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("channels", [0, 2, 3, 4])
def test_a_denoiser_of_photographs_takes_any_picture(channels):
    before = picture(37, 51, channels)
    after = denoise.denoise(before, denoise.denoiser("photo-denoise"))
    assert after.shape == before.shape
    assert after.dtype == np.uint8
    if channels in (2, 4):
        assert (after[..., -1] == before[..., -1]).all()


def test_windows_leave_no_seams(monkeypatch):
    net = denoise.denoiser("photo-denoise")
    before = np.random.default_rng(3).integers(0, 256, (101, 150, 3), np.uint8)
    whole = denoise.denoise(before, net)
    monkeypatch.setattr(denoise, "WINDOW", 40)
    assert np.abs(denoise.denoise(before, net).astype(int) - whole).max() <= 1


def test_digits_lose_their_noise():
    net = denoise.denoiser("mnist-denoise")
    clean = DIGITS[2]
    rng = np.random.default_rng(4)
    seen = np.clip(clean + 128 * rng.standard_normal(clean.shape), 0, 255).astype(np.uint8)
    error = [((one / 255.0 - clean / 255.0) ** 2).mean() for one in (seen, denoise.denoise(seen, net))]
    assert error[1] < error[0] / 2
    with pytest.raises(EncodeError, match="expected 28x28"):
        denoise.denoise(picture(29, 28), net)
    with pytest.raises(EncodeError, match="expected grey"):
        denoise.denoise(picture(28, 28, 3), net)


# ---- pictures -------------------------------------------------------------------------------------------------------


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
    net = generate.pictured("fashion-vae")
    rows = generate.class_rows(net, tmp_path, 0)
    assert rows.shape == (62, 302)
    assert (rows[2:30, 32:60] == drawn(40, 40)[0][1::10]).all(axis=(1, 2)).any()  # the second class, as it is
    plot = generate.scatter(net, tmp_path)
    assert plot.shape == (640, 780, 3)
    assert len(np.unique(plot.reshape(-1, 3), axis=0)) > 10
    with pytest.raises(ModelError, match="mnist-dense has 4 latents, expected 2"):
        generate.scatter(generate.pictured("mnist-dense"), tmp_path)
    with pytest.raises(ValueError, match="--data: expected the folder of the IDX files of mnist"):
        generate.class_rows(generate.pictured("mnist-dense"), None, 0)


def test_pillow_opens_classic_files(tmp_path):
    from PIL import Image

    import aecodec

    aecodec.register()
    data = encode(picture(20, 33), model="image-conv")
    (tmp_path / "a.aez").write_bytes(data)
    with Image.open(tmp_path / "a.aez") as image:
        assert (image.mode, image.size) == ("L", (33, 20))
        assert (np.asarray(image) == decode(data)).all()
