"""How the PSNRs of a picture at different qualities go together: what aecodec/forecast.py starts from."""

import numpy as np

from aecodec import tiles
from aecodec.forecast import STRAY, guess_psnr
from aecodec.model import Model
from aecodec.tilecoder import encode_tiles
from aecodec.transforms import analyse, synthesise
from aecodec.workers import Workers


def psnr_prior(weights: Model, pictures: list[np.ndarray]) -> dict[str, np.ndarray]:
    """Code pictures at every knot -> `psnr_mean` (2 K,), `psnr_covariance` (2 K, 2 K) of guesses and PSNRs in dB."""
    rows = []
    with Workers(None) as workers:
        for picture in pictures:
            y, place = analyse(picture, weights, workers), tiles.tiles(*picture.shape[:2])
            y_hat, found = np.empty_like(y), []
            for units in range(0, 256 * weights.last_knot + 1, 256):
                encode_tiles(y, place, units, weights, workers, y_hat)
                decoded = synthesise(y_hat, picture.shape[:2], units, weights, workers)
                mse = np.square(np.subtract(decoded, picture, dtype=np.float32)).mean()
                found.append(10 * np.log10(255**2 / max(mse, 1e-3)))
            rows.append([*guess_psnr(y, place, weights), *found])
    covariance = np.cov(rows, rowvar=False, ddof=0) + np.diag(np.repeat(STRAY, weights.last_knot + 1))
    return {"psnr_mean": np.mean(rows, axis=0), "psnr_covariance": covariance}
