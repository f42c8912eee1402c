"""Numbers of two runs compared, each within a tolerance that was measured.

A notebook's file of claims and headline numbers is flattened to one value a name. Tolerances lie
beside the committed files, in ``figures/<profile>/tolerances.json``: notebook, number, entry.
They are how far a value moved over emulated machines and training seeds, and never less than one
unit in the last printed digit.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

Value = float | int | str | None
DIGITS = 4
"""Headline numbers and intervals are rounded to as many digits (`helpers.figures.claims`)."""


def flatten_numbers(content: Mapping[str, object]) -> dict[str, Value]:
    """Return one value a name: ``number/entry``, ``claims/<n>/mean``, ``low``, ``high``, verdict.

    Parameters
    ----------
    content : mapping
        What a notebook's ``figures/<profile>/<notebook>.json`` holds.
    """
    claims = {str(index): {part: claim[part] for part in ("verdict", "mean", "low", "high")
                           if claim.get(part) is not None}
              for index, claim in enumerate(content.get("claims", ()), 1)}
    return _flatten({**content.get("numbers", {}), "claims": claims})


def _flatten(values: Mapping[str, object], prefix: str = "") -> dict[str, Value]:
    flat: dict[str, Value] = {}
    for name, value in values.items():
        flat |= (_flatten(value, f"{prefix}{name}/") if isinstance(value, Mapping)
                 else {f"{prefix}{name}": value})
    return flat


def rounding_unit(value: Value) -> float:
    """Return one unit in the last printed digit of a number: the least tolerance."""
    return 1.0 if isinstance(value, int) else 10.0**-DIGITS


def compare_numbers(committed: Mapping[str, object], reproduced: Mapping[str, object],
                    tolerances: Mapping[str, object]) -> list[str]:
    """Say which values of a run differ from the committed ones by more than their tolerance.

    Parameters
    ----------
    committed, reproduced : mapping
        Files of claims and numbers of one notebook, as of `flatten_numbers`.
    tolerances : mapping
        This notebook's table of ``tolerances.json``: number, entry, tolerance. What it does not
        name may differ by one unit in the last digit; words and missing values may not differ.

    Returns
    -------
    list of str
        One line a difference; empty if the run agrees.
    """
    before, after = flatten_numbers(committed), flatten_numbers(reproduced)
    allowed = _flatten(tolerances)
    lines = [f"{name}: {'not in this run' if name in before else 'not committed'}"
             for name in sorted(before.keys() ^ after.keys())]
    for name in (name for name in before if name in after):
        old, new = before[name], after[name]
        if isinstance(old, int | float) and isinstance(new, int | float):
            tolerance = max(allowed.get(name, 0.0), rounding_unit(old))
            if not math.isclose(old, new, rel_tol=1e-9, abs_tol=tolerance):
                lines.append(f"{name}: {old:g} became {new:g}, tolerance {tolerance:g}")
        elif old != new:
            lines.append(f"{name}: {old} became {new}")
    return lines
