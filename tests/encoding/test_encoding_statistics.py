"""Statistics over participants: references, missing regions, corrections, advantages of pools."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from helpers.encoding.statistics import (
    compare_with_competitors,
    correct_p_values,
    gains,
    paired_t_test,
    paired_test_over_rois,
    pool_advantage,
    roi_summary,
)


def scores(values: dict[str, list[float]]) -> pd.DataFrame:
    return pd.DataFrame([{"subject": f"s{i}", "roi": roi, "score": v}
                         for roi, column in values.items() for i, v in enumerate(column)])


def test_paired_is_the_paired_t_test_of_those_who_have_both():
    rng = np.random.default_rng(0)
    one, other = rng.normal(0.3, 0.2, 8), rng.normal(0.1, 0.2, 8)
    one[2] = np.nan
    difference, t, p = paired_t_test(one, other)
    both = np.isfinite(one)
    reference = stats.ttest_rel(one[both], other[both])
    assert difference == pytest.approx((one - other)[both].mean())
    assert (t, p) == (pytest.approx(reference.statistic), pytest.approx(reference.pvalue))


def test_two_participants_have_a_difference_but_no_p_value():
    difference, t, p = paired_t_test(np.array([0.5, 0.4, np.nan]), np.array([0.1, 0.2, 0.3]))
    assert difference == pytest.approx(0.3) and np.isnan([t, p]).all()
    assert np.isnan(paired_t_test(np.array([np.nan]), np.array([1.0]))).all()


def test_unknown_p_values_do_not_count_in_the_family():
    np.testing.assert_allclose(correct_p_values([0.01, np.nan, 0.04], "bonferroni"),
                               [0.02, np.nan, 0.08])
    np.testing.assert_allclose(correct_p_values([0.01, np.nan, 0.04], "holm"), [0.02, np.nan, 0.04])
    assert np.isnan(correct_p_values([np.nan], "holm")).all()


def test_the_summary_counts_participants_and_keeps_empty_regions():
    table = roi_summary(scores({"FFA-1": [0.5, 0.6, 0.4, 0.7], "PPA": [0.3, np.nan, 0.5, np.nan]}),
                        ["PPA", "FFA-1", "EBA"]).set_index("roi")
    assert table["n"].to_dict() == {"PPA": 2, "FFA-1": 4, "EBA": 0}
    reference = stats.ttest_1samp([0.5, 0.6, 0.4, 0.7], 0, alternative="greater")
    for name in ("p", "p_holm"):
        assert table.loc["FFA-1", name] == pytest.approx(reference.pvalue)
    assert np.isnan(table.loc["PPA", "p"]) and np.isnan(table.loc["EBA", "mean"])


def test_the_summary_corrects_over_regions_step_by_step():
    table = roi_summary(scores({"FFA-1": [0.5, 0.6, 0.4, 0.7], "PPA": [0.3, -0.1, 0.5, 0.2]}),
                        ["FFA-1", "PPA"])
    low, high = sorted(table["p"])
    assert sorted(table["p_holm"]) == pytest.approx([2 * low, high])


def test_rivals_are_compared_where_both_have_a_score_and_corrected_over_all():
    ours = scores({"FFA-1": [0.5, 0.6, 0.4], "PPA": [0.3, 0.35, 0.5]})
    competitors = {"Gabor": scores({"FFA-1": [0.1, 0.2, 0.1], "PPA": [0.3, 0.2, np.nan]}),
                   "faces only": scores({"FFA-1": [0.55, 0.65, 0.5]})}
    table = compare_with_competitors(ours, competitors, ["FFA-1", "PPA"])
    assert len(table) == 3 and set(zip(table["roi"], table["competitor"])) == {
        ("FFA-1", "Gabor"), ("PPA", "Gabor"), ("FFA-1", "faces only")}
    assert table.set_index(["roi", "competitor"]).loc[("PPA", "Gabor"), "n"] == 2
    known = table["p"].notna().sum()
    np.testing.assert_allclose(table["p_bonferroni"].dropna(),
                               np.minimum(table["p"].dropna() * known, 1))
    assert compare_with_competitors(ours, {}, ["FFA-1"]).empty


def test_a_rival_with_participants_in_another_order_is_matched_by_name():
    ours = scores({"PPA": [0.1, 0.2, 0.4]})
    competitor = ours.assign(score=ours["score"] - [0.1, 0.2, 0.1]).iloc[::-1]
    assert paired_test_over_rois(ours, competitor)[0] == pytest.approx(0.4 / 3)
    assert paired_test_over_rois(ours, competitor)[2] == 3


def test_two_predictors_are_compared_over_the_regions_that_both_have():
    ours = scores({"PPA": [0.1, 0.2, 0.4], "FFA-1": [0.9, 0.8, 0.9]})
    competitor = scores({"PPA": [0.0, 0.1, 0.2], "FFA-1": [np.nan, 0.4, np.nan]})
    difference, p, n = paired_test_over_rois(ours, competitor)
    gain = [0.1, (0.1 + 0.4) / 2, 0.2]
    assert difference == pytest.approx(np.mean(gain)) and n == 3
    assert gains(ours, competitor) == pytest.approx(gain)
    assert p == pytest.approx(stats.ttest_1samp(gain, 0).pvalue)


@pytest.mark.slow
def test_the_false_alarm_rate_is_the_nominal_one():
    rng = np.random.default_rng(1)
    p = [paired_t_test(rng.normal(size=8), rng.normal(size=8))[2] for _ in range(2000)]
    assert np.mean(np.array(p) < 0.05) == pytest.approx(0.05, abs=0.015)


def test_the_advantage_is_of_the_own_pool_over_the_mean_of_the_others():
    table = pd.DataFrame([{"subject": "s0", "roi": "PPA", "domain": d, "score": s} for d, s in
                          (("scenes", 0.6), ("faces", 0.1), ("bodies", np.nan), ("objects", 0.2))])
    (row,) = pool_advantage(table, {"PPA": "scenes"}).to_dict("records")
    assert row["other_pools"] == pytest.approx(0.1) and row["advantage"] == pytest.approx(0.5)
    assert row["best_domain"] == "scenes"


def test_a_region_that_no_pool_could_be_fitted_to_is_not_a_region_predicted_by_none():
    table = pd.DataFrame([("A", "PPA", domain, np.nan) for domain in ("scenes", "faces")]
                         + [("B", "PPA", domain, 0.0) for domain in ("scenes", "faces")],
                         columns=["subject", "roi", "domain", "score"])
    (row,) = pool_advantage(table, {"PPA": "scenes"}).to_dict("records")
    assert row["subject"] == "B" and row["advantage"] == 0 and row["best_domain"] == "none"
