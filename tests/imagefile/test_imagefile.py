"""Picture files in and out. The inputs are put together here byte by byte wherever Pillow would hide what matters."""

import io
import struct
import zlib
from contextlib import suppress

import numpy as np
import pytest
from PIL import Image, ImageCms

from aecodec.container.metadata import Metadata
from aecodec.errors import EncodeError, LimitError
from aecodec.imagefile import format_of, pack_image, read_image
from aecodec.limits import Limits

ICC = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
XMP = "<x:xmpmeta xmlns:x='adobe:ns:meta/'>müde</x:xmpmeta>".encode()
# A TIFF structure, big-endian: Make "Me", Orientation 6, and a directory of Exif with ISO 100.
EXIF = b"MM\0*\0\0\0\x08" + b"".join(
    [
        b"\0\3",
        struct.pack(">HHI4s", 271, 2, 3, b"Me\0\0"),
        struct.pack(">HHIHH", 274, 3, 1, 6, 0),
        struct.pack(">HHII", 34665, 4, 1, 50),
        b"\0\0\0\0",
        b"\0\1",
        struct.pack(">HHIHH", 34855, 3, 1, 100, 0),
        b"\0\0\0\0",
    ]
)


def png(width: int, height: int, depth: int, colour: int, rows: bytes, *chunks: tuple[bytes, bytes]) -> io.BytesIO:
    """A PNG file; `rows` with their filter bytes."""
    parts = [b"\x89PNG\r\n\x1a\n"]
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    for tag, data in [(b"IHDR", head), *chunks, (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]:
        parts.append(struct.pack(">I", len(data)) + tag + data + struct.pack(">I", zlib.crc32(tag + data)))
    return io.BytesIO(b"".join(parts))


def saved(image: Image.Image, format: str, **options) -> io.BytesIO:
    file = io.BytesIO()
    image.save(file, format, **options)
    file.seek(0)
    return file


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, shape, dtype=np.uint8)


PLAIN = {
    "grey": (png(2, 1, 8, 0, b"\0\x07\xff"), [[7, 255]]),
    "grey and alpha": (png(1, 2, 8, 4, b"\0\1\2\0\3\4"), [[[1, 2]], [[3, 4]]]),
    "RGB": (png(2, 1, 8, 2, b"\0\1\2\3\4\5\6"), [[[1, 2, 3], [4, 5, 6]]]),
    "RGB all grey": (png(1, 1, 8, 2, b"\0\5\5\5"), [[[5, 5, 5]]]),
    "RGB and alpha": (png(1, 1, 8, 6, b"\0\1\2\3\xff"), [[[1, 2, 3, 255]]]),
    "1 bit": (png(3, 1, 1, 0, b"\0\xa0"), [[255, 0, 255]]),
    "2 bits": (png(3, 1, 2, 0, b"\0\x18"), [[0, 85, 170]]),
    "palette": (png(2, 1, 8, 3, b"\0\1\0", (b"PLTE", b"\1\2\3\4\5\6")), [[[4, 5, 6], [1, 2, 3]]]),
    "palette with alpha": (
        png(2, 1, 8, 3, b"\0\1\0", (b"PLTE", b"\1\2\3\4\5\6"), (b"tRNS", b"\x80\xff")),
        [[[4, 5, 6, 255], [1, 2, 3, 128]]],
    ),
    "transparent grey": (png(2, 1, 8, 0, b"\0\7\1", (b"tRNS", b"\0\7")), [[[7, 0], [1, 255]]]),
    "transparent grey of 4 bits": (png(2, 1, 4, 0, b"\0\x51", (b"tRNS", b"\0\5")), [[[85, 0], [17, 255]]]),
    "transparent grey of 2 bits": (png(2, 1, 2, 0, b"\0\x90", (b"tRNS", b"\0\2")), [[[170, 0], [85, 255]]]),
    "transparent RGB": (
        png(2, 1, 8, 2, b"\0\1\2\3\4\5\6", (b"tRNS", b"\0\1\0\2\0\3")),
        [[[1, 2, 3, 0], [4, 5, 6, 255]]],
    ),
    "PBM": (io.BytesIO(b"P4 3 1\n\x40"), [[255, 0, 255]]),
    "plain PBM": (io.BytesIO(b"P1\n3 1\n0 1 0\n"), [[255, 0, 255]]),
    "PGM": (io.BytesIO(b"P5 2 1 255\n\1\2"), [[1, 2]]),
    "PPM": (io.BytesIO(b"P6 1 1 255\n\1\2\3"), [[[1, 2, 3]]]),
    "PPM up to 15": (io.BytesIO(b"P3 1 1 15 0 5 15"), [[[0, 85, 255]]]),
}


@pytest.mark.parametrize("kind", PLAIN)
def test_eight_bit_pictures_come_as_they_are(kind):
    file, expected = PLAIN[kind]
    file.seek(0)
    pixels, metadata, *_ = read_image(file)
    assert pixels.dtype == np.uint8
    assert pixels.tolist() == expected
    assert metadata == Metadata()


@pytest.mark.parametrize("format", ["PNG", "BMP", "TIFF", "PPM", "WEBP", "AVIF", "JPEG", "GIF"])
def test_every_format_is_read(format, tmp_path):
    flat = np.full((20, 30, 3), (200, 100, 50), np.uint8)
    options = {"lossless": True} if format == "WEBP" else {}
    path = tmp_path / "any name"
    path.write_bytes(saved(Image.fromarray(flat), format, **options).getvalue())
    for source in (path, str(path)):
        pixels = read_image(source).pixels
        assert pixels.shape == flat.shape
        assert np.abs(pixels.astype(int) - flat).max() <= (3 if format in ("JPEG", "AVIF") else 0)


def test_a_pipe_is_read():
    class Pipe(io.RawIOBase):
        def __init__(self, data: bytes):
            self.rest = io.BytesIO(data)

        def readable(self) -> bool:
            return True

        def readinto(self, buffer) -> int:
            return self.rest.readinto(buffer)

    assert read_image(Pipe(PLAIN["RGB"][0].getvalue())).pixels.shape == (1, 2, 3)


def tiff16() -> io.BytesIO:
    """One pixel of RGB with 16 bits, which Pillow by itself reads as 8 bits."""
    tags = [(256, 1), (257, 1), (258, 200), (259, 1), (262, 2), (273, 300), (277, 3), (278, 1), (279, 6)]
    entries = b"".join(struct.pack("<HHIHH", tag, 3, 3 if tag == 258 else 1, value, 0) for tag, value in tags)
    directory = b"II*\0\x08\0\0\0" + struct.pack("<H", len(tags)) + entries + b"\0\0\0\0"
    return io.BytesIO(directory.ljust(200, b"\0") + struct.pack("<3H", 16, 16, 16) + bytes(100))


FRAMES = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue")]
REFUSED = {
    "16-bit grey": (png(1, 1, 16, 0, b"\0\1\2"), "more than 8 bits per sample, expected 8: .*-depth 8"),
    "16-bit grey and alpha": (png(1, 1, 16, 4, b"\0\1\2\3\4"), "more than 8 bits"),
    "16-bit RGB": (png(1, 1, 16, 2, b"\0\1\2\3\4\5\6"), "more than 8 bits"),
    "16-bit RGB and alpha": (png(1, 1, 16, 6, b"\0\1\2\3\4\5\6\7\x08"), "more than 8 bits"),
    "16-bit PGM": (io.BytesIO(b"P5 1 1 65535\n\1\2"), "more than 8 bits"),
    "10-bit PGM": (io.BytesIO(b"P5 1 1 1023\n\1\2"), "more than 8 bits"),
    "16-bit PPM": (io.BytesIO(b"P6 1 1 65535\n\1\2\3\4\5\6"), "more than 8 bits"),
    "10-bit plain PPM": (io.BytesIO(b"P3 1 1 1023 1 2 3"), "more than 8 bits"),
    "16-bit RGB TIFF": (tiff16(), "more than 8 bits"),
    "16-bit grey TIFF": (saved(Image.new("I;16", (2, 2)), "TIFF"), "more than 8 bits"),
    "32-bit TIFF": (saved(Image.new("I", (2, 2)), "TIFF"), "more than 8 bits"),
    "float TIFF": (saved(Image.new("F", (2, 2)), "TIFF"), "float samples, expected 8 bits: scale"),
    "PFM": (io.BytesIO(b"Pf\n1 1\n-1.0\n\0\0\0\0"), "float samples"),
    "CMYK JPEG": (
        saved(Image.new("CMYK", (8, 8)), "JPEG"),
        "CMYK colours without a profile, expected RGB: .*-colorspace sRGB",
    ),
    "CMYK TIFF": (saved(Image.new("CMYK", (8, 8)), "TIFF"), "CMYK colours"),
    "animated GIF": (saved(FRAMES[0], "GIF", save_all=True, append_images=FRAMES[1:]), "several frames or pages"),
    "animated PNG": (saved(FRAMES[0], "PNG", save_all=True, append_images=FRAMES[1:]), "several frames or pages"),
    "animated WebP": (saved(FRAMES[0], "WEBP", save_all=True, append_images=FRAMES[1:]), "several frames or pages"),
    "animated AVIF": (saved(FRAMES[0], "AVIF", save_all=True, append_images=FRAMES[1:]), "several frames or pages"),
    "TIFF with pages": (saved(FRAMES[0], "TIFF", save_all=True, append_images=FRAMES[1:]), "several frames or pages"),
    "DNG": (saved(FRAMES[0], "TIFF", tiffinfo={50706: b"\1\4\0\0"}), "camera raw, .* expected PNG.*: develop it"),
    "other camera raw": (saved(FRAMES[0], "TIFF", tiffinfo={254: 1}), "camera raw"),
    "nothing": (io.BytesIO(), "empty file"),
    "text": (io.BytesIO(b"hello, world"), "no image: expected PNG"),
    "PostScript": (io.BytesIO(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"), "PostScript, expected PNG"),
    "a PNG without pixels": (png(100, 100, 8, 2, b""), "damaged image: "),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_other_pictures_are_refused_with_what_to_do(kind):
    file, message = REFUSED[kind]
    file.seek(0)
    with pytest.raises(EncodeError, match=message) as caught:
        read_image(file)
    assert "\n" not in str(caught.value)


def test_the_limit_is_pillows_or_the_one_that_is_given(monkeypatch):
    file = png(17896, 10000, 8, 0, b"")
    with pytest.raises(LimitError, match=r"^178960000 pixels, limit 178956970 \(max_pixels\)$"):
        read_image(file)
    small = png(3, 3, 8, 0, b"\0abc" * 3)
    with pytest.raises(LimitError, match=r"^9 pixels, limit 8 "):
        read_image(small, Limits(max_pixels=8))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 4)
    with pytest.raises(Image.DecompressionBombError):  # Pillow refuses more than twice as many
        Image.open(small)
    small.seek(0)
    assert read_image(small, Limits(max_pixels=9)).pixels.shape == (3, 3)
    assert Image.MAX_IMAGE_PIXELS == 4


def test_a_large_picture_within_the_limit_gives_no_warning():
    pixels = read_image(png(10000, 9000, 1, 0, b"\0".ljust(1251, b"\xff") * 9000)).pixels  # Pillow warns from 89 MP on
    assert pixels.shape == (9000, 10000)


def test_of_a_multi_picture_jpeg_the_first_is_read():
    file = saved(FRAMES[0], "MPO", save_all=True, append_images=FRAMES[1:])
    red, green, blue = read_image(file).pixels[0, 0]
    assert red > 200
    assert max(green, blue) < 50


@pytest.mark.parametrize("format", ["PNG", "JPEG", "BMP", "GIF", "TIFF", "PPM", "WEBP", "AVIF"])
def test_truncated_and_damaged_files_give_pixels_or_an_encode_error(format):
    data = saved(Image.fromarray(noise(6, 5, 3)), format).getvalue()
    rng = np.random.default_rng(4)
    cases = [data[: len(data) * i // 60] for i in range(60)]
    for _ in range(200):
        damaged = bytearray(data)
        damaged[rng.integers(min(len(data), 200))] ^= 1 << rng.integers(8)
        cases.append(bytes(damaged))
    for case in cases:
        with suppress(EncodeError, LimitError):
            assert read_image(io.BytesIO(case), Limits(max_pixels=1 << 20)).pixels.dtype == np.uint8


def test_the_file_system_speaks_for_itself(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_image(tmp_path / "none" / "a.png")
    folder = tmp_path / "folder.png"
    folder.mkdir()
    with pytest.raises(IsADirectoryError):
        read_image(folder)


# ---- metadata -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP"])
@pytest.mark.parametrize("metadata", [Metadata(ICC, EXIF, XMP), Metadata(icc=ICC), Metadata(exif=EXIF), Metadata()])
def test_metadata_goes_in_and_out_byte_by_byte(format, metadata):
    data, lost = pack_image(noise(16, 16, 3), metadata, format)
    assert lost == ()
    assert read_image(io.BytesIO(data)).metadata == metadata


@pytest.mark.parametrize("format", ["TIFF", "AVIF"])
def test_where_exif_is_taken_apart_its_contents_stay(format):
    data, lost = pack_image(noise(16, 16, 3), Metadata(ICC, EXIF, XMP), format)
    assert lost == ()
    icc, exif, xmp = read_image(io.BytesIO(data)).metadata
    assert (icc, xmp) == (ICC, XMP)
    parsed = Image.Exif()
    parsed.load(exif)
    assert (parsed[271], parsed[274]) == ("Me", 6)
    assert parsed.get_ifd(34665) == {34855: 100}


def test_a_plain_tiff_has_no_metadata_and_its_layout_is_none():
    assert read_image(saved(Image.fromarray(noise(3, 4, 3)), "TIFF")).metadata == Metadata()
    wrong = Image.Exif()
    wrong.load(EXIF)
    wrong[256], wrong[259], wrong[273] = 9999, 7, 5  # width, compression, offset of another picture
    data, _ = pack_image(noise(3, 4), Metadata(exif=wrong.tobytes()[6:]), "TIFF")
    pixels, metadata, *_ = read_image(io.BytesIO(data))
    assert (pixels == noise(3, 4)).all()
    assert metadata.exif is not None


def test_metadata_behind_the_pixels_is_found():
    file = png(1, 1, 8, 0, b"\0\1").getvalue()
    chunk = struct.pack(">I", len(EXIF)) + b"eXIf" + EXIF + struct.pack(">I", zlib.crc32(b"eXIf" + EXIF))
    assert read_image(io.BytesIO(file[:-12] + chunk + file[-12:])).metadata.exif == EXIF


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format", ["PNG", "JPEG", "TIFF", "WEBP", "AVIF"])
def test_orientation_stays_a_tag_and_pixels_are_not_rotated(format, orientation):
    gradient = np.add.outer(np.arange(0, 240, 10), 2 * np.arange(0, 5)).astype(np.uint8)
    rgb = np.dstack([gradient, gradient // 2, 255 - gradient])
    exif = EXIF.replace(struct.pack(">HHIHH", 274, 3, 1, 6, 0), struct.pack(">HHIHH", 274, 3, 1, orientation, 0))
    data, _ = pack_image(rgb, Metadata(exif=exif), format)
    pixels, metadata, *_ = read_image(io.BytesIO(data))
    assert pixels.shape == rgb.shape
    assert np.abs(pixels.astype(int) - rgb).mean() < 4
    parsed = Image.Exif()
    parsed.load(metadata.exif)
    assert parsed.get(274, 1) == orientation


@pytest.mark.parametrize(
    ("format", "metadata", "lost"),
    [
        ("BMP", Metadata(ICC, EXIF, XMP), ("icc", "exif", "xmp")),
        ("PPM", Metadata(exif=EXIF), ("exif",)),
        ("GIF", Metadata(), ()),
        ("JPEG", Metadata(icc=bytes(17_000_000), exif=EXIF, xmp=bytes(70_000)), ("icc", "xmp")),
        ("JPEG", Metadata(exif=bytes(65_528)), ("exif",)),
        ("JPEG", Metadata(exif=bytes(65_527), xmp=bytes(65_504), icc=bytes(65_520)), ()),
        ("PNG", Metadata(xmp=b"\xff\xfe<"), ("xmp",)),
        ("TIFF", Metadata(exif=b"garbage", xmp=XMP), ("exif",)),
        ("AVIF", Metadata(exif=b"garbage"), ("exif",)),
        ("WEBP", Metadata(exif=b"garbage"), ()),
    ],
)
def test_metadata_that_a_format_cannot_hold_is_named(format, metadata, lost):
    data, found = pack_image(noise(4, 4, 3), metadata, format)
    assert found == lost
    again = read_image(io.BytesIO(data)).metadata
    for kind, value in metadata._asdict().items():
        if value is not None:
            assert (getattr(again, kind) is None) == (kind in lost)


# ---- writing --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 2), (5, 7, 3), (5, 7, 4), (1, 1, 4)])
@pytest.mark.parametrize("extension", ["png", "tif", "tga"])
def test_lossless_formats_give_every_sample_back(shape, extension):
    pixels = noise(*shape)
    data, lost = pack_image(pixels, format=format_of(f"picture.{extension}"))
    assert lost == ()
    with Image.open(io.BytesIO(data)) as image:
        assert (np.asarray(image) == pixels).all()


@pytest.mark.parametrize("shape", [(40, 30), (40, 30, 2), (40, 30, 3), (40, 30, 4)])
@pytest.mark.parametrize("extension", ["webp", "avif", "qoi", "jpg", "bmp", "ppm", "gif", "jp2"])
def test_other_formats_are_written_or_refuse_alpha(shape, extension):
    y, x = np.mgrid[: shape[0], : shape[1]]
    pixels = np.empty(shape, np.uint8)
    pixels.reshape(*shape[:2], -1)[:] = (3 * x + 2 * y)[..., None]
    format = format_of(f"picture.{extension.upper()}")
    if shape[2:] in [(2,), (4,)] and extension in ("jpg", "bmp", "ppm", "gif"):
        with pytest.raises(EncodeError, match=r"alpha channel: .* cannot hold it, expected \.png"):
            pack_image(pixels, format=format)
        return
    with Image.open(io.BytesIO(pack_image(pixels, format=format).data)) as image:
        mode = {2: "L", 3: "RGB"}.get(len(shape)) if len(shape) == 2 else {2: "LA", 3: "RGB", 4: "RGBA"}[shape[2]]
        again = np.asarray(image.convert(mode)).astype(int)
    assert np.abs(again - pixels).mean() < 3


@pytest.mark.parametrize(
    ("name", "format"),
    [
        ("a.png", "PNG"),
        ("a.JPG", "JPEG"),
        ("a.b/c", "PNG"),
        ("a.tiff", "TIFF"),
        ("a.jp2", "JPEG2000"),
        ("a.tga", "TGA"),
    ],
)
def test_the_extension_is_the_format(name, format):
    assert format_of(name) == format


@pytest.mark.parametrize("name", ["a.xyz", "a.aez", "a.ico", "a.psd", "a.pdf", "a.mpo"])
def test_an_extension_that_is_no_format_is_refused(name):
    with pytest.raises(EncodeError, match=r"cannot be written, expected \.png \.jpg"):
        format_of(name)


def test_a_picture_too_large_for_its_format_is_refused():
    with pytest.raises(EncodeError, match=r"17000x1 pixels: WEBP holds 16383 in each direction, expected \.png"):
        pack_image(np.zeros((1, 17000, 3), np.uint8), format="WEBP")


@pytest.mark.parametrize("pixels", [np.zeros((2, 2)), np.zeros((2, 2, 5), np.uint8), np.zeros(4, np.uint8)])
def test_other_arrays_are_a_type_error(pixels):
    with pytest.raises(TypeError, match="expected uint8"):
        pack_image(pixels)


def test_what_an_error_quotes_of_a_file_cannot_control_a_terminal(monkeypatch):
    def read(*_):
        raise ValueError("bad \x1b]0;title\x07\ntoken")

    monkeypatch.setattr("aecodec.imagefile.read._read", read)
    with pytest.raises(EncodeError, match=r"^damaged image: bad \\x1b\]0;title\\x07 token$"):
        read_image(io.BytesIO(b"P5"))
