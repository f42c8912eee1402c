"""Loops over numbers, compiled by numba; the machine code is kept on disk."""

from __future__ import annotations

from collections.abc import Callable

from numba import njit

KEEP_ORDER = frozenset({"nnan", "nsz"})
"""Maxima may be vectorised: there is no NaN, and -0 equals 0. Sums keep their order."""
ANY_ORDER = frozenset({"reassoc", "contract"})
"""Sums may be vectorised, which changes their order."""


def compile_kernel(function: Callable, fastmath: frozenset[str] = KEEP_ORDER) -> Callable:
    """Compile a function without Python's lock, so that threads run it side by side.

    Parameters
    ----------
    function : callable
        Loops over numbers rather than slices, which take most of the time of compilation.
    fastmath : set of str
        What LLVM may assume about floating-point numbers: `KEEP_ORDER` or `ANY_ORDER`.
    """
    options = {"nogil": True, "fastmath": set(fastmath)}
    try:
        return njit(function, cache=True, **options)
    except RuntimeError:  # numba has no folder that it can write to
        return njit(function, **options)
