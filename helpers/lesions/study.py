"""Lesion experiments on a classifier: silence units, measure recognition by class, cache.

One pass over the images serves the intact network, the lesion of every domain, and random
lesions of as many units.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from helpers.core.cache import cached
from helpers.core.console import progress
from helpers.core.digest import array_digest, code_digest, defining_modules
from helpers.core.errors import LabError
from helpers.lesions.deficits import compute_deficits, pearson_r_rows, target_ranks
from helpers.lesions.silencing import (
    find_relu_layers,
    make_lesions,
    run_lesions,
    select_lesion_layers,
    shuffle_units,
    top_fraction,
)
from helpers.lesions.statistics import TestResult, compare_own_and_other_classes
from helpers.selectivity.localizer_result import LocalizerResult
from helpers.stimuli.domains import intact_domains
from helpers.stimuli.image_sets import ImageSet, alternate
from helpers.training.classifiers import Classifier

MIN_IMAGES = 10
"""Images that a class needs for an accuracy of its own; with fewer, classes are pooled."""


# ---- groups of images ---------------------------------------------------------------------------

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
    names, group_of_image = np.unique(keys, return_inverse=True)
    counts = np.zeros((len(images.classes), len(names)))
    np.add.at(counts, (images.labels, group_of_image), 1)
    domain_of = dict(zip(keys, images.domains))
    return ImageGroups(tuple(names.tolist()), tuple(domain_of[name] for name in names.tolist()),
                       group_of_image, counts / counts.sum(0),
                       alternate(group_of_image.tolist()), pooled)


# ---- running lesions ----------------------------------------------------------------------------

@dataclass(frozen=True)
class LesionOutcome:
    """Recognition of images under all lesions, and the activation of the lesioned units.

    Attributes
    ----------
    domains : tuple of str
        Domains whose units were silenced.
    ranks : array, uint16, shape (1 + n_domains * (1 + n_random), n_images)
        `helpers.lesions.deficits.target_ranks`: the intact network, the domains' lesions, then the
        random ones, draw by draw.
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
        """Return which images are recognised: the right class is among the best ``top_k``."""
        return self.ranks < top_k

    def compute_deficits(self, top_k: int, groups: ImageGroups, *, half: int | None = None
                         ) -> NDArray[np.float64]:
        """Compute the deficit of every group under every lesion, on all images or on one half.

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

        Within a pooled group every image has the same weight.
        """
        present = groups.class_proportions.any(1)
        activation = self.activation[layer][..., present].astype(float)
        return activation @ groups.class_proportions[present]


def lesion_network(classifier: Classifier, localizer_result: LocalizerResult, images: ImageSet, *,
                   method: str = "relus", fraction: float = 0.0, n_random: int = 10,
                   seed: int = 0, batch_size: int = 64) -> LesionOutcome:
    """Lesion every domain's units, and as many random ones; measure recognition.

    Units selective for scrambled images are not lesioned: no class of images is of that domain.

    Parameters
    ----------
    classifier : Classifier
    localizer_result : LocalizerResult
        Of the same network.
    images : ImageSet
        Images to be recognised.
    method : str
        Layers, as in `helpers.lesions.silencing.select_lesion_layers`.
    fraction : float
        Units, as in `unit_masks`.
    n_random, seed, batch_size : int
        As in `evaluate_lesions`.
    """
    layers = classifier.select_lesionable_layers(localizer_result.layers)
    relus = find_relu_layers(classifier.network.model, classifier.network.layers)
    lesioned = select_lesion_layers(method, layers, relus)
    domains = intact_domains(localizer_result.domains)
    intact = [localizer_result.domains.index(domain) for domain in domains]
    masks = {layer: mask[intact]
             for layer, mask in unit_masks(localizer_result, layers, fraction=fraction).items()}
    arrays = evaluate_lesions(classifier, masks, domains, lesioned, images, n_random=n_random,
                              seed=seed, batch_size=batch_size)
    return LesionOutcome(domains, arrays["ranks"],
                         {layer: arrays[f"activation/{layer}"] for layer in layers},
                         {layer: masks[layer].sum(1) for layer in lesioned},
                         {layer: masks[layer].shape[1] for layer in lesioned})


def unit_masks(localizer_result: LocalizerResult, layers: Sequence[str], *, fraction: float = 0.0
               ) -> dict[str, NDArray[np.bool_]]:
    """Return the units to silence: layer -> bool (n_domains, n_units).

    Parameters
    ----------
    localizer_result : LocalizerResult
    layers : sequence of str
    fraction : float
        0 for the units that pass the localizer's test; else, of each layer, this fraction of units
        with the largest mean t (a published variant; authors' selectivity.py and lesioning.py),
        units with an infinite t first.
    """
    if fraction:
        return {layer: top_fraction(localizer_result.ranking(layer), fraction) for layer in layers}
    index = np.arange(len(localizer_result.domains))[:, None]
    return {layer: localizer_result.labels[layer] == index for layer in layers}


def evaluate_lesions(classifier: Classifier, masks: dict[str, NDArray[np.bool_]],
                     domains: tuple[str, ...], lesioned: Sequence[str], images: ImageSet, *,
                     n_random: int, seed: int, batch_size: int = 64) -> dict[str, NDArray]:
    """Classify the images with the intact and with every lesioned network, cached.

    Parameters
    ----------
    classifier : Classifier
    masks : dict, layer -> bool (n_domains, n_units)
        Units of every domain, of all layers before the readout.
    domains : tuple of str
    lesioned : sequence of str
        Layers in which they are silenced.
    images : ImageSet
        Its classes are the classifier's.
    n_random, seed : int
        Draws of the random control, each for every domain, and their seed.
    batch_size : int
        Images in one forward pass; changes speed and memory only.

    Returns
    -------
    dict
        ``ranks`` and ``activation/<layer>``: see `LesionOutcome`.

    Raises
    ------
    LabError
        If the number of classes of the classifier differs from that of the images.
    """
    parts = {"classifier": classifier.parts, "images": images.digest,
             "domains": domains, "layers": list(lesioned),
             "masks": [[layer, array_digest(mask)] for layer, mask in masks.items()],
             "n_random": n_random, "seed": seed,
             "code": code_digest(["helpers.lesions.study", *defining_modules(images)])}

    def make() -> dict[str, NDArray]:
        mask_sets = [masks, *(shuffle_units(masks, seed=(seed, draw)) for draw in range(n_random))]
        return _evaluate(classifier, domains, images, mask_sets, lesioned, batch_size)

    return cached("lesions", classifier.name.replace(":", "-"), parts, make)


def _evaluate(classifier: Classifier, domains: tuple[str, ...], images: ImageSet,
              mask_sets: list[dict[str, NDArray]], lesioned: Sequence[str], batch_size: int
              ) -> dict[str, NDArray]:
    lesions = [lesion for masks in mask_sets for lesion in make_lesions(masks, domains, lesioned)]
    labels, n_classes = torch.from_numpy(images.labels), len(images.classes)
    ranks = np.zeros((1 + len(lesions), len(images)), dtype=np.uint16)
    units = {layer: torch.from_numpy(np.concatenate([masks[layer] for masks in mask_sets]))
             for layer in mask_sets[0]}
    sums = {layer: torch.zeros(n_classes, len(mask), dtype=torch.float64)
            for layer, mask in units.items()}

    def rank(start: int, lesion_idx: int, output: Tensor) -> None:
        if output.ndim != 2 or output.shape[1] != n_classes:
            raise LabError(f"{classifier.name} names {tuple(output.shape[1:])} classes, "
                           f"{images.root} has {n_classes}",
                           expected="the classes that the classifier was trained on",
                           remedy="choose the image set in the table [lesions] of the profile, or "
                           "train a readout on this one (table [readout])")
        target = labels[start:start + len(output)].to(output.device)
        ranks[lesion_idx, start:start + len(output)] = target_ranks(output, target).cpu().numpy()

    def sum_activations(start: int, layer: str, activations: Tensor) -> None:
        if layer in units:
            mask = units[layer] = units[layer].to(activations.device)
            means = activations @ mask.T.to(activations.dtype) / mask.sum(1)
            sums[layer].index_add_(0, labels[start:start + len(means)], means.cpu().double())

    rows = [range(len(images))[start:start + batch_size]
            for start in range(0, len(images), batch_size)]
    batches = images.batches(progress(rows, f"{classifier.name}: {len(lesions)} lesions"),
                             classifier.preprocessing)
    run_lesions(classifier.model, classifier.layers, lesions, batches, rank, watch=sum_activations)
    count = torch.bincount(labels, minlength=n_classes)[:, None]
    return {"ranks": ranks} | {
        f"activation/{layer}": (total / count).T.float().numpy().reshape(
            len(mask_sets), len(domains), -1) for layer, total in sums.items()}


# ---- effects of lesions -------------------------------------------------------------------------

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
    tables = []
    for layer in outcome.activation:
        r = pearson_r_rows(outcome.activation_by_group(layer, groups), change)
        tables.append(pd.DataFrame({"layer": layer, "domain": np.tile(outcome.domains, len(r)),
                                    "draw": np.repeat(np.arange(len(r)), len(outcome.domains)),
                                    "r": r.ravel()}))
    return pd.concat(tables, ignore_index=True)


def own_class_effects(outcome: LesionOutcome, by_class: ImageGroups, top_k: int, domain: str, *,
                      seed: int) -> tuple[TestResult, list[float]]:
    """Compare the deficit of a domain's own classes with that of all others.

    Returns
    -------
    test : TestResult
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
                              top_k: int, domain: str, *, seed: int) -> TestResult:
    """Compare two networks' `own_class_effects`, class by class: ``outcome`` minus ``other``."""
    deficit, other_deficit = (
        one.compute_deficits(top_k, by_class)[0, one.domains.index(domain)]
        for one in (outcome, other))
    return compare_own_and_other_classes(deficit - other_deficit,
                                         np.array(by_class.domains) == domain, seed=seed)


def effect_rows(network: str, effects: Mapping[str, tuple[TestResult, list[float]]]
                ) -> list[dict[str, object]]:
    """Return a network's effects by domain as rows of a table, in percentage points.

    Returns
    -------
    list of dict
        ``network, domain, value, low, high, p`` and ``random``, the random lesions' values.
    """
    return [{"network": network, "domain": domain, "value": 100 * test.value,
             "low": 100 * test.low, "high": 100 * test.high, "p": test.p,
             "random": [100 * value for value in random]}
            for domain, (test, random) in effects.items()]
