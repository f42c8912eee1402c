"""The localizer at work: an image set through a network, into selectivity, cached.

`selectivity` is the pure core; here the images are streamed to it, once, for all layers,
and the result is kept under a key of everything that it depends on.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
import torch
from scipy import stats
from torch import Tensor

from helpers.core.cache import cached
from helpers.core.console import echo, progress
from helpers.core.constant_values import finite_mean
from helpers.core.digest import code_digest, defining_modules
from helpers.core.errors import LabError
from helpers.core.statistics import Moments
from helpers.networks.activations import stream_activations
from helpers.networks.network import Network
from helpers.selectivity.localizer_result import NONE, LocalizerResult, nan_argmax
from helpers.selectivity.statistics import ALPHA, d_prime, localize
from helpers.stimuli.image_sets import DOMAINS, ImageSet


def split_half_overlap_p(localizer_result: LocalizerResult, layer: str, domain: str) -> float:
    """Test whether both halves of the images pick the same units more often than by chance.

    Returns
    -------
    float
        One-sided hypergeometric p value; 1 where a half picks no unit.
    """
    first, second = localizer_result.half_labels[layer] == localizer_result.domains.index(domain)
    return float(stats.hypergeom.sf((first & second).sum() - 1, first.size, first.sum(),
                                    second.sum()))


def measure_generalisation(localizer_result: LocalizerResult,
                           independent: LocalizerResult) -> pd.DataFrame:
    """Follow the units that one image set defines onto another set.

    Parameters
    ----------
    localizer_result : LocalizerResult
        Defines the units.
    independent : LocalizerResult
        The same network on independent images; its domains include the intact ones.

    Returns
    -------
    DataFrame
        One row per layer and intact domain: ``layer, domain, n_units`` defined, their mean t
        on both sets (``t_defining, t_independent``), and ``same_preference``: the share whose
        largest t among the intact domains is again this one (chance 1 / number of domains).
    """
    domains = [domain for domain in DOMAINS if domain in localizer_result.domains]
    rows = []
    for layer in localizer_result.layers:
        same = [independent.domains.index(d) for d in domains]
        t_independent = independent.t_mean[layer][same]
        preferred = nan_argmax(independent.ranking(layer)[same])
        for index, domain in enumerate(domains):
            units = localizer_result.units(layer, domain)
            t_defining = localizer_result.t_mean[layer][localizer_result.domains.index(domain),
                                                        units]
            rows.append({
                "layer": layer, "domain": domain, "n_units": len(units),
                "t_defining": finite_mean(t_defining),
                "t_independent": finite_mean(t_independent[index, units]),
                "same_preference": (preferred[units] == index).mean() if len(units) else np.nan})
    return pd.DataFrame(rows)


def select_units_to_plot(localizer_result: LocalizerResult, layer: str, domains: Sequence[str], *,
                         max_units: int,
                         seed: int) -> list[tuple[str, np.ndarray]]:
    """Choose units to show: those of each domain, then the rest, at random where there are many.

    Returns
    -------
    list of (str, int array)
        Group name (a domain or "rest") and unit indices, ordered by the domain's mean t.
    """
    rng = np.random.default_rng(seed)
    groups, is_selective = [], np.zeros(localizer_result.labels[layer].size, bool)
    for domain in domains:
        units = localizer_result.units(layer, domain)
        is_selective[units] = True
        t = localizer_result.ranking(layer)[localizer_result.domains.index(domain)]
        sampled = rng.permutation(units)[:max_units]
        groups.append((domain, sampled[np.argsort(-t[sampled], kind="stable")]))
    groups.append(("rest", np.sort(rng.permutation(np.flatnonzero(~is_selective))[:max_units])))
    return groups


def stream_moments(network: Network, images: ImageSet, *,
                   batch_size: int = 64) -> dict[str, Moments]:
    """Stream an image set through a network into moments per domain and half.

    Parameters
    ----------
    network : Network
    images : ImageSet
    batch_size : int
        Images in one forward pass; changes speed and memory only.

    Returns
    -------
    dict, layer -> Moments
        Group ``2 * domain + half``, domains in the order of ``images.domain_names``.

    Raises
    ------
    LabError
        If an activation is not finite.
    """
    group_of = (2 * np.array([images.domain_names.index(d) for d in images.domains])
                + images.halves)
    order = np.argsort(group_of, kind="stable")
    n_groups = 2 * len(images.domain_names)
    moments: dict[str, Moments] = {}

    def consume(start: int, name: str, activations: Tensor) -> None:
        if name not in moments:
            moments[name] = Moments.start(n_groups, activations[0])
        groups = group_of[order[start:start + len(activations)]]
        for first, last in _run_bounds(groups):
            moments[name].update(activations[first:last], int(groups[first]))

    chunks = [order[i:i + batch_size] for i in range(0, len(order), batch_size)]
    batches = images.batches(progress(chunks, f"{network.name}: localizer"), network.preprocessing)
    stream_activations(network.model, network.layers, batches, consume)
    for layer, layer_moments in moments.items():
        n_nonfinite = int((~layer_moments.mean.isfinite()).any(0).sum())
        if n_nonfinite:
            raise LabError(
                f"{n_nonfinite} units of {layer} in {network.name} have activations that are "
                           "not finite", expected="finite activations to every image",
                           remedy="check the weights: they may be damaged, or of a precision too "
                                  "low for this network")
    return moments


def _run_bounds(groups: np.ndarray) -> Iterator[tuple[int, int]]:
    """Yield the (first, last) of every run of equal values."""
    edges = [0, *(np.flatnonzero(np.diff(groups)) + 1), len(groups)]
    yield from zip(edges, edges[1:])


def localize_network(network: Network, images: ImageSet, *, alpha: float = ALPHA,
                     batch_size: int = 64) -> LocalizerResult:
    """Find the selective units of every layer, once; later calls read the cache.

    Parameters
    ----------
    network : Network
    images : ImageSet
        Any set with domains; the independent probe set too, for its t values.
    alpha : float
        False discovery rate of each contrast.
    """
    def make() -> dict[str, np.ndarray]:
        arrays: dict[str, np.ndarray] = {}
        moments = stream_moments(network, images, batch_size=batch_size)
        while moments:
            layer = next(iter(moments))
            arrays.update(_summarise(layer, moments.pop(layer), images.domain_names, alpha))
        return arrays

    arrays = cached("localizer", network.name, {
        "network": network.parts, "images": images.digest, "alpha": alpha,
        "code": code_digest(["helpers.selectivity.study", *defining_modules(images)]),
    }, make)
    fields: dict[str, dict[str, np.ndarray]] = {}
    for name, values in arrays.items():
        field, layer = name.split("/", 1)
        fields.setdefault(field, {})[layer] = values
    localizer_result = LocalizerResult(images.domain_names, **fields)
    if localizer_result.n_infinite:
        layers = ", ".join(f"{layer} {n}" for layer, n in localizer_result.n_infinite.items())
        echo(f"{network.name}: units with an infinite t, constant within two domains and different "
             f"between them, by layer: {layers}. Means of t and d' are over finite values; in "
             "rankings such units come first where they win.")
    return localizer_result


def _summarise(layer: str, moments: Moments, domains: tuple[str, ...],
               alpha: float) -> dict[str, np.ndarray]:
    """Test one layer on all images and on each half."""
    domain_idx = range(len(domains))
    halves = [moments.pool([[2 * d + half] for d in domain_idx]) for half in (0, 1)]
    whole = localize(moments.pool([[2 * d, 2 * d + 1] for d in domain_idx]), domains, alpha=alpha)
    parts = [localize(half, domains, alpha=alpha) for half in halves]
    half_labels = np.stack([labels_from_masks(part.mask) for part in parts])
    held_out = d_prime(halves[1]).float().cpu().numpy()
    is_infinite = whole.infinite_contrasts.any(0)
    return {
        f"labels/{layer}": labels_from_masks(whole.mask),
        f"half_labels/{layer}": half_labels,
        f"t_mean/{layer}": whole.t_mean.cpu().numpy(),
        f"held_out_d_prime/{layer}": held_out[:, half_labels[0] != NONE],
        f"infinite_units/{layer}": is_infinite.nonzero().flatten().cpu().numpy(),
        f"infinite_contrasts/{layer}": whole.infinite_contrasts[:, is_infinite].cpu().numpy(),
    }


def labels_from_masks(mask: Tensor) -> np.ndarray:
    """Encode mutually exclusive masks, (..., n_domains, n_units), as one label per unit, uint8."""
    label = mask.to(torch.uint8).argmax(-2).to(torch.uint8)
    return torch.where(mask.any(-2), label, NONE).cpu().numpy().astype(np.uint8)
