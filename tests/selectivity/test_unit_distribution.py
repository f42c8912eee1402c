"""Distribution of selective units: measures by hand, their nulls, and planted patterns."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.spatial.distance import pdist

from helpers.core.errors import LabError
from helpers.selectivity.unit_distribution import (
    MEASURES,
    RATIOS,
    DistributionMeasure,
    correct_for_chance,
    gini,
    mean_distance,
    measure_distribution,
    morans_i,
    normalised_entropy,
    top_maps_proportion,
)

NAN = float("nan")


def uniform_mask(shape: tuple[int, int, int], n: int, seed: int) -> np.ndarray:
    """Draw n units of a layer, each with the same probability."""
    flat = np.zeros(np.prod(shape), bool)
    flat[np.random.default_rng(seed).permutation(flat.size)[:n]] = True
    return flat.reshape(shape)


def patches(n_maps: int = 24, side: int = 12) -> np.ndarray:
    """Return one square of 5 x 5 units in every map, anywhere."""
    rng, mask = np.random.default_rng(0), np.zeros((n_maps, side, side), bool)
    for one in mask:
        y, x = rng.integers(side - 5, size=2)
        one[y:y + 5, x:x + 5] = True
    return mask


def slow_morans_i(mask: np.ndarray) -> float:
    """Follow the formula pair by pair."""
    products, n_pairs, squares = 0.0, 0, 0.0
    for one in mask:
        z = one - one.mean()
        height, width = z.shape
        for y in range(height):
            for x in range(width):
                for dy, dx in ((0, 1), (1, 0), (0, -1), (-1, 0)):
                    if 0 <= y + dy < height and 0 <= x + dx < width:
                        products += z[y, x] * z[y + dy, x + dx]
                        n_pairs += 1
        squares += (z**2).sum() / z.size
    return products / (n_pairs / len(mask)) / squares


# ---- by hand ------------------------------------------------------------------------------------

def test_entropy_by_hand():
    assert normalised_entropy([3, 3, 3, 3]) == pytest.approx(1)
    assert normalised_entropy([0, 7, 0]) == 0
    # p = 1/2, 1/4, 1/4, 0: 1.5 bits of 2.
    assert normalised_entropy([2, 1, 1, 0]) == pytest.approx(0.75)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 20), min_size=2, max_size=30).filter(any))
def test_entropy_is_scipys(counts):
    assert normalised_entropy(counts) == pytest.approx(
        stats.entropy(counts) / np.log(len(counts)))


def test_gini_by_hand():
    assert gini([5, 5, 5]) == 0
    assert gini([0, 0, 0, 8]) == pytest.approx(1 - 1 / 4)
    # Differences of all ordered pairs of 1, 2, 3: 8 in 9 pairs; half the mean over the mean of 2.
    assert gini([2, 3, 1]) == pytest.approx(8 / 9 / 2 / 2)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 20), min_size=1, max_size=30).filter(any))
def test_gini_is_half_the_mean_absolute_difference_over_the_mean(counts):
    counts = np.array(counts, float)
    difference = np.abs(counts[:, None] - counts).mean()
    assert gini(counts) == pytest.approx(difference / 2 / counts.mean(), abs=1e-12)


def test_top_share_by_hand():
    counts = np.ones(40)
    counts[[3, 30]] = 11, 9
    assert top_maps_proportion(counts) == pytest.approx(20 / 58), "2 of 40 maps are 5 %"
    assert top_maps_proportion(counts, fraction=0.025) == pytest.approx(11 / 58)
    assert top_maps_proportion([1, 0, 3]) == pytest.approx(3 / 4), "one map at least"


def test_a_checkerboard_has_morans_i_of_minus_one():
    board = np.indices((4, 6)).sum(0)[None] % 2 == 0
    assert morans_i(board) == pytest.approx(-1)


def test_morans_i_of_two_halves_by_hand():
    """z is 1/2 or -1/2. 4 x 4: of 24 sides, 4 join the halves: I = (20 - 4) / 24."""
    halves = np.zeros((1, 4, 4), bool)
    halves[0, :, :2] = True
    assert morans_i(halves) == pytest.approx(16 / 24)
    assert slow_morans_i(halves) == pytest.approx(16 / 24)


@pytest.mark.parametrize("shape", [(1, 3, 3), (5, 4, 7), (3, 1, 6), (4, 5, 1)])
def test_morans_i_is_that_of_a_plain_loop(shape):
    """Maps hold different numbers of units, so each has a mean of its own."""
    rng = np.random.default_rng(1)
    mask = rng.random(shape) < np.linspace(0.3, 0.8, shape[0])[:, None, None]
    mask[:, 0, 0], mask[:, -1, -1] = True, False
    assert morans_i(mask) == pytest.approx(slow_morans_i(mask), abs=1e-6)


def test_maps_without_units_and_full_maps_do_not_count_for_morans_i():
    mask = patches(6)
    more = np.concatenate([mask, np.zeros((9, 12, 12), bool), np.ones((4, 12, 12), bool)])
    assert morans_i(more) == pytest.approx(morans_i(mask), abs=1e-6)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 5), st.integers(1, 6), st.integers(1, 6))
def test_mean_distance_is_that_of_all_pairs(seed, channels, height, width):
    mask = np.random.default_rng(seed).random((channels, height, width)) < 0.5
    places = np.argwhere(mask)[:, 1:]
    if len(places) < 2:
        assert np.isnan(mean_distance(mask))
    else:
        assert mean_distance(mask) == pytest.approx(pdist(places).mean(), abs=1e-9)


def test_mean_distance_by_hand():
    mask = np.zeros((2, 4, 5), bool)
    mask[0, 0, 0] = mask[1, 3, 4] = mask[1, 0, 0] = True
    assert mean_distance(mask) == pytest.approx((5 + 5 + 0) / 3)


def test_correction_by_hand():
    assert correct_for_chance("entropy over maps", 0.4, 0.8) == pytest.approx(0.5)
    assert correct_for_chance("mean distance", 6, 4) == pytest.approx(1.5)
    assert correct_for_chance("Gini over maps", 0.6, 0.2) == pytest.approx(0.5)
    assert correct_for_chance("Moran's I", 1, -0.1) == pytest.approx(1)
    assert set(RATIOS) < set(MEASURES)


# ---- what does not matter -----------------------------------------------------------------------

def test_the_order_of_maps_does_not_count():
    mask = uniform_mask((10, 4, 4), 40, 0)
    moved = mask[np.random.default_rng(1).permutation(10)]
    for name, measure in MEASURES.items():
        assert measure(moved) == pytest.approx(measure(mask)), name


def test_measures_over_maps_do_not_see_positions_and_those_over_positions_no_maps():
    rng, mask = np.random.default_rng(0), uniform_mask((10, 4, 4), 40, 0)
    within = np.stack([rng.permutation(one.ravel()).reshape(4, 4) for one in mask])
    across = rng.permuted(mask, axis=0)
    for name in MEASURES:
        if "maps" in name:
            assert MEASURES[name](within) == pytest.approx(MEASURES[name](mask)), name
    for name in ("entropy over positions", "mean distance"):
        assert MEASURES[name](across) == pytest.approx(MEASURES[name](mask)), name
    assert MEASURES["Moran's I"](within) != pytest.approx(MEASURES["Moran's I"](mask))


# ---- chance -------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def by_chance() -> list[dict[str, DistributionMeasure]]:
    return [measure_distribution(uniform_mask((16, 5, 5), 30, seed), seed=100 + seed, n_nulls=150)
            for seed in range(20)]


@pytest.mark.slow
@pytest.mark.parametrize("name", MEASURES)
def test_units_at_random_positions_are_at_chance(by_chance, name):
    mean = np.mean([result[name].corrected for result in by_chance])
    assert mean == pytest.approx(1 if name in RATIOS else 0, abs=0.05)


@pytest.mark.parametrize("name", MEASURES)
def test_units_anywhere_lie_within_the_nulls_interval(by_chance, name):
    """The interval holds 95 %: 16 of 20 or more, but for one case in 380 (binomial)."""
    inside = [result[name].null_low <= result[name].observed <= result[name].null_high
              for result in by_chance]
    assert sum(inside) >= 16


def test_few_units_look_uneven_by_chance_alone_and_the_correction_undoes_it():
    few = [measure_distribution(uniform_mask((40, 4, 4), 10, seed), seed=seed, n_nulls=40)
           for seed in range(40)]
    assert max(result["entropy over maps"].observed for result in few) < 0.7
    assert min(result["Gini over maps"].observed for result in few) > 0.7
    corrected = [[result[name].corrected for result in few]
                 for name in ("entropy over maps", "Gini over maps")]
    assert np.mean(corrected, 1) == pytest.approx([1, 0], abs=0.06)


# ---- planted ------------------------------------------------------------------------------------

def test_patches_are_found():
    result = measure_distribution(patches(), seed=0, n_nulls=100)
    one = result["Moran's I"]
    assert one.observed > 0.7 > 0.05 > one.null_high and one.corrected > 0.7
    assert one.observed == pytest.approx(slow_morans_i(patches()), abs=1e-5)
    assert result["Gini over maps"].observed == 0, "as many units in every map"


def test_units_of_one_channel_are_found():
    mask = np.zeros((20, 6, 6), bool)
    mask[7, :, 1:5] = True
    result = measure_distribution(mask, seed=0, n_nulls=100)
    assert result["entropy over maps"].observed == 0 < result["entropy over maps"].null_low
    assert result["Gini over maps"].observed == pytest.approx(19 / 20)
    assert result["Gini over maps"].observed > result["Gini over maps"].null_high
    assert result["proportion in the top 5 % of maps"].corrected == pytest.approx(1)
    assert result["proportion of maps with any"].observed == pytest.approx(1 / 20)


def test_units_at_one_position_are_found():
    mask = np.zeros((20, 6, 6), bool)
    mask[:, 2, 3] = True
    result = measure_distribution(mask, seed=0, n_nulls=100)
    assert result["mean distance"].observed == pytest.approx(0, abs=1e-9)
    assert result["mean distance"].null_low > 1
    assert result["entropy over positions"].corrected == pytest.approx(0)
    assert result["proportion of maps with any"].observed == 1


def test_opposite_corners_are_farther_apart_than_by_chance():
    mask = np.zeros((12, 7, 7), bool)
    mask[:6, 0, 0] = mask[6:, 6, 6] = True
    result = measure_distribution(mask, seed=0, n_nulls=100)["mean distance"]
    assert result.observed > result.null_high and result.corrected > 1.1


def test_the_null_has_as_many_units():
    """Where all units are selective, there is one mask only."""
    for name, result in measure_distribution(np.ones((6, 3, 3), bool), seed=0, n_nulls=5).items():
        if name != "Moran's I":
            assert result.null_low == pytest.approx(result.observed), name
            assert result.null_high == pytest.approx(result.observed), name


def test_the_same_seed_gives_the_same_null():
    mask = uniform_mask((8, 4, 4), 20, 0)
    first, again, other = (measure_distribution(mask, seed=seed, n_nulls=20) for seed in (3, 3, 4))
    assert first == again and first != other


# ---- next to nothing ----------------------------------------------------------------------------

@pytest.fixture
def _no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


@pytest.mark.usefixtures("_no_warnings")
def test_without_units_nothing_is_known():
    result = measure_distribution(np.zeros((6, 3, 3), bool), seed=0, n_nulls=5)
    assert result["proportion of maps with any"].observed == 0
    for name, one in result.items():
        assert np.isnan(one.corrected), name
        if name != "proportion of maps with any":
            assert np.isnan([one.observed, one.null_mean, one.null_low, one.null_high]).all(), name


@pytest.mark.usefixtures("_no_warnings")
def test_measures_of_one_unit():
    mask = np.zeros((6, 3, 3), bool)
    mask[2, 1, 1] = True
    result = {name: measure(mask) for name, measure in MEASURES.items()}
    assert result == pytest.approx({
        "entropy over maps": 0, "Gini over maps": 5 / 6, "proportion in the top 5 % of maps": 1,
        "proportion of maps with any": 1 / 6, "entropy over positions": 0,
        # z = 8/9 in the middle, -1/9 around: 4 sides of -8/81 and 8 of 1/81 over 8/81.
        "Moran's I": (4 * -8 + 8) / 12 / 8, "mean distance": NAN}, nan_ok=True)


@pytest.mark.usefixtures("_no_warnings")
@pytest.mark.parametrize("mask", [
    np.arange(54).reshape(6, 3, 3) == 20,
    np.arange(25).reshape(1, 5, 5) < 7], ids=["one unit", "one map"])
def test_a_null_that_is_always_the_largest_value_corrects_to_nan(mask):
    result = measure_distribution(mask, seed=0, n_nulls=5)["proportion in the top 5 % of maps"]
    assert result.observed == result.null_mean == 1 and np.isnan(result.corrected)


@pytest.mark.usefixtures("_no_warnings")
def test_maps_of_one_position_have_no_space():
    mask = np.arange(40).reshape(40, 1, 1) % 5 == 0
    result = measure_distribution(mask, seed=0, n_nulls=5)
    for name in ("entropy over positions", "Moran's I"):
        assert np.isnan([result[name].observed, result[name].corrected]).all(), name
    assert result["mean distance"].observed == 0 and np.isnan(
        result["mean distance"].corrected)
    assert result["proportion of maps with any"].observed == pytest.approx(1 / 5)


@pytest.mark.usefixtures("_no_warnings")
def test_morans_i_of_full_and_of_no_maps_is_nan():
    assert np.isnan(morans_i(np.ones((3, 4, 4), bool)))
    assert np.isnan(morans_i(np.zeros((3, 4, 4), bool)))


@pytest.mark.usefixtures("_no_warnings")
@pytest.mark.parametrize("measure", [normalised_entropy, gini, top_maps_proportion])
def test_counts_of_nothing_are_nan(measure):
    assert np.isnan(measure(np.zeros(4, int)))
    assert np.isnan(normalised_entropy([5])), "one bin is neither even nor uneven"


@pytest.mark.parametrize(("shape", "n_nulls", "seen"), [
    ((4, 4), 9, r"shape \(4, 4\)"), ((2, 3, 4, 4), 9, r"shape \(2, 3, 4, 4\)"),
    ((3, 4, 4), 1, "1 nulls")])
def test_masks_of_other_shapes_and_single_nulls_are_refused(shape, n_nulls, seen):
    with pytest.raises(LabError, match=seen):
        measure_distribution(np.ones(shape, bool), seed=0, n_nulls=n_nulls)
