"""Claims table of a notebook: the paper's result, this run's result, and the verdict."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from helpers.core.errors import LabError
from helpers.core.intervals import mean_interval, proportion_interval
from helpers.core.paths import atomic_write, figures_dir
from helpers.core.provenance import Provenance
from helpers.figures import verdicts
from helpers.figures.verdicts import CHECK, CLAIM, CONTRADICTED, SUPPORTED, Expected, Kind

ALL_MUST = "; all must be, which needs no correction"
UNCORRECTED = " (this claim by itself: not corrected for the number of claims)"
NOTHING_TO_COMPARE = "nothing to compare in these data"


def format_p(p: float) -> str:
    """Write a p value: never as zero."""
    return "p unknown" if math.isnan(p) else "p < .001" if p < 0.001 else f"p = {p:.3f}"


def round_numbers(values: Mapping[str, float], digits: int = 4) -> dict[str, float | None]:
    """Round headline numbers; NaN becomes None, integers and infinite values stay."""
    return {name: value if isinstance(value, int) else None if math.isnan(value)
            else round(float(value), digits) for name, value in values.items()}


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
        The paper's value or direction; "not at hand" where neither text nor results were available.
    run : str
        The result of this run, rounded.
    rule : str
        When the claim counts as supported; fixed before looking.
    verdict : str
        One of ``VERDICTS``.
    mean, low, high : float, optional
        The estimate that was judged and its 95 % interval, rounded; None where there is none.
    kind : {"claim", "exploratory", "sanity check"}
        Exploratory: found after looking, among variants that the notebook names. Sanity check: it
        fails only if the data or the code are broken, so that it says nothing about the paper.
    p : float, optional
        The two-sided p value that belongs to the verdict, not corrected for the number of claims;
        None where the claim is not judged by a test or by Student's t interval.
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
    kind: Kind = CLAIM
    p: float | None = None


@dataclass
class ClaimsTable:
    """The claims and headline numbers of one notebook.

    Every method that enters a claim takes the keywords ``source`` and ``paper`` (see `Claim`) and,
    optionally, ``rests_on``: what the verdict depends on where that is a single training (it is
    written beside the rule), ``kind`` (see `Claim`), and ``absent``: why these data cannot test the
    claim, such as a domain that the localizer lacks; "" where they can.

    Attributes
    ----------
    provenance : Provenance
    claims : list of Claim
    numbers : dict, name -> value
        None where a value is not finite.
    unknown : dict, name -> str
        Which entries of ``numbers`` are None, and why: "infinite", "not a number".
    """

    provenance: Provenance
    claims: list[Claim] = field(default_factory=list)
    numbers: dict[str, object] = field(default_factory=dict)
    unknown: dict[str, str] = field(default_factory=dict)

    def verdict(self, beginning: str) -> str:
        """Return the verdict of the claim whose statement begins so, for use in a text."""
        found = [claim.verdict for claim in self.claims if claim.statement.startswith(beginning)]
        if len(found) != 1:
            raise LabError(f"{len(found)} claims begin with {beginning!r}", expected="exactly one",
                           remedy="give enough of the statement's first words")
        return found[0]

    def claim(self, statement: str, *, run: str, rule: str, holds: bool | None,
              **origin: str) -> None:
        """Enter a claim that is decided without an interval: a count, an identity.

        ``holds`` True is supported, False contradicted, None not testable here.
        """
        verdict = (verdicts.UNTESTABLE if holds is None else
                   SUPPORTED if holds else CONTRADICTED)
        self._add(statement, verdict, run, rule, **origin)

    def judge(self, statement: str, mean: float, low: float, high: float, expected: Expected, *,
              of: str, n: str = "", within: float | None = None, df: float = math.nan,
              **origin: str) -> None:
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
        n : str
            What the interval is taken over, for the text of the run.
        within : float, optional
            Equivalence bound of a claim of absence.
        df : float, optional
            Degrees of freedom of a Student's t interval, from which the p value of the claim
            follows (`helpers.figures.verdicts.interval_p`).
        """
        self.intervals(statement, {"": (mean, low, high)}, expected, of=of, n=n, within=within,
                       df=df, **origin)

    def interval(self, statement: str, values: Iterable, expected: Expected, *, of: str,
                 sample: str = "participants", crossed: bool = False,
                 within: float | None = None, **origin: str) -> None:
        """Enter a claim on the mean of some values, judged by its 95 % interval.

        Parameters
        ----------
        statement : str
        values : array or iterable of float, shape (n,) or (n, n_seeds)
            One per participant, region, ...; or a table with one column per training, whose
            interval covers both (`helpers.core.statistics.confidence_interval`). Rows with NaN are
            left out. Fewer than two rows: not testable here.
        expected : {"above 0", "below 0", "around 0"}
            As of `verdict_from_interval`.
        of : str
            What the values are, for the rule.
        sample : str
            What the rows are, for the rule.
        crossed : bool
            Whether the rows have their trainings in common.
        within : float, optional
            Equivalence bound of a claim of absence.
        """
        table = np.array(values if hasattr(values, "__array__") else list(values), float)
        table = table.reshape(len(table), -1 if table.size else 1)
        table = table[np.isfinite(table).all(1)]
        n_seeds = table.shape[1] if table.size else 1
        seeds = f" x {n_seeds} {'shared ' * crossed}trainings" * (n_seeds > 1)
        self.judge(statement, *mean_interval(table, crossed=crossed), expected,
                   of=f"{of}, over {sample}" + " and trainings" * (n_seeds > 1),
                   n=f"n = {len(table)}{seeds}", within=within,
                   df=(min(table.shape) if crossed else len(table)) - 1, **origin)

    def intervals(self, statement: str, estimates: Mapping[str, tuple[float, float, float]],
                  expected: Expected, *, of: str, n: str = "", within: float | None = None,
                  df: float = math.nan, **origin: str) -> None:
        """Enter a claim on several estimates at once, all of which must lie where expected.

        Since all must, their 95 % intervals need no correction for their number.

        Parameters
        ----------
        statement : str
        estimates : dict of str to (mean, low, high)
            By the name of what was estimated; "" where it is the only one. An unknown interval
            leaves the claim not testable, unless another contradicts it.
        expected, of, n, within, df
            As of `judge`. The claim's numbers are those of the estimate that is hardest to support.
        """
        judged = [verdicts.verdict_from_interval(low, high, expected, within)
                  for _, low, high in estimates.values()]
        p = [verdicts.interval_p(*values, df, within or 0.0) for values in estimates.values()]
        finite = {name: values for name, values in estimates.items()
                  if math.isfinite(values[1] + values[2])}
        run = ", ".join(f"{name} {mean:+.3f} [{low:.3f}, {high:.3f}]".strip()
                        for name, (mean, low, high) in finite.items())
        separator, each = (", ", "") if "" in estimates else ("; ", "each ")
        criterion = f"within ±{within:g}" if within else expected

        def support_margin(values: tuple[float, float, float]) -> float:
            _, low, high = values
            return {"above 0": low, "below 0": -high, "around 0": min(low, -high)}[expected]

        self._add(statement, verdicts.combine_verdicts(judged), _describe_run(run, separator, n),
                  f"{of}, {each}95 % interval {criterion}" + ALL_MUST * (len(estimates) > 1),
                  *min(finite.values(), key=support_margin, default=estimates.get("", ())),
                  p=verdicts.combined_p(judged, p), **origin)

    def test(self, statement: str, effect: float, p: float, expected: Expected, *, of: str,
             n: str = "", **origin: str) -> None:
        """Enter a claim judged by a two-sided test, where an effect has no interval.

        Supported if p < .05 and the effect has the claimed sign, contradicted if p < .05 and it
        has the other, inconclusive otherwise; a test cannot support absence. NaN or infinite: not
        testable.
        """
        self.tests(statement, {"": (effect, p)}, expected, of=of, n=n, **origin)

    def tests(self, statement: str, estimates: Mapping[str, tuple[float, float]],
              expected: Expected, *, of: str, n: str = "", **origin: str) -> None:
        """Enter a claim on several effects at once: all must have the claimed sign.

        Parameters
        ----------
        statement : str
        estimates : dict of str to (effect, two-sided p)
            P values corrected for their number.
        expected : {"above 0", "below 0"}
        of, n
            As of `judge`.
        """
        judged = [verdicts.verdict_from_test(effect, p, expected)
                  for effect, p in estimates.values()]
        run = ", ".join(f"{name} {effect:+.3f} ({format_p(p)})".strip()
                        for name, (effect, p) in estimates.items() if math.isfinite(effect + p))
        effects = [effect for effect, _ in estimates.values()]
        p = verdicts.combined_p(judged, [p for _, p in estimates.values()])
        self._add(statement, verdicts.combine_verdicts(judged), _describe_run(run, ", ", n),
                  f"{of}, two-sided p < .05 and {expected}",
                  *(effects if len(effects) == 1 else ()), p=p, **origin)

    def count(self, statement: str, k: int, n: int, expected: Literal["above", "below"],
              bound: float, *, of: str, **origin: str) -> None:
        """Enter a claim on a proportion, k of n, judged by its exact binomial interval.

        Parameters
        ----------
        statement : str
        k, n : int
        expected : {"above", "below"}
            Where the 95 % interval (Clopper-Pearson) lies relative to ``bound``.
        bound : float
            A proportion, such as chance, fixed beforehand.
        of : str
            What is counted, for the rule.
        """
        low, high = proportion_interval(k, n)
        mean = k / n if n else math.nan
        verdict = verdicts.verdict_from_interval(low - bound, high - bound, f"{expected} 0")
        self._add(statement, verdict,
                  f"{k} of {n}, {mean:.0%} [{low:.0%}, {high:.0%}]" if n else NOTHING_TO_COMPARE,
                  f"{of}, exact 95 % interval {expected} {bound:.0%}", mean, low, high, **origin)

    def _add(self, statement: str, verdict: str, run: str, rule: str, *numbers: float,
             source: str, paper: str, rests_on: str = "", kind: Kind = CLAIM, absent: str = "",
             p: float = math.nan) -> None:
        if absent:
            is_empty = run == NOTHING_TO_COMPARE
            run = absent if is_empty else f"{absent}; as far as they go: {run}"
            verdict, numbers, p = verdicts.UNTESTABLE, (), math.nan
        rule += UNCORRECTED * (math.isfinite(p) and kind != CHECK)
        rule += f"; rests on {rests_on}" * bool(rests_on)
        if verdict in (SUPPORTED, CONTRADICTED) and statement in verdicts.machine_dependent(
                self.provenance.profile, self.provenance.notebook):
            verdict = verdicts.INCONCLUSIVE
            rule += "; another machine's rounding may turn it"
        finite = [round(float(value), 4) if math.isfinite(value) else None for value in numbers]
        finite += [None] * (3 - len(finite))
        self.claims.append(Claim(statement, source, paper, run, rule, verdict, *finite, kind,
                                 float(f"{p:.3g}") if math.isfinite(p) else None))

    def number(self, name: str, value: float | int | str | dict) -> None:
        """Enter a headline number under a name by which later runs are compared.

        Values that are not finite are written as null, and the reason under ``unknown``, so that
        a run of hours does not fail at its last line.
        """
        if name in self.numbers:
            raise LabError(f"the number {name!r} was entered twice", expected="one value a name",
                           remedy="rename one of them")
        self.numbers[name] = self._finite_or_none(name, value)

    def _finite_or_none(self, name: str, value: object) -> object:
        if isinstance(value, Mapping):
            return {key: self._finite_or_none(f"{name}/{key}", entry)
                    for key, entry in value.items()}
        if isinstance(value, float | np.floating) and not math.isfinite(value):
            self.unknown[name] = "not a number" if math.isnan(value) else "infinite"
            return None
        return value

    def text(self) -> str:
        """Return the claims as plain lines, with the numbers of this run."""
        return self._listed(lambda claim: (
            f"{claim.statement}\n"
            f"   paper     {claim.paper}  [{claim.source}]\n"
            f"   this run  {claim.run}\n"
            f"   rule      {claim.rule}\n"
            f"   verdict   {claim.verdict.upper()}")) + self._holm()

    def _holm(self) -> str:
        """Say which verdicts a correction for the number of claims would change."""
        claims = [claim for claim in self.claims if claim.kind != CHECK]
        p = [math.nan if claim.p is None else claim.p for claim in claims]
        n = sum(map(math.isfinite, p))
        changed = verdicts.undecided_after_holm([claim.verdict for claim in claims], p)
        numbers = ", ".join(str(place + 1) for place in changed) or "none"
        return (f"\nCorrected by Holm's rule over the {n} claims that have a p value of their own, "
                f"these verdicts would be inconclusive: {numbers}") * (n > 1)

    def verdicts(self) -> str:
        """Return all claims with their verdicts, without numbers: the same on every machine."""
        return self._listed(lambda claim: f"{claim.statement}: {claim.verdict.upper()}")

    def _listed(self, describe: Callable[[Claim], str]) -> str:
        """List the claims, then the sanity checks, each numbered from 1."""
        lists = [[claim for claim in self.claims if (claim.kind == CHECK) == is_check]
                 for is_check in (False, True)]
        claims, checks = ["\n".join(
            f"{index}. {'(exploratory) ' * (claim.kind == verdicts.EXPLORATORY)}{describe(claim)}"
            for index, claim in enumerate(one, 1)) for one in lists]
        return claims + f"\nSanity checks\n{checks}" * bool(checks)

    def save(self) -> Path:
        """Write ``figures/<profile>/<notebook>.json``: provenance, claims, numbers."""
        path = figures_dir(self.provenance.profile) / f"{self.provenance.notebook}.json"
        content = asdict(self)
        if not self.unknown:
            del content["unknown"]
        text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False,
                          default=lambda value: value.item()) + "\n"  # NumPy scalars
        return atomic_write(path, lambda part: part.write_text(text, encoding="utf-8"))


def _describe_run(run: str, separator: str, n: str) -> str:
    return run + f"{separator}{n}" * bool(n) if run else NOTHING_TO_COMPARE
