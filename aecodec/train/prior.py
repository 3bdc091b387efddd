"""How the PSNRs of an image at different qualities go together: what aecodec/codec/forecast.py starts from."""

import numpy as np

from aecodec.codec.encoder import Encoder
from aecodec.codec.forecast import STRAY, guess_psnr
from aecodec.codec.transforms import synthesise
from aecodec.model.model import Model
from aecodec.pixels import decibels
from aecodec.settings import Settings
from aecodec.system.parallel import Workers

KEPT = 0.7  # of the images
_STEPS = 10  # more than enough until the same images are kept


def psnr_prior(model: Model, images: list[np.ndarray]) -> dict[str, np.ndarray]:
    """Code images at every knot -> `psnr_mean` (2, 2 K), `psnr_covariance` (2, 2 K, 2 K) as `moments` gives them."""
    rows = []
    with Workers(None) as workers:
        for image in images:
            encoder = Encoder(image, Settings(tune="psnr"), model, workers)
            y_hat, psnrs = np.empty_like(encoder.latents.y), []
            for qindex in range(0, 256 * model.last_knot + 1, 256):
                encoder.reconstruct(qindex, y_hat)
                decoded = synthesise([y_hat], image.shape[:2], encoder.at(qindex), workers)
                mse = np.square(np.subtract(decoded, image, dtype=np.float32)).mean()
                psnrs.append(decibels(mse, 1e-3))
            rows.append([*guess_psnr(encoder.latents, encoder.gains), *psnrs])
    means, covariances = moments(np.array(rows))
    return {"psnr_mean": means, "psnr_covariance": covariances}


def moments(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Guesses and PSNRs of images (N, 2 K) in dB -> means (2, 2 K) and covariances (2, 2 K, 2 K).

    The first are of the images whose PSNRs follow best from their guesses, which the concentration steps of least
    trimmed squares select (Rousseeuw and Van Driessen, 2006): drawings would spoil the forecast of photographs. The
    second are of all images.
    """
    knots = rows.shape[1] // 2
    stray = np.diag(np.repeat(STRAY, knots))

    def of(part: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return part.mean(0), np.cov(part, rowvar=False, ddof=0) + stray

    kept = rows
    for _ in range(_STEPS):
        mean, covariance = of(kept)
        slope = np.linalg.solve(covariance[:knots, :knots], covariance[:knots, knots:])
        off = np.abs(rows[:, knots:] - mean[knots:] - (rows[:, :knots] - mean[:knots]) @ slope).max(1)
        kept = rows[off <= np.quantile(off, KEPT)]
    means, covariances = zip(of(kept), of(rows), strict=True)
    return np.stack(means), np.stack(covariances)
