"""How images move through the layers of a network.

The published image (Prince, Alvarez & Konkle 2024, Fig. 5; authors' notebook nb5) places the images
of all layers in one plane. Its axes are each layer's own principal components, whose signs and
directions are arbitrary, so distances *between* layers are arbitrary too. Beside it stand an
aligned version and a measure of the arbitrary part; `helpers.content_channels.separability` needs
no alignment.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import orthogonal_procrustes
from sklearn.decomposition import PCA
from sklearn.manifold import MDS

from helpers.core.constant_values import subtract_mean
from helpers.core.errors import LabError
from helpers.rsa.dissimilarity import pearson

N_COMPONENTS = 10
"""Published number of principal components of every layer (authors' notebook nb5)."""

BLOCK = 65_536
"""Units whose inner products are added at a time, in double precision."""

Array = NDArray[np.float64]


# ---- which images, which layers ----------------------------------------------------------------

def select_images(categories: Sequence[str], selected: Sequence[str],
                  n_per_category: int) -> NDArray:
    """Return the indices of the first images of each wanted category, in the order wanted.

    Parameters
    ----------
    categories : sequence of str, n_images
        Category of every image.
    selected : sequence of str
    n_per_category : int
        At most so many of each; fewer where there are fewer.

    Raises
    ------
    LabError
        If a category has fewer than two images; the message says which categories exist.
    """
    names = np.asarray(categories)
    category_images = {name: np.flatnonzero(names == name)[:n_per_category] for name in selected}
    for name, indices in category_images.items():
        if len(indices) < 2:
            raise LabError(f"{len(indices)} images of the category {name!r}",
                           expected="at least 2; there are "
                           + ", ".join(f"{c} ({np.sum(names == c)})" for c in
                                       dict.fromkeys(categories)),
                           remedy="choose other 'categories' in the profile's table [channels]")
    return np.concatenate(list(category_images.values()))


def compute_pca_scores(activations: Mapping[str, NDArray], *, n_components: int = N_COMPONENTS,
                       seed: int = 0) -> Array:
    """Project every layer on its own principal components, as published.

    Parameters
    ----------
    activations : mapping of str to ndarray, float, shape (n_images, n_units)
        Layer name -> activations; ``n_units`` may differ.
    n_components : int
        Where images or units do not suffice for so many, every layer gets as many as all
        layers can have: ``min(n_components, n_images - 1, n_units)``.
    seed : int
        Of the randomised solver, which scikit-learn takes for wide layers.

    Returns
    -------
    ndarray, shape (n_layers, n_images, n_components)
        Each component has mean 0 over images and an arbitrary sign.

    Raises
    ------
    LabError
        If the layers disagree on the number of images, if a layer is constant or not finite, or
        if fewer than 3 components are left: two numbers correlate by +1 or -1 only.
    """
    shapes = {name: values.shape for name, values in activations.items()}
    n_images = {shape[0] for shape in shapes.values()}
    k = min([n_components, *(min(rows - 1, units) for rows, units in shapes.values())])
    if len(n_images) != 1 or k < 3:
        raise LabError(f"layers of (n_images, n_units) {shapes}, {n_components} components",
                       expected="the same images in every layer, at least 4 of them, and at "
                       "least 3 units and components", remedy="add images")
    for name, values in activations.items():
        if not np.isfinite(values).all() or (values == values[:1]).all():
            raise LabError(f"layer {name!r} has the same activations for all images, or some "
                           "that are not finite", expected="a layer that tells images apart",
                           remedy="take this layer out of the profile's table [channels]")
    return np.stack([PCA(k, random_state=seed).fit_transform(values).astype(np.float64)
                     for values in activations.values()])


# ---- trajectories --------------------------------------------------------------------------------

@dataclass(frozen=True)
class Trajectories:
    """All images of all layers in one plane.

    Attributes
    ----------
    points : ndarray, shape (n_layers, n_images, 2)
    stress : float
        Kruskal's Stress-1 of the plane: 0 is exact, 0.2 is poor.
    """

    points: Array
    stress: float


def correlation_rdm(scores: Array) -> Array:
    """Return 1 - Pearson's r between all rows of all layers, as published.

    Parameters
    ----------
    scores : ndarray, shape (n_layers, n_images, n_components)

    Returns
    -------
    ndarray, shape (n_layers * n_images, n_layers * n_images), 0 to 2
        A row that does not vary is like no other: 1.
    """
    return cosine_rdm(subtract_mean(scores.reshape(-1, scores.shape[-1]), 1))


def cosine_rdm(scores: Array) -> Array:
    """Return 1 - cosine between all rows of all layers; shapes as for `correlation_rdm`."""
    rows = scores.reshape(-1, scores.shape[-1])
    normed = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), np.finfo(float).tiny)
    rdm = np.clip(1 - normed @ normed.T, 0, 2)
    np.fill_diagonal(rdm, 0)
    return (rdm + rdm.T) / 2


def published_rdm(scores: Array) -> Array:
    """Compare images across layers as published: component by component, as they come."""
    return correlation_rdm(scores)


def aligned_rdm(scores: Array) -> Array:
    """Compare images across layers after their axes were aligned.

    Pearson's r takes the mean over components from every row. That mean changes when a component
    changes its sign, so the published distance is not even fixed within a layer. The cosine
    leaves it out, and so depends on nothing but the geometry.
    """
    return cosine_rdm(procrustes_align(scores))


def procrustes_align(scores: Array, *, tolerance: float = 1e-8, max_rounds: int = 500) -> Array:
    r"""Rotate every layer onto the layers' consensus (generalised Procrustes analysis).

    .. math:: \min_{R_l^\top R_l = I} \sum_l \| X_l R_l - \bar X \|_F^2,\quad
              \bar X = \tfrac1L \sum_l X_l R_l,\quad \|X_l\|_F = 1

    A consensus, not a chain from layer to layer: in a chain the errors of every link add up, and
    the first layer, the least like the others, would set the frame. Rotations (reflections
    among them) leave every distance within a layer as it was. Whatever signs or axes a layer
    comes with, the result is the same but for one rotation common to all layers, which the
    cosine does not see.

    Parameters
    ----------
    scores : ndarray, shape (n_layers, n_images, n_components)
        Rows are the same images in every layer; centred.

    Returns
    -------
    ndarray of the same shape, every layer with Frobenius norm 1

    Notes
    -----
    Gower (1975), Psychometrika 40. Scaling by an own factor per layer changes no cosine; it only
    keeps a layer of large activations from ruling the consensus.
    """
    normed = scores / np.linalg.norm(scores, axis=(1, 2), keepdims=True)
    rotated, before = normed, -1.0
    consensus = normed[0]
    for _ in range(max_rounds):
        rotated = np.stack([x @ orthogonal_procrustes(x, consensus)[0] for x in normed])
        consensus = rotated.mean(0)
        if consensus_variance(rotated) - before < tolerance:
            break
        before = consensus_variance(rotated)
    return rotated


def consensus_variance(aligned: Array) -> float:
    """Return the fraction of the aligned layers' variance that their consensus holds, 0 to 1."""
    return float((aligned.mean(0) ** 2).sum())


def permuted_consensus_variance(scores: Array, *, n_shuffles: int = 20, seed: int = 0) -> Array:
    """Return the agreement that alignment finds when images are shuffled in every layer.

    Rotations are free parameters: some agreement comes from them alone. Shape (n_shuffles,).
    """
    rng = np.random.default_rng(seed)
    return np.array([consensus_variance(procrustes_align(np.stack([rng.permutation(layer)
                                                                   for layer in scores])))
                     for _ in range(n_shuffles)])


def fit_mds(rdm: Array, n_layers: int, *, seed: int = 0) -> Trajectories:
    """Place all images of all layers in a plane by metric multidimensional scaling.

    scikit-learn's defaults have changed more than once since the paper, so all are stated: four
    random starts, the best of which is kept (the default then), at most 300 rounds each,
    until the stress changes by less than 1e-6 of the squared distances' sum.

    Parameters
    ----------
    rdm : ndarray, shape (n_layers * n_images, n_layers * n_images)
    n_layers : int
    seed : int
        Published: 0.
    """
    mds = MDS(2, metric_mds=True, metric="precomputed", n_init=4, init="random", max_iter=300,
              eps=1e-6, normalized_stress=True, random_state=seed)
    points = mds.fit_transform(rdm)
    return Trajectories(points.reshape(n_layers, -1, 2), float(mds.stress_))


# ---- how much of it is arbitrary -----------------------------------------------------------------

def block_correlations(before: Array, after: Array, n_layers: int) -> tuple[float, float]:
    """Correlate two RDMs: the distances between layers, and those within layers.

    Returns
    -------
    between, within : float
        Pearson's r over the blocks off the diagonal, and over the pairs within its blocks.
    """
    layer = np.repeat(np.arange(n_layers), len(before) // n_layers)
    upper = np.triu(np.ones(before.shape, dtype=bool), 1)
    same = layer[:, None] == layer
    return tuple(pearson(before[part], after[part])
                 for part in (upper & ~same, upper & same))


def sign_flip_correlations(scores: Array, rdm_function: Callable[[Array], Array], *,
                           n_flips: int = 100,
                           seed: int = 0) -> Array:
    """Flip random components' signs in every layer, and correlate the RDM before and after.

    A flip is a mirror: it changes no Euclidean distance within any layer, and a PCA may as well
    have returned it.

    Returns
    -------
    ndarray, shape (n_flips, 2)
        `block_correlations`: between layers, within layers. 1: nothing is arbitrary.
    """
    rng, before = np.random.default_rng(seed), rdm_function(scores)
    signs = rng.choice([-1.0, 1.0], size=(n_flips, len(scores), 1, scores.shape[-1]))
    return np.array([block_correlations(before, rdm_function(scores * flip), len(scores))
                     for flip in signs])


def legacy_pca_signs(scores: Array) -> Array:
    """Return the scores with the signs that scikit-learn gave before version 1.5.

    Then, each component's largest score in magnitude was made positive; now, its largest weight.
    """
    largest = np.take_along_axis(scores, np.abs(scores).argmax(1)[:, None], axis=1)
    return scores * np.sign(largest)
