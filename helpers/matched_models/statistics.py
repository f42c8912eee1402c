"""Tables of selective units by block: proportions, tuning strength, distribution over feature maps;
and differences between conditions, with networks as replicates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from helpers.config.vision_language import LanguageSpec
from helpers.core.bootstrap import draw_weights
from helpers.core.constant_values import finite_mean
from helpers.matched_models.block_statistics import (
    ALL_IMAGES,
    FDR_ALPHAS,
    BlockStatistics,
    HeldOutResponses,
)
from helpers.selectivity.unit_distribution import measure_distribution

TUNING_MEASURES = ("CSI", "d'", "sparseness", "activation")
"""Selectivity index, d' and lifetime sparseness; response to the preferred set over the mean
response of the whole layer."""
NETWORK_COLUMNS = ["condition", "seed"]
ROLES = {"language": "language", "vision": "vision alone", "targets": "text-embedding targets",
         "shuffled": "shuffled captions", "objects": "object labels", "views": "views"}
"""Fields of LanguageSpec -> words for a condition that a profile lacks."""
COMPARISONS = {"language": ("language", "vision"), "text-embedding targets": ("targets", "vision"),
               "captions − object labels": ("language", "objects"),
               "captions − shuffled captions": ("language", "shuffled"),
               "captions − views": ("language", "views"),
               "labels − object labels": ("vision", "objects")}
"""What is compared -> the two fields of LanguageSpec, of which the second is subtracted."""
ROUNDING_TOLERANCE = 1e-12
"""A variance below this fraction of the mean square is rounding error of float64 sums."""


def selective_proportion_table(blocks: Mapping[str, BlockStatistics],
                               domains: Sequence[str]) -> pd.DataFrame:
    """Return the proportion of selective units at every false discovery rate.

    Returns
    -------
    DataFrame
        One row per layer, rate and domain: ``layer, depth`` (0 ... 1), ``fdr_alpha, domain,
        n_units, proportion`` (of the layer's units, from all images), ``proportion_replicated``
        (of the units that are selective on the first half, the proportion that is on the second;
        NaN without any).
    """
    rows = []
    for layer, depth, block in _iter_blocks(blocks):
        for fdr_alpha in FDR_ALPHAS:
            for domain in domains:
                first, second, whole = (block.selective_mask(domain, part, fdr_alpha)
                                        for part in (0, 1, ALL_IMAGES))
                rows.append({"layer": layer, "depth": depth, "fdr_alpha": fdr_alpha,
                             "domain": domain, "n_units": int(whole.sum()),
                             "proportion": float(whole.mean()),
                             "proportion_replicated": float(finite_mean(second[first]))})
    return pd.DataFrame(rows)


def tuning_strength_table(blocks: Mapping[str, BlockStatistics], domains: Sequence[str], *,
                          n_best: int = 0) -> pd.DataFrame:
    """Return the tuning strength of units, on the half of the images that did not select them.

    Parameters
    ----------
    blocks : dict, layer -> BlockStatistics
    domains : sequence of str
    n_best : int
        0: all units that are selective on a half. Otherwise this number of units of each domain
        and layer, whether or not they are significant: those with the largest `min_t`.

    Returns
    -------
    DataFrame
        One row per layer, domain and measure of ``TUNING_MEASURES``: ``layer, depth, domain,
        measure, value`` (mean over units, then over halves; NaN where a half selects none),
        ``n_units`` (mean over halves).
    """
    rows = []
    for layer, depth, block in _iter_blocks(blocks):
        for domain in domains:
            units = [block.top_units(domain, half, n_best) if n_best
                     else np.flatnonzero(block.selective_mask(domain, half)) for half in (0, 1)]
            both = np.array([_mean_strength(block, domain, units[half], 1 - half)
                             for half in (0, 1)])
            rows += [{"layer": layer, "depth": depth, "domain": domain, "measure": measure,
                      "value": float(value), "n_units": np.mean([len(one) for one in units])}
                     for measure, value in zip(TUNING_MEASURES, both.mean(0))]
    return pd.DataFrame(rows)


def unit_distribution_table(blocks: Mapping[str, BlockStatistics], domains: Sequence[str], *,
                            seed: int, n_nulls: int) -> pd.DataFrame:
    """Measure how selective units are distributed over feature maps and positions.

    Returns
    -------
    DataFrame
        One row per layer, domain and measure: ``layer, domain, measure, n_units, observed,
        corrected, null_mean, null_low, null_high``; see `helpers.selectivity.unit_distribution`.
    """
    rows = []
    for layer, block in blocks.items():
        for domain in domains:
            mask = block.selective_mask(domain)
            rows += [{"layer": layer, "domain": domain, "measure": measure,
                      "n_units": int(mask.sum()), **vars(one)}
                     for measure, one in measure_distribution(block.to_feature_maps(mask),
                                                              seed=seed, n_nulls=n_nulls).items()]
    return pd.DataFrame(rows)


def _iter_blocks(blocks: Mapping[str, BlockStatistics]):
    return zip(blocks, np.linspace(0, 1, len(blocks)), blocks.values())


def _mean_strength(block: BlockStatistics, domain: str, units: NDArray[np.int64],
                   half: int) -> list[float]:
    """Average each of ``TUNING_MEASURES`` over some units, on one half."""
    if not len(units):
        return [np.nan] * len(TUNING_MEASURES)
    target, layer_mean = block.sets.index(domain), block.mean[:, half].mean()
    response = block.mean[target, half, units].mean()
    return [*(float(finite_mean(values[half, units])) for values in (
                block.selectivity_index[target], block.d_prime[target], block.sparseness)),
            float(response / layer_mean) if layer_mean > 0 else np.nan]


def bootstrap_tuning_strength(responses: Mapping[str, HeldOutResponses], sets: NDArray[np.str_],
                              domains: Sequence[str], *, seed: int, n_boot: int) -> pd.DataFrame:
    """Return the tuning strength of selected units over images resampled within each set.

    Parameters
    ----------
    responses : dict, layer -> HeldOutResponses
    sets : array, str, shape (n_images,)
        Set of each image.
    domains : sequence of str
    seed, n_boot : int
        The same resamples for all networks with the same images.

    Returns
    -------
    DataFrame
        One row per resample: ``draw``, and the means over layers and domains (those with units)
        of ``CSI`` and ``d'``. Draw -1 is the original images.
    """
    set_of_image, names = pd.factorize(sets)
    weights = np.vstack([np.ones(len(sets)),
                         draw_weights(set_of_image, seed=seed, n_resamples=n_boot)])
    results = [_resampled(one.values[:, one.domain == domain], set_of_image, weights,
                          list(names).index(domain))
               for one in responses.values() for domain in domains if domain in one.domain]
    means = finite_mean(np.array(results)) if results else np.full((2, n_boot + 1), np.nan)
    return pd.DataFrame({"draw": np.arange(-1, n_boot), "CSI": means[0], "d'": means[1]})


def _resampled(values: NDArray, set_of_image: NDArray[np.int64], weights: NDArray,
               target: int) -> NDArray[np.float64]:
    """Return mean selectivity index and mean d' of one set's units, (2, n_draws).

    ``weights``: how often each image occurs in each draw, (n_draws, n_images).
    """
    values, n = values.astype(np.float64), np.bincount(set_of_image)
    members = [np.flatnonzero(set_of_image == index) for index in range(len(n))]
    total, squares = (np.stack([weights[:, rows] @ its[rows] for rows in members])
                      for its in (values, np.square(values)))
    others = np.arange(len(n)) != target
    mean = total / n[:, None, None]
    rest, total_rest, n_rest = mean[others].mean(0), total[others].sum(0), n[others].sum()
    variance = _variance(squares[target], total[target], n[target])
    variance_rest = _variance(squares[others].sum(0), total_rest, n_rest)
    with np.errstate(invalid="ignore", divide="ignore"):
        index = (mean[target] - rest) / (np.abs(mean[target]) + np.abs(rest))
        d_prime = (mean[target] - total_rest / n_rest) / np.sqrt((variance + variance_rest) / 2)
    return np.stack([finite_mean(index.T), finite_mean(d_prime.T)])


def _variance(squares: NDArray, total: NDArray, n: float) -> NDArray[np.float64]:
    """Return the variance of n values from their sums; 0 where it is rounding error."""
    deviations = squares - total**2 / n
    return np.where(deviations > ROUNDING_TOLERANCE * squares, deviations, 0) / (n - 1)


def mean_per_network(table: pd.DataFrame, value: str = "value") -> pd.Series:
    """Average a table over layers and domains: one value per condition and seed, NaN left out.

    Parameters
    ----------
    table : DataFrame
        Columns ``condition, seed`` and ``value``.
    """
    return table.groupby(NETWORK_COLUMNS, sort=False)[value].mean()


def paired_differences(values: pd.Series, first: str, second: str) -> NDArray[np.float64]:
    """Return ``first - second`` for every seed of both conditions; empty where one is absent."""
    conditions = values.index.get_level_values("condition")
    if first not in conditions or second not in conditions:
        return np.array([])
    both = pd.concat([values[first], values[second]], axis=1, join="inner")
    return (both.iloc[:, 0] - both.iloc[:, 1]).to_numpy(float)


def growth_with_depth(table: pd.DataFrame, layers: Sequence[str],
                      value: str = "proportion") -> pd.Series:
    """Return a network's mean in the last block minus that in the first.

    Parameters
    ----------
    table : DataFrame
        Columns ``condition, seed, layer`` and ``value``.
    layers : sequence of str
        Blocks in order of depth.

    Returns
    -------
    Series of float, one value per condition and seed
    """
    first, last = (mean_per_network(table[table["layer"] == layer], value)
                   for layer in (layers[0], layers[-1]))
    return last - first


def mean_sign(differences: NDArray[np.float64]) -> float:
    """Return the sign of a mean, 1 or -1; NaN where it has none: no differences, or a mean of 0."""
    mean = differences.mean() if len(differences) else 0.0
    return float(np.sign(mean)) if mean else np.nan


def paired_differences_by_layer(table: pd.DataFrame, first: str, second: str,
                                value: str = "value") -> NDArray[np.float64]:
    """Return ``first - second`` for every seed, over the layers and domains that both have.

    Parameters
    ----------
    table : DataFrame
        Columns ``condition, seed, layer, domain`` and ``value``; of one measure.
    first, second : str
        Conditions.
    value : str

    Returns
    -------
    array, float64, shape (n_seeds,)
        Means over layers and domains; empty where a condition is absent, or the two have no layer
        and domain in common.
    """
    wide = table.pivot_table(index=["layer", "domain", "seed"], columns="condition", values=value)
    if first not in wide or second not in wide:
        return np.array([])
    return (wide[first] - wide[second]).dropna().groupby("seed").mean().to_numpy()


def condition_pairs(spec: LanguageSpec) -> dict[str, tuple[str, str]]:
    """Return comparison -> the two conditions; an empty name where the profile has none."""
    return {comparison: (getattr(spec, first), getattr(spec, second))
            for comparison, (first, second) in COMPARISONS.items()}


def name_differences(spec: LanguageSpec) -> dict[str, str]:
    """Return comparison -> "condition minus condition"; what the profile lacks, by its role."""
    return {comparison: " minus ".join(getattr(spec, role) or f"{ROLES[role]} (none here)"
                                       for role in roles)
            for comparison, roles in COMPARISONS.items()}


def sum_over_domains(proportions: pd.DataFrame) -> pd.DataFrame:
    """Sum proportions over domains: one row per condition, seed, layer and rate."""
    keys = [*NETWORK_COLUMNS, "layer", "depth", "fdr_alpha"]
    return proportions.groupby(keys, sort=False)["proportion"].sum().reset_index()
