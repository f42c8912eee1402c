"""The generated parts of ``REPRODUCING.md``: known deviations, and what the real files need.

``benchmarks/paper_scale.py`` measures and writes the second, ``python -m docs.pages`` the first.
"""

from __future__ import annotations

from helpers.core.paths import ROOT
from helpers.figures.deviations import COLUMNS, deviation_cells, markdown_table, read_deviations

DOCUMENT = ROOT / "REPRODUCING.md"
DEVIATIONS, SCALE = "known deviations", "paper scale"
"""Names of the generated parts."""


def deviations_part() -> str:
    """Return the table of all known deviations, one row each."""
    return markdown_table(("notebooks", *COLUMNS), (
        (", ".join(row.notebooks), *deviation_cells(row)) for row in read_deviations()))
