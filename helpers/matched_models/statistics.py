"""What stages tell, as tables: shares, strength, equal numbers; networks as replicates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from helpers.config.vision_language import LanguageSpec
from helpers.core.constant_values import finite_mean
from helpers.core.statistics import ROUNDING_TOLERANCE
from helpers.matched_models.block_statistics import (
    ALL_IMAGES,
    FDR_ALPHA,
    FDR_ALPHAS,
    BlockStatistics,
    HeldOutResponses,
)

TUNING_MEASURES = ("CSI", "d'", "sparseness", "activation")
"""Selectivity index, d' and lifetime sparseness; response to the preferred set over the mean
response of the whole layer."""
NETWORK_COLUMNS = ["condition", "seed"]
BLOCK = 20
"""Resampled sets of images at a time."""


def selective_proportion_table(blocks: Mapping[str, BlockStatistics],
                               domains: Sequence[str]) -> pd.DataFrame:
    """Count selective units at every false discovery rate.

    Returns
    -------
    DataFrame
        One row per layer, rate and domain: ``layer, depth`` (0 ... 1), ``rate, domain, n_units,
        share`` (target the layer's units, from all images), ``again``: of the units that the first
        half finds, the share that the second finds again (NaN without any).
    """
    rows = []
    for layer, depth, block in _iter_blocks(blocks):
        for fdr_alpha in FDR_ALPHAS:
            for domain in domains:
                first, second = (block.selective_mask(domain, half, fdr_alpha) for half in (0, 1))
                whole = block.selective_mask(domain, ALL_IMAGES, fdr_alpha)
                rows.append({"layer": layer, "depth": depth, "fdr_alpha": fdr_alpha,
                             "domain": domain,
                             "n_units": int(whole.sum()), "proportion": float(whole.mean()),
                             "proportion_replicated": float(second[first].mean()) if first.any()
                             else np.nan})
    return pd.DataFrame(rows)


def tuning_strength_table(blocks: Mapping[str, BlockStatistics], domains: Sequence[str], *,
                          n_best: int = 0) -> pd.DataFrame:
    """Measure units on the images that had no part in choosing them, both ways round.

    Parameters
    ----------
    stages : dict, layer -> Stage
    domains : sequence of str
    n_best : int
        0: all units that a half calls selective. Else as many of each domain and layer, whatever
        the test says: those whose weakest contrast is clearest.

    Returns
    -------
    DataFrame
        One row per layer, domain and measure of ``TUNING_MEASURES``: ``layer, depth, domain,
        measure, value`` (mean over units, then over both ways; NaN where a half chooses none),
        ``n_units`` (mean over both ways).
    """
    rows = []
    for layer, depth, block in _iter_blocks(blocks):
        for domain in domains:
            selected_units = [block.top_units(domain, half, n_best) if n_best
                      else np.flatnonzero(block.selective_mask(domain, half)) for half in (0, 1)]
            both = np.array([_mean_strength(block, domain, units, 1 - half)
                             for half, units in enumerate(selected_units)])
            rows += [{"layer": layer, "depth": depth, "domain": domain, "measure": measure,
                      "value": float(value), "n_units": np.mean([len(units)
                                                                 for units in selected_units])}
                     for measure, value in zip(TUNING_MEASURES, both.mean(0))]
    return pd.DataFrame(rows)


def _iter_blocks(blocks: Mapping[str, BlockStatistics]):
    return zip(blocks, np.linspace(0, 1, len(blocks)), blocks.values())


def _mean_strength(block: BlockStatistics, domain: str, units: NDArray[np.int64],
                   half: int) -> list[float]:
    """Average each of ``TUNING_MEASURES`` over some units, on one half."""
    if not len(units):
        return [np.nan] * len(TUNING_MEASURES)
    target = block.sets.index(domain)
    mean_response = block.mean[:, half].mean()
    return [float(finite_mean(block.index[target, half, units])),
            float(finite_mean(block.d_prime[target, half, units])),
            float(finite_mean(block.sparseness[half, units])),
            float(block.mean[target, half, units].mean()
                  / mean_response) if mean_response > 0 else np.nan]


def bootstrap_tuning_strength(responses: Mapping[str, HeldOutResponses], sets: NDArray[np.str_],
                              domains: Sequence[str], *, seed: int, n_boot: int) -> pd.DataFrame:
    """Measure chosen units again on images drawn anew, with replacement within each set.

    Parameters
    ----------
    responses : dict, layer -> Answers
    sets : array, str, shape (n_images,)
        Set of each image.
    domains : sequence of str
    seed, n_boot : int
        Networks that saw the same images get the same draws.

    Returns
    -------
    DataFrame
        One row per draw: ``draw``, and the means over layers and domains (those with units) of
        ``CSI`` and ``d'``. Draw -1 is the images as they are.
    """
    names = list(dict.fromkeys(sets))
    weights = _draws(sets, names, seed=seed, n_boot=n_boot)
    results: list[NDArray] = []
    for one in responses.values():
        for domain in domains:
            units = one.domain == domain
            if units.any():
                results.append(_resampled(one.values[:, units], weights, names.index(domain)))
    means = finite_mean(np.array(results)) if results else np.full((2, n_boot + 1), np.nan)
    return pd.DataFrame({"draw": np.arange(-1, n_boot), "CSI": means[0], "d'": means[1]})


def _draws(sets: NDArray[np.str_], names: Sequence[str], *, seed: int,
           n_boot: int) -> NDArray[np.float64]:
    """Return how often each draw takes each image, (n_boot + 1, n_sets, n_images)."""
    rng = np.random.default_rng(seed)
    weights = np.zeros((n_boot + 1, len(names), len(sets)))
    for set_idx, name in enumerate(names):
        its = np.flatnonzero(sets == name)
        weights[0, set_idx, its] = 1
        weights[1:, set_idx, its] = rng.multinomial(len(its), np.full(len(its), 1 / len(its)),
                                                    size=n_boot)
    return weights


def _resampled(values: NDArray, weights: NDArray, target: int) -> NDArray[np.float64]:
    """Return mean selectivity index and mean d' of one set's units, (2, n_draws)."""
    values, results = values.astype(np.float64), []
    squared_values = np.square(values)
    n, images = weights[0].sum(1), [np.flatnonzero(row) for row in weights[0]]
    n_rest, others = n.sum() - n[target], np.arange(len(n)) != target
    for draw_weights in np.array_split(weights, -(-len(weights) // BLOCK)):
        # A set's draws take its own images alone: no product with the others' zeros.
        total, squares = (np.stack([draw_weights[:, set_idx, mine] @ its[mine] for set_idx, mine
                                    in enumerate(images)], 1) for its in (values, squared_values))
        mean = total / n[:, None]
        rest, total_rest = mean[:, others].mean(1), total[:, others].sum(1)
        variance = _variance(squares[:, target], total[:, target], n[target])
        variance_rest = _variance(squares[:, others].sum(1), total_rest, n_rest)
        with np.errstate(invalid="ignore", divide="ignore"):
            index = (mean[:, target] - rest) / (np.abs(mean[:, target]) + np.abs(rest))
            d_prime = (mean[:, target] - total_rest / n_rest) / np.sqrt((variance + variance_rest)
                                                                        / 2)
        results.append([finite_mean(index.T), finite_mean(d_prime.T)])
    return np.concatenate(results, axis=1)


def _variance(squares: NDArray, total: NDArray, n: float) -> NDArray[np.float64]:
    """Return the variance of n values from their sums; 0 where no more than rounding is left."""
    left = squares - total**2 / n
    return np.where(left > ROUNDING_TOLERANCE * squares, left, 0) / (n - 1)


def mean_per_network(table: pd.DataFrame, value: str = "value") -> pd.Series:
    """Average a table of layers and domains: one value per kind and seed, NaN left out.

    Parameters
    ----------
    table : DataFrame
        Columns ``condition, seed`` and ``value``.
    """
    return table.groupby(NETWORK_COLUMNS, sort=False)[value].mean()


def paired_differences(values: pd.Series, first: str, second: str) -> NDArray[np.float64]:
    """Return ``first - second`` for every seed that both kinds have; empty where one is absent."""
    conditions = values.index.get_level_values("condition")
    if first not in conditions or second not in conditions:
        return np.array([])
    both = pd.concat([values[first], values[second]], axis=1, join="inner")
    return (both.iloc[:, 0] - both.iloc[:, 1]).to_numpy(float)


def paired_differences_by_layer(table: pd.DataFrame, first: str, second: str,
                                value: str = "value") -> NDArray[np.float64]:
    """Return ``first - second`` for every seed, over the layers and domains that both have.

    Parameters
    ----------
    table : DataFrame
        Columns ``condition, seed, layer, domain`` and ``value``; of one measure.
    first, second : str
        Kinds.
    value : str

    Returns
    -------
    array, float64, shape (n_seeds,)
        Means over layers and domains; empty where a kind is absent, or they share no place.
    """
    wide = table.pivot_table(index=["layer", "domain", "seed"], columns="condition", values=value)
    if first not in wide or second not in wide:
        return np.array([])
    return (wide[first] - wide[second]).dropna().groupby("seed").mean().to_numpy()


def condition_pairs(spec: LanguageSpec) -> dict[str, tuple[str, str]]:
    """Return why kinds are compared -> the two; empty: there is none."""
    return {"language": (spec.language, spec.vision),
            "text-embedding targets": (spec.targets, spec.vision),
            "captions − shuffled captions": (spec.language, spec.shuffled)}


def format_difference(pair: tuple[str, str]) -> str:
    """Name the difference of two kinds."""
    return " minus ".join(condition or "none here" for condition in pair)


def select_fdr_alpha(proportions: pd.DataFrame, fdr_alpha: float = FDR_ALPHA) -> pd.DataFrame:
    """Keep the rows of one false discovery rate."""
    return proportions[proportions["fdr_alpha"] == fdr_alpha]


def sum_over_domains(proportions: pd.DataFrame) -> pd.DataFrame:
    """Add the fractions of all domains up: one row per kind, seed, layer and rate."""
    return (proportions.groupby([*NETWORK_COLUMNS, "layer", "depth", "fdr_alpha"],
                                sort=False)["proportion"].sum()
            .reset_index())
