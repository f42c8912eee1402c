"""Generated part of the course page: minutes of each notebook and section.

``python -m docs.pages`` writes it anew.
"""

from __future__ import annotations

import pandas as pd

from helpers.figures.deviations import markdown_table
from helpers.runner.notebooks import FOLDER, list_sources
from helpers.runner.versions import section_minutes

DOCUMENT = FOLDER / "COURSE.md"
MINUTES = "minutes"
COLUMNS = ("notebook", "minutes", "of these, running", "sections")


def minutes_part() -> str:
    """Return the table: minutes of every notebook, of each of its sections, and of running."""
    return markdown_table(COLUMNS, (_row(section_minutes(source)) for source in list_sources()))


def _row(sections: pd.DataFrame) -> tuple[str, ...]:
    stem, title = sections["notebook"].iloc[0], sections["section"].iloc[0]
    headings = sections["section"].str.replace(r"^\d+ · ", "", regex=True)
    return (f"[{title}]({stem}.ipynb)", f"{sections['minutes'].sum():.0f}",
            f"{sections['seconds'].sum() / 60:.1f}",
            " · ".join(f"{heading} {minutes:.0f}"
                       for heading, minutes in zip(headings[1:], sections["minutes"][1:])))
