"""The bitstream of an exact tile: pixels come back, and anything else is refused in one line, for next to no memory."""

import io
import tracemalloc
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image, features
from screens import photo, screen

from aecodec.errors import CorruptError, UnsupportedError
from aecodec.exact import webp

HEIGHT, WIDTH = 21, 34


def picture(channels: int) -> np.ndarray:
    pixels = np.dstack([photo(HEIGHT, WIDTH), screen(HEIGHT, WIDTH)[..., :1]])
    pixels[3:9, 5:20, 3] = 0  # colours that alpha hides
    return np.ascontiguousarray(pixels[..., :channels])


def file_of(pixels: np.ndarray, **options) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "WEBP", **options)
    return file.getvalue()


def refused(data: bytes, height: int = HEIGHT, width: int = WIDTH, alpha: bool = False) -> str:
    """The message, of one line, of a refusal that takes less than a MiB."""
    tracemalloc.start()
    try:
        with pytest.raises(CorruptError, match=r"^exact: ") as error:
            webp.decode(data, height, width, alpha)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()
    assert str(error.value).isprintable()
    return str(error.value)


@pytest.mark.parametrize("effort", [0, 1, 4, 9])
@pytest.mark.parametrize("channels", [3, 4])
def test_pixels_come_back_bit_for_bit(channels, effort):
    pixels = picture(channels)
    data = webp.encode(pixels, effort)
    found = webp.decode(data, HEIGHT, WIDTH, channels == 4)
    np.testing.assert_array_equal(found, pixels)
    assert found.shape == pixels.shape


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 1), (257, 511)])
def test_sizes(size):
    pixels = screen(*size)
    np.testing.assert_array_equal(webp.decode(webp.encode(pixels, 1), *size), pixels)


def test_a_bitstream_is_what_a_webp_file_holds():
    """And Pillow reads it in a container of 20 bytes that another program wrote."""
    pixels = picture(3)
    file = file_of(pixels, lossless=True, exact=True, method=4, quality=90)
    data = webp.encode(pixels, 1)
    assert file[20 : 20 + len(data)] == data
    assert file[12:20] == b"VP8L" + len(data).to_bytes(4, "little")


def test_opaque_pixels_where_alpha_may_be():
    pixels = picture(3)
    found = webp.decode(webp.encode(pixels, 1), HEIGHT, WIDTH, True)
    assert (found[..., 3] == 255).all()
    np.testing.assert_array_equal(found[..., :3], pixels)


def test_a_view_is_decoded_as_bytes_are():
    data = webp.encode(picture(3), 1)
    np.testing.assert_array_equal(webp.decode(memoryview(b"ab" + data)[2:], HEIGHT, WIDTH), picture(3))


# What is refused


@pytest.mark.parametrize("channels", [3, 4])
def test_every_truncation_is_refused(channels):
    """But for the last byte, which may hold nothing but filling."""
    data = webp.encode(picture(channels), 1)
    for size in range(len(data) - 1):
        refused(data[:size], alpha=channels == 4)


@pytest.mark.parametrize("size", [(HEIGHT, WIDTH + 1), (HEIGHT - 1, WIDTH), (WIDTH, HEIGHT), (1, 1), (16384, 16384)])
def test_another_size_is_refused(size):
    message = refused(webp.encode(picture(3), 1), *size)
    assert message == f"exact: {WIDTH}x{HEIGHT} pixels, expected {size[1]}x{size[0]}"


def test_alpha_where_none_may_be_is_refused():
    data = webp.encode(picture(4), 1)
    assert refused(data).endswith("expected lossless WebP without alpha")
    assert refused(data[:4] + bytes([data[4] | 0x20]) + data[5:], alpha=True).endswith("expected lossless WebP")


def test_other_kinds_of_webp_are_refused():
    """Lossy ones, animations, whole files; from the first byte and as a WebP file holds them."""
    rgb, other = Image.fromarray(picture(3)), Image.fromarray(255 - picture(3))
    animation = io.BytesIO()
    rgb.save(animation, "WEBP", save_all=True, append_images=[other], lossless=True)
    files = [file_of(picture(3)), animation.getvalue(), file_of(picture(3), lossless=True), file_of(picture(4))]
    for file in files:
        for start in (0, 8, 12, 20 if file is not files[2] else 0):
            refused(file[start:])


@pytest.mark.parametrize("rest", [b"", b"\0" * 9, b"\xff" * 999, bytes(range(256)) * 4, b"RIFF"])
def test_garbage_behind_a_right_head_is_refused_or_has_the_size(rest):
    """What decodes to pixels is as good as any other; nothing else may come of it."""
    head = webp.encode(picture(3), 1)[:5]
    try:
        assert webp.decode(head + rest, HEIGHT, WIDTH).shape == (HEIGHT, WIDTH, 3)
    except CorruptError:
        refused(head + rest)


def test_a_head_that_claims_the_largest_size_allocates_nothing():
    """16384x16384 pixels, which would be a GiB, in a tile of 256x256."""
    assert refused(b"\x2f\xff\xff\xff\x0f" + b"\0" * 50, 256, 256) == "exact: 16384x16384 pixels, expected 256x256"


def test_a_tile_wider_than_the_format_has_them_is_refused():
    data = webp.encode(np.zeros((1, 16383, 3), np.uint8), 1)
    wider = data[:1] + (int.from_bytes(data[1:5], "little") + 1).to_bytes(4, "little") + data[5:]
    assert refused(wider, 1, 16384) == "exact: 16384x1 pixels, expected at most 16383 along an edge"


def test_pillows_limit_is_not_that_of_tiles(monkeypatch):
    pixels = picture(3)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    np.testing.assert_array_equal(webp.decode(webp.encode(pixels, 1), HEIGHT, WIDTH), pixels)
    assert Image.MAX_IMAGE_PIXELS == 10


def test_threads_leave_the_filters_of_warnings_as_they_were():
    data, before = webp.encode(picture(3), 1), list(warnings.filters)
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda _: webp.decode(data, HEIGHT, WIDTH), range(300)))
    assert warnings.filters == before


def test_a_pillow_without_webp_says_so(monkeypatch):
    monkeypatch.setattr(features, "check", lambda feature: feature != "webp")
    with pytest.raises(UnsupportedError, match=r"^exact: this installation of Pillow has no WebP, expected one"):
        webp.decode(webp.encode(picture(3), 1), HEIGHT, WIDTH)


def test_memory_that_runs_out_is_not_damage(monkeypatch):
    def no_memory(*arguments, **options):
        raise MemoryError

    monkeypatch.setattr(Image, "open", no_memory)
    with pytest.raises(MemoryError):
        webp.decode(webp.encode(picture(3), 1), HEIGHT, WIDTH)
