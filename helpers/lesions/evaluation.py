"""Lesions at work: units silenced, recognition measured, in one pass; cached.

One pass over the images serves the intact network, the lesion of every domain, and random
lesions of as many units.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from helpers.core.cache import cached
from helpers.core.console import progress
from helpers.core.digest import array_digest, code_digest, defining_modules
from helpers.core.errors import LabError
from helpers.lesions.deficits import target_ranks
from helpers.lesions.silencing import make_lesions, run_lesions, shuffle_units
from helpers.selectivity.statistics import top_fraction
from helpers.selectivity.study import LocalizerResult
from helpers.stimuli.image_sets import ImageSet
from helpers.training.classifiers import Classifier


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
        return {layer: top_fraction(torch.from_numpy(localizer_result.ranking(layer)),
                                    fraction).numpy()
                for layer in layers}
    index = np.arange(len(localizer_result.domains))[:, None]
    return {layer: localizer_result.labels[layer] == index for layer in layers}


def evaluate_lesions(classifier: Classifier, masks: dict[str, NDArray[np.bool_]],
             domains: tuple[str, ...], lesion_layer_names: Sequence[str], images: ImageSet, *,
                     n_random: int, seed: int, batch_size: int = 64) -> dict[str, NDArray]:
    """Show the images to the intact and to every lesioned network, once; then read the cache.

    Parameters
    ----------
    classifier : Classifier
    masks : dict, layer -> bool (n_domains, n_units)
        Units of every domain, of all layers before the readout.
    domains : tuple of str
    lesion_layer_names : sequence of str
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
        ``ranks`` uint16 (1 + n_domains * (1 + n_random), n_images), see `target_ranks`: the intact
        network, the domains' lesions, then the random ones, draw by draw; ``activation/<layer>``
        float32 (1 + n_random, n_domains, n_classes), of the intact network.

    Raises
    ------
    LabError
        If the classifier names other classes than the images have.
    """
    parts = {"classifier": classifier.parts, "images": images.digest,
             "domains": domains, "layers": list(lesion_layer_names),
             "masks": [[layer, array_digest(mask)] for layer, mask in masks.items()],
             "n_random": n_random, "seed": seed,
             "code": code_digest(["helpers.lesions.evaluation", *defining_modules(images)])}

    def make() -> dict[str, NDArray]:
        mask_sets = [masks, *(shuffle_units(masks, seed=(seed, draw)) for draw in range(n_random))]
        return _evaluate(classifier, domains, images, mask_sets, lesion_layer_names, batch_size)

    return cached("lesions", classifier.name.replace(":", "-"), parts, make)


def _evaluate(classifier: Classifier, domains: tuple[str, ...], images: ImageSet,
             mask_sets: list[dict[str, NDArray]], lesion_layer_names: Sequence[str], batch_size: int
             ) -> dict[str, NDArray]:
    lesions = [lesion for masks in mask_sets for lesion in make_lesions(masks, domains,
                                                                        lesion_layer_names)]
    labels = torch.from_numpy(images.labels)
    ranks = np.zeros((1 + len(lesions), len(images)), dtype=np.uint16)
    sums = _ActivationSums(mask_sets, labels, len(images.classes))

    def consume(start: int, lesion_idx: int, output: Tensor) -> None:
        _check_classes(classifier, output, images)
        batch_labels = labels[start:start + len(output)].to(output.device)
        ranks[lesion_idx, start:start + len(output)] = target_ranks(output,
                                                                    batch_labels).cpu().numpy()

    rows = [range(start, min(start + batch_size, len(images)))
            for start in range(0, len(images), batch_size)]
    batches = images.batches(progress(rows, f"{classifier.name}: {len(lesions)} lesions"),
                             classifier.preprocessing)
    run_lesions(classifier.model, classifier.layers, lesions, batches, consume, watch=sums.add)
    return {"ranks": ranks, **sums.means((len(mask_sets), len(domains)))}


class _ActivationSums:
    """Sums over images of a class, of the mean activation of each domain's units."""

    def __init__(self, mask_sets: list[dict[str, NDArray]], labels: Tensor, n_classes: int) -> None:
        self.mask_sets, self.labels = mask_sets, labels
        self.count = torch.bincount(labels, minlength=n_classes)
        self.masks: dict[str, Tensor] = {}
        self.total: dict[str, Tensor] = {}

    def add(self, start: int, layer: str, activations: Tensor) -> None:
        if layer not in self.mask_sets[0]:
            return
        if layer not in self.masks:
            stacked = np.concatenate([masks[layer] for masks in self.mask_sets])
            self.masks[layer] = torch.from_numpy(stacked).to(activations.device)
            self.total[layer] = torch.zeros(len(self.count), len(stacked), dtype=torch.float64)
        masks = self.masks[layer]
        means = activations @ masks.T.to(activations.dtype) / masks.sum(1)
        labels = self.labels[start:start + len(means)]
        self.total[layer].index_add_(0, labels, means.double().cpu())

    def means(self, shape: tuple[int, int]) -> dict[str, NDArray[np.float32]]:
        return {f"activation/{layer}": (total / self.count[:, None]).T.float().numpy()
                .reshape(*shape, -1) for layer, total in self.total.items()}


def _check_classes(classifier: Classifier, output: Tensor, images: ImageSet) -> None:
    if output.ndim != 2 or output.shape[1] != len(images.classes):
        raise LabError(f"{classifier.name} names {tuple(output.shape[1:])} classes, "
                       f"{images.root} has {len(images.classes)}",
                       expected="the classes that the classifier was trained",
                       remedy="choose the image set in the table [lesions] of the profile, or "
                       "train a readout on this one (table [readout])")
