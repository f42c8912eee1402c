"""Known deviations from the papers: one table, from which each notebook shows its rows.

``deviations.toml`` is the only place where a deviation is written down. Notebooks show their rows
through `deviation_table`; ``REPRODUCING.md`` holds all of them (`docs.pages.reproducing`).
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

from pydantic import Field
from pydantic.dataclasses import dataclass

from helpers.config.validation import FROZEN, from_table, read_toml

DEVIATIONS = Path(__file__).with_name("deviations.toml")
COLUMNS = ("the authors", "where", "here", "why", "effect")
Sentence = Annotated[str, Field(min_length=1)]


@dataclass(**FROZEN)
class Deviation:
    """One difference between a published analysis and this one.

    Attributes
    ----------
    notebooks : tuple of str
        Numbers of the notebooks that it concerns, "03".
    what : str
        What the authors do.
    authors : str
        Where they do it: file and function, or the paper's section.
    ours, why : str
        What is done here instead, and the reason.
    effect : str
        On the results, as far as it was measured; "not measured".
    """

    notebooks: Annotated[tuple[Annotated[str, Field(pattern=r"^\d\d$")], ...], Field(min_length=1)]
    what: Sentence
    authors: Sentence
    ours: Sentence
    why: Sentence
    effect: Sentence


@dataclass(**FROZEN)
class DeviationFile:
    """The content of ``deviations.toml``."""

    deviation: tuple[Deviation, ...]


def read_deviations(notebook: str = "") -> tuple[Deviation, ...]:
    """Return the known deviations of a notebook, in the order of the file.

    Parameters
    ----------
    notebook : str
        Its name, "03_predict_regions_sparsely", or number; empty: all deviations.

    Raises
    ------
    LabError
        If a key of the file is unknown, missing or of the wrong type.
    """
    rows = from_table(DeviationFile, read_toml(DEVIATIONS), DEVIATIONS.name).deviation
    return tuple(row for row in rows if notebook[:2] in ("", *row.notebooks))


def deviation_table(notebook: str) -> str:
    """Return a notebook's known deviations as a Markdown table."""
    return markdown_table(COLUMNS, map(deviation_cells, read_deviations(notebook)))


def deviation_cells(row: Deviation) -> tuple[str, ...]:
    """Return a deviation's cells, in the order of `COLUMNS`."""
    return row.what, row.authors, row.ours, row.why, row.effect


def markdown_table(header: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Write a Markdown table; a vertical bar or an end of line in a cell is escaped."""
    def line(cells: Iterable[str]) -> str:
        return "| " + " | ".join(" ".join(cell.split()).replace("|", r"\|")
                                 for cell in cells) + " |"

    header = tuple(header)
    return "\n".join([line(header), "|" + "---|" * len(header), *map(line, rows)])
