"""Cohorts at work: the interface, responses read once, ceilings, features once per images."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from support.tiny_cohort import TinyCohort, network

from helpers.brains.cohort import Fold, Responses
from helpers.core.errors import LabError
from helpers.encoding import cohort_features, cohort_responses
from helpers.networks.registry import Preprocessing
from helpers.selectivity.study import NONE, LocalizerResult


@pytest.fixture
def cohort(private):
    return TinyCohort()


def localizer_of(labels: dict) -> LocalizerResult:
    return LocalizerResult(("faces", "scenes"), labels, {}, {}, {})


# ---- the interface ----------------------------------------------------------------------------

def test_a_fold_refuses_to_test_what_it_was_fitted_or_chosen_on():
    Fold(np.array([0, 1]), np.array([4]), ((np.array([0, 1]), np.array([2])),))
    with pytest.raises(LabError, match="tests conditions that it was fitted"):
        Fold(np.array([0, 1]), np.array([1, 4]), ())
    with pytest.raises(LabError, match="tests conditions"):
        Fold(np.array([0]), np.array([2]), ((np.array([0]), np.array([2])),))


def test_vertices_left_out_are_counted_and_unknown_ones_kept(cohort):
    found = cohort.responses("A", ("FFA-1", "PPA"))
    face, place = (found.of(roi, min_ncsnr=0.3) for roi in ("FFA-1", "PPA"))
    assert list(face.vertex) == [0, 1, 2] and face.excluded["ncsnr not above 0.3"] == 1
    assert list(place.vertex) == [4, 5, 7], "an unknown ncsnr is no reason to drop a vertex"
    assert face.excluded["constant or NaN"] == 2


def test_an_roi_that_a_participant_lacks_is_an_error(cohort):
    with pytest.raises(LabError, match="B has no PPA"):
        cohort.responses("B", ("FFA-1",)).of("PPA")


def test_means_and_repeats_are_those_of_the_conditions_asked_for(cohort):
    found = cohort.responses("A", ("FFA-1",))
    asked = np.array([3, 25])
    rows = [list(found.conditions).index(c) for c in asked]
    np.testing.assert_allclose(found.mean(asked), found.betas[rows].mean(1), rtol=1e-6)
    np.testing.assert_array_equal(found.repeated(asked, 2), found.betas[rows][:, :2])
    with pytest.raises(LabError, match="fewer than 4 repeats"):
        found.repeated(asked, 4)
    with pytest.raises(LabError, match="was not shown condition 100"):
        found.mean(np.array([3, 100]))


def test_a_condition_that_was_shown_less_often_is_averaged_but_not_called_repeated(cohort):
    found = cohort.responses("A", ("FFA-1",))
    found.betas[0, 2] = np.nan
    np.testing.assert_allclose(found.mean(found.conditions[:1])[0], found.betas[0, :2].mean(0))
    with pytest.raises(LabError, match="fewer than 3 repeats"):
        found.repeated(found.conditions[:2], 3)


# ---- responses and ceilings -------------------------------------------------------------------

def test_responses_are_read_once_and_come_back_the_same(cohort):
    first = cohort_responses.read_responses(cohort, "A", ("FFA-1", "PPA"))
    again = cohort_responses.read_responses(cohort, "A", ("FFA-1", "PPA"))
    assert cohort.read == 1 and isinstance(again, Responses)
    np.testing.assert_array_equal(first.betas, again.betas)
    assert first.rois == again.rois == ("FFA-1", "PPA")
    assert dict(again.excluded) == {"constant or NaN": 2}
    noisier = TinyCohort(noise=2.0)
    cohort_responses.read_responses(noisier, "A", ("FFA-1", "PPA"))
    assert noisier.read == 1, "other files, other artefact"
    assert cohort_responses.read_responses(cohort, "A", ("PPA",)).rois == ("PPA",)


def test_a_participant_without_any_of_the_regions_is_an_error(cohort):
    with pytest.raises(LabError, match="B has none of PPA"):
        cohort_responses.read_responses(cohort, "B", ("PPA",))


def test_the_table_of_regions_says_who_lacks_what(cohort):
    table = cohort_responses.roi_table(cohort, cohort.subjects, ("FFA-1", "PPA"), min_ncsnr=0.3)
    used = table.pivot(index="roi", columns="subject", values="n_reliable_vertices")
    assert used.loc["PPA"].to_dict() == {"A": 3, "B": 0, "C": 3}
    assert table["n_vertices"].max() == 4
    assert table["median_ncsnr"].dropna().tolist() == [1] * 5  # of known ones


def test_ceilings_come_for_every_region_with_repeats_and_for_no_other(private):
    table = cohort_responses.noise_ceiling_table(TinyCohort(), ("A", "B", "C"), ("FFA-1", "PPA"),
                                                 min_ncsnr=0.3, seed=0)
    assert len(table) == 2 * 5
    mean = table[table["statistic"] == "univariate"]
    assert mean["value"].between(0.3, 1).all() and (table["low"] <= table["high"]).all()
    assert (mean["value"] - mean["split_half"]).abs().max() < 0.1
    np.testing.assert_allclose(table["ncsnr_based"], np.sqrt(1 / (1 + 1 / 3)))
    quiet = cohort_responses.noise_ceiling_table(TinyCohort(noise=0.05), ("A",), ("FFA-1",),
                                                 min_ncsnr=0.3,
                                                 seed=0)
    assert quiet["value"].iloc[0] > 0.98 > mean["value"].max()
    once = cohort_responses.noise_ceiling_table(TinyCohort(n_repeats=1), ("A",), ("FFA-1",),
                                                min_ncsnr=0.3,
                                                seed=0)
    assert once.empty


def test_folds_become_places_among_the_conditions_used(cohort):
    folds = cohort.folds("B")
    used = cohort_responses.used_conditions(folds)
    (fold,) = cohort_responses.folds_to_rows(folds, used)
    np.testing.assert_array_equal(used[fold.test], folds[0].test)
    np.testing.assert_array_equal(used[fold.validation[0][1]], folds[0].validation[0][1])


# ---- features -----------------------------------------------------------------------------------

def test_every_condition_is_in_one_group_of_images(cohort):
    groups = cohort_features.group_conditions({s: cohort.shown(s) for s in cohort.subjects})
    assert list(groups) == ["shared", "A", "B", "C"]
    np.testing.assert_array_equal(groups["shared"], np.arange(20))
    everything = np.concatenate(list(groups.values()))
    assert len(everything) == len(set(everything)) == 140
    alone = cohort_features.group_conditions({"A": np.array([3, 4])})
    assert list(alone) == ["A"]


def test_pools_hold_the_units_of_the_localizer():
    labels = {"conv": np.full(196, NONE, np.uint8), "fc": np.array([0, 1, NONE, 0, NONE, 1])}
    labels["conv"][[5, 9]] = 1
    pools = cohort_features.selective_pools(localizer_of(labels), ("conv", "fc"),
                                            ("faces", "scenes"))
    np.testing.assert_array_equal(pools.units["fc"], [0, 1, 3, 5])
    np.testing.assert_array_equal(pools.units["fc"][pools.members["faces"]["fc"]], [0, 3])
    assert len(pools.members["faces"]["conv"]) == 0
    labels["fc"][4] = 0
    other = cohort_features.selective_pools(localizer_of(labels), ("conv", "fc"),
                                            ("faces", "scenes"))
    assert other.digest != pools.digest


@pytest.mark.parametrize("per_condition", [1, 3])
def test_unit_features_are_the_activations_averaged_over_a_conditions_images(private,
                                                                             per_condition):
    cohort, net = TinyCohort(images_per_condition=per_condition), network()
    pools = cohort_features.whole_layer_pool(net, ("relu", "fc"))
    conditions = np.array([2, 30, 77])
    found = cohort_features.unit_features(net, pools, cohort, conditions, label="t", batch_size=4)
    with torch.inference_mode():
        for row, condition in enumerate(conditions):
            images = np.flatnonzero(cohort.condition_of == condition)
            x = torch.stack([net.preprocessing(cohort.stimuli.open(i)) for i in images])
            relu = torch.relu(net.model[0](x)).flatten(1)
            np.testing.assert_allclose(found["relu"][row], relu.mean(0), rtol=1e-4, atol=1e-6)
            np.testing.assert_allclose(found["fc"][row], net.model[3](relu).mean(0), rtol=1e-4,
                                       atol=1e-5)


def test_conditions_may_have_unequal_numbers_of_images_in_any_order(private):
    cohort, net = TinyCohort(images_per_condition=3), network()
    cohort.condition_of = np.random.default_rng(0).permutation(np.repeat(np.arange(6),
                                                                         [1, 20, 3, 90, 6, 300]))
    conditions = np.array([1, 2, 4])
    found = cohort_features.unit_features(net, cohort_features.whole_layer_pool(net, ("fc",)),
                                          cohort, conditions, label="t", batch_size=4)["fc"]
    with torch.inference_mode():
        for row, condition in zip(found, conditions):
            images = np.flatnonzero(cohort.condition_of == condition)
            x = torch.stack([net.preprocessing(cohort.stimuli.open(i)) for i in images])
            np.testing.assert_allclose(row, net.model(x).mean(0), rtol=1e-4, atol=1e-5)


def test_features_are_made_once_and_again_for_other_units_or_weights(cohort):
    net, conditions = network(), np.arange(10)
    pools = cohort_features.whole_layer_pool(net, ("fc",))
    make = lambda n, p: cohort_features.unit_features(n, p, cohort, conditions,  # noqa: E731
                                                      label="t", batch_size=4)["fc"]
    first, opened = make(net, pools), cohort.stimuli.opened
    np.testing.assert_array_equal(make(net, pools), first)
    assert cohort.stimuli.opened == opened
    few = cohort_features.UnitPools({"fc": np.array([4, 5])}, {"layer": {"fc": np.array([0, 1])}})
    np.testing.assert_array_equal(make(net, few), first[:, 4:])
    assert not np.allclose(make(network(seed=1), pools), first)
    darker = replace(net, preprocessing=Preprocessing(32, 32, (0.9,) * 3, (0.5,) * 3))
    assert not np.allclose(make(darker, pools), first)
    conditions = np.arange(10, 20)
    assert not np.allclose(make(net, pools), first)
    cohort.stimuli.pixels = 255 - cohort.stimuli.pixels
    conditions = np.arange(10)
    assert not np.allclose(make(net, pools), first)


def test_mean_features_average_maps_over_space(cohort):
    net = network()
    found = cohort_features.channel_mean_features(net, ("conv", "fc"), cohort, np.arange(5),
                                                  label="t",
                                                  batch_size=2)
    with torch.inference_mode():
        x = torch.stack([net.preprocessing(cohort.stimuli.open(i)) for i in range(5)])
        np.testing.assert_allclose(found["conv"], net.model[0](x).mean((2, 3)), rtol=1e-4,
                                   atol=1e-6)
    assert found["fc"].shape == (5, 6)
    assert set(cohort_features.channel_mean_features(net, ("relu",), cohort, np.arange(5),
                                                     label="t",
                                                     batch_size=2)) == {"relu"}


def test_a_participants_rows_come_together_from_the_groups(cohort):
    shown = {s: cohort.shown(s) for s in cohort.subjects}
    groups = cohort_features.group_conditions(shown)
    made = {name: {"x": group[:, None].astype(np.float32)} for name, group in groups.items()}
    for subject, conditions in shown.items():
        rows = cohort_features.join_features(groups, made, subject, conditions)["x"]
        np.testing.assert_array_equal(rows[:, 0], conditions)


def test_gabor_rows_do_not_depend_on_the_company(cohort):
    all_rows = cohort_features.cohort_gabor_features(cohort, np.arange(6), side=32, label="t")
    one = cohort_features.cohort_gabor_features(cohort, np.array([4]), side=32, label="t")
    np.testing.assert_allclose(all_rows[4], one[0], rtol=1e-4, atol=1e-3)
