"""Features of a cohort's images: every image passes through a network once, for all regions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchvision.transforms.functional import pil_to_tensor

from helpers.brains.cohort import Cohort
from helpers.core.cache import cached
from helpers.core.console import progress
from helpers.core.digest import array_digest, code_digest, defining_modules, text_digest
from helpers.networks.activations import (
    channel_means,
    count_units,
    extract_activations,
    select_layer_paths,
)
from helpers.networks.network import Network
from helpers.selectivity.study import LocalizerResult
from helpers.stimuli.gabor import gabor_features
from helpers.stimuli.image_source import Transform

Features = dict[str, NDArray[np.float32]]
"""Layer -> activations, shape (n_conditions, n_units)."""

WHOLE_LAYER = "layer"
"""Name of the pool that is a whole layer (as published for the network trained on faces)."""


@dataclass(frozen=True)
class UnitPools:
    """Pre-identified units, layer by layer.

    Attributes
    ----------
    units : dict, layer -> int64, shape (n_units,)
        The union of all pools, increasing: the units whose activations are extracted.
    members : dict, pool -> dict, layer -> int64
        Columns of a pool's units among these.
    """

    units: Mapping[str, NDArray[np.int64]]
    members: Mapping[str, Mapping[str, NDArray[np.int64]]]

    @property
    def digest(self) -> str:
        """Digest of the pools' units, 64 hexadecimal digits."""
        return text_digest(repr([(layer, pool, array_digest(unit_idx[members[layer]]))
                                 for layer, unit_idx in self.units.items()
                                 for pool, members in self.members.items()]))


def selective_pools(localizer: LocalizerResult, layers: Sequence[str],
                    domains: Sequence[str]) -> UnitPools:
    """Return the units that a localizer found selective, one pool per domain."""
    layers = select_layer_paths(dict.fromkeys(localizer.layers, ""), layers)
    selective = {domain: {layer: localizer.units(layer, domain) for layer in layers}
                 for domain in domains}
    units = {layer: np.unique(np.concatenate([its[layer] for its in selective.values()]))
             for layer in layers}
    return UnitPools(units, {
        domain: {layer: np.searchsorted(units[layer], unit_idx) for layer, unit_idx in its.items()}
        for domain, its in selective.items()})


def whole_layer_pool(network: Network, layers: Sequence[str]) -> UnitPools:
    """Return all units of some layers as one pool, `WHOLE_LAYER`."""
    counts = count_units(network.model, select_layer_paths(network.layers, layers),
                         torch.zeros(1, *network.input_shape))
    units = {layer: np.arange(counts[layer]) for layer in layers}
    return UnitPools(units, {WHOLE_LAYER: units})


def group_conditions(conditions: Mapping[str, NDArray[np.int64]]) -> dict[str, NDArray[np.int64]]:
    """Group conditions by the participants who saw them: several ("shared"), or one.

    Parameters
    ----------
    conditions : dict, subject -> int64
        The conditions of each participant, increasing.

    Returns
    -------
    dict
        Disjoint groups that together hold every condition once; empty ones are left out.
    """
    values, counts = np.unique(np.concatenate(list(conditions.values())), return_counts=True)
    shared = values[counts > 1]
    groups = {"shared": shared, **{subject: np.setdiff1d(its_conditions, shared)
                                   for subject, its_conditions in conditions.items()}}
    return {name: group for name, group in groups.items() if len(group)}


def join_features(groups: Mapping[str, NDArray[np.int64]], group_features: Mapping[str, Features],
                  subject: str, conditions: NDArray[np.int64]) -> Features:
    """Assemble the features of one participant's conditions from those of the groups."""
    names = [name for name in ("shared", subject) if name in groups]
    rows = pd.Index(np.concatenate([groups[name] for name in names])).get_indexer(conditions)
    return {layer: np.concatenate([group_features[name][layer] for name in names])[rows]
            for layer in group_features[names[0]]}


def unit_features(network: Network, pools: UnitPools, cohort: Cohort, conditions: NDArray[np.int64],
                  *, label: str, batch_size: int) -> Features:
    """Return the activations of pooled units to some conditions, computed once.

    A condition of several images gets the mean over its images.

    Parameters
    ----------
    network : Network
    pools : UnitPools
    cohort : Cohort
    conditions : array, int64, shape (n_conditions,)
        Increasing.
    label : str
        Stands in the name of the cached file and of the progress bar.
    batch_size : int
    """
    units = {layer: torch.from_numpy(np.ascontiguousarray(unit_idx))
             for layer, unit_idx in pools.units.items()}
    key = {"units": {layer: array_digest(unit_idx) for layer, unit_idx in pools.units.items()}}
    return _cached_features(network, list(units), key, cohort, conditions, label, batch_size,
                            units=units)


def channel_mean_features(network: Network, layers: Sequence[str], cohort: Cohort,
                          conditions: NDArray[np.int64], *, label: str,
                          batch_size: int) -> Features:
    """Return whole layers, feature maps averaged over space; otherwise as `unit_features`."""
    return _cached_features(network, layers, {"means of": list(layers)}, cohort, conditions, label,
                            batch_size, read=channel_means)


def _cached_features(network: Network, layers: Sequence[str], selection: Mapping[str, object],
                     cohort: Cohort, conditions: NDArray[np.int64], label: str, batch_size: int,
                     **options: object) -> Features:
    """Extract features once; ``options`` are those of `extract_activations`."""
    paths = select_layer_paths(network.layers, layers)

    def extract(batches: Iterable[Tensor]) -> Features:
        activations = extract_activations(network.model, paths, batches, **options)
        return {layer: values.numpy() for layer, values in activations.items()}

    return cached("features", f"{network.name}-{label}", {
        "network": network.parts, "what": selection, **images_key(cohort),
        "conditions": array_digest(conditions)}, lambda: _condition_means(
            cohort, conditions, network.preprocessing, extract, f"{network.name}: {label}",
            batch_size))


def images_key(cohort: Cohort) -> dict[str, object]:
    """Return all that a cohort's images and their conditions depend on, for cache keys."""
    return {"images": cohort.stimuli.digest, "condition_of": array_digest(cohort.condition_of),
            "code": code_digest(["helpers.encoding.cohort_features",
                                 *defining_modules(cohort.stimuli)])}


def cohort_gabor_features(cohort: Cohort, conditions: NDArray[np.int64], *, side: int, label: str,
                          batch_size: int = 32) -> NDArray[np.float32]:
    """Return Gabor energies of some conditions (authors' notebook nb7), (n_conditions, 7680).

    Parameters
    ----------
    cohort, conditions, label
        As for `unit_features`.
    side : int
        Images are scaled to this many pixels where they are not square or of another size.
    """
    def pixels(image) -> Tensor:
        square = image if image.size == (side, side) else image.resize((side, side))
        return pil_to_tensor(square).permute(1, 2, 0)

    def extract(batches: Iterable[Tensor]) -> Features:
        return {"Gabor": torch.cat([gabor_features(batch).cpu() for batch in batches]).numpy()}

    return _condition_means(cohort, conditions, pixels, extract, f"Gabor: {label}",
                            batch_size)["Gabor"]


def _condition_means(cohort: Cohort, conditions: NDArray[np.int64], transform: Transform,
                     extract: Callable[[Iterable[Tensor]], Features], label: str,
                     batch_size: int) -> Features:
    """Extract features of all images of some conditions; average over the images of each."""
    image_idx = np.flatnonzero(np.isin(cohort.condition_of, conditions))
    image_idx = image_idx[np.argsort(cohort.condition_of[image_idx], kind="stable")]
    chunks = [image_idx[i:i + batch_size] for i in range(0, len(image_idx), batch_size)]
    features = extract(cohort.stimuli.batches(progress(chunks, label), transform))
    _, response_idx = np.unique(cohort.condition_of[image_idx], return_inverse=True)
    return {name: average_by_condition(values, response_idx).astype(np.float32, copy=False)
            for name, values in features.items()}


def average_by_condition(values: NDArray, response_idx: NDArray[np.int64]) -> NDArray:
    """Average the rows of each condition, (n_conditions, n_units), in their order."""
    if np.array_equal(response_idx, np.arange(len(response_idx))):
        return values
    order = np.argsort(response_idx, kind="stable")
    _, first, counts = np.unique(response_idx[order], return_index=True, return_counts=True)
    return np.add.reduceat(values[order], first, axis=0) / counts[:, None]
