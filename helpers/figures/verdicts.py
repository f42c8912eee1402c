"""Verdicts on claims, from intervals and tests.

A verdict is *supported*, *contradicted*, *inconclusive* or *not testable here*, and comes from a
95 % interval wherever there is one: an interval on the claimed side supports, an interval wholly
on the other side contradicts, anything else is inconclusive. Absence ("around 0") is supported
only by an interval within an equivalence bound that was fixed beforehand.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from typing import Literal, get_args

from scipy import special

from helpers.core.errors import LabError
from helpers.core.paths import PACKAGE
from helpers.core.statistics import correct_p_values

SUPPORTED, CONTRADICTED, INCONCLUSIVE = "supported", "contradicted", "inconclusive"
UNTESTABLE = "not testable here"
VERDICTS = (SUPPORTED, CONTRADICTED, INCONCLUSIVE, UNTESTABLE)
ALPHA = 0.05
CLAIM, EXPLORATORY, CHECK = "claim", "exploratory", "sanity check"
Kind = Literal["claim", "exploratory", "sanity check"]
Expected = Literal["above 0", "below 0", "around 0"]
MACHINE_DEPENDENT = PACKAGE / "profiles" / "machine_dependent.json"
"""Profile -> notebook -> claims that are inconclusive: their verdict depends on the machine."""


def machine_dependent(profile: str, notebook: str) -> list[str]:
    """Return the claims recorded by benchmarks/machines.py as dependent on the machine."""
    recorded = json.loads(MACHINE_DEPENDENT.read_text(encoding="utf-8"))
    return recorded.get(profile, {}).get(notebook, [])


def verdict_from_interval(low: float, high: float, expected: Expected,
                          within: float | None = None) -> str:
    """Judge a claim by a 95 % interval.

    Parameters
    ----------
    low, high : float
        The interval; NaN: not testable here. One without width comes from values that are all
        alike, few or discrete (no hit among 57 images): it does not show how they vary.
    expected : {"above 0", "below 0", "around 0"}
    within : float, optional
        Equivalence bound, larger than 0: needed by "around 0", and only by it.

    Returns
    -------
    str
        One of ``VERDICTS``.

    Raises
    ------
    LabError
        If a claim of absence has no bound, or another claim has one.
    """
    has_bound = within is not None and 0 < within < math.inf
    if expected not in get_args(Expected) or has_bound != (expected == "around 0"):
        raise LabError(f"a mean expected {expected!r} within {within}",
                       expected="above 0, below 0 or around 0; and for 'around 0', and for it "
                       "alone, an equivalence bound above 0",
                       remedy="fix within= before looking, from the scale of what is measured")
    if not (math.isfinite(low) and math.isfinite(high)):
        return UNTESTABLE
    if low == high:
        return INCONCLUSIVE
    if expected == "around 0":
        return (SUPPORTED if -within < low and high < within
                else CONTRADICTED if low > within or high < -within else INCONCLUSIVE)
    if expected == "below 0":
        low, high = -high, -low
    return SUPPORTED if low > 0 else CONTRADICTED if high < 0 else INCONCLUSIVE


def verdict_from_test(effect: float, p: float, expected: Expected) -> str:
    """Judge a claim on the sign of an effect by a two-sided test; NaN or infinite: not testable.

    An effect of exactly 0 lies on neither side, whatever its p value: inconclusive.

    Raises
    ------
    LabError
        If absence is claimed: a test cannot support it.
    """
    if expected not in ("above 0", "below 0"):
        raise LabError(f"a test of an effect {expected}", expected="above 0 or below 0",
                       remedy="absence needs an interval and an equivalence bound")
    if not math.isfinite(effect + p):
        return UNTESTABLE
    if p >= ALPHA or effect == 0:
        return INCONCLUSIVE
    return SUPPORTED if (effect > 0) == (expected == "above 0") else CONTRADICTED


def interval_p(mean: float, low: float, high: float, df: float, within: float = 0.0) -> float:
    r"""Return the two-sided p value that belongs to Student's t interval of a mean.

    It is the :math:`\alpha` at which the edge of the :math:`1 - \alpha` interval reaches the bound
    of the claim, so that the 95 % interval decides a claim exactly where p < .05:

    .. math:: p = 2\, T_{df}(-q\, d / h), \qquad d = |\, |mean| - within\, |

    with h half the width of the 95 % interval and q the 97.5 % quantile of t.

    Parameters
    ----------
    mean, low, high : float
        A mean and its 95 % interval, which lies symmetrically about it.
    df : float
        Degrees of freedom. Where trainings are shared (crossed random effects), one less than the
        smaller number of participants and trainings: never more than the interval's own, so that a
        p value below .05 is not too small.
    within : float
        Equivalence bound of a claim of absence; 0: the claim is on the sign.

    Returns
    -------
    float
        NaN where the interval or the degrees of freedom are unknown; 1 for an interval without
        width, which decides nothing (`verdict_from_interval`).
    """
    distance, half_width = abs(abs(mean) - within), (high - low) / 2
    if not math.isfinite(distance + half_width + df) or df < 1:
        return math.nan
    if half_width == 0:
        return 1.0
    quantile = float(special.stdtrit(df, 1 - ALPHA / 2))
    return 2 * float(special.stdtr(df, -quantile * distance / half_width))


def undecided_after_holm(verdicts: Sequence[str], p: Sequence[float]) -> list[int]:
    """Return the places of verdicts that Holm's correction over all p values leaves undecided.

    Parameters
    ----------
    verdicts : sequence of str
    p : sequence of float
        Two-sided; NaN: not in the family.
    """
    return [place for place, (verdict, corrected) in enumerate(zip(verdicts, correct_p_values(p)))
            if verdict in (SUPPORTED, CONTRADICTED) and corrected >= ALPHA]


def combine_verdicts(verdicts: Iterable[str]) -> str:
    """Combine the verdicts on several estimates, all of which a claim needs.

    One contradicted estimate contradicts the claim; otherwise one that is not testable here leaves
    it not testable, an inconclusive one leaves it inconclusive.
    """
    order = (CONTRADICTED, UNTESTABLE, INCONCLUSIVE, SUPPORTED)
    return min(verdicts, key=order.index, default=UNTESTABLE)


def combined_p(verdicts: Sequence[str], p: Sequence[float]) -> float:
    """Return the p value of a verdict on several estimates, all of which a claim needs.

    The largest one (intersection-union test); where estimates contradict the claim, one of which
    decides it (`combine_verdicts`), the smallest of theirs. NaN where it is not testable here.
    """
    verdict = combine_verdicts(verdicts)
    if verdict == UNTESTABLE:
        return math.nan
    return min(one for each, one in zip(verdicts, p) if each == CONTRADICTED) if (
        verdict == CONTRADICTED) else max(p)
