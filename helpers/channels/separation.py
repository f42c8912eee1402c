"""How far categories lie apart within a layer, and whether that grows from layer to layer.

Each layer is looked at in its own space, all units and no axes chosen, so that nothing has to be
aligned across layers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from helpers.ground.errors import LabError
from helpers.ground.varying import FLAT, centred

BLOCK = 65_536
"""Units whose inner products are added at a time, in double precision."""

Array = NDArray[np.float64]


def unit_rdm(activations: NDArray) -> Array:
    """Return 1 - Pearson's r over all units of a layer, between all pictures.

    Parameters
    ----------
    activations : ndarray, float, shape (n_images, n_units)

    Returns
    -------
    ndarray, float64, shape (n_images, n_images)
        An image to which all units respond alike is like no other: 1.
    """
    mean = activations.mean(1, dtype=np.float64, keepdims=True)
    products = np.zeros((len(activations), len(activations)))
    for start in range(0, activations.shape[1], BLOCK):
        block = activations[:, start:start + BLOCK] - mean
        products += block @ block.T
    length = np.sqrt(np.diag(products))
    length[length <= FLAT * np.abs(activations).max(1)] = np.inf
    rdm = 1 - products / np.maximum(np.outer(length, length), np.finfo(float).tiny)
    np.fill_diagonal(rdm, 0)
    return rdm


def silhouettes(rdms: Array, labels: Sequence[str] | NDArray) -> Array:
    r"""Return the mean silhouette of the categories in every layer.

    .. math:: s_i = \frac{b_i - a_i}{\max(a_i, b_i)}

    with :math:`a_i` the mean distance of picture *i* to the others of its category and
    :math:`b_i` that to the nearest other category (Rousseeuw 1987).

    Parameters
    ----------
    rdms : ndarray, shape (n_layers, n_images, n_images)
    labels : sequence, n_images
        Category of every picture; at least two categories, two pictures in each.

    Returns
    -------
    ndarray, shape (n_layers,), -1 to 1
        1: categories are points far apart; 0 or below: they overlap.
    """
    code, own, counts = _coded(labels)
    sums = rdms @ own
    rows = np.arange(len(code))
    a = sums[:, rows, code] / (counts[code] - 1)
    means = sums / counts
    means[:, rows, code] = np.inf
    b = means.min(2)
    larger = np.maximum(a, b)
    return np.divide(b - a, larger, out=np.zeros_like(a), where=larger > FLAT).mean(1)


def _coded(labels: Sequence[str] | NDArray) -> tuple[NDArray, Array, NDArray]:
    """Return category numbers (n_images,), one-hot rows (n_images, n_categories), and counts."""
    names, code, counts = np.unique(np.asarray(labels), return_inverse=True, return_counts=True)
    if len(names) < 2 or counts.min() < 2:
        raise LabError(f"categories {dict(zip(names.tolist(), counts.tolist()))}",
                       expected="at least 2 categories, 2 pictures in each",
                       remedy="give every category more pictures")
    return code, np.eye(len(names))[code], counts


def centroid_hits(rdms: Array, labels: Sequence[str] | NDArray) -> NDArray[np.bool_]:
    r"""Say which pictures lie nearest to the centroid of their own category, they left out.

    Patterns are standardised over units, and nearest means the largest Pearson's r. Both follow
    from the distances: with :math:`r_{ij} = 1 - d_{ij}` and :math:`S_k` the sum of the patterns
    of category *k*,

    .. math:: \mathrm{corr}(x_i, S_k) \propto \sum_{j \in k} r_{ij} \Big/
              \sqrt{\textstyle\sum_{j, l \in k} r_{jl}}

    Parameters
    ----------
    rdms : ndarray, shape (n_layers, n_images, n_images)
        Of `unit_rdm`.
    labels : sequence, n_images

    Returns
    -------
    ndarray, bool, shape (n_layers, n_images)
        Chance is one in the number of categories where they are equally large.
    """
    code, own, _ = _coded(labels)
    rows = np.arange(len(code))
    sums = (1 - rdms) @ own
    squares = np.einsum("ik,lik->lk", own, sums)[:, None].repeat(len(code), axis=1)
    mine = sums[:, rows, code]
    squares[:, rows, code] += 1 - 2 * mine
    sums[:, rows, code] = mine - 1
    nearness = sums / np.sqrt(np.maximum(squares, np.finfo(float).tiny))
    return nearness.argmax(2) == code


def centroid_accuracy(rdms: Array, labels: Sequence[str] | NDArray) -> Array:
    """Return the share of `centroid_hits` in every layer, shape (n_layers,)."""
    return centroid_hits(rdms, labels).mean(1)


def label_null(rdms: Array, labels: Sequence[str] | NDArray,
               measure: Callable[[Array, NDArray], Array] = silhouettes, *,
               n_permutations: int = 1000, seed: int = 0) -> Array:
    """Return the measure for categories that were dealt to the pictures at random.

    The silhouette's null lies below 0, for the nearest of several other categories counts, and
    the lower the fewer dimensions a layer uses: only the distance from it compares layers.

    Returns
    -------
    ndarray, shape (n_permutations, n_layers)
        One deal holds for all layers.
    """
    rng, code = np.random.default_rng(seed), _coded(labels)[0]
    return np.stack([measure(rdms, rng.permutation(code)) for _ in range(n_permutations)])


def permutation_p(observed: Array, null: Array) -> Array:
    """Return the one-sided p value: the share of the null, the data included, as large or larger.

    Parameters
    ----------
    observed : ndarray, shape (n_layers,)
    null : ndarray, shape (n_permutations, n_layers)
    """
    return (1 + (null >= observed).sum(0)) / (1 + len(null))


@dataclass(frozen=True)
class Contrast:
    """A weighted sum of silhouettes over layers, with its error over pictures.

    Attributes
    ----------
    estimate, se : float
        The error is NaN, and p and the interval with it, where no image makes a difference.
    p : float
        One-sided: how probable so large an estimate would be if the true one were 0.
    n_images : int
    """

    estimate: float
    se: float
    p: float
    n_images: int

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval over pictures, *t* with n - 1 degrees of freedom."""
        half = float(stats.t.ppf(0.975, self.n_images - 1)) * self.se
        return self.estimate - half, self.estimate + half


def contrast(rdms: Array, labels: Sequence[str] | NDArray, weights: Sequence[float] | Array,
             ) -> Contrast:
    r"""Test a contrast of layers (or of networks) by the jackknife over pictures.

    .. math:: \hat\theta = \sum_l w_l s_l,\quad
              \mathrm{se}^2 = \tfrac{n-1}{n} \sum_i (\hat\theta_{(i)} - \bar\theta_{(\cdot)})^2

    and :math:`\hat\theta / \mathrm{se}` against *t* with n - 1 degrees of freedom. Permuting
    labels would not do: it asks whether there are categories at all, not whether one layer
    separates them more than another.

    Parameters
    ----------
    rdms : ndarray, shape (n_layers, n_images, n_images)
        The same pictures in all; layers of two networks may be stacked.
    labels : sequence, n_images
        At least three pictures in each category.
    weights : sequence of float, n_layers
        For a trend: :func:`slope_weights`. For a difference: +1 and -1.
    """
    weights, labels = np.asarray(weights, dtype=float), _coded(labels)[0]
    n_images = len(labels)
    left_out = np.empty(n_images)
    for image in range(n_images):
        rest = np.delete(np.arange(n_images), image)
        left_out[image] = weights @ silhouettes(rdms[:, rest][:, :, rest], labels[rest])
    estimate = float(weights @ silhouettes(rdms, labels))
    if not centred(left_out).any():
        return Contrast(estimate, np.nan, np.nan, n_images)
    se = float(np.sqrt((n_images - 1) * left_out.var()))
    return Contrast(estimate, se, float(stats.t.sf(estimate / se, n_images - 1)), n_images)


def slope_weights(n_layers: int) -> Array:
    """Return the weights whose sum over layers is the least-squares slope per layer."""
    depth = np.arange(n_layers) - (n_layers - 1) / 2
    return depth / (depth**2).sum()
