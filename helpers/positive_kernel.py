"""Floor 3. The compiled heart of sparse positive regression: one vertex's problem.

    minimise  w'Gw/2 - q'w + alpha sum(w)  over w >= 0

with G the covariances of the units and q theirs with the response.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numba import njit

SWEEPS = 10
"""Passes of coordinate descent before an exact solve for the units in use is tried."""
LEAST_PIVOT = 1e-11
"""Below this share of a unit's own variance, what it adds to others is rounding."""


def compiled(function: Callable) -> Callable:
    """Compile; keep the result on disk where a folder for it can be written."""
    try:
        return njit(nogil=True, cache=True)(function)
    except RuntimeError:  # numba found no such folder
        return njit(nogil=True)(function)


@compiled
def _slide(factor, i, pull, w, used):
    """Let a unit fall out, in place, where unit ``i`` in use is a mixture of those before it.

    Weights may then slide along a line on which the prediction does not change; they go where the
    penalty falls, or stays, until one of them is zero. Returns 0, or -1 where none would be.
    """
    line = np.empty(i + 1)
    for a in range(i - 1, -1, -1):
        line[a] = (factor[i, a] - np.dot(factor[a + 1:i, a].copy(), line[a + 1:i])) / factor[a, a]
    line[:i] *= -1.0
    line[i] = 1.0
    gain = 0.0
    for a in range(i + 1):
        gain += line[a] * pull[used[a]]
    if gain < 0.0:
        line *= -1.0
    step, first = np.inf, -1
    for a in range(i + 1):
        if line[a] < 0.0 and w[used[a]] < step * -line[a]:
            step, first = w[used[a]] / -line[a], a
    if first < 0:
        return -1
    for a in range(i + 1):
        w[used[a]] = max(0.0, w[used[a]] + step * line[a])
    w[used[first]] = 0.0
    return 0


@compiled
def _exact_step(gram, pull, w, used):
    """Move, in place, to the exact solution for the units in use, while none turns negative.

    Returns 1 where it was reached, 0 where a unit fell out on the way, -1 where nothing can move.
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
                return _slide(factor, i, pull, w, used)
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
def descend(gram, q, alpha, bound, max_sweeps, w):
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
