"""Claims tables and saved figures: complete, and reproducible to the byte."""

from __future__ import annotations

import json

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from helpers.core.errors import LabError
from helpers.core.paths import figures_dir
from helpers.core.provenance import Provenance
from helpers.figures import style
from helpers.figures.claims import ClaimsTable, round_numbers
from helpers.figures.verdicts import CHECK, CLAIM, EXPLORATORY
from helpers.selectivity import plots


def provenance() -> Provenance:
    return Provenance("99_test_this", "demo", "SYNTHETIC", 0, "cpu", "abc", {"localizer": "123"})


def claims() -> ClaimsTable:
    made = ClaimsTable(provenance())
    for holds in (True, False, None):
        made.claim(f"claim {holds}", source="s", paper="unknown", run="1 %", rule="r", holds=holds)
    return made


def test_all_verdicts_are_written(private):
    made = claims()
    made.number("share", round_numbers({"faces": np.float64(0.123456)}))
    content = json.loads(made.save().read_text())
    verdicts = [claim["verdict"] for claim in content["claims"]]
    assert verdicts == ["supported", "contradicted", "not testable here"]
    assert content["numbers"] == {"share": {"faces": 0.1235}}
    assert content["provenance"]["inputs"] == {"localizer": "123"}
    assert made.text().count("CONTRADICTED") == 1
    assert made.verdicts().splitlines()[1] == "2. claim False: CONTRADICTED"


def test_sanity_checks_have_a_list_of_their_own_and_exploratory_claims_are_marked(private):
    made = ClaimsTable(provenance())
    for statement, kind in (("the sets are matched", CHECK), ("faces come first", CLAIM),
                            ("in half of the maps", EXPLORATORY), ("the sums agree", CHECK)):
        made.claim(statement, run="", rule="", holds=True, source="s", paper="p", kind=kind)
    assert made.verdicts().splitlines() == [
        "1. faces come first: SUPPORTED", "2. (exploratory) in half of the maps: SUPPORTED",
        "Sanity checks", "1. the sets are matched: SUPPORTED", "2. the sums agree: SUPPORTED"]
    assert made.text().index("the sets are matched") > made.text().index("in half of the maps")
    kept = json.loads(made.save().read_text())["claims"]  # their order is that of entering them
    assert [one["kind"] for one in kept] == [CHECK, CLAIM, EXPLORATORY, CHECK]


def test_nan_is_null_and_counts_stay_integers(private):
    assert round_numbers({"r": float("nan"), "n": 3, "p": 0.0000123}) == {"r": None, "n": 3,
                                                                          "p": 0.0}
    made = claims()
    made.number("r", round_numbers({"r": np.float64("nan")}))
    assert json.loads(made.save().read_text())["numbers"] == {"r": {"r": None}}


def test_values_that_are_not_finite_are_null_with_a_reason_and_support_no_claim(private):
    made = claims()
    made.number("t", round_numbers({"mean": np.float32("inf"), "n": 3}) | {"low": -np.inf})
    made.number("r", np.float64("nan"))
    made.test("endless", np.inf, 0.01, "above 0", of="t", source="s", paper="–")
    made.judge("endless mean", np.inf, 0.1, np.inf, "above 0", of="t", source="s", paper="–")
    content = json.loads(made.save().read_text())
    assert content["numbers"] == {"t": {"mean": None, "n": 3, "low": None}, "r": None}
    assert content["unknown"] == {"t/mean": "infinite", "t/low": "infinite", "r": "not a number"}
    assert [claim["verdict"] for claim in content["claims"][-2:]] == 2 * ["not testable here"]
    assert "unknown" not in json.loads(claims().save().read_text())


@pytest.mark.slow
def test_claims_say_that_their_number_is_not_corrected_for_and_what_holms_rule_would_change():
    """By hand: p = .01, .03, .04, .2 of two-sided tests; Holm: .04, .09, .09, .2."""
    made, few = ClaimsTable(provenance()), {"of": "d", "source": "s", "paper": "–"}
    made.judge("without p", 1, 0.5, 1.5, "above 0", **few)
    for p in (0.03, 0.01, 0.2, 0.04):
        made.test(f"p {p}", 1, p, "above 0", **few)
    made.claim("identity", run="", rule="", holds=True, source="s", paper="–", kind=CHECK)
    made.test("check", 1, 0.001, "above 0", kind=CHECK, **few)
    assert [claim.p for claim in made.claims] == [None, 0.03, 0.01, 0.2, 0.04, None, 0.001]
    assert ["not corrected for the number of claims" in claim.rule for claim in made.claims] == [
        False, True, True, True, True, False, False]
    assert made.text().splitlines()[-1] == (
        "Corrected by Holm's rule over the 4 claims that have a p value of their own, these "
        "verdicts would be inconclusive: 2, 5")
    for sample in ("seeds", "networks", "participants", "regions"):
        made.interval(sample, [1.0, 1.1, 1.2], "above 0", sample=sample, **few)
        assert "not corrected for the number of claims" in made.claims[-1].rule
    one = ClaimsTable(provenance())
    one.test("alone", 1, 0.01, "above 0", **few)
    assert "Holm" not in one.text(), "one claim is no family"


def test_claims_on_several_intervals_say_that_all_must_lie_there():
    made = ClaimsTable(provenance())
    for estimates in ({"faces": (1.0, 0.5, 1.5)}, dict.fromkeys("ab", (1.0, 0.5, 1.5))):
        made.intervals("d", estimates, "above 0", of="d", source="s", paper="–")
    assert [claim.rule for claim in made.claims] == [
        "d, each 95 % interval above 0",
        "d, each 95 % interval above 0; all must be, which needs no correction"]


def test_infinite_values_of_a_panel_are_counted_on_the_figure(private):
    table = pd.DataFrame({"layer": ["a", "b", "c"], "t": [1.0, np.inf, np.nan]})
    for panels, notes in (({"D": table}, ["infinite, not drawn: 1 in D"]), ({"D": table[::2]}, [])):
        drawn = plt.figure()
        style.save_figure(drawn, provenance(), panels)
        assert [text.get_text() for text in drawn.texts if "infinite" in text.get_text()] == notes


def test_a_number_is_entered_once(private):
    made = claims()
    made.number("n", 1)
    with pytest.raises(LabError, match="entered twice"):
        made.number("n", 2)


def figure():
    drawn, axes = plt.subplots(figsize=(3.5, 2))
    table = pd.DataFrame({"layer": ["conv1", "conv1", "fc6", "fc6"], "n_units": 512,
                          "domain": ["faces", "scenes"] * 2, "proportion": [0.1, 0, 0.2, 0.1]})
    plots.layer_bars(axes, table, ["conv1", "fc6"], ["faces", "scenes"])
    return drawn, table


def test_saved_figures_carry_their_provenance_and_repeat_to_the_byte(private):
    style.use_style()
    contents = []
    for _ in range(2):
        drawn, table = figure()
        style.save_figure(drawn, provenance(), {"A": table})
        png = figures_dir("demo") / "99_test_this.png"
        plt.close(drawn)
        contents.append([png.with_suffix(end).read_bytes() for end in (".png", ".pdf")])
    assert contents[0] == contents[1]
    with Image.open(png) as image:
        assert "SYNTHETIC" in image.info["Description"] and image.info["Title"] == "99_test_this"
    stamp = drawn.texts[-1].get_text()
    assert "SYNTHETIC" in stamp and "profile demo" in stamp and "seed 0" in stamp
    assert len(pd.read_csv(png.with_name("99_test_this-A.csv"))) == 4


def test_a_failed_save_leaves_the_old_figure(private, monkeypatch):
    drawn, _ = figure()
    style.save_figure(drawn, provenance())
    png = figures_dir("demo") / "99_test_this.png"
    before = png.read_bytes()
    monkeypatch.setattr(type(drawn), "savefig", lambda *a, **k: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        style.save_figure(drawn, provenance())
    plt.close("all")
    assert png.read_bytes() == before
    assert sorted(p.name for p in png.parent.iterdir()) == ["99_test_this.pdf", "99_test_this.png"]


def test_every_domain_has_its_own_colour_and_marker():
    from helpers.stimuli.image_sets import DOMAINS
    for table in (style.COLOURS, style.MARKERS, style.HATCHES):
        assert len({table[domain] for domain in DOMAINS}) == len(DOMAINS)


def test_own_domains_get_looks_of_their_own_in_the_order_given():
    own = [f"own{i}" for i in range(14)]
    named = dict(style.COLOURS)
    style.add_domains(["faces", *own, "scrambled words"])
    assert {name: style.COLOURS[name] for name in named} == named
    assert style.COLOURS["scrambled words"] == style.COLOURS["scrambled"]
    looks = [(style.COLOURS[name], style.MARKERS[name]) for name in ("faces", "scenes", *own)]
    assert len(set(looks)) == len(looks)
    first = looks[2]
    style.add_domains(own[:1])
    assert (style.COLOURS["own0"], style.MARKERS["own0"]) == first
    assert "own1" not in style.COLOURS
    style.add_domains(())
    assert style.COLOURS == named


def test_a_claim_about_absent_domains_is_not_testable_and_says_why():
    claims = ClaimsTable(provenance())
    origin = {"source": "s", "paper": "p", "of": "o"}
    why = "the localizer has no images of the domain characters"
    claims.intervals("a", {"faces": (1.0, 0.9, 1.1)}, "above 0", absent=why, **origin)
    claims.intervals("b", {}, "above 0", absent=why, **origin)
    claims.intervals("c", {"faces": (1.0, 0.9, 1.1)}, "above 0", absent="", **origin)
    assert [claim.verdict for claim in claims.claims] == [
        "not testable here", "not testable here", "supported"]
    first, second, _ = claims.claims
    assert first.run.startswith(why) and "faces +1.000" in first.run and second.run == why
    assert (first.mean, first.low, first.p) == (None, None, None)
