"""What the text of every notebook must keep to, where its claims are judged."""

from __future__ import annotations

import ast

import pytest

from helpers.runner.notebooks import read_source, list_sources

NOTEBOOKS = list_sources()
CHECK = "# NBVAL_CHECK_OUTPUT"
JUDGES = {"interval": 2, "judge": 4, "intervals": 2}
"""Methods of a claims table that can judge absence: the place of what is expected."""


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def code(request) -> list[str]:
    """Return the code cells of a notebook."""
    return [cell.source for cell in read_source(request.param).cells if cell.cell_type == "code"]


def calls(cells: list[str], names) -> list[ast.Call]:
    return [node for cell in cells for node in ast.walk(ast.parse(cell))
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
            and node.func.attr in names and getattr(node.func.value, "id", "") == "claims"]


def test_one_checked_cell_prints_all_verdicts_and_nothing_that_rounding_moves(code):
    checked = [cell.split(CHECK)[1].strip() for cell in code if CHECK in cell]
    assert "print(claims.verdicts())" in checked
    assert sum("claims" in cell for cell in checked) == 1, "numbers are compared with tolerances"
    assert not any("but=" in cell for cell in code), "no verdict is left out"


def test_the_claims_are_saved_and_shown_with_their_numbers(code):
    whole = "\n".join(code)
    assert whole.count("claims.save()") == 1 and whole.count("print(claims.text())") == 1


def test_a_claim_of_absence_has_a_bound(code):
    """The claims table refuses one without; here, so does the text, whatever branch is run."""
    for call in calls(code, JUDGES):
        named = {keyword.arg: keyword.value for keyword in call.keywords}
        texts = [node.value for value in [*call.args, *named.values()] for node in ast.walk(value)
                 if isinstance(node, ast.Constant)]
        if "around 0" in texts:
            assert "within" in named, ast.unparse(call)[:200]


def test_no_verdict_of_the_old_kind_is_left(code):
    for cell in code:
        for words in ("does not hold", "cannot be told here", "DOES NOT HOLD"):
            assert words not in cell
