"""The compiled heart of sparse positive regression: one vertex's problem.

    minimise  w'Gw/2 - q'w + alpha sum(w)  over w >= 0

with G the covariances of the units and q theirs with the response. An active set (Lawson & Hanson
1974, here with a penalty and in blocks): the units that want in most are let in, the units in use
are solved exactly, whoever turns negative falls out, until nobody wants in. The Cholesky factor of
the units in use is kept up to date, so that a change costs k² operations, k of them in use.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numba import njit

LEAST_PIVOT = 1e-11
"""Below this share of a unit's own variance, what it adds to those in use is rounding."""
LEAST_WISH = 0.5
"""Let in together: units that want in at least this much of what the first one does, ..."""
LEAST_BLOCK = 10
"""... at most so many, or half as many as are in use."""


def compiled(function: Callable) -> Callable:
    """Compile; keep the result on disk where a folder for it can be written.

    Loops over numbers, no slices: these take most of the time that compiling does.
    """
    options = {"nogil": True, "fastmath": {"reassoc", "contract"}}  # sums may be vectorised
    try:
        return njit(cache=True, **options)(function)
    except RuntimeError:  # numba found no such folder
        return njit(**options)(function)


@compiled
def _forward(factor, k, z):
    """Solve L z = z in place."""
    for a in range(k):
        rest = z[a]
        for b in range(a):
            rest -= factor[a, b] * z[b]
        z[a] = rest / factor[a, a]


@compiled
def _backward(factor, k, z):
    """Solve L' z = z in place."""
    for a in range(k - 1, -1, -1):
        z[a] /= factor[a, a]
        for b in range(a):
            z[b] -= factor[a, b] * z[a]


@compiled
def _drop(w, used, factor, k, i):
    """Let the i-th unit in use fall out, in place; returns how many are left."""
    w[used[i]] = 0.0
    for a in range(i, k - 1):
        used[a] = used[a + 1]
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


@compiled
def _slide(pull, w, j, used, k, mixture):
    """Make room for unit ``j``, a mixture of those in use; returns who falls out (k: ``j``).

    Weights may slide along a line on which the prediction does not change. They go where the
    penalty falls until one of them is zero.
    """
    gain = pull[j]
    for a in range(k):
        gain -= mixture[a] * pull[used[a]]
    sign = 1.0 if gain > 0.0 else -1.0
    step, first = (np.inf, k) if gain > 0.0 else (w[j], k)
    for a in range(k):
        fall = sign * mixture[a]
        if fall > 0.0 and w[used[a]] < step * fall:
            step, first = w[used[a]] / fall, a
    if step == np.inf:  # more of it for ever: only rounding can say so
        return k
    for a in range(k):
        w[used[a]] = max(0.0, w[used[a]] - sign * step * mixture[a])
    w[j] += sign * step
    return first


@compiled
def _admit(gram, pull, w, j, used, factor, k, z):
    """Put unit ``j`` among those in use, in place; returns how many these are then."""
    while True:
        for a in range(k):
            z[a] = gram[j, used[a]]
        _forward(factor, k, z)
        pivot = gram[j, j]
        for a in range(k):
            pivot -= z[a] * z[a]
        if pivot > LEAST_PIVOT * gram[j, j]:
            for a in range(k):
                factor[k, a] = z[a]
            used[k], factor[k, k] = j, np.sqrt(pivot)
            return k + 1
        _backward(factor, k, z)
        first = _slide(pull, w, j, used, k, z)
        if first == k:
            w[j] = 0.0
            return k
        k = _drop(w, used, factor, k, first)


@compiled
def _settle(pull, w, used, factor, k, z):
    """Move, in place, to the exact solution for the units in use; returns how many are left."""
    while True:
        for a in range(k):
            z[a] = pull[used[a]]
        _forward(factor, k, z)
        _backward(factor, k, z)
        step, first, least = 1.0, -1, 0.0
        for a in range(k):
            if z[a] > 0.0:
                continue
            old = w[used[a]]
            reach = old / (old - z[a]) if old > 0.0 else 0.0
            if first < 0 or reach < step or (reach == step and z[a] < least):
                step, first, least = reach, a, z[a]
        for a in range(k):
            w[used[a]] = max(0.0, w[used[a]] + step * (z[a] - w[used[a]]))
        if first < 0:
            return k
        k = _drop(w, used, factor, k, first)


@compiled
def _wanting(grad, w, bound, n_used, entering):
    """Write the units that want in most, as a block; returns how many these are."""
    first = bound
    for j in range(len(grad)):
        if w[j] <= 0.0 and grad[j] > first:
            first = grad[j]
    most, n = max(LEAST_BLOCK, n_used // 2), 0
    top = np.empty(most)  # the largest wishes so far, falling
    for j in range(len(grad)):
        wish = grad[j]
        if w[j] > 0.0 or wish <= bound or wish < LEAST_WISH * first:
            continue
        if n == most and wish <= top[most - 1]:
            continue
        n = min(n + 1, most)
        a = n - 1
        while a > 0 and top[a - 1] < wish:
            top[a] = top[a - 1]
            a -= 1
        top[a] = wish
    if n == 0:
        return 0
    n_entering = 0
    for j in range(len(grad)):
        if w[j] <= 0.0 and grad[j] > bound and grad[j] >= top[n - 1]:
            entering[n_entering] = j
            n_entering += 1
    return n_entering


@compiled
def descend(gram, q, alpha, bound, max_rounds, w):
    """Solve one target in place, from the weights as they are; returns 1 if it is unfinished.

    ``bound``: how much a unit without weight may still want in.
    """
    n_units = len(q)
    pull, grad, entering = np.empty(n_units), np.empty(n_units), np.empty(n_units, np.int64)
    used, z, factor, k, n_entering = np.empty(64, np.int64), np.empty(64), np.empty((64, 64)), 0, 0
    for j in range(n_units):
        pull[j] = q[j] - alpha
        if w[j] > 0.0:
            entering[n_entering] = j
            n_entering += 1
    for _ in range(max_rounds):
        if k + n_entering > len(used):
            size = 2 * (k + n_entering)
            more, wider = np.empty(size, np.int64), np.empty((size, size))
            for a in range(k):
                more[a] = used[a]
                for b in range(a + 1):
                    wider[a, b] = factor[a, b]
            used, z, factor = more, np.empty(size), wider
        for i in range(n_entering):
            k = _admit(gram, pull, w, entering[i], used, factor, k, z)
        k = _settle(pull, w, used, factor, k, z)
        for j in range(n_units):
            grad[j] = pull[j]
        for a in range(k):
            row, weight = gram[used[a]], w[used[a]]
            for j in range(n_units):
                grad[j] -= row[j] * weight
        n_entering = _wanting(grad, w, bound, k, entering)
        if n_entering == 0:
            return 0
    return 1
