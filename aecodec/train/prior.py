"""How the PSNRs of a picture at different qualities go together: what aecodec/codec/forecast.py starts from."""

import numpy as np

from aecodec.codec.encoder import Encoder
from aecodec.codec.forecast import STRAY, guess_psnr
from aecodec.codec.transforms import synthesise
from aecodec.model.model import Model
from aecodec.parallel import Workers
from aecodec.settings import DEFAULT_EFFORT

KEPT = 0.7  # of the pictures
_STEPS = 10  # more than enough until the same pictures are kept


def psnr_prior(weights: Model, pictures: list[np.ndarray]) -> dict[str, np.ndarray]:
    """Code pictures at every knot -> `psnr_mean` (2, 2 K), `psnr_covariance` (2, 2 K, 2 K) as `moments` gives them."""
    rows = []
    with Workers(None) as workers:
        for picture in pictures:
            source = Encoder.of(picture, DEFAULT_EFFORT, weights, workers)
            y_hat, found = np.empty_like(source.latents.y), []
            for units in range(0, 256 * weights.last_knot + 1, 256):
                source.reconstruct(units, y_hat)
                decoded = synthesise(y_hat, picture.shape[:2], weights.at(units), workers)
                mse = np.square(np.subtract(decoded, picture, dtype=np.float32)).mean()
                found.append(10 * np.log10(255**2 / max(mse, 1e-3)))
            rows.append([*guess_psnr(source.latents, weights), *found])
    means, covariances = moments(np.array(rows))
    return {"psnr_mean": means, "psnr_covariance": covariances}


def moments(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Guesses and PSNRs of pictures (N, 2 K) in dB -> means (2, 2 K) and covariances (2, 2 K, 2 K).

    First those of the pictures whose PSNRs follow best from their guesses, found by the concentration steps of least
    trimmed squares (Rousseeuw and Van Driessen, 2006), then those of all: drawings would spoil the forecast of photos.
    """
    knots = rows.shape[1] // 2
    stray = np.diag(np.repeat(STRAY, knots))

    def of(some: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return some.mean(0), np.cov(some, rowvar=False, ddof=0) + stray

    kept = rows
    for _ in range(_STEPS):
        mean, covariance = of(kept)
        slope = np.linalg.solve(covariance[:knots, :knots], covariance[:knots, knots:])
        off = np.abs(rows[:, knots:] - mean[knots:] - (rows[:, :knots] - mean[:knots]) @ slope).max(1)
        kept = rows[off <= np.quantile(off, KEPT)]
    means, covariances = zip(of(kept), of(rows), strict=True)
    return np.stack(means), np.stack(covariances)
