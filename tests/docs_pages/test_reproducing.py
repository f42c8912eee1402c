"""REPRODUCING.md: its generated parts are fresh, and everything else is left as it is."""

from __future__ import annotations

import pytest

from docs.pages import reproducing
from docs.pages.parts import replace_part, write_part
from docs.pages.reproducing import DEVIATIONS, DOCUMENT, SCALE
from helpers.core.errors import LabError


def test_the_committed_table_of_deviations_is_fresh():
    text = DOCUMENT.read_text(encoding="utf-8")
    assert replace_part(text, DEVIATIONS, reproducing.deviations_part()) == text, (
        "run python -m docs.pages")


def test_a_part_is_replaced_and_nothing_else(tmp_path):
    path = tmp_path / "REPRODUCING.md"
    path.write_text("# Title\n<!-- a: begin -->\nold\n<!-- a: end -->\n\nby hand\n")
    write_part("a", "| new |\n", path)
    assert path.read_text() == "# Title\n<!-- a: begin -->\n| new |\n<!-- a: end -->\n\nby hand\n"


@pytest.mark.parametrize("text", ["", "<!-- a: begin -->", "<!-- a: end --> <!-- a: begin -->"])
def test_a_document_without_the_part_is_refused(text):
    with pytest.raises(LabError, match="no part 'a'"):
        replace_part(text, "a", "x")


def test_both_parts_have_content():
    text = DOCUMENT.read_text(encoding="utf-8")
    for name in (DEVIATIONS, SCALE):
        part = text.split(f"<!-- {name}: begin -->")[1].split(f"<!-- {name}: end -->")[0]
        assert part.count("|") > 20, name
