"""What replicates: rows are the claims of all runs, each once, with every profile's verdict."""

from __future__ import annotations

import json

import pytest

from docs.pages import replicates
from docs.pages.replicates import (
    PAPERS,
    claim_rows,
    count_verdicts,
    paper_of,
    read_runs,
)
from helpers.core.errors import LabError
from helpers.figures import verdicts
from helpers.runner.notebooks import list_sources


def claim(statement, verdict="supported", kind="claim", source="Fig. 1", paper="1.0", **more):
    return {"statement": statement, "verdict": verdict, "kind": kind, "source": source,
            "paper": paper, "run": "+0.1", "rule": "above 0", **more}


def run(*claims, kind="SYNTHETIC"):
    return {"provenance": {"data_kind": kind}, "claims": list(claims)}


def test_kinds_and_verdicts_are_those_of_the_claims_table():
    for name in ("VERDICTS", "CLAIM", "EXPLORATORY", "CHECK"):
        assert getattr(replicates, name) == getattr(verdicts, name)


def test_claims_of_two_profiles_meet_by_notebook_and_statement():
    runs = {"demo": {"01_a": run(claim("x", mean=0.1, low=0.0, high=0.2), claim("y")),
                     "02_b": run(claim("x", "contradicted"))},
            "mini": {"01_a": run(claim("y", "inconclusive"), claim("z"), kind="REAL")},
            "paper": {}}
    rows = claim_rows(runs)
    assert [(row.notebook, row.statement) for row in rows] == [
        ("01_a", "x"), ("01_a", "y"), ("01_a", "z"), ("02_b", "x")]
    assert [{name: found["verdict"] for name, found in row.outcomes.items()} for row in rows] == [
        {"demo": "supported"}, {"demo": "supported", "mini": "inconclusive"},
        {"mini": "supported"}, {"demo": "contradicted"}]
    assert rows[0].outcomes["demo"]["low"] == 0.0


def test_sanity_checks_are_left_out_and_exploratory_claims_are_not_counted():
    rows = claim_rows({"demo": {"01_a": run(claim("x"), claim("y", kind="exploratory"),
                                            claim("z", kind="sanity check"))}})
    assert [row.statement for row in rows] == ["x", "y"]
    assert count_verdicts(rows, "demo") == {"supported": 1, "contradicted": 0, "inconclusive": 0,
                                            "not testable here": 0}
    assert count_verdicts(claim_rows({"demo": {"01_a": run(claim("x"))}, "paper": {}}),
                          "paper") == {}


@pytest.mark.parametrize(("source", "paper", "own"), [
    ("Fig. 2", "values not at hand", True), ("beyond the paper: control", "–", False),
    ("question named in v1, direction ours", "not tested", False)])
def test_controls_of_ours_are_not_the_papers_claims(source, paper, own):
    row, = claim_rows({"demo": {"01_a": run(claim("x", source=source, paper=paper))}})
    assert row.of_paper is own


def test_every_notebook_about_a_paper_has_its_paper():
    assert {source.stem[:2] for source in list_sources() if paper_of(source.stem)} == {
        number for paper in PAPERS for number in paper.notebooks}


def test_no_claim_of_the_committed_runs_is_lost_or_doubled():
    runs = read_runs()
    rows = claim_rows(runs)
    for profile, found in runs.items():
        asked = [row for row in rows if profile in row.outcomes]
        assert len(asked) == sum(claim["kind"] != verdicts.CHECK for content in found.values()
                                 for claim in content["claims"])
    assert sum(len(content["claims"]) for content in runs["demo"].values()) > 100


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"claims": 3}'])
def test_a_file_without_claims_is_refused(tmp_path, text):
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo/01_a.json").write_text(text)
    with pytest.raises(LabError, match="01_a.json holds no claims"):
        read_runs(tmp_path)


def test_files_that_are_no_notebooks_are_left_alone(tmp_path):
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo/tolerances.json").write_text("{}")
    (tmp_path / "demo/01_a.json").write_text(json.dumps(run(claim("x"))))
    assert list(read_runs(tmp_path)["demo"]) == ["01_a"]
