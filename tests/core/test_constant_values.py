"""What does not vary has no score: NaN, at constants whose mean is not exact, too."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from helpers.brains.reliability import ncsnr
from helpers.concepts.stability import correlate_with_similarity
from helpers.concepts.suppression import p_below_zero
from helpers.content_channels.separability import jackknife_contrast, layer_rdm
from helpers.content_channels.trajectories import block_correlations, correlation_rdm
from helpers.core.bootstrap import draw_weights
from helpers.core.constant_values import finite_mean, subtract_mean
from helpers.decoding.trials import noise_ceiling as percent_ceilings
from helpers.encoding.statistics import paired_t_test, roi_summary
from helpers.lesions.deficits import deficit_correlations, pearson_r_rows
from helpers.lesions.statistics import activation_deficit_correlation, p_against_random_lesions
from helpers.matched_models.statistics import _resampled
from helpers.matched_models.training_dynamics import _standard_ranks
from helpers.rsa.dissimilarity import pearson, pearson_r, rdm, spearman_rdms, univariate_r
from helpers.rsa.noise_ceilings import estimate_noise_ceiling, split_half_noise_ceiling

CONSTANTS = [0.0, 0.1, 1 / 3, -2.7, 1e-30, 1e9 + 0.1, 12345.678]
RNG = np.random.default_rng(0)
VARIED = RNG.standard_normal(50)


def nearly(value: float, n: int = 50) -> np.ndarray:
    """Return a constant with errors of rounding: it was computed in several ways."""
    noise = np.random.default_rng(1).choice([-1, 0, 1], n) * np.spacing(value)
    return value + 2 * noise


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("value", CONSTANTS)
def test_constants_are_centred_to_nothing_and_variation_is_left_as_it_is(value, kind):
    table = np.stack([np.full(50, value), nearly(value), VARIED], 1).astype(kind)
    for axis, values in ((0, table), (1, table.T)):
        found = subtract_mean(values, axis)
        found = found if axis == 0 else found.T
        assert not found[:, :2].any()
        wanted = table[:, 2].astype(float)
        np.testing.assert_allclose(found[:, 2], wanted - wanted.mean(), rtol=1e-12, atol=1e-15)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(3, 80), st.floats(-1e4, 1e4), st.floats(1e-2, 1e3))
def test_scores_of_what_varies_are_scipys(seed, n, offset, scale):
    rng = np.random.default_rng(seed)
    x, y = offset + scale * rng.standard_normal((2, n))
    wanted = stats.pearsonr(x, y).statistic
    assert pearson(x, y) == pytest.approx(wanted, abs=1e-7)
    assert pearson_r_rows(x[None], y[None])[0] == pytest.approx(wanted, abs=1e-7)
    assert spearman_rdms(x, y) == pytest.approx(stats.spearmanr(x, y).statistic, abs=1e-12)
    _, t, p = paired_t_test(x, y)
    test = stats.ttest_rel(x, y)
    assert (t, p) == pytest.approx((test.statistic, test.pvalue), rel=1e-9)
    assert p_below_zero(x) == pytest.approx(stats.ttest_1samp(x, 0, alternative="less").pvalue,
                                            rel=1e-9)


@pytest.mark.parametrize("constant", [*(np.full(50, value) for value in CONSTANTS),
                                      nearly(0.1), nearly(-2.7)])
def test_correlations_with_a_constant_are_unknown(constant):
    pair = (constant, VARIED)
    for one, other in (pair, pair[::-1], (constant, constant)):
        assert np.isnan(pearson(one, other)) and np.isnan(spearman_rdms(one, other))
        assert np.isnan(pearson_r_rows(one[None], other[None])).all()
        assert np.isnan(activation_deficit_correlation(one, other, seed=0).value)
        assert np.isnan(pearson_r(one[:, None], other[:, None])).all()
        assert np.isnan(univariate_r(np.stack([one, one], 1), other[:, None]))
    assert np.isnan(deficit_correlations(np.stack(pair))[0]).all()
    assert np.isnan(_standard_ranks(constant)).all()
    assert np.isnan(rdm(np.stack([constant, VARIED, VARIED**2]))[:2]).all()
    matrix = np.zeros((6, 6))
    matrix[np.triu_indices(6, 1)] = constant[:15]
    assert np.isnan(block_correlations(matrix, RNG.random((6, 6)), 2)).all()


@pytest.mark.parametrize("value", CONSTANTS[1:])
def test_rows_that_do_not_vary_are_like_no_other_among_images(value):
    rows = np.stack([np.full(9, value), *RNG.standard_normal((4, 9))])
    np.testing.assert_array_equal(layer_rdm(rows)[0], [0, 1, 1, 1, 1])
    np.testing.assert_array_equal(correlation_rdm(rows[None])[0], [0, 1, 1, 1, 1])


def test_no_test_rests_on_differences_that_are_all_equal_but_for_rounding():
    gain = np.array([0.3, 0.4, 0.7]) - np.array([0.2, 0.3, 0.6])
    assert np.ptp(gain) > 0, "guard: rounding makes them differ"
    difference, t, p = paired_t_test(np.array([0.3, 0.4, 0.7]), np.array([0.2, 0.3, 0.6]))
    assert difference == pytest.approx(0.1) and np.isnan([t, p]).all()
    table = pd.DataFrame({"subject": list("abc"), "roi": "V1v", "score": gain})
    assert roi_summary(table, ["V1v"])[["t", "p"]].isna().all(axis=None)
    assert p_against_random_lesions(1.0, gain) == 0 and p_against_random_lesions(0.1, gain) == 1
    assert p_below_zero(gain) == 1 and p_below_zero(-gain) == 0


def test_a_constant_contrast_of_silhouettes_has_no_error_and_no_test():
    side = np.array([0, 0, 0, 1, 1, 1])
    apart = (side[:, None] != side).astype(float)[None]
    found = jackknife_contrast(apart, side, [0.1])
    assert found.estimate == pytest.approx(0.1) and np.isnan([found.se, found.p]).all()
    assert np.isnan(found.interval).all()


@pytest.mark.parametrize("value", CONSTANTS)
def test_noise_ceilings_of_what_never_varies_are_unknown(value):
    betas = np.full((20, 3, 4), value)
    betas[..., 3] = RNG.standard_normal((20, 3))
    for unit_variance in (True, False):
        found = ncsnr(betas, unit_variance=unit_variance)
        assert np.isnan(found[:3]).all() and np.isfinite(found[3])
    repeated = np.repeat(RNG.standard_normal((20, 1, 2)), 3, 1)
    assert np.isnan(ncsnr(repeated)).all(), "repeats that never differ tell no noise"
    np.testing.assert_array_equal(percent_ceilings(betas)[:3], 0)
    for statistic in ("univariate", "rsa"):
        found = estimate_noise_ceiling(betas[..., :3], statistic=statistic, seed=0,
                                       n_simulations=3)
        assert np.isnan([found.value, found.low, found.high]).all()
        assert np.isnan(split_half_noise_ceiling(betas[..., :3], statistic=statistic))


@pytest.mark.parametrize("value", CONSTANTS)
def test_resampled_d_prime_of_constant_units_is_unknown_and_leaves_the_mean_alone(value):
    sets = np.repeat([0, 1, 2], 8)
    varied = RNG.standard_normal((24, 1)).astype(np.float32)
    both = np.concatenate([varied, np.full((24, 1), value, np.float32)], 1)
    weights = draw_weights(sets, seed=0, n_resamples=20)
    np.testing.assert_allclose(_resampled(both, sets, weights, 0)[1],
                               _resampled(varied, sets, weights, 0)[1])
    assert np.isnan(_resampled(both[:, 1:], sets, weights, 0)[1]).all()


def test_a_concept_that_predicts_the_same_for_all_images_is_not_scored():
    images = np.repeat([[0.1, 0.3]], 30, 0)
    weights = np.array([[0.1, 0.3], [1.0, 0.0]])
    found = correlate_with_similarity(np.array([0.1, 0.3]), weights, RNG.standard_normal((30, 2)),
                                      images, 0.1)
    assert np.isnan(found).all()


def test_means_leave_out_what_is_not_finite():
    table = np.array([[1, np.nan, np.inf], [3, np.nan, 2]])
    np.testing.assert_array_equal(finite_mean(table), [2, np.nan, 2])
    assert np.isnan(finite_mean(np.zeros(0)))
