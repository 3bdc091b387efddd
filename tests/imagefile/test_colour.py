"""Colour, whatever it is said by: the result must look as the file does, by LittleCMS as the independent judge."""

import io
import struct

import numpy as np
import pytest
from files import SRGB_ICC, png, saved, shown, synthetic
from PIL import Image, ImageCms

from aecodec.container.metadata import Metadata
from aecodec.errors import EncodeError
from aecodec.imagefile import pack_image, read_image
from aecodec.imagefile.colour import ADOBE, SRGB, SRGB_CURVE, Space, of_code_points, power, profile

FLAT = np.full((4, 4, 3), 128, np.uint8)
GREY = np.full((4, 4), 128, np.uint8)
GREY_ICC = profile(Space(SRGB, power(1.8)), 1)
P3 = (31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000)


def gamma(value: float) -> tuple[bytes, bytes]:
    return b"gAMA", struct.pack(">I", round(100_000 * value))


@pytest.mark.parametrize("pixels", [FLAT, GREY, np.full((4, 4, 4), 128, np.uint8), np.full((4, 4, 2), 128, np.uint8)])
def test_linear_light_of_a_png_shows_as_188(pixels):
    found = read_image(png(pixels, gamma(1)))
    colours = found.pixels if pixels.ndim == 2 else found.pixels[..., : -1 if pixels.shape[2] % 2 == 0 else None]
    colours = np.ascontiguousarray(colours[..., 0] if colours.ndim == 3 and colours.shape[2] == 1 else colours)
    assert (found.pixels == 128).all()  # samples are kept, their meaning is said
    assert np.abs(shown(colours, found.metadata.icc).astype(int) - 188).max() <= 1


@pytest.mark.parametrize("value", [0.45455, 0.4545, 1 / 2.22])
def test_the_usual_gamma_needs_no_profile(value):
    assert read_image(png(FLAT, gamma(value))).metadata.icc is None
    assert read_image(png(FLAT, gamma(value), (b"sRGB", b"\0"))).metadata.icc is None


def test_an_srgb_chunk_overrides_gamma_and_a_profile_overrides_both():
    assert read_image(png(FLAT, (b"sRGB", b"\0"), gamma(1))).metadata.icc is None
    file = saved(FLAT, "PNG", icc_profile=SRGB_ICC).getvalue()
    both = io.BytesIO(file[:33] + png(FLAT, gamma(1)).getvalue()[33:49] + file[33:])
    assert read_image(both).metadata.icc == SRGB_ICC


def test_wide_primaries_of_a_png_show_more_saturated():
    red = np.zeros((2, 2, 3), np.uint8)
    red[:] = 200, 40, 40
    icc = read_image(png(red, gamma(1 / 2.2), (b"cHRM", struct.pack(">8I", *P3)))).metadata.icc
    r, g, b = shown(red, icc)[0, 0].astype(int)
    assert r > 205
    assert max(g, b) < 40
    assert (shown(FLAT, icc) == shown(FLAT, icc)[0, 0, 0]).all()  # grey stays grey


@pytest.mark.parametrize("numbers", [(0,) * 8, (1, 0, 1, 0, 1, 0, 1, 0), (31270, 0, 64000, 33000, 30000, 60000, 1, 1)])
def test_impossible_primaries_are_no_profile_and_no_error(numbers):
    read_image(png(FLAT, gamma(1), (b"cHRM", struct.pack(">8I", *numbers))))
    read_image(png(FLAT, (b"gAMA", bytes(4))))


@pytest.mark.parametrize(("transfer", "name"), [(16, "PQ"), (18, "HLG")])
def test_high_dynamic_range_is_refused(transfer, name):
    with pytest.raises(EncodeError, match=rf"high dynamic range \({name}\), which 8 bits cannot show: convert it"):
        read_image(png(FLAT, (b"cICP", bytes([9, transfer, 0, 1]))))
    avif = bytearray(saved(FLAT, "AVIF").getvalue())
    at = avif.index(b"colrnclx") + 8
    avif[at : at + 4] = struct.pack(">HH", 9, transfer)
    with pytest.raises(EncodeError, match=rf"\({name}\)"):
        read_image(io.BytesIO(bytes(avif)))


def test_code_points_of_png_and_avif_become_the_same_profile():
    avif = bytearray(saved(FLAT, "AVIF").getvalue())
    at = avif.index(b"colrnclx") + 8
    avif[at : at + 4] = struct.pack(">HH", 12, 13)
    file = png(FLAT, (b"cICP", bytes([12, 13, 0, 1])))
    expected = profile(of_code_points(12, 13), 3)
    assert expected is not None
    assert read_image(file).metadata.icc == read_image(io.BytesIO(bytes(avif))).metadata.icc == expected
    for usual in ((1, 13), (2, 2), (1, 2)):
        assert read_image(png(FLAT, (b"cICP", bytes([*usual, 0, 1])))).metadata.icc is None


def test_a_profile_of_an_avif_counts_before_its_code_points():
    icc, file = profile(of_code_points(12, 13), 3), io.BytesIO()
    Image.fromarray(FLAT).save(file, "AVIF", icc_profile=icc)
    avif = bytearray(file.getvalue())
    at = avif.index(b"colrnclx") + 8
    for points in ((1, 13), (9, 16)):
        avif[at : at + 4] = struct.pack(">HH", *points)
        assert read_image(io.BytesIO(bytes(avif))).metadata.icc == icc


def adobe_exif(named: bool) -> bytes:
    exif = Image.Exif()
    camera = exif.get_ifd(34665)
    camera[0xA001] = 0xFFFF if named else 2
    if named:
        camera[0xA005] = {1: "R03"}
    return exif.tobytes()


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize("format", ["JPEG", "WEBP"])
def test_adobe_rgb_of_a_camera_becomes_its_profile(format, named):
    green = np.zeros((8, 8, 3), np.uint8)
    green[:] = 60, 180, 60
    found = read_image(saved(green, format, exif=adobe_exif(named), quality=95))
    assert found.metadata.icc == profile(ADOBE, 3)
    r, g, _ = shown(green, found.metadata.icc)[0, 0].astype(int)
    assert r < 20 < 178 < g
    assert read_image(saved(green, format, exif=adobe_exif(named), icc_profile=SRGB_ICC)).metadata.icc == SRGB_ICC


def test_calibrated_tiff_and_bmp_become_profiles():
    tiff = saved(FLAT, "TIFF", tiffinfo={318: (0.3127, 0.329), 319: (0.68, 0.32, 0.265, 0.69, 0.15, 0.06)})
    assert read_image(tiff).metadata.icc is not None
    plain = saved(FLAT, "BMP").getvalue()
    ends = np.array([[0.4124, 0.2126, 0.0193], [0.3576, 0.7152, 0.1192], [0.1805, 0.0722, 0.9505]])
    numbers = [round(v * 2**30) for v in ends.ravel()] + [65536] * 3  # sRGB's primaries, light as it is
    head = struct.pack("<I", 108) + plain[18:54] + bytes(16) + struct.pack("<I12I", 0, *numbers)
    head = head.ljust(108, b"\0")
    bmp = plain[:10] + struct.pack("<I", 14 + 108) + head + plain[54:] + bytes(200)
    found = read_image(io.BytesIO(bmp))
    assert np.abs(shown(found.pixels, found.metadata.icc).astype(int) - 188).max() <= 1
    embedded = struct.pack("<I", 124) + plain[18:54] + bytes(16) + b"DEBM" + bytes(48)
    embedded = embedded.ljust(112, b"\0") + struct.pack("<II", 124 + len(plain) - 54, len(SRGB_ICC)) + bytes(4)
    bmp = plain[:10] + struct.pack("<I", 14 + 124) + embedded[:124] + plain[54:] + SRGB_ICC
    assert read_image(io.BytesIO(bmp)).metadata.icc == SRGB_ICC


# ---- profiles and pixels that do not fit ----------------------------------------------------------------------------


@pytest.mark.parametrize("format", ["WEBP", "AVIF"])
def test_a_grey_profile_in_an_rgb_file_is_replaced_by_an_equivalent_one(format):
    packed = pack_image(GREY, Metadata(icc=GREY_ICC), format)
    with Image.open(io.BytesIO(packed.data)) as image:
        pixels, icc = np.asarray(image.convert("RGB")), image.info["icc_profile"]
    assert icc[16:20] == b"RGB "
    assert packed.lost == ()
    assert np.abs(shown(pixels, icc).astype(int)[..., 0] - shown(GREY, GREY_ICC)).max() <= 2


@pytest.mark.parametrize("format", ["JPEG", "PNG", "TIFF"])
def test_an_rgb_profile_of_grey_pixels_becomes_a_grey_one(format):
    icc = profile(Space(ADOBE.primaries, power(1.8)), 3)
    found = read_image(saved(GREY, format, icc_profile=icc))
    assert found.metadata.icc[16:20] == b"GRAY"
    assert np.abs(shown(found.pixels, found.metadata.icc).astype(int) - shown(GREY, GREY_ICC)).max() <= 1


def test_a_profile_for_other_colours_is_left_out_and_named():
    lab = bytearray(SRGB_ICC)
    lab[16:20] = b"CMYK"
    found = read_image(saved(FLAT, "PNG", icc_profile=bytes(lab)))
    assert found.metadata.icc is None
    assert found.left_out == ("colour profile, which is for other colours",)


def test_made_profiles_are_what_littlecms_takes_and_what_they_say():
    for channels, mode in ((1, "L"), (3, "RGB")):
        icc = ImageCms.ImageCmsProfile(io.BytesIO(profile(Space(ADOBE.primaries, SRGB_CURVE), channels) or GREY_ICC))
        assert icc.profile.xcolor_space.strip() == {"L": "GRAY", "RGB": "RGB"}[mode]
        assert icc.profile.version == pytest.approx(4.3)
    icc = profile(Space(SRGB, power(563 / 256)), 3)
    lit = synthetic() > 40
    assert np.abs(shown(synthetic(), icc).astype(int) - synthetic())[lit].max() <= 5  # there 2.2 is near sRGB


# ---- CMYK and Lab ---------------------------------------------------------------------------------------------------


def cmyk_profile() -> bytes:
    """A small CMYK profile: an A2B table of 2 samples an edge, the ideal mixture of inks."""
    ident = struct.pack(">9i", 65536, 0, 0, 0, 65536, 0, 0, 0, 65536)
    corners = np.stack(np.meshgrid(*[[0, 1]] * 4, indexing="ij"), -1).reshape(-1, 4)
    light = np.repeat(((1 - corners[:, :3]) * (1 - corners[:, 3:])).mean(1)[:, None], 3, 1)
    lab = np.column_stack([255 * light[:, 0], np.full(16, 128), np.full(16, 128)]).round().astype(np.uint8)
    ramps = bytes(range(256))
    table = struct.pack(">4sIBBBx", b"mft1", 0, 4, 3, 2) + ident + ramps * 4 + lab.tobytes() + ramps * 3
    head = struct.pack(">I4sI4s4s4s", 0, b"", 0x02400000, b"prtr", b"CMYK", b"Lab ").ljust(36, b"\0") + b"acsp"
    head = head.ljust(68, b"\0") + struct.pack(">3i", 63190, 65536, 54061)
    body = head.ljust(128, b"\0") + struct.pack(">I4sII", 1, b"A2B0", 144, len(table)) + table
    return struct.pack(">I", len(body)) + body[4:]


@pytest.mark.parametrize("format", ["JPEG", "TIFF"])
def test_cmyk_becomes_srgb_by_its_profile(format):
    pixels = np.zeros((16, 16, 4), np.uint8)
    pixels[:8, :, 3] = 255  # black ink above, paper below
    image = Image.frombytes("CMYK", (16, 16), pixels.tobytes())
    found = read_image(saved(image, format, icc_profile=cmyk_profile()))
    assert found.metadata.icc is None
    assert found.pixels.shape == (16, 16, 3)
    assert found.pixels[2, 2].max() < 20
    assert found.pixels[13, 13].min() > 245


@pytest.mark.parametrize(("icc", "message"), [(None, "without a profile"), (SRGB_ICC, "with a profile for others")])
def test_cmyk_without_its_profile_is_refused(icc, message):
    options = {} if icc is None else {"icc_profile": icc}
    with pytest.raises(EncodeError, match=f"CMYK colours {message}"):
        read_image(saved(Image.new("CMYK", (8, 8)), "JPEG", **options))


def test_lab_becomes_srgb():
    lab = Image.merge("LAB", [Image.new("L", (4, 4), value) for value in (255 * 54 // 100, 128, 128)])
    found = read_image(saved(lab, "TIFF"))
    assert np.abs(found.pixels.astype(int) - 128).max() <= 3
