"""Fraction of units that prefer the same domain on independent images: an interval over images.

Units of a layer are correlated, and so are those of successive layers: a binomial interval over
units is far too narrow. Images are the sample, so images are resampled. It is no part of the paper,
whose control drew a new random network for the independent set.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from helpers.core.bootstrap import N_RESAMPLES, bootstrap_interval, draw_weights
from helpers.networks.activations import extract_activations
from helpers.networks.network import Network
from helpers.selectivity.localizer_result import LocalizerResult, nan_argmax, rank_t
from helpers.selectivity.statistics import mean_t, resampled_moments, subtract_minimum
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
    candidates = np.sort([names.index(domain) for domain in intact])
    rng, n_units, measured = np.random.default_rng(seed), [], []
    for candidate in candidates:
        units = pd.concat([pd.DataFrame({"layer": layer, "domain": candidate,
                                         "unit": result.units(layer, names[candidate])})
                           for layer in result.layers if layer in (layers or result.layers)])
        n_units.append(len(units))
        measured.append(units if len(units) <= MAX_UNITS else
                        units.iloc[rng.choice(len(units), MAX_UNITS, replace=False)])
    units = pd.concat(measured)
    by_layer = {layer: units[units["layer"] == layer] for layer in result.layers}
    rows = np.arange(len(independent))
    batches = independent.batches(np.split(rows, range(batch_size, len(rows), batch_size)),
                                  network.preprocessing)
    activations = extract_activations(network.model, network.layers, batches, {
        layer: units["unit"].tolist() for layer, units in by_layer.items()})
    intervals = same_preference_intervals(
        np.concatenate([activations[layer].numpy() for layer in by_layer], axis=1),
        np.array([names.index(domain) for domain in independent.domains]),
        pd.concat(by_layer.values())["domain"].to_numpy(), candidates, seed=seed,
        n_units=np.array(n_units))
    of_domain = dict(zip([*(names[candidate] for candidate in candidates), "all"], intervals))
    return {name: tuple(map(float, of_domain[name])) for name in (*intact, "all")}


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
    own = defined == candidates[:, None]
    n_units = own.sum(1) if n_units is None else n_units
    weights = draw_weights(labels, seed=seed, n_resamples=n_resamples)
    weights = np.vstack([np.ones(len(labels)), weights])    # first the images as they are
    weights = weights * (labels == np.arange(labels.max() + 1)[:, None, None])
    size = max(1, CHUNK // weights[..., 0].size)
    same = np.concatenate([np.zeros((weights.shape[1], 0), bool), *(
        _prefer_again(activations[:, start:start + size], weights, defined[start:start + size],
                      candidates) for start in range(0, len(defined), size))], axis=1)
    fractions = np.array([same[:, units].sum(1) / max(units.sum(), 1) for units in own])
    pooled = n_units @ fractions / max(n_units.sum(), 1)
    return np.array([np.clip(bootstrap_interval(row[0], row[1:]), 0, 1) if n else (np.nan,) * 3
                     for n, row in zip([*n_units, n_units.sum()], [*fractions, pooled])])


def _prefer_again(activations: NDArray, weights: NDArray, defined: NDArray,
                  candidates: NDArray) -> NDArray[np.bool_]:
    """Return which units prefer their domain, (n_weightings of the images, n_units)."""
    moments = resampled_moments(subtract_minimum(activations), torch.from_numpy(weights))
    order = rank_t(*(values[candidates].numpy() for values in mean_t(moments)))
    preferred = nan_argmax(order).reshape(weights.shape[1], -1)
    return preferred == np.searchsorted(candidates, defined)
