"""Floor 3. Sparse positive regression: few weights, none negative, solved exactly.

One problem per vertex, all with the same features:

    min over w >= 0, b:   1/(2n) ||y - X w - b||^2  +  alpha sum(w)

Solved from second moments (features x features, once for all vertices) by an active set:
coordinate descent finds which of a few units are in use, an exact solve balances these, then the
units that still want in are let in, the most wanting first, until none is left. How near the result
is to the optimality conditions, `kkt_violation` says: about the tolerance asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from helpers.errors import LabError

TOLERANCE = 1e-6
"""Largest violation of the optimality conditions, relative to the vertex's largest gradient."""
MAX_SWEEPS = 100_000
"""Passes over the units in use before a vertex counts as not converged."""
FEW = 4096
"""Of more features than this (or than twice the conditions), no full matrix of second moments is
made: the fit begins with each vertex's best ones and lets in what still wants in. Features are
read in blocks of this size."""
SWEEPS = 10
"""Passes of coordinate descent before an exact solve for the units in use is tried."""
LEAST_PIVOT = 1e-11
"""Below this share of a unit's own variance, what it adds to others is rounding."""
PER_TARGET = 24
"""So many features a vertex are let in at a time, where there are too many."""
LEAST_SPREAD = 1e-7
"""A feature whose spread is below this share of its largest magnitude is dead: rounding error."""


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
        """Predict targets, shape (n_conditions, n_targets); units without weight are not read."""
        if features.shape[1] != len(self.weights):
            raise LabError(f"features of {features.shape[1]} units",
                           expected=f"the {len(self.weights)} units of the fit",
                           remedy="take the same pool of units")
        used = self.weights.any(axis=1)
        return np.asarray(features[:, used], np.float64) @ self.weights[used] + self.intercept

    @property
    def n_used(self) -> NDArray[np.int64]:
        """Features with a weight other than zero, shape (n_targets,)."""
        return (self.weights != 0).sum(axis=0)


def checked(features: NDArray, responses: NDArray) -> tuple[NDArray, NDArray]:
    """Return both as arrays of conditions x columns, refusing NaN and unequal lengths.

    Raises
    ------
    LabError
        Otherwise.
    """
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


def sparse_positive(features: NDArray, responses: NDArray, alpha: float, *,
                    tol: float = TOLERANCE, max_sweeps: int = MAX_SWEEPS) -> LinearFit:
    """Fit the published regression, in raw units.

    Parameters
    ----------
    features : array, float, shape (n_conditions, n_units)
        Units that do not vary get no weight.
    responses : array, float, shape (n_conditions, n_vertices)
    alpha : float
        Penalty, in units of feature times response (published: 0.1; untrained network: 0.001).
    tol : float
        Largest violation of the optimality conditions, relative to each vertex's largest
        covariance with a unit.

    Raises
    ------
    LabError
        For NaN, unequal lengths, a penalty that is not positive, or no convergence.

    Notes
    -----
    Prince et al. (2024), spec 4.4 (there: scikit-learn's Lasso, positive, tol 1e-2).
    """
    if alpha <= 0 or tol <= 0:
        raise LabError(f"alpha = {alpha}, tol = {tol}", expected="numbers above 0",
                       remedy=f"0.1 and {TOLERANCE} are usual; for no penalty use OLS")
    features, responses = checked(features, responses)
    mean, target_mean = (v.mean(0, dtype=np.float64) for v in (features, responses))
    y = responses - target_mean
    alive = spread(features, mean) > 0
    cross = np.where(alive, _covariances(features, mean, y), -np.inf)
    bound = tol * np.where(alive, np.abs(cross), 0).max(1, initial=1e-300)
    weights = np.zeros((features.shape[1], responses.shape[1]))
    few = max(512, min(FEW, 2 * len(features)))
    chosen = np.flatnonzero(alive) if alive.sum() <= few else _best(cross)
    while len(chosen):
        x = features[:, chosen] - mean[chosen]
        weights[chosen] = _solve(x.T @ x / len(x), cross[:, chosen], alpha, bound, max_sweeps,
                                 weights[chosen].T.copy())
        if len(chosen) == alive.sum():
            break
        excess = _covariances(features, mean, y - x @ weights[chosen]) - (alpha + bound)[:, None]
        excess[:, ~alive] = excess[:, chosen] = -np.inf
        if not (excess > 0).any():
            break
        chosen = np.union1d(chosen, _best(np.where(excess > 0, excess, -np.inf)))
    return LinearFit(weights, target_mean - mean @ weights)


def sparse_positive_standardised(features: NDArray, responses: NDArray, alpha: float, *,
                                 tol: float = TOLERANCE,
                                 max_sweeps: int = MAX_SWEEPS) -> LinearFit:
    """Fit with units and responses in standard deviations of the fitted conditions.

    The penalty is then a correlation: a unit enters only where its correlation with what is not
    yet explained, in standard deviations of the response, exceeds ``alpha``, in every layer and
    network alike. Weights are given back in raw units.

    Parameters
    ----------
    features, responses, tol, max_sweeps
        As for `sparse_positive`.
    alpha : float
        Between 0 and 1.
    """
    if not 0 < alpha < 1:
        raise LabError(f"alpha = {alpha}", expected="a correlation between 0 and 1",
                       remedy="0.02 to 0.2 are usual")
    features, responses = checked(features, responses)
    means = [v.mean(0, dtype=np.float64) for v in (features, responses)]
    sds = [spread(v, mean) for v, mean in zip((features, responses), means)]
    x, y = (np.divide(1.0, sd, out=np.zeros(len(sd)), where=sd > 0) for sd in sds)
    fit = sparse_positive((features - means[0]) * x, (responses - means[1]) * y, alpha, tol=tol,
                          max_sweeps=max_sweeps)
    weights = fit.weights * x[:, None] * sds[1]
    return LinearFit(weights, means[1] - means[0] @ weights)


def spread(values: NDArray, mean: NDArray) -> NDArray[np.float64]:
    """Return the standard deviation of each column; exactly 0 where it is rounding error."""
    sd = np.concatenate([(values[:, i:i + FEW] - mean[i:i + FEW]).std(0)
                         for i in range(0, values.shape[1], FEW)] or [np.zeros(0)])
    return np.where(sd <= LEAST_SPREAD * np.abs(values).max(0, initial=0), 0.0, sd)


def _covariances(features: NDArray, mean: NDArray, y: NDArray) -> NDArray[np.float64]:
    """Return the covariances of targets with features, (n_targets, n_features), block by block."""
    return np.concatenate([y.T @ (features[:, i:i + FEW] - mean[i:i + FEW]) / len(features)
                           for i in range(0, features.shape[1], FEW)]
                          or [np.zeros((y.shape[1], 0))], axis=1)


def _best(wanting: NDArray) -> NDArray[np.int64]:
    """Return the features that each target wants most, at most `PER_TARGET` of each."""
    last = min(PER_TARGET, wanting.shape[1] - 1)
    best = np.argpartition(-wanting, last, axis=1)[:, :PER_TARGET]
    usable = np.isfinite(np.take_along_axis(wanting, best, axis=1))
    return np.unique(best[usable])


def _solve(gram: NDArray, cross: NDArray, alpha: float, bound: NDArray, max_sweeps: int,
           weights: NDArray) -> NDArray[np.float64]:
    """Solve all targets from their present weights (n_targets, n_features); give the transpose."""
    left = sum(_descend(gram, np.ascontiguousarray(q), alpha, b, max_sweeps, w)
               for q, b, w in zip(cross, bound, weights))
    if left:
        raise LabError(f"{left} of {len(weights)} vertices did not converge",
                       expected=f"convergence within {max_sweeps} sweeps",
                       remedy="allow more sweeps, or a larger tol or alpha")
    return weights.T


def compiled(function: Callable) -> Callable:
    """Compile; keep the result on disk where a folder for it can be written."""
    try:
        return njit(nogil=True, cache=True)(function)
    except RuntimeError:  # numba found no such folder
        return njit(nogil=True)(function)


@compiled
def _exact_step(gram, pull, w, used):
    """Move, in place, to the exact solution for the units in use, while none turns negative.

    Returns 1 where it was reached, 0 where a unit fell out on the way, -1 where the units in use
    copy one another.
    """
    k = 0
    for i in range(len(w)):
        if w[i] > 0.0:
            used[k] = i
            k += 1
    factor, z = np.empty((k, k)), np.empty(k)
    for i in range(k):
        row = used[i]
        for j in range(i + 1):
            value = gram[row, used[j]] - np.dot(factor[i, :j], factor[j, :j])
            if j < i:
                factor[i, j] = value / factor[j, j]
            elif value <= LEAST_PIVOT * gram[row, row]:
                return -1
            else:
                factor[i, i] = np.sqrt(value)
        z[i] = (pull[row] - np.dot(factor[i, :i], z[:i])) / factor[i, i]
    for i in range(k - 1, -1, -1):
        z[i] = (z[i] - np.dot(factor[i + 1:, i].copy(), z[i + 1:])) / factor[i, i]
    step, first = 1.0, -1
    for i in range(k):
        old = w[used[i]]
        if z[i] <= 0.0 and old < step * (old - z[i]):
            step, first = old / (old - z[i]), i
    for i in range(k):
        w[used[i]] = max(0.0, w[used[i]] + step * (z[i] - w[used[i]]))
    if first >= 0:
        w[used[first]] = 0.0
    return 1 if first < 0 else 0


@compiled
def _balance(gram, pull, w, bound, max_sweeps):
    """Solve on one working set, in place; ``pull`` is q - alpha. Returns the number of sweeps.

    Coordinate descent finds which units are in use; an exact solve then balances these.
    """
    sweeps, k = 0, len(w)
    used, grad = np.empty(k, np.int64), pull - gram @ w
    while sweeps < max_sweeps:
        off = 0.0
        for _ in range(SWEEPS):
            sweeps += 1
            off = 0.0
            for a in range(k):
                new = max(0.0, w[a] + grad[a] / gram[a, a])
                step = new - w[a]
                if step != 0.0:
                    w[a] = new
                    grad -= gram[a] * step
                    off = max(off, abs(step) * gram[a, a])
            if off <= bound:
                return sweeps
        reached = 0
        while reached == 0:
            reached = _exact_step(gram, pull, w, used)
        grad = pull - gram @ w
        worst = 0.0
        for a in range(k):
            worst = max(worst, abs(grad[a]) if w[a] > 0.0 else grad[a])
        if worst <= bound:
            return sweeps
    return sweeps


@compiled
def _descend(gram, q, alpha, bound, max_sweeps, w):
    """Solve one target in place: minimise w'Gw/2 - q'w + alpha sum(w), w >= 0; 1: unfinished."""
    p, sweeps, used = len(q), 0, 0
    grad = q.copy()  # q - G w, of all units
    for j in range(p):
        if w[j] > 0.0:
            grad -= gram[j] * w[j]
    work, wanting = np.empty(p, np.int64), np.empty(p)
    while sweeps < max_sweeps:
        # Let in the units that want in most: no more than are in use already, 10 at first.
        n_wanting = 0
        for j in range(p):
            if w[j] == 0.0 and grad[j] - alpha > bound:
                wanting[n_wanting] = grad[j]
                n_wanting += 1
        if n_wanting == 0:
            return 0
        least = np.sort(wanting[:n_wanting])[max(0, n_wanting - max(10, used))]
        k = 0
        for j in range(p):
            if w[j] > 0.0 or (grad[j] - alpha > bound and grad[j] >= least):
                work[k] = j
                k += 1
        sub, pull, x = np.empty((k, k)), np.empty(k), np.empty(k)
        for a in range(k):
            pull[a], x[a] = q[work[a]] - alpha, w[work[a]]
            for b in range(k):
                sub[a, b] = gram[work[a], work[b]]
        sweeps += _balance(sub, pull, x, bound, max_sweeps - sweeps)
        used = 0
        for a in range(k):
            step = x[a] - w[work[a]]
            if step != 0.0:
                w[work[a]] = x[a]
                grad -= gram[work[a]] * step
            used += x[a] > 0.0
    return 1


def kkt_violation(features: NDArray, responses: NDArray, fit: LinearFit,
                  alpha: float) -> NDArray[np.float64]:
    r"""Measure how far a fit is from the optimality conditions of `sparse_positive`.

    With :math:`g = X_c^\top (y - \hat y) / n`: :math:`g_j = \alpha` where :math:`w_j > 0`,
    :math:`g_j \le \alpha` where :math:`w_j = 0`, and no weight is negative.

    Returns
    -------
    array, float64, shape (n_vertices,)
        Largest violation over units, in the units of ``alpha``.
    """
    features, responses = checked(features, responses)
    residual = responses - fit.predict(features)
    gradient = _covariances(features, features.mean(0, dtype=np.float64),
                            residual - residual.mean(0)).T
    off = np.where(fit.weights > 0, np.abs(gradient - alpha), np.maximum(gradient - alpha, 0))
    return np.where(fit.weights < 0, np.inf, off).max(0, initial=0.0)
