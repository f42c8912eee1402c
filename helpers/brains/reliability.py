"""How reliable single vertices are: NSD's ncsnr, and whether the released one fits the betas."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from helpers.core.constant_values import CONSTANT_TOLERANCE, subtract_mean
from helpers.core.errors import LabError

VERTICES_AT_ONCE = 1024
"""In double precision."""
MAX_CONDITIONS, MAX_VERTICES, MIN_CONDITIONS, MIN_VERTICES = 1000, 5000, 10, 10
"""Of the comparison with the released ncsnr: no more are needed, with fewer it says nothing."""
Z_LIMIT = 3.29
"""Limits of confidence are two-sided 99.9 %."""


def check_repeats(betas: NDArray) -> None:
    """Refuse fewer than 2 conditions or repeats.

    Parameters
    ----------
    betas : array, float, shape (n_conditions, n_repeats, n_vertices)
    """
    if betas.ndim != 3 or min(betas.shape[:2]) < 2 or betas.shape[2] < 1:
        raise LabError(f"betas of shape {betas.shape}",
                       expected="conditions x repeats x vertices, 2 or more of the first two",
                       remedy="signal and noise can be separated only where conditions repeat")


def ncsnr(betas: NDArray, *, unit_variance: bool = True) -> NDArray[np.float64]:
    r"""Estimate the noise-ceiling signal-to-noise ratio of every vertex, as NSD defines it.

    .. math:: \hat\sigma_n^2 = \langle \mathrm{var}_{repeats} \rangle_{conditions},\quad
        \hat\sigma_s^2 = \max(0, \sigma^2 - \hat\sigma_n^2),\quad
        \mathrm{ncsnr} = \hat\sigma_s / \hat\sigma_n

    Parameters
    ----------
    betas : array, float, shape (n_conditions, n_repeats, n_vertices)
    unit_variance : bool
        Whether the total variance of single trials is 1 by construction, as after z-scoring
        within sessions: NSD's own definition, hence the default. Else the signal's variance is
        that of the means over repeats minus noise / n_repeats, which is unbiased.

    Returns
    -------
    array, float64, shape (n_vertices,)
        0: no signal; NaN where a vertex has a NaN, or never varies between repeats.

    Raises
    ------
    LabError
        For fewer than 2 conditions or repeats.
    """
    betas = np.asarray(betas)
    check_repeats(betas)
    return np.concatenate([_ncsnr(betas[..., i:i + VERTICES_AT_ONCE], unit_variance)
                           for i in range(0, betas.shape[2], VERTICES_AT_ONCE)])


def _ncsnr(betas: NDArray, unit_variance: bool) -> NDArray[np.float64]:
    betas = np.asarray(betas, np.float64)
    noise = betas.var(axis=1, ddof=1).mean(0)
    noise[noise <= (CONSTANT_TOLERANCE * np.abs(betas).max((0, 1))) ** 2] = np.nan
    signal = (1 - noise if unit_variance
              else betas.mean(1).var(axis=0, ddof=1) - noise / betas.shape[1])
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.sqrt(np.maximum(signal, 0) / noise)


def ncsnr_noise_ceiling(values: NDArray, n_repeats: int) -> NDArray[np.float64]:
    """Return the signal's fraction of the variance of a mean (r²), ncsnr² / (ncsnr² + 1 / n)."""
    power = np.asarray(values, float) ** 2
    return power / (power + 1 / n_repeats)


def check_released_ncsnr(betas: NDArray, released: NDArray, where: str) -> None:
    """Refuse betas that do not fit the released ncsnr of the same vertices.

    Betas of another participant, and a table of presentations of another release, can have the
    expected size. The first have another pattern of reliability over vertices; with the second,
    trials that are taken for repeats of one image do not agree.

    Parameters
    ----------
    betas : array, float, shape (n_conditions, n_repeats, n_vertices)
        z-scored within sessions; NaN where a condition was shown less often.
    released : array, float, shape (n_vertices,)
        NaN where it is unknown.
    where : str
        The participant, for the error.

    Raises
    ------
    LabError
        If the correlation over vertices between the released and the estimated ncsnr is certainly
        (upper limit) below half of that between estimates from two halves of the conditions; or
        if the fraction of variance that repeats share is certainly below half of what the
        released ncsnr implies.
    """
    shown = np.flatnonzero(~np.isnan(betas).all(2).any(1))[:MAX_CONDITIONS]
    columns = np.flatnonzero(np.isfinite(released))
    columns = columns[::max(1, -(-len(columns) // MAX_VERTICES))]
    betas, released = betas[np.ix_(shown, np.arange(betas.shape[1]), columns)], released[columns]
    if betas.shape[0] < MIN_CONDITIONS or betas.shape[1] < 2 or betas.shape[2] < MIN_VERTICES:
        return
    known = np.isfinite(ncsnr(betas))
    betas, released = betas[..., known], released[known]
    n = len(released)
    if n < MIN_VERTICES or not subtract_mean(released).any():
        return
    between_halves = _correlate(ncsnr(betas[::2]), ncsnr(betas[1::2]))
    with_released = _correlate(ncsnr(betas), released)
    upper = np.tanh(np.arctanh(np.clip(with_released, -0.999999, 0.999999))
                    + Z_LIMIT / np.sqrt(n - 3))
    shared = 1 - betas.var(axis=1, ddof=1, dtype=np.float64).mean(1)
    most = shared.mean() + Z_LIMIT * shared.std(ddof=1) / np.sqrt(len(shared))
    implied = float(ncsnr_noise_ceiling(released, 1).mean())
    remedy = ("use betas, ncsnr and nsd_stim_info_merged.csv of one release, each in its own "
              "participant's folder")
    if upper < between_halves / 2:
        raise LabError(
            f"{where}: the released ncsnr and the one estimated from {len(betas)} images correlate "
            f"with r = {with_released:.2f} over {n} vertices (estimates from two halves of the "
            f"images: {between_halves:.2f})", expected="betas and ncsnr of one participant",
            remedy=remedy)
    if most < implied / 2:
        raise LabError(
            f"{where}: repeats of {len(betas)} images share {shared.mean():.1%} of the variance, "
            f"the released ncsnr implies {implied:.1%}",
            expected="a table of presentations that belongs to these betas", remedy=remedy)


def _correlate(a: NDArray, b: NDArray) -> float:
    """Return Pearson's r; 0 where one does not vary."""
    a, b = subtract_mean(a), subtract_mean(b)
    scale = np.linalg.norm(a) * np.linalg.norm(b)
    return float(a @ b / scale) if scale > 0 else 0.0
