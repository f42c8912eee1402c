"""Constant values have no score: centring that maps constants to 0, means of finite scores."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

CONSTANT_TOLERANCE = 1e-9
"""Values do not vary if their deviations (root of their sum of squares) are below this fraction of
the largest value."""


def subtract_mean(values: NDArray, axis: int = 0) -> NDArray[np.float64]:
    """Subtract the mean; what does not vary becomes exactly 0, whatever its mean's rounding.

    The mean of equal numbers is not always that number (0.1), so a constant would have a standard
    deviation of about 1e-17, and scores divided by it would be of any size.

    Parameters
    ----------
    values : array, float
        Deviations of no more than ``CONSTANT_TOLERANCE`` of the largest value (of float32: of its
        precision) count as rounding. With a NaN, all are 0: a score of them is 0 / 0, NaN.
    axis : int

    Returns
    -------
    array, float64, same shape
    """
    values = np.asarray(values)
    n = values.shape[axis]
    tolerance = CONSTANT_TOLERANCE if values.dtype.kind != "f" else max(
        CONSTANT_TOLERANCE, float(np.finfo(values.dtype).eps) * np.sqrt(n))
    values = values.astype(np.float64, copy=False)
    if not n:
        return values
    with np.errstate(invalid="ignore"):
        deviations = values - values.mean(axis, keepdims=True)
        varies = (np.linalg.norm(deviations, axis=axis, keepdims=True)
                  > tolerance * np.abs(values).max(axis, keepdims=True))
    return deviations if varies.all() else np.where(varies, deviations, 0.0)


def finite_mean(values: NDArray) -> NDArray[np.float64]:
    """Average over the first axis, leaving out what is not finite; NaN where nothing is left."""
    finite = np.isfinite(values)
    count = finite.sum(0)
    total = np.where(finite, values, 0).sum(0, dtype=np.float64)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)
