"""The localizer's statistics against SciPy and statsmodels, and their error rates."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.multitest import multipletests

from helpers.core.errors import LabError
from helpers.core.moments import Moments, benjamini_yekutieli_threshold, t_values
from helpers.selectivity.statistics import (
    d_prime,
    localize,
    localize_at_alphas,
    select_twofold,
    selectivity_index,
)

DOMAINS = ("faces", "bodies", "objects", "scenes", "characters", "scrambled")

# SciPy's own remark on dead units, in the reference only.
pytestmark = pytest.mark.filterwarnings("ignore:Precision loss:RuntimeWarning")


def moments_of(groups: list[np.ndarray], batch: int = 7) -> Moments:
    moments = Moments.start(len(groups), torch.from_numpy(groups[0][0]))
    for index, values in enumerate(groups):
        for part in torch.from_numpy(values).split(batch):
            moments.update(part, index)
    return moments


def reference_masks(groups: list[np.ndarray], alpha: float) -> np.ndarray:
    """Run the published rule with SciPy and statsmodels, dead units counted in m (p = 1)."""
    masks = []
    for d, target in enumerate(groups):
        passed = np.ones(target.shape[1], bool)
        for e, other in enumerate(groups):
            if e != d:
                with np.errstate(all="ignore"):
                    t, p = stats.ttest_ind(target.astype(np.float64), other.astype(np.float64))
                reject = multipletests(np.nan_to_num(p, nan=1.0), alpha, method="fdr_by")[0]
                passed &= reject & (t > 0)
        masks.append(passed)
    return np.stack(masks)


def random_layer(seed: int) -> list[np.ndarray]:
    """Draw a layer with planted, dead, tied and nearly constant units; rectified or signed."""
    rng = np.random.default_rng(seed)
    n_units = int(rng.integers(40, 400))
    counts = rng.integers(8, 40, len(DOMAINS))
    prefers = rng.integers(0, 2 * len(DOMAINS), n_units)
    gain = rng.uniform(0, 4, n_units)
    kind = rng.choice(["plain", "dead", "tied", "rare"], n_units, p=[0.55, 0.15, 0.2, 0.1])
    groups = []
    for index, n in enumerate(counts):
        x = rng.standard_normal((n, n_units)) * 0.7 + gain * (prefers == index)
        if seed % 2:
            x = np.maximum(x, 0)
        x[:, kind == "tied"] = np.round(x[:, kind == "tied"])
        x[:, kind == "rare"] = np.maximum(x[:, kind == "rare"] - 2.5, 0)
        x[:, kind == "dead"] = 1.25
        groups.append((x + (5.0 if seed % 3 == 0 else 0.0)).astype(np.float32))
    return groups


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(60))
def test_masks_equal_those_of_scipy_and_statsmodels(seed):
    groups = random_layer(seed)
    result = localize(moments_of(groups), DOMAINS, alpha=0.05)
    expected = reference_masks(groups, 0.05)
    np.testing.assert_array_equal(result.mask.numpy(), expected)
    assert (result.mask.sum(0) <= 1).all()


def test_every_rate_has_the_mask_of_its_own_test():
    moments, alphas = moments_of(random_layer(2)), [0.2, 0.05, 0.001]
    masks = localize_at_alphas(moments, alphas)
    assert masks.shape == (3, *moments.mean.shape) and masks.dtype == torch.bool
    for mask, alpha in zip(masks, alphas):
        torch.testing.assert_close(mask, localize(moments, DOMAINS, alpha=alpha).mask)
    assert masks[0].sum() > masks[2].sum() > 0


def test_random_layers_contain_selective_dead_and_other_units():
    """Guard the test above: layers must contain selective, dead and unselective units."""
    result = [localize(moments_of(random_layer(seed)), DOMAINS) for seed in range(60)]
    assert sum(bool(f.mask.any()) for f in result) > 50
    assert all(f.t_mean.isnan().all(0).any() for f in result)
    assert all((f.mask.sum() < f.mask.shape[1]) for f in result)


def test_t_values_are_scipys_with_nan_and_infinity():
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((12, 6)).astype(np.float32), rng.standard_normal(
        (9, 6)).astype(np.float32)
    a[:, 4], b[:, 4] = 2.0, 2.0
    a[:, 5], b[:, 5] = 3.0, 2.0
    t, df = t_values(moments_of([a, b]), 0, 1)
    with np.errstate(all="ignore"):
        expected = stats.ttest_ind(a.astype(float), b.astype(float)).statistic
    assert df == 19
    np.testing.assert_allclose(t[:4], expected[:4], rtol=1e-5)
    assert torch.isnan(t[4]) and t[5] == torch.inf


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 300), st.sampled_from([0.001, 0.05, 0.3]))
def test_step_up_rule_is_benjamini_yekutieli(seed, m, alpha):
    rng = np.random.default_rng(seed)
    t = np.abs(rng.standard_t(30, m)) + rng.choice([0, 0, 3, 6], m)
    t = np.round(t, 1)
    expected = multipletests(2 * stats.t.sf(t, 30), alpha, method="fdr_by")[0]
    threshold = benjamini_yekutieli_threshold(torch.from_numpy(t), 30, alpha=alpha)
    np.testing.assert_array_equal(t >= threshold, expected)


def test_mean_t_is_scipys_and_positive_where_the_unit_prefers_the_domain():
    groups = random_layer(4)
    result = localize(moments_of(groups), DOMAINS).t_mean.numpy()
    with np.errstate(all="ignore"):
        t = np.array([[stats.ttest_ind(target.astype(float), other.astype(float)).statistic
                       for other in groups if other is not target] for target in groups])
    live = np.isfinite(t).all((0, 1))
    assert live.mean() > 0.5
    np.testing.assert_allclose(result[:, live], t.mean(1)[:, live], rtol=1e-4, atol=1e-4)


def sparse_layer(seed: int) -> list[np.ndarray]:
    """Draw sparse rectified units, of all strengths, many driven most by the very first image."""
    rng = np.random.default_rng(seed)
    n_units = int(rng.integers(20, 300))
    counts = rng.integers(2, 60, 4)
    density, scale = rng.uniform(0, 0.2, n_units), 10 ** rng.uniform(-6, 4, n_units)
    groups = [scale * np.maximum(rng.standard_normal((n, n_units)), 0)
              * (rng.random((n, n_units)) < density) for n in counts]
    groups[0][0] = scale * 10 ** rng.uniform(-2, 6, n_units)
    return [values.astype(np.float32) for values in groups]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 64))
def test_t_of_sparse_units_is_scipys_however_strong_the_first_image(seed, batch):
    groups = sparse_layer(seed)
    moments = moments_of(groups, batch)
    for first, second in ((0, 1), (0, 3), (2, 1), (3, 2)):
        with np.errstate(all="ignore"):
            expected = stats.ttest_ind(*(groups[g].astype(np.float64)
                                         for g in (first, second))).statistic
        result = t_values(moments, first, second)[0].numpy()
        constant = np.ptp(groups[first], 0) + np.ptp(groups[second], 0) == 0
        assert np.isfinite(result[~constant]).all()
        np.testing.assert_allclose(result[~constant], expected[~constant], rtol=1e-12, atol=5e-11)
        same = groups[first][0] == groups[second][0]
        assert np.isnan(result[constant & same]).all() and np.isinf(result[constant & ~same]).all()


@pytest.mark.parametrize("value", [0.1, 1 / 3, 6.0, -1e-20, 16777217.0, 3e38])
def test_a_constant_is_recognised_whatever_its_value_batches_and_pools(value):
    groups = [np.full((n, 3), value, np.float32) for n in (7, 30, 49, 11)]
    for batch in (1, 3, 7, 64):
        moments = moments_of(groups, batch)
        for part in (moments, moments.pool([[0, 2], [1, 3]]), moments.pool([[3, 0, 1], [2, 1]])):
            assert not part.sum_squares.any()
            assert t_values(part, 0, 1)[0].isnan().all()
        assert d_prime(moments).isnan().all()
        result = localize(moments, DOMAINS[:4])
        assert result.t_mean.isnan().all()
        assert not result.mask.any() and not result.infinite_contrasts.any()


def saturated_layer() -> tuple[list[np.ndarray], list[int]]:
    """Draw 300 ReLU6 units; the first ten saturate at faces, and are silent at bodies."""
    rng = np.random.default_rng(3)
    groups = [np.clip(rng.standard_normal((n, 300)) * 2 + 1, 0, 6).astype(np.float32)
              for n in (20, 30, 25, 40)]
    groups[0][:, :10], groups[1][:, :10] = 6, 0
    groups[2][:, 0], groups[3][:, 0] = 0, 3   # this one is constant everywhere
    return groups, list(range(10))


def test_infinite_t_is_counted_and_left_out_of_means():
    groups, saturated = saturated_layer()
    result = localize(moments_of(groups), DOMAINS[:4])
    assert result.infinite_contrasts.any(0).sum() == 10
    assert result.infinite_contrasts[:, 1:10].T.tolist() == 9 * [[1, -1, 0, 0]]
    assert result.infinite_contrasts[:, 0].tolist() == [3, -2, -2, 1]
    assert not result.infinite_contrasts[:, 10:].any()
    assert not result.t_mean.isinf().any()
    assert result.t_mean[:, 0].isnan().all(), "no contrast of this unit has a finite t"
    with np.errstate(all="ignore"):
        expected = np.mean([stats.ttest_ind(groups[0][:, 1:].astype(float),
                                            groups[e][:, 1:].astype(float)).statistic
                            for e in (2, 3)], 0)
    np.testing.assert_allclose(result.t_mean[0, 1:10], expected[:9], rtol=1e-5)
    np.testing.assert_array_equal(result.mask.numpy(), reference_masks(groups, 0.05))
    assert result.mask[0, saturated].all(), "perfectly separated: selective, as in SciPy"


def test_units_silent_in_two_domains_have_no_t_between_them_though_the_first_image_drives_them():
    """Sums are of differences from the first image: what rounding leaves of them is no signal."""
    rng = np.random.default_rng(0)
    groups = [rng.standard_normal((n, 1200)) for n in (144, 131, 122, 97)]
    groups[1][:, 800:] += 0.6 * rng.random(400)
    for values in groups:
        values[:, :800] = 0
    groups[0][0, :800] = 0.1 + rng.random(800)
    groups = [values.astype(np.float32) for values in groups]
    moments = moments_of(groups, 50)
    assert torch.isnan(t_values(moments, 1, 2)[0][:800]).all()
    result = localize(moments, DOMAINS[:4])
    assert result.t_mean.isfinite().all()
    np.testing.assert_array_equal(result.mask.numpy(), reference_masks(groups, 0.05))


def test_dead_units_tighten_the_threshold_and_never_reject():
    """As published: NaNs stay in m, so live units need larger t; no other value is affected."""
    t = torch.linspace(0, 8, 400, dtype=torch.float64)
    with_dead = torch.cat([t, torch.full((4000,), torch.nan, dtype=torch.float64)])
    alone = benjamini_yekutieli_threshold(t, 574, alpha=0.05)
    crowded = benjamini_yekutieli_threshold(with_dead, 574, alpha=0.05)
    assert alone < crowded < torch.inf
    assert benjamini_yekutieli_threshold(torch.full((9,), torch.nan), 574,
                                         alpha=0.05) == float("inf")


def test_on_noise_the_false_discovery_rate_is_kept():
    """Under the null, the chance of any rejection in a layer is at most alpha per contrast."""
    rng = np.random.default_rng(1)
    layers = [[rng.standard_normal((30, 200)).astype(np.float32) for _ in DOMAINS]
              for _ in range(60)]
    false_units = sum(int(localize(moments_of(x, 30), DOMAINS, alpha=0.2).mask.sum())
                      for x in layers)
    any_single = 0
    for x in layers:
        t, df = t_values(moments_of(x[:2], 30), 0, 1)
        any_single += bool((t.abs() >= benjamini_yekutieli_threshold(t.abs(), df, alpha=0.2)).any())
    assert false_units == 0
    assert any_single <= stats.binom.ppf(0.999, len(layers), 0.2)


def test_moments_do_not_depend_on_batches_or_pooling():
    groups = random_layer(3)
    one, many = moments_of(groups, 1000), moments_of(groups, 3)
    torch.testing.assert_close(one.mean, many.mean, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(one.variance, many.variance, rtol=1e-4, atol=1e-5)
    joined = np.concatenate(groups[:2]).astype(np.float64)
    pooled = one.pool([[0, 1], [2, 3, 4, 5]])
    np.testing.assert_allclose(pooled.mean[0], joined.mean(0), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(pooled.variance[0], joined.var(0, ddof=1), rtol=1e-4, atol=1e-5)


def test_a_large_offset_does_not_spoil_the_variance():
    rng = np.random.default_rng(2)
    x = (rng.standard_normal((64, 50)) + 1e4).astype(np.float32)
    np.testing.assert_allclose(moments_of([x]).variance[0], x.astype(np.float64).var(0, ddof=1),
                               rtol=1e-5)


def test_permuting_units_permutes_the_result():
    groups = random_layer(5)
    order = np.random.default_rng(0).permutation(groups[0].shape[1])
    plain = localize(moments_of(groups), DOMAINS)
    moved = localize(moments_of([g[:, order] for g in groups]), DOMAINS)
    assert torch.equal(plain.mask[:, order], moved.mask)


def test_moments_do_not_depend_on_the_block_size(monkeypatch):
    groups = random_layer(7)
    whole = moments_of(groups)
    monkeypatch.setattr("helpers.core.moments.BLOCK_SIZE", 13)
    torch.testing.assert_close(moments_of(groups).sum_squares, whole.sum_squares, rtol=1e-14,
                               atol=1e-14)


def test_twofold_rule_by_hand_and_for_signed_units():
    means = np.array([[4, 4, 0, -4, 1], [2, 3, 0, -1, 0], [1, 1, 0, -2, 0]], np.float32)
    mask = select_twofold(moments_of([np.repeat(row[None], 3, 0) for row in means], 3))
    assert mask[0].tolist() == [True, False, False, False, True]
    assert not mask[1:].any()


def test_indices_by_hand():
    a = np.array([[3.0], [5.0]], np.float32)
    b = np.array([[1.0], [3.0]], np.float32)
    moments = moments_of([a, b], 2)
    assert selectivity_index(moments)[0].item() == pytest.approx((4 - 2) / (4 + 2))
    assert d_prime(moments)[0].item() == pytest.approx((4 - 2) / np.sqrt((2 + 2) / 2))
    torch.testing.assert_close(d_prime(moments)[0], -d_prime(moments)[1])


@pytest.mark.parametrize("n_domains", [2, 3, 6])
def test_indices_are_their_formulas_with_any_number_of_domains(n_domains):
    """Signed activations too, and images of the others pooled where the measure says so."""
    rng = np.random.default_rng(n_domains)
    groups = [rng.normal(rng.uniform(-1, 3, 40), 1, (n, 40)) for n in range(5, 5 + n_domains)]
    moments = moments_of(groups)
    index, sensitivity = selectivity_index(moments).numpy(), d_prime(moments).numpy()
    for domain, own in enumerate(groups):
        others = [group for group in groups if group is not own]
        mean, rest = own.mean(0), np.mean([group.mean(0) for group in others], axis=0)
        np.testing.assert_allclose(index[domain], (mean - rest) / (abs(mean) + abs(rest)))
        pooled = np.concatenate(others)
        spread = np.sqrt((own.var(0, ddof=1) + pooled.var(0, ddof=1)) / 2)
        np.testing.assert_allclose(sensitivity[domain], (mean - pooled.mean(0)) / spread)


@pytest.mark.parametrize("ratio", [1.5, 2.0])
def test_the_twofold_rule_is_its_words(ratio):
    rng = np.random.default_rng(0)
    means = rng.exponential(1, (5, 300))
    means[:, ::7] *= rng.choice([-1, 1], (5, 43))
    mask = select_twofold(moments_of([np.repeat(row[None], 2, 0) for row in means]), ratio=ratio)
    for domain, own in enumerate(means):
        others = np.delete(means, domain, 0).max(0)
        expected = (own >= ratio * others) & (means >= 0).all(0)
        assert 5 < expected.sum() < 150
        np.testing.assert_array_equal(mask[domain].numpy(), expected)


@pytest.mark.parametrize("action, seen", [
    (lambda m: localize(m, ("faces",)), "1 domains"),
    (lambda m: localize(m, DOMAINS, alpha=5), "alpha = 5"),
])
def test_invalid_settings_are_refused(action, seen):
    with pytest.raises(LabError, match=seen):
        action(moments_of(random_layer(0)))


def test_a_domain_with_one_image_is_refused():
    with pytest.raises(LabError, match="at least 2 images"):
        localize(moments_of([np.ones((1, 3), np.float32), np.ones((4, 3), np.float32)]),
                 ("faces", "bodies"))
