"""Distribution of selective units over feature maps, and over positions within them.

All measures take the selective units of a layer as a mask (n_channels, height, width), and are
compared with a null: as many units drawn at random from all units of the layer. Few units look
uneven by chance alone, so raw values of different numbers of units cannot be compared.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import signal

from helpers.core.constant_values import CONSTANT_TOLERANCE
from helpers.core.errors import LabError

TOP_FRACTION = 0.05
"""Fraction of the feature maps, those with most selective units, that is reported."""


def normalised_entropy(counts: NDArray) -> float:
    r"""Return the normalised entropy of units over bins: :math:`-\sum_i p_i \ln p_i / \ln n`.

    Parameters
    ----------
    counts : array, int, shape (n_bins,)

    Returns
    -------
    float
        1: as many in each bin; 0: all in one. NaN without units, or with one bin.
    """
    counts = np.asarray(counts, float)
    if counts.sum() == 0 or counts.size < 2:
        return float("nan")
    p = counts[counts > 0] / counts.sum()
    return float(-(p * np.log(p)).sum() / np.log(counts.size))


def gini(counts: NDArray) -> float:
    r"""Return the Gini coefficient: half the mean difference of all pairs of bins over their mean.

    :math:`G = \sum_i (2i - n - 1) x_{(i)} / (n \sum_i x_i)`, the bins in ascending order.

    Parameters
    ----------
    counts : array, int, shape (n_bins,)

    Returns
    -------
    float
        0: as many in each bin; 1 - 1/n: all in one of n. NaN without units.
    """
    ordered = np.sort(np.asarray(counts, float))
    if ordered.sum() == 0:
        return float("nan")
    rank = np.arange(1, ordered.size + 1)
    return float(((2 * rank - ordered.size - 1) * ordered).sum() / (ordered.size * ordered.sum()))


def top_maps_proportion(counts: NDArray, fraction: float = TOP_FRACTION) -> float:
    """Return the proportion of all units in the fullest ``fraction`` of the bins, 0 to 1.

    At least one bin is taken; NaN without units.
    """
    counts = np.sort(np.asarray(counts, float))[::-1]
    n_top = max(1, round(fraction * counts.size))
    return float(counts[:n_top].sum() / counts.sum()) if counts.sum() else float("nan")


def morans_i(mask: NDArray[np.bool_]) -> float:
    r"""Return Moran's I: the spatial autocorrelation of selective units within feature maps.

    .. math:: I = \frac{\sum_c \sum_{i \sim j} z_{ci} z_{cj} / W}{\sum_c \sum_i z_{ci}^2 / N}

    with :math:`z_{ci}` the mask less the mean of its own map c, and i ~ j the ordered pairs of
    positions that share a side (W a map). Maps are weighted by their variance; how units are
    distributed over maps has no influence.

    Parameters
    ----------
    mask : array, bool or float, shape (n_channels, height, width)

    Returns
    -------
    float
        Near 1: clustered; about -1 / (N - 1): at random; below: dispersed. NaN where no map has
        both selective and other units, or maps have one position.

    Notes
    -----
    Moran (1950), pooled over maps; Lu & Wang (2025) do not say which spatial measure they used.
    """
    z = np.asarray(mask)[np.any(mask, (1, 2))].astype(np.float32)
    if not z.size or z.shape[1] * z.shape[2] < 2:
        return float("nan")
    z = z - z.mean((1, 2), keepdims=True)
    vertical, horizontal = z[:, 1:] * z[:, :-1], z[:, :, 1:] * z[:, :, :-1]
    n_pairs = (vertical.size + horizontal.size) / len(z)
    variance = z.var((1, 2)).sum()
    if variance == 0:
        return float("nan")
    return float((vertical.sum() + horizontal.sum()) / n_pairs / variance)


def mean_distance(mask: NDArray[np.bool_]) -> float:
    """Return the mean distance of all pairs of selective units, whatever their maps.

    Parameters
    ----------
    mask : array, bool, shape (n_channels, height, width)

    Returns
    -------
    float
        In positions; 0 for units at the same position. NaN with fewer than two units.
    """
    counts = mask.sum(0).astype(float)
    n, (height, width) = counts.sum(), counts.shape
    if n < 2:
        return float("nan")
    # The autocorrelation of the counts is the number of pairs at every offset (dy, dx).
    pairs = signal.fftconvolve(counts, counts[::-1, ::-1])
    distance = np.hypot(*np.ogrid[1 - height:height, 1 - width:width])
    return float((pairs * distance).sum() / (n * (n - 1)))


MEASURES: dict[str, Callable[[NDArray], float]] = {
    "entropy over maps": lambda mask: normalised_entropy(mask.sum((1, 2))),
    "Gini over maps": lambda mask: gini(mask.sum((1, 2))),
    "proportion in the top 5 % of maps": lambda mask: top_maps_proportion(mask.sum((1, 2))),
    "proportion of maps with any": lambda mask: float(mask.any((1, 2)).mean()),
    "entropy over positions": lambda mask: normalised_entropy(mask.sum(0).ravel()),
    "Moran's I": morans_i,
    "mean distance": mean_distance,
}
RATIOS = ("entropy over maps", "proportion of maps with any", "entropy over positions",
          "mean distance")
"""Measures that are corrected as a ratio to the null: 1 at chance."""


def correct_for_chance(name: str, observed: float, null_mean: float) -> float:
    """Correct a measure for the number of units.

    Parameters
    ----------
    name : str
        Of ``MEASURES``.
    observed, null_mean : float

    Returns
    -------
    float
        Of ``RATIOS``: observed / null, so 1 where units are distributed at random. Of the others:
        (observed - null) / (1 - null), so 0 at chance, 1 at the largest value; NaN where chance
        alone gives that value (of a single unit, for example).
    """
    if name in RATIOS:
        return observed / null_mean if null_mean else float("nan")
    scale = 1 - null_mean
    return (observed - null_mean) / scale if scale > CONSTANT_TOLERANCE else float("nan")


@dataclass(frozen=True)
class DistributionMeasure:
    """One measure of one mask, and its distribution under the null.

    Attributes
    ----------
    observed, corrected : float
    null_mean, null_low, null_high : float
        Mean and central 95 % of the measure over random masks.
    """

    observed: float
    corrected: float
    null_mean: float
    null_low: float
    null_high: float


def measure_distribution(mask: NDArray[np.bool_], *, seed: int,
                         n_nulls: int = 200) -> dict[str, DistributionMeasure]:
    """Compute every measure of a layer's selective units, and its null distribution.

    Parameters
    ----------
    mask : array, bool, shape (n_channels, height, width)
    seed, n_nulls : int
        Of the null: as many units, drawn at random from all units of the layer.

    Returns
    -------
    dict, measure -> DistributionMeasure

    Raises
    ------
    LabError
        If the mask has no three axes, or there are no nulls.
    """
    mask = np.asarray(mask, bool)
    if mask.ndim != 3 or n_nulls < 2:
        raise LabError(f"a mask of shape {mask.shape} and {n_nulls} nulls",
                       expected="channels x height x width, and two nulls or more",
                       remedy="reshape the mask; give more nulls")
    rng, n_units, nulls = np.random.default_rng(seed), int(mask.sum()), []
    for _ in range(n_nulls):
        null_mask = np.zeros(mask.shape, bool)
        null_mask.flat[rng.choice(mask.size, n_units, replace=False, shuffle=False)] = True
        nulls.append([measure(null_mask) for measure in MEASURES.values()])
    return {name: _compare_with_null(name, measure(mask), null)
            for (name, measure), null in zip(MEASURES.items(), np.array(nulls).T)}


def _compare_with_null(name: str, observed: float, null: NDArray) -> DistributionMeasure:
    finite = null[np.isfinite(null)]
    if not len(finite):
        return DistributionMeasure(observed, *[float("nan")] * 4)
    mean = float(finite.mean())
    low, high = np.percentile(finite, [2.5, 97.5]).tolist()
    return DistributionMeasure(observed, correct_for_chance(name, observed, mean), mean, low, high)
