"""Noise ceilings: the correlation that a perfect model would reach, from repeated measurements.

Main estimate: a generative model, response = signal + noise, both Gaussian over conditions with
covariances over vertices, estimated from the repeats; the ceiling is the correlation of the
signal's statistic with that of signal plus averaged noise. Cross-checks: split-half reliability,
and the ncsnr of single vertices.

Accuracy in simulated regions (40 vertices, 515 conditions, 3 repeats): the RSA ceiling is right to
0.02 on average, but 0.045 too low for a signal of 2 dimensions with a tenth of the noise variance
and a strong mean pattern. A univariate ceiling of 0.9 has a standard error of 0.01, one of 0.5 of
0.05; without any signal half of the estimates are 0, the others square roots of chance
reliabilities, up to 0.4 (RSA: 0.2).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from helpers.brains.reliability import check_repeats
from helpers.core.constant_values import subtract_mean
from helpers.core.errors import LabError
from helpers.rsa.dissimilarity import pearson_r, rsa_r, univariate_r
from helpers.rsa.signal_noise import matrix_square_root, signal_and_noise

Correlation = Callable[[NDArray, NDArray], float]
STATISTICS: dict[str, Correlation] = {"univariate": univariate_r, "rsa": rsa_r}
N_CALIBRATION_SIMULATIONS, N_BISECTIONS, LOG2_SIGNAL_SCALE = 16, 10, (-6.0, 3.0)
"""Simulated experiments and bisection steps that scale the signal, by 2^-6 to 2^3."""
MAX_CONDITIONS, MAX_VERTICES, N_VERTEX_SUBSETS = 1000, 1000, 3
"""Size of simulated experiments. Larger regions are subsampled ``N_VERTEX_SUBSETS`` times, without
replacement (published: with replacement, so that a vertex's noise correlates with itself)."""


class NoiseCeiling(NamedTuple):
    """Correlation of the noise-free signal with the mean over repeats.

    Attributes
    ----------
    value : float
        r: closed form (univariate) or median over experiments (RSA); NaN if nothing varies.
    low, high : float
        2.5th and 97.5th percentile over simulated experiments with the estimated signal and
        noise; the uncertainty of this estimate is not included.
    """

    value: float
    low: float
    high: float


def univariate_noise_ceiling(signal: NDArray, noise: NDArray, n_repeats: int) -> float:
    r"""Return the univariate ceiling of a known model, :math:`\sqrt{s / (s + e / n)}`.

    ``s`` and ``e`` are the variances of the mean over vertices: the means of all entries of the
    covariances of signal and noise.
    """
    s, e = max(float(np.mean(signal)), 0.0), float(np.mean(noise))
    return float(np.sqrt(s / (s + e / n_repeats))) if s > 0 else 0.0


def estimate_noise_ceiling(betas: NDArray, *, statistic: str, seed: int, n_simulations: int = 50,
                           n_conditions: int | None = None) -> NoiseCeiling:
    """Estimate a region's noise ceiling from repeats.

    The univariate statistic is the mean over vertices, so its model is that of a single vertex:
    no covariance is needed. For RSA the model's signal is scaled until simulated experiments are
    as reliable as the data (one repeat against the mean of the others). Regions of more than 1,000
    vertices get the mean over subsets of 1,000, whose RSA ceiling is slightly lower.

    Parameters
    ----------
    betas : array, float, shape (n_conditions, n_repeats, n_vertices)
    statistic : {"univariate", "rsa"}
    seed : int
        Of the simulated experiments.
    n_simulations, n_conditions : int
        Experiments, and conditions in each; by default as in the data, up to 1,000.

    Raises
    ------
    LabError
        For fewer than 2 vertices, conditions or repeats, or a value that is not finite.
    """
    betas = _check_betas(betas, statistic)
    rng = np.random.default_rng(seed)
    n_conditions = n_conditions or min(len(betas), MAX_CONDITIONS)
    if statistic == "univariate":
        simulated, value = _simulate_univariate(betas.mean(2), rng, n_simulations, n_conditions)
        return _summarise([simulated], betas, value)
    return _summarise([_simulate_rsa(part, rng, n_simulations, n_conditions)
                       for part in _vertex_subsets(betas, rng)], betas)


def _check_betas(betas: NDArray, statistic: str) -> NDArray[np.float64]:
    if statistic not in STATISTICS:
        raise LabError(f"the statistic {statistic!r}", expected="univariate or rsa",
                       remedy="choose one of these")
    check_repeats(betas)
    betas = np.asarray(betas, np.float64)
    if betas.shape[2] < 2 or not np.isfinite(betas).all():
        raise LabError("betas that are not finite" if betas.shape[2] > 1 else
                       "a region of 1 vertex",
                       expected="2 vertices or more, as many repeats of every condition",
                       remedy="choose conditions that were repeated, drop vertices without data, "
                       "and leave out regions of a single one")
    return betas


def _vertex_subsets(betas: NDArray, rng: np.random.Generator) -> list[NDArray]:
    if betas.shape[2] <= MAX_VERTICES:
        return [betas]
    return [betas[..., rng.choice(betas.shape[2], MAX_VERTICES, replace=False)]
            for _ in range(N_VERTEX_SUBSETS)]


def _summarise(simulated: list[NDArray], betas: NDArray,
               value: float | None = None) -> NoiseCeiling:
    """Average medians and percentiles over subsets of vertices; an undefined r counts as 0."""
    median, low, high = np.mean([np.percentile(np.nan_to_num(r), [50, 2.5, 97.5])
                                 for r in simulated], axis=0)
    if not subtract_mean(betas.reshape(-1, betas.shape[2])).any():
        value = low = high = np.nan
    return NoiseCeiling(float(median if value is None else value), float(low), float(high))


def _simulate_univariate(means: NDArray, rng: np.random.Generator, n_simulations: int,
                         n_conditions: int) -> tuple[NDArray, float]:
    """Return r of the mean over vertices (n_conditions, n_repeats), simulated and in closed form.
    """
    n_repeats = means.shape[1]
    noise = means.var(axis=1, ddof=1).mean()
    signal = max(means.mean(1).var(ddof=1) - noise / n_repeats, 0.0)
    value = univariate_noise_ceiling(np.array(signal), np.array(noise), n_repeats)
    truth = rng.standard_normal((n_simulations, n_conditions)) * np.sqrt(signal)
    measured = truth + rng.standard_normal(truth.shape) * np.sqrt(noise / n_repeats)
    return pearson_r(truth.T, measured.T), value


def _simulate(roots: list[NDArray], rng: np.random.Generator, n_simulations: int,
              n_conditions: int) -> list[NDArray[np.float64]]:
    """Draw signals (n_simulations, n_conditions, n_vertices), and noise of two repeats of each."""
    return [rng.standard_normal((*shape, n_conditions, root.shape[1])) @ root.T
            for root, shape in zip(roots, [(n_simulations,), (2, n_simulations)])]


def _reliability(truth: NDArray, noise: NDArray, correlate: Correlation, *,
                 n_others: int) -> float:
    """Return the simulated correlation of one repeat with the mean of others, averaged."""
    return float(np.mean(np.nan_to_num([
        correlate(signal + one, signal + others / np.sqrt(n_others))
        for signal, one, others in zip(truth, *noise)])))


def _simulate_rsa(betas: NDArray, rng: np.random.Generator, n_simulations: int,
                  n_conditions: int) -> NDArray[np.float64]:
    """Scale the signal until the model is as reliable as the data; then simulate the ceiling."""
    model = signal_and_noise(betas)
    target_reliability = _leave_one_out_reliability(betas, rsa_r)
    if not model.signal.any() or target_reliability <= 0:
        return np.zeros(n_simulations)
    roots = [matrix_square_root(model.signal), matrix_square_root(model.noise)]
    signal, noise = _simulate(roots, rng, N_CALIBRATION_SIMULATIONS, n_conditions)
    low, high = LOG2_SIGNAL_SCALE
    for _ in range(N_BISECTIONS):
        middle = (low + high) / 2
        reliability = _reliability(model.mean + 2.0**middle * signal, noise, rsa_r,
                                   n_others=model.n_repeats - 1)
        low, high = (middle, high) if reliability < target_reliability else (low, middle)
    ceilings = []
    for _ in range(n_simulations):  # one at a time: all of them at once would fill the memory
        (signal,), ((noise,), _) = _simulate(roots, rng, 1, n_conditions)
        truth = model.mean + 2.0 ** ((low + high) / 2) * signal
        ceilings.append(rsa_r(truth, truth + noise / np.sqrt(model.n_repeats)))
    return np.array(ceilings)


def _leave_one_out_reliability(betas: NDArray, correlate: Correlation) -> float:
    """Return the correlation of each repeat with the mean of the others, averaged."""
    total, n = betas.sum(1), betas.shape[1]
    return float(np.mean([correlate(betas[:, i], (total - betas[:, i]) / (n - 1))
                          for i in range(n)]))


def _single_repeat_reliability(betas: NDArray, correlate: Correlation) -> float:
    """Return the correlation of two single repeats, averaged over pairs."""
    return float(np.mean([correlate(betas[:, i], betas[:, j])
                          for i in range(betas.shape[1]) for j in range(i)]))


def split_half_noise_ceiling(betas: NDArray, *, statistic: str) -> float:
    """Estimate the noise ceiling without a model, from the reliability of single repeats.

    With r between single repeats (mean over pairs), the reliability of the mean over n repeats
    is ``n r / (1 + (n - 1) r)`` (Spearman-Brown), and the ceiling its square root. For RSA this is
    approximate, because dissimilarities are not linear in the responses: too low, by up to 0.13 in
    simulations, where the noise is strong or shared by vertices.
    """
    betas = _check_betas(betas, statistic)
    n, r = betas.shape[1], _single_repeat_reliability(betas, STATISTICS[statistic])
    return 0.0 if r <= 0 else float(np.sqrt(n * r / (1 + (n - 1) * r)))
