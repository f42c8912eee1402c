"""A list of artefacts that several processes need: each makes what no other is making."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import TypeVar

from helpers.core.cache import ArtefactLocked, raise_if_locked

T = TypeVar("T")
Item = TypeVar("Item")


def cooperative_map(function: Callable[[Item], T], items: Iterable[Item], *,
                    map_function: Callable[[Callable[[Item], T],
                                            list[Item]], Iterable[T]] = map) -> list[T]:
    """Return ``[function(item) for item in items]``, sharing the work with other processes.

    Items that another process is working at are postponed. Once all that are left are being made
    elsewhere, the first of them is waited for, or made here if that process ended without it.

    Parameters
    ----------
    function : callable
        Keeps its result with `cached`, which may call `cached` again for what it needs.
    items : iterable
    map_function : callable
        Maps a function over a list, in order; one that starts processes of its own needs a
        ``function`` that can be pickled.
    """
    items = list(items)
    done: dict[int, T] = {}
    while remaining := [index for index in range(len(items)) if index not in done]:
        results = map_function(partial(call_unless_locked, function),
                               [items[index] for index in remaining])
        made = {index: result for index, result in zip(remaining, results)
                if not isinstance(result, ArtefactLocked)}
        if not made:
            (made[remaining[0]],) = map_function(function, [items[remaining[0]]])
        done |= made
    return [done[index] for index in range(len(items))]


def call_unless_locked(function: Callable[[Item], T], item: Item) -> T | ArtefactLocked:
    """Return ``function(item)``; what was `ArtefactLocked`, where another process is making an
    artefact of it."""
    try:
        with raise_if_locked():
            return function(item)
    except ArtefactLocked as busy:
        return busy
