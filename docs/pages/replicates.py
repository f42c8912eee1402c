"""What replicates: the papers' claims beside what every run of the notebooks found, as data.

The committed files of claims, ``figures/<profile>/<notebook>.json``, are the only source: nothing
here knows a result. `docs.pages.readme` writes the tables for people.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from helpers.core.errors import LabError
from helpers.core.paths import ROOT

VERDICTS = ("supported", "contradicted", "inconclusive", "not testable here")
CLAIM, EXPLORATORY, CHECK = "claim", "exploratory", "sanity check"
"""As in `helpers.figures.verdicts`, which needs SciPy: the site is built without. A test compares
them."""
FIGURES = ROOT / "figures"
PROFILES = ("demo", "mini", "paper")
"""Profiles that have a column, whether they were run or not."""
OURS = re.compile(r"beyond the paper|check of this laboratory|convolution of")
"""Beginning of a claim's source where no paper makes it."""
NOT_CLAIMED = {"–", "not tested", "not reported", "not in the paper", "not shown", "not discussed"}
"""Entries of a claim's field ``paper`` that say that the paper does not make it."""


@dataclass(frozen=True)
class Paper:
    """One of the four papers.

    Attributes
    ----------
    number : int
        As README counts them.
    name, address : str
        Authors and year; where it can be read.
    notebooks : tuple of str
        Numbers of its notebooks.
    """

    number: int
    name: str
    address: str
    notebooks: tuple[str, ...]


PAPERS = (
    Paper(1, "Prince, Alvarez & Konkle 2024", "https://doi.org/10.1126/sciadv.adl1776",
          ("01", "02", "03", "04")),
    Paper(2, "Mulrooney & Brockmeier 2024", "https://arxiv.org/abs/2410.06067",
          ("05", "06", "07", "08", "09")),
    Paper(3, "Efird, Murphy, Zylberberg & Fyshe 2025", "https://arxiv.org/abs/2405.17663",
          ("10", "11", "12")),
    Paper(4, "Lu & Wang 2025", "https://arxiv.org/abs/2502.16456", ("13", "14", "15")),
)


@dataclass(frozen=True)
class ClaimRow:
    """One claim of one notebook, over all profiles.

    Attributes
    ----------
    notebook : str
        Its stem, "01_localize_selective_units".
    paper : int
        Number of the paper whose notebook it is; 0: of none.
    statement, source, paper_value : str
        The claim, where it is made, and the paper's value (as of `helpers.figures.claims.Claim`).
    kind : str
        "claim" or "exploratory".
    of_paper : bool
        Whether the paper makes this claim; False: a control, or a question beyond the paper.
    outcomes : dict, profile -> mapping
        What each run found that has the claim: its entry in the run's file of claims.
    """

    notebook: str
    paper: int
    statement: str
    source: str
    paper_value: str
    kind: str
    of_paper: bool
    outcomes: dict[str, Mapping] = field(default_factory=dict)


Runs = Mapping[str, Mapping[str, Mapping]]
"""Profile -> notebook's stem -> content of its file of claims and numbers."""


def read_runs(folder: Path = FIGURES) -> dict[str, dict]:
    """Read the files of claims of all profiles.

    Raises
    ------
    LabError
        If a file is not JSON, or holds no list of claims.
    """
    runs: dict[str, dict] = {}
    for profile in PROFILES:
        runs[profile] = {}
        for path in sorted((folder / profile).glob("[0-9][0-9]_*.json")):
            try:
                content = json.loads(path.read_text(encoding="utf-8"))
            except ValueError as error:
                content = {"": str(error)}
            if not (isinstance(content, dict) and isinstance(content.get("claims"), list)):
                raise LabError(f"{path} holds no claims",
                               expected="the file that a notebook writes beside its figure",
                               remedy=f"make it anew: python -m helpers.runner --profile {profile} "
                               f"--only {path.stem[:2]} --force")
            runs[profile][path.stem] = content
    return runs


def claim_rows(runs: Runs) -> list[ClaimRow]:
    """Return every claim once, with its outcome in every profile; by notebook, in its order there.

    Claims of different profiles are the same where notebook and statement are. Sanity checks are
    left out.

    Parameters
    ----------
    runs : mapping
        As of `read_runs`.
    """
    rows: dict[tuple[str, str], ClaimRow] = {}
    for profile, found in runs.items():
        for notebook, content in found.items():
            for claim in content["claims"]:
                if claim["kind"] != CHECK:
                    row = rows.setdefault((notebook, claim["statement"]), ClaimRow(
                        notebook, paper_of(notebook), claim["statement"], claim["source"],
                        claim["paper"], claim["kind"], is_of_paper(claim)))
                    row.outcomes.setdefault(profile, claim)
    return sorted(rows.values(), key=lambda row: row.notebook)  # a notebook's own order stays


def paper_of(notebook: str) -> int:
    """Return the number of the paper that a notebook is about; 0: none."""
    return next((paper.number for paper in PAPERS if notebook[:2] in paper.notebooks), 0)


def is_of_paper(claim: Mapping) -> bool:
    """Say whether a paper makes the claim, by the claim's own source and paper's value."""
    return not OURS.match(claim["source"]) and claim["paper"] not in NOT_CLAIMED


def count_verdicts(rows: Iterable[ClaimRow], profile: str, *,
                   kinds: Sequence[str] = (CLAIM,)) -> dict[str, int]:
    """Return how many claims of a profile's run have each verdict; empty if it was not run.

    Exploratory claims, found after looking, are not counted unless they are asked for.
    """
    found = [row.outcomes[profile]["verdict"] for row in rows
             if row.kind in kinds and profile in row.outcomes]
    counts = {verdict: found.count(verdict) for verdict in VERDICTS}
    return counts if any(counts.values()) else {}
