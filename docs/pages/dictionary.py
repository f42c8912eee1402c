"""The data dictionary: what every column of the CSV files beside the figures means.

``python -m docs.pages`` writes ``docs/data_dictionary.md`` from
``columns.toml`` and the headers of the files.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable
from pathlib import Path

from helpers.config.validation import read_toml
from helpers.core.console import echo
from helpers.core.errors import LabError
from helpers.core.paths import ROOT, atomic_write_text
from helpers.figures.deviations import markdown_table

COLUMNS = Path(__file__).with_name("columns.toml")
DOCUMENT = ROOT / "docs/data_dictionary.md"
COMMON = "all"
FILE = re.compile(r"(?P<number>\d\d)_[a-z_]+-(?P<panel>.+)")
INTRODUCTION = """\
# Data dictionary

Beside each figure of `figures/<profile>/` lie one CSV file per panel, `NN_verb_object-<panel>.csv`,
and one JSON file of claims and numbers. The CSV files are UTF-8 with a header, one observation a
row, numbers with four significant digits, an empty cell where there is no value. This page is made
from [columns.toml](pages/columns.toml) and the files of the demo
(`python -m docs.pages`).
"""
EXCEPTIONS = """\
Where a column means something else, or stands in one file alone, its meaning is given here.
"""
JSON_KEYS = (
    ("`provenance`", "notebook, profile, data_kind (REAL or SYNTHETIC), seed, device, digest of "
     "the code, digests of what was opened, machine"),
    ("`claims`", "a list: statement, source (section or figure of the paper), paper (its value), "
     "run (this run's value), rule (fixed beforehand), verdict, kind (claim, exploratory, sanity "
     "check), mean, low, high (estimate and 95 % interval, null where there is none), p"),
    ("`numbers`", "name → number, or name → (group → number): what the notebook's text states"))


def meanings(stem: str) -> dict[str, str]:
    """Return column -> meaning of one file: the common words, with what differs in this file.

    Parameters
    ----------
    stem : str
        Name of the file without its suffix, such as ``01_localize_selective_units-A``.
    """
    tables, found = read_toml(COLUMNS), FILE.fullmatch(stem)
    own = tables.get(f"{found['number']}.{found['panel']}", {}) if found else {}
    return {**tables[COMMON], **own}


def header(path: Path) -> list[str]:
    """Return the names of a CSV file's columns."""
    with path.open(encoding="utf-8", newline="") as file:
        return next(csv.reader(file))


def explain(path: Path) -> dict[str, str]:
    """Return column -> meaning of one CSV file, in the order of its columns.

    Raises
    ------
    LabError
        Where a column is not explained.
    """
    known, columns = meanings(path.stem), header(path)
    for column in columns:
        if column not in known:
            raise LabError(f"the column {column!r} of {path.name} is not explained",
                           expected=f"an entry of {COLUMNS.name}",
                           remedy="add a line that says what it is, in which unit")
    return {column: known[column] for column in columns}


def dictionary(files: Iterable[Path]) -> str:
    """Return the page."""
    explained = {path: explain(path) for path in sorted(files)}
    common = read_toml(COLUMNS)[COMMON]
    used = sorted(set().union(*explained.values()) & common.keys(), key=str.casefold)
    own = (("; ".join(f"`{name}`" if common.get(name) == meaning else f"`{name}`: {meaning}"
                      for name, meaning in columns.items())) for columns in explained.values())
    parts = [INTRODUCTION, "## Columns",
             markdown_table(("column", "meaning"), ((f"`{name}`", common[name]) for name in used)),
             "## Files", EXCEPTIONS,
             markdown_table(("file", "columns"),
                            zip((f"`{path.stem}`" for path in explained), own)),
             "## The JSON files", markdown_table(("key", "meaning"), JSON_KEYS)]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def csv_files() -> list[Path]:
    """Return the CSV files beside the committed figures of the demo."""
    return sorted((ROOT / "figures" / "demo").glob("*.csv"))


def write_dictionary() -> None:
    """Write the page anew."""
    atomic_write_text(DOCUMENT, dictionary(csv_files()))
    echo(f"{DOCUMENT.name} written")
