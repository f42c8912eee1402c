"""The claims table of claims: what the paper says, what this run says, and the verdict."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from helpers.core.errors import LabError
from helpers.core.intervals import mean_interval, proportion_interval
from helpers.core.paths import atomic_write, figures_dir
from helpers.core.provenance import Provenance
from helpers.figures.headline import (  # noqa: F401 (notebooks find it here)
    finite_or_none,
    round_numbers,
    to_builtin,
)
from helpers.figures.verdicts import (  # noqa: F401 (the four words are also found here)
    CONTRADICTED,
    INCONCLUSIVE,
    SUPPORTED,
    UNTESTABLE,
    VERDICTS,
    Expected,
    combine_verdicts,
    machine_dependent,
    verdict_from_interval,
    verdict_from_test,
)

NOTHING_TO_COMPARE = "nothing to compare in these data"


def format_p(p: float) -> str:
    """Write a p value: never as zero."""
    return "p unknown" if math.isnan(p) else "p < .001" if p < 0.001 else f"p = {p:.3f}"


@dataclass(frozen=True)
class Claim:
    """One claim.

    Attributes
    ----------
    statement : str
        What is claimed, one sentence.
    source : str
        Who claims it: a paper and its figure, "inferred", or "beyond the paper".
    paper : str
        The paper's value or direction; "unknown" where the text was not available.
    run : str
        What this run found, rounded.
    rule : str
        When the claim counts as supported; fixed before looking.
    verdict : str
        One of ``VERDICTS``.
    mean, low, high : float, optional
        What was judged and its 95 % interval, rounded; None where there is none.
    """

    statement: str
    source: str
    paper: str
    run: str
    rule: str
    verdict: str
    mean: float | None = None
    low: float | None = None
    high: float | None = None


@dataclass
class ClaimsTable:
    """The claims and headline numbers of one notebook.

    Attributes
    ----------
    provenance : Provenance
    claims : list of Claim
    numbers : dict, name -> value
        None where a value is not finite.
    unknown : dict, name -> str
        Which entries of ``numbers`` are None, and what they were: "infinite", "not a number".
    """

    provenance: Provenance
    claims: list[Claim] = field(default_factory=list)
    numbers: dict[str, object] = field(default_factory=dict)
    unknown: dict[str, str] = field(default_factory=dict)

    def claim(self, statement: str, *, source: str, paper: str, run: str, rule: str,
              holds: bool | None, rests_on: str = "") -> None:
        """Enter a claim that is decided without an interval: a count, an identity.

        ``holds`` True is supported, False contradicted, None not testable here. ``rests_on`` says
        what the verdict rests on where that is one training: it is shown beside the rule.
        """
        verdict = UNTESTABLE if holds is None else SUPPORTED if holds else CONTRADICTED
        self._add_claim(statement, source, paper, run, rule, verdict, rests_on)

    def judge(self, statement: str, mean: float, low: float, high: float, expected: Expected, *,
              of: str, source: str, paper: str, n: str = "", within: float | None = None,
              rests_on: str = "") -> None:
        """Enter a claim judged by a 95 % interval that was computed elsewhere.

        Parameters
        ----------
        statement : str
        mean, low, high : float
            The estimate and its interval; NaN: not testable here.
        expected : {"above 0", "below 0", "around 0"}
            As of `verdict_from_interval`.
        of : str
            What was estimated and over what, for the rule.
        source, paper : str
            As of `claim`.
        n : str
            What the interval is taken over, for the text of the run.
        within : float, optional
            Equivalence bound of a claim of absence.
        rests_on : str
            As of `claim`.
        """
        verdict = verdict_from_interval(low, high, expected, within)
        run = (f"{mean:+.3f} [{low:.3f}, {high:.3f}]" + f", {n}" * bool(n)
               if verdict != UNTESTABLE else NOTHING_TO_COMPARE)
        criterion = f"within ±{within:g}" if within else expected
        self._add_claim(statement, source, paper, run, f"{of}, 95 % interval {criterion}", verdict,
                        rests_on, mean, low, high)

    def interval(self, statement: str, values: Iterable, expected: Expected, *, of: str,
                 source: str, paper: str, sample: str = "participants",
                 within: float | None = None, rests_on: str = "", crossed: bool = False) -> None:
        """Enter a claim on the mean of some values, judged by its 95 % interval.

        Parameters
        ----------
        statement : str
        values : array or iterable of float, shape (n,) or (n, n_seeds)
            One a participant, region, ...; or a table with one column a training, whose interval
            covers both (`helpers.core.statistics.confidence_interval`). Rows with NaN are left out.
            Fewer than two rows: not testable here.
        expected : {"above 0", "below 0", "around 0"}
            As of `verdict_from_interval`.
        of : str
            What the values are, for the rule.
        source, paper : str
            As of `claim`.
        sample : str
            What the rows are, for the rule.
        within : float, optional
            Equivalence bound of a claim of absence.
        rests_on : str
            As of `claim`.
        crossed : bool
            Whether the rows have their trainings in common.
        """
        table = np.array(values if hasattr(values, "__array__") else list(values), float)
        table = table.reshape(len(table), -1 if table.size else 1)
        table = table[np.isfinite(table).all(1)]
        n_seeds = table.shape[1] if table.size else 1
        seeds = f" x {n_seeds} {'shared ' * crossed}trainings" * (n_seeds > 1)
        self.judge(statement, *mean_interval(table, crossed=crossed), expected,
                   of=f"{of}, over {sample}" + " and trainings" * (n_seeds > 1),
                   source=source, paper=paper, n=f"n = {len(table)}{seeds}", within=within,
                   rests_on=rests_on)

    def intervals(self, statement: str, estimates: Mapping[str, tuple[float, float, float]],
                  expected: Expected, *, of: str, source: str, paper: str, n: str = "",
                  within: float | None = None, rests_on: str = "") -> None:
        """Enter a claim on several estimates at once, all of which must lie where expected.

        Since all must, their 95 % intervals need no correction for their number.

        Parameters
        ----------
        statement : str
        estimates : dict of str to (mean, low, high)
            An unknown interval leaves the claim not testable, unless another contradicts it.
        expected, of, source, paper, n, within, rests_on
            As of `judge`. The claim's numbers are those of the part that is hardest to support.
        """
        part_verdicts = [verdict_from_interval(low, high, expected,
                                               within) for _, low, high in estimates.values()]
        run = ", ".join(f"{name} {mean:+.3f} [{low:.3f}, {high:.3f}]" for name, (mean, low, high)
                        in estimates.items() if math.isfinite(low + high))
        support_margin = {"above 0": lambda part: part[1], "below 0": lambda part: -part[2],
                          "around 0": lambda part: -max(-part[1], part[2])}[expected]
        finite = [part for part in estimates.values() if math.isfinite(part[1] + part[2])]
        criterion = f"within ±{within:g}" if within else expected
        self._add_claim(statement, source, paper,
                        run + f"; {n}" * bool(n) if run else NOTHING_TO_COMPARE,
                        f"{of}, each 95 % interval {criterion}", combine_verdicts(part_verdicts),
                        rests_on,
                        *(min(finite, key=support_margin) if finite else ()))

    def test(self, statement: str, effect: float, p: float, expected: Expected, *, of: str,
             source: str, paper: str, n: str = "", rests_on: str = "") -> None:
        """Enter a claim judged by a two-sided test, where an effect has no interval.

        Supported if p < .05 and the effect has the claimed sign, contradicted if p < .05 and it
        has the other, inconclusive otherwise; a test cannot support absence. NaN or infinite: not
        testable.
        """
        self.tests(statement, {"": (effect, p)}, expected, of=of, source=source, paper=paper, n=n,
                   rests_on=rests_on)

    def tests(self, statement: str, estimates: Mapping[str, tuple[float, float]],
              expected: Expected, *,
              of: str, source: str, paper: str, n: str = "", rests_on: str = "") -> None:
        """Enter a claim on several effects at once: all must have the claimed sign.

        Parameters
        ----------
        statement : str
        estimates : dict of str to (effect, two-sided p)
            P values corrected for their number.
        expected : {"above 0", "below 0"}
        of, source, paper, n, rests_on
            As of `judge`.
        """
        part_verdicts = [verdict_from_test(effect, p, expected) for effect, p in estimates.values()]
        run = ", ".join(f"{name} {effect:+.3f} ({format_p(p)})".strip()
                        for name, (effect, p) in estimates.items() if math.isfinite(effect + p))
        self._add_claim(statement, source, paper,
                        run + f", {n}" * bool(n) if run else NOTHING_TO_COMPARE,
                        f"{of}, two-sided p < .05 and {expected}", combine_verdicts(part_verdicts),
                        rests_on,
                        *([next(iter(estimates.values()))[0]] if len(estimates) == 1 else []))

    def count(self, statement: str, k: int, n: int, expected: Literal["above", "below"],
              bound: float, *, of: str, source: str, paper: str, rests_on: str = "") -> None:
        """Enter a claim on a proportion, k of n, judged by its exact binomial interval.

        Parameters
        ----------
        statement : str
        k, n : int
        expected : {"above", "below"}
            Where the 95 % interval (Clopper-Pearson) lies of ``bound``.
        bound : float
            A proportion, such as chance, fixed beforehand.
        of : str
            What is counted, for the rule.
        source, paper, rests_on : str
            As of `claim`.
        """
        low, high = proportion_interval(k, n)
        verdict = verdict_from_interval(low - bound, high - bound, f"{expected} 0")
        mean = k / n if n else math.nan
        run = (NOTHING_TO_COMPARE if verdict == UNTESTABLE
               else f"{k} of {n}, {mean:.0%} [{low:.0%}, {high:.0%}]")
        self._add_claim(statement, source, paper, run,
                        f"{of}, exact 95 % interval {expected} {bound:.0%}", verdict, rests_on,
                        mean, low, high)

    def _add_claim(self, statement: str, source: str, paper: str, run: str, rule: str, verdict: str,
                   rests_on: str, *numbers: float) -> None:
        rule_text = rule + f"; rests on {rests_on}" * bool(rests_on)
        if verdict in (SUPPORTED, CONTRADICTED) and statement in machine_dependent(
                self.provenance.profile, self.provenance.notebook):
            verdict = INCONCLUSIVE
            rule_text = f"{rule_text}; another machine's rounding may turn it"
        finite = [round(float(value), 4) if math.isfinite(value) else None for value in numbers]
        self.claims.append(Claim(statement, source, paper, run, rule_text, verdict, *finite))

    def number(self, name: str, value: float | int | str | dict) -> None:
        """Enter a headline number under a name that later runs can be compared by.

        What is not finite is written as null, and what it was under ``unknown``, so that a run
        of hours does not end at its last line.
        """
        if name in self.numbers:
            raise LabError(f"the number {name!r} was entered twice", expected="one value a name",
                           remedy="rename one of them")
        self.numbers[name] = finite_or_none(name, value, self.unknown)

    def text(self) -> str:
        """Return the claims as plain lines, with the numbers of this run."""
        lines = []
        for index, claim in enumerate(self.claims, 1):
            lines += [f"{index}. {claim.statement}",
                      f"   paper     {claim.paper}  [{claim.source}]",
                      f"   this run  {claim.run}",
                      f"   rule      {claim.rule}",
                      f"   verdict   {claim.verdict.upper()}"]
        return "\n".join(lines)

    def verdicts(self) -> str:
        """Return all claims with their verdicts, and no numbers: what every machine agrees on."""
        return "\n".join(f"{index}. {claim.statement}: {claim.verdict.upper()}"
                         for index, claim in enumerate(self.claims, 1))

    def save(self) -> Path:
        """Write ``figures/<profile>/<notebook>.json``: provenance, claims, numbers."""
        path = figures_dir(self.provenance.profile) / f"{self.provenance.notebook}.json"
        content = {"provenance": asdict(self.provenance),
                   "claims": [asdict(claim) for claim in self.claims], "numbers": self.numbers}
        content |= {"unknown": self.unknown} if self.unknown else {}
        text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False,
                          default=to_builtin) + "\n"
        return atomic_write(path, lambda part: part.write_text(text, encoding="utf-8"))
