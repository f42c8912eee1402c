"""Compare a network with measured responses, in one call: selectivity, encoding and RSA.

    from helpers.compare import compare
    found = compare(model, ["layer2", "layer4"], "mybrain/stimuli", responses, rois=names)
    found.selectivity, found.encoding, found.rsa

The statistics are those of the papers' notebooks: the conjunction test of the localizer (01), ridge
with nested cross-validation (05), Spearman's r of two RDMs (15). Nothing is cached, since code of a
user's own network has no identity that a key could hold. docs/own_brain.md shows how to call it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from helpers.compare_inputs import (
    Measured,
    OwnNetwork,
    check_images,
    check_responses,
    open_own_network,
)
from helpers.core.console import progress
from helpers.core.errors import LabError
from helpers.core.moments import Moments
from helpers.finetuning.ridge_cv import (
    compute_fold_scores,
    linear_kernel,
    make_folds,
    score_nested,
)
from helpers.networks.activations import extract_activations
from helpers.networks.network import Network
from helpers.networks.registry import Preprocessing
from helpers.rsa.dissimilarity import rdm, spearman_rdms
from helpers.selectivity.statistics import ALPHA, localize
from helpers.stimuli.image_source import ImageSource

MAX_BYTES = 2**31
"""Activations that are in memory at once; layers that need more go through passes of their own."""


@dataclass(frozen=True)
class Comparison:
    """Three tables, one row per layer and domain, or per layer and region.

    Attributes
    ----------
    selectivity : DataFrame
        ``layer, domain, n_units, n_selective, proportion``: units that pass the localizer's test.
    encoding : DataFrame
        ``layer, roi, n_images, n_voxels, r``: correlation of predicted with measured responses to
        held-out images, mean over folds and voxels; ``noise_ceiling``, mean over the voxels whose
        ncsnr is known, and ``r_corrected``: r of these voxels divided by it (NaN without ncsnr).
    rsa : DataFrame
        ``layer, roi, n_images, n_voxels, spearman_r``: of the RDM of the layer's units and that of
        the region's voxels (1 - r); NaN where a pattern does not vary, as of a single voxel.
    """

    selectivity: pd.DataFrame
    encoding: pd.DataFrame
    rsa: pd.DataFrame


def compare(model: nn.Module | Network | str | Callable[[], nn.Module], layers: Sequence[str],
            images: object, responses: NDArray, *, rois: object = None,
            labels: Sequence[str] | None = None, localizer: object = None,
            ncsnr: NDArray | None = None, n_repeats: int | None = None,
            preprocessing: Preprocessing | None = None,
            alpha: float = ALPHA, batch_size: int = 64, seed: int = 0) -> Comparison:
    """Compare some layers of a network with the responses of a participant to the same images.

    Parameters
    ----------
    model : nn.Module, Network, str or callable
        A module as it is; a network that was opened; a name of the registry; or a callable without
        arguments that returns a module.
    layers : sequence of str
        Names of modules, such as ``layer4``.
    images : path, ImageSource or sequence of paths
        A folder with one sub-folder per category (domains from its ``classes.csv``); with
        ``labels``, a folder or a list of files; or images that were opened.
    responses : array, shape (n_images, n_voxels) or (n_images, n_repeats, n_voxels)
        In the order of the images; finite. Repeats are averaged.
    rois : mapping or sequence of str, optional
        Name -> mask (n_voxels,) or indices of voxels; or a name for each voxel, empty for none.
        Without it all voxels are one region, "all".
    labels : sequence of str, optional
        Category of each image; without it, the domains of the image set.
    localizer : path or ImageSet, optional
        Other images, with categories, on which selectivity is tested; ``images`` then need none.
    ncsnr : array, shape (n_voxels,), optional
        Noise-ceiling signal-to-noise ratio of single trials; NaN where it is not known.
    n_repeats : int, optional
        Trials averaged in each response; by default the repeats of ``responses``, or 1.
    preprocessing : Preprocessing, optional
        Of a module; by default 224 pixels, with ImageNet's mean and standard deviation.
    alpha : float
        False discovery rate of the localizer.
    batch_size : int
        Images in one forward pass; changes speed and memory only.
    seed : int
        Of the folds.

    Raises
    ------
    LabError
        Before anything is computed: if a layer does not exist, is never called or is no tensor
        with a row per image; if the network or the callable raises; if images, labels, responses,
        regions or ncsnr differ in number, or there are too few images or categories.
    """
    stimuli, categories = check_images(images, labels, labelled=localizer is None)
    shown = stimuli
    if localizer is not None:
        shown, categories = check_images(localizer, None)
    measured = check_responses(responses, rois, ncsnr, n_repeats, len(stimuli))
    network = open_own_network(model, layers, preprocessing)
    folds = make_folds(len(stimuli), seed=seed)
    rows: dict[str, list] = {"selectivity": [], "encoding": [], "rsa": []}
    for source in [shown] if localizer is None else [shown, stimuli]:
        for layer, activations in _iter_activations(network, source, batch_size):
            if source is shown:
                rows["selectivity"] += _selectivity_rows(layer, activations, categories, alpha)
            if source is stimuli:
                for encoding, rsa in _region_rows(layer, activations, measured, folds):
                    rows["encoding"].append(encoding)
                    rows["rsa"].append(rsa)
    return Comparison(**{name: pd.DataFrame(table) for name, table in rows.items()})


def _iter_activations(network: OwnNetwork, source: ImageSource,
                      batch_size: int) -> Iterator[tuple[str, Tensor]]:
    """Yield each layer's activations, float32 (n_images, n_units), few layers at a time."""
    n_units, groups = network.n_units, [[]]
    for layer in network.paths:
        held = sum(n_units[other] for other in groups[-1])
        if held and 4 * (held + n_units[layer]) * len(source) > MAX_BYTES:
            groups.append([])
        groups[-1].append(layer)
    for group in groups:
        chunks = torch.arange(len(source)).split(batch_size)
        found = extract_activations(
            network.model, {name.partition("#")[0]: network.paths[name] for name in group},
            source.batches(progress(chunks, "images through the network"), network.preprocessing))
        for layer in group:
            if not found[layer].isfinite().all():
                image, unit = (~found[layer].isfinite()).nonzero()[0].tolist()
                raise LabError(f"unit {unit} of {layer} is not finite for image {image}",
                               expected="finite activations",
                               remedy="check the weights and the preprocessing")
            yield layer, found.pop(layer)


def _selectivity_rows(layer: str, activations: Tensor, categories: tuple[str, ...],
                      alpha: float) -> Iterator[dict[str, object]]:
    names = tuple(dict.fromkeys(categories))
    labels = np.array(categories)
    moments = Moments.start(len(names), activations[0])
    for group, name in enumerate(names):
        moments.update(activations[np.flatnonzero(labels == name)], group)
    mask = localize(moments, names, alpha=alpha).mask
    for name, selective in zip(names, mask):
        yield {"layer": layer, "domain": name, "n_units": selective.numel(),
               "n_selective": int(selective.sum()), "proportion": float(selective.float().mean())}


def _region_rows(layer: str, activations: Tensor, measured: Measured, folds: Sequence[NDArray]
                 ) -> Iterator[tuple[dict[str, object], dict[str, object]]]:
    """Yield two rows for each region: of encoding and of RSA."""
    units, ceiling = activations.numpy(), measured.noise_ceiling
    inside = np.flatnonzero(np.any(list(measured.members.values()), axis=0))
    scores = compute_fold_scores(linear_kernel(units), measured.means[:, inside], folds)
    r = np.full(measured.means.shape[1], np.nan)
    r[inside] = score_nested({layer: scores})[0]
    model_rdm = rdm(units)
    for roi, mask in measured.members.items():
        known = mask & (ceiling > 0)
        best = ceiling[known].mean() if known.any() else np.nan
        row = {"layer": layer, "roi": roi, "n_images": len(measured.means),
               "n_voxels": int(mask.sum())}
        yield ({**row, "r": r[mask].mean(), "noise_ceiling": best,
                "r_corrected": r[known].mean() / best if known.any() else np.nan},
               {**row, "spearman_r": spearman_rdms(model_rdm, rdm(measured.means[:, mask]))})
