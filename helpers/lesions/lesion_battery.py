"""Lesions at work: units silenced, recognition measured, in one pass; cached.

One pass over the pictures serves the intact network, the lesion of every domain, and random
lesions of as many units.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from helpers.ground.cache import cached
from helpers.ground.console import progress
from helpers.ground.digest import array_digest, code_digest, modules_of
from helpers.ground.errors import LabError
from helpers.lesions.deficits import class_ranks
from helpers.lesions.silencing import battery, lesions_of, shuffled
from helpers.selectivity.localizer import Localizer
from helpers.selectivity.statistics import top_fraction
from helpers.stimuli.image_sets import ImageSet
from helpers.training.classifiers import Classifier


def unit_masks(found: Localizer, layers: Sequence[str], *, fraction: float = 0.0
               ) -> dict[str, NDArray[np.bool_]]:
    """Return the units to silence: layer -> bool (n_domains, n_units).

    Parameters
    ----------
    found : Localizer
    layers : sequence of str
    fraction : float
        0 for the units that pass the localizer's test; else, of each layer, this share of units
        with the largest mean t (a published variant; spec 2.3), units with an infinite t first.
    """
    if fraction:
        return {layer: top_fraction(torch.from_numpy(found.ranking(layer)), fraction).numpy()
                for layer in layers}
    index = np.arange(len(found.domains))[:, None]
    return {layer: found.labels[layer] == index for layer in layers}


def measured(classifier: Classifier, masks: dict[str, NDArray[np.bool_]],
             domains: tuple[str, ...], chosen: Sequence[str], images: ImageSet, *,
             n_random: int, seed: int, batch_size: int = 64) -> dict[str, NDArray]:
    """Show the pictures to the intact and to every lesioned network, once; then read the cache.

    Parameters
    ----------
    classifier : Classifier
    masks : dict, layer -> bool (n_domains, n_units)
        Units of every domain, of all layers before the readout.
    domains : tuple of str
    chosen : sequence of str
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
        ``ranks`` uint16 (1 + n_domains * (1 + n_random), n_images), see `class_ranks`: the intact
        network, the domains' lesions, then the random ones, draw by draw; ``activation/<layer>``
        float32 (1 + n_random, n_domains, n_classes), of the intact network.

    Raises
    ------
    LabError
        If the classifier names other classes than the pictures have.
    """
    parts = {"classifier": classifier.parts, "images": images.digest,
             "domains": domains, "layers": list(chosen),
             "masks": [[layer, array_digest(mask)] for layer, mask in masks.items()],
             "n_random": n_random, "seed": seed,
             "code": code_digest(["helpers.lesions.lesion_battery", *modules_of(images)])}

    def make() -> dict[str, NDArray]:
        sets = [masks, *(shuffled(masks, seed=(seed, draw)) for draw in range(n_random))]
        return _measure(classifier, domains, images, sets, chosen, batch_size)

    return cached("lesions", classifier.name.replace(":", "-"), parts, make)


def _measure(classifier: Classifier, domains: tuple[str, ...], images: ImageSet,
             sets: list[dict[str, NDArray]], chosen: Sequence[str], batch_size: int
             ) -> dict[str, NDArray]:
    lesions = [lesion for masks in sets for lesion in lesions_of(masks, domains, chosen)]
    labels = torch.from_numpy(images.labels)
    ranks = np.zeros((1 + len(lesions), len(images)), dtype=np.uint16)
    sums = _ActivationSums(sets, labels, len(images.classes))

    def consume(start: int, number: int, output: Tensor) -> None:
        _require_classes(classifier, output, images)
        mine = labels[start:start + len(output)].to(output.device)
        ranks[number, start:start + len(output)] = class_ranks(output, mine).cpu().numpy()

    rows = [range(start, min(start + batch_size, len(images)))
            for start in range(0, len(images), batch_size)]
    batches = images.batches(progress(rows, f"{classifier.name}: {len(lesions)} lesions"),
                             classifier.preprocessing)
    battery(classifier.model, classifier.layers, lesions, batches, consume, watch=sums.add)
    return {"ranks": ranks, **sums.means((len(sets), len(domains)))}


class _ActivationSums:
    """Sums over pictures of a class, of the mean activation of each domain's units."""

    def __init__(self, sets: list[dict[str, NDArray]], labels: Tensor, n_classes: int) -> None:
        self.sets, self.labels = sets, labels
        self.count = torch.bincount(labels, minlength=n_classes)
        self.masks: dict[str, Tensor] = {}
        self.total: dict[str, Tensor] = {}

    def add(self, start: int, layer: str, activations: Tensor) -> None:
        if layer not in self.sets[0]:
            return
        if layer not in self.masks:
            stacked = np.concatenate([masks[layer] for masks in self.sets])
            self.masks[layer] = torch.from_numpy(stacked).to(activations.device)
            self.total[layer] = torch.zeros(len(self.count), len(stacked), dtype=torch.float64)
        masks = self.masks[layer]
        means = activations @ masks.T.to(activations.dtype) / masks.sum(1)
        labels = self.labels[start:start + len(means)]
        self.total[layer].index_add_(0, labels, means.double().cpu())

    def means(self, shape: tuple[int, int]) -> dict[str, NDArray[np.float32]]:
        return {f"activation/{layer}": (total / self.count[:, None]).T.float().numpy()
                .reshape(*shape, -1) for layer, total in self.total.items()}


def _require_classes(classifier: Classifier, output: Tensor, images: ImageSet) -> None:
    if output.ndim != 2 or output.shape[1] != len(images.classes):
        raise LabError(f"{classifier.name} names {tuple(output.shape[1:])} classes, "
                       f"{images.root} has {len(images.classes)}",
                       expected="the classes that the classifier was taught",
                       remedy="choose the image set in the table [lesions] of the profile, or "
                              "train a readout on this one (table [readout])")
