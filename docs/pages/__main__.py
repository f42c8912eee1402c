"""Write every generated page, table and drawing of the documentation anew.

    python -m docs.pages

What is as it should be stays untouched; tests compare what is committed with what this writes.
"""

from __future__ import annotations

from docs.pages import cards, course, dictionary, readme, reproducing
from docs.pages.figure_strip import write_strip
from docs.pages.parts import write_parts
from docs.pages.replicates import read_runs

if __name__ == "__main__":
    write_strip()
    dictionary.write_dictionary()
    write_parts(cards.generated_parts() | readme.generated_parts(read_runs()) | {
        (course.DOCUMENT, course.MINUTES): course.minutes_part(),
        (reproducing.DOCUMENT, reproducing.DEVIATIONS): reproducing.deviations_part()})
