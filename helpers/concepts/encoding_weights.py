"""Encoding weights: the direction in an embedding space along which a voxel responds most.

Decoder weights are filters: what several voxels carry is split among them, and a voxel's weight
depends on the noise of all others (Haufe et al. 2014). Encoding weights are of each voxel alone.
Not in Efird et al. (2024); voxel-wise encoding models as in Huth et al. (2016).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import Ridge, RidgeCV

ALPHAS = tuple(np.logspace(-2, 4, 13).tolist())
"""Candidate penalties, for embeddings of length 1."""


def select_alpha(embeddings: NDArray, responses: NDArray) -> float:
    """Return the penalty with the smallest leave-one-out error, summed over voxels.

    Parameters
    ----------
    embeddings : array, float, shape (n_images, n_dims)
    responses : array, float, shape (n_images, n_voxels)
        Means over repeats: with single trials, an image left out would not be left out.
    """
    return float(RidgeCV(ALPHAS).fit(embeddings, responses).alpha_)


def fit_encoding_weights(embeddings: NDArray, responses: NDArray,
                         alpha: float) -> NDArray[np.float32]:
    """Return the weights of ridge regressions of voxels on embeddings, (n_voxels, n_dims).

    Parameters
    ----------
    embeddings : array, float, shape (n_images, n_dims)
    responses : array, float, shape (n_images, n_voxels)
    alpha : float
    """
    weights = Ridge(alpha).fit(embeddings, responses).coef_
    return np.reshape(weights, (responses.shape[1], -1)).astype(np.float32)
