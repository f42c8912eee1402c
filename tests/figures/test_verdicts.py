"""Verdicts: their rules, and the intervals that they come from."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy import stats
from statsmodels.formula.api import ols

from helpers.core.errors import LabError
from helpers.core.intervals import compare_with_draws, difference_interval, proportion_interval
from helpers.core.provenance import Provenance
from helpers.core.statistics import confidence_interval
from helpers.figures import verdicts
from helpers.figures.claims import ClaimsTable
from helpers.figures.verdicts import (
    CONTRADICTED,
    INCONCLUSIVE,
    SUPPORTED,
    UNTESTABLE,
    VERDICTS,
    combine_verdicts,
    combined_p,
    interval_p,
    undecided_after_holm,
    verdict_from_interval,
    verdict_from_test,
)
from helpers.runner.comparison import compare_numbers, flatten_numbers

SAID = {"source": "s", "paper": "unknown"}


def claims() -> ClaimsTable:
    return ClaimsTable(Provenance("99_test_this", "demo", "SYNTHETIC", 0, "cpu", "abc", {}))


def crossed(rng, participants: float, seeds: float, residual: float, shape=(4, 3)):
    """Draw participants x seeds around 0."""
    return (rng.normal(size=(shape[0], 1)) * participants + rng.normal(size=shape) * residual
            + rng.normal(size=(1, shape[1])) * seeds)


# ---- the interval over participants and seeds ---------------------------------------------------

@pytest.mark.parametrize("spread", [0.1, 1.0, 3.0])
def test_the_interval_is_that_of_an_independent_analysis_of_variance(spread):
    values = crossed(np.random.default_rng(3), 1, spread, 0.5, (5, 3)) + 0.4
    long = pd.DataFrame(values).rename_axis("row").reset_index().melt("row", var_name="column",
                                                                      value_name="y")
    table = sm.stats.anova_lm(ols("y ~ C(row) + C(column)", long).fit())
    ms, df = table["sum_sq"] / table["df"], table["df"]
    parts = {"C(row)": 1.0}
    if ms["C(column)"] > ms["Residual"]:
        parts |= {"C(column)": 1.0, "Residual": -1.0}
    total = sum(sign * ms[name] for name, sign in parts.items())
    satterthwaite = total**2 / sum(ms[name] ** 2 / df[name] for name in parts)
    half = stats.t.ppf(0.975, satterthwaite) * np.sqrt(total / values.size)
    narrow = stats.t.ppf(0.975, df["C(row)"]) * np.sqrt(ms["C(row)"] / values.size)
    half = max(half, narrow)
    assert satterthwaite > 2, "the bound from below is tested elsewhere"
    expected = values.mean() - half, values.mean() + half
    assert confidence_interval(values, crossed=True) == pytest.approx(expected)


def test_own_trainings_give_the_t_interval_and_shared_ones_are_never_narrower():
    rng = np.random.default_rng(0)
    for _ in range(50):
        values = crossed(rng, *rng.exponential(size=3), (rng.integers(2, 7), rng.integers(3, 6)))
        for one in (values[:, 0], values[:, :1]):
            expected = stats.t.interval(0.95, len(one) - 1, one.mean(), stats.sem(one.ravel()))
            assert confidence_interval(one) == pytest.approx(expected)
            assert np.isnan(confidence_interval(one, crossed=True)).all()  # no spread is known
            assert np.isnan(confidence_interval(values[:, :2], crossed=True)).all()
        low, high = confidence_interval(values, crossed=True)
        narrow = confidence_interval(values.mean(1))
        assert low <= narrow[0] + 1e-12 and high >= narrow[1] - 1e-12
        assert confidence_interval(values[::-1, ::-1], crossed=True) == pytest.approx((low, high))
        assert confidence_interval(values) == pytest.approx(narrow)
    assert np.isnan(confidence_interval(values[:1])).all() and np.isnan(
        confidence_interval(values[:1, 0])).all()


def test_trainings_of_their_own_are_covered_by_participants_means():
    """Nested: each cell has its own; 3,000 experiments, whatever the trainings' spread."""
    rng = np.random.default_rng(2)
    for spread in (0.3, 3.0):
        draws = [rng.normal(size=(4, 1)) + spread * rng.normal(size=(4, 2)) for _ in range(3000)]
        covered = [low <= 0 <= high for low, high in map(confidence_interval, draws)]
        assert np.mean(covered) == pytest.approx(0.95, abs=0.013)


def test_degrees_of_freedom_are_bounded_from_below():
    """Three shared trainings that differ a lot: Student's t with two degrees, no less."""
    values = np.array([[0.0, 1.0, 3.0]] * 4) + np.arange(4)[:, None] * 1e-3
    low, high = confidence_interval(values, crossed=True)
    half = stats.t.ppf(0.975, 2) * values.mean(0).std(ddof=1) / np.sqrt(3)
    assert high - low == pytest.approx(2 * half, rel=0.01)


@pytest.mark.slow
@pytest.mark.parametrize(("spread", "shape"), [(0.0, (4, 3)), (0.5, (4, 3)), (1.0, (4, 3)),
                                               (1.0, (8, 4)), (2.0, (4, 3))])
def test_it_covers_the_truth_and_one_shared_seed_does_not(spread, shape):
    """Crossed random effects, 3,000 experiments (standard error of the coverage 0.4 points)."""
    rng = np.random.default_rng(1)
    both = one = 0
    for _ in range(3000):
        values = crossed(rng, 1, spread, 1, shape)
        low, high = confidence_interval(values, crossed=True)
        both += low <= 0 <= high
        low, high = confidence_interval(values[:, 0])
        one += low <= 0 <= high
    assert both / 3000 > 0.93
    if spread >= 1:
        assert one / 3000 < 0.86
    if spread == 0:
        assert one / 3000 == pytest.approx(0.95, abs=0.015)


def test_a_proportion_has_its_exact_interval():
    for k, n in ((0, 10), (3, 10), (10, 10), (16, 31)):
        expected = stats.binomtest(k, n).proportion_ci(method="exact")
        assert proportion_interval(k, n) == pytest.approx((expected.low, expected.high), abs=1e-9)
    assert np.isnan(proportion_interval(0, 0)).all()


def test_two_proportions_differ_by_the_published_interval():
    """Newcombe (1998), Statistics in Medicine 17, method 10: example (a), 56/70 - 48/80."""
    assert difference_interval(56, 70, 48, 80) == pytest.approx((0.2, 0.0524, 0.3339), abs=1e-4)
    assert np.isnan(difference_interval(0, 0, 1, 2)).all()
    assert difference_interval(40, 100, 10, 80, scale=0) == pytest.approx(
        (0.4, *sm.stats.proportion_confint(40, 100, method="wilson")))


def test_a_multiple_of_a_proportion_is_covered_too():
    rng = np.random.default_rng(0)
    spans = [difference_interval(*(int(k) for k in (k, 120, other, 90)), scale=2)
             for k, other in zip(rng.binomial(120, 0.4, 3000), rng.binomial(90, 0.15, 3000))]
    assert np.mean([low <= 0.1 <= high for _, low, high in spans]) == pytest.approx(0.95, abs=0.015)


def test_one_more_random_draw_lies_in_the_interval_as_often_as_it_says():
    rng = np.random.default_rng(0)
    inside = 0
    for _ in range(4000):
        value, *drawn = rng.normal(3, 2, size=7)
        difference, low, high = compare_with_draws(value, np.array(drawn))
        assert difference == pytest.approx(value - np.mean(drawn))
        inside += low <= 0 <= high
    assert inside / 4000 == pytest.approx(0.95, abs=0.012)
    assert compare_with_draws(3, np.zeros(5)) == (3, 3, 3) and np.isnan(
        compare_with_draws(3, [1.0])).all()


# ---- the rules ----------------------------------------------------------------------------------

OPPOSITE = {"above 0": "below 0", "below 0": "above 0", "around 0": "around 0"}


def test_verdicts_are_symmetric_under_a_change_of_all_signs():
    rng = np.random.default_rng(0)
    met = set()
    for _ in range(400):
        low, high = np.sort(rng.normal(size=2) + rng.normal())
        for expected, mirrored in OPPOSITE.items():
            within = 0.7 if expected == "around 0" else None
            verdict = verdict_from_interval(low, high, expected, within)
            assert verdict == verdict_from_interval(-high, -low, mirrored, within)
            met.add((expected, verdict))
        opposite = {SUPPORTED: CONTRADICTED, CONTRADICTED: SUPPORTED, INCONCLUSIVE: INCONCLUSIVE}
        assert verdict_from_interval(
            low, high, "below 0") == opposite[verdict_from_interval(low, high, "above 0")]
    assert len(met) == 9, "each verdict was met with each claim"


@pytest.mark.parametrize(("low", "high", "expected", "within", "verdict"), [
    (0.1, 0.2, "above 0", None, SUPPORTED), (-0.1, 0.2, "above 0", None, INCONCLUSIVE),
    (0.0, 0.2, "above 0", None, INCONCLUSIVE), (-0.2, -0.1, "above 0", None, CONTRADICTED),
    (-0.2, -0.1, "below 0", None, SUPPORTED), (0.1, 0.2, "below 0", None, CONTRADICTED),
    (-0.1, 0.1, "around 0", 0.2, SUPPORTED), (0.05, 0.1, "around 0", 0.2, SUPPORTED),
    (-0.1, 0.3, "around 0", 0.2, INCONCLUSIVE), (0.1, 0.3, "around 0", 0.2, INCONCLUSIVE),
    (0.25, 0.3, "around 0", 0.2, CONTRADICTED), (-5, 5, "around 0", 0.2, INCONCLUSIVE),
    (np.nan, np.nan, "above 0", None, UNTESTABLE), (np.nan, 1, "around 0", 1, UNTESTABLE)])
def test_where_the_interval_lies_decides(low, high, expected, within, verdict):
    assert verdict_from_interval(low, high, expected, within) == verdict


@pytest.mark.parametrize(("expected", "within"), [("around 0", None), ("around 0", 0),
                                                  ("around 0", np.inf), ("around 0", np.nan),
                                                  ("around 0", -1), ("above 0", 0.1)])
def test_absence_and_only_absence_needs_a_bound(expected, within):
    with pytest.raises(LabError, match="equivalence bound"):
        claims().interval("c", [0.1, 0.2], expected, of="d", within=within, **SAID)


def test_an_unknown_direction_is_refused():
    with pytest.raises(LabError, match="above 0, below 0 or around 0"):
        verdict_from_interval(0, 1, "about 0")


def test_a_test_decides_by_its_sign_and_cannot_support_absence():
    assert verdict_from_test(0.3, 0.01, "above 0") == verdict_from_test(-0.3, 0.01, "below 0") \
        == SUPPORTED
    assert verdict_from_test(-0.3, 0.01, "above 0") == CONTRADICTED
    assert verdict_from_test(-0.3, 0.2, "above 0") == verdict_from_test(9, 0.05, "above 0") \
        == INCONCLUSIVE
    assert verdict_from_test(0.0, 0.01, "above 0") == verdict_from_test(0.0, 0.01, "below 0") \
        == INCONCLUSIVE, "no effect lies on neither side"
    assert verdict_from_test(np.inf, 0.01, "above 0") == UNTESTABLE
    assert verdict_from_test(np.nan, 0.01, "above 0") == verdict_from_test(1, np.nan, "above 0") \
        == UNTESTABLE
    with pytest.raises(LabError, match="equivalence bound"):
        verdict_from_test(0.0, 0.9, "around 0")


def test_a_claim_on_several_estimates_needs_all_of_them():
    assert combine_verdicts([SUPPORTED, SUPPORTED]) == SUPPORTED
    assert combine_verdicts([SUPPORTED, INCONCLUSIVE]) == INCONCLUSIVE
    assert combine_verdicts([SUPPORTED, INCONCLUSIVE, UNTESTABLE]) == UNTESTABLE
    assert combine_verdicts([SUPPORTED, UNTESTABLE, CONTRADICTED]) == CONTRADICTED
    assert combine_verdicts([UNTESTABLE]) == combine_verdicts([]) == UNTESTABLE


def test_the_p_value_of_an_interval_is_that_of_students_t_test():
    for values in (np.array([1.0, 2.0, 4.0, 3.5]), np.array([-0.1, 0.3, -0.4]),
                   np.array([1.0, 3.0])):
        estimate = values.mean(), *confidence_interval(values)
        assert interval_p(*estimate, len(values) - 1) == pytest.approx(
            stats.ttest_1samp(values, 0).pvalue)
        bound = 1.3 * np.sign(values.mean())  # the equivalence bound on the mean's side
        assert interval_p(*estimate, len(values) - 1, 1.3) == pytest.approx(
            stats.ttest_1samp(values, bound).pvalue)
    assert interval_p(1, 1, 1, 3) == 1 and interval_p(0, 0, 0, 3) == 1
    for unknown in ((np.nan, np.nan, np.nan, 3), (1, 0, 2, 0), (1, 0, 2, np.nan),
                    (np.inf, 0, 2, 3), (1, 0, 2, np.inf)):
        assert np.isnan(interval_p(*unknown))


@pytest.mark.parametrize("is_crossed", [False, True])
def test_the_p_value_is_below_5_percent_exactly_where_the_interval_decides(is_crossed):
    """Crossed random effects, too, and what they correct is never smaller than their own p."""
    rng, met = np.random.default_rng(5), set()
    for expected, within in (("above 0", None), ("below 0", None), ("around 0", 0.6)):
        for mean in rng.normal(size=200):
            made = claims()
            made.interval("c", crossed(rng, 0.3, 0.4, 0.3) + mean, expected, of="d",
                          within=within, crossed=is_crossed, **SAID)
            (claim,) = made.claims
            assert (claim.p < 0.05) == (claim.verdict != INCONCLUSIVE)
            met.add((expected, claim.verdict))
    assert len(met) == 9, "each verdict was met with each claim"


def test_several_estimates_have_the_p_value_of_the_one_that_decides():
    assert combined_p([SUPPORTED, SUPPORTED], [0.01, 0.04]) == 0.04
    assert combined_p([SUPPORTED, INCONCLUSIVE], [0.01, 0.3]) == 0.3
    assert combined_p([SUPPORTED, CONTRADICTED, CONTRADICTED], [0.001, 0.04, 0.02]) == 0.02
    assert np.isnan(combined_p([SUPPORTED, UNTESTABLE], [0.01, np.nan]))
    assert np.isnan(combined_p([], []))
    made = claims()
    made.intervals("both", {"a": (2.0, 1.0, 3.0), "b": (2.0, 0.5, 3.5)}, "above 0", of="d", df=3,
                   **SAID)
    made.tests("all", {"a": (1, 0.01), "b": (1, 0.04)}, "above 0", of="d", **SAID)
    assert [claim.p for claim in made.claims] == pytest.approx(
        [interval_p(2, 0.5, 3.5, 3), 0.04], rel=0.01)


@pytest.mark.slow
def test_holms_rule_undoes_only_verdicts_that_were_decided():
    """Three p values: .02 * 3 and .03 * 2 are above .05; one that is unknown is no member."""
    decided = [SUPPORTED, CONTRADICTED, INCONCLUSIVE, UNTESTABLE]
    assert undecided_after_holm(decided, [0.02, 0.03, 0.4, np.nan]) == [0, 1]
    assert undecided_after_holm(decided, [0.01, 0.02, 0.4, np.nan]) == []
    assert undecided_after_holm([INCONCLUSIVE, SUPPORTED], [0.04, np.nan]) == []


# ---- the claims table ---------------------------------------------------------------------------

def test_a_machine_dependent_verdict_is_inconclusive_on_every_machine(private, monkeypatch):
    known = private / "machine_dependent.json"
    known.write_text(json.dumps({"demo": {"99_test_this": ["up", "open"]}}))
    monkeypatch.setattr(verdicts, "MACHINE_DEPENDENT", known)
    made = claims()
    for statement in ("up", "other"):
        made.judge(statement, 1.0, 0.5, 1.5, "above 0", of="d", **SAID)
    made.judge("open", 0.1, -0.5, 0.7, "above 0", of="d", **SAID)
    assert [claim.verdict for claim in made.claims] == [INCONCLUSIVE, SUPPORTED, INCONCLUSIVE]
    assert ["rounding" in claim.rule for claim in made.claims] == [True, False, False]


def test_another_profile_or_notebook_has_no_machine_dependent_claims():
    assert verdicts.machine_dependent("no such profile", "06_transfer_between_brains") == []
    assert verdicts.machine_dependent("demo", "99_test_this") == []
    assert verdicts.machine_dependent("demo", "06_transfer_between_brains")


def test_claims_carry_their_numbers_and_what_they_depend_on(private):
    made = claims()
    values = np.array([[1.0, 1.2], [1.1, 1.3], [np.nan, 1.0], [0.9, 1.2]])
    made.interval("up", values, "above 0", of="d", **SAID)
    made.interval("frame", pd.DataFrame(values), "above 0", of="d", **SAID)
    made.interval("none", iter([np.nan, 1.0]), "above 0", of="d", **SAID)
    made.interval("empty", [], "below 0", of="d", **SAID)
    made.judge("absent", 0.01, -0.02, 0.04, "around 0", of="d", n="4 networks", within=0.05,
               rests_on="one training", **SAID)
    made.test("turned", -0.4, 0.001, "above 0", of="r", **SAID)
    made.tests("both", {"a": (0.4, 0.001), "b": (0.1, 0.4)}, "above 0", of="r", **SAID)
    made.count("most", 9, 10, "above", 0.5, of="k", **SAID)
    made.count("few", 1, 10, "above", 0.5, of="k", **SAID)
    low, high = confidence_interval(values[[0, 1, 3]])
    saved = json.loads(made.save().read_text())["claims"]
    assert [saved[0][name] for name in ("mean", "low", "high")] == pytest.approx(
        [values[[0, 1, 3]].mean(), low, high], abs=1e-4)
    assert saved[0]["run"].endswith("n = 3 x 2 trainings") and "trainings" in saved[0]["rule"]
    assert {**saved[1], "statement": "up"} == saved[0]
    assert saved[2]["mean"] == 1.0 and saved[2]["low"] is None and saved[3]["mean"] is None
    assert "within ±0.05; rests on one training" in saved[4]["rule"]
    assert "4 networks" in saved[4]["run"]
    assert [claim["verdict"] for claim in saved] == [
        SUPPORTED, SUPPORTED, UNTESTABLE, UNTESTABLE, SUPPORTED, CONTRADICTED, INCONCLUSIVE,
        SUPPORTED, CONTRADICTED]
    assert set(VERDICTS) == {claim["verdict"] for claim in saved}
    assert len(made.verdicts().splitlines()) == len(saved), "all of them, always"
    assert saved[5]["mean"] == -0.4 and saved[6]["mean"] is None


def test_a_claim_on_several_estimates_shows_the_one_hardest_to_support():
    made, parts = claims(), {"a": (0.5, 0.4, 0.6), "b": (0.3, 0.1, 0.5), "c": (0.2, 0.15, 0.25)}
    mirrored = {name: (-mean, -high, -low) for name, (mean, low, high) in parts.items()}
    unknown = {"d": (np.nan, np.nan, np.nan)}
    made.intervals("up", parts, "above 0", of="d", n="n = 3", **SAID)
    made.intervals("down", mirrored, "below 0", of="d", **SAID)
    made.intervals("none", parts, "around 0", within=0.55, of="d", **SAID)
    made.intervals("unknown", parts | unknown, "above 0", of="d", **SAID)
    made.intervals("against", mirrored | unknown, "above 0", of="d", **SAID)
    made.intervals("nothing", unknown, "above 0", of="d", **SAID)
    up, down, none, *rest = made.claims
    assert (up.mean, up.low, up.high, up.verdict) == (0.3, 0.1, 0.5, SUPPORTED)
    assert (down.mean, down.low, down.high, down.verdict) == (-0.3, -0.5, -0.1, SUPPORTED)
    assert (none.mean, none.verdict) == (0.5, INCONCLUSIVE)
    assert [claim.verdict for claim in rest] == [UNTESTABLE, CONTRADICTED, UNTESTABLE]
    assert up.run.startswith("a +0.500 [0.400, 0.600], b") and up.run.endswith("; n = 3")


# ---- two runs compared --------------------------------------------------------------------------

def content(r=0.5, n=4, word="drum", verdict=SUPPORTED, mean=0.2, low=0.1) -> dict:
    return {"provenance": {}, "numbers": {"r, early": {"a": r, "b": None}, "eps": 0.4,
                                          "units": {"n": n}, "worst": {"faces": word}},
            "claims": [{"statement": "c", "verdict": verdict, "mean": mean, "low": low,
                        "high": None}]}


def test_numbers_and_claims_have_one_flat_name_each():
    assert flatten_numbers(content()) == {
        "r, early/a": 0.5, "r, early/b": None, "eps": 0.4, "units/n": 4, "worst/faces": "drum",
        "claims/1/verdict": SUPPORTED, "claims/1/mean": 0.2, "claims/1/low": 0.1}


@pytest.mark.parametrize(("changed", "tolerances", "expected"), [
    ({}, {}, []), ({"r": 0.5001}, {}, []), ({"n": 5}, {}, []),
    ({"r": 0.51}, {"r, early": {"a": 0.02}}, []), ({"n": 7}, {"units": {"n": 3}}, []),
    ({"low": 0.13}, {"claims": {"1": {"low": 0.03}}}, []),
    ({"r": 0.53}, {"r, early": {"a": 0.02}},
     ["r, early/a: 0.5 became 0.53, tolerance 0.02"]),
    ({"r": 0.5002}, {}, ["r, early/a: 0.5 became 0.5002, tolerance 0.0001"]),
    ({"r": None}, {"r, early": {"a": 1}}, ["r, early/a: 0.5 became None"]),
    ({"word": "piano"}, {}, ["worst/faces: drum became piano"]),
    ({"verdict": INCONCLUSIVE}, {}, ["claims/1/verdict: supported became inconclusive"]),
    ({"mean": None}, {}, ["claims/1/mean: not in this run"])])
def test_changes_beyond_the_tolerance_are_listed(changed, tolerances, expected):
    assert compare_numbers(content(), content(**changed), tolerances) == expected


def test_a_number_that_was_not_committed_is_listed():
    more = content()
    more["numbers"]["new"] = 1
    assert compare_numbers(content(), more, {}) == ["new: not committed"]
    assert compare_numbers(more, content(), {}) == ["new: not in this run"]


@pytest.mark.parametrize("expected, within", [("above 0", None), ("below 0", None),
                                              ("around 0", 1.0)])
@pytest.mark.parametrize("value", [-0.018, 0.0, 0.5])
def test_an_interval_without_width_decides_nothing(value, expected, within):
    assert verdict_from_interval(value, value, expected, within) == "inconclusive"


@pytest.mark.parametrize("low, high, expected, within", [
    (0, 1, "above 0", None), (-1, 0, "above 0", None), (0, 1, "below 0", None),
    (-1, 0, "below 0", None), (-1, 0.5, "around 0", 1), (-0.5, 1, "around 0", 1),
    (1, 2, "around 0", 1), (-2, -1, "around 0", 1)])
def test_an_interval_that_reaches_the_bound_decides_nothing(low, high, expected, within):
    assert verdict_from_interval(low, high, expected, within) == INCONCLUSIVE
