"""The ledger of claims: what the paper says, what this run says, whether it holds."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from helpers.ground.errors import LabError
from helpers.ground.paths import atomic_write, figures_dir
from helpers.ground.provenance import Provenance
from helpers.ground.stats import interval

HOLDS, FAILS, OPEN = "holds", "does not hold", "cannot be told here"
VERDICTS = (HOLDS, FAILS, OPEN)
Expected = Literal["above 0", "below 0", "around 0"]


def p_text(p: float) -> str:
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
        When the claim counts as holding; fixed before looking.
    verdict : str
        One of ``VERDICTS``.
    """

    statement: str
    source: str
    paper: str
    run: str
    rule: str
    verdict: str


@dataclass
class Ledger:
    """The claims and headline numbers of one notebook."""

    provenance: Provenance
    claims: list[Claim] = field(default_factory=list)
    numbers: dict[str, object] = field(default_factory=dict)

    def claim(self, statement: str, *, source: str, paper: str, run: str, rule: str,
              holds: bool | None) -> None:
        """Enter a claim; ``holds=None`` means that these data cannot tell."""
        verdict = OPEN if holds is None else HOLDS if holds else FAILS
        self.claims.append(Claim(statement, source, paper, run, rule, verdict))

    def interval(self, statement: str, values: Iterable[float], expected: Expected, *, of: str,
                 source: str, paper: str, sample: str = "participants") -> None:
        """Enter a claim on the mean of some values, judged by its 95 % interval (t).

        Parameters
        ----------
        statement : str
        values : iterable of float
            One a participant, region, ...; NaN is left out. Fewer than two cannot tell.
        expected : {"above 0", "below 0", "around 0"}
            Where the interval lies if the claim holds; "around 0": it holds 0.
        of : str
            What the values are, for the rule.
        source, paper : str
            As of `claim`.
        sample : str
            What the values are taken over, for the rule.
        """
        known = np.array(list(values), float)
        known = known[np.isfinite(known)]
        low, high = interval(known)
        lies = {"above 0": low > 0, "below 0": high < 0, "around 0": low <= 0 <= high}[expected]
        self.claim(statement, source=source, paper=paper,
                   run=f"{known.mean():+.3f} [{low:.3f}, {high:.3f}], n = {len(known)}"
                       if len(known) else "nothing to compare in these data",
                   rule=f"{of}, 95 % interval over {sample} {expected}",
                   holds=bool(lies) if np.isfinite(low) else None)

    def number(self, name: str, value: float | int | str | dict) -> None:
        """Enter a headline number under a name that later runs can be compared by."""
        if name in self.numbers:
            raise LabError(f"the number {name!r} was entered twice", expected="one value a name",
                           remedy="rename one of them")
        self.numbers[name] = value

    def text(self) -> str:
        """Return the claims as plain lines: stable text, which the tests of a notebook compare."""
        lines = []
        for index, claim in enumerate(self.claims, 1):
            lines += [f"{index}. {claim.statement}",
                      f"   paper     {claim.paper}  [{claim.source}]",
                      f"   this run  {claim.run}",
                      f"   rule      {claim.rule}",
                      f"   verdict   {claim.verdict.upper()}"]
        return "\n".join(lines)

    def verdicts(self, *, but: Sequence[str] = ()) -> str:
        """Return claims and verdicts alone: for notebooks that train, whose numbers differ a
        little from one kind of processor to another.

        Parameters
        ----------
        but : sequence of str
            Claims whose statement holds one of these words are left out: their verdicts are so
            near that another processor's rounding may turn them.
        """
        return "\n".join(f"{index}. {claim.statement}: {claim.verdict.upper()}"
                         for index, claim in enumerate(self.claims, 1)
                         if not any(words in claim.statement for words in but))

    def save(self) -> Path:
        """Write ``figures/<profile>/<notebook>.json``: provenance, claims, numbers."""
        path = figures_dir(self.provenance.profile) / f"{self.provenance.notebook}.json"
        content = {"provenance": asdict(self.provenance),
                   "claims": [asdict(claim) for claim in self.claims], "numbers": self.numbers}
        text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False,
                          default=_plain) + "\n"
        return atomic_write(path, lambda part: part.write_text(text, encoding="utf-8"))


def _plain(value: object) -> object:
    """Let JSON take NumPy scalars, and floats at the precision that other machines share."""
    if hasattr(value, "item"):
        return value.item()
    raise TypeError(f"{type(value).__name__} cannot be written to JSON")


def rounded(values: dict[str, float], digits: int = 4) -> dict[str, float | None]:
    """Round a table of headline numbers for the ledger; what could not be computed is None."""
    return {name: value if isinstance(value, int) else None if math.isnan(value)
            else round(float(value), digits) for name, value in values.items()}
