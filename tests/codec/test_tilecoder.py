"""Tiles by themselves, with the small model: what is encoded, reconstructed, estimated and decoded belongs together."""

import numpy as np
import pytest
from mirrored import picture

from aecodec.codec import tilecoder
from aecodec.codec.latents import Latents
from aecodec.codec.tilecoder import CodedTile, TileCoder
from aecodec.errors import CorruptError
from aecodec.families import by_name
from aecodec.geometry import Tile
from aecodec.model.point import QualityPoint
from aecodec.system.parallel import Workers

pytestmark = pytest.mark.usefixtures("tiny_weights")


@pytest.fixture(params=[1, 3])
def coder(tiny_weights, request):
    model = by_name("tiny")
    with Workers(request.param) as workers:
        yield TileCoder(QualityPoint(model, model.qindex(70)), workers)


@pytest.fixture
def latents(coder) -> Latents:
    y = np.random.default_rng(4).normal(0, 0.3, (35, 41, coder.model.latent)).astype(np.float32)
    return Latents.of(y)


def coded_tiles(latents: Latents, bitstreams: list[bytes]) -> list[CodedTile]:
    return list(map(CodedTile, range(len(latents.tiles)), latents.tiles, bitstreams))


def whole(latents: Latents) -> Tile:
    return Tile(0, 0, *latents.y.shape[:2])


def test_decoding_gives_what_the_encoder_reconstructs(coder, latents):
    encoded, reconstructed = np.full_like(latents.y, np.nan), np.full_like(latents.y, np.nan)
    bitstreams = coder.encode(latents, encoded)
    coder.reconstruct(latents, reconstructed)
    decoded = coder.decode(coded_tiles(latents, bitstreams), whole(latents))
    np.testing.assert_array_equal(decoded, encoded)
    np.testing.assert_array_equal(decoded, reconstructed)
    assert bitstreams == coder.encode(latents)
    assert np.abs(decoded - latents.y).mean() < np.abs(latents.y).mean() / 2


def test_parsing_gives_the_symbols_that_were_encoded(coder, latents):
    symbols = list(coder.symbols(latents))
    parsed = list(coder.parse(coded_tiles(latents, coder.encode(latents))))
    assert len(symbols) == len(parsed) == 9
    for ours, theirs, tile in zip(symbols, parsed, latents.tiles, strict=True):
        for a, b in zip(ours, theirs, strict=True):
            np.testing.assert_array_equal(a, b)
        for array, rows, columns in ((ours.z, *tile.hyper), (ours.indexes, *tile[2:]), (ours.r, *tile[2:])):
            assert not array[rows:].any()
            assert not array[:, columns:].any()
            assert array.any()


def test_a_tile_depends_on_no_other(coder, latents):
    bitstreams = coder.encode(latents)
    for number, tile in enumerate(latents.tiles):
        alone = Latents.of(latents.y[tile.inside])
        assert coder.encode(alone) == [bitstreams[number]]
    assert coder.encode(latents.select([7, 2])) == [bitstreams[7], bitstreams[2]]


@pytest.mark.parametrize("window", [Tile(0, 0, 1, 1), Tile(15, 15, 2, 2), Tile(3, 17, 30, 9), Tile(34, 40, 1, 1)])
def test_a_window_needs_only_the_tiles_that_it_meets(coder, latents, window):
    tiles = coded_tiles(latents, coder.encode(latents))
    decoded = coder.decode([coded for coded in tiles if coded.tile.meets(window)], window)
    np.testing.assert_array_equal(decoded, coder.decode(tiles, whole(latents))[window.inside])


@pytest.mark.parametrize("window", [Tile(0, 0, 35, 41), Tile(3, 17, 30, 9), Tile(15, 15, 2, 2)])
def test_rows_are_the_whole(coder, latents, window, monkeypatch):
    tiles = coded_tiles(latents, coder.encode(latents))
    monkeypatch.setattr(tilecoder, "BATCH", 1)
    blocks = list(coder.decode_rows(tiles, window))
    assert sum(map(len, blocks)) == window.height
    if coder.workers.count == 1:
        assert max(map(len, blocks)) <= 2 * 16
    met = [coded for coded in tiles if coded.tile.meets(window)]
    np.testing.assert_array_equal(np.concatenate(blocks), coder.decode(met, window))


def test_hyperpriors_that_are_given_are_coded(coder, latents):
    """As refinement does, which changes y and not its hyperprior."""
    hyper = coder.hyper(latents)
    changed = Latents(latents.y + np.float32(0.3), latents.tiles, hyper)
    for (z, index), symbols, plain in zip(hyper, coder.symbols(changed), coder.symbols(latents), strict=True):
        np.testing.assert_array_equal(symbols.z, z)
        np.testing.assert_array_equal(symbols.indexes, index)
        assert (symbols.r != plain.r).any()
    decoded = coder.decode(coded_tiles(changed, coder.encode(changed)), whole(changed))
    assert np.abs(decoded - changed.y).mean() < np.abs(decoded - latents.y).mean()


def test_the_estimate_is_near_the_bytes(coder):
    latents = Latents.of(coder.model.analysis(picture(3, 320, 480)))
    assert coder.estimate(latents) == pytest.approx(sum(map(len, coder.encode(latents))), rel=0.3)


def test_residuals_beyond_the_escape_code_are_clipped(coder, latents, monkeypatch):
    monkeypatch.setattr(tilecoder, "RESIDUAL_MAX", 1)
    encoded = np.empty_like(latents.y)
    tiles = coded_tiles(latents, coder.encode(latents, encoded))
    assert max(np.abs(symbols.r).max() for symbols in coder.parse(tiles)) == 1
    np.testing.assert_allclose(coder.decode(tiles, whole(latents)), encoded, atol=1e-5)


def test_an_error_has_the_number_of_its_tile(coder, latents):
    tiles = coded_tiles(latents, coder.encode(latents))
    tiles[5] = tiles[5]._replace(number=77, bitstream=tiles[5].bitstream + b"\1" * 9)
    with pytest.raises(CorruptError, match=r"^tile 77: bitstream: symbols end before the data does$"):
        coder.decode(tiles, whole(latents))
