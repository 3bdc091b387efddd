"""The kind of each tile: what costs less is taken, and photographs never pay for the question."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
from screens import mixed, photo, screen

import aecodec
from aecodec import container
from aecodec.codec import competition
from aecodec.codec.competition import Competition
from aecodec.codec.encoder import Encoder
from aecodec.codec.latents import Latents
from aecodec.exact import webp
from aecodec.exact.colours import COLOURS
from aecodec.exact.look import Look
from aecodec.families import by_name
from aecodec.pixels import psnr
from aecodec.settings import TUNINGS, Settings
from aecodec.system.parallel import Workers

WORKERS = Workers(1)


@pytest.fixture
def always_tried(monkeypatch):
    """Whatever the look says, with all colours."""
    monkeypatch.setattr(Look, "worth_trying", lambda *_: True)
    monkeypatch.setattr(Look, "flat", False)
    monkeypatch.setattr(Look, "palette_worth_trying", lambda *_: False)


class Point:
    """Decodes everything to one grey, so that the error of a tile is known."""

    model = SimpleNamespace(qindex=lambda quality: 10 * quality, max_qindex=1000)

    def __init__(self, lmbda: float, grey: int, qindex: int = 900):
        self.lmbda, self._grey, self.qindex = lmbda, grey, qindex

    def synthesis(self, y_hat: np.ndarray) -> np.ndarray:
        return np.full((16 * y_hat.shape[0], 16 * y_hat.shape[1], 3), self._grey, np.uint8)


def chosen(pixels: np.ndarray, learned: int, lmbda: float, weight: float = 1, grey: int = 246) -> list[bool]:
    """Which tiles are exact if each learned bitstream takes so many bytes."""
    height, width = pixels.shape[:2]
    y = np.zeros((-(-height // 16), -(-width // 16), 1), np.float32)
    strip = Latents.of(y)
    bitstreams = [bytes(learned)] * len(strip.tiles)
    tiles = Competition(pixels, 1, WORKERS).choose(strip, bitstreams, Point(lmbda, grey), weight)
    for tile, coded in zip(strip.tiles, tiles, strict=True):
        part = pixels[tile.pixels]
        assert coded.bitstream == (webp.encode(part, 1) if coded.exact else bytes(learned))
    return [coded.exact for coded in tiles]


@pytest.mark.usefixtures("always_tried")
def test_cost_decides():
    """lambda * squared error / 3 against the bits that an exact tile takes more, to one part in a hundred."""
    pixels, learned = screen(256, 256), 1000
    more_bits = 8 * (len(webp.encode(pixels, 1)) - learned) + competition._ENTRY
    squares = float(np.square(pixels.astype(float) - 246).sum())
    assert more_bits > 0
    even = 3 * more_bits / squares
    assert chosen(pixels, learned, 1.01 * even) == [True]
    assert chosen(pixels, learned, 0.99 * even) == [False]
    assert chosen(pixels, learned, 0.99 * even / 4, weight=4) == [False]
    assert chosen(pixels, learned, 1.01 * even / 4, weight=4) == [True]


@pytest.mark.usefixtures("always_tried")
def test_fewer_bytes_are_always_taken():
    pixels = screen(256, 256)
    size = len(webp.encode(pixels, 1))
    assert chosen(pixels, size + 10, lmbda=0) == [True]
    assert chosen(pixels, size - 10, lmbda=0) == [False]


def test_a_simple_image_is_coded_as_a_whole_although_palettes_make_its_tiles_small():
    """Small tiles take most of their bytes to begin."""
    sky = np.rint(np.linspace((80, 130, 200), (190, 215, 240), 1024)).astype(np.uint8)[:, None].repeat(1024, 1)
    lossless = len(aecodec.encode(sky, lossless=True, effort=0))
    assert len(aecodec.encode(sky, 15, effort=0)) <= lossless < 1300


def variant(pixels: np.ndarray, learned: int, point: Point) -> tuple[bool, int, float]:
    """Whether the one tile is exact, its bytes, its PSNR where it is."""
    y = np.zeros((16, 16, 1), np.float32)
    (coded,) = Competition(pixels, 1, WORKERS).choose(Latents.of(y), [bytes(learned)], point)
    value = psnr(pixels, webp.decode(coded.bitstream, 256, 256)) if coded.exact else 0
    return coded.exact, len(coded.bitstream), value


def test_a_palette_is_taken_where_it_costs_less_and_below_quality_75_only():
    """And from there on where all colours would lose against the learned bitstream."""
    pixels = screen(256, 256)
    whole = len(webp.encode(pixels, 1))
    exact, size, value = variant(pixels, whole + 100, Point(1e-4, 0, qindex=740))
    assert exact
    assert size < whole
    assert 25 < value < math.inf
    assert variant(pixels, whole + 100, Point(1e-4, 0, qindex=750)) == (True, whole, math.inf)
    for learned in (size + 100, size - 100):
        assert variant(pixels, learned, Point(1e-4, 0, qindex=750))[:2] == (True, size)
    assert variant(pixels, whole + 100, Point(100, 0, qindex=740)) == (True, whole, math.inf)  # an error costs too much


def test_infinity_makes_all_exact():
    pixels = np.random.default_rng(0).integers(0, 256, (300, 270, 3), np.uint8)
    assert chosen(pixels, 10, lmbda=0) == [False] * 4
    assert chosen(pixels, 10, lmbda=0, weight=math.inf) == [True] * 4


@pytest.mark.usefixtures("always_tried")
def test_tiles_are_chosen_each_for_itself():
    """The error is that of the tile's own pixels, wherever it lies in the image and in the strip."""
    pixels = np.full((300, 530, 3), 246, np.uint8)
    pixels[256:, 512:] = screen(44, 18)[..., ::-1]
    pixels[40:60, 300:400] = screen(20, 100)
    assert chosen(pixels, 20, lmbda=0.05) == [False, True, False, False, False, True]


def test_a_tile_is_tried_once(monkeypatch):
    """With all its colours and with each number of them that the search comes by."""
    counted = []
    real = webp.encode
    monkeypatch.setattr(webp, "encode", lambda *arguments: (counted.append(1), real(*arguments))[1])
    pixels = screen(256, 512)
    y = np.zeros((16, 32, 1), np.float32)
    contest = Competition(pixels, 1, WORKERS)
    contest.choose(Latents.of(y), [bytes(3000)] * 2, Point(0.01, 0, qindex=500))
    first = len(counted)
    contest.choose(Latents.of(y), [bytes(3000)] * 2, Point(0.01, 0, qindex=500))
    assert 2 < first == len(counted) < 2 * len(COLOURS)


def test_the_whole_image_is_tried_only_where_it_may_be_smaller():
    pixels = screen(256, 512)
    y = np.zeros((16, 32, 1), np.float32)
    contest = Competition(pixels, 1, WORKERS)
    assert contest.smaller(10**9) is None  # no tile has been tried
    contest.choose(Latents.of(y), [bytes(3000)] * 2, Point(1, 0))
    assert contest.smaller(100) is None
    layout = contest.smaller(10**9)
    assert layout.size <= sum(len(webp.encode(pixels[:, x : x + 256], 1)) for x in (0, 256)) + 2 * 7


# With the model that users have


@pytest.mark.parametrize("quality", [10, 75, 100])
@pytest.mark.parametrize("name", ["kodim05", "kodim15", "kodim20"])
def test_photographs_are_what_they_are_without_it(monkeypatch, name, quality):
    image = photo(name=name)
    data = aecodec.encode(image, quality)
    assert aecodec.read_info(data).version == 1
    monkeypatch.setattr(Look, "worth_trying", lambda *_: False)
    assert aecodec.encode(image, quality) == data


def test_flat_graphics_never_take_more_bytes_than_without_loss():
    for image in (screen(), np.full((300, 400, 3), 90, np.uint8), np.kron(np.eye(40), np.ones((9, 9))) * 255):
        image = image.astype(np.uint8)
        most = len(aecodec.encode(image, lossless=True)) + 8
        assert [quality for quality in (10, 50, 75, 100) if len(aecodec.encode(image, quality)) > most] == []


def test_text_is_exact_from_the_usual_quality_on():
    image = screen(400, 500)
    np.testing.assert_array_equal(aecodec.decode(aecodec.encode(image)), image)


def test_mixed_images_have_both_kinds(mixed_file):
    image, file = mixed(), container.read(mixed_file)
    assert 0 < len(file.exact) < file.header.tile_count
    assert file.header.model == by_name("photo").id
    decoded = aecodec.decode(mixed_file)
    for number in file.exact:
        x, y, width, height = file.header.tile_area(number)
        area = np.s_[y : y + height, x : x + width]
        np.testing.assert_array_equal(decoded[area], webp.decode(file.tiles[number], height, width))
        assert psnr(decoded[area], image[area]) > 33
    assert 0 not in file.exact


@pytest.mark.parametrize("tune", TUNINGS)
@pytest.mark.parametrize("quality", [20, 75])
def test_the_encoder_decodes_what_the_decoder_does(quality, tune):
    image, model = mixed(300, 600), by_name("photo")
    qindex = model.qindex(quality)
    with Workers(2) as workers:
        encoder = Encoder(image, Settings(tune=tune), model, workers)
        y_hat = np.empty_like(encoder.latents.y)
        tiles = encoder.encode(qindex, y_hat)
        assert len({coded.exact for coded in tiles}) == 2
        found = encoder.decode(tiles, y_hat, qindex)
    decoded = aecodec.decode(aecodec.encode(image, quality, tune=tune))
    assert np.abs(found.astype(int) - decoded).max() <= 1
    assert psnr(found, decoded) > 60


def test_effort_and_metadata_reach_exact_files_too():
    metadata = aecodec.Metadata(xmp=b"<x/>")
    data = aecodec.encode(screen(), metadata=metadata, effort=3)
    assert aecodec.read_info(data).model == "exact"
    assert aecodec.read_metadata(data) == metadata


def test_nothing_is_tried_that_the_look_rules_out(monkeypatch):
    monkeypatch.setattr(webp, "encode", lambda *_: pytest.fail("tried"))
    monkeypatch.setattr(Look, "worth_trying", lambda *_: False)
    y = np.zeros((16, 16, 1), np.float32)
    tiles = Competition(screen(), 1, WORKERS).choose(Latents.of(y), [b"x"], Point(1, 0))
    assert tiles == [(b"x", False)]
