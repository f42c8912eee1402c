"""Null model of shared concepts: random rotations that preserve the pooled covariance."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from helpers.decoding.vectors import unit

SIMILAR_VARIANCE = 0.8
"""Minimum ratio of variances of principal axes that are rotated together."""


PrincipalAxes = tuple[NDArray[np.float64], list[slice]]
"""Axes in columns, of decreasing variance, and runs of axes of nearly equal variance."""


def principal_axes(participants: Mapping[str, NDArray]) -> PrincipalAxes:
    """Return the principal axes of the pooled second moments of all participants' unit vectors.

    Parameters
    ----------
    participants : mapping of arrays, shape (n_points, n_dims)
    """
    units = map(unit, participants.values())
    variances, axes = np.linalg.eigh(sum(values.T @ values for values in units))
    return axes[:, ::-1], _runs_of_similar_variance(variances[::-1])


def random_rotation_null(participants: Mapping[str, NDArray], *, seed: int,
                         axes: PrincipalAxes | None = None) -> dict[str, NDArray[np.float64]]:
    """Rotate each participant's vectors at random, within axes of nearly equal pooled variance.

    Principal axes of the pooled second moments of the unit vectors whose variances are nearly equal
    are mapped into one another by a random orthogonal matrix for each participant. This preserves
    all cosines within a participant and (nearly) the pooled covariance, and destroys the alignment
    between participants. The null is strict: an axis whose pooled variance is much larger than all
    others is preserved up to its sign, even if the variance is large because of a shared concept.

    Parameters
    ----------
    participants : mapping of arrays, shape (n_points, n_dims)
    seed : int
    axes : PrincipalAxes, optional
        Those of other vectors in the same space; default: of the participants' own.

    Returns
    -------
    dict of arrays, float64
        Unit vectors.
    """
    axes, blocks = principal_axes(participants) if axes is None else axes
    rng, rotated = np.random.default_rng(seed), {}
    for name, values in participants.items():
        scores = unit(values) @ axes
        for block in blocks:
            scores[:, block] = scores[:, block] @ _orthogonal(block.stop - block.start, rng)
        rotated[name] = scores @ axes.T
    return rotated


def _runs_of_similar_variance(variances: NDArray) -> list[slice]:
    """Split decreasing variances into runs with last >= ``SIMILAR_VARIANCE`` times first."""
    blocks, start = [], 0
    for place in range(1, len(variances) + 1):
        if place == len(variances) or variances[place] < SIMILAR_VARIANCE * variances[start]:
            blocks.append(slice(start, place))
            start = place
    return blocks


def _orthogonal(n: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw an orthogonal matrix from the Haar distribution."""
    q, r = np.linalg.qr(rng.standard_normal((n, n)))
    return q * np.sign(np.diag(r))
