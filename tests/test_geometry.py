"""Geometry: what covers what, exactly once."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aecodec import geometry
from aecodec.codec import transforms
from aecodec.geometry import Tile


@st.composite
def coverings(draw):
    """length, window, halo with room for something between the halos."""
    halo = draw(st.integers(0, 6))
    return draw(st.integers(1, 300)), draw(st.integers(2 * halo + 1, 2 * halo + 70)), halo


@given(coverings())
def test_spans_cover_a_line_once_and_keep_their_halo(covering):
    length, window, halo = covering
    found = geometry.spans(length, window, halo)
    kept = [at for span in found for at in range(span.keep_start, span.keep_stop)]
    assert kept == list(range(length))
    for start, stop, keep_start, keep_stop in found:
        assert 0 <= start <= keep_start < keep_stop <= stop <= length
        assert stop - start == min(window, length)
        assert start == 0 or keep_start - start >= halo
        assert stop == length or stop - keep_stop >= halo


@given(coverings())
def test_spans_waste_nothing(covering):
    """No more windows than their steps need; only the last one is slid back."""
    length, window, halo = covering
    found = geometry.spans(length, window, halo)
    assert len(found) == (1 if length <= window else -(-(length - 2 * halo) // (window - 2 * halo)))
    starts = [span.start for span in found]
    assert starts[:-1] == [n * (window - 2 * halo) for n in range(len(found) - 1)]


@settings(max_examples=30)
@given(st.integers(1, 60), st.integers(1, 60), st.integers(9, 20), st.integers(0, 4))
def test_windows_cover_a_plane_once(height, width, window, halo):
    count = np.zeros((height, width), int)
    for rows, columns in geometry.windows((height, width), window, halo):
        count[rows.keep_start : rows.keep_stop, columns.keep_start : columns.keep_stop] += 1
    assert (count == 1).all()


@given(st.integers(1, 90), st.integers(1, 90), st.integers(5, 40), st.integers(0, 2))
def test_windows_come_in_rows(height, width, window, halo):
    rows = list(geometry.window_rows((height, width), window, halo))
    down, across = (geometry.spans(edge, geometry.fitted(edge, window, halo), halo) for edge in (height, width))
    assert rows == [[geometry.Window(row, column) for column in across] for row in down]
    for row, following in pairwise(rows):
        assert row[0].rows.keep_stop == following[0].rows.keep_start


@given(st.lists(st.integers(1, 20), min_size=1, max_size=8), st.data())
def test_blocks_are_cut_into_others(sizes, data):
    whole = np.arange(2 * sum(sizes)).reshape(-1, 2)
    ends = st.lists(st.integers(0, len(whole)), min_size=1, max_size=6).map(sorted)
    starts, stops = data.draw(ends), data.draw(ends)
    cuts = [slice(start, stop) for start, stop in zip(starts, stops, strict=False) if start < stop]
    blocks = np.split(whole, np.cumsum(sizes)[:-1])
    for cut, strip in zip(cuts, geometry.recut(blocks, cuts), strict=True):
        assert strip.top == cut.start
        np.testing.assert_array_equal(np.concatenate(strip.pieces), whole[cut])


@given(st.lists(st.integers(1, 6), min_size=1, max_size=8), st.data())
def test_windows_of_strips(sizes, data):
    """Cut out and put back, whatever the pieces are."""
    plane = np.arange(sum(sizes) * 7 * 2).reshape(-1, 7, 2)
    top = data.draw(st.integers(0, 3))
    strip = geometry.Strip(top, [piece.copy() for piece in np.split(plane, np.cumsum(sizes)[:-1])])

    def span(length: int, first: int) -> geometry.Span:
        ends = data.draw(st.lists(st.integers(0, length), min_size=2, max_size=2, unique=True).map(sorted))
        return geometry.Span.around(first + ends[0], first + ends[1], data.draw(st.integers(0, 2)), first + length)

    rows, columns = span(len(plane), top), span(7, 0)
    rows = rows._replace(start=max(rows.start, top))
    window = geometry.Window(rows, columns)
    np.testing.assert_array_equal(strip.cut(window), plane[rows.start - top : rows.stop - top, columns.cut()])
    where = np.random.default_rng(len(plane)).random((top + len(plane), 7)) < 0.5
    position = np.s_[rows.keep_start - top : rows.keep_stop - top, columns.kept()]
    strip.put(window, -plane[position], where)
    expected = plane.copy()
    expected[position] *= np.where(where[top:][position], -1, 1)[..., None]
    np.testing.assert_array_equal(np.concatenate(strip.pieces), expected)


@pytest.mark.parametrize("halo", range(transforms.HALO + 1))
def test_rows_of_windows_of_the_codec_are_higher_than_any_halo(halo):
    """As the decoder needs them beside exact tiles; the last row may be lower."""
    for length in range(1, 2000):
        for row in geometry.spans(length, geometry.fitted(length, transforms.WINDOW, halo), halo)[:-1]:
            assert row.keep_stop - row.keep_start >= transforms.HALO


@settings(max_examples=60)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 4), st.data())
def test_pad_window_repeats_the_edge(height, width, channels, draw):
    """A window over the picture padded to multiples of 16, cut out of np.pad of the whole."""
    image = np.random.default_rng(height * 41 + width).integers(0, 256, (height, width, channels), np.uint8)
    whole = np.pad(image, ((0, -height % 16), (0, -width % 16), (0, 0)), mode="edge")
    cuts = []
    for edge in whole.shape[:2]:
        start = draw.draw(st.integers(0, edge // 16 - 1))
        cuts.append(slice(16 * start, 16 * draw.draw(st.integers(start + 1, edge // 16))))
    found = geometry.pad_window(image, *cuts)
    np.testing.assert_array_equal(found, whole[cuts[0], cuts[1]])
    assert found.flags.c_contiguous
    assert found.dtype == np.uint8


SIZES = {
    (1, 1): [(0, 0, 1, 1, 1, 1)],
    (17, 33): [(0, 0, 2, 3, 1, 1)],
    (33, 17): [(0, 0, 3, 2, 1, 1)],
    (64, 65): [(0, 0, 4, 5, 1, 2)],
    (255, 255): [(0, 0, 16, 16, 4, 4)],
    (256, 256): [(0, 0, 16, 16, 4, 4)],
    (240, 241): [(0, 0, 15, 16, 4, 4)],
    (256, 257): [(0, 0, 16, 16, 4, 4), (0, 16, 16, 1, 4, 1)],
    (257, 255): [(0, 0, 16, 16, 4, 4), (16, 0, 1, 16, 1, 4)],
    (272, 272): [(0, 0, 16, 16, 4, 4), (0, 16, 16, 1, 4, 1), (16, 0, 1, 16, 1, 4), (16, 16, 1, 1, 1, 1)],
    (273, 512): [(0, 0, 16, 16, 4, 4), (0, 16, 16, 16, 4, 4), (16, 0, 2, 16, 1, 4), (16, 16, 2, 16, 1, 4)],
    (1, 600): [(0, 0, 1, 16, 1, 4), (0, 16, 1, 16, 1, 4), (0, 32, 1, 6, 1, 2)],
}


@pytest.mark.parametrize("size", SIZES)
def test_tiles_of_a_picture(size):
    """Place and size in latents, then rows and columns of hyper-latents."""
    assert [(*tile, *tile.hyper) for tile in geometry.tiles(*size)] == SIZES[size]


@given(st.integers(1, 1000), st.integers(1, 1000))
def test_tiles_cover_the_latents_once(height, width):
    count = np.zeros((-(-height // 16), -(-width // 16)), int)
    found = geometry.tiles(height, width)
    for tile in found:
        assert count[tile.inside].shape == (tile.height, tile.width)
        count[tile.inside] += 1
    assert (count == 1).all()
    assert len(found) == -(-height // 256) * -(-width // 256)
    assert found == sorted(found)


def test_inside():
    assert Tile(16, 32, 3, 5).inside == (slice(16, 19), slice(32, 37))


@pytest.mark.parametrize(("pixels", "latents"), [(1, 1), (16, 1), (17, 2), (255, 16), (256, 16), (257, 17)])
def test_latent_size(pixels, latents):
    assert geometry.latent_size(pixels) == latents


@settings(max_examples=30)
@given(st.integers(1, 60), st.integers(1, 60), st.integers(9, 20), st.sampled_from([(1, 1), (1, 4), (4, 1)]))
def test_what_windows_cut_and_paste_is_the_whole(height, width, size, scales):
    """Between planes of two scales, of which the larger one ends within the last element of the smaller one."""
    fine, out_fine = scales
    plane = np.random.default_rng(height).integers(0, 256, (height, width, 2), np.uint8)

    def scaled(scale: int) -> np.ndarray:
        return plane.repeat(scale, 0).repeat(scale, 1)[: scale * height - scale // 2, : scale * width - scale // 2]

    source, expected = scaled(fine), scaled(out_fine)
    out = np.zeros_like(expected)
    for window in geometry.windows((height, width), size, halo=4):
        cut = window.cut(source, fine)
        assert {cut.shape[0] % fine, cut.shape[1] % fine} == {0}
        window.paste(cut[::fine, ::fine].repeat(out_fine, 0).repeat(out_fine, 1), out, out_fine)
    np.testing.assert_array_equal(out, expected)


@given(st.lists(st.integers(0, 12), min_size=8, max_size=8))
def test_pasting_a_tile_into_a_window(numbers):
    tile, window = (Tile(top, left, 1 + height, 1 + width) for top, left, height, width in (numbers[:4], numbers[4:]))
    plane = np.arange(1, 901).reshape(30, 30)
    out = np.zeros((window.height, window.width), int)
    if not tile.meets(window):
        return
    tile.paste(plane[tile.inside], window, out)
    expected = np.zeros_like(plane)
    expected[tile.inside] = plane[tile.inside]
    np.testing.assert_array_equal(out, expected[window.inside])


def test_crops_of_arrays_of_a_whole_tile():
    tile = Tile(16, 32, 3, 5)
    assert np.zeros((16, 16, 7))[tile.crop].shape == (3, 5, 7)
    assert np.zeros((4, 4, 2))[tile.hyper_crop].shape == (1, 2, 2)
    assert tile.pixels == (slice(256, 304), slice(512, 592))
