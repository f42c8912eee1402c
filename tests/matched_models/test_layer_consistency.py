"""Agreement of layers on which images are alike: SciPy's numbers, and what chance gives."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from scipy.spatial.distance import pdist, squareform
from scipy.stats import spearmanr

from helpers.core.errors import LabError
from helpers.matched_models.layer_consistency import N_DECIMALS, consistency, mean_off_diagonal


def noise_layers(n_images: int, widths: list[int], seed: int) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.standard_normal((n_images, width)) for width in widths]


def related_layers(n_images: int, seed: int) -> list[np.ndarray]:
    """Return three layers that mix the same twelve causes, each with its own noise."""
    rng = np.random.default_rng(seed)
    causes = rng.standard_normal((n_images, 12))
    return [causes @ rng.standard_normal((12, width)) + 2 * rng.standard_normal((n_images, width))
            for width in (40, 25, 60)]


@pytest.mark.parametrize("seed", range(4))
def test_the_matrix_is_scipys(seed):
    layers = related_layers(24, seed)
    rdms = np.stack([pdist(one, "correlation") for one in layers], axis=1)
    found = consistency(layers, seed=0, n_boot=3)
    np.testing.assert_allclose(found.matrix, spearmanr(rdms).statistic, atol=1e-9)
    assert found.mean == pytest.approx(np.mean([found.matrix[i, j]
                                                for i, j in ((0, 1), (0, 2), (1, 2))]))


def test_the_interval_is_that_of_pairs_listed_one_by_one():
    """Images drawn anew, every pair of two of them listed and ranked by SciPy; ties among them."""
    rng = np.random.default_rng(3)
    layers = [rng.integers(0, 3, (17, 4)) + one for one in np.zeros((3, 17, 4))]
    layers[1][:9], layers[2][8:] = layers[0][:9], layers[0][8:]
    rdms = [np.nan_to_num(squareform(pdist(one, "correlation")), nan=1) for one in layers]
    draws, means = np.random.default_rng(5), []
    for _ in range(40):
        deal = draws.integers(17, size=17)
        pairs = [(deal[i], deal[j]) for i in range(17) for j in range(i + 1, 17)
                 if deal[i] != deal[j]]
        listed = [[round(one[a, b], N_DECIMALS) for a, b in pairs] for one in rdms]
        means.append(np.mean([spearmanr(listed[i], listed[j]).statistic
                              for i, j in ((0, 1), (0, 2), (1, 2))]))
    found = consistency(layers, seed=5, n_boot=40)
    assert (found.low, found.high) == pytest.approx(tuple(np.percentile(means, [2.5, 97.5])),
                                                    abs=1e-10)


def test_images_in_another_order_give_the_same_matrix():
    layers = related_layers(20, 0)
    order = np.random.default_rng(1).permutation(20)
    moved = consistency([one[order] for one in layers], seed=0, n_boot=3)
    np.testing.assert_allclose(moved.matrix, consistency(layers, seed=0, n_boot=3).matrix,
                               atol=1e-9)


def test_layers_in_another_order_give_the_same_agreement():
    layers = related_layers(20, 0)
    there, back = (consistency(some, seed=0, n_boot=50) for some in (layers, layers[::-1]))
    np.testing.assert_allclose(there.matrix, back.matrix[::-1, ::-1], atol=1e-9)
    assert (there.low, there.high) == pytest.approx((back.low, back.high))


def test_units_may_be_scaled_moved_and_reordered():
    """Dissimilarities are of patterns: an image's gain and offset do not count."""
    one = noise_layers(15, [30], 0)[0]
    gain = np.random.default_rng(1).uniform(1, 5, (15, 1))
    found = consistency([one, one[:, ::-1] * gain + 3 * gain], seed=0, n_boot=3)
    assert found.mean == pytest.approx(1)


def test_identical_layers_agree_entirely():
    one = noise_layers(15, [30], 0)[0]
    found = consistency([one, one, one], seed=0, n_boot=50)
    np.testing.assert_allclose(found.matrix, 1)
    assert (found.mean, found.low, found.high) == pytest.approx((1, 1, 1))


def test_layers_of_noise_do_not_agree():
    every = [consistency(noise_layers(30, [40, 20, 60], seed), seed=seed, n_boot=100)
             for seed in range(10)]
    assert abs(np.mean([found.mean for found in every])) < 0.03
    assert sum(found.low < 0 < found.high for found in every) >= 9


def test_shuffled_images_of_one_layer_end_the_agreement():
    one, other, _ = related_layers(40, 0)
    together = consistency([one, other], seed=0, n_boot=100)
    moved = np.random.default_rng(1).permutation(40)
    apart = consistency([one, other[moved]], seed=0, n_boot=100)
    assert together.low > 0.1 and together.low > apart.high
    assert apart.low < 0 < apart.high


def test_the_interval_brackets_the_mean_and_narrows_with_more_images():
    few, many = (consistency(related_layers(n, 0), seed=0, n_boot=100) for n in (15, 90))
    for found in (few, many):
        assert found.low < found.mean < found.high
    assert many.high - many.low < 0.7 * (few.high - few.low)


def test_pairs_of_an_image_with_itself_are_left_out():
    """Such pairs have a dissimilarity of 0 in every layer, and would make noise agree."""
    layers = noise_layers(12, [50, 50], 3)
    rng, means = np.random.default_rng(5), []
    for _ in range(60):
        deal = rng.integers(12, size=12)
        apart = pdist(deal[:, None].astype(float)) > 0
        means.append(spearmanr(*(pdist(one[deal], "correlation")[apart]
                                 for one in layers)).statistic)
    found = consistency(layers, seed=5, n_boot=60)
    assert (found.low, found.high) == pytest.approx(tuple(np.percentile(means, [2.5, 97.5])))


def test_the_same_seed_gives_the_same_interval():
    layers = related_layers(15, 0)
    first, again, other = (consistency(layers, seed=seed, n_boot=40) for seed in (1, 1, 2))
    assert (first.low, first.high) == (again.low, again.high) != (other.low, other.high)
    assert first.mean == other.mean


@pytest.mark.parametrize("width", [0, 1])
def test_a_layer_without_dissimilarities_is_nan_there_and_not_elsewhere(width):
    layers = related_layers(20, 0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = consistency([layers[0], np.ones((20, width)), layers[1]], seed=0, n_boot=30)
    alone = consistency(layers[:2], seed=0, n_boot=30)
    assert np.isnan(found.matrix[1]).all() and np.isnan(found.matrix[:, 1]).all()
    np.testing.assert_allclose(found.matrix[np.ix_([0, 2], [0, 2])], alone.matrix)
    assert (found.mean, found.low, found.high) == (alone.mean, alone.low, alone.high)


def test_layers_without_dissimilarities_alone_tell_nothing():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        none = consistency([np.ones((8, 0))] * 2, seed=0, n_boot=5)
        one = consistency([np.ones((8, 0)), noise_layers(8, [9], 0)[0]], seed=0, n_boot=5)
    for found in (none, one):
        assert np.isnan([found.mean, found.low, found.high]).all()
    assert np.isnan(none.matrix).all() and one.matrix[1, 1] == 1


def test_an_image_that_moves_no_unit_is_like_no_other():
    layers = [np.abs(one) for one in related_layers(16, 0)]
    layers[0][3] = 0
    rdms = [pdist(one, "correlation") for one in layers]
    assert np.isnan(rdms[0]).sum() == 15
    rdms[0][np.isnan(rdms[0])] = 1
    found = consistency(layers, seed=0, n_boot=20)
    np.testing.assert_allclose(found.matrix, spearmanr(np.stack(rdms, 1)).statistic, atol=1e-9)
    assert np.isfinite([found.low, found.high]).all()


def test_equal_dissimilarities_are_ties_whatever_rounding_leaves_of_them():
    """Two units know two dissimilarities, 0 and 2; a gain changes their last bits alone."""
    two = np.random.default_rng(0).random((20, 2)).astype(np.float32)
    found = consistency([two, 3 * two], seed=0, n_boot=5)
    assert found.mean == pytest.approx(1)


def test_off_diagonal_by_hand():
    nan = np.nan
    assert mean_off_diagonal(np.array([[1, .2, .4], [.2, 1, .6],
                                       [.4, .6, 1]])) == pytest.approx(0.4)
    assert mean_off_diagonal(np.array([[1, nan, .4], [nan, nan, nan], [.4, nan, 1]])) == 0.4
    assert np.isnan(mean_off_diagonal(np.array([[1.0]])))
    assert np.isnan(mean_off_diagonal(np.full((3, 3), nan)))


@pytest.mark.parametrize(("counts", "seen"), [((9, 8), r"\(9, 5\), \(8, 5\)"),
                                              ((3, 3), r"\(3, 5\), \(3, 5\)")])
def test_other_or_too_few_images_are_refused(counts, seen):
    with pytest.raises(LabError, match=seen):
        consistency([np.ones((n, 5)) for n in counts], seed=0)
