"""The ends of a network's stages, on the six sets: statistics of every unit, made once.

Units are defined on one half of the pictures and measured on the other, both ways round.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from helpers.ground.cache import cached
from helpers.ground.digest import code_digest
from helpers.ground.errors import LabError
from helpers.ground.stats import Moments
from helpers.networks.activations import collect, hooked
from helpers.networks.axes import channel_axes
from helpers.networks.network import Network
from helpers.selectivity.localizer import labels_of, measure
from helpers.selectivity.statistics import (
    conjunctions,
    d_prime,
    least_t,
    lifetime_sparseness,
    selectivity_index,
)
from helpers.stimuli.six_sets import SixSets

RATES = (0.5, 0.2, 0.05, 0.01, 1e-3, 1e-5)
"""False discovery rates at which units are called selective."""
RATE = 0.05
"""The one that figures show: as the first paper's; Lu & Wang's is unknown."""
WHOLE = 2
"""Index of what all pictures tell, after that of each half."""


@dataclass(frozen=True)
class Stage:
    """Every unit of the end of one stage, on the six sets. Halves: 0 and 1.

    Attributes
    ----------
    sets : tuple of str
    shape : tuple of 3 int
        Feature maps, height, width.
    labels : array, uint8, shape (n_rates, 3, n_units)
        Index of the set that a unit prefers to every other one, or ``NONE``, at each of ``RATES``;
        from each half, and from all pictures.
    mean : array, float32, shape (n_sets, 2, n_units)
    index, d_prime, least_t : array, float32, shape (n_sets, 2, n_units)
        Selectivity index and d' against the others pooled; smallest t against any other.
    sparseness : array, float32, shape (2, n_units)
    """

    sets: tuple[str, ...]
    shape: tuple[int, int, int]
    labels: NDArray[np.uint8]
    mean: NDArray[np.float32]
    index: NDArray[np.float32]
    d_prime: NDArray[np.float32]
    least_t: NDArray[np.float32]
    sparseness: NDArray[np.float32]

    def selective(self, domain: str, part: int = WHOLE, rate: float = RATE) -> NDArray[np.bool_]:
        """Return which units prefer a set, bool (n_units,), by a half or by all pictures."""
        return self.labels[RATES.index(rate), part] == self.sets.index(domain)

    def best(self, domain: str, part: int, n: int) -> NDArray[np.int64]:
        """Return the n units of the largest smallest t for a set, on one half; live units only."""
        t = np.nan_to_num(self.least_t[self.sets.index(domain), part], nan=-np.inf, posinf=1e6)
        order = np.argsort(-t, kind="stable")[:n]
        return order[np.isfinite(t[order])]

    def maps(self, mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Arrange a mask of units as feature maps x height x width."""
        return mask.reshape(self.shape)


def with_stages(network: Network, layers: Sequence[str]) -> Network:
    """Return a network whose layers are the ends of its stages.

    Parameters
    ----------
    network : Network
    layers : sequence of str
        Paths of its modules, leaves or not.

    Raises
    ------
    LabError
        If it has no such module.
    """
    with hooked(network.model, dict(zip(layers, layers)), lambda _name, _output: None):
        return replace(network, layers=dict(zip(layers, layers)))


def stage_statistics(network: Network, pictures: SixSets, *,
                     batch_size: int) -> dict[str, Stage]:
    """Measure every unit of a network's layers on the six sets, once.

    Parameters
    ----------
    network : Network
        As `with_stages` returns it.
    pictures : SixSets
    batch_size : int

    Returns
    -------
    dict, layer -> Stage
    """
    def make() -> dict[str, NDArray]:
        stages = measure_stages(network, pictures, batch_size=batch_size)
        return {f"{name}/{layer}": np.array(value) for layer, stage in stages.items()
                for name, value in vars(stage).items()}

    arrays = cached("stages", network.name, {
        "network": network.parts, "images": pictures.digest,
        "code": code_digest(["helpers.siblings.stages"])}, make)
    fields = {layer: {name.split("/", 1)[0]: values for name, values in arrays.items()
                      if name.split("/", 1)[1] == layer} for layer in network.layers}
    return {layer: Stage(tuple(map(str, parts.pop("sets"))),
                         tuple(map(int, parts.pop("shape"))), **parts)
            for layer, parts in fields.items()}


def measure_stages(network: Network, pictures: SixSets, *, batch_size: int) -> dict[str, Stage]:
    """Do what `stage_statistics` does, and keep nothing."""
    shapes, found = _shapes(network), {}
    moments = measure(network, pictures, batch_size=batch_size)
    while moments:
        layer = next(iter(moments))
        found[layer] = Stage(pictures.domain_names, shapes[layer],
                             **_summary(moments.pop(layer), len(pictures.domain_names)))
    return found


def _summary(moments: Moments, n_sets: int) -> dict[str, NDArray]:
    each = range(n_sets)
    halves = [moments.pool([[2 * d + half] for d in each]) for half in (0, 1)]
    parts = [*halves, moments.pool([[2 * d, 2 * d + 1] for d in each])]

    def both(measure) -> NDArray[np.float32]:
        return torch.stack([measure(half) for half in halves], -2).float().cpu().numpy()

    return {"labels": np.stack([labels_of(conjunctions(part, RATES)) for part in parts], 1),
            "mean": both(lambda half: half.mean), "index": both(selectivity_index),
            "d_prime": both(d_prime), "least_t": both(least_t),
            "sparseness": both(lifetime_sparseness)}


def _shapes(network: Network) -> dict[str, tuple[int, int, int]]:
    """Return feature maps, height and width of every layer; positions of a flat one are 1 x 1."""
    device = next(network.model.parameters()).device
    blank = torch.zeros(1, *network.input_shape, device=device)
    shapes: dict[str, tuple[int, int, int]] = {}
    for name, answer in channel_axes(network.model, network.layers, blank).items():
        if len(answer.shape) not in (2, 4) or answer.axis != 1:
            raise LabError(f"the layer {name} of {network.name} gives {answer.shape}, channels on "
                           f"axis {answer.axis}",
                           expected="images x feature maps x height x width",
                           remedy="choose another layer in the table [language] of the profile")
        shapes[name] = (*answer.shape[1:], 1, 1)[:3]
    return shapes


@dataclass(frozen=True)
class Answers:
    """Responses of some selective units to the pictures that had no part in choosing them.

    Attributes
    ----------
    domain : array, str, shape (n_kept,)
        What each unit was chosen for, on the first half of the pictures.
    values : array, float32, shape (n_pictures, n_kept)
        To the second half.
    """

    domain: NDArray[np.str_]
    values: NDArray[np.float32]


def held_out_answers(network: Network, pictures: SixSets, stages: dict[str, Stage],
                     domains: Sequence[str], *, at_most: int, seed: int,
                     batch_size: int) -> dict[str, Answers]:
    """Keep the responses of units that the first half chooses to the pictures of the second.

    Parameters
    ----------
    network, pictures, batch_size
        As for `stage_statistics`, which returned ``stages``.
    domains : sequence of str
    at_most : int
        Units of one domain and stage; drawn where there are more.
    seed : int

    Returns
    -------
    dict, layer -> Answers
    """
    rng, chosen, names = np.random.default_rng(seed), {}, {}
    for layer, stage in stages.items():
        drawn = [np.sort(rng.permutation(np.flatnonzero(stage.selective(domain, 0)))[:at_most])
                 for domain in domains]
        chosen[layer] = np.concatenate(drawn)
        names[layer] = np.repeat(list(domains), [len(units) for units in drawn])
    second = np.flatnonzero(pictures.halves == 1)

    def make() -> dict[str, NDArray]:
        chunks = [second[i:i + batch_size] for i in range(0, len(second), batch_size)]
        units = {layer: torch.from_numpy(kept) for layer, kept in chosen.items()}
        found = collect(network.model, network.layers,
                        pictures.batches(chunks, network.preprocessing), units)
        return {layer: values.numpy() for layer, values in found.items()}

    arrays = cached("answers", network.name, {
        "network": network.parts, "images": pictures.digest,
        "units": {layer: kept.tolist() for layer, kept in chosen.items()},
        "code": code_digest(["helpers.siblings.stages"])}, make)
    return {layer: Answers(names[layer], arrays[layer]) for layer in stages}


