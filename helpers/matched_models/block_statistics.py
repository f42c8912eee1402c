"""Statistics of every unit at the output of a network's blocks, for six sets of images.

Units are selected on one half of the images and measured on the other, and vice versa.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import torch
from numpy.typing import NDArray

from helpers.core.cache import cached
from helpers.core.digest import code_digest
from helpers.core.errors import LabError
from helpers.core.moments import Moments
from helpers.networks.activations import extract_activations, layer_hooks
from helpers.networks.channel_axes import channel_axes
from helpers.networks.network import Network
from helpers.selectivity import statistics
from helpers.selectivity.study import labels_from_masks, split_halves, stream_moments
from helpers.stimuli.six_category_localizer import SixCategoryLocalizer

FDR_ALPHAS = (0.5, 0.2, 0.05, 0.01, 1e-3, 1e-5)
"""False discovery rates at which units are called selective."""
FDR_ALPHA = 0.05
"""The rate that figures show: Prince et al.'s; that of Lu & Wang is unknown."""
ALL_IMAGES = 2
"""Index of labels from all images, after those from each half."""


@dataclass(frozen=True)
class BlockStatistics:
    """Statistics of every unit at the output of one block. Halves of the images: 0 and 1.

    Attributes
    ----------
    sets : tuple of str
    shape : tuple of 3 int
        Feature maps, height, width.
    labels : array, uint8, shape (n_alphas, 3, n_units)
        Index of the set that a unit prefers to every other one, or ``NONE``, at each of
        ``FDR_ALPHAS``; from each half, and from all images.
    mean : array, float32, shape (n_sets, 2, n_units)
    selectivity_index, d_prime, min_t : array, float32, shape (n_sets, 2, n_units)
        Selectivity index and d' against the others pooled; smallest t against any other.
    sparseness : array, float32, shape (2, n_units)
    """

    sets: tuple[str, ...]
    shape: tuple[int, int, int]
    labels: NDArray[np.uint8]
    mean: NDArray[np.float32]
    selectivity_index: NDArray[np.float32]
    d_prime: NDArray[np.float32]
    min_t: NDArray[np.float32]
    sparseness: NDArray[np.float32]

    def selective_mask(self, domain: str, part: int = ALL_IMAGES,
                       fdr_alpha: float = FDR_ALPHA) -> NDArray[np.bool_]:
        """Return which units prefer a set, bool (n_units,), in a half or in all images."""
        return self.labels[FDR_ALPHAS.index(fdr_alpha), part] == self.sets.index(domain)

    def top_units(self, domain: str, part: int, n: int) -> NDArray[np.int64]:
        """Return the n units with the largest `min_t` for a set, on one half; no dead units."""
        t = np.nan_to_num(self.min_t[self.sets.index(domain), part], nan=-np.inf, posinf=1e6)
        order = np.argsort(-t, kind="stable")[:n]
        return order[np.isfinite(t[order])]

    def to_feature_maps(self, mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Arrange a mask of units as feature maps x height x width."""
        return mask.reshape(self.shape)


def with_block_layers(network: Network, layers: Sequence[str]) -> Network:
    """Return a network whose layers are the outputs of its blocks.

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
    with layer_hooks(network.model, dict(zip(layers, layers)), lambda _name, _output: None):
        return replace(network, layers=dict(zip(layers, layers)))


def compute_block_statistics(network: Network, images: SixCategoryLocalizer, *,
                             batch_size: int) -> dict[str, BlockStatistics]:
    """Measure every unit of a network's layers on the six sets, once.

    Parameters
    ----------
    network : Network
        As `with_block_layers` returns it.
    images : SixCategoryLocalizer
    batch_size : int

    Returns
    -------
    dict, layer -> BlockStatistics
    """
    def make() -> dict[str, NDArray]:
        blocks = measure_blocks(network, images, batch_size=batch_size)
        return {f"{name}/{layer}": np.array(value) for layer, block in blocks.items()
                for name, value in vars(block).items()}

    arrays = cached("stages", network.name, {
        "network": network.parts, "images": images.digest,
        "code": code_digest(["helpers.matched_models.block_statistics"])}, make)
    values = {layer: {one.name: arrays[f"{one.name}/{layer}"] for one in fields(BlockStatistics)}
              for layer in network.layers}
    return {layer: BlockStatistics(**its | {name: tuple(its[name].tolist())
                                            for name in ("sets", "shape")})
            for layer, its in values.items()}


def measure_blocks(network: Network, images: SixCategoryLocalizer, *,
                   batch_size: int) -> dict[str, BlockStatistics]:
    """Return `compute_block_statistics` without the cache."""
    shapes, sets = _shapes(network), images.domain_names
    moments = stream_moments(network, images, batch_size=batch_size)
    # Popped, so that the moments of one layer are freed before the next is summarised.
    return {layer: BlockStatistics(sets, shapes[layer], **_summary(moments.pop(layer)))
            for layer in list(moments)}


def _summary(moments: Moments) -> dict[str, NDArray]:
    parts = split_halves(moments)

    def both(measure) -> NDArray[np.float32]:
        return torch.stack([measure(half) for half in parts[:2]], -2).float().cpu().numpy()

    return {"labels": np.stack([labels_from_masks(statistics.localize_at_alphas(part, FDR_ALPHAS))
                                for part in parts], 1),
            "mean": both(lambda half: half.mean), "d_prime": both(statistics.d_prime),
            "selectivity_index": both(statistics.selectivity_index),
            "min_t": both(statistics.min_t), "sparseness": both(statistics.lifetime_sparseness)}


def _shapes(network: Network) -> dict[str, tuple[int, int, int]]:
    """Return feature maps, height and width of every layer; positions of a flat one are 1 x 1."""
    device = next(network.model.parameters()).device
    blank = torch.zeros(1, *network.input_shape, device=device)
    shapes: dict[str, tuple[int, int, int]] = {}
    for name, channel_axis in channel_axes(network.model, network.layers, blank).items():
        if len(channel_axis.shape) not in (2, 4) or channel_axis.axis != 1:
            raise LabError(f"the layer {name} of {network.name} gives {channel_axis.shape}, "
                           f"channels on axis {channel_axis.axis}",
                           expected="images x feature maps x height x width",
                           remedy="choose another layer in the table [language] of the profile")
        shapes[name] = (*channel_axis.shape[1:], 1, 1)[:3]
    return shapes


@dataclass(frozen=True)
class HeldOutResponses:
    """Responses of some selective units to the images that did not select them.

    Attributes
    ----------
    domain : array, str, shape (n_units,)
        The domain for which each unit is selective on the first half of the images.
    values : array, float32, shape (n_images, n_units)
        To the second half.
    """

    domain: NDArray[np.str_]
    values: NDArray[np.float32]


def collect_held_out_responses(network: Network, images: SixCategoryLocalizer,
                               blocks: dict[str, BlockStatistics], domains: Sequence[str], *,
                               max_units: int, seed: int,
                               batch_size: int) -> dict[str, HeldOutResponses]:
    """Return the responses of units selected on the first half of the images to the second half.

    Parameters
    ----------
    network, images, batch_size
        As for `compute_block_statistics`, which returned ``blocks``.
    domains : sequence of str
    max_units : int
        Units of one domain and block; a random sample where there are more.
    seed : int

    Returns
    -------
    dict, layer -> HeldOutResponses
    """
    rng, units, names = np.random.default_rng(seed), {}, {}
    for layer, block in blocks.items():
        sampled = [np.sort(rng.permutation(np.flatnonzero(mask))[:max_units])
                   for mask in (block.selective_mask(domain, 0) for domain in domains)]
        units[layer] = torch.from_numpy(np.concatenate(sampled))
        names[layer] = np.repeat(list(domains), [len(unit_idx) for unit_idx in sampled])
    second_half = np.flatnonzero(images.halves == 1)

    def make() -> dict[str, NDArray]:
        chunks = [second_half[i:i + batch_size] for i in range(0, len(second_half), batch_size)]
        activations = extract_activations(network.model, network.layers,
                                          images.batches(chunks, network.preprocessing), units)
        return {layer: values.numpy() for layer, values in activations.items()}

    arrays = cached("answers", network.name, {
        "network": network.parts, "images": images.digest,
        "units": {layer: unit_idx.tolist() for layer, unit_idx in units.items()},
        "code": code_digest(["helpers.matched_models.block_statistics"])}, make)
    return {layer: HeldOutResponses(names[layer], arrays[layer]) for layer in blocks}
