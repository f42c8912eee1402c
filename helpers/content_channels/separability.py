"""Separability of categories within a layer, and its growth from layer to layer.

Each layer is measured in its own space, over all units, so that nothing has to be aligned across
layers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from helpers.core.bootstrap import N_RESAMPLES, draw_weights
from helpers.core.constant_values import CONSTANT_TOLERANCE, subtract_mean
from helpers.core.errors import LabError

BLOCK = 65_536
"""Units whose inner products are added at a time, in double precision."""

Array = NDArray[np.float64]
Labels = Sequence[str] | NDArray


def layer_rdm(activations: NDArray) -> Array:
    """Compute a layer's RDM: 1 - Pearson's r over all units, between all images.

    Parameters
    ----------
    activations : ndarray, float, shape (n_images, n_units)

    Returns
    -------
    ndarray, float64, shape (n_images, n_images)
        1 for an image to which all units have the same activation: its r is undefined.
    """
    mean = activations.mean(1, dtype=np.float64, keepdims=True)
    gram = np.zeros((len(activations), len(activations)))
    for start in range(0, activations.shape[1], BLOCK):
        block = activations[:, start:start + BLOCK] - mean
        gram += block @ block.T
    norms = np.sqrt(np.diag(gram))
    norms[norms <= CONSTANT_TOLERANCE * np.abs(activations).max(1)] = np.inf
    rdm = 1 - gram / np.maximum(np.outer(norms, norms), np.finfo(float).tiny)
    np.fill_diagonal(rdm, 0)
    return rdm


def silhouettes(rdms: Array, labels: Labels) -> Array:
    r"""Compute the mean silhouette of the categories in every layer.

    .. math:: s_i = \frac{b_i - a_i}{\max(a_i, b_i)}

    with :math:`a_i` the mean distance of image *i* to the others of its category and
    :math:`b_i` that to the nearest other category (Rousseeuw 1987).

    Parameters
    ----------
    rdms : ndarray, shape (n_layers, n_images, n_images)
    labels : sequence, n_images
        Category of every image; at least two categories, two images in each.

    Returns
    -------
    ndarray, shape (n_layers,), -1 to 1
        1: compact, distant categories; 0 or below: they overlap.
    """
    category_idx, one_hot, counts = _encode_labels(labels)
    sums = rdms @ one_hot
    rows = np.arange(len(category_idx))
    a = sums[:, rows, category_idx] / (counts[category_idx] - 1)
    means = sums / counts
    means[:, rows, category_idx] = np.inf
    b = means.min(2)
    larger_distance = np.maximum(a, b)
    return np.divide(b - a, larger_distance, out=np.zeros_like(a),
                     where=larger_distance > CONSTANT_TOLERANCE).mean(1)


def _encode_labels(labels: Labels) -> tuple[NDArray, Array, NDArray]:
    """Return category numbers (n_images,), one-hot rows (n_images, n_categories), and counts."""
    names, category_idx, counts = np.unique(np.asarray(labels), return_inverse=True,
                                            return_counts=True)
    if len(names) < 2 or counts.min() < 2:
        raise LabError(f"categories {dict(zip(names.tolist(), counts.tolist()))}",
                       expected="at least 2 categories, 2 images in each",
                       remedy="give every category more images")
    return category_idx, np.eye(len(names))[category_idx], counts


def nearest_centroid_correct(rdms: Array, labels: Labels,
                             weights: Array | None = None) -> NDArray[np.bool_]:
    r"""Classify every image by the nearest category centroid, computed without that image.

    Patterns are standardised over units; the nearest centroid is the one of largest Pearson's r. It
    follows from the RDM alone: with :math:`r_{ij} = 1 - d_{ij}` and :math:`S_k` the sum of the
    patterns of category *k*,

    .. math:: \mathrm{corr}(x_i, S_k) \propto \sum_{j \in k} r_{ij} \Big/
              \sqrt{\textstyle\sum_{j, l \in k} r_{jl}}

    Parameters
    ----------
    rdms : ndarray, shape (n_layers, n_images, n_images)
        Of `layer_rdm`.
    labels : sequence, n_images
    weights : ndarray, shape (n_images,), optional
        How often each image was drawn in a bootstrap sample; all its copies are left out.

    Returns
    -------
    ndarray, bool, shape (n_layers, n_images)
        Whether the image is classified correctly; chance is 1 / number of categories where these
        are equally large.
    """
    category_idx, one_hot, _ = _encode_labels(labels)
    w = np.ones(len(category_idx)) if weights is None else weights
    rows, one_hot = np.arange(len(category_idx)), one_hot * w[:, None]
    sums = (1 - rdms) @ one_hot
    squares = np.einsum("ik,lik->lk", one_hot, sums)[:, None].repeat(len(category_idx), axis=1)
    # Without the image itself, whose r with itself is 1: |S - w x|^2 = |S|^2 - 2 w x.S + w^2.
    own_sums = sums[:, rows, category_idx]
    squares[:, rows, category_idx] += w**2 - 2 * w * own_sums
    sums[:, rows, category_idx] = own_sums - w
    similarity = sums / np.sqrt(np.maximum(squares, np.finfo(float).tiny))
    return similarity.argmax(2) == category_idx


def nearest_centroid_accuracy(rdms: Array, labels: Labels) -> Array:
    """Return the fraction of `nearest_centroid_correct` in every layer, shape (n_layers,)."""
    return nearest_centroid_correct(rdms, labels).mean(1)


def bootstrap_accuracy(rdms: Array, labels: Labels, *, seed: int,
                       n_resamples: int = N_RESAMPLES) -> Array:
    """Compute `nearest_centroid_accuracy` for bootstrap samples of the images.

    Images are drawn within categories, and no copy of an image contributes to the centroid that it
    is compared with. The jackknife would be two to three times too wide: an accuracy does not
    change smoothly with the images.

    Parameters
    ----------
    rdms : ndarray, shape (n_layers, n_images, n_images)
        The same images in all; layers of two networks may be stacked.
    labels : sequence, n_images
    seed, n_resamples : int

    Returns
    -------
    ndarray, shape (n_resamples, n_layers)
        Each sample is the same in all layers. Its standard deviation is the standard error
        (`helpers.core.bootstrap.bootstrap_interval`).
    """
    category_idx = _encode_labels(labels)[0]
    return np.stack([np.average(nearest_centroid_correct(rdms, category_idx, weights), axis=1,
                                weights=weights)
                     for weights in draw_weights(category_idx, seed=seed, n_resamples=n_resamples)])


def label_permutation_null(rdms: Array, labels: Labels,
                           measure: Callable[[Array, NDArray], Array] = silhouettes, *,
                           n_permutations: int = 1000, seed: int = 0) -> Array:
    """Compute the null distribution of a measure under permuted category labels.

    The silhouette's null lies below 0, because it takes the nearest of several other categories,
    and is lower the fewer dimensions a layer uses: layers are compared by their distance from it.

    Returns
    -------
    ndarray, shape (n_permutations, n_layers)
        Each permutation is the same in all layers.
    """
    rng, category_idx = np.random.default_rng(seed), _encode_labels(labels)[0]
    return np.stack([measure(rdms, rng.permutation(category_idx)) for _ in range(n_permutations)])


@dataclass(frozen=True)
class JackknifeResult:
    """A contrast of silhouettes over layers, with its standard error over images.

    Attributes
    ----------
    estimate, se : float
        The error, p and the interval are NaN where leaving out an image never changes the estimate.
    p : float
        One-sided: the probability of so large an estimate if the true one were 0.
    n_images : int
    """

    estimate: float
    se: float
    p: float
    n_images: int

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval over images, *t* with n - 1 degrees of freedom."""
        half = float(stats.t.ppf(0.975, self.n_images - 1)) * self.se
        return self.estimate - half, self.estimate + half


def jackknife_contrast(rdms: Array, labels: Labels,
                       weights: Sequence[float] | Array) -> JackknifeResult:
    r"""Test a contrast of layers (or of networks) by the jackknife over images.

    .. math:: \hat\theta = \sum_l w_l s_l,\quad
              \mathrm{se}^2 = \tfrac{n-1}{n} \sum_i (\hat\theta_{(i)} - \bar\theta_{(\cdot)})^2

    and :math:`\hat\theta / \mathrm{se}` against *t* with n - 1 degrees of freedom. A permutation of
    labels would test whether the categories are separable at all, not whether one layer separates
    them more than another.

    Parameters
    ----------
    rdms : ndarray, shape (n_layers, n_images, n_images)
        The same images in all; layers of two networks may be stacked.
    labels : sequence, n_images
        At least three images in each category.
    weights : sequence of float, n_layers
        For a trend: :func:`slope_weights`. For a difference: +1 and -1.
    """
    weights, labels = np.asarray(weights, dtype=float), _encode_labels(labels)[0]
    n_images = len(labels)
    left_out = np.empty(n_images)
    for image in range(n_images):
        rest = np.delete(np.arange(n_images), image)
        left_out[image] = weights @ silhouettes(rdms[:, rest][:, :, rest], labels[rest])
    estimate = float(weights @ silhouettes(rdms, labels))
    if not subtract_mean(left_out).any():
        return JackknifeResult(estimate, np.nan, np.nan, n_images)
    se = float(np.sqrt((n_images - 1) * left_out.var()))
    return JackknifeResult(estimate, se, float(stats.t.sf(estimate / se, n_images - 1)), n_images)


def slope_weights(n_layers: int) -> Array:
    """Return the weights whose sum over layers is the least-squares slope per layer."""
    depth = np.arange(n_layers) - (n_layers - 1) / 2
    return depth / (depth**2).sum()
