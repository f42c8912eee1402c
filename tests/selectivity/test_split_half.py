"""Agreement of halves: the statistic by hand, its null, and units that are correlated."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from scipy import stats

from helpers.selectivity import split_half
from helpers.selectivity.split_half import overlap_p

LABELS = np.repeat([0, 1, 2], 8)


def overlaps_by_hand(x, labels, selected, n_best) -> list[int]:
    smallest = np.full((3, x.shape[1]), np.inf)
    for one, other in combinations(range(3), 2):
        t = stats.ttest_ind(x[labels == one], x[labels == other]).statistic
        smallest[one], smallest[other] = (np.minimum(smallest[d], s)
                                          for d, s in ((one, t), (other, -t)))
    return [int(selected[d][np.argsort(-smallest[d])[:n_best[d]]].sum()) for d in range(3)]


def test_the_p_value_is_the_rank_among_permuted_labels(monkeypatch):
    """Against scipy's t, one permutation at a time; in chunks the same."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(24, 12)).astype(np.float32)
    x[LABELS == 0, :3] += 1
    selected, n_best = rng.random((3, 12)) < 0.4, np.array([4, 2, 5])
    permuted = np.random.default_rng(5)
    orders = [LABELS, *(permuted.permutation(LABELS) for _ in range(60))]
    counts = np.array([overlaps_by_hand(x, order, selected, n_best) for order in orders])
    expected = (1 + (counts[1:] >= counts[0]).sum(0)) / 61
    for chunk in (2**22, 100):
        monkeypatch.setattr(split_half, "CHUNK", chunk)
        found = overlap_p(x, LABELS, selected, n_best, seed=5, n_permutations=60)
        np.testing.assert_allclose(found, expected)


def test_where_a_half_selects_nothing_or_units_are_dead_p_is_one():
    x = np.random.default_rng(0).normal(size=(24, 6)).astype(np.float32)
    x[:, 0] = 0.1
    none, dead = np.zeros((3, 6), bool), np.zeros((3, 6), bool)
    dead[:, 0] = True
    for selected, n_best in ((none, [2] * 3), (~none, [0] * 3), (dead, [2] * 3)):
        assert overlap_p(x, LABELS, selected, np.array(n_best), seed=0,
                         n_permutations=50).tolist() == [1, 1, 1]


def test_correlated_units_without_a_preference_are_no_evidence():
    """Forty copies of five units count as five, which the hypergeometric test takes for 200.

    Both halves are noise and share nothing: p values below .05 are to be no more than 5 %.
    """
    rng, p, naive = np.random.default_rng(1), [], []
    for _ in range(80):
        halves = [np.repeat(rng.normal(size=(24, 5)), 40, axis=1)
                  + 0.01 * rng.normal(size=(24, 200)) for _ in range(2)]
        best = [np.zeros(200, bool), np.zeros(200, bool)]
        for half, chosen in zip(halves, best):
            t = np.minimum(*(stats.ttest_ind(half[:8], half[8 * k:8 * k + 8]).statistic
                             for k in (1, 2)))
            chosen[np.argsort(-t)[:40]] = True
        selected = np.stack([best[0], *np.zeros((2, 200), bool)])
        p.append(overlap_p(halves[1], LABELS, selected, np.array([40, 0, 0]), seed=0,
                           n_permutations=99)[0])
        naive.append(stats.hypergeom.sf((best[0] & best[1]).sum() - 1, 200, 40, 40))
    assert np.mean(np.array(naive) < 0.05) > 0.1, "as if units were independent"
    assert np.mean(np.array(p) < 0.05) <= 0.1


def test_a_preference_that_both_halves_have_is_found():
    rng = np.random.default_rng(2)
    x = rng.normal(size=(24, 200))
    x[LABELS == 1, :20] += 3
    selected = np.zeros((3, 200), bool)
    selected[1, :20] = True
    p = overlap_p(x, LABELS, selected, np.array([0, 20, 0]), seed=0)
    assert p[1] == pytest.approx(1 / (1 + split_half.N_PERMUTATIONS)) and p[0] == 1
