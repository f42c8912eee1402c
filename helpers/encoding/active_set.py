"""The compiled heart of sparse positive regression: one vertex's problem.

    minimise  w'Gw/2 - q'w + alpha sum(w)  over w >= 0

with G the covariances of the units and q theirs with the response. An active set (Lawson & Hanson
1974, here with a penalty and in blocks): the units that want in most are let in, the units in use
are solved exactly, whoever turns negative falls out, until nobody wants in. The Cholesky factor of
the units in use is kept up to date, so that a change costs k² operations, k of them in use.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from helpers.core import compiled

MIN_RELATIVE_PIVOT = 1e-11
"""Below this fraction of a unit's own variance, what it adds to those in use is rounding."""
MIN_RELATIVE_GRADIENT = 0.5
"""Let in together: units that want in at least this much of what the first one does, ..."""
MIN_BLOCK_SIZE = 10
"""... at most so many, or half as many as are in use."""
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
    """Let the i-th unit in use fall out, in place; returns how many are left."""
    w[active[i]] = 0.0
    for a in range(i, k - 1):
        active[a] = active[a + 1]
        for b in range(a + 2):
            factor[a, b] = factor[a + 1, b]
    for c in range(i, k - 1):  # turn the column beyond the diagonal away
        length = np.sqrt(factor[c, c] ** 2 + factor[c, c + 1] ** 2)
        cosine, sine = factor[c, c] / length, factor[c, c + 1] / length
        factor[c, c] = length
        for a in range(c + 1, k - 1):
            here, there = factor[a, c], factor[a, c + 1]
            factor[a, c] = cosine * here + sine * there
            factor[a, c + 1] = cosine * there - sine * here
    return k - 1


@compile_kernel
def _exchange_dependent(linear_term, w, j, active, k, coefficients):
    """Make room for unit ``j``, a mixture of those in use; returns who falls out (k: ``j``).

    Weights may slide along a line on which the prediction does not change. They go where the
    penalty falls until one of them is zero.
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
    if step == np.inf:  # more of it for ever: only rounding can say so
        return k
    for a in range(k):
        w[active[a]] = max(0.0, w[active[a]] - sign * step * coefficients[a])
    w[j] += sign * step
    return leaving


@compile_kernel
def _add_active(gram, linear_term, w, j, active, factor, k, z):
    """Put unit ``j`` among those in use, in place; returns how many these are then."""
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
    """Move, in place, to the exact solution for the units in use; returns how many are left."""
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
    """Write the units that want in most, as a block; returns how many these are."""
    largest = bound
    for j in range(len(grad)):
        if w[j] <= 0.0 and grad[j] > largest:
            largest = grad[j]
    block_size, n = max(MIN_BLOCK_SIZE, n_active // 2), 0
    top = np.empty(block_size)  # the largest wishes so far, falling
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
    """Solve one target in place, from the weights as they are; returns 1 if it is unfinished.

    ``bound``: how much a unit without weight may still want in.
    """
    n_units = len(q)
    linear_term, grad, entering = np.empty(n_units), np.empty(n_units), np.empty(n_units, np.int64)
    active, z, factor, k, n_entering = np.empty(64,
                                                np.int64), np.empty(64), np.empty((64, 64)), 0, 0
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
