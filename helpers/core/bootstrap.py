"""Bootstrap over images or other observations, drawn within groups.

Observations are weighted by how often they are drawn, so that a statistic that leaves an
observation out of its own prediction can leave out all its copies.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import special

N_RESAMPLES = 999
"""Bootstrap samples."""


def draw_weights(labels: NDArray, *, seed: int,
                 n_resamples: int = N_RESAMPLES) -> NDArray[np.float64]:
    """Draw bootstrap samples within groups, each as large as its group.

    Parameters
    ----------
    labels : array, int, shape (n_observations,)
        Group of each observation, 0 ... n_groups - 1.
    seed, n_resamples : int

    Returns
    -------
    array, float64, shape (n_resamples, n_observations)
        How often each observation is drawn.
    """
    rng, weights = np.random.default_rng(seed), np.empty((n_resamples, len(labels)))
    for group, n in enumerate(np.bincount(labels)):
        if n:
            weights[:, labels == group] = rng.multinomial(n, np.full(n, 1 / n), size=n_resamples)
    return weights


def bootstrap_interval(value: float, resampled: NDArray) -> tuple[float, float, float]:
    r"""Return a statistic with its 95 % interval, :math:`v \pm 1.96\, s_{boot}`.

    Centred on the statistic itself, for statistics that repeated observations bias, as they do a
    preference or a classification: a sample with copies holds less information than the data.

    Parameters
    ----------
    value : float
    resampled : array, float, shape (n_resamples,)
    """
    half_width = special.ndtri(0.975) * np.std(resampled, ddof=1)
    return float(value), float(value - half_width), float(value + half_width)
