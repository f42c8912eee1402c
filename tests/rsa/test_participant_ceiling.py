"""Noise ceilings from the agreement between participants: against SciPy, and against the truth."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import rankdata, spearmanr

from helpers.core.errors import LabError
from helpers.rsa.participant_ceiling import participant_ceiling


@pytest.fixture
def rdms():
    rng = np.random.default_rng(0)
    return rng.random(300) + rng.normal(scale=0.3, size=(5, 300))


def test_the_bounds_are_means_of_correlations(rdms):
    ranks = rankdata(rdms, axis=1)
    lower = np.mean([spearmanr(ranks[np.arange(5) != i].mean(0), ranks[i])[0] for i in range(5)])
    upper = np.mean([spearmanr(ranks.mean(0), ranks[i])[0] for i in range(5)])
    assert participant_ceiling(rdms) == pytest.approx((lower, upper))


def test_the_best_model_lies_between_them():
    rng = np.random.default_rng(1)
    found = []
    for _ in range(60):
        truth = rng.random(400)
        noisy = truth + rng.normal(scale=0.3, size=(4, 400))
        lower, upper = participant_ceiling(noisy)
        found.append((np.mean([spearmanr(truth, one)[0] for one in noisy]), lower, upper))
    best, lower, upper = np.mean(found, axis=0)
    assert lower < best < upper


def test_agreement_is_one_and_scales_do_not_matter(rdms):
    assert participant_ceiling(np.tile(rdms[:1], (3, 1))) == pytest.approx((1, 1))
    assert participant_ceiling(rdms * [[1], [10], [3], [2], [5]]) == pytest.approx(
        participant_ceiling(rdms))


@pytest.mark.parametrize("shape", [(1, 10), (10,)])
def test_one_participant_has_no_ceiling(shape):
    with pytest.raises(LabError, match="two participants|RDMs of shape"):
        participant_ceiling(np.random.default_rng(0).random(shape))
