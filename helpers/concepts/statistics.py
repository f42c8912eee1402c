"""Statistics of shared concepts: test over all radii, antipodal pairs, recovery of the truth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from helpers.concepts.nulls import principal_axes, random_rotation_null
from helpers.core.errors import LabError
from helpers.core.intervals import permutation_p, proportion_interval
from helpers.decoding.vectors import cosines

ANTIPODAL = -0.5
"""Cosine of two centroids below which they count as opposite."""


@dataclass(frozen=True)
class MaximumTest:
    """Test of the maximum over radii.

    Attributes
    ----------
    observed : float
        The maximum of the data, in standard deviations; at most the root of ``n_nulls``.
    null : array, float64, shape (n_nulls,)
        The maxima of the draws.
    p : float
        Two-sided: twice the smaller of the two permutation p values.
    p_of_radius : array, float64, shape (n_eps,)
        The same of the data at each radius against the maxima of the draws: more than chance at
        this radius, corrected for the number of radii (Westfall & Young 1993, single step).
    """

    observed: float
    null: NDArray[np.float64]
    p: float
    p_of_radius: NDArray[np.float64]


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
    first, null = scores[0].max(), scores[1:].max(1)
    upper = permutation_p(scores[0], null[:, None], rounding=1e-9)
    return MaximumTest(float(first), null, two_sided_p(first, null), np.minimum(1, 2 * upper))


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


def largest_proportion(k: ArrayLike, n: ArrayLike) -> tuple[float, float, float]:
    """Return the largest of several proportions and its simultaneous 95 % interval; NaN for none.

    The largest limits of the exact (Clopper-Pearson) intervals at level 1 - .05 / number: the
    largest of many small clusters is large by chance.

    Parameters
    ----------
    k, n : arrays of int, shape (n_clusters,)
    """
    spans = [(one / size, *proportion_interval(int(one), int(size), 0.05 / len(np.asarray(n))))
             for one, size in zip(k, n)]
    mean, low, high = np.max(spans, axis=0) if spans else np.full(3, np.nan)
    return float(mean), float(low), float(high)


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
