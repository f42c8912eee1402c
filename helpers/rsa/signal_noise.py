"""Signal and noise covariances of a region over vertices, estimated from repeats."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from helpers.brains.reliability import check_repeats

SHRINKAGE = np.linspace(0, 1, 51)
"""Published levels of shrinkage towards the diagonal (authors' notebook nb6)."""


@dataclass(frozen=True)
class SignalNoiseModel:
    """Gaussian model of a region's responses, signal plus noise.

    Attributes
    ----------
    mean : array, float64, shape (n_vertices,)
    signal, noise : array, float64, shape (n_vertices, n_vertices)
        Covariance over conditions, and over repeats of one condition (single trials).
    n_repeats : int
    """

    mean: NDArray[np.float64]
    signal: NDArray[np.float64]
    noise: NDArray[np.float64]
    n_repeats: int


def signal_and_noise(betas: NDArray) -> SignalNoiseModel:
    """Estimate the covariances of signal and noise from repeats (authors' notebook nb6).

    Noise: pooled within conditions. Data: of the means over repeats. Both are shrunk towards
    their diagonal, by the published level with the largest cross-validated likelihood. Signal: data
    minus noise / n_repeats, to the nearest positive semi-definite matrix;
    `helpers.rsa.noise_ceilings` scales it until the model is as reliable as the data.

    Parameters
    ----------
    betas : array, float, shape (n_conditions, n_repeats, n_vertices)
    """
    check_repeats(betas)
    betas = np.asarray(betas, np.float64)
    n_repeats, n_vertices = betas.shape[1:]
    means = betas.mean(1)
    within = (betas - means[:, None]).reshape(-1, n_vertices)
    noise = _shrunk_covariance(within * np.sqrt(n_repeats / (n_repeats - 1)), centred=True,
                               block=n_repeats)
    signal_estimate = _shrunk_covariance(means, centred=False) - noise / n_repeats
    eigenvalues, eigenvectors = np.linalg.eigh((signal_estimate + signal_estimate.T) / 2)
    signal = (eigenvectors * np.maximum(eigenvalues, 0)) @ eigenvectors.T
    return SignalNoiseModel(means.mean(0), signal, noise, n_repeats)


def _shrunk_covariance(rows: NDArray, *, centred: bool, block: int = 1) -> NDArray[np.float64]:
    """Estimate a covariance, shrunk towards its diagonal by the level of the largest likelihood.

    The likelihood is two-fold cross-validated. ``block`` consecutive rows stay in one half:
    deviations from one condition's mean add up to zero, so they are not independent.
    """
    half = np.arange(len(rows)) // block % 2 == 0
    shrinkage = float(np.mean([
        _likeliest_shrinkage(_covariance(rows[a], centred), rows[~a], centred)
        for a in (half, ~half)]))
    covariance = _covariance(rows, centred)
    return (1 - shrinkage) * covariance + shrinkage * np.diag(np.diag(covariance))


def _covariance(rows: NDArray, centred: bool) -> NDArray[np.float64]:
    rows = rows if centred else rows - rows.mean(0)
    return rows.T @ rows / (len(rows) - (0 if centred else 1))


def _likeliest_shrinkage(covariance: NDArray, held_out: NDArray, centred: bool) -> float:
    """Return the level of shrinkage with the largest likelihood of held-out rows.

    All levels share the eigenvectors of the correlation matrix, so one decomposition suffices.
    """
    scale = np.sqrt(np.diag(covariance))
    if not (scale > 0).all():
        return 1.0
    eigenvalues, eigenvectors = np.linalg.eigh(covariance / np.outer(scale, scale))
    rows = held_out if centred else held_out - held_out.mean(0)
    power = np.mean(((rows / scale) @ eigenvectors) ** 2, axis=0)
    variances = (1 - SHRINKAGE)[:, None] * np.maximum(eigenvalues, 0) + SHRINKAGE[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        loss = np.log(variances).sum(1) + (power / variances).sum(1)
    return float(SHRINKAGE[np.nanargmin(np.where(np.isfinite(loss), loss, np.inf))])


def matrix_square_root(covariance: NDArray) -> NDArray[np.float64]:
    """Return a matrix R with R R' = covariance, without its null space."""
    eigenvalues, eigenvectors = np.linalg.eigh(covariance)
    positive = eigenvalues > 1e-12 * max(eigenvalues.max(), 1e-300)
    return eigenvectors[:, positive] * np.sqrt(eigenvalues[positive])
