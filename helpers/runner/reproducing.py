"""The generated parts of ``REPRODUCING.md``: known deviations, and what the real files need.

    python -m helpers.runner.reproducing      write the table of deviations anew

A part lies between two comments of Markdown that name it; everything else is written by hand.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from helpers.core.console import echo
from helpers.core.errors import LabError
from helpers.core.paths import ROOT, atomic_write
from helpers.figures.deviations import COLUMNS, deviation_cells, markdown_table, read_deviations

DOCUMENT = ROOT / "REPRODUCING.md"
DEVIATIONS, SCALE = "known deviations", "paper scale"
"""Names of the generated parts; the second is written by ``benchmarks/paper_scale.py``."""


def deviations_part() -> str:
    """Return the table of all known deviations, one row each."""
    return markdown_table(("notebooks", *COLUMNS), (
        (", ".join(row.notebooks), *deviation_cells(row)) for row in read_deviations()))


def replace_part(text: str, name: str, content: str) -> str:
    """Return a Markdown text with the part of this name replaced.

    Raises
    ------
    LabError
        If the two comments that enclose the part are not there, once each.
    """
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    if text.count(begin) != 1 or text.count(end) != 1 or text.index(begin) > text.index(end):
        raise LabError(f"no part {name!r} in the document", expected=f"{begin} … {end}, once",
                       remedy="put the two comments back where the part belongs")
    before, rest = text.split(begin)
    return f"{before}{begin}\n{content.strip()}\n{end}{rest.split(end)[1]}"


def write_part(name: str, content: str, path: Path = DOCUMENT) -> None:
    """Replace one part of the document; one that is as it should be is not written again.

    The cards lie in the zoo, and a file written there makes all figures stale.
    """
    present = path.read_text(encoding="utf-8")
    text = replace_part(present, name, content)
    if text != present:
        atomic_write(path, lambda part: part.write_text(text, encoding="utf-8"))
    echo(f"{path.name}: {name} written")


def write_parts(parts: Mapping[tuple[Path, str], str]) -> None:
    """Replace parts of several documents: document and name -> text."""
    for (document, name), content in parts.items():
        write_part(name, content, document)


if __name__ == "__main__":
    write_part(DEVIATIONS, deviations_part())
