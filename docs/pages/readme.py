"""Generated parts of ``README.md``, ``docs/replicates.md`` and the strip of figures.

    python -m docs.pages      write all of them anew, from the committed runs

Parts lie between two comments, as in ``REPRODUCING.md`` (`docs.pages.reproducing`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from docs.pages.replicates import (
    CLAIM,
    EXPLORATORY,
    PAPERS,
    ClaimRow,
    Runs,
    claim_rows,
    count_verdicts,
)
from helpers.core.errors import LabError
from helpers.core.paths import ROOT
from helpers.figures.deviations import markdown_table

README, PAGE = ROOT / "README.md", ROOT / "docs" / "replicates.md"
EXPECTED, REPLICATES, COUNTS, ALL_CLAIMS = ("expected numbers", "what replicates", "counts",
                                            "all claims")
HEADLINES = (
    ("01", "A network trained by contrast, without labels, has units selective"),
    ("02", "A lesion impairs the classes of its own domain more"),
    ("03", "Pre-identified units predict their region, in both"),
    ("04", "Categories are more separable in deeper layers"),
    ("05", "Contrastive fine-tuning makes early regions more predictable"),
    ("05", "Contrastive fine-tuning does better than regression (as published"),
    ("06", "Networks fine-tuned to others help, too (all regions)"),
    ("07", "Images and responses share information"),
    ("08", "Fine-tuning to a brain region forgets"),
    ("09", "Networks look at the contralateral half (Grad-CAM"),
    ("10", "A contrastive decoder finds the image more often than ridge"),
    ("10", "Every participant's images are found above chance"),
    ("11", "A shared concept lies in the regions of faces"),
    ("13", "More units are selective: captions minus labels"),
    ("13", "More units are selective: captions minus object labels"),
    ("13", "Units are less strongly tuned with language"),
    ("14", "Selective units lie more evenly over feature maps: entropy over maps, captions"),
    ("15", "Stages stay below the similarity of one participant to the others"),
)
"""What each paper says above all, by notebook and the beginning of the claim. Chosen from the
papers' abstracts and main figures; README links to all the others."""
SHORT = 100
"""Characters of a run's result that README shows whole."""


def profile_names(runs: Runs) -> dict[str, str]:
    """Return the heading of each profile's column."""
    kinds = {profile: {content["provenance"]["data_kind"] for content in found.values()}
             for profile, found in runs.items()}
    return {profile: f"{profile} ({'/'.join(sorted(kind)) or 'not run here'})"
            for profile, kind in kinds.items()}


def headline_part(rows: Sequence[ClaimRow], runs: Runs) -> str:
    """Return README's table: the headline claims, one row each, with every profile's outcome.

    Raises
    ------
    LabError
        If no claim begins as one of `HEADLINES` says.
    """
    names = profile_names(runs)
    table = []
    for number, beginning in HEADLINES:
        found = [row for row in rows
                 if row.notebook[:2] == number and row.statement.startswith(beginning)]
        if not found:
            raise LabError(f"no claim of notebook {number} begins with {beginning!r}",
                           expected="one claim of a committed run",
                           remedy="correct HEADLINES in docs/pages/readme.py")
        table.append((f"[{number}](notebooks/{found[0].notebook}.ipynb)",
                      f"{_statement(found[0])} · *{found[0].paper_value}*",
                      *(_cell(_first_outcome(found, profile), short=True) for profile in names)))
    return markdown_table(("", "claim · *the paper's value*", *names.values()), table)


def _statement(row: ClaimRow) -> str:
    return row.statement + " *(exploratory)*" * (row.kind == EXPLORATORY)


def _first_outcome(rows: Sequence[ClaimRow], profile: str) -> Mapping | None:
    """Return the first outcome that there is: a profile may name another layer."""
    return next((row.outcomes[profile] for row in rows if profile in row.outcomes), None)


def _cell(claim: Mapping | None, *, short: bool = False) -> str:
    if claim is None:
        return "–"
    found = brief(claim) if short else claim["run"]
    return f"**{claim['verdict']}**{': ' if found else ''}{found}"


def brief(claim: Mapping) -> str:
    """Return a run's result in at most about `SHORT` characters.

    Of several intervals, all of which must lie on the claimed side, the one that decides is shown.
    """
    run, mean = claim["run"], claim.get("mean")
    n_intervals = run.count("[")
    if n_intervals > 1 and mean is not None:
        return f"weakest of {n_intervals}: {mean:+.3f} [{claim['low']:.3f}, {claim['high']:.3f}]"
    return run if len(run) <= SHORT else run[:SHORT].rpartition(", ")[0] + ", …"


def counts_part(rows: Sequence[ClaimRow], runs: Runs) -> str:
    """Return README's second table: how many claims of each paper have which verdict."""
    names = profile_names(runs)
    groups = {f"[{paper.name}]({paper.address})": [
        row for row in rows if row.of_paper and row.paper == paper.number] for paper in PAPERS}
    groups["beyond the papers: controls, known truth"] = [row for row in rows if not row.of_paper]
    return markdown_table(("claims of", *names.values()), (
        (name, *(_counted(found, profile, " · ") or "–" for profile in names))
        for name, found in groups.items()))


def _counted(rows: Iterable[ClaimRow], profile: str, separator: str = ", ",
             kinds: Sequence[str] = (CLAIM,)) -> str:
    counts = count_verdicts(rows, profile, kinds=kinds)
    return separator.join(f"{n} {verdict}" for verdict, n in counts.items() if n)


def expected_part(rows: Sequence[ClaimRow], runs: Runs) -> str:
    """Return what a first run should show: numbers of figure 01, verdicts of all notebooks."""
    stem = next(stem for stem in runs["demo"] if stem.startswith("01"))
    numbers = runs["demo"][stem]["numbers"]
    layers = numbers["selective proportion, five domains, by layer"]
    trained, untrained = (values["proportion, four core domains"]
                          for name, values in numbers.items() if name.startswith("fc6, "))
    first = [row for row in rows if row.notebook == stem]
    # as in the closing table of a run: exploratory claims, too
    own, all_of_them = (_counted(found, "demo", kinds=(CLAIM, EXPLORATORY))
                        for found in (first, rows))
    proportions = ", ".join(f"{value:.1%} of {layer}" for layer, value in layers.items())
    return (f"**Numbers to expect.** Figure 01: units selective for one of five domains are "
            f"{proportions}; for one of the four core domains {trained:.1%} of fc6's units, and "
            f"{untrained:.1%} without training. Its claims: {own}. "
            f"All {len(runs['demo'])} notebooks: {all_of_them}. Verdicts should be the same on "
            "every machine, and numbers agree to tolerances ([what was measured]"
            "(docs/same_verdicts.md)).")


def all_claims_part(rows: Sequence[ClaimRow], runs: Runs) -> str:
    """Return the page of all claims: a section for each paper, a table for each notebook."""
    titles = {paper.number: f"{paper.number} · [{paper.name}]({paper.address})"
              for paper in PAPERS} | {0: "Of no paper"}
    lines = []
    for number, title in titles.items():
        found = [row for row in rows if row.paper == number]
        lines += [f"## {title}"] * bool(found)
        lines += [_notebook_table(stem, [row for row in found if row.notebook == stem], runs)
                  for stem in dict.fromkeys(row.notebook for row in found)]
    return "\n\n".join(lines)


def _notebook_table(stem: str, rows: Iterable[ClaimRow], runs: Runs) -> str:
    names = profile_names({profile: {stem: found[stem]} if stem in found else {}
                           for profile, found in runs.items()})
    cells = ((_statement(row),
              f"{row.paper_value} ({row.source})",
              *(_cell(row.outcomes.get(profile)) for profile in names))
             for row in rows)
    table = markdown_table(("claim", "the paper's value (source)", *names.values()), cells)
    return f"### [{stem}](../notebooks/{stem}.ipynb)\n\n{table}"


def generated_parts(runs: Runs) -> dict[tuple[Path, str], str]:
    """Return every generated part: document and name -> text."""
    rows = claim_rows(runs)
    return {(README, EXPECTED): expected_part(rows, runs),
            (README, REPLICATES): headline_part(rows, runs),
            (README, COUNTS): counts_part(rows, runs),
            (PAGE, ALL_CLAIMS): all_claims_part(rows, runs)}
