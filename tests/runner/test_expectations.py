"""The page of expectations: 37 rows, counts that fit, and proofs that exist."""

from __future__ import annotations

import re

from helpers.core.paths import ROOT

PAGE = ROOT / "docs" / "expectations.md"
STATES = ("there", "half", "no")


def rows(text: str) -> list[list[str]]:
    """Return the cells of the table's rows: number, expectation, before, now, where."""
    found = re.findall(r"^\| (\d+) \|(.*)\|$", text, re.MULTILINE)
    return [[number, *(cell.strip() for cell in cells.split("|"))] for number, cells in found]


def test_all_37_are_listed_and_counted():
    text = PAGE.read_text(encoding="utf-8")
    table = rows(text)
    assert [int(row[0]) for row in table] == list(range(1, 38))
    assert len({row[1] for row in table}) == 37
    for name, column in (("before", 2), ("now", 3)):
        states = [row[column] for row in table]
        assert set(states) <= set(STATES)
        counts = " | ".join(str(states.count(state)) for state in STATES)
        assert f"| {name} | {counts} |" in text
    assert [[row[2] for row in table].count(state) for state in STATES] == [12, 13, 12]


def test_what_is_there_or_half_names_files_that_exist():
    for row in rows(PAGE.read_text(encoding="utf-8")):
        links = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", row[4])
        assert links or row[3] == "no", row
        for link in links:
            assert (PAGE.parent / link).exists(), f"{row[1]}: {link}"


def test_what_is_half_says_what_is_missing():
    for row in rows(PAGE.read_text(encoding="utf-8")):
        if row[3] == "half":
            assert len(re.sub(r"\[[^\]]*\]\([^)]*\)", "", row[4])) > 20, row[1]
