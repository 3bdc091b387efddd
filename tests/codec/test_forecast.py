"""Forecasts of PSNRs against rows of guesses and PSNRs whose relation is known."""

import numpy as np
import pytest

from aecodec.codec.forecast import conditioned

pytest.importorskip("keras")
from aecodec.train.prior import moments

KNOTS = 5


def rows(count: int, drawings: int) -> np.ndarray:
    """Photos have 9 dB more than their guess, give or take 0.1; drawings up to 8 dB less at the highest knots."""
    rng = np.random.default_rng(0)
    guess = rng.normal(20, 2, (count, 1)) + 4 * np.arange(KNOTS) + rng.normal(0, 0.3, (count, KNOTS))
    psnr = guess + 9 + rng.normal(0, 0.1, (count, 1))
    psnr[:drawings] -= rng.uniform(4, 8, (drawings, 1)) * np.linspace(0, 1, KNOTS)
    return np.hstack([guess, psnr])


def test_drawings_do_not_spoil_the_forecast_of_photos():
    found = rows(200, 50)
    means, covariances = moments(found)

    def error(kinds: slice) -> float:
        """Root mean square over photos, at the highest knot."""
        off = []
        for guess, psnr in (np.hsplit(row, 2) for row in found[50:]):
            curve = conditioned(guess, means[kinds], covariances[kinds])({})
            assert len(curve) == 256 * (KNOTS - 1) + 1
            off.append(curve[-1] - psnr[-1])
        return float(np.sqrt(np.mean(np.square(off))))

    assert error(slice(2)) == error(slice(1)) < 0.4
    assert error(slice(1, 2)) > 1


def test_what_is_measured_tells_which_kind_a_picture_is_of():
    found = rows(200, 50)
    means, covariances = moments(found)
    guess, psnr = np.hsplit(found[0], 2)
    known = {900: np.interp(900, 256 * np.arange(KNOTS), psnr)}
    both, all_of_them, photos = (
        conditioned(guess, means[part], covariances[part])(known) for part in (slice(2), slice(1, 2), slice(1))
    )
    np.testing.assert_array_equal(both, all_of_them)
    assert abs(both[-1] - psnr[-1]) < abs(photos[-1] - psnr[-1])
    assert both[900] == pytest.approx(known[900], abs=0.3)


def test_one_picture_gives_a_prior():
    means, covariances = moments(rows(1, 0))
    assert np.isfinite(means).all()
    assert (np.linalg.eigvalsh(covariances) > 0).all()
