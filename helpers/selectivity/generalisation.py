"""Fraction of units that prefer the same domain on independent images: an interval over images.

Units of a layer are correlated, and so are those of successive layers: a binomial interval over
units is far too narrow. Images are the sample, so images are resampled. It is no part of the paper,
whose control drew a new random network for the independent set.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from helpers.core.bootstrap import N_RESAMPLES, bootstrap_interval, draw_weights
from helpers.core.constant_values import subtract_mean
from helpers.core.moments import Moments, t_values
from helpers.networks.activations import extract_activations
from helpers.networks.network import Network
from helpers.selectivity.localizer_result import INFINITE_T_RANK, LocalizerResult
from helpers.stimuli.domains import intact_domains
from helpers.stimuli.image_sets import ImageSet

CHUNK = 2**23
"""Values of t that are held at a time."""
MAX_UNITS = 5_000
"""Units of a domain that are measured, drawn from the seed where there are more: of a network on
photographs, the activations of millions would fill the memory, and images are the sample anyway."""


def measure_same_preference(network: Network, result: LocalizerResult, independent: ImageSet, *,
                            seed: int, layers: Sequence[str] = (),
                            batch_size: int = 64) -> dict[str, tuple[float, float, float]]:
    """Measure which fraction of the selective units prefers its domain on independent images.

    Parameters
    ----------
    network : Network
    result : LocalizerResult
        Of this network; defines the units, of the intact domains.
    independent : ImageSet
        Of the domains that it lacks, no unit is measured.
    seed : int
        Of the bootstrap.
    layers : sequence of str
        Whose units are measured, all together; by default those of all layers.
    batch_size : int
        Images in one forward pass; changes speed and memory only.

    Returns
    -------
    dict
        Intact domain -> fraction, low, high of its units (`same_preference_intervals`), at most
        ``MAX_UNITS``; "all": of the units of all these domains, each domain by its number of units.
    """
    names = independent.domain_names
    intact = [domain for domain in intact_domains(result.domains) if domain in names]
    selected = [result.domains.index(domain) for domain in intact]
    units = {layer: np.flatnonzero(np.isin(labels, selected) & (layer in (layers or result.layers)))
             for layer, labels in result.labels.items()}
    rows = np.arange(len(independent))
    batches = independent.batches(np.split(rows, range(batch_size, len(rows), batch_size)),
                                  network.preprocessing)
    place = np.array([names.index(domain) if domain in intact else -1 for domain in result.domains])
    candidates = np.sort(place[place >= 0])
    defined = np.concatenate([place[result.labels[layer][own]] for layer, own in units.items()])
    drawn = _draw_units(defined, candidates, seed=seed)
    ends = np.cumsum([len(own) for own in units.values()])
    measured = {layer: own[part - (end - len(own))] for (layer, own), end, part in zip(
        units.items(), ends, np.split(drawn, np.searchsorted(drawn, ends[:-1])))}
    activations = extract_activations(network.model, network.layers, batches, measured)
    intervals = same_preference_intervals(
        np.concatenate([activations[layer].numpy() for layer in units], axis=1),
        np.array([names.index(domain) for domain in independent.domains]), defined[drawn],
        candidates, seed=seed,
        n_units=np.array([(defined == candidate).sum() for candidate in candidates]))
    of_domain = dict(zip([*(names[candidate] for candidate in candidates), "all"], intervals))
    return {name: tuple(map(float, of_domain[name])) for name in (*intact, "all")}


def _draw_units(defined: NDArray, candidates: NDArray, *, seed: int) -> NDArray[np.int64]:
    """Draw at most ``MAX_UNITS`` units of each candidate domain; return their places, sorted."""
    rng = np.random.default_rng(seed)
    of_candidate = [np.flatnonzero(defined == candidate) for candidate in candidates]
    return np.sort(np.concatenate([
        units if len(units) <= MAX_UNITS else rng.choice(units, MAX_UNITS, replace=False)
        for units in of_candidate] or [np.zeros(0, int)]))


def same_preference_intervals(activations: NDArray, labels: NDArray, defined: NDArray,
                              candidates: NDArray, *, seed: int,
                              n_units: NDArray | None = None,
                              n_resamples: int = N_RESAMPLES) -> NDArray[np.float64]:
    """Compute the fraction of units that prefer their domain again, with its 95 % interval.

    Images are drawn again within each domain (`helpers.core.bootstrap`).

    Parameters
    ----------
    activations : array, float, shape (n_images, n_units)
        To independent images, of the units that other images defined.
    labels : array, int, shape (n_images,)
        Domain of each image, 0 ... n_domains - 1; at least two images of every domain.
    defined : array, int, shape (n_units,)
        Domain for which each unit was selected, one of the candidates.
    candidates : array, int, shape (n_candidates,)
        Domains that a unit can prefer: the one of its largest mean t over contrasts with all
        domains. Chance is 1 / number of candidates.
    seed, n_resamples : int
    n_units : array, int, shape (n_candidates,), optional
        For how many units those of each candidate stand; by default for themselves.

    Returns
    -------
    array, float64, shape (n_candidates + 1, 3)
        Fraction, low, high of the units of each candidate, and of all units in the last row, where
        candidates count by ``n_units``. The interval is cut off at 0 and 1. NaN without units.
    """
    of_candidate = [np.flatnonzero(defined == candidate) for candidate in candidates]
    n_units = np.array([len(units) for units in of_candidate]) if n_units is None else n_units
    weights = draw_weights(labels, seed=seed, n_resamples=n_resamples)
    fractions = np.hstack([
        _fractions(activations, labels, np.ones((1, len(labels))), of_candidate, candidates),
        _fractions(activations, labels, weights, of_candidate, candidates)])
    pooled = n_units @ fractions / max(n_units.sum(), 1)
    return np.array([_interval(*row) if n else (np.nan,) * 3 for n, row in zip(
        [*n_units, n_units.sum()], [*fractions, pooled])])


def _interval(fraction: float, *resampled: float) -> tuple[float, float, float]:
    _, low, high = bootstrap_interval(fraction, resampled)
    return fraction, max(0.0, low), min(1.0, high)


def _fractions(activations: NDArray, labels: NDArray, weights: NDArray,
               of_candidate: Sequence[NDArray], candidates: NDArray) -> NDArray[np.float64]:
    """Compute the fraction of each candidate's units, (n_candidates, n_weightings); 0 of none."""
    units = np.concatenate([*of_candidate, np.zeros(0, dtype=int)])
    defined = np.repeat(candidates, [len(members) for members in of_candidate])
    n_same = np.zeros((len(candidates), len(weights)), dtype=np.int64)
    size = max(1, CHUNK // (np.unique(labels).size * len(weights)))
    for start in range(0, len(units), size):
        part = slice(start, start + size)
        n_same += _count_same(activations[:, units[part]], labels, weights, defined[part],
                              candidates)
    return n_same / np.maximum([[len(members)] for members in of_candidate], 1)


def _count_same(activations: NDArray, labels: NDArray, weights: NDArray, defined: NDArray,
                candidates: NDArray) -> NDArray[np.int64]:
    """Count units that prefer their domain, (n_candidates, n_weightings of the images)."""
    t = _mean_t(torch.from_numpy(subtract_mean(activations)), torch.from_numpy(labels),
                torch.from_numpy(weights))[candidates].nan_to_num(nan=-torch.inf)
    preferred = candidates[t.argmax(0).numpy()]
    same = (preferred == defined) & (t > -torch.inf).any(0).numpy()
    return np.stack([same[:, defined == candidate].sum(1) for candidate in candidates])


def _mean_t(centred: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    """Compute every domain's mean t, (n_domains, n_weightings, n_units); NaN for dead units.

    An infinite t ranks first or last, as in `LocalizerResult.ranking`.
    """
    of_domain = [labels == domain for domain in range(int(labels.max()) + 1)]
    count = torch.stack([members.sum() for members in of_domain])
    sums, squares = (torch.stack([weights[:, members] @ values[members] for members in of_domain])
                     for values in (centred, centred.square()))
    mean = sums / count[:, None, None]
    sum_squares = (squares - count[:, None, None] * mean.square()).clamp_(min=0)
    moments = Moments(count, mean.flatten(1), sum_squares.flatten(1))
    total, n_finite = torch.zeros_like(moments.mean), torch.zeros_like(moments.mean)
    for first, second in combinations(range(len(count)), 2):
        t, _ = t_values(moments, first, second)
        n_finite[[first, second]] += ~t.isnan()
        t.nan_to_num_(nan=0.0, posinf=INFINITE_T_RANK, neginf=-INFINITE_T_RANK)
        total[first] += t
        total[second] -= t
    return (total / n_finite).view(mean.shape)
