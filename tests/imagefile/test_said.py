"""What files say where few programs look: depth, transparency, Exif, density, what is left out, where they end."""

import io
import struct
import threading
import zlib

import numpy as np
import pytest
from files import SRGB_ICC, chunk, orientation, png, saved, synthetic
from PIL import Image, ImageOps, PngImagePlugin

from aecodec.container.metadata import Metadata
from aecodec.errors import EncodeError, LimitError
from aecodec.imagefile import pack_image, read_image
from aecodec.imagefile.probe import kind_of, probe
from aecodec.imagefile.resize import fitting, resized
from aecodec.imagefile.tags import density_of, orientation_of, parsed, with_density
from aecodec.limits import Limits

RAMP = np.tile(np.linspace(0, 65535, 64).round().astype(np.uint16), (32, 1))


# ---- more than 8 bits -----------------------------------------------------------------------------------------------


def deep_files() -> dict[str, io.BytesIO]:
    imagecodecs = pytest.importorskip("imagecodecs")
    rgb = np.dstack([RAMP, RAMP[:, ::-1], RAMP])
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in rgb)
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 64, 32, 16, 2, 0, 0, 0))
    files = {
        "AVIF of 10 bits": imagecodecs.avif_encode(rgb >> 6, bitspersample=10, level=95),
        "AVIF of 12 bits": imagecodecs.avif_encode(rgb >> 4, bitspersample=12, level=95),
        "PNG": b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""),
        "PNG, grey": saved(Image.fromarray(RAMP), "PNG").getvalue(),
        "PGM": b"P5 64 32 65535\n" + RAMP.astype(">u2").tobytes(),
        "PGM of 10 bits": b"P5 64 32 1023\n" + (RAMP >> 6).astype(">u2").tobytes(),
        "PPM": b"P6 64 32 65535\n" + rgb.astype(">u2").tobytes(),
        "TIFF, grey": saved(Image.fromarray(RAMP), "TIFF").getvalue(),
        "TIFF, grey, white is 0": saved(Image.fromarray(65535 - RAMP), "TIFF", tiffinfo={262: 0}).getvalue(),
        "JPEG XL": imagecodecs.jpegxl_encode(rgb, lossless=True),
    }
    return {name: io.BytesIO(bytes(data)) for name, data in files.items()}


def test_a_deep_transparent_colour_of_rgb_is_refused():
    """Pillow takes the low byte of the colour for the high byte of the samples."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 16, 2, 0, 0, 0)) + chunk(b"tRNS", b"\x12\x34" * 3)
    data = b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(b"\0" + b"\x12\x34" * 3)) + chunk(b"IEND", b"")
    with pytest.raises(EncodeError, match="a transparent colour of 16 bits per sample, expected 8: convert it"):
        read_image(io.BytesIO(data), to_8_bits=True)


def test_deep_samples_are_refused_and_taken_if_asked_for():
    for name, file in deep_files().items():
        if name == "JPEG XL":
            pytest.importorskip("pillow_jxl")
        with pytest.raises(EncodeError, match=r"expected 8: aecodec compress --depth 8 takes"):
            read_image(file)
        file.seek(0)
        pixels = read_image(file, to_8_bits=True).pixels.reshape(32, 64, -1)
        assert pixels.dtype == np.uint8
        assert np.abs(pixels[..., 0].astype(int) - (RAMP >> 8)).max() <= 2, name


def test_a_heic_of_10_bits_is_refused_and_one_of_8_is_read(tmp_path):
    heif = pytest.importorskip("pillow_heif")
    before = synthetic()
    for bits in (8, 10):
        file = io.BytesIO()
        if bits == 8:
            heif.from_pillow(Image.fromarray(before)).save(file, quality=95)
            found = read_image(io.BytesIO(file.getvalue()))
            assert np.abs(found.pixels.astype(int) - before).mean() < 4
        else:
            deep = before.astype(np.uint16) << 8
            image = heif.from_bytes("RGB;16", (128, 96), deep.tobytes())
            image.save(file, quality=95)
            assert probe(file.getvalue()).bits == 10
            with pytest.raises(EncodeError, match="more than 8 bits"):
                read_image(io.BytesIO(file.getvalue()))


def test_a_jpeg_xl_is_read_and_its_size_is_checked_before_it_is_decoded():
    imagecodecs = pytest.importorskip("imagecodecs")
    pytest.importorskip("pillow_jxl")
    for shape in ((96, 128, 3), (8, 16, 3), (37, 61, 3), (64, 64)):
        before = np.resize(synthetic(), shape)
        data = bytes(imagecodecs.jpegxl_encode(before, lossless=True))
        said = probe(data)
        assert (said.kind, said.bits, said.size) == ("JPEG XL", 8, (shape[1], shape[0]))
        assert (read_image(io.BytesIO(data)).pixels == before).all()
        with pytest.raises(LimitError, match="pixels"):
            read_image(io.BytesIO(data), Limits(max_pixels=shape[0] * shape[1] - 1))


def test_probing_never_raises():
    rng = np.random.default_rng(1)
    files = [saved(synthetic(), "AVIF").getvalue(), saved(synthetic(), "JPEG").getvalue(), png(synthetic()).getvalue()]
    files += [b"\xff\x0a" + bytes(9), b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(30), b"\0\0\0\x18ftypheic" + bytes(40)]
    for data in files:
        for end in range(min(len(data), 700)):
            probe(data[:end])
        for _ in range(500):
            damaged = bytearray(data)
            damaged[rng.integers(min(len(data), 400))] = rng.integers(256)
            probe(bytes(damaged))


# ---- Exif in its other homes ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["exif", "APP1"])
@pytest.mark.parametrize("tag", [b"zTXt", b"tEXt"])
def test_exif_in_the_text_of_a_png_is_kept(tag, name):
    raw = b"Exif\0\0" + orientation(6)
    text = f"\n{name}\n{len(raw):8}\n{raw.hex()}\n".encode()
    value = b"\0\0" + zlib.compress(text) if tag == b"zTXt" else b"\0" + text
    found = read_image(png(synthetic(), (tag, b"Raw profile type " + name.encode() + value)))
    assert found.metadata.exif == orientation(6)
    assert found.left_out == ()


def test_xmp_and_a_profile_in_the_text_of_a_png_are_kept():
    extra = []
    for name, raw in (("xmp", b"<x:xmpmeta/>"), ("icc", SRGB_ICC)):
        text = f"\n{name}\n{len(raw):8}\n{raw.hex()}\n".encode()
        extra.append((b"zTXt", b"Raw profile type " + name.encode() + b"\0\0" + zlib.compress(text)))
    assert read_image(png(synthetic(), *extra)).metadata == Metadata(icc=SRGB_ICC, xmp=b"<x:xmpmeta/>")


# ---- limits of Pillow's ---------------------------------------------------------------------------------------------


def test_a_large_profile_goes_through_png_and_back():
    icc = np.random.default_rng(0).integers(0, 256, 1_200_000, np.uint8).tobytes()
    data, lost = pack_image(synthetic(), Metadata(icc=icc), "PNG")
    assert lost == ()
    before = PngImagePlugin.MAX_TEXT_CHUNK
    assert read_image(io.BytesIO(data)).metadata.icc == icc
    assert before == PngImagePlugin.MAX_TEXT_CHUNK
    with pytest.raises(LimitError, match="metadata: 1200000 bytes, limit 1000000"):
        read_image(io.BytesIO(data), Limits(max_metadata=1_000_000))


def test_text_of_a_png_is_as_long_as_the_limit_allows():
    usual = Limits().max_metadata
    xmp = b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(bytes(usual + 9), 1)
    data = png(synthetic(), (b"iTXt", xmp)).getvalue()
    with pytest.raises(LimitError, match=f"metadata: more than {usual} bytes") as caught:
        read_image(io.BytesIO(data))
    found = read_image(io.BytesIO(data), Limits(max_metadata=caught.value.needed))
    assert len(found.metadata.xmp) == usual + 9


def test_threads_that_read_leave_pillows_limits_as_they_were():
    before = Image.MAX_IMAGE_PIXELS, PngImagePlugin.MAX_TEXT_CHUNK
    data = png(synthetic()).getvalue()
    threads = [threading.Thread(target=lambda: [read_image(io.BytesIO(data)) for _ in range(30)]) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert before == (Image.MAX_IMAGE_PIXELS, PngImagePlugin.MAX_TEXT_CHUNK)


# ---- density and what is left out -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("format", "options"), [("JPEG", {}), ("PNG", {}), ("TIFF", {}), ("BMP", {})])
def test_density_is_kept_in_exif_and_written_again(format, options):
    found = read_image(saved(synthetic(), format, dpi=(300, 240), **options))
    assert density_of(found.metadata.exif) == pytest.approx((300, 240), abs=0.02)
    for target in ("JPEG", "PNG", "TIFF", "BMP"):
        with Image.open(io.BytesIO(pack_image(found.pixels, found.metadata, target).data)) as image:
            assert image.info["dpi"] == pytest.approx((300, 240), abs=0.02)


def test_density_joins_exif_without_moving_anything():
    exif = orientation(6) + b"maker's note"
    assert with_density(exif, (72, 72))[14:20] == exif[14:20]
    joined = with_density(exif, (72.009, 300))
    assert joined.startswith(b"II*\0")
    assert orientation_of(joined) == 6
    assert b"maker's note" in joined
    assert density_of(joined) == pytest.approx((72.01, 300))
    assert with_density(joined, (1, 1)) == joined
    twice = b"MM\0*\0\0\0\x08\0\2" + 2 * struct.pack(">HHIHH", 0x0112, 3, 1, 1, 0) + bytes(4)
    assert density_of(with_density(twice, (72, 300))) == pytest.approx((72, 300))
    for damaged in (b"", b"II*\0", b"II*\0\xff\xff\xff\xff", b"nonsense", b"MM\0*\0\0\0\x08\xff\xff"):
        with_density(damaged, (300, 300))
    for wrong in (None, (0, 0), (float("nan"), 1), (1e9, 1e9), ("x", 1), 7):
        assert with_density(exif, wrong) == exif


def test_what_is_left_out_is_named():
    jpeg = saved(synthetic(), "JPEG", comment=b"hello").getvalue()
    iptc = b"Photoshop 3.0\x008BIM\x04\x04\0\0" + struct.pack(">I", 4) + b"\x1c\x02\x05\0"
    data = jpeg[:2] + b"\xff\xed" + struct.pack(">H", len(iptc) + 2) + iptc + jpeg[2:]
    assert read_image(io.BytesIO(data)).left_out == ("comment", "IPTC")
    text = PngImagePlugin.PngInfo()
    text.add_text("Author", "me")
    assert read_image(saved(synthetic(), "PNG", pnginfo=text)).left_out == ("text (Author)",)
    assert read_image(saved(Image.fromarray(synthetic()).quantize(), "GIF", comment=b"hi")).left_out == ("comment",)
    frames = [Image.fromarray(synthetic())] * 2
    assert read_image(saved(frames[0], "MPO", save_all=True, append_images=frames[1:])).left_out == ("1 more image",)
    extra = read_image(saved(Image.new("RGBX", (4, 4)), "TIFF"))
    assert (extra.pixels.shape, extra.left_out) == ((4, 4, 3), ("1 more band",))
    assert read_image(png(synthetic(), (b"pHYs", struct.pack(">IIB", 2, 1, 0)))).left_out == ("pixel aspect ratio 2:1",)
    for format in ("JPEG", "PNG", "WEBP", "AVIF", "TIFF", "BMP", "PPM"):
        assert read_image(saved(synthetic(), format)).left_out == ()
    assert read_image(saved(Image.new("RGBA", (4, 4)), "TIFF")).left_out == ()


# ---- orientation ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", range(1, 9))
@pytest.mark.parametrize("format", ["PPM", "BMP", "GIF", "TGA", "QOI", "JPEG2000"])
def test_pixels_are_turned_where_the_format_has_no_exif(format, value):
    pixels = synthetic(24, 40)
    if format == "GIF":
        pixels = pixels // 64 * 64  # it holds few colours
    expected = np.asarray(ImageOps.exif_transpose(Image.open(saved(pixels, "PNG", exif=orientation(value)))))
    packed = pack_image(pixels, Metadata(exif=orientation(value)), format)
    with Image.open(io.BytesIO(packed.data)) as image:
        found = np.asarray(image.convert("RGB"))
    assert found.shape == expected.shape
    assert np.abs(found.astype(int) - expected).mean() < 1


def test_pixels_are_turned_where_the_exif_is_too_large():
    big = orientation(6) + bytes(70_000)
    data, lost = pack_image(synthetic(24, 40), Metadata(exif=big), "JPEG")
    assert lost == ("exif",)
    with Image.open(io.BytesIO(data)) as image:
        assert (image.size, image.getexif().get(274, 1)) == ((24, 40), 1)
    with Image.open(io.BytesIO(pack_image(synthetic(24, 40), Metadata(exif=orientation(6)), "JPEG").data)) as image:
        assert (image.size, parsed(image.info["exif"])[274]) == ((40, 24), 6)


# ---- messages -------------------------------------------------------------------------------------------------------


def sof(marker: int, bits: int) -> bytes:
    body = struct.pack(">BHHB", bits, 8, 8, 1) + b"\1\x11\0"
    return b"\xff\xd8\xff" + bytes([marker]) + struct.pack(">H", len(body) + 2) + body + b"\xff\xd9"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (sof(0xC1, 12), "JPEG of 12 bits per sample, expected 8: convert it"),
        (sof(0xC3, 8), "lossless coding"),
        (b"\x89AEZ\r\n" + bytes(40), "an .aez file already: decompress it first"),
        (b"8BPS\0\1" + bytes(40), "Photoshop, expected PNG, JPEG"),
        (b"%PDF-1.7\n" + bytes(40), "PDF, expected PNG"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG, expected PNG"),
        (b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(40), "JPEG 2000, expected PNG"),
        (b"\0\0\0\x18ftypisom" + bytes(40), "video, expected PNG"),
        (b"\x89PNG\r\n\x1a\n" + bytes(10), "damaged image: "),
        (b"some text", "no image: expected PNG"),
    ],
)
def test_a_message_is_about_what_is_wrong_with_this_file(data, message):
    with pytest.raises(EncodeError, match=message):
        read_image(io.BytesIO(data))


@pytest.mark.parametrize(("kind", "package"), [("heic", "pillow-heif"), ("jxl", "pillow-jxl-plugin")])
def test_what_a_missing_library_would_read_names_it(monkeypatch, kind, package):
    monkeypatch.setattr("aecodec.imagefile.read.installed", lambda _: False)
    data = {"heic": b"\0\0\0\x18ftypheic" + bytes(40), "jxl": b"\xff\x0a" + bytes(40)}[kind]
    with pytest.raises(EncodeError, match=f"which needs {package}: pip install {package}"):
        read_image(io.BytesIO(data))


@pytest.mark.parametrize("format", ["JPEG", "WEBP", "GIF", "TGA"])
def test_a_format_that_is_too_small_says_so(format):
    with pytest.raises(EncodeError, match=rf"1x70000 pixels: {format} holds \d+ in each direction, expected \.png"):
        pack_image(np.zeros((70_000, 1, 3), np.uint8), format=format)


def test_a_gif_of_more_than_256_colours_is_refused():
    pixels = np.zeros((16, 17, 3), np.uint8)
    pixels.reshape(-1, 3)[:256, 1] = range(256)
    with Image.open(io.BytesIO(pack_image(pixels, format="GIF").data)) as image:
        np.testing.assert_array_equal(np.asarray(image.convert("RGB")), pixels)
    pixels[-1, -1] = 1
    with pytest.raises(EncodeError, match=r"GIF holds 256 colours, and the image has more: expected \.png or \.webp"):
        pack_image(pixels, format="GIF")


def test_kinds():
    assert kind_of(saved(synthetic(), "AVIF").getvalue()) == "AVIF"
    assert kind_of(b"\0\0\0\x1cftypmif1\0\0\0\0mif1heicmiaf" + bytes(9)) == "HEIC"
    assert kind_of(b"\0\0\0\x1cftypmif1\0\0\0\0mif1avifmiaf" + bytes(9)) == "AVIF"


# ---- files that end too early ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": "4:2:0"}])
@pytest.mark.parametrize("cut", [1, 2])
@pytest.mark.parametrize("height", [96, 97, 200])
def test_a_jpeg_less_its_end_is_whole_but_for_a_note(options, cut, height):
    data = saved(synthetic(height, 300), "JPEG", quality=90, **options).getvalue()
    whole = read_image(io.BytesIO(data))
    found = read_image(io.BytesIO(data[:-cut]))
    assert (found.pixels == whole.pixels).all()
    assert (found.note, found.damaged) == ("the file ends too early, at most in its last row of blocks", False)
    assert whole.note == ""


@pytest.mark.parametrize(
    ("format", "options"), [("JPEG", {}), ("JPEG", {"progressive": True}), ("PNG", {}), ("PPM", {})]
)
def test_half_a_file_is_refused_and_taken_if_asked_for(format, options):
    noise = np.random.default_rng(0).integers(0, 256, (200, 300, 3), np.uint8)
    data = saved(noise, format, **options).getvalue()
    half = data[: len(data) // 2]
    with pytest.raises(EncodeError, match="the file ends too early: aecodec compress --salvage takes"):
        read_image(io.BytesIO(half))
    found = read_image(io.BytesIO(half), salvage=True)
    assert found.damaged
    assert found.note.startswith("the file ends too early: about ")
    assert (found.pixels[:60] == read_image(io.BytesIO(data)).pixels[:60]).all() or "progressive" in options
    assert found.pixels.shape == (200, 300, 3)


# ---- size -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(96, 128), (96, 128, 2), (96, 128, 3), (96, 128, 4)])
@pytest.mark.parametrize("linear", [False, True])
def test_resizing_keeps_flat_colour_and_shape(shape, linear):
    flat = np.full(shape, 180, np.uint8)
    small = resized(flat, 40, 30, linear)
    assert (small.shape, small.dtype) == ((30, 40, *shape[2:]), np.uint8)
    assert np.abs(small.astype(int) - 180).max() <= 1
    assert resized(flat, 128, 96, linear) is flat


def test_linear_light_averages_light():
    board = np.indices((64, 64)).sum(0).astype(np.uint8) % 2 * 255
    assert abs(int(resized(board, 8, 8)[4, 4]) - 128) <= 2
    assert abs(int(resized(board, 8, 8, linear_light=True)[4, 4]) - 188) <= 2


@pytest.mark.parametrize("linear", [False, True])
def test_hidden_colours_do_not_spread(linear):
    pixels = np.zeros((64, 64, 4), np.uint8)
    pixels[:, :32] = 200, 0, 0, 255
    pixels[:, 32:] = 0, 255, 0, 0
    small = resized(pixels, 16, 16, linear)
    seen = small[small[..., 3] > 20]
    assert seen[:, 1].max() <= 3


def test_fitting_never_enlarges():
    assert fitting(100, 50, 200) == (100, 50)
    assert fitting(1, 5000, 100) == (1, 100)
