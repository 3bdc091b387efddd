"""Files of the classic models: what they hold, what they decode to, what is refused."""

import json
import math
from dataclasses import asdict

import numpy as np
import pytest
import zstandard
from digits import drawn, wave

from aecodec import container
from aecodec.api import decode, encode, read_info, read_metadata
from aecodec.classic import denoise, generate
from aecodec.classic.weights import Classic, classics
from aecodec.container.metadata import Metadata
from aecodec.damage import salvage
from aecodec.errors import CorruptError, DecodeError, EncodeError, ModelError, TruncatedError, UnsupportedError
from aecodec.model.weights import checked_bytes

pytestmark = pytest.mark.usefixtures("tiny_weights")


DIGITS = drawn(10)[0]


def header(data: bytes, **changes: int) -> bytes:
    """The same file with other fields in its header, its checksum right."""
    found = container.read(data)
    fields = asdict(found.header) | changes
    chunks = [container.Chunk(container.ALPHA, b"\x00\xff")] if fields["channels"] in (2, 4) else []
    count = container.Header(**fields).tile_count
    return container.write(container.Header(**fields), [*found.tiles, *[b""] * (count - 1)], chunks)


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
    before = wave(*shape)
    back = decode(encode(before, model="image-conv"))
    assert back.shape == shape
    assert ((back / 255.0 - before / 255.0) ** 2).mean() < 0.01


def test_a_file_by_hand():
    """What FORMAT.md says, once more: zstd or bits, scale, ONNX Runtime, patches."""
    import onnxruntime

    before = wave(13, 22)
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
    run = onnxruntime.InferenceSession(net.folder / "decoder.onnx")
    expected = np.zeros((16, 24), np.uint8)
    for patch in range(6):
        z = np.float32(values[36 * patch : 36 * patch + 36]).reshape(1, 6, 6, 1) * step + low
        found = run.run(None, {run.get_inputs()[0].name: z})[0][0, ..., 0]
        expected[8 * (patch // 3) : 8 * (patch // 3) + 8, 8 * (patch % 3) : 8 * (patch % 3) + 8] = found
    assert np.abs(decode(data).astype(int) - expected[:13, :22]).max() <= 1


def test_region_metadata_info_and_threads():
    before = wave(40, 50)
    data = encode(before, model="image-conv", metadata=Metadata(xmp=b"<x/>"), threads=1)
    assert data == encode(before, model="image-conv", metadata=Metadata(xmp=b"<x/>"), threads=3)
    assert read_metadata(data).xmp == b"<x/>"
    assert (decode(data, region=(5, 9, 20, 3)) == decode(data)[9:12, 5:25]).all()
    info = read_info(data)
    assert (info.model, info.quality, info.tile, info.tiles) == ("image-conv", None, 0, 1)


def test_salvage_takes_all_or_nothing():
    data = encode(wave(20, 20), model="image-conv", metadata=Metadata(xmp=b"<x/>" * 9))
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
    data = header(encode(wave(16, 16), model="image-conv"), width=17)
    with pytest.raises(CorruptError, match="tile 0"):
        decode(data)


@pytest.mark.parametrize(
    ("image", "model", "message"),
    [
        (wave(28, 27), "mnist-dense", "image: 27x28, expected 28x28 for model mnist-dense"),
        (wave(28, 28, 3), "mnist-dense", "image: RGB, expected grey"),
        (wave(28, 28, 2), "image-conv", "image: grey with alpha, expected grey"),
        (wave(28, 28, 4), "image-conv", "image: RGB with alpha, expected grey"),
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


def test_pillow_opens_classic_files(tmp_path):
    from PIL import Image

    import aecodec

    aecodec.register()
    data = encode(wave(20, 33), model="image-conv")
    (tmp_path / "a.aez").write_bytes(data)
    with Image.open(tmp_path / "a.aez") as image:
        assert (image.mode, image.size) == ("L", (33, 20))
        assert (np.asarray(image) == decode(data)).all()
