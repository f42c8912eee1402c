"""Agreement of two halves of the images on a layer's selective units: a permutation test.

Units of a layer are correlated, neighbours in a feature map above all, so they are no independent
draws. Images are permuted instead: their labels are exchangeable if the layer's responses do not
depend on the domain, and every permutation leaves the correlations between units as they are
(Nichols & Holmes 2002, Human Brain Mapping 15). It is no part of the paper.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from helpers.core.intervals import permutation_p
from helpers.selectivity.statistics import min_t, resampled_moments, subtract_minimum

N_PERMUTATIONS = 999
"""Permutations of the image labels; the smallest possible p value is 1 / 1000."""
CHUNK = 2**22
"""Values of t that are held at a time."""


def overlap_p(activations: NDArray, labels: NDArray, selected: NDArray[np.bool_],
              n_best: NDArray, *, seed: int, n_permutations: int = N_PERMUTATIONS) -> NDArray:
    r"""Test whether one half's most selective units are those that the other half selects.

    The statistic of a domain is the number of its selected units among as many units as the second
    half selects: those with the largest smallest t against any other domain
    (`helpers.selectivity.statistics.min_t`). Its null distribution comes from permutations of the
    second half's image labels.

    Parameters
    ----------
    activations : array, float, shape (n_images, n_units)
        Of the second half of the images.
    labels : array, int, shape (n_images,)
        Domain of each; at least two images of every domain.
    selected : array, bool, shape (n_domains, n_units)
        Units that the first half selects.
    n_best : array, int, shape (n_domains,)
        Number of units that the second half selects.
    seed : int
    n_permutations : int

    Returns
    -------
    array, float64, shape (n_domains,)
        One-sided p values, (1 + number of permutations with as large an overlap) / (1 +
        ``n_permutations``) (Phipson & Smyth 2010); 1 where a half selects no unit.
    """
    rng = np.random.default_rng(seed)
    shifted = subtract_minimum(activations)
    orders = np.stack([labels, *(rng.permutation(labels) for _ in range(n_permutations))])
    size = max(1, CHUNK // selected.size)
    overlap = np.concatenate([_overlaps(shifted, orders[start:start + size], selected, n_best)
                              for start in range(0, len(orders), size)])
    return permutation_p(overlap[0], overlap[1:])


def _overlaps(shifted: Tensor, orders: NDArray, selected: NDArray, n_best: NDArray) -> NDArray:
    """Count overlaps for each order of the labels, int (n_orders, n_domains)."""
    one_hot = torch.from_numpy((orders == np.arange(len(selected))[:, None, None]).astype(float))
    smallest = min_t(resampled_moments(shifted, one_hot)).view(*one_hot.shape[:2], -1)
    smallest = smallest.nan_to_num_(nan=-torch.inf, posinf=torch.inf, neginf=-torch.inf)
    best = [t.topk(int(n), dim=1).indices for t, n in zip(smallest, n_best)]
    return np.stack([chosen[units].sum(1) for chosen, units in zip(selected, best)], axis=1)
