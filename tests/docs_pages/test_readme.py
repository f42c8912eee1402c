"""README's generated parts, the page of all claims and the strip follow the committed runs."""

from __future__ import annotations

import copy
import subprocess

import numpy as np
import pytest
from PIL import Image

from docs.pages import figure_strip, readme
from docs.pages.figure_strip import MADE_FROM, STRIP, draw_strip, is_stale, write_strip
from docs.pages.parts import replace_part
from docs.pages.readme import (
    HEADLINES,
    PAGE,
    README,
    brief,
    counts_part,
    generated_parts,
    headline_part,
)
from docs.pages.replicates import claim_rows, read_runs
from helpers.core.errors import LabError
from helpers.core.paths import ROOT

REMAKE = "run python -m docs.pages"


def skip_where_figures_were_made_anew():
    """A run on this machine may differ in the last digits: what counts is what is committed."""
    status = subprocess.run(["git", "status", "--porcelain", "--", "figures"], cwd=ROOT,
                            capture_output=True, text=True)
    if status.stdout.strip():
        pytest.skip(f"figures/ was made anew here, not committed; before you commit, {REMAKE}")


@pytest.fixture(scope="module")
def runs():
    return read_runs()


@pytest.mark.parametrize(("document", "name"), [(README, readme.EXPECTED),
                                                (README, readme.REPLICATES),
                                                (README, readme.COUNTS), (PAGE, readme.ALL_CLAIMS)])
def test_the_committed_parts_are_those_of_the_committed_runs(runs, document, name):
    skip_where_figures_were_made_anew()
    text = document.read_text(encoding="utf-8")
    assert replace_part(text, name, generated_parts(runs)[document, name]) == text, REMAKE


def change(content, **entries):
    content["01_localize_selective_units"]["claims"][0].update(entries)


@pytest.mark.parametrize("entries", [{"verdict": "contradicted"}, {"run": "+0.001"},
                                     {"paper": "27 %"}])
def test_a_change_of_one_claim_makes_the_parts_stale(runs, entries):
    changed = copy.deepcopy(runs)
    change(changed["demo"], **entries)
    before, after = generated_parts(runs), generated_parts(changed)
    assert before[README, readme.REPLICATES] != after[README, readme.REPLICATES]
    assert before[PAGE, readme.ALL_CLAIMS] != after[PAGE, readme.ALL_CLAIMS]


def test_every_verdict_and_result_of_the_runs_stands_on_the_page(runs):
    page = readme.all_claims_part(claim_rows(runs), runs)
    for content in runs["demo"].values():
        for claim in content["claims"]:
            if claim["kind"] != "sanity check":
                assert f"**{claim['verdict']}**: {' '.join(claim['run'].split())}" in page


def test_counts_are_those_of_the_files(runs):
    text = counts_part(claim_rows(runs), runs)
    claims = [claim["verdict"] for content in runs["demo"].values()
              for claim in content["claims"] if claim["kind"] == "claim"]
    for verdict in set(claims):
        counted = sum(int(part.split(f" {verdict}")[0].split()[-1]) for line in text.splitlines()
                      for part in [line.split("|")[2] if line.startswith("|") else ""]
                      if f" {verdict}" in part)
        assert counted == claims.count(verdict), verdict


def test_the_second_profile_has_a_column_and_its_own_layer_is_found(runs):
    mini = copy.deepcopy(runs["demo"])
    for claim in mini["09_see_lateralisation"]["claims"]:
        claim["statement"] = claim["statement"].replace("maxpool5", "features.12")
    change(mini, verdict="contradicted", run="+0.002")
    for content in mini.values():
        content["provenance"]["data_kind"] = "REAL"
    both = {**runs, "mini": mini}
    table = headline_part(claim_rows(both), both).splitlines()
    assert "demo (SYNTHETIC) | mini (REAL) | paper (not run here)" in table[0]
    assert table[2].count("**") == 4 and "**contradicted**: +0.002 | – |" in table[2]
    lateral, = (line for line in table if line.startswith("| [09]"))
    assert lateral.count("**") == 4


def test_every_notebook_of_a_paper_with_claims_of_it_has_a_headline(runs):
    assert {row.notebook[:2] for row in claim_rows(runs) if row.of_paper} == {
        number for number, _ in HEADLINES}


def test_a_headline_that_no_run_makes_is_refused(runs, monkeypatch):
    monkeypatch.setattr(readme, "HEADLINES", (("01", "Pigs have wings"),))
    with pytest.raises(LabError, match="no claim of notebook 01 begins with 'Pigs have wings'"):
        headline_part(claim_rows(runs), runs)


def test_of_many_intervals_the_one_that_decides_is_shown():
    def claim(run, *interval):
        return {"run": run, **dict(zip(("mean", "low", "high"), interval))}

    assert brief(claim("a +0.2 [0.1, 0.3], b +0.1 [0.05, 0.2]", 0.1, 0.05, 0.2)) == (
        "weakest of 2: +0.100 [0.050, 0.200]")
    assert brief(claim("+0.2 [0.1, 0.3]", 0.2, 0.1, 0.3)) == "+0.2 [0.1, 0.3]"
    assert len(brief(claim("a +0.1 (p = 0.010), " * 20))) <= readme.SHORT + 3
    assert readme._cell(None) == "–"


def test_the_committed_strip_is_of_the_committed_figures():
    skip_where_figures_were_made_anew()
    assert not is_stale(), REMAKE
    assert STRIP.stat().st_size < 300_000
    with Image.open(STRIP) as strip:
        drawn = np.asarray(draw_strip(), float)
        committed = np.asarray(strip.convert("RGB"), float)
    assert drawn.shape == committed.shape
    assert np.abs(drawn - committed).mean() < 4  # levels of 255: the palette, nothing else


def test_another_figure_or_panel_makes_the_strip_stale(tmp_path, monkeypatch):
    for panel in figure_strip.PANELS:
        Image.new("RGB", (80, 100), "red").save(tmp_path / f"{panel.stem}.png")
    strip = write_strip(tmp_path / "strip.png", tmp_path)
    assert not is_stale(strip, tmp_path)
    Image.new("RGB", (80, 100), "blue").save(tmp_path / f"{figure_strip.PANELS[1].stem}.png")
    assert is_stale(strip, tmp_path)
    assert not is_stale(write_strip(strip, tmp_path), tmp_path)
    with Image.open(strip) as image:
        assert len(image.info[MADE_FROM]) == 64


def test_a_strip_without_its_figures_is_refused(tmp_path):
    with pytest.raises(LabError, match="01_localize_selective_units.png is not there"):
        write_strip(tmp_path / "strip.png", tmp_path)


def test_readme_is_short_and_says_what_is_seen_on_the_strip():
    text = README.read_text(encoding="utf-8")
    assert text.count("\n") < 230  # more belongs into docs/
    image, = (line for line in text.splitlines() if "docs/images/strip.png" in line)
    assert len(image.split("](")[0]) > 100
