"""Trajectories of images through the layers of a network.

The published figure (Prince, Alvarez & Konkle 2024, Fig. 5; authors' notebook nb5) embeds the
images of all layers in one plane. It compares each layer's own principal components, whose signs
and directions are arbitrary, so distances *between* layers are arbitrary too. Here are also an
aligned version and a measure of the arbitrariness; `helpers.content_channels.separability` needs no
alignment.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.manifold import MDS

from helpers.core.constant_values import subtract_mean
from helpers.core.errors import LabError
from helpers.rsa.dissimilarity import pearson

N_COMPONENTS = 10
"""Published number of principal components of every layer (authors' notebook nb5)."""

Array = NDArray[np.float64]


# ---- which images, which layers ----------------------------------------------------------------

def select_images(categories: Sequence[str], selected: Sequence[str],
                  n_per_category: int) -> NDArray:
    """Return the indices of the first images of each selected category, in that order.

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
    indices = [np.flatnonzero(names == name)[:n_per_category] for name in selected]
    for name, category_idx in zip(selected, indices):
        if len(category_idx) < 2:
            counts = ", ".join(f"{c} ({np.sum(names == c)})" for c in dict.fromkeys(categories))
            raise LabError(f"{len(category_idx)} images of the category {name!r}",
                           expected=f"at least 2; there are {counts}",
                           remedy="choose other 'categories' in the profile's table [channels]")
    return np.concatenate(indices)


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
        Of the randomised solver, which scikit-learn uses for wide layers.

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
                           "that are not finite", expected="activations that differ between images",
                           remedy="remove this layer from the profile's table [channels]")
    return np.stack([PCA(k, random_state=seed).fit_transform(values).astype(np.float64)
                     for values in activations.values()])


# ---- trajectories --------------------------------------------------------------------------------

@dataclass(frozen=True)
class Trajectories:
    """Embedding of all images of all layers in one plane.

    Attributes
    ----------
    points : ndarray, shape (n_layers, n_images, 2)
    stress : float
        Kruskal's stress-1 of the embedding: 0 is exact, 0.2 is poor.
    """

    points: Array
    stress: float


def correlation_rdm(scores: Array) -> Array:
    """Compute 1 - Pearson's r between all images of all layers, as published.

    Components are compared one by one, as the layers' PCAs return them.

    Parameters
    ----------
    scores : ndarray, shape (n_layers, n_images, n_components)

    Returns
    -------
    ndarray, shape (n_layers * n_images, n_layers * n_images), 0 to 2
        1 for an image whose scores are all equal: its r is undefined.
    """
    return cosine_rdm(subtract_mean(scores.reshape(-1, scores.shape[-1]), 1))


def cosine_rdm(scores: Array) -> Array:
    """Compute 1 - cosine between all images of all layers; shapes as for `correlation_rdm`."""
    rows = scores.reshape(-1, scores.shape[-1])
    normed = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), np.finfo(float).tiny)
    rdm = np.clip(1 - normed @ normed.T, 0, 2)
    np.fill_diagonal(rdm, 0)
    return (rdm + rdm.T) / 2


def aligned_rdm(scores: Array) -> Array:
    """Compute 1 - cosine between all images of all layers after Procrustes alignment.

    Pearson's r subtracts the mean over components from every row. That mean changes with the sign
    of a component, so the published distance is arbitrary even within a layer. The cosine does not
    subtract it, and so depends on the geometry alone.
    """
    return cosine_rdm(procrustes_align(scores))


def procrustes_align(scores: Array, *, tolerance: float = 1e-8, max_rounds: int = 500) -> Array:
    r"""Rotate every layer onto the layers' consensus (generalised Procrustes analysis).

    .. math:: \min_{R_l^\top R_l = I} \sum_l \| X_l R_l - \bar X \|_F^2,\quad
              \bar X = \tfrac1L \sum_l X_l R_l,\quad \|X_l\|_F = 1

    A consensus, not a chain from layer to layer: in a chain errors accumulate, and the first layer,
    which differs most from the others, would be the reference. Rotations and reflections preserve
    every distance within a layer. Whatever the signs or axes of a layer, the result is the same but
    for one rotation common to all layers, under which the cosine is invariant.

    Parameters
    ----------
    scores : ndarray, shape (n_layers, n_images, n_components)
        Rows are the same images in every layer; centred.

    Returns
    -------
    ndarray of the same shape, every layer with Frobenius norm 1

    Notes
    -----
    Gower (1975), Psychometrika 40. One scale factor per layer changes no cosine; it only prevents a
    layer of large activations from dominating the consensus.
    """
    normed = scores / np.linalg.norm(scores, axis=(1, 2), keepdims=True)
    rotated, consensus, before = normed, normed[0], -1.0
    for _ in range(max_rounds):
        left, _, right = np.linalg.svd(normed.swapaxes(1, 2) @ consensus)
        rotated = normed @ (left @ right)
        consensus, after = rotated.mean(0), consensus_variance(rotated)
        if after - before < tolerance:
            break
        before = after
    return rotated


def consensus_variance(aligned: Array) -> float:
    """Compute the fraction of the aligned layers' variance in their consensus, 0 to 1."""
    return float((aligned.mean(0) ** 2).sum())


def permuted_consensus_variance(scores: Array, *, n_shuffles: int = 20, seed: int = 0) -> Array:
    """Compute the null of `consensus_variance`: images permuted independently in every layer.

    Rotations are free parameters: they yield some consensus by themselves. Shape (n_shuffles,).
    """
    rng = np.random.default_rng(seed)
    permuted = (np.stack([rng.permutation(layer) for layer in scores]) for _ in range(n_shuffles))
    return np.array([consensus_variance(procrustes_align(layers)) for layers in permuted])


def fit_mds(rdm: Array, n_layers: int, *, seed: int = 0) -> Trajectories:
    """Embed all images of all layers in a plane by metric multidimensional scaling.

    scikit-learn's defaults have changed more than once since the paper, so all are stated: the best
    of four random starts (the default then), at most 300 iterations each, until the stress changes
    by less than 1e-6 of the sum of squared distances.

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


# ---- arbitrariness -------------------------------------------------------------------------------

def block_correlations(before: Array, after: Array, n_layers: int) -> tuple[float, float]:
    """Correlate two RDMs: the distances between layers, and those within layers.

    Returns
    -------
    between, within : float
        Pearson's r over pairs of images in different layers, and over pairs in the same layer.
    """
    layer = np.repeat(np.arange(n_layers), len(before) // n_layers)
    upper = np.triu(np.ones(before.shape, dtype=bool), 1)
    same = layer[:, None] == layer
    return tuple(pearson(before[pairs], after[pairs]) for pairs in (upper & ~same, upper & same))


def sign_flip_correlations(scores: Array, rdm_function: Callable[[Array], Array], *,
                           n_flips: int = 100, seed: int = 0) -> Array:
    """Flip random components' signs in every layer, and correlate the RDM before and after.

    A flip is a reflection: it preserves all Euclidean distances within a layer, and is an equally
    valid result of the PCA.

    Returns
    -------
    ndarray, shape (n_flips, 2)
        `block_correlations`: between layers, within layers. 1: invariant to signs.
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
