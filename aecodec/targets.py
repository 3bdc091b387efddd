"""Search for the quality that meets a size or a PSNR.

    y --> forecast from magnitudes --> sample of tiles --> all tiles, for real --> file
           a curve over all units . . . . . corrected by . . . what is measured

Quality acts on y alone, so the analysis is over when the search begins. What the file will hold is measured, never
estimated: guesses and samples only say where to measure. Size and PSNR all but rise with the quality; where they do
not, the search still ends, as every measurement narrows what is left to search.
"""

import math
from collections.abc import Callable, Sequence

import numpy as np

from aecodec import tiles
from aecodec.errors import EncodeError
from aecodec.forecast import Curve, Forecast, fixed, guess_bits, psnr_forecast
from aecodec.source import Source
from aecodec.transforms import HALO, luma, synthesise

USED = 0.97  # of the size that is asked for; where steps of the quality are coarser, as much as there is
EXCESS = 0.1  # dB above the PSNR that is asked for; the same
_PATIENCE = 5  # measurements that follow the curve before every other one halves what is left
_NEAR = 200.0  # units: values nearer to each other tell less about the slope than the curve does
_CROWD = 13  # tiles, from which on the size of a sample of them is estimated, not that of all
_MANY = 32  # tiles, from which on a sample of them has the PSNR of the picture, more or less
_SHARE = 8  # a sample is this part of the tiles,
_SAMPLE = 16  # but not more of them
_ROUGH = 16  # units, over which rounding hides that the curves of one tile rise
_ROWS = 256  # pixels are compared in bands of this many rows, so that large pictures need little extra memory

_LOSSLESS = 200.0  # dB, for arithmetic: more than any pixels but equal ones have

Write = Callable[[int, Sequence[bytes]], bytes]  # units, bitstreams -> the whole file


def fit_size(source: Source, limit: int, write: Write) -> bytes:
    """Return the file of at most `limit` bytes that uses at least 97 % of them, or the largest that is found to fit.

    Raises EncodeError that says what the smallest size is.
    """
    y, place, weights = source.y, source.place, source.weights
    best, smallest = b"", 0

    def whole(units: int) -> float:
        nonlocal best, smallest
        data = write(units, source.encode(units))
        if len(best) < len(data) <= limit:
            best = data
        smallest = min(smallest or len(data), len(data))
        return math.log(len(data))

    overhead = len(write(0, [b""] * len(place))) + 3 * len(place)  # a length has two bytes, bitstreams end in words
    some = _spread(place, max(_CROWD - 1, len(place) // _SHARE)) if len(place) >= _CROWD else place
    curve, positions = guess_bits(y, place, weights), sum(tile.height * tile.width for tile in place)
    shift = curve - guess_bits(y, some, weights) if some is not place else np.zeros_like(curve)
    sampled = sum(tile.height * tile.width for tile in some)

    def sample(units: int) -> float:
        size = source.estimate(units, some) * positions / sampled
        return math.log(overhead + size * math.exp(shift[units]))

    top = math.log(min(max(limit, 1), 1 << 62))
    aim = top + math.log((1 + USED) / 2)
    curve = np.log(overhead + positions * np.exp(curve) / 8)
    curve = _search(sample, fixed(curve), (aim - 0.1, aim + 0.1), aim, tries=3)
    _search(whole, fixed(curve), (top + math.log(USED), top), aim)
    if not best:
        for units in range(1, 1 + _neighbours(place)):
            whole(units)
    if not best:
        positions = source.pixels[..., 0].size
        digits = len(str(positions // 8))  # as many as tell a byte from the next
        bpp = -(-8 * smallest * 10**digits // positions) / 10**digits
        raise EncodeError(f"target size: {limit} bytes, expected at least {smallest} bytes or {bpp:.{digits}f} bpp")
    return best


def fit_psnr(source: Source, grey: bool, target: float, write: Write) -> bytes:
    """Return the file whose decoded picture has at least `target` dB, and at most 0.1 dB more if that can be.

    With `grey` the PSNR is that of the luma, which is what the decoder returns. Raises EncodeError that says what can
    be reached.
    """
    pixels, y, place, weights = source.pixels, source.y, source.place, source.weights
    y_hat = np.empty_like(y)
    most, reached, best = -math.inf, math.inf, None
    inner = [tile for tile in place if tile.height == tile.width == tiles.TILE]
    sampled = len(inner) >= _MANY
    informed = sampled or source.effort > 0  # refinement takes so long that it is not done twice to save the coding

    def whole(units: int) -> float:
        nonlocal most, reached, best, informed
        bitstreams = None
        if informed:
            bitstreams = source.encode(units, y_hat)
        else:  # a try that no measurement led to is seldom the last
            source.round(units, y_hat)
            informed = True
        found = synthesise(y_hat, pixels.shape[:2], units, weights, source.workers)
        value = _psnr(_squares(found, pixels, grey), pixels[..., 0].size * (1 if grey else 3))
        most = max(most, value)
        if value >= target and (best is None or value < reached):
            reached, best = value, (units, bitstreams)
        return value

    forecast = psnr_forecast(y, place, weights)
    window, aim = (target, target + EXCESS), target + EXCESS / 2
    if sampled:
        some = _spread(inner, len(place) // _SHARE)
        shift = forecast({}) - psnr_forecast(y, some, weights)({})

        probe = source.sample(some)
        decoded = np.empty_like(probe.y)

        def sample(units: int) -> float:
            probe.round(units, decoded)
            return _sample_psnr(probe, grey, decoded, units) + shift[units]

        forecast = fixed(_search(sample, forecast, (aim - 0.3, aim + 0.3), aim, tries=2))
    _search(whole, forecast, window, aim)
    if best is None:
        last = 256 * weights.last_knot
        for units in range(last - 1, last - 1 - _neighbours(place), -1):
            whole(units)
    if best is None:
        raise EncodeError(f"target PSNR: {target:g} dB, expected at most {math.floor(100 * most) / 100:.2f} dB")
    units, bitstreams = best
    return write(units, bitstreams or source.encode(units))


def _search(
    measure: Callable[[int], float],
    forecast: Forecast,
    window: tuple[float, float],
    aim: float,
    tries: int | None = None,
) -> Curve:
    """Measure where the curve comes nearest to `aim`, correct the curve, and again, until a value lies in the window.

    Ends without one after so many `tries`, or where neighbouring units lie on both sides of the window. Returns the
    corrected curve.
    """
    known: dict[int, float] = {}
    corrected = forecast(known)
    below, above = -1, len(corrected)
    while above - below > 1 and (tries is None or len(known) < tries):
        if len(known) > _PATIENCE and len(known) % 2:
            units = (below + above) // 2
        else:
            units = below + 1 + int(np.abs(corrected[below + 1 : above] - aim).argmin())
        known[units] = value = measure(units)
        corrected = _corrected(forecast(known), known, aim)
        if window[0] <= value <= window[1]:
            break
        if value < window[0]:
            below = units
        else:
            above = units
    return corrected


def _neighbours(place: list[tiles.Tile]) -> int:
    """How many units next to the last one may be better than it, as rounding of symbols and words makes curves rough.

    In pictures of many tiles it evens out.
    """
    return 1 + _ROUGH // len(place)


def _corrected(curve: Curve, known: dict[int, float], aim: float) -> Curve:
    """Lay the curve through the measured value nearest to `aim`, and tilt it towards the second nearest."""
    (at, value), *others = sorted(known.items(), key=lambda item: abs(item[1] - aim))
    tilt = 0.0
    if others:
        other, second = others[0]
        slope = (curve[other] - curve[at]) / (other - at)
        measured = (second - value) / (other - at)
        trust = (other - at) ** 2 / ((other - at) ** 2 + _NEAR**2)
        tilt = trust * (float(np.clip(measured, 0.3 * slope, 3 * slope)) - slope)  # it must go on rising
    return curve + (value - curve[at]) + tilt * (np.arange(len(curve)) - at)


def _spread(place: list[tiles.Tile], count: int) -> list[tiles.Tile]:
    """So many tiles, but not more than a sample may have, from all over the picture."""
    count = min(count, _SAMPLE, len(place))
    return [place[(2 * i + 1) * len(place) // (2 * count)] for i in range(count)]


def _sample_psnr(probe: Source, grey: bool, y_hat: np.ndarray, units: int) -> float:
    """PSNR of the middle of the tiles of a sample, each synthesised alone."""
    features = probe.weights.features(units)
    keep = slice(HALO * tiles.STRIDE, (tiles.TILE - HALO) * tiles.STRIDE)

    def squares(tile: tiles.Tile) -> int:
        found = probe.weights.synthesis(np.ascontiguousarray(y_hat[tile.inside]), features)
        return _squares(found[keep, keep], probe.pixels[tile.pixels][keep, keep], grey)

    values = len(probe.place) * (keep.stop - keep.start) ** 2 * (1 if grey else 3)
    return _psnr(sum(probe.workers.map(squares, probe.place)), values)


def _squares(found: np.ndarray, pixels: np.ndarray, grey: bool) -> int:
    """Sum of squared differences of two pictures uint8 (H, W, 3); with `grey` of their lumas."""
    total = 0
    for top in range(0, len(pixels), _ROWS):
        band, other = found[top : top + _ROWS], pixels[top : top + _ROWS]
        if grey:
            band, other = luma(band), other[..., 0]
        total += int(np.square(np.subtract(band, other, dtype=np.int32)).sum(dtype=np.int64))
    return total


def _psnr(squares: int, values: int) -> float:
    return 10 * math.log10(255**2 * values / squares) if squares else _LOSSLESS
