"""What would be "shared" by chance: weights turned within the shape that they have anyway."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from helpers.decoding.vectors import unit

SIMILAR_VARIANCE = 0.8
"""Directions whose variances differ by less than this ratio are turned into one another."""


def random_rotation_null(participants: Mapping[str, NDArray], *,
                         seed: int) -> dict[str, NDArray[np.float64]]:
    """Turn each participant's vectors by a rotation of its own that keeps the pooled covariance.

    In the eigenvectors of the pooled second moments of the unit vectors, directions of nearly equal
    variance are turned into one another at random, reflections included. All cosines within a
    participant stay as they are, and so does the shape of the cloud in which participants might
    meet; that they point to the same things is destroyed (reviewers' questions). A strict null: an
    axis along which the pooled variance is much larger than along any other is shape, too, and is
    kept up to its sign, even where it is large only because everyone shares a concept there.

    Parameters
    ----------
    participants : mapping of arrays, shape (n_points, n_dims)
    seed : int

    Returns
    -------
    dict of arrays, float64
        Unit vectors.
    """
    units = {name: unit(values) for name, values in participants.items()}
    moments = sum(values.T @ values for values in units.values())
    variances, axes = np.linalg.eigh(moments)
    blocks = _runs_of_similar_variance(variances[::-1])
    axes, rng, found = axes[:, ::-1], np.random.default_rng(seed), {}
    for name, values in units.items():
        along = values @ axes
        for block in blocks:
            along[:, block] = along[:, block] @ _orthogonal(block.stop - block.start, rng)
        found[name] = along @ axes.T
    return found


def _runs_of_similar_variance(variances: NDArray) -> list[slice]:
    """Cut falling variances into runs whose last is at least ``SIMILAR_VARIANCE`` times their
    first."""
    blocks, start = [], 0
    for place in range(1, len(variances) + 1):
        if place == len(variances) or variances[place] < SIMILAR_VARIANCE * variances[start]:
            blocks.append(slice(start, place))
            start = place
    return blocks


def _orthogonal(n: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw an orthogonal matrix, uniformly."""
    q, r = np.linalg.qr(rng.standard_normal((n, n)))
    return q * np.sign(np.diag(r))
