"""Floor 3. How well could the best model predict? Noise ceilings from repeated measurements.

Main estimate: a generative model, response = signal + noise, both Gaussian over conditions with
covariances over vertices, estimated from the repeats; the ceiling is the correlation of the
signal's statistic with that of signal plus averaged noise. Cross-checks: split halves, and the
ncsnr of single vertices.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from helpers.errors import LabError
from helpers.rsa import columnwise_r, rsa_r, univariate_r
from helpers.signal_noise import Model, repeated, root, signal_and_noise

STATISTICS = {"univariate": univariate_r, "rsa": rsa_r}
N_CALIBRATION, STEPS, MOST_SIZE = 8, 9, 3.0
"""Simulated experiments and halvings that find the signal's size, between 2^-3 and 2^3."""
MOST_VERTICES, N_DRAWS = 1000, 3
"""Larger regions are drawn from: so many vertices, so many times (published: with replacement)."""


@dataclass(frozen=True)
class NoiseCeiling:
    """The correlation that the truth itself would reach with the mean over repeats.

    Attributes
    ----------
    value : float
        r: closed form for the univariate statistic, median over experiments for RSA.
    low, high : float
        2.5th and 97.5th percentile over simulated experiments of the same size.
    """

    value: float
    low: float
    high: float


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
        within sessions (NSD's own choice); else it is measured.

    Returns
    -------
    array, float64, shape (n_vertices,)
        0: no signal; NaN where a vertex has a NaN.
    """
    betas = repeated(betas)
    noise = betas.var(axis=1, ddof=1).mean(0)
    total = 1.0 if unit_variance else betas.reshape(-1, betas.shape[2]).var(0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.sqrt(np.maximum(total - noise, 0) / noise)


def ncsnr_ceiling(values: NDArray, n_repeats: int) -> NDArray[np.float64]:
    """Return the share of variance that is signal in a mean over repeats, from ncsnr.

    ``ncsnr^2 / (ncsnr^2 + 1 / n_repeats)``; its square root is a correlation.
    """
    power = np.asarray(values, float) ** 2
    return power / (power + 1 / n_repeats)


def mixed_ceiling(values: NDArray, shown: NDArray) -> NDArray[np.float64]:
    """Return the same where conditions were shown unequally often (Algonauts 2023).

    Parameters
    ----------
    values : array, float
        ncsnr.
    shown : array, int, shape (n_conditions,)
        Repeats of each condition.
    """
    power = np.asarray(values, float) ** 2
    return power / (power + np.mean(1 / np.asarray(shown, float)))


def analytic_univariate(signal: NDArray, noise: NDArray, n_repeats: int) -> float:
    r"""Return the univariate ceiling of a known model, :math:`\sqrt{s / (s + e / n)}`.

    ``s`` and ``e`` are the variances of the mean over vertices: the means of all entries of the
    covariances of signal and noise.
    """
    s, e = max(float(np.mean(signal)), 0.0), float(np.mean(noise))
    return float(np.sqrt(s / (s + e / n_repeats))) if s > 0 else 0.0


def ceiling(betas: NDArray, *, statistic: str, seed: int, n_simulations: int = 50,
            n_conditions: int | None = None) -> NoiseCeiling:
    """Estimate a region's noise ceiling from repeats.

    The univariate statistic is the mean over vertices, so its model is that of a single vertex:
    no covariance is needed. For RSA the model's signal is scaled until simulated experiments are
    as reliable as the data: repeat i against the mean of the others. (Published: factors 0 to 2
    in steps of 0.1; here the factor is solved for.)

    Parameters
    ----------
    betas : array, float, shape (n_conditions, n_repeats, n_vertices)
    statistic : {"univariate", "rsa"}
    seed : int
        Of the simulated experiments.
    n_simulations, n_conditions : int
        Experiments, and conditions in each (published: 50 and 50; default: as in the data, up to
        200).

    Raises
    ------
    LabError
        For fewer than 2 vertices, conditions or repeats.
    """
    if statistic not in STATISTICS:
        raise LabError(f"the statistic {statistic!r}", expected="univariate or rsa",
                       remedy="choose one of these")
    betas = repeated(betas)
    if betas.shape[2] < 2:
        raise LabError("a region of 1 vertex", expected="2 vertices or more",
                       remedy="leave this region out, and count it")
    rng = np.random.default_rng(seed)
    n_conditions = n_conditions or min(len(betas), 200)
    if statistic == "univariate":
        return _univariate(betas.mean(2), rng, n_simulations, n_conditions)
    if betas.shape[2] <= MOST_VERTICES:
        return _rsa(betas, rng, n_simulations, n_conditions)
    parts = [_rsa(betas[..., rng.choice(betas.shape[2], MOST_VERTICES, replace=False)], rng,
                  n_simulations, n_conditions) for _ in range(N_DRAWS)]
    return NoiseCeiling(*(float(np.mean([getattr(part, name) for part in parts]))
                          for name in ("value", "low", "high")))


def _univariate(means: NDArray, rng: np.random.Generator, n_simulations: int,
                n_conditions: int) -> NoiseCeiling:
    """Estimate from the mean over vertices, shape (n_conditions, n_repeats)."""
    n_repeats = means.shape[1]
    noise = means.var(axis=1, ddof=1).mean()
    signal = max(means.mean(1).var(ddof=1) - noise / n_repeats, 0.0)
    value = analytic_univariate(np.array(signal), np.array(noise), n_repeats)
    truth = rng.standard_normal((n_simulations, n_conditions)) * np.sqrt(signal)
    seen = truth + rng.standard_normal(truth.shape) * np.sqrt(noise / n_repeats)
    drawn = np.nan_to_num(columnwise_r(truth.T, seen.T))
    return NoiseCeiling(value, *(float(v) for v in np.percentile(drawn, [2.5, 97.5])))


@dataclass(frozen=True)
class _Experiments:
    """Simulated experiments: the same random draws at every size of the signal."""

    model: Model
    signal: NDArray[np.float64]
    noise: NDArray[np.float64]

    @classmethod
    def draw(cls, model: Model, rng: np.random.Generator, n_simulations: int,
             n_conditions: int) -> _Experiments:
        roots = root(model.signal), root(model.noise)
        shape = (n_simulations, n_conditions)
        signal = rng.standard_normal((*shape, roots[0].shape[1])) @ roots[0].T
        noise = rng.standard_normal((2, *shape, roots[1].shape[1])) @ roots[1].T
        return cls(model, signal, noise)

    def reliability(self, size: float) -> float:
        """RSA of one repeat with the mean of the others, the signal times ``size``."""
        n = self.model.n_repeats
        return float(np.mean([rsa_r(truth + one, truth + others / np.sqrt(n - 1))
                              for truth, one, others in zip(
                                  self.model.mean + size * self.signal, *self.noise)]))

    def ceilings(self, size: float) -> NDArray[np.float64]:
        """RSA of the signal with the mean over repeats, for each experiment."""
        n = self.model.n_repeats
        return np.array([rsa_r(truth, truth + noise / np.sqrt(n)) for truth, noise in zip(
            self.model.mean + size * self.signal, self.noise[0])])


def _rsa(betas: NDArray, rng: np.random.Generator, n_simulations: int,
         n_conditions: int) -> NoiseCeiling:
    """Scale the signal until the model is as reliable as the data; then ask for the ceiling."""
    model = signal_and_noise(betas)
    if not model.signal.any():
        return NoiseCeiling(0.0, 0.0, 0.0)
    few = _Experiments.draw(model, rng, N_CALIBRATION, n_conditions)
    wanted = _one_against_others(betas, rsa_r)
    low, high = -MOST_SIZE, MOST_SIZE
    for _ in range(STEPS):
        middle = (low + high) / 2
        low, high = ((middle, high) if few.reliability(2.0**middle) < wanted else (low, middle))
    drawn = _Experiments.draw(model, rng, n_simulations, n_conditions).ceilings(
        2.0 ** ((low + high) / 2))
    return NoiseCeiling(*(float(v) for v in np.percentile(drawn, [50, 2.5, 97.5])))


def _one_against_others(betas: NDArray, measure) -> float:
    """Return the agreement of each repeat with the mean of the others, averaged."""
    total, n = betas.sum(1), betas.shape[1]
    return float(np.mean([measure(betas[:, i], (total - betas[:, i]) / (n - 1))
                          for i in range(n)]))


def split_half(betas: NDArray, *, statistic: str) -> float:
    """Estimate the same ceiling without a model: from single repeats' agreement, stepped up.

    With r between single repeats (mean over pairs), the reliability of the mean over n repeats
    is ``n r / (1 + (n - 1) r)`` (Spearman-Brown) and the ceiling its square root. For RSA this is
    approximate: dissimilarities are not linear in the responses.
    """
    betas, measure = repeated(betas), STATISTICS[statistic]
    n = betas.shape[1]
    r = np.mean([measure(betas[:, i], betas[:, j]) for i in range(n) for j in range(i)])
    reliability = n * r / (1 + (n - 1) * r)
    return float(np.sqrt(max(reliability, 0.0)))
