"""Known deviations: one table, validated, and shown by every notebook that it concerns."""

from __future__ import annotations

import pytest

from helpers.core.errors import LabError
from helpers.figures import deviations
from helpers.figures.deviations import deviation_table, markdown_table, read_deviations
from helpers.runner.notebooks import list_sources, read_source

ROW = """[[deviation]]
notebooks = ["03", "04"]
what = "They add 1 | 2."
authors = "classes.py"
ours = "We do not."
why = "A reason."
effect = "not measured"
"""
SHOWN = "Markdown(deviation_table(laboratory.provenance.notebook))"


@pytest.fixture
def file(tmp_path, monkeypatch):
    path = tmp_path / "deviations.toml"
    path.write_text(ROW + ROW.replace('"03", "04"', '"05"'))
    monkeypatch.setattr(deviations, "DEVIATIONS", path)
    return path


@pytest.mark.parametrize("path", list_sources(), ids=lambda path: path.stem)
def test_a_notebook_shows_its_rows_before_the_exercises(path):
    cells = [cell.source for cell in read_source(path).cells]
    shown = [number for number, cell in enumerate(cells) if cell == SHOWN]
    assert len(shown) == bool(read_deviations(path.stem))
    for number in shown:
        assert cells[number - 1].startswith("## Known deviations from the paper")
        assert "Exercises" in cells[number + 1].split("\n")[0]


def test_rows_name_notebooks_that_exist():
    present = {path.stem[:2] for path in list_sources()}
    assert {number for row in read_deviations() for number in row.notebooks} <= present


def test_no_row_is_written_twice():
    rows = [(row.what, row.authors) for row in read_deviations()]
    assert len(rows) == len(set(rows)) > 20


def test_a_notebook_has_its_own_rows(file):
    assert len(read_deviations()) == 2
    assert [row.notebooks for row in read_deviations("04_trace_content_channels")] == [("03", "04")]
    assert read_deviations("00_meet_the_universe") == ()


def test_the_table_has_a_row_each_and_no_broken_cell(file):
    header, rule, row = deviation_table("05_x").split("\n")
    assert header.count("|") == rule.count("|") == row.replace(r"\|", "").count("|") == 6
    assert r"1 \| 2" in row
    assert markdown_table(["a"], [["two\n  lines"]]).endswith("\n| two lines |")


@pytest.mark.parametrize("old, new, seen", [
    ("effect =", "efect =", "efect"), ('effect = "not measured"\n', "", "effect"),
    ('"03", "04"', '"3"', "'3'"), ('"03", "04"', "", "notebooks"),
    ('"A reason."', '""', "why")])
def test_a_row_that_does_not_fit_is_named(file, old, new, seen):
    file.write_text(ROW.replace(old, new))
    with pytest.raises(LabError) as caught:
        read_deviations()
    assert "deviations.toml" in str(caught.value) and seen in str(caught.value)
