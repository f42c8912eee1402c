"""Generated part of the course page: minutes of each notebook and section.

``python -m helpers.runner.course`` writes it anew.
"""

from __future__ import annotations

import re

import pandas as pd

from helpers.figures.deviations import markdown_table
from helpers.runner.notebooks import FOLDER, list_sources
from helpers.runner.reproducing import write_part
from helpers.runner.versions import section_minutes

DOCUMENT = FOLDER / "COURSE.md"
MINUTES = "minutes"
COLUMNS = ("notebook", "minutes", "of these, running", "sections")


def minutes_part() -> str:
    """Return the table: minutes of every notebook, of each of its sections, and of running."""
    return markdown_table(COLUMNS, (_row(section_minutes(source)) for source in list_sources()))


def _row(sections: pd.DataFrame) -> tuple[str, ...]:
    stem, title = sections["notebook"].iloc[0], sections["section"].iloc[0]
    running = sections["seconds"].sum() / 60
    return (f"[{title}]({stem}.ipynb)", f"{sections['minutes'].sum():.0f}", f"{running:.1f}",
            " · ".join(f"{_short(row.section)} {row.minutes:.0f}"
                       for row in sections.iloc[1:].itertuples(index=False)))


def _short(heading: str) -> str:
    """Return a heading without its number."""
    return re.sub(r"^\d+ · ", "", heading)


if __name__ == "__main__":
    write_part(MINUTES, minutes_part(), DOCUMENT)
