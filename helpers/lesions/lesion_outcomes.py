"""What lesions did to a network: accuracies by class, activations, and their relation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from helpers.lesions.deficit_tests import Test, own_domain_effect
from helpers.lesions.deficits import costs, rowwise_r
from helpers.lesions.lesion_battery import measured, unit_masks
from helpers.lesions.silencing import lesion_layers, rectified
from helpers.selectivity.localizer import Localizer
from helpers.stimuli.image_sets import DOMAINS, ImageSet, alternate
from helpers.training.classifiers import Classifier

LEAST = 10
"""Pictures that a class needs to have an accuracy of its own; else domains stand for classes."""


@dataclass(frozen=True)
class Groups:
    """Pictures grouped for accuracies: by class, or by domain where classes are too small.

    Attributes
    ----------
    names : tuple of str
    domains : tuple of str
        Domain of each group.
    of_image : array, int, shape (n_images,)
        Group of each picture.
    share : array, float64, shape (n_classes, n_groups)
        Share of a group's pictures that are of a class.
    half : array, int, shape (n_images,)
        0, 1, 0, 1, ... within each group.
    pooled : bool
        Whether groups are domains.
    """

    names: tuple[str, ...]
    domains: tuple[str, ...]
    of_image: NDArray
    share: NDArray
    half: NDArray
    pooled: bool

    def __len__(self) -> int:
        return len(self.names)


def grouped(images: ImageSet, *, least: int = LEAST) -> Groups:
    """Group pictures by class if every class present has ``least`` pictures, else by domain."""
    present = np.bincount(images.labels, minlength=len(images.classes))
    pooled = bool(present[present > 0].min() < least)
    keys = images.domains if pooled else images.categories
    names = tuple(sorted(set(keys)))
    index = {name: i for i, name in enumerate(names)}
    of_image = np.array([index[name] for name in keys])
    counts = np.zeros((len(images.classes), len(names)))
    np.add.at(counts, (images.labels, of_image), 1)
    domain = dict(zip(keys, images.domains))
    return Groups(names, tuple(domain[name] for name in names), of_image, counts / counts.sum(0),
                  alternate(of_image.tolist()), pooled)


@dataclass(frozen=True)
class Outcome:
    """What all lesions did.

    Attributes
    ----------
    domains : tuple of str
        Domains whose units were silenced.
    ranks : array, uint16, shape (1 + n_domains * (1 + n_random), n_images)
        Classes that seem at least as likely as the right one: the intact network, the domains'
        lesions, then the random ones, draw by draw.
    activation : dict, layer -> float32, shape (1 + n_random, n_domains, n_classes)
        Mean over pictures of a class and over the domain's selective (then: random) units, in the
        intact network. NaN where a domain has no unit, or a class no picture.
    n_silenced : dict, layer -> int, shape (n_domains,)
        Silenced units, of the lesioned layers.
    n_units : dict, layer -> int
        Units of these layers.
    """

    domains: tuple[str, ...]
    ranks: NDArray[np.uint16]
    activation: dict[str, NDArray[np.float32]]
    n_silenced: dict[str, NDArray[np.int64]]
    n_units: dict[str, int]

    def hits(self, top_k: int) -> NDArray[np.bool_]:
        """Tell which pictures are recognised: the right class is among the best ``top_k``."""
        return self.ranks < top_k

    def costs(self, top_k: int, groups: Groups, *, half: int | None = None
              ) -> NDArray[np.float64]:
        """Return the cost of every lesion for every group, on all pictures or on one half.

        Returns
        -------
        array, float64, shape (1 + n_random, n_domains, n_groups)
            First the domains' own units, then the random draws.
        """
        rows = np.ones(len(groups.of_image), bool) if half is None else groups.half == half
        cost = costs(self.hits(top_k)[:, rows], groups.of_image[rows], len(groups))
        return cost.reshape(-1, len(self.domains), len(groups))

    def profiles(self, layer: str, groups: Groups) -> NDArray[np.float64]:
        """Return the activation of a layer's units by group, (1 + n_random, n_domains, n_groups).

        Within a pooled group every picture counts the same.
        """
        seen = groups.share.any(1)
        return self.activation[layer][..., seen].astype(float) @ groups.share[seen]


def correlations(outcome: Outcome, groups: Groups, top_k: int) -> pd.DataFrame:
    """Correlate activation with the change of accuracy, for every layer, domain and draw.

    Returns
    -------
    DataFrame
        Columns ``layer, domain, draw`` (0: selective units, then random ones) and ``r`` over
        groups; negative: the more active, the more impaired.
    """
    change = -outcome.costs(top_k, groups)
    rows = []
    for layer in outcome.activation:
        r = rowwise_r(outcome.profiles(layer, groups), change)
        rows += [{"layer": layer, "domain": domain, "draw": draw, "r": r[draw, index]}
                 for draw in range(len(r)) for index, domain in enumerate(outcome.domains)]
    return pd.DataFrame(rows)


def domain_effects(outcome: Outcome, by_class: Groups, top_k: int, domain: str, *,
                   seed: int) -> tuple[Test, list[float]]:
    """Compare the cost for a domain's own classes with that for others: real, and random lesions.

    Returns
    -------
    test : Test
        Of the lesion of the domain's units.
    random : list of float
        The same difference after each random lesion of as many units.
    """
    own = np.array(by_class.domains) == domain
    index = outcome.domains.index(domain)
    cost = outcome.costs(top_k, by_class)[:, index]
    test = own_domain_effect(cost[0], own, seed=seed)
    if np.isnan(test.value):
        return test, []
    return test, [float(row[own].mean() - row[~own].mean()) for row in cost[1:]]


def effect_difference(outcome: Outcome, other: Outcome, by_class: Groups, top_k: int, domain: str,
                      *, seed: int) -> Test:
    """Compare two networks' `domain_effects`, class by class: ``outcome`` minus ``other``."""
    cost, cost_other = (one.costs(top_k, by_class)[0, one.domains.index(domain)]
                        for one in (outcome, other))
    return own_domain_effect(cost - cost_other, np.array(by_class.domains) == domain, seed=seed)


def effect_rows(network: str, effects: Mapping[str, tuple[Test, list[float]]]
                ) -> list[dict[str, object]]:
    """Arrange a network's effects by domain as rows of a table, in percentage points.

    Returns
    -------
    list of dict
        ``network, domain, value, low, high, p`` and ``random``, the random lesions' values.
    """
    return [{"network": network, "domain": domain, "value": 100 * test.value,
             "low": 100 * test.low, "high": 100 * test.high, "p": test.p,
             "random": [100 * value for value in random]}
            for domain, (test, random) in effects.items()]


def lesion_network(classifier: Classifier, found: Localizer, images: ImageSet, *,
                   method: str = "relus", fraction: float = 0.0, n_random: int = 10,
                   seed: int = 0, batch_size: int = 64) -> Outcome:
    """Lesion every domain's units, and as many random ones; measure recognition.

    Units that prefer scrambled images are left alone: no class of images is theirs.

    Parameters
    ----------
    classifier : Classifier
    found : Localizer
        Of the same network.
    images : ImageSet
        Pictures to be recognised.
    method, fraction
        Layers as in `helpers.lesions.silencing.lesion_layers`, units as in
        `helpers.lesions.lesion_battery.unit_masks`.
    n_random, seed, batch_size : int
        As for `helpers.lesions.lesion_battery.measured`.
    """
    before = classifier.before_readout(found.layers)
    relus = rectified(classifier.network.model, classifier.network.layers)
    chosen = lesion_layers(method, before, relus)
    intact = [index for index, domain in enumerate(found.domains) if domain in DOMAINS]
    domains = tuple(found.domains[index] for index in intact)
    masks = {layer: mask[intact] for layer, mask in
             unit_masks(found, before, fraction=fraction).items()}
    arrays = measured(classifier, masks, domains, chosen, images, n_random=n_random,
                      seed=seed, batch_size=batch_size)
    return Outcome(domains, arrays["ranks"],
                   {layer: arrays[f"activation/{layer}"] for layer in before},
                   {layer: masks[layer].sum(1) for layer in chosen},
                   {layer: masks[layer].shape[1] for layer in chosen})
