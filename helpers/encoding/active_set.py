"""Compiled active-set solver of sparse positive regression, for one vertex.

    minimise  w'Gw/2 - q'w + alpha sum(w)  over w >= 0

with G the covariances of the units and q theirs with the response. The active-set method of Lawson
& Hanson (1974, "Solving Least Squares Problems", chapter 23), with a penalty and adding variables
in blocks: the units with the largest gradients enter the active set, the problem is solved exactly
for the active units, units whose weight would become negative leave, until no gradient of an
inactive unit is positive. The Cholesky factor of the active units' covariances is updated rather
than recomputed, so that each change costs k² operations for k active units.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from helpers.core import compiled

MIN_RELATIVE_PIVOT = 1e-11
"""A unit whose residual variance, given the active units, is a smaller fraction of its own variance
is a linear combination of them up to rounding error."""
MIN_RELATIVE_GRADIENT = 0.5
"""Units enter together whose gradient is at least this fraction of the largest one, ..."""
MIN_BLOCK_SIZE = 10
"""... at most so many, or half the number of active units where that is more."""
compile_kernel = partial(compiled.compile_kernel, fastmath=compiled.ANY_ORDER)


@compile_kernel
def _forward(factor, k, z):
    """Solve L z = z in place."""
    for a in range(k):
        rest = z[a]
        for b in range(a):
            rest -= factor[a, b] * z[b]
        z[a] = rest / factor[a, a]


@compile_kernel
def _backward(factor, k, z):
    """Solve L' z = z in place."""
    for a in range(k - 1, -1, -1):
        z[a] /= factor[a, a]
        for b in range(a):
            z[b] -= factor[a, b] * z[a]


@compile_kernel
def _remove_active(w, active, factor, k, i):
    """Remove the i-th active unit, in place; return the number of active units.

    Deleting a row of the factor leaves an entry beyond the diagonal in each later row; Givens
    rotations make it triangular again (Golub & Van Loan 2013, section 6.5).
    """
    w[active[i]] = 0.0
    for a in range(i, k - 1):
        active[a] = active[a + 1]
        for b in range(a + 2):
            factor[a, b] = factor[a + 1, b]
    for c in range(i, k - 1):
        length = np.sqrt(factor[c, c] ** 2 + factor[c, c + 1] ** 2)
        cosine, sine = factor[c, c] / length, factor[c, c + 1] / length
        factor[c, c] = length
        for a in range(c + 1, k - 1):
            left, right = factor[a, c], factor[a, c + 1]
            factor[a, c] = cosine * left + sine * right
            factor[a, c + 1] = cosine * right - sine * left
    return k - 1


@compile_kernel
def _exchange_dependent(linear_term, w, j, active, k, coefficients):
    """Exchange unit ``j``, a linear combination of the active ones, for the unit that leaves.

    Along one line in weight space the prediction stays the same. Weights move along it in the
    direction in which the penalty decreases, until one of them is zero. Returns the position of
    that unit among the active ones (k: unit ``j`` itself).
    """
    gain = linear_term[j]
    for a in range(k):
        gain -= coefficients[a] * linear_term[active[a]]
    sign = 1.0 if gain > 0.0 else -1.0
    step, leaving = (np.inf, k) if gain > 0.0 else (w[j], k)
    for a in range(k):
        decrease = sign * coefficients[a]
        if decrease > 0.0 and w[active[a]] < step * decrease:
            step, leaving = w[active[a]] / decrease, a
    if step == np.inf:  # unbounded descent is possible through rounding error only
        return k
    for a in range(k):
        w[active[a]] = max(0.0, w[active[a]] - sign * step * coefficients[a])
    w[j] += sign * step
    return leaving


@compile_kernel
def _add_active(gram, linear_term, w, j, active, factor, k, z):
    """Add unit ``j`` to the active ones, in place; return the number of active units."""
    while True:
        for a in range(k):
            z[a] = gram[j, active[a]]
        _forward(factor, k, z)
        pivot = gram[j, j]
        for a in range(k):
            pivot -= z[a] * z[a]
        if pivot > MIN_RELATIVE_PIVOT * gram[j, j]:
            for a in range(k):
                factor[k, a] = z[a]
            active[k], factor[k, k] = j, np.sqrt(pivot)
            return k + 1
        _backward(factor, k, z)
        leaving = _exchange_dependent(linear_term, w, j, active, k, z)
        if leaving == k:
            w[j] = 0.0
            return k
        k = _remove_active(w, active, factor, k, leaving)


@compile_kernel
def _solve_active(linear_term, w, active, factor, k, z):
    """Move to the exact solution for the active units, in place; return their number.

    Where a weight would become negative, the step ends where the first one reaches zero, that
    unit leaves, and the solution is computed again.
    """
    while True:
        for a in range(k):
            z[a] = linear_term[active[a]]
        _forward(factor, k, z)
        _backward(factor, k, z)
        step, leaving, lowest = 1.0, -1, 0.0
        for a in range(k):
            if z[a] > 0.0:
                continue
            old = w[active[a]]
            max_step = old / (old - z[a]) if old > 0.0 else 0.0
            if leaving < 0 or max_step < step or (max_step == step and z[a] < lowest):
                step, leaving, lowest = max_step, a, z[a]
        for a in range(k):
            w[active[a]] = max(0.0, w[active[a]] + step * (z[a] - w[active[a]]))
        if leaving < 0:
            return k
        k = _remove_active(w, active, factor, k, leaving)


@compile_kernel
def _select_entering(grad, w, bound, n_active, entering):
    """Write the units that enter next into ``entering``; return their number."""
    largest = bound
    for j in range(len(grad)):
        if w[j] <= 0.0 and grad[j] > largest:
            largest = grad[j]
    block_size, n = max(MIN_BLOCK_SIZE, n_active // 2), 0
    top = np.empty(block_size)  # the largest gradients so far, in decreasing order
    for j in range(len(grad)):
        candidate_gradient = grad[j]
        if (w[j] > 0.0 or candidate_gradient <= bound
            or candidate_gradient < MIN_RELATIVE_GRADIENT * largest):
            continue
        if n == block_size and candidate_gradient <= top[block_size - 1]:
            continue
        n = min(n + 1, block_size)
        a = n - 1
        while a > 0 and top[a - 1] < candidate_gradient:
            top[a] = top[a - 1]
            a -= 1
        top[a] = candidate_gradient
    if n == 0:
        return 0
    n_entering = 0
    for j in range(len(grad)):
        if w[j] <= 0.0 and grad[j] > bound and grad[j] >= top[n - 1]:
            entering[n_entering] = j
            n_entering += 1
    return n_entering


@compile_kernel
def solve_target(gram, q, alpha, bound, max_rounds, w):
    """Solve one target in place, starting from ``w``; return 1 if it did not converge.

    ``bound``: largest gradient of an inactive unit at convergence.
    """
    n_units = len(q)
    linear_term, grad, entering = np.empty(n_units), np.empty(n_units), np.empty(n_units, np.int64)
    active, z, factor = np.empty(64, np.int64), np.empty(64), np.empty((64, 64))
    k = n_entering = 0
    for j in range(n_units):
        linear_term[j] = q[j] - alpha
        if w[j] > 0.0:
            entering[n_entering] = j
            n_entering += 1
    for _ in range(max_rounds):
        if k + n_entering > len(active):
            size = 2 * (k + n_entering)
            larger_active, larger_factor = np.empty(size, np.int64), np.empty((size, size))
            for a in range(k):
                larger_active[a] = active[a]
                for b in range(a + 1):
                    larger_factor[a, b] = factor[a, b]
            active, z, factor = larger_active, np.empty(size), larger_factor
        for i in range(n_entering):
            k = _add_active(gram, linear_term, w, entering[i], active, factor, k, z)
        k = _solve_active(linear_term, w, active, factor, k, z)
        for j in range(n_units):
            grad[j] = linear_term[j]
        for a in range(k):
            row, weight = gram[active[a]], w[active[a]]
            for j in range(n_units):
                grad[j] -= row[j] * weight
        n_entering = _select_entering(grad, w, bound, k, entering)
        if n_entering == 0:
            return 0
    return 1
