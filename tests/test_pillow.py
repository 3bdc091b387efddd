"""The Pillow plugin, in the manner of Pillow's tests of its own: files of a frozen model against pixels kept as PNG."""

import inspect
import io
import os
import pickle
import shutil
import struct
import subprocess
import sys
import zlib
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageFile, ImageOps, UnidentifiedImageError

import aecodec
import aecodec.pillow
from aecodec import api
from aecodec.container import Chunk, Header, write
from aecodec.imagefile import read_image
from aecodec.pillow import AezImageFile

TESTS = Path(__file__).parent
GOLDEN = TESTS / "conformance" / "golden"
NAMES = sorted(path.stem for path in GOLDEN.glob("*.aez"))
PLAIN, WITH_METADATA = GOLDEN / "rgb-17x33-q50.aez", GOLDEN / "rgb-metadata-24x16-q50.aez"
# As tests/make_tiny.py wrote them.
ICC, EXIF, XMP = b"profile " * 40, b"II*\0\x08\0\0\0\0\0\0\0\0\0", b"<x:xmpmeta xmlns:x='adobe:ns:meta/'/>"


@pytest.fixture(autouse=True)
def small_model(weights, monkeypatch):
    monkeypatch.setenv("AECODEC_WEIGHTS", str(weights))


def picture(mode: str = "RGB", size: tuple[int, int] = (24, 17)) -> Image.Image:
    ramp = Image.linear_gradient("L").resize(size)
    bands = [ramp, ramp.rotate(180), Image.radial_gradient("L").resize(size), ImageOps.mirror(ramp)]
    return Image.merge(mode, bands[: len(mode)]) if mode in ("LA", "RGB", "RGBA") else ramp.convert(mode)


def saved(image: Image.Image, **options) -> bytes:
    file = io.BytesIO()
    image.save(file, "AEZ", **options)
    return file.getvalue()


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


class Watched(io.BytesIO):
    """A file that counts the bytes that were read from it."""

    count = 0

    def read(self, size=-1, /):
        data = super().read(size)
        self.count += len(data)
        return data


def run(code: str) -> None:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


# Registration


def test_the_plugin_is_registered():
    aecodec.register()
    aecodec.register()  # does no harm
    assert Image.ID.count("AEZ") == 1
    assert Image.registered_extensions()[".aez"] == "AEZ"
    assert Image.MIME["AEZ"] == "image/x-aez"
    assert "AEZ" in Image.OPEN
    assert "AEZ" in Image.SAVE


@pytest.mark.parametrize("line", ["import aecodec; aecodec.register()", "import aecodec.pillow"])
def test_either_way_registers_in_a_new_process(line):
    run(f"{line}\nfrom PIL import Image\nassert Image.open({str(PLAIN)!r}).format == 'AEZ'")


# Opening


@pytest.mark.parametrize("name", NAMES)
def test_read(name):
    with Image.open(GOLDEN / f"{name}.aez") as image, Image.open(GOLDEN / f"{name}.png") as expected:
        assert (image.format, image.mode, image.size) == ("AEZ", expected.mode, expected.size)
        assert image.get_format_mimetype() == "image/x-aez"
        if aecodec.read_info((GOLDEN / f"{name}.aez").read_bytes()).quality is None:  # all of it is exact
            assert "quality" not in image.info
        else:
            assert image.info["quality"] == pytest.approx(float(name.rsplit("-q")[-1]), abs=0.2)
        assert image.load()[0, 0] == image.getpixel((0, 0))
        np.testing.assert_array_equal(np.asarray(image), aecodec.decode((GOLDEN / f"{name}.aez").read_bytes()))
        assert np.abs(np.asarray(image).astype(int) - np.asarray(expected)).max() <= 1


@pytest.mark.parametrize(
    ("size", "factor"), [((130, 129), 2), ((60, 60), 4), ((65, 1), 4), ((1, 1), 16), ((300, 9), 1)]
)
def test_draft_chooses_the_smallest_scale_that_is_large_enough(size, factor):
    data = (GOLDEN / "rgba-260x258-q1.aez").read_bytes()
    with opened(data) as image:
        mode, box = image.draft(None, size)
        assert (mode, box) == ("RGBA", (0, 0, 260 / factor, 258 / factor))
        expected = aecodec.decode(data, scale=1 / factor)
        assert image.size == expected.shape[1::-1]
        np.testing.assert_array_equal(np.asarray(image), expected)
        assert image.draft(None, (1, 1)) is None  # it is loaded
    with opened(data) as image:
        image.draft("L", (2, 2))
        assert image.draft("L", size)[1][2] == 260 / factor  # once more before it is loaded
        assert image.draft(None, None) is None
    with opened(data) as image:
        image.draft(None, (1, 1))
        image.verify()


def test_thumbnails_are_decoded_at_a_smaller_scale(monkeypatch):
    scales, decode = [], api.decode
    monkeypatch.setattr(api, "decode", lambda *a, scale, **k: scales.append(scale) or decode(*a, scale=scale, **k))
    with Image.open(GOLDEN / "rgba-260x258-q1.aez") as image:
        image.thumbnail((32, 32))
        assert image.size == (32, 32)
    assert scales == [1 / 4]  # Pillow wants twice the size, to reduce from


def test_open_reads_header_index_and_metadata_only():
    tile = bytes(1_000_000)
    chunks = [Chunk(b"ALPH", tile), Chunk(b"exif", b"\0" + EXIF), Chunk(b"xmp ", b"\0" + XMP)]
    file = Watched(write(Header(0xFFFE, 200, 100, 4, 1024, 256), [tile], chunks))
    with Image.open(file) as image:
        assert (image.mode, image.size) == ("RGBA", (200, 100))
        assert (image.info["exif"], image.info["xmp"]) == (b"Exif\0\0" + EXIF, XMP)
    assert file.count < 10_000


def test_open_and_verify_load_no_runtime():
    run(
        "import sys, aecodec.pillow\nfrom PIL import Image\n"
        f"image = Image.open({str(WITH_METADATA)!r})\n"
        "assert image.size == (24, 16) and image.info['quality'] and image.getexif() is not None\n"
        "image.verify()\n"
        "assert 'onnxruntime' not in sys.modules"
    )


def test_info():
    with Image.open(WITH_METADATA) as image:
        assert (image.info["icc_profile"], image.info["exif"], image.info["xmp"]) == (ICC, b"Exif\0\0" + EXIF, XMP)
    with Image.open(PLAIN) as image:
        assert set(image.info) == {"quality"}


def test_path_is_closed_after_loading():
    with Image.open(PLAIN) as image:
        file = image.fp
        assert not file.closed
        image.load()
        assert file.closed
        image.load()


def test_file_object_stays_open():
    with open(PLAIN, "rb") as file:
        Image.open(file).load()
        assert not file.closed


@pytest.mark.parametrize("kind", [str, Path, lambda path: os.fsencode(path)])
def test_kinds_of_paths(tmp_path, kind):
    target = kind(tmp_path / "a.aez")
    picture().save(target)
    with Image.open(target) as image:
        assert image.size == (24, 17)


def test_stream_that_cannot_seek():
    with Image.open(io.BytesIO(PLAIN.read_bytes())) as expected:
        reader, writer = os.pipe()
        with open(reader, "rb") as end, open(writer, "wb") as start:
            start.write(PLAIN.read_bytes())
            start.close()
            with Image.open(end) as image:
                assert image.tobytes() == expected.tobytes()


def test_parser():
    data = PLAIN.read_bytes()
    parser = ImageFile.Parser()
    for at in range(0, len(data), 7):
        parser.feed(data[at : at + 7])
    assert parser.close().tobytes() == opened(data).tobytes()


def test_loaded_picture_is_like_any_other():
    with Image.open(PLAIN) as image:
        copy = pickle.loads(pickle.dumps(image))
        assert copy.tobytes() == image.copy().tobytes() == image.tobytes()
        image.putpixel((0, 0), (1, 2, 3))
        assert image.getpixel((0, 0)) == (1, 2, 3)
        image.thumbnail((8, 8))
        assert image.size == (4, 8)


def test_formats_restrict_and_select():
    with Image.open(PLAIN, formats=["aez"]) as image:
        assert image.format == "AEZ"
    with pytest.raises(UnidentifiedImageError):
        Image.open(PLAIN, formats=["PNG"])


# Saving


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
def test_modes_are_kept(mode):
    data = saved(picture(mode), quality=60)
    assert data == aecodec.encode(np.asarray(picture(mode)), 60)
    with opened(data) as image:
        assert image.mode == mode
        np.testing.assert_array_equal(np.asarray(image), aecodec.decode(data))
        if mode.endswith("A"):
            assert image.getchannel("A").tobytes() == picture(mode).getchannel("A").tobytes()


def test_palettes_and_bits_are_converted():
    palette = picture().quantize(8)
    clear = palette.copy()
    clear.info["transparency"] = 0
    bits = picture("1")
    masked = bits.copy()
    masked.info["transparency"] = 0
    for image, mode in [(palette, "RGB"), (clear, "RGBA"), (bits, "L"), (masked, "LA")]:
        assert saved(image) == aecodec.encode(np.asarray(image.convert(mode)))
        assert opened(saved(image)).mode == mode


@pytest.mark.parametrize("mode", ["CMYK", "HSV", "LAB", "I", "I;16", "F"])
def test_other_modes_are_refused(tmp_path, mode):
    target = tmp_path / "a.aez"
    with pytest.raises(OSError, match=f"^cannot write mode {mode} as AEZ$"):
        Image.new(mode, (8, 8)).save(target)
    assert not target.exists()


@pytest.mark.parametrize(("mode", "kept"), [("PA", "RGBA"), ("La", "LA"), ("RGBa", "RGBA"), ("YCbCr", "RGB")])
def test_modes_that_hold_the_same_are_converted(mode, kept):
    assert opened(saved(Image.new(mode, (8, 8)))).mode == kept


@pytest.mark.parametrize(("mode", "clear", "kept"), [("RGB", (0, 0, 0), "RGBA"), ("L", 0, "LA"), ("1", 0, "LA")])
def test_a_transparent_colour_becomes_alpha_as_on_the_command_line(mode, clear, kept):
    image = Image.new(mode, (8, 8))
    image.paste(1 if mode == "1" else (200, 100, 50)[: len(image.getbands())] if mode == "RGB" else 99, (0, 0, 4, 8))
    file = io.BytesIO()
    image.save(file, "PNG", transparency=clear)
    file.seek(0)
    again = opened(saved(Image.open(file)))
    assert again.mode == kept
    file.seek(0)
    assert (np.asarray(again)[..., -1] == read_image(file).pixels[..., -1]).all()
    assert np.asarray(again)[0, 0, -1] == 255
    assert np.asarray(again)[0, 7, -1] == 0


def test_the_gamma_of_a_png_becomes_a_profile_as_on_the_command_line():
    gamma = struct.pack(">I", 4) + b"gAMA" + struct.pack(">I", 100_000)
    file = io.BytesIO()
    picture().save(file, "PNG")
    data = file.getvalue()
    data = data[:33] + gamma + struct.pack(">I", zlib.crc32(gamma[4:])) + data[33:]
    icc = opened(saved(opened(data))).info["icc_profile"]
    assert icc == read_image(io.BytesIO(data)).metadata.icc is not None
    assert "icc_profile" not in opened(saved(opened(data), icc_profile=None)).info


def test_exif_goes_from_plugin_to_plugin():
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    image = opened(saved(picture(), exif=exif))
    for format in ("JPEG", "PNG", "WEBP", "TIFF"):
        file = io.BytesIO()
        image.save(file, format, exif=image.info["exif"])
        with Image.open(file) as again:
            assert again.getexif()[ExifTags.Base.Orientation] == 6, format


def test_density():
    assert opened(saved(picture(), dpi=(300, 300))).getexif()[ExifTags.Base.XResolution] == 300


def test_every_option_of_encode():
    image = picture(size=(64, 64))
    assert len(saved(image, target_size=400)) <= 400
    assert saved(image, target_bpp=1.0) == aecodec.encode(np.asarray(image), target_bpp=1.0)
    assert saved(image, target_psnr=20) == aecodec.encode(np.asarray(image), target_psnr=20)
    assert saved(image, threads=1, model="photo", optimize=True, progressive=True) == saved(image)
    assert saved(image, lossless=False) == saved(image)
    assert saved(image, lossless=True) == aecodec.encode(np.asarray(image), lossless=True)
    options = set(inspect.signature(aecodec.encode).parameters) - {"image", "metadata"}
    assert options == set(aecodec.pillow._ENCODE)


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
def test_lossless_is_bit_for_bit(mode):
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (20, 30, 4), np.uint8)).convert(mode)
    if mode == "RGBA":
        image.putalpha(Image.new("L", image.size, 0))  # colours that it hides
    again = opened(saved(image, lossless=True))
    assert (again.mode, again.tobytes()) == (mode, image.tobytes())
    assert "quality" not in again.info


@pytest.mark.parametrize("option", [{"quality": 75}, {"target_size": 5000}, {"target_psnr": 40}])
def test_lossless_has_one_quality(option):
    [name] = option
    with pytest.raises(ValueError, match=f"^{name}: lossless files have one quality$"):
        saved(picture(), lossless=True, **option)


@pytest.mark.parametrize("option", [{"losless": True}, {"target_sise": 5000}])
def test_options_that_would_be_swallowed_are_an_error(tmp_path, option):
    [name] = option
    with pytest.raises(TypeError, match=f"^{name}: unknown option, expected quality, target_size, "):
        picture().save(tmp_path / "a.aez", **option)
    assert not (tmp_path / "a.aez").exists()


def test_empty_picture_is_refused():
    with pytest.raises(ValueError, match="image: 0x5, expected at least 1x1"):
        saved(Image.new("RGB", (0, 5)))


def test_quality():
    image = picture()
    assert saved(image) == saved(image, quality=None) == saved(image, quality=Fraction(75))
    assert (
        saved(image, quality=33.5) == saved(image, quality=np.float32(33.5)) == aecodec.encode(np.asarray(image), 33.5)
    )
    assert opened(saved(image, quality=33.5)).info["quality"] == pytest.approx(33.5, abs=0.1)
    assert saved(opened(saved(image, quality=10))) == saved(opened(saved(image, quality=10)), quality=75)


@pytest.mark.parametrize("quality", [0, 0.9, 101, -1, float("nan"), "75", "keep", True, 1j])
def test_quality_out_of_range(tmp_path, quality):
    target = tmp_path / "a.aez"
    with pytest.raises((TypeError, ValueError), match=r"^quality: .*, expected (1 to 100|a number)$"):
        picture().save(target, quality=quality)
    assert not target.exists()


@pytest.mark.parametrize("effort", [0, np.int8(3)])
def test_effort(effort, monkeypatch):
    """The small model has none, so what arrives at the encoder is looked at."""
    taken = []
    real = api.encode
    monkeypatch.setattr(api, "encode", lambda *args, **rest: (taken.append(rest.get("effort")), real(*args, **rest))[1])
    saved(picture(), effort=effort)
    saved(picture())
    assert taken == [effort, None]


@pytest.mark.parametrize("effort", [-1, 10, 1.5, "1", None, True])
def test_effort_out_of_range(tmp_path, effort):
    target = tmp_path / "a.aez"
    with pytest.raises((TypeError, ValueError), match=r"^effort: .*, expected (0 to 9|a whole number)$"):
        picture().save(target, effort=effort)
    assert not target.exists()


def test_icc_profile_comes_from_the_option_then_from_info():
    image = picture()
    assert opened(saved(image, icc_profile=ICC)).info["icc_profile"] == ICC
    image.info["icc_profile"] = b"of the picture"
    assert opened(saved(image)).info["icc_profile"] == b"of the picture"
    assert opened(saved(image, icc_profile=ICC)).info["icc_profile"] == ICC
    for none in (None, b"", ""):
        assert "icc_profile" not in opened(saved(image, icc_profile=none)).info


def test_exif_and_xmp_are_written_if_given_as_by_pillow():
    with Image.open(WITH_METADATA) as image:
        again = opened(saved(image))
        assert set(again.info) == {"quality", "icc_profile"}
        again = opened(saved(image, exif=image.info["exif"], xmp=image.info["xmp"]))
        assert (again.info["exif"], again.info["xmp"]) == (b"Exif\0\0" + EXIF, XMP)
        file = io.BytesIO()
        image.save(file, "PNG")
        assert set(Image.open(file).info) == {"icc_profile"}  # the rule in Pillow


def test_exif():
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    exif[ExifTags.Base.Make] = "maker"
    for given in (exif, exif.tobytes(), exif.tobytes().removeprefix(b"Exif\0\0")):
        image = opened(saved(picture(), exif=given))
        assert image.info["exif"] == exif.tobytes()
        assert dict(image.getexif()) == {ExifTags.Base.Orientation: 6, ExifTags.Base.Make: "maker"}
        assert image.size == (24, 17)
        assert ImageOps.exif_transpose(image).size == (17, 24)


def test_xmp():
    for given in (XMP, XMP.decode()):
        assert opened(saved(picture(), xmp=given)).info["xmp"] == XMP
    assert "xmp" not in opened(saved(picture(), xmp=None, exif=None)).info


def test_encoderinfo_of_the_picture_counts():
    image = picture()
    image.encoderinfo = {"xmp": XMP}
    assert opened(saved(image)).info["xmp"] == XMP


def test_saving_over_itself(tmp_path):
    target = Path(shutil.copy(PLAIN, tmp_path / "a.aez"))
    with Image.open(target) as image:
        image.save(target, quality=100)
    with Image.open(target) as image:
        assert image.info["quality"] == 100
        image.load()


# Bad files


def test_not_an_aez_file():
    with pytest.raises(SyntaxError, match=r"^not an AEZ file$"):
        AezImageFile(PLAIN.with_suffix(".png"))


def test_png_named_aez_opens_as_png(tmp_path):
    target = shutil.copy(PLAIN.with_suffix(".png"), tmp_path / "a.aez")
    with Image.open(target) as image:
        assert image.format == "PNG"


@pytest.mark.parametrize("data", [b"", b"\x89AEZ", b"hello, this is a text"])
def test_unidentified(data):
    with pytest.raises(UnidentifiedImageError):
        opened(data)


@pytest.mark.parametrize("lenient", [False, True])
def test_truncated_at_every_length(monkeypatch, lenient):
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", lenient)
    data = WITH_METADATA.read_bytes()
    for length in range(len(data)):
        with pytest.raises(OSError, match=r"cannot identify|expected|cut off|goes on after the end"):
            opened(data[:length]).load()


def test_every_flipped_bit_is_found():
    data = WITH_METADATA.read_bytes()
    for bit in range(8 * len(data)):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(OSError):  # noqa: PT011 (as many messages as places)
            opened(bytes(damaged)).load()


def test_truncated_pixels_open_and_do_not_load():
    with opened(PLAIN.read_bytes()[:-1]) as image:
        assert image.size == (17, 33)
        for _ in range(2):
            with pytest.raises(OSError, match=r"^file: 51 bytes, expected 52$"):
                image.load()


def header(version: int = 1, model: int = 0xFFFE, width: int = 17, height: int = 33) -> bytes:
    """FORMAT.md: signature, version, channels, model, quality, width, height, tile, CRC-32; little-endian."""
    head = b"\x89AEZ\r\n" + struct.pack("<BBHHIIH", version, 3, model, 512, width, height, 256)
    return head + struct.pack("<I", zlib.crc32(head))


def test_later_versions_and_models_say_so():
    with pytest.raises(OSError, match="format version 3, expected 1 to 2"):
        opened(header(version=3))
    with opened(header(model=9) + PLAIN.read_bytes()[26:]) as image:
        assert image.size == (17, 33)
        assert "quality" not in image.info
        with pytest.raises(OSError, match="model 0x0009: not known to this version"):
            image.load()


def test_missing_weights(monkeypatch, tmp_path):
    monkeypatch.setenv("AECODEC_WEIGHTS", str(tmp_path))
    with pytest.raises(OSError, match=r"manifest\.json: no such file"):
        Image.open(PLAIN)
    with pytest.raises(OSError, match=r"manifest\.json: no such file"):
        saved(picture())


def test_bomb(monkeypatch):
    with pytest.raises(Image.DecompressionBombError, match=r"\(\d+ pixels\) exceeds limit"):
        opened(header(width=0x7FFFFFFF, height=0x7FFFFFFF))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 17 * 33 // 2)
    with pytest.raises(Image.DecompressionBombError):
        Image.open(PLAIN)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 17 * 33 - 1)
    with pytest.warns(Image.DecompressionBombWarning), Image.open(PLAIN) as image:
        image.load()


def test_without_pillows_limit_there_is_none(monkeypatch):
    wide = write(Header(0xFFFE, 30_000, 10_000, 3, 512, 256), [b""] * 40 * 118)
    with pytest.raises(Image.DecompressionBombError):
        opened(header(width=30_000, height=10_000))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    assert opened(wide).size == (30_000, 10_000)
    opened(wide).verify()
    with pytest.raises(OSError, match="expected at least 20971525 for 4194304 tiles"):  # so many are not refused
        opened(header(width=1 << 19, height=1 << 19))
    with pytest.raises(OSError, match="header: 16384 tiles, limit 8192"):
        opened(header(width=1, height=1 << 22))


def test_verify():
    with Image.open(PLAIN) as image:
        image.verify()
        with pytest.raises(RuntimeError, match="must be called directly after open"):
            image.verify()
    data = bytearray(PLAIN.read_bytes())
    data[-1] ^= 1
    with opened(bytes(data)) as image, pytest.raises(OSError, match=r"^tile 0: checksum"):
        image.verify()


def test_file_that_changes_between_open_and_load(tmp_path):
    target = shutil.copy(PLAIN, tmp_path / "a.aez")
    with Image.open(target) as image:
        shutil.copy(WITH_METADATA, target)
        with pytest.raises(OSError, match="another image than when it was opened"):
            image.load()


# Through other libraries


def test_matplotlib_reads():
    image = pytest.importorskip("matplotlib.image", reason="matplotlib is not installed")
    np.testing.assert_array_equal(image.imread(str(PLAIN)), aecodec.decode(PLAIN.read_bytes()))


def test_imageio_reads_and_writes(tmp_path):
    imageio = pytest.importorskip("imageio.v3", reason="imageio is not installed")
    np.testing.assert_array_equal(imageio.imread(PLAIN), aecodec.decode(PLAIN.read_bytes()))
    assert imageio.improps(PLAIN, plugin="pillow").shape == (33, 17, 3)
    pixels = np.asarray(picture())
    imageio.imwrite(tmp_path / "a.aez", pixels, plugin="pillow", quality=60)
    assert (tmp_path / "a.aez").read_bytes() == aecodec.encode(pixels, 60)
