"""Statistics of shared concepts: test over all radii, antipodal pairs, recovery of the truth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from helpers.concepts.nulls import principal_axes, random_rotation_null
from helpers.core.errors import LabError
from helpers.core.intervals import permutation_p
from helpers.decoding.vectors import cosines

ANTIPODAL = -0.5
"""Cosine of two centroids below which they count as opposite."""


@dataclass(frozen=True)
class MaximumTest:
    """Test of the maximum over radii.

    Attributes
    ----------
    place : int
        Index of the radius at which the data have their maximum.
    observed : float
        The maximum of the data, in standard deviations.
    null : array, float64, shape (n_nulls,)
        The maxima of the draws.
    p : float
        Two-sided: twice the smaller of the two permutation p values.
    """

    place: int
    observed: float
    null: NDArray[np.float64]
    p: float


def maximum_test(observed: ArrayLike, null: ArrayLike, smallest: float) -> MaximumTest:
    """Compare a statistic at all radii with draws of a null at once, by its maximum over radii.

    At each radius the data and all draws together are standardised by their mean and their standard
    deviation, so that the data are treated as the draws are and p is exact whatever the number of
    radii. Where (nearly) all draws have the same value, such as none at small radii, the standard
    deviation would make any difference large: it is taken as ``smallest`` at least.

    Parameters
    ----------
    observed : array, shape (n_eps,)
    null : array, shape (n_nulls, n_eps)
    smallest : float
        The smallest difference that counts, above 0: of voxels, those of the smallest concept.
    """
    observed, null = np.asarray(observed, float), np.asarray(null, float)
    if null.ndim != 2 or not len(null) or observed.shape != null.shape[1:] or not smallest > 0:
        raise LabError(f"a statistic {observed.shape}, draws {null.shape}, smallest difference "
                       f"{smallest}", expected="(n_eps,), (n_nulls, n_eps), above 0",
                       remedy="pass the same radii in both, and one draw or more")
    values = np.vstack([observed, null])
    scores = (values - values.mean(0)) / np.maximum(values.std(0), smallest)
    first, *rest = scores.max(1)
    return MaximumTest(int(scores[0].argmax()), float(first), np.array(rest),
                       two_sided_p(first, np.array(rest)))


def two_sided_p(observed: float, null: NDArray) -> float:
    """Return twice the smaller of the two one-sided permutation p values, at most 1."""
    return float(min(1.0, 2 * min(permutation_p(observed, null, rounding=1e-9),
                                  permutation_p(-observed, -null, rounding=1e-9))))


def antipodal_pairs(centroids: NDArray) -> list[tuple[int, int, float]]:
    """Return pairs of centroids with a cosine below `ANTIPODAL`, and that cosine."""
    angles = cosines(centroids, centroids) if len(centroids) else np.empty((0, 0))
    return [(int(a), int(b), float(angles[a, b]))
            for a, b in zip(*np.nonzero(np.triu(angles < ANTIPODAL)))]


def antipodal_null(centroids: NDArray, weights: Mapping[str, NDArray], n_draws: int,
                   seed: int) -> NDArray[np.int64]:
    """Return numbers of antipodal pairs where concepts have nothing to do with one another.

    Each centroid is rotated by itself, within principal axes of nearly equal variance of all
    weights: the number of concepts and the narrowness of the space stay, relations between
    concepts become chance.

    Parameters
    ----------
    centroids : array, float, shape (n_clusters, n_dims)
    weights : mapping of arrays, shape (n_points, n_dims)
    n_draws, seed : int

    Returns
    -------
    array, int64, shape (n_draws,)
    """
    axes, alone = principal_axes(weights), {str(c): one[None] for c, one in enumerate(centroids)}
    draws = [random_rotation_null(alone, seed=int(state), axes=axes)
             for state in np.random.SeedSequence([seed, 4]).generate_state(n_draws)]
    return np.array([len(antipodal_pairs(np.concatenate([*draw.values()]))) if draw else 0
                     for draw in draws])


def recovery(kinds: Mapping[str, ArrayLike], labels: Sequence[ArrayLike]) -> pd.DataFrame:
    """Return recall and purity of each kind of voxels whose truth is known.

    A cluster is named after the kind that most of its members have; voxels of no kind count as a
    kind of their own, so that a cluster of mostly such voxels finds nothing.

    Parameters
    ----------
    kinds : mapping, participant -> array of str, shape (n_voxels,)
        What drives each voxel; empty: no kind. Without a participant, the table is empty.
    labels : sequence of arrays of int, shape (n_voxels,)
        Per participant: cluster of each voxel; negative: none.

    Returns
    -------
    DataFrame
        Indexed by kind, alphabetical: ``voxels`` of the kind; ``concepts`` named after it;
        ``recall``, fraction of its voxels in these; ``purity``, fraction of the members of these
        that are of the kind (NaN without a concept).
    """
    pairs = [(str(kind), int(label)) for own, found in zip(kinds.values(), labels)
             for kind, label in zip(own, found)]
    voxels = pd.DataFrame(pairs, columns=["kind", "label"])
    members = pd.crosstab(voxels["label"], voxels["kind"]).query("label >= 0")
    name, rows = members.to_numpy().argmax(1) if len(members) else np.empty(0, int), []
    for kind, total in voxels.loc[voxels["kind"] != "", "kind"].value_counts().items():
        own = members[members.columns.to_numpy()[name] == kind]
        inside, size = own[kind].sum(), own.to_numpy().sum()
        rows.append((kind, total, len(own), inside / total, inside / size if size else np.nan))
    return pd.DataFrame(rows, columns=["kind", "voxels", "concepts", "recall",
                                       "purity"]).set_index("kind").sort_index()
