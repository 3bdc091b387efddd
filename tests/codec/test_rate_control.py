"""Rate control with an encoder that is made up: files and PSNRs follow curves, no network runs."""

import contextlib
import math
from types import SimpleNamespace

import numpy as np
import pytest

from aecodec import container
from aecodec.codec import rate_control
from aecodec.codec.competition import Coded, Competition
from aecodec.codec.envelope import Envelope
from aecodec.codec.latents import Latents
from aecodec.codec.rate_control import EXCESS, USED, PsnrControl, SizeControl
from aecodec.container import Chunk, Header
from aecodec.errors import EncodeError
from aecodec.exact.layout import Layout
from aecodec.geometry import Tile
from aecodec.pixels import psnr, psnr_of
from aecodec.settings import Target
from aecodec.system.parallel import Workers

LAST = 2048
M = 4


class Point:
    """y_hat is error in levels: what it decodes to is the image, here mid-grey, and so much more."""

    def __init__(self, qindex: int):
        self.qindex, self.gain = qindex, np.full(M, 2 ** (qindex / 300), np.float32)

    def synthesis(self, y_hat: np.ndarray) -> np.ndarray:
        error = y_hat[..., :1].repeat(16, 0).repeat(16, 1)
        return np.clip(np.rint(128 + error * np.float32([1, 1, 1])), 0, 255).astype(np.uint8)


class Kinds:
    """whole: the image in exact tiles, where that was tried; large: otherwise."""

    _learned = ()
    learned_but = Competition.learned_but

    def __init__(self, whole: Layout | None, large: Layout):
        self.smaller, self.whole = lambda size: whole, whole or large


class Encoder:
    """bytes_of(qindex): of each learned tile; error_of(qindex): in levels. Tile n is exact from weight 4^(n + 1) on.

    whole: the image in exact tiles, where that was tried. exact_from: the qindex from which on all tiles but the first
    are exact at any weight.
    """

    def __init__(
        self,
        size,
        bytes_of=lambda q: 8 + q,
        error_of=lambda q: 60 * 2 ** (-q / 400),
        effort=1,
        whole: Layout | None = None,
        exact_from: int = LAST + 1,
    ):
        height, width = size
        self.pixels = np.full((height, width, 3), 128, np.uint8)
        y = np.random.default_rng(0).normal(0, 1, (-(-height // 16), -(-width // 16), M)).astype(np.float32)
        self.gains = np.array([Point(qindex).gain for qindex in range(0, LAST + 1, 256)])
        self.latents, self.effort, self.workers = Latents.of(y), effort, Workers(1)
        self.model = SimpleNamespace(
            last_knot=LAST // 256,
            max_qindex=LAST,
            latent=M,
            psnr_prior=None,
            qindex=lambda quality: round(quality * 20),
        )
        self.competition = Kinds(whole, Layout(max(size), [bytes(10**6)]))
        self._exact_from = exact_from
        self._bytes_of, self._error_of = bytes_of, error_of
        self.encoded, self.reconstructed, self.sampled = [], [], []

    def encode(self, qindex: int, out: np.ndarray | None = None, weight: float = 1) -> list[Coded]:
        self.encoded.append(qindex)
        if out is not None:
            self._decode(qindex, out)
        learned = Coded(b"\1" * int(self._bytes_of(qindex)))

        def exact(number: int, tile: Tile) -> bool:
            costs_less = 4 ** (number + 1) <= weight or (number > 0 and qindex >= self._exact_from)
            return costs_less and tile not in self.competition._learned

        return [Coded(b"\2" * 9999, True) if exact(*one) else learned for one in enumerate(self.latents.tiles)]

    def decode(self, tiles: list[Coded], y_hat: np.ndarray, qindex: int) -> np.ndarray:
        height, width, _ = self.pixels.shape
        decoded = Point(qindex).synthesis(y_hat)[:height, :width]
        for tile, coded in zip(self.latents.tiles, tiles, strict=True):
            if coded.exact:
                decoded[tile.pixels] = self.pixels[tile.pixels]
        return decoded

    def reconstruct(self, qindex: int, out: np.ndarray) -> None:
        self.reconstructed.append(qindex)
        self._decode(qindex, out)

    def _decode(self, qindex: int, out: np.ndarray) -> None:
        """Errors between two levels by giving some latents one more."""
        error = self._error_of(qindex)
        share = error**2 % 1 if error < 1 else error % 1
        rng = np.random.default_rng(1)
        out[:] = (int(error) + (rng.random(out.shape[:2]) < share))[..., None]

    def at(self, qindex: int) -> Point:
        return Point(qindex)

    def estimate(self, qindex: int, tiles) -> float:
        self.sampled.append(len(tiles))
        return len(tiles) * self._bytes_of(qindex) * 0.93

    def sample(self, tiles) -> "Encoder":
        part = Encoder((256, 256 * len(tiles)), self._bytes_of, self._error_of)
        part.reconstructed = self.sampled
        return part


def envelope(encoder: Encoder, channels: int = 3, chunks=()) -> Envelope:
    height, width, _ = encoder.pixels.shape
    return Envelope(Header(1, width, height, channels, 0, 256), chunks)


def decoded(encoder: Encoder, data: bytes) -> np.ndarray:
    header = container.read(data).header
    y_hat = np.empty_like(encoder.latents.y)
    encoder._decode(header.quality, y_hat)
    return Point(0).synthesis(y_hat)[: header.height, : header.width]


# Size


@pytest.mark.parametrize("size", [(100, 120), (300, 700), (1100, 1300)])
@pytest.mark.parametrize("bytes_of", [lambda q: 200 + q, lambda q: 300 * 2 ** (q / 500), lambda q: 200 + q**1.3])
def test_sizes_are_used_and_never_exceeded(size, bytes_of):
    encoder = Encoder(size, bytes_of)
    count = len(encoder.latents.tiles)
    for fraction in (0.1, 0.35, 0.7, 0.95):
        limit = round(count * bytes_of(fraction * LAST)) + 31 + 6 * count
        encoder.encoded.clear()
        data = rate_control.encode(encoder, envelope(encoder), Target(size=limit))
        assert USED * limit <= len(data) <= limit
        assert len(encoder.encoded) <= 8


def test_bits_per_pixel_are_those_of_the_whole_file():
    encoder = Encoder((512, 512), lambda q: 200 + q)
    chunks = [Chunk(b"xmp ", bytes(1000))]
    data = rate_control.encode(encoder, envelope(encoder, 3, chunks), Target(bpp=0.2))
    assert 0.97 * 0.2 <= 8 * len(data) / 512**2 <= 0.2


def test_many_tiles_are_estimated_by_a_sample():
    encoder = Encoder((1100, 1300))
    SizeControl(encoder, envelope(encoder), 20_000).run()
    assert set(encoder.sampled) == {12}
    encoder = Encoder((300, 300))
    SizeControl(encoder, envelope(encoder), 2000).run()
    assert set(encoder.sampled) == {4}


def test_a_size_that_is_too_small_says_which_is_not():
    encoder = Encoder((100, 100), lambda q: 500 + q)
    smallest = len(envelope(encoder).file(0, encoder.encode(0)))
    with pytest.raises(EncodeError) as error:
        SizeControl(encoder, envelope(encoder), smallest - 1).run()
    bpp = math.ceil(80000 * smallest / 100**2) / 10000
    expected = f"target size: {smallest - 1} bytes, expected at least {smallest} bytes or {bpp:.4f} bpp"
    assert str(error.value) == expected
    assert len(SizeControl(encoder, envelope(encoder), smallest).run()) == smallest


def test_a_size_that_is_never_used_up_gives_the_largest_file():
    encoder = Encoder((100, 100))
    assert container.read(SizeControl(encoder, envelope(encoder), 10**30).run()).header.quality == LAST


def test_tiles_stay_learned_that_would_take_too_much_as_exact_ones():
    encoder = Encoder((300, 300), exact_from=700)
    size = 4 * 1200
    data = SizeControl(encoder, envelope(encoder), size).run()
    assert USED * size <= len(data) <= size
    assert container.read(data).header.quality > 700
    assert container.read(data).exact == set()
    assert encoder.competition._learned == ()


def test_tiles_stay_learned_where_as_exact_ones_they_never_fit():
    """From the lowest quality on they would be exact; the first tile alone is not."""
    encoder = Encoder((300, 300), exact_from=0)
    data = SizeControl(encoder, envelope(encoder), 4 * 1200).run()
    assert USED * 4 * 1200 <= len(data) <= 4 * 1200
    with pytest.raises(EncodeError, match="expected at least") as error:
        SizeControl(encoder, envelope(encoder), 20).run()
    assert int(str(error.value).split("at least ")[1].split()[0]) < 200


def test_sizes_that_do_not_rise_are_never_exceeded():
    encoder = Encoder((100, 100), lambda q: 1000 + 700 * math.sin(q / 40))
    for limit in range(400, 1800, 60):
        with contextlib.suppress(EncodeError):
            assert len(SizeControl(encoder, envelope(encoder), limit).run()) <= limit
    assert len(encoder.encoded) < 30 * 30


# PSNR


@pytest.mark.parametrize("size", [(300, 700), (1600, 1800)])
@pytest.mark.parametrize("effort", [0, 1])
def test_psnr_is_reached_and_hardly_passed(size, effort):
    encoder = Encoder(size, effort=effort)
    for target in (25, 31.4, 38):
        data = rate_control.encode(encoder, envelope(encoder), Target(psnr=target))
        assert target <= psnr(encoder.pixels, decoded(encoder, data)) <= target + EXCESS


def test_psnr_of_a_grey_image_is_that_of_its_luma():
    """The rounded weights of luma leave equal planes as they are."""
    encoder = Encoder((300, 300))
    data = PsnrControl(encoder, envelope(encoder, 1), 33).run()
    assert 33 <= psnr(encoder.pixels[..., 0], decoded(encoder, data)[..., 0]) <= 33.1


def test_many_tiles_are_sampled_first():
    encoder = Encoder((1600, 1800))
    PsnrControl(encoder, envelope(encoder), 33).run()
    assert 1 <= len(encoder.sampled) <= 2
    assert encoder.reconstructed == []
    assert len(encoder.encoded) <= 3


def test_tiles_stay_learned_that_would_pass_the_psnr_by_far_as_exact_ones():
    encoder = Encoder((300, 300), exact_from=700)
    target = psnr_of(int(encoder.pixels.size * 16.5**2), encoder.pixels.size)
    data = PsnrControl(encoder, envelope(encoder), target).run()
    assert target <= psnr(encoder.pixels, decoded(encoder, data)) <= target + EXCESS
    assert container.read(data).header.quality > 700
    assert container.read(data).exact == set()
    assert encoder.competition._learned == ()


def test_exact_tiles_stay_where_they_take_fewer_bytes():
    encoder = Encoder((300, 300), bytes_of=lambda q: 20_000, exact_from=700)
    data = PsnrControl(encoder, envelope(encoder), 25).run()
    assert len(container.read(data).exact) == 3


@pytest.mark.parametrize(("target", "exact"), [(21, 0), (22.5, 1), (24, 2), (27, 3), (60, 4), (1e6, 4)])
def test_what_quality_100_does_not_reach_takes_exact_tiles(target, exact):
    """As few of four as are enough; quality 100 alone has 21.4 dB."""
    encoder = Encoder((512, 512), error_of=lambda q: 30 - q / 250)
    file = container.read(PsnrControl(encoder, envelope(encoder), target).run())
    assert len(file.exact) == exact
    assert (file.header.model == 0) == (exact == 4)
    assert file.header.quality == LAST or exact in (0, 4)


def test_the_whole_image_in_exact_tiles_is_taken_where_it_is_smaller():
    whole = Layout(1024, [b"\2" * 700])
    for smaller, tile in ((True, 1024), (False, 256)):
        encoder = Encoder((300, 300), bytes_of=lambda q, n=500 if smaller else 100: n, whole=whole)
        for target in (Target(quality=50), Target(size=2500), Target(psnr=20)):
            header = container.read(rate_control.encode(encoder, envelope(encoder), target)).header
            assert (header.tile, header.model) == (tile, 0 if smaller else 1)


def test_an_image_without_error_ends_the_search():
    encoder = Encoder((300, 300), error_of=lambda q: 0)
    assert (decoded(encoder, PsnrControl(encoder, envelope(encoder), 40).run()) == encoder.pixels).all()
    assert len(encoder.encoded) < 30


# Quality


@pytest.mark.parametrize(("target", "qindex"), [(Target(), 1500), (Target(quality=20.2), 404)])
def test_a_quality_is_encoded_once(target, qindex):
    encoder = Encoder((300, 300))
    data = rate_control.encode(encoder, envelope(encoder), target)
    assert encoder.encoded == [qindex]
    assert container.read(data).header == Header(1, 300, 300, 3, qindex, 256)


def test_the_overhead_of_an_envelope():
    encoder = Encoder((600, 600))
    for chunks in ((), [Chunk(b"xmp ", bytes(99))]):
        outer = envelope(encoder, 3, chunks)
        bitstreams = encoder.encode(900)
        assert (
            abs(outer.overhead + sum(len(coded.bitstream) for coded in bitstreams) - len(outer.file(900, bitstreams)))
            <= 3 * 9
        )
