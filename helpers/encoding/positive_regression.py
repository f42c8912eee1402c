"""Sparse positive regression: the Lasso with non-negative weights, solved exactly.

One problem per vertex, all with the same features:

    min over w >= 0, b:   1/(2n) ||y - X w - b||^2  +  alpha sum(w)

Solved from covariances (features x features, shared by many vertices) by an active-set method
(`helpers.encoding.active_set`) to within a tolerance of the optimality conditions, which
`kkt_violation` measures.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from helpers.core.errors import LabError
from helpers.encoding.active_set import solve_target

TOLERANCE = 1e-6
"""Largest violation of the optimality conditions, relative to the vertex's largest gradient."""
MAX_ROUNDS = 10_000
"""Rounds of adding units after which a vertex counts as not converged."""
MAX_FULL_GRAM = 4096
"""Of more features than this (or than twice the conditions), the full covariance matrix is not
computed: the fit starts with each vertex's features of largest covariance and adds those that
violate the optimality conditions. Features are processed in blocks of this size."""
MAX_ENTERING_PER_TARGET = 24
"""Features added at a time for each vertex, where the full covariance matrix is not computed."""
MAX_CANDIDATES = 8192
"""Features whose covariance matrix (0.5 GB) is computed at once for several vertices; vertices that
need more together are fitted in smaller groups."""
MIN_RELATIVE_SD = 1e-7
"""A feature whose standard deviation is a smaller fraction of its largest magnitude is constant up
to rounding error."""


@dataclass(frozen=True)
class LinearFit:
    """A linear prediction, ``features @ weights + intercept``.

    Attributes
    ----------
    weights : array, float64, shape (n_features, n_targets)
    intercept : array, float64, shape (n_targets,)
    """

    weights: NDArray[np.float64]
    intercept: NDArray[np.float64]

    def predict(self, features: NDArray) -> NDArray[np.float64]:
        """Predict targets, shape (n_conditions, n_targets), from the units with a weight."""
        if features.shape[1] != len(self.weights):
            raise LabError(f"features of {features.shape[1]} units",
                           expected=f"the {len(self.weights)} units of the fit",
                           remedy="take the same pool of units")
        nonzero = self.weights.any(axis=1)
        return np.asarray(features[:, nonzero], np.float64) @ self.weights[nonzero] + self.intercept

    @property
    def n_nonzero_weights(self) -> NDArray[np.int64]:
        """Number of features with a weight other than zero, shape (n_targets,)."""
        return (self.weights != 0).sum(axis=0)


def check_arrays(features: NDArray, responses: NDArray) -> tuple[NDArray, NDArray]:
    """Return both as arrays of conditions x columns; NaN or unequal lengths raise a `LabError`."""
    features, responses = np.asarray(features), np.asarray(responses)
    if features.ndim != 2 or responses.ndim != 2 or len(features) != len(responses):
        raise LabError(f"features {features.shape} and responses {responses.shape}",
                       expected="conditions x units and conditions x vertices",
                       remedy="give both the same conditions, in the same order")
    if len(features) < 2:
        raise LabError(f"{len(features)} condition", expected="2 conditions or more",
                       remedy="fit on more conditions")
    for name, values in (("features", features), ("responses", responses)):
        if not np.isfinite(values).all():
            raise LabError(f"{(~np.isfinite(values)).sum()} {name} that are NaN or infinite",
                           expected="finite numbers",
                           remedy="leave these units or vertices out, and count them")
    return features, responses


def sparse_positive(features: NDArray, responses: NDArray, alpha: float) -> LinearFit:
    """Fit sparse positive regression as published: features and responses in raw units.

    Parameters
    ----------
    features : array, float, shape (n_conditions, n_units)
        Units that do not vary get no weight.
    responses : array, float, shape (n_conditions, n_vertices)
    alpha : float
        Penalty, in units of feature times response (published: 0.1; untrained network: 0.001).

    Raises
    ------
    LabError
        For NaN, unequal lengths, a penalty that is not positive, or no convergence.

    Notes
    -----
    Prince et al. (2024), authors' classes.py (there: scikit-learn's Lasso, positive, tol 1e-2).
    """
    if alpha <= 0:
        raise LabError(f"alpha = {alpha}", expected="a number above 0",
                       remedy="0.1 is usual; for no penalty use OLS")
    features, responses = check_arrays(features, responses)
    mean, target_mean = (v.mean(0, dtype=np.float64) for v in (features, responses))
    y = responses - target_mean
    varies = column_sd(features, mean) > 0
    all_units = varies.sum() <= max(512, min(MAX_FULL_GRAM, 2 * len(features)))
    n_together = max(1, y.shape[1] if all_units else MAX_FULL_GRAM // MAX_ENTERING_PER_TARGET)
    weights = np.zeros((features.shape[1], y.shape[1]))
    parts = [slice(i, i + n_together) for i in range(0, y.shape[1], n_together)]
    while parts:
        part = parts.pop()
        found = _fit_together(features, mean, varies, y[:, part], alpha, all_units=all_units)
        if found is None:
            middle = (part.start + min(part.stop, y.shape[1])) // 2
            parts += [slice(part.start, middle), slice(middle, part.stop)]
        else:
            weights[:, part] = found
    return LinearFit(weights, target_mean - mean @ weights)


def _fit_together(features: NDArray, mean: NDArray, varies: NDArray, y: NDArray, alpha: float,
                  *, all_units: bool) -> NDArray[np.float64] | None:
    """Return the weights of some targets, which share the covariances of their candidate units.

    The candidates are all units, or each target's units of largest gradient, joined by those that
    violate the optimality conditions. None where the candidates of several targets are more than
    `MAX_CANDIDATES`: fewer targets have fewer.
    """
    cross = np.where(varies, _covariances(features, mean, y), -np.inf)
    bound = TOLERANCE * np.where(varies, np.abs(cross), 0).max(1, initial=1e-300)
    weights = np.zeros((features.shape[1], y.shape[1]))
    active = np.flatnonzero(varies) if all_units else _largest_gradients(cross)
    while len(active):
        if not all_units and len(active) > MAX_CANDIDATES and y.shape[1] > 1:
            return None
        x = features[:, active] - mean[active]
        weights[active] = _solve(x.T @ x / len(x), cross[:, active], alpha, bound,
                                 weights[active].T.copy())
        if len(active) == varies.sum():
            break
        violation = _covariances(features, mean, y - x @ weights[active]) - (alpha + bound)[:, None]
        violation[:, ~varies] = violation[:, active] = -np.inf
        if not (violation > 0).any():
            break
        active = np.union1d(active, _largest_gradients(np.where(violation > 0, violation, -np.inf)))
    return weights


def sparse_positive_standardised(features: NDArray, responses: NDArray,
                                 alpha: float) -> LinearFit:
    """Fit sparse positive regression with standardised units and responses.

    The penalty is then on the scale of a correlation: a unit gets a weight only where its
    correlation with the residual, in standard deviations of the response, exceeds ``alpha``, in
    every layer and network alike. Weights are returned in raw units.

    Parameters
    ----------
    features, responses
        As for `sparse_positive`.
    alpha : float
        Between 0 and 1.
    """
    if not 0 < alpha < 1:
        raise LabError(f"alpha = {alpha}", expected="a correlation between 0 and 1",
                       remedy="0.02 to 0.2 are usual")
    features, responses = check_arrays(features, responses)
    mean, target_mean = (v.mean(0, dtype=np.float64) for v in (features, responses))
    scale = inverse_sd(features, mean)
    fit = sparse_positive((features - mean) * scale,
                          (responses - target_mean) * inverse_sd(responses, target_mean), alpha)
    weights = fit.weights * scale[:, None] * column_sd(responses, target_mean)
    return LinearFit(weights, target_mean - mean @ weights)


def column_sd(values: NDArray, mean: NDArray) -> NDArray[np.float64]:
    """Return the standard deviation of each column; exactly 0 where it is rounding error."""
    sd = np.concatenate([(values[:, i:i + MAX_FULL_GRAM] - mean[i:i + MAX_FULL_GRAM]).std(0)
                         for i in range(0, values.shape[1], MAX_FULL_GRAM)] or [np.zeros(0)])
    return np.where(sd <= MIN_RELATIVE_SD * np.abs(values).max(0, initial=0), 0.0, sd)


def inverse_sd(values: NDArray, mean: NDArray) -> NDArray[np.float64]:
    """Return 1 / `column_sd`, and 0 for a column that does not vary."""
    sd = column_sd(values, mean)
    return np.divide(1.0, sd, out=np.zeros(len(sd)), where=sd > 0)


def _covariances(features: NDArray, mean: NDArray, y: NDArray) -> NDArray[np.float64]:
    """Return the covariances of targets with features, (n_targets, n_features), block by block."""
    return np.concatenate([y.T @ (features[:, i:i + MAX_FULL_GRAM] - mean[i:i + MAX_FULL_GRAM])
                           / len(features)
                           for i in range(0, features.shape[1], MAX_FULL_GRAM)]
                          or [np.zeros((y.shape[1], 0))], axis=1)


def _largest_gradients(excess_gradient: NDArray) -> NDArray[np.int64]:
    """Return the union over targets of the features with the largest gradients, at most
    `MAX_ENTERING_PER_TARGET` of each."""
    last = min(MAX_ENTERING_PER_TARGET, excess_gradient.shape[1] - 1)
    best = np.argpartition(-excess_gradient, last, axis=1)[:, :MAX_ENTERING_PER_TARGET]
    usable = np.isfinite(np.take_along_axis(excess_gradient, best, axis=1))
    return np.unique(best[usable])


def _solve(gram: NDArray, cross: NDArray, alpha: float, bound: NDArray,
           weights: NDArray) -> NDArray[np.float64]:
    """Solve all targets, starting from ``weights`` (n_targets, n_features); return its transpose.
    """
    n_unconverged = sum(solve_target(gram, np.ascontiguousarray(q), alpha, b, MAX_ROUNDS, w)
                        for q, b, w in zip(cross, bound, weights))
    if n_unconverged:
        raise LabError(f"{n_unconverged} of {len(weights)} vertices did not converge",
                       expected=f"convergence within {MAX_ROUNDS} rounds",
                       remedy="take a larger alpha, or raise MAX_ROUNDS in "
                       "helpers/encoding/positive_regression.py")
    return weights.T


def kkt_violation(features: NDArray, responses: NDArray, fit: LinearFit,
                  alpha: float) -> NDArray[np.float64]:
    r"""Return the largest violation of the optimality (KKT) conditions of `sparse_positive`.

    With :math:`g = X_c^\top (y - \hat y) / n`: :math:`g_j = \alpha` where :math:`w_j > 0`,
    :math:`g_j \le \alpha` where :math:`w_j = 0`, and no weight is negative.

    Returns
    -------
    array, float64, shape (n_vertices,)
        Largest violation over units, in the units of ``alpha``.
    """
    features, responses = check_arrays(features, responses)
    residual = responses - fit.predict(features)
    gradient = _covariances(features, features.mean(0, dtype=np.float64),
                            residual - residual.mean(0)).T
    violation_of_unit = np.where(fit.weights > 0, np.abs(gradient - alpha),
                                 np.maximum(gradient - alpha, 0))
    return np.where(fit.weights < 0, np.inf, violation_of_unit).max(0, initial=0.0)
