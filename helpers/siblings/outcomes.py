"""What stages tell, as tables: shares, strength, equal numbers; networks as replicates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from helpers.ground.languages import LanguageSpec
from helpers.ground.stats import ROUNDING
from helpers.ground.varying import finite_mean
from helpers.siblings.stages import RATE, RATES, WHOLE, Answers, Stage

STRENGTHS = ("CSI", "d'", "sparseness", "activation")
"""Selectivity index, d' and lifetime sparseness; response to the preferred set over the mean
response of the whole layer."""
REPLICATE = ["kind", "seed"]
BLOCK = 20
"""Resampled sets of pictures at a time."""


def share_rows(stages: Mapping[str, Stage], domains: Sequence[str]) -> pd.DataFrame:
    """Count selective units at every false discovery rate.

    Returns
    -------
    DataFrame
        One row per layer, rate and domain: ``layer, depth`` (0 ... 1), ``rate, domain, n_units,
        share`` (of the layer's units, from all pictures), ``again``: of the units that the first
        half finds, the share that the second finds again (NaN without any).
    """
    rows = []
    for layer, depth, stage in _in_order(stages):
        for rate in RATES:
            for domain in domains:
                first, second = (stage.selective(domain, half, rate) for half in (0, 1))
                whole = stage.selective(domain, WHOLE, rate)
                rows.append({"layer": layer, "depth": depth, "rate": rate, "domain": domain,
                             "n_units": int(whole.sum()), "share": float(whole.mean()),
                             "again": float(second[first].mean()) if first.any() else np.nan})
    return pd.DataFrame(rows)


def strength_rows(stages: Mapping[str, Stage], domains: Sequence[str], *,
                  n_best: int = 0) -> pd.DataFrame:
    """Measure units on the pictures that had no part in choosing them, both ways round.

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
        One row per layer, domain and measure of ``STRENGTHS``: ``layer, depth, domain, measure,
        value`` (mean over units, then over both ways; NaN where a half chooses none), ``n_units``
        (mean over both ways).
    """
    rows = []
    for layer, depth, stage in _in_order(stages):
        for domain in domains:
            chosen = [stage.best(domain, half, n_best) if n_best
                      else np.flatnonzero(stage.selective(domain, half)) for half in (0, 1)]
            both = np.array([_strength(stage, domain, units, 1 - half)
                             for half, units in enumerate(chosen)])
            rows += [{"layer": layer, "depth": depth, "domain": domain, "measure": measure,
                      "value": float(value), "n_units": np.mean([len(units) for units in chosen])}
                     for measure, value in zip(STRENGTHS, both.mean(0))]
    return pd.DataFrame(rows)


def _in_order(stages: Mapping[str, Stage]):
    return zip(stages, np.linspace(0, 1, len(stages)), stages.values())


def _strength(stage: Stage, domain: str, units: NDArray[np.int64], half: int) -> list[float]:
    """Average each of ``STRENGTHS`` over some units, on one half."""
    if not len(units):
        return [np.nan] * len(STRENGTHS)
    of = stage.sets.index(domain)
    typical = stage.mean[:, half].mean()
    return [float(finite_mean(stage.index[of, half, units])),
            float(finite_mean(stage.d_prime[of, half, units])),
            float(finite_mean(stage.sparseness[half, units])),
            float(stage.mean[of, half, units].mean() / typical) if typical > 0 else np.nan]


def strength_resampled(answers: Mapping[str, Answers], sets: NDArray[np.str_],
                       domains: Sequence[str], *, seed: int, n_boot: int) -> pd.DataFrame:
    """Measure chosen units again on pictures drawn anew, with replacement within each set.

    Parameters
    ----------
    answers : dict, layer -> Answers
    sets : array, str, shape (n_pictures,)
        Set of each picture.
    domains : sequence of str
    seed, n_boot : int
        Networks that saw the same pictures get the same draws.

    Returns
    -------
    DataFrame
        One row per draw: ``draw``, and the means over layers and domains (those with units) of
        ``CSI`` and ``d'``. Draw -1 is the pictures as they are.
    """
    names = list(dict.fromkeys(sets))
    weights = _draws(sets, names, seed=seed, n_boot=n_boot)
    found: list[NDArray] = []
    for one in answers.values():
        for domain in domains:
            units = one.domain == domain
            if units.any():
                found.append(_resampled(one.values[:, units], weights, names.index(domain)))
    means = finite_mean(np.array(found)) if found else np.full((2, n_boot + 1), np.nan)
    return pd.DataFrame({"draw": np.arange(-1, n_boot), "CSI": means[0], "d'": means[1]})


def _draws(sets: NDArray[np.str_], names: Sequence[str], *, seed: int,
           n_boot: int) -> NDArray[np.float64]:
    """Return how often each draw takes each picture, (n_boot + 1, n_sets, n_pictures)."""
    rng = np.random.default_rng(seed)
    weights = np.zeros((n_boot + 1, len(names), len(sets)))
    for place, name in enumerate(names):
        its = np.flatnonzero(sets == name)
        weights[0, place, its] = 1
        weights[1:, place, its] = rng.multinomial(len(its), np.full(len(its), 1 / len(its)),
                                                  size=n_boot)
    return weights


def _resampled(values: NDArray, weights: NDArray, of: int) -> NDArray[np.float64]:
    """Return mean selectivity index and mean d' of one set's units, (2, n_draws)."""
    values, found = values.astype(np.float64), []
    squares_of = np.square(values)
    n, images = weights[0].sum(1), [np.flatnonzero(row) for row in weights[0]]
    n_rest, others = n.sum() - n[of], np.arange(len(n)) != of
    for draws in np.array_split(weights, -(-len(weights) // BLOCK)):
        # A set's draws take its own images alone: no product with the others' zeros.
        total, squares = (np.stack([draws[:, place, mine] @ its[mine] for place, mine
                                    in enumerate(images)], 1) for its in (values, squares_of))
        mean = total / n[:, None]
        rest, total_rest = mean[:, others].mean(1), total[:, others].sum(1)
        variance = _variance(squares[:, of], total[:, of], n[of])
        variance_rest = _variance(squares[:, others].sum(1), total_rest, n_rest)
        with np.errstate(invalid="ignore", divide="ignore"):
            index = (mean[:, of] - rest) / (np.abs(mean[:, of]) + np.abs(rest))
            d_prime = (mean[:, of] - total_rest / n_rest) / np.sqrt((variance + variance_rest) / 2)
        found.append([finite_mean(index.T), finite_mean(d_prime.T)])
    return np.concatenate(found, axis=1)


def _variance(squares: NDArray, total: NDArray, n: float) -> NDArray[np.float64]:
    """Return the variance of n values from their sums; 0 where no more than rounding is left."""
    left = squares - total**2 / n
    return np.where(left > ROUNDING * squares, left, 0) / (n - 1)


def of_networks(table: pd.DataFrame, value: str = "value") -> pd.Series:
    """Average a table of layers and domains: one value per kind and seed, NaN left out.

    Parameters
    ----------
    table : DataFrame
        Columns ``kind, seed`` and ``value``.
    """
    return table.groupby(REPLICATE, sort=False)[value].mean()


def between(values: pd.Series, first: str, second: str) -> NDArray[np.float64]:
    """Return ``first - second`` for every seed that both kinds have; empty where one is absent."""
    kinds = values.index.get_level_values("kind")
    if first not in kinds or second not in kinds:
        return np.array([])
    both = pd.concat([values[first], values[second]], axis=1, join="inner")
    return (both.iloc[:, 0] - both.iloc[:, 1]).to_numpy(float)


def between_places(table: pd.DataFrame, first: str, second: str,
                   value: str = "value") -> NDArray[np.float64]:
    """Return ``first - second`` for every seed, over the layers and domains that both have.

    Parameters
    ----------
    table : DataFrame
        Columns ``kind, seed, layer, domain`` and ``value``; of one measure.
    first, second : str
        Kinds.
    value : str

    Returns
    -------
    array, float64, shape (n_seeds,)
        Means over layers and domains; empty where a kind is absent, or they share no place.
    """
    wide = table.pivot_table(index=["layer", "domain", "seed"], columns="kind", values=value)
    if first not in wide or second not in wide:
        return np.array([])
    return (wide[first] - wide[second]).dropna().groupby("seed").mean().to_numpy()


def comparisons(spec: LanguageSpec) -> dict[str, tuple[str, str]]:
    """Return why kinds are compared -> the two; empty: there is none."""
    return {"language": (spec.language, spec.vision), "text vectors": (spec.targets, spec.vision),
            "what it says": (spec.language, spec.shuffled)}


def minus(pair: tuple[str, str]) -> str:
    """Name the difference of two kinds."""
    return " minus ".join(kind or "none here" for kind in pair)


def at_rate(shares: pd.DataFrame, rate: float = RATE) -> pd.DataFrame:
    """Keep the rows of one false discovery rate."""
    return shares[shares["rate"] == rate]


def summed(shares: pd.DataFrame) -> pd.DataFrame:
    """Add the shares of all domains up: one row per kind, seed, layer and rate."""
    return (shares.groupby([*REPLICATE, "layer", "depth", "rate"], sort=False)["share"].sum()
            .reset_index())
