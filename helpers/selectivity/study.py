"""Localize the selective units of a network: stream an image set through it, test, cache.

The images pass through the network once, for all layers; `helpers.selectivity.statistics` tests
the moments of their activations.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from helpers.core.cache import cached
from helpers.core.console import echo, progress
from helpers.core.constant_values import finite_mean
from helpers.core.digest import code_digest, defining_modules
from helpers.core.errors import LabError
from helpers.core.moments import Moments
from helpers.networks.activations import extract_activations, stream_activations
from helpers.networks.network import Network
from helpers.selectivity.localizer_result import NONE, LocalizerResult, nan_argmax
from helpers.selectivity.split_half import overlap_p
from helpers.selectivity.statistics import ALPHA, d_prime, localize
from helpers.stimuli.domains import intact_domains, require_domains
from helpers.stimuli.image_sets import ImageSet


def localize_network(network: Network, images: ImageSet, *, alpha: float = ALPHA,
                     batch_size: int = 64) -> LocalizerResult:
    """Find the selective units of every layer, cached.

    Parameters
    ----------
    network : Network
    images : ImageSet
        Any set with domains; also the independent set, for its t values.
    alpha : float
        False discovery rate of each contrast.
    batch_size : int
        Images in one forward pass; changes speed and memory only.

    Raises
    ------
    LabError
        If the images have fewer than two domains, or a domain too few images.
    """
    require_domains(images)

    def make() -> dict[str, np.ndarray]:
        arrays: dict[str, np.ndarray] = {}
        moments = stream_moments(network, images, batch_size=batch_size)
        while moments:  # frees the moments of each layer once it is tested
            layer = next(iter(moments))
            arrays |= _test_layer(layer, moments.pop(layer), images.domain_names, alpha)
        return arrays

    arrays = cached("localizer", network.name, {
        "network": network.parts, "images": images.digest, "alpha": alpha,
        "code": code_digest(["helpers.selectivity.study", *defining_modules(images)]),
    }, make)
    fields: dict[str, dict[str, np.ndarray]] = {}
    for name, values in arrays.items():
        field, layer = name.split("/", 1)
        fields.setdefault(field, {})[layer] = values
    result = LocalizerResult(images.domain_names, **fields)
    if result.n_infinite:
        layers = ", ".join(f"{layer} {n}" for layer, n in result.n_infinite.items())
        echo(f"{network.name}: units with an infinite t, constant within two domains and different "
             f"between them, by layer: {layers}. Means of t and d' are over finite values; in "
             "rankings such units come first where they win.")
    return result


def stream_moments(network: Network, images: ImageSet, *,
                   batch_size: int = 64) -> dict[str, Moments]:
    """Compute the moments of every unit's activation, per domain and half of the images.

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
        edges = [0, *(np.flatnonzero(np.diff(groups)) + 1), len(groups)]
        for first, last in zip(edges, edges[1:]):
            moments[name].update(activations[first:last], int(groups[first]))

    chunks = [order[i:i + batch_size] for i in range(0, len(order), batch_size)]
    batches = images.batches(progress(chunks, f"{network.name}: localizer"), network.preprocessing)
    stream_activations(network.model, network.layers, batches, consume)
    for layer, layer_moments in moments.items():
        n_nonfinite = int((~layer_moments.mean.isfinite()).any(0).sum())
        if n_nonfinite:
            raise LabError(f"{n_nonfinite} units of {layer} in {network.name} have activations "
                           "that are not finite", expected="finite activations to every image",
                           remedy="check the weights: they may be damaged, or of a precision too "
                           "low for this network")
    return moments


def split_halves(moments: Moments) -> tuple[Moments, Moments, Moments]:
    """Return the moments of `stream_moments` per domain: of each half, and of all images."""
    n_domains = len(moments.count) // 2
    halves = [moments.pool([[2 * d + half] for d in range(n_domains)]) for half in (0, 1)]
    return *halves, moments.pool([[2 * d, 2 * d + 1] for d in range(n_domains)])


def _test_layer(layer: str, moments: Moments, domains: tuple[str, ...],
                alpha: float) -> dict[str, np.ndarray]:
    """Test one layer on all images and on each half."""
    *halves, whole = split_halves(moments)
    half_labels = np.stack([labels_from_masks(localize(half, domains, alpha=alpha).mask)
                            for half in halves])
    held_out = d_prime(halves[1]).float().cpu().numpy()
    whole = localize(whole, domains, alpha=alpha)
    return {
        f"labels/{layer}": labels_from_masks(whole.mask),
        f"half_labels/{layer}": half_labels,
        f"t_mean/{layer}": whole.t_mean.cpu().numpy(),
        f"held_out_d_prime/{layer}": held_out[:, half_labels[0] != NONE],
        f"infinite_contrasts/{layer}": whole.infinite_contrasts.cpu().numpy(),
    }


def labels_from_masks(mask: Tensor) -> np.ndarray:
    """Encode mutually exclusive masks, (..., n_domains, n_units), as one label per unit, uint8."""
    label = mask.to(torch.uint8).argmax(-2).to(torch.uint8)
    return torch.where(mask.any(-2), label, NONE).cpu().numpy().astype(np.uint8)


# ---- comparisons of results ---------------------------------------------------------------------

def split_half_agreement(network: Network, images: ImageSet, layer: str, *, seed: int,
                         alpha: float = ALPHA, batch_size: int = 64) -> dict[str, float]:
    """Test whether two halves of the images select the same units of a layer, cached.

    Parameters
    ----------
    network : Network
    images : ImageSet
    layer : str
    seed : int
        Of the permutations.
    alpha : float
        As in `localize_network`.
    batch_size : int
        Images in one forward pass; changes speed and memory only.

    Returns
    -------
    dict, domain -> float
        One-sided p value of `helpers.selectivity.split_half.overlap_p`.
    """
    def make() -> dict[str, np.ndarray]:
        result = localize_network(network, images, alpha=alpha, batch_size=batch_size)
        first, second = (half == np.arange(len(result.domains))[:, None]
                         for half in result.half_labels[layer])
        rows = np.flatnonzero(images.halves == 1)
        batches = images.batches(np.split(rows, range(batch_size, len(rows), batch_size)),
                                 network.preprocessing)
        activations = extract_activations(network.model, {layer: network.layers[layer]}, batches)
        labels = np.array([result.domains.index(images.domains[row]) for row in rows])
        return {"p": overlap_p(activations[layer].numpy(), labels, first, second.sum(1), seed=seed)}

    p = cached("split_half", network.name, {
        "network": network.parts, "images": images.digest, "layer": layer, "alpha": alpha,
        "seed": seed, "code": code_digest(["helpers.selectivity.study", *defining_modules(images)]),
    }, make)["p"]
    return dict(zip(images.domain_names, p.tolist()))


def measure_generalisation(result: LocalizerResult, independent: LocalizerResult) -> pd.DataFrame:
    """Measure, on an independent image set, the units that one image set defines.

    Parameters
    ----------
    result : LocalizerResult
        Defines the units.
    independent : LocalizerResult
        The same network on independent images. Domains that it lacks are left out.

    Returns
    -------
    DataFrame
        One row per layer and intact domain of both: ``layer, domain, n_units`` defined, their mean
        t on both sets (``t_defining, t_independent``), and ``same_preference``: the fraction whose
        largest t among the intact domains is again this one (chance 1 / number of domains).
    """
    domains = [domain for domain in intact_domains(result.domains)
               if domain in independent.domains]
    rows_of, table = [independent.domains.index(domain) for domain in domains], []
    for layer in result.layers:
        preferred = nan_argmax(independent.ranking(layer)[rows_of])
        for index, domain in enumerate(domains):
            units = result.units(layer, domain)
            t_defining = result.t_mean[layer][result.domains.index(domain), units]
            t_independent = independent.t_mean[layer][rows_of[index], units]
            table.append({"layer": layer, "domain": domain, "n_units": len(units),
                          "t_defining": finite_mean(t_defining),
                          "t_independent": finite_mean(t_independent),
                          "same_preference": float(finite_mean(preferred[units] == index))})
    return pd.DataFrame(table)


def select_units_to_plot(result: LocalizerResult, layer: str, domains: Sequence[str], *,
                         max_units: int, seed: int) -> list[tuple[str, np.ndarray]]:
    """Sample units of each domain, and of the rest, at most ``max_units`` of each.

    Returns
    -------
    list of (str, int array)
        Group name (a domain or "rest") and unit indices, ordered by the domain's mean t.
    """
    rng, groups, ranking = np.random.default_rng(seed), [], result.ranking(layer)
    domain_idx = [result.domains.index(domain) for domain in domains]
    for domain, index in zip(domains, domain_idx):
        sampled = rng.permutation(result.units(layer, domain))[:max_units]
        groups.append((domain, sampled[np.argsort(-ranking[index, sampled], kind="stable")]))
    rest = np.flatnonzero(~np.isin(result.labels[layer], domain_idx))
    return [*groups, ("rest", np.sort(rng.permutation(rest)[:max_units]))]
