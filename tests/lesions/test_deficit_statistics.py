"""Deficits and their tests: independent references, known effects, and data without effects."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from helpers.core.errors import LabError
from helpers.core.statistics import correct_p_values
from helpers.lesions import statistics
from helpers.lesions.deficits import (
    compute_deficits,
    deficit_correlations,
    dissociation,
    group_means,
    probe_set_sizes,
    target_ranks,
)
from helpers.lesions.statistics import (
    activation_deficit_correlation,
    compare_own_and_other_classes,
    compare_own_and_other_lesions,
    p_against_random_lesions,
)


@pytest.fixture
def few(monkeypatch):
    """Make simulations of many tests affordable."""
    monkeypatch.setattr(statistics, "N_RESAMPLES", 199)


# ---- recognition --------------------------------------------------------------------------------

def test_ranks_agree_with_topk():
    rng = torch.Generator().manual_seed(0)
    logits = torch.randn(200, 30, generator=rng)
    labels = torch.randint(30, (200,), generator=rng)
    ranks = target_ranks(logits, labels)
    for k in (1, 5):
        expected = (logits.topk(k).indices == labels[:, None]).any(1)
        assert torch.equal(ranks < k, expected)


def test_a_silent_network_recognises_nothing():
    ranks = target_ranks(torch.zeros(4, 10), torch.tensor([0, 3, 9, 9]))
    assert (ranks == 9).all()
    with pytest.raises(LabError, match="not finite"):
        target_ranks(torch.full((1, 3), torch.nan), torch.tensor([0]))


def test_deficits_are_accuracy_before_minus_after():
    rng = np.random.default_rng(0)
    correct, groups = rng.random((4, 60)) < 0.6, rng.integers(0, 5, 60)
    result = compute_deficits(correct, groups, 6)
    assert result.shape == (3, 6)
    for lesion in range(3):
        for group in range(5):
            rows = groups == group
            assert result[lesion, group] == pytest.approx(
                correct[0, rows].mean() - correct[lesion + 1, rows].mean())
    assert np.isnan(result[:, 5]).all() and np.isnan(group_means(correct, groups, 6)[0, 5])


def test_deficit_correlations_are_pearson_r_over_classes():
    deficit = np.random.default_rng(0).normal(size=(4, 50))
    assert deficit_correlations(deficit) == pytest.approx(np.corrcoef(deficit))
    deficit[2, 7] = np.nan
    assert deficit_correlations(deficit)[0, 1] == pytest.approx(
        stats.pearsonr(np.delete(deficit[0], 7), np.delete(deficit[1], 7)).statistic)


# ---- activation and deficit ---------------------------------------------------------------------

def test_correlation_is_scipys_with_its_interval_and_sign():
    rng = np.random.default_rng(0)
    activation = rng.normal(size=60)
    deficit = 0.5 * activation + rng.normal(size=60)
    result = activation_deficit_correlation(activation, deficit, seed=0)
    reference = stats.pearsonr(activation, -deficit)
    interval = reference.confidence_interval()
    assert result.value == pytest.approx(reference.statistic) and result.value < 0
    assert (result.low, result.high) == pytest.approx((interval.low, interval.high), abs=0.08)
    assert result.p <= 0.01 and result.n == 60
    # one-sided: less impaired is no finding
    assert activation_deficit_correlation(activation, -deficit, seed=0).p > 0.9


def test_correlation_leaves_out_values_that_are_not_finite_and_may_be_undefined():
    x, deficit = np.arange(8.0), np.arange(8.0)
    x[0], deficit[1] = np.nan, np.nan
    result = activation_deficit_correlation(x, deficit, seed=0)
    assert result.n == 6 and result.value == pytest.approx(-1)
    for a, b in ((np.ones(9), np.arange(9.0)), (np.arange(3.0), np.arange(3.0)),
                 (np.full(9, np.nan), np.arange(9.0))):
        assert np.isnan(activation_deficit_correlation(a, b, seed=0).value)


@pytest.mark.slow
def test_on_noise_the_tests_reject_at_the_nominal_rate(few):
    """400 data sets without any effect: between 2 and 9 % of p values below .05."""
    rng = np.random.default_rng(0)
    own = np.arange(30) < 6
    p = {"correlation": [], "own domain": [], "own lesion": [], "random": []}
    for trial in range(400):
        p["correlation"].append(activation_deficit_correlation(rng.normal(size=30),
                                                               rng.normal(size=30),
                                                               seed=trial).p)
        p["own domain"].append(compare_own_and_other_classes(rng.normal(size=30), own,
                                                             seed=trial).p)
        p["own lesion"].append(compare_own_and_other_lesions(rng.random((4, 80)) < 0.6, 1,
                                                             seed=trial).p)
        p["random"].append(p_against_random_lesions(rng.normal(), rng.normal(size=10)))
    for name, values in p.items():
        assert 0.02 <= np.mean(np.array(values) < 0.05) <= 0.09, name


def test_a_known_effect_on_the_own_domain_is_estimated():
    rng = np.random.default_rng(0)
    own = np.arange(48) < 10
    deficit = rng.normal(0.1, 0.1, 48) + 0.25 * own
    result = compare_own_and_other_classes(deficit, own, seed=0)
    assert result.value == pytest.approx(deficit[own].mean() - deficit[~own].mean())
    assert result.low < 0.25 < result.high and result.p < 0.01
    assert compare_own_and_other_classes(-deficit, own, seed=0).p > 0.99  # one-sided: less impaired
    assert np.isnan(compare_own_and_other_classes(deficit, np.arange(48) < 1, seed=0).value)
    deficit[0] = np.nan
    assert compare_own_and_other_classes(deficit, own, seed=0).n == 47


def test_intervals_are_as_wide_as_95_percent_of_a_normal_distribution():
    rng = np.random.default_rng(0)
    own, deficit = np.arange(400) < 150, rng.normal(size=400)
    domain = compare_own_and_other_classes(deficit, own, seed=0)
    error = np.sqrt(deficit[own].var() / 150 + deficit[~own].var() / 250)
    assert domain.high - domain.low == pytest.approx(2 * 1.96 * error, rel=0.05)

    correct = rng.random((4, 400)) < 0.6
    lesion = compare_own_and_other_lesions(correct, 1, seed=0)
    gain = correct[[0, 2, 3]].mean(0) - correct[1]
    assert lesion.high - lesion.low == pytest.approx(2 * 1.96 * gain.std() / 20, rel=0.05)

    activation = rng.normal(size=2000)
    result = activation_deficit_correlation(activation, 0.5 * activation + rng.normal(size=2000),
                                            seed=0)
    reference = 2 * 1.96 * (1 - result.value**2) / np.sqrt(2000)
    assert result.high - result.low == pytest.approx(reference, rel=0.08)


def test_p_against_random_lesions_is_that_of_a_prediction_interval():
    drawn = np.random.default_rng(0).normal(size=10)
    edge = drawn.mean() + stats.t.isf(0.05, 9) * drawn.std(ddof=1) * np.sqrt(1.1)
    assert p_against_random_lesions(edge, drawn) == pytest.approx(0.05)
    assert np.isnan(p_against_random_lesions(1.0, np.array([0.3])))
    assert p_against_random_lesions(1.0, np.zeros(5)) == 0 and p_against_random_lesions(
        0.0, np.zeros(5)) == 1


def test_holm_by_hand_with_a_missing_member():
    result = correct_p_values([0.01, np.nan, 0.04, 0.03])
    assert result[[0, 2, 3]] == pytest.approx([0.03, 0.06, 0.06]) and np.isnan(result[1])
    assert np.isnan(correct_p_values([np.nan])).all()


# ---- probe sets ---------------------------------------------------------------------------------

@pytest.mark.slow
def test_the_mean_deficit_correlation_has_an_interval_over_classes():
    rng = np.random.default_rng(0)
    shared, n = rng.normal(size=60), 5
    for weight, expected in ((0.0, 0.0), (1.0, 0.5)):
        deficit = weight * shared + rng.normal(size=(n, 60))
        result = statistics.mean_deficit_correlation(deficit, seed=0)
        pairs = np.corrcoef(deficit)[np.triu_indices(n, 1)]
        assert result.value == pytest.approx(pairs.mean()) and result.n == 60
        assert result.low < result.value < result.high and result.low < expected < result.high
    deficit[:, 0] = np.nan
    assert statistics.mean_deficit_correlation(deficit, seed=0).n == 59
    assert np.isnan(statistics.mean_deficit_correlation(deficit[:, :4], seed=0).value)


def halves(rng, drop: np.ndarray, n_classes: int = 40, each: int = 10):
    """Draw both halves; lesion i lowers the accuracy of class j by ``drop[i, j]``."""
    result = []
    for _ in range(2):
        intact = rng.random((n_classes, each)) < 0.6
        after = [(rng.random((n_classes, each)) < 0.6 - line[:, None]) for line in drop]
        result.append(np.stack([intact.mean(1) - hit.mean(1) for hit in after]))
    return result


def test_on_null_data_half_b_shows_no_deficit_though_half_a_does():
    """Selection on half A does not bias half B."""
    rng = np.random.default_rng(0)
    on_a, on_b = [], []
    for _ in range(200):
        a, b = halves(rng, np.zeros((4, 40)))
        on_b.append(dissociation(a, b, 4).mean.diagonal().mean())
        on_a.append(dissociation(a, a, 4).mean.diagonal().mean())
    error = np.std(on_b, ddof=1) / np.sqrt(len(on_b))
    assert abs(np.mean(on_b)) < 2.6 * error  # 99 % interval includes zero
    assert np.mean(on_a) > 0.3  # selecting and reporting on the same half would not


def test_a_known_dissociation_is_recovered():
    drop = np.zeros((3, 40))
    for lesion in range(3):
        drop[lesion, 5 * lesion:5 * lesion + 5] = 0.5
    a, b = halves(np.random.default_rng(1), drop, each=50)
    result = dissociation(a, b, 5)
    for lesion in range(3):
        assert set(result.most_impaired[lesion]) == set(range(5 * lesion, 5 * lesion + 5))
    assert (result.mean.diagonal() > 0.35).all()
    assert (np.abs(result.mean[~np.eye(3, dtype=bool)]) < 0.15).all()
    expected = b[0, result.most_impaired[1]].std() / np.sqrt(5)
    assert result.sem[0, 1] == pytest.approx(expected)


def test_probe_sets_hold_only_classes_that_both_halves_have():
    a = np.array([[0.9, 0.8, 0.1, 0.2]])
    b = np.array([[np.nan, 0.5, 0.1, 0.2]])
    assert dissociation(a, b, 2).most_impaired.tolist() == [[1, 3]]
    with pytest.raises(LabError, match="4 most impaired of 3"):
        dissociation(a, b, 4)


def test_sizes_of_probe_sets_are_the_published_ones_scaled():
    assert probe_set_sizes(1000) == [5, 10, 25, 50, 75, 100]
    assert probe_set_sizes(48) == [3, 4, 5] and probe_set_sizes(2) == [2]


def test_the_own_lesions_larger_deficit_is_estimated_over_images():
    rng = np.random.default_rng(0)
    correct = rng.random((4, 150)) < np.array([0.6, 0.3, 0.6, 0.6])[:, None]
    result = compare_own_and_other_lesions(correct, 1, seed=0)
    assert result.value == pytest.approx(correct[[0, 2, 3]].mean() - correct[1].mean())
    assert result.low < 0.3 < result.high and result.p < 0.01 and result.n == 150
    assert compare_own_and_other_lesions(correct, 0, seed=0).p > 0.5
    assert np.isnan(compare_own_and_other_lesions(correct[:, :1], 1, seed=0).value)
