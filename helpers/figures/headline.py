"""Headline numbers on their way into a file of claims: rounded, plain, and finite or explained."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np


def round_numbers(values: dict[str, float], digits: int = 4) -> dict[str, float | None]:
    """Round headline numbers for the table of claims; what could not be computed is None.

    Infinite values stay: they are written as null, with the reason.
    """
    return {name: value if isinstance(value, int) else None if math.isnan(value)
            else round(float(value), digits) for name, value in values.items()}


def finite_or_none(name: str, value: object, unknown: dict[str, str]) -> object:
    """Return a value, or a table of them, with None for what is not finite.

    What each was is entered in ``unknown``: name (of an entry: ``name/entry``) -> "infinite" or
    "not a number".
    """
    if isinstance(value, Mapping):
        return {key: finite_or_none(f"{name}/{key}", one, unknown) for key, one in value.items()}
    if isinstance(value, float | np.floating) and not math.isfinite(value):
        unknown[name] = "not a number" if math.isnan(value) else "infinite"
        return None
    return value


def to_builtin(value: object) -> object:
    """Let JSON take NumPy scalars."""
    if hasattr(value, "item"):
        return value.item()
    raise TypeError(f"{type(value).__name__} cannot be written to JSON")
