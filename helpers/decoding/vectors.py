"""Unit vectors, cosine similarity, and the effective dimension of a set of vectors."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from helpers.core.errors import LabError


def unit(vectors: NDArray) -> NDArray[np.float64]:
    """Return rows scaled to length 1; rows of zeros stay zero."""
    vectors = np.asarray(vectors, np.float64)
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.where(length > 0, length, 1)


def cosines(first: NDArray, second: NDArray) -> NDArray[np.float64]:
    """Return the cosine similarity of every row of one array with every row of another.

    Parameters
    ----------
    first, second : array, float, shape (n_first, n_dims) and (n_second, n_dims)

    Returns
    -------
    array, float64, shape (n_first, n_second)

    Raises
    ------
    LabError
        If their dimensions differ, or a vector is 0 or not finite.
    """
    first, second = np.asarray(first, np.float64), np.asarray(second, np.float64)
    if first.ndim != 2 or second.ndim != 2 or first.shape[1] != second.shape[1]:
        raise LabError(f"vectors {first.shape} and {second.shape}",
                       expected="rows of the same width",
                       remedy="use the network whose embeddings the decoders predict")
    for vectors in (first, second):
        require_directions(vectors, "vectors")
    return unit(first) @ unit(second).T


def require_directions(vectors: NDArray, name: str) -> None:
    """Raise a LabError where a row of an array is 0 or not finite; ``name``: what rows are."""
    bad = ~np.isfinite(vectors).all(1) | ~vectors.any(1)
    if bad.any():
        raise LabError(f"{int(bad.sum())} {name} without direction",
                       expected="finite vectors that are not 0", remedy="leave them out")


def effective_dimension(vectors: NDArray) -> float:
    """Return the participation ratio of the second moments, (sum l)² / sum l².

    Parameters
    ----------
    vectors : array, float, shape (n_points, n_dims)
    """
    values = np.linalg.eigvalsh(np.asarray(vectors, np.float64).T @ vectors)
    return float(values.sum() ** 2 / (values**2).sum())
