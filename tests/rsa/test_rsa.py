"""RDMs and scores of predictions: against SciPy, on planted agreement and on nothing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.spatial.distance import pdist, squareform

from helpers.core.errors import LabError
from helpers.rsa import dissimilarity
from helpers.rsa.dissimilarity import (
    compare_rdms,
    pearson_r,
    rdm,
    rdm_permutation_test,
    rsa_r,
    spearman_rdms,
    univariate_r,
)

sizes = st.tuples(st.integers(4, 30), st.integers(3, 60), st.integers(3, 60),
                  st.integers(0, 10_000))


def alike(n_conditions: int, n_a: int, n_b: int, seed: int, *, common: float = 0.5):
    """Draw two sets of patterns that share a few dimensions, and a mean pattern each."""
    rng = np.random.default_rng(seed)
    shared = rng.normal(size=(n_conditions, 3))
    return [common * shared @ rng.normal(size=(3, n)) + rng.normal(size=(n_conditions, n))
            + 2 * rng.normal(size=n) for n in (n_a, n_b)]


# ---- dissimilarities ----------------------------------------------------------------------------

@given(sizes)
@settings(max_examples=40, deadline=None)
def test_dissimilarities_are_scipys(size):
    patterns, _ = alike(*size)
    np.testing.assert_allclose(rdm(patterns), pdist(patterns, "correlation"), atol=1e-12)


def test_a_constant_pattern_has_no_dissimilarity_and_spoils_no_other():
    patterns, _ = alike(9, 12, 12, 0)
    expected = squareform(rdm(patterns))
    patterns[4] = 0.1  # 0.1 has no exact double: centring leaves rounding errors
    found = squareform(rdm(patterns), checks=False)
    others = np.arange(9) != 4
    assert np.isnan(found[4, others]).all()
    np.testing.assert_allclose(found[np.ix_(others, others)], expected[np.ix_(others, others)])
    assert np.isnan(rdm(np.full((2, 5), 0.1, np.float32))).all()


def test_patterns_that_are_no_table_are_refused():
    for wrong in (np.zeros(5), np.zeros((1, 5)), np.zeros((2, 3, 4))):
        with pytest.raises(LabError, match="patterns of shape"):
            rdm(wrong)


# ---- veRSA and cRSA -----------------------------------------------------------------------------

@given(sizes)
@settings(max_examples=60, deadline=None)
def test_rsa_without_listing_pairs_is_rsa_over_pairs(size):
    a, b = alike(*size)
    expected = stats.pearsonr(pdist(a, "correlation"), pdist(b, "correlation")).statistic
    assert rsa_r(a, b) == pytest.approx(expected, abs=1e-9)
    assert compare_rdms(rdm(a), rdm(b)) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("columns", [(5, 9), (60, 80), (5, 400)])
def test_ordinary_patterns_need_no_list_of_pairs(columns, monkeypatch):
    a, b = alike(30, *columns, 1)
    expected = stats.pearsonr(pdist(a, "correlation"), pdist(b, "correlation")).statistic
    monkeypatch.setattr(dissimilarity, "_condensed_rdm", None)
    assert rsa_r(a, b) == pytest.approx(expected, abs=1e-9)


def test_rsa_keeps_its_digits_where_all_patterns_are_nearly_the_same():
    rng = np.random.default_rng(0)
    base = rng.normal(size=20)
    a = base + 1e-3 * rng.normal(size=(30, 20))
    b = a + 1e-3 * rng.normal(size=(30, 20))
    expected = stats.pearsonr(pdist(a, "correlation"), pdist(b, "correlation")).statistic
    assert rsa_r(a, b) == pytest.approx(expected, abs=1e-7)


def test_the_shared_515_images_have_132355_pairs():
    assert len(rdm(np.random.default_rng(0).normal(size=(515, 5)))) == 132_355


def test_rsa_ignores_order_of_vertices_and_size_and_level_of_patterns():
    a, b = alike(25, 10, 14, 3)
    rng = np.random.default_rng(0)
    changed = a[:, rng.permutation(10)] * rng.uniform(0.5, 2, (25, 1)) + rng.normal(size=(25, 1))
    assert rsa_r(changed, b) == pytest.approx(rsa_r(a, b))
    order = rng.permutation(25)
    assert rsa_r(a[order], b[order]) == pytest.approx(rsa_r(a, b))
    assert rsa_r(a[order], b) != pytest.approx(rsa_r(a, b))
    assert rsa_r(a, a) == pytest.approx(1)


def test_bad_dissimilarities_of_the_model_are_dropped_up_to_a_tenth():
    rng = np.random.default_rng(0)
    model, measured = rng.normal(size=(2, 40))
    model[:4] = np.nan, np.inf, -np.inf, np.nan
    assert compare_rdms(model, measured) == pytest.approx(
        stats.pearsonr(model[4:], measured[4:]).statistic)
    model[4] = np.nan
    assert np.isnan(compare_rdms(model, measured))
    assert np.isfinite(compare_rdms(model, measured, max_undefined=0.2))


def test_nothing_is_dropped_for_the_measured_side():
    rng = np.random.default_rng(0)
    model, measured = rng.normal(size=(2, 40))
    measured[0] = np.nan
    assert np.isnan(compare_rdms(model, measured))


def test_one_silent_prediction_among_many_is_left_out_of_the_score():
    a, b = alike(40, 10, 14, 3)
    a[7] = 0
    rest = np.arange(40) != 7
    assert rsa_r(a, b) == pytest.approx(rsa_r(a[rest], b[rest]))
    a[8:12] = 0
    assert np.isnan(rsa_r(a, b))


def test_rsa_of_different_conditions_is_refused():
    a, b = alike(10, 5, 5, 0)
    with pytest.raises(LabError, match="patterns of shapes"):
        rsa_r(a, b[:9])
    with pytest.raises(LabError, match="dissimilarities of shapes"):
        compare_rdms(rdm(a), rdm(b[:9]))


# ---- univariate scores --------------------------------------------------------------------------

def test_the_univariate_score_correlates_means_over_columns():
    a, b = alike(30, 7, 11, 1)
    expected = stats.pearsonr(a.mean(1), b.mean(1)).statistic
    assert univariate_r(a, b) == pytest.approx(expected)
    assert univariate_r(a.astype(np.float32), b) == pytest.approx(expected, abs=1e-5)
    assert np.isnan(univariate_r(np.full((30, 7), 0.1), b))
    for wrong in (b[:29], b[:, 0]):
        with pytest.raises(LabError, match="responses of shapes"):
            univariate_r(a, wrong)


def test_columns_are_correlated_one_by_one():
    rng = np.random.default_rng(0)
    a = rng.normal(size=(50, 6)) + 1000  # a large mean must not cost digits
    b = a + rng.normal(size=(50, 6))
    b[:, 2] = 0.1
    found = pearson_r(a, b)
    for column in (0, 1, 3, 4, 5):
        assert found[column] == pytest.approx(stats.pearsonr(a[:, column], b[:, column]).statistic)
    assert np.isnan(found[2])
    order = rng.permutation(6)
    np.testing.assert_allclose(pearson_r(a[:, order], b[:, order]), found[order])
    with pytest.raises(LabError, match="columns of shapes"):
        pearson_r(a, b[:, :5])


# ---- comparing RDMs -----------------------------------------------------------------------------

def test_the_rank_score_is_spearmans_with_ties():
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 9, (2, 60)).astype(float)
    assert spearman_rdms(a, b) == pytest.approx(stats.spearmanr(a, b).statistic)
    a[3] = np.nan
    assert np.isnan(spearman_rdms(a, b))
    with pytest.raises(LabError, match="dissimilarities of shapes"):
        spearman_rdms(a, b[:50])


def test_permutation_p_deals_conditions_not_pairs():
    a, b = (rdm(part) for part in alike(12, 8, 8, 5, common=0.4))
    rng = np.random.default_rng(3)
    square, observed, reached = squareform(a), stats.spearmanr(a, b).statistic, 0
    for _ in range(99):
        order = rng.permutation(12)
        permuted = squareform(square[np.ix_(order, order)], checks=False)
        reached += stats.spearmanr(permuted, b).statistic >= observed - 1e-12
    assert 0 < reached < 99
    assert rdm_permutation_test(a, b, seed=3, n=99) == (1 + reached) / 100


def test_permutation_p_errs_at_its_nominal_rate_where_a_test_of_pairs_does_not():
    rng = np.random.default_rng(0)
    ours, pairs = [], []
    for trial in range(300):
        # Each side has strong and weak conditions, but not the same ones.
        a, b = (rdm(3 * rng.random((15, 1)) * np.arange(4) + rng.normal(size=(15, 4)))
                for _ in range(2))
        ours.append(rdm_permutation_test(a, b, seed=trial, n=99))
        pairs.append(stats.spearmanr(a, b, alternative="greater").pvalue)
    assert np.mean(np.array(ours) <= 0.05) < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 300)
    assert stats.kstest(ours, "uniform").pvalue > 0.01
    assert np.mean(np.array(pairs) <= 0.05) > 0.1


def test_planted_agreement_is_found_and_nothing_is_found_in_nothing():
    a, b = (rdm(part) for part in alike(30, 20, 20, 0, common=1.0))
    assert rdm_permutation_test(a, b, seed=0, n=199) == 1 / 200
    assert rdm_permutation_test(a, -b, seed=0, n=199) > 0.9
    bad = a.copy()
    bad[0] = np.nan
    assert np.isnan(rdm_permutation_test(bad, b, seed=0, n=9))
    assert np.isnan(rdm_permutation_test(np.ones_like(a), b, seed=0, n=9))


def test_the_same_pattern_for_every_condition_has_no_score_however_many_vertices():
    """Its dissimilarities are all zero; what rounding leaves of them must not be correlated."""
    rng = np.random.default_rng(0)
    for n, v in ((515, 3001), (81, 200), (50, 30)):
        same = np.tile(rng.normal(size=(1, v)), (n, 1))
        assert np.isnan(rsa_r(same, rng.normal(size=(n, v))))


def test_a_vector_that_is_no_rdm_is_refused():
    with pytest.raises(LabError, match="7 dissimilarities"):
        rdm_permutation_test(np.arange(7.0), np.arange(7.0), seed=0)
    with pytest.raises(LabError, match="dissimilarities of shapes"):
        rdm_permutation_test(np.arange(6.0), np.arange(10.0), seed=0)
