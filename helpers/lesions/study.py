"""What lesions did to a network: accuracies by class, activations, and their relation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from helpers.lesions.deficits import compute_deficits, pearson_r_rows
from helpers.lesions.evaluation import evaluate_lesions, unit_masks
from helpers.lesions.silencing import find_relu_layers, select_lesion_layers
from helpers.lesions.statistics import TestResult, compare_own_and_other_classes
from helpers.selectivity.study import LocalizerResult
from helpers.stimuli.image_sets import DOMAINS, ImageSet, alternate
from helpers.training.classifiers import Classifier

MIN_IMAGES = 10
"""Images that a class needs to have an accuracy of its own; else domains stand for classes."""


@dataclass(frozen=True)
class ImageGroups:
    """Images grouped for accuracies: by class, or by domain where classes are too small.

    Attributes
    ----------
    names : tuple of str
    domains : tuple of str
        Domain of each group.
    group_of_image : array, int, shape (n_images,)
        Group of each image.
    class_proportions : array, float64, shape (n_classes, n_groups)
        Fraction of a group's images that are of a class.
    half : array, int, shape (n_images,)
        0, 1, 0, 1, ... within each group.
    pooled : bool
        Whether groups are domains.
    """

    names: tuple[str, ...]
    domains: tuple[str, ...]
    group_of_image: NDArray
    class_proportions: NDArray
    half: NDArray
    pooled: bool

    def __len__(self) -> int:
        return len(self.names)


def group_images(images: ImageSet, *, min_images: int = MIN_IMAGES) -> ImageGroups:
    """Group images by class if every class present has ``min_images`` images, else by domain."""
    class_counts = np.bincount(images.labels, minlength=len(images.classes))
    pooled = bool(class_counts[class_counts > 0].min() < min_images)
    keys = images.domains if pooled else images.categories
    names = tuple(sorted(set(keys)))
    index = {name: i for i, name in enumerate(names)}
    group_of_image = np.array([index[name] for name in keys])
    counts = np.zeros((len(images.classes), len(names)))
    np.add.at(counts, (images.labels, group_of_image), 1)
    domain = dict(zip(keys, images.domains))
    return ImageGroups(names, tuple(domain[name] for name in names), group_of_image,
                       counts / counts.sum(0),
                       alternate(group_of_image.tolist()), pooled)


@dataclass(frozen=True)
class LesionOutcome:
    """What all lesions did.

    Attributes
    ----------
    domains : tuple of str
        Domains whose units were silenced.
    ranks : array, uint16, shape (1 + n_domains * (1 + n_random), n_images)
        Classes that seem at least as likely as the right one: the intact network, the domains'
        lesions, then the random ones, draw by draw.
    activation : dict, layer -> float32, shape (1 + n_random, n_domains, n_classes)
        Mean over images of a class and over the domain's selective (then: random) units, in the
        intact network. NaN where a domain has no unit, or a class no image.
    n_lesioned : dict, layer -> int, shape (n_domains,)
        Silenced units, of the lesioned layers.
    n_units : dict, layer -> int
        Units of these layers.
    """

    domains: tuple[str, ...]
    ranks: NDArray[np.uint16]
    activation: dict[str, NDArray[np.float32]]
    n_lesioned: dict[str, NDArray[np.int64]]
    n_units: dict[str, int]

    def correct(self, top_k: int) -> NDArray[np.bool_]:
        """Tell which images are recognised: the right class is among the best ``top_k``."""
        return self.ranks < top_k

    def compute_deficits(self, top_k: int, groups: ImageGroups, *, half: int | None = None
              ) -> NDArray[np.float64]:
        """Return the cost of every lesion for every group, on all images or on one half.

        Returns
        -------
        array, float64, shape (1 + n_random, n_domains, n_groups)
            First the domains' own units, then the random draws.
        """
        rows = np.ones(len(groups.group_of_image), bool) if half is None else groups.half == half
        deficit = compute_deficits(self.correct(top_k)[:, rows], groups.group_of_image[rows],
                                   len(groups))
        return deficit.reshape(-1, len(self.domains), len(groups))

    def activation_by_group(self, layer: str, groups: ImageGroups) -> NDArray[np.float64]:
        """Return the activation of a layer's units by group, (1 + n_random, n_domains, n_groups).

        Within a pooled group every image counts the same.
        """
        nonempty_classes = groups.class_proportions.any(1)
        return self.activation[layer][..., nonempty_classes].astype(
            float) @ groups.class_proportions[nonempty_classes]


def activation_deficit_by_layer(outcome: LesionOutcome, groups: ImageGroups,
                                top_k: int) -> pd.DataFrame:
    """Correlate activation with the change of accuracy, for every layer, domain and draw.

    Returns
    -------
    DataFrame
        Columns ``layer, domain, draw`` (0: selective units, then random ones) and ``r`` over
        groups; negative: the more active, the more impaired.
    """
    change = -outcome.compute_deficits(top_k, groups)
    rows = []
    for layer in outcome.activation:
        r = pearson_r_rows(outcome.activation_by_group(layer, groups), change)
        rows += [{"layer": layer, "domain": domain, "draw": draw, "r": r[draw, index]}
                 for draw in range(len(r)) for index, domain in enumerate(outcome.domains)]
    return pd.DataFrame(rows)


def own_class_effects(outcome: LesionOutcome, by_class: ImageGroups, top_k: int, domain: str, *,
                      seed: int) -> tuple[TestResult, list[float]]:
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
    deficit = outcome.compute_deficits(top_k, by_class)[:, index]
    test = compare_own_and_other_classes(deficit[0], own, seed=seed)
    if np.isnan(test.value):
        return test, []
    return test, [float(row[own].mean() - row[~own].mean()) for row in deficit[1:]]


def compare_own_class_effects(outcome: LesionOutcome, other: LesionOutcome, by_class: ImageGroups,
                              top_k: int, domain: str,
                              *, seed: int) -> TestResult:
    """Compare two networks' `own_class_effects`, class by class: ``outcome`` minus ``other``."""
    deficit, other_deficit = (one.compute_deficits(top_k, by_class)[0, one.domains.index(domain)]
                              for one in (outcome, other))
    return compare_own_and_other_classes(deficit - other_deficit,
                                         np.array(by_class.domains) == domain, seed=seed)


def effect_rows(network: str, effects: Mapping[str, tuple[TestResult, list[float]]]
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


def lesion_network(classifier: Classifier, localizer_result: LocalizerResult, images: ImageSet, *,
                   method: str = "relus", fraction: float = 0.0, n_random: int = 10,
                   seed: int = 0, batch_size: int = 64) -> LesionOutcome:
    """Lesion every domain's units, and as many random ones; measure recognition.

    Units that prefer scrambled images are left alone: no class of images is theirs.

    Parameters
    ----------
    classifier : Classifier
    localizer_result : LocalizerResult
        Of the same network.
    images : ImageSet
        Images to be recognised.
    method, fraction
        Layers as in `helpers.lesions.silencing.select_lesion_layers`, units as in
        `helpers.lesions.evaluation.unit_masks`.
    n_random, seed, batch_size : int
        As for `helpers.lesions.evaluation.evaluate_lesions`.
    """
    layers_before_readout = classifier.select_lesionable_layers(localizer_result.layers)
    relus = find_relu_layers(classifier.network.model, classifier.network.layers)
    lesion_layer_names = select_lesion_layers(method, layers_before_readout, relus)
    intact = [index for index, domain in enumerate(localizer_result.domains) if domain in DOMAINS]
    domains = tuple(localizer_result.domains[index] for index in intact)
    masks = {layer: mask[intact] for layer, mask in
             unit_masks(localizer_result, layers_before_readout, fraction=fraction).items()}
    arrays = evaluate_lesions(classifier, masks, domains, lesion_layer_names, images,
                              n_random=n_random,
                              seed=seed, batch_size=batch_size)
    return LesionOutcome(domains, arrays["ranks"],
                         {layer: arrays[f"activation/{layer}"] for layer in layers_before_readout},
                         {layer: masks[layer].sum(1) for layer in lesion_layer_names},
                         {layer: masks[layer].shape[1] for layer in lesion_layer_names})
