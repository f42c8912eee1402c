"""Linear regressions from features to responses that are compared with one another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from himalaya.ridge import RidgeCV
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.linear_model import LinearRegression

from helpers.encoding.positive_regression import (
    LinearFit,
    check_arrays,
    inverse_sd,
    sparse_positive,
    sparse_positive_standardised,
)
from helpers.stimuli.gabor import N_AXES, gist_axes, project

MAX_COMPONENTS = 1000
"""Principal components before ridge, as published by Mulrooney & Brockmeier (2024, authors'
encoding scripts)."""
N_SPLITS = 5
"""Folds of the fitted conditions by which ridge chooses its penalty."""


def ols(features: NDArray, responses: NDArray) -> LinearFit:
    """Fit by ordinary least squares with intercept (minimum-norm weights where not unique).

    Parameters
    ----------
    features : array, float, shape (n_conditions, n_units)
    responses : array, float, shape (n_conditions, n_vertices)
    """
    features, responses = check_arrays(features, responses)
    fit = LinearRegression().fit(np.asarray(features, np.float64), responses)
    return LinearFit(np.atleast_2d(fit.coef_).T, np.atleast_1d(fit.intercept_))


def gist_ols(features: NDArray, responses: NDArray, *, n_axes: int = N_AXES) -> LinearFit:
    """Fit by least squares on the features' leading principal axes of these conditions (GistPC)."""
    features, responses = check_arrays(features, responses)
    axes = gist_axes(features, n_axes=n_axes)
    fit = ols(np.asarray(features, np.float64) @ axes, responses)
    return LinearFit(axes @ fit.weights, fit.intercept)


def ridge_standardised(features: NDArray, responses: NDArray,
                       alphas: Sequence[float]) -> LinearFit:
    """Fit by ridge on principal components of standardised units, with one penalty for all
    vertices, which few conditions estimate more reliably than one for each.

    Parameters
    ----------
    features, responses
        As for `ols`.
    alphas : sequence of float
        Penalties to choose from, by the error on held-out fifths of these conditions.

    Returns
    -------
    LinearFit
        Weights in raw units; those of units that do not vary are 0.
    """
    features, responses = check_arrays(features, responses)
    mean = features.mean(0, dtype=np.float64)
    scale = inverse_sd(features, mean)
    pca = PCA(min(MAX_COMPONENTS, len(features) - 1, features.shape[1]), svd_solver="full",
              random_state=0)
    model = RidgeCV(alphas=np.asarray(alphas, float), fit_intercept=True,
                    cv=min(N_SPLITS, len(features)), solver_params={"local_alpha": False})
    model.fit(pca.fit_transform((features - mean) * scale), np.asarray(responses, np.float64))
    weights = pca.components_.T @ model.coef_
    intercept, weights = model.intercept_ - pca.mean_ @ weights, weights * scale[:, None]
    return LinearFit(weights, intercept - mean @ weights)


@dataclass(frozen=True)
class Method:
    """A way to fit.

    Attributes
    ----------
    fit : callable
        ``fit(features, responses, alphas)`` with a tuple of penalties.
    single_alpha : bool
        Whether every penalty is a candidate of its own, selected with the layer on validation;
        else the fit chooses among all of them.
    by_vertex : bool
        Whether each vertex's weights depend on its own responses alone.
    units : callable
        ``units(features)``: what is compared with the responses without a fit. The features as
        they are; of GistPC the images' scores on their own axes (jsputils classes.py,
        `EncodingProcedureGistGabor.encode_features`).
    """

    fit: Callable[[NDArray, NDArray, tuple[float, ...]], LinearFit]
    single_alpha: bool = True
    by_vertex: bool = True
    units: Callable[[NDArray], NDArray] = np.asarray


SPARSE_POSITIVE, STANDARDISED, OLS, RIDGE, GIST = (
    "sparse positive", "sparse positive, standardised", "OLS", "ridge, standardised", "GistPC")
METHODS = {
    SPARSE_POSITIVE: Method(lambda x, y, alphas: sparse_positive(x, y, alphas[0])),
    STANDARDISED: Method(lambda x, y, alphas: sparse_positive_standardised(x, y, alphas[0])),
    OLS: Method(lambda x, y, _: ols(x, y)),
    GIST: Method(lambda x, y, _: gist_ols(x, y), units=lambda x: project(x, gist_axes(x))),
    RIDGE: Method(ridge_standardised, single_alpha=False, by_vertex=False),
}
"""Name -> method."""
