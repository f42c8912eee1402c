"""Tuning at work on a tiny cohort: who is fine-tuned to what, judged on what, and remembered how.
"""

from __future__ import annotations

import copy
import hashlib
import pickle
import shutil
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from joblib.externals.loky import get_reusable_executor
from PIL import Image
from sklearn.decomposition import PCA
from sklearn.linear_model import Ridge
from support.brain_files import write_tiny_algonauts, write_tiny_object2vec
from support.dask_workers import dask_scheduler  # noqa: F401
from support.finetuned_models import (  # noqa: F401  (fixtures are used by their names)
    shared,
    single,
)
from support.tiny_cohort import RandomImages, TinyCohort, network

from helpers.brains.algonauts import Algonauts
from helpers.brains.cohort import Fold, Responses
from helpers.brains.object2vec import Object2Vec
from helpers.config.contrastive_finetuning import FinetuningSpec
from helpers.config.profile import load_profile
from helpers.core.cluster import SCHEDULER
from helpers.core.errors import LabError
from helpers.core.paths import cache_dir, format_size
from helpers.finetuning import data, evaluate, map_runs
from helpers.finetuning import ridge_cv as cv
from helpers.finetuning.conditions import (
    CONDITIONS,
    build_model,
    count_head_inputs,
    make_finetuning_config,
)
from helpers.finetuning.data import CohortData, Region, region_group
from helpers.finetuning.held_out_bound import BOUND_COLUMNS, average_by_condition, refit_batchnorm
from helpers.finetuning.information_bound import information_bound
from helpers.finetuning.study import FineTuningStudy
from helpers.finetuning.training_loop import PixelNormalisation, SubjectPairs, train_model
from helpers.networks.weights import read_state_dict

SPEC = FinetuningSpec("tiny-net", "tiny-net-untrained", rois=("V1v", "PPA"),
                      layers=("conv", "relu", "fc"), hemispheres="together", epochs=3,
                      regression_epochs=4, batch_size=16, learning_rate=3e-3,
                      regression_learning_rate=2e-3, fixed_embedding_dim=5)
HALF = PixelNormalisation((0.5,) * 3, (0.5,) * 3)
N_TEST, N_OWN = 20, 60
pytestmark = pytest.mark.filterwarnings("ignore:Mean of empty slice")  # a voxel without a value


class WideCohort(TinyCohort):
    """Three participants with 20 common test images; B lacks the PPA; A's has broken voxels.

    Vertices 0-29 are V1v (24 left, 6 right), 30-59 PPA (5 left, 25 right).
    """

    def __init__(self, *, images_per_condition: int = 1, common: bool = True) -> None:
        super().__init__(images_per_condition=images_per_condition, n_repeats=2, noise=0.3)
        self.n_conditions, self.common = N_TEST + 3 * N_OWN, common
        self.stimuli = RandomImages(self.n_conditions * images_per_condition)
        tints = np.random.default_rng(1).integers(0, 255, (self.n_conditions, 1, 1, 3))
        tints = tints.repeat(images_per_condition, 0)
        self.stimuli.pixels = (0.4 * self.stimuli.pixels + 0.6 * tints).astype(np.uint8)
        self.condition_of = np.repeat(np.arange(self.n_conditions), images_per_condition)

    def own(self, subject: str) -> np.ndarray:
        first = N_TEST + N_OWN * self.subjects.index(subject)
        return np.arange(first, first + N_OWN)

    def shown(self, subject):
        return np.r_[np.arange(N_TEST), self.own(subject)]

    def rois(self, subject):
        return ("V1v",) if subject == "B" else ("V1v", "PPA")

    def folds(self, subject):
        own = self.own(subject)
        if self.common:
            return (Fold(own[:44], np.arange(N_TEST), ((own[:44], own[44:]),)),)
        return (Fold(own[:30], own[45:], ((own[:30], own[30:45]),)),)

    def digest(self, subject):
        return f"{subject}-{self.common}-{len(self.stimuli)}"

    def signal(self, subject: str) -> np.ndarray:
        """Mean colours, weighed otherwise by each voxel, (n_conditions, 60)."""
        pixels = self.stimuli.pixels.reshape(self.n_conditions, -1, 3)
        colours = pixels.mean(1) / 50
        return (colours - colours.mean(0)) @ np.random.default_rng(
            10 + self.subjects.index(subject)).normal(size=(3, 60))

    def responses(self, subject, rois):
        self.read += 1
        stimulus_ids = self.shown(subject)
        rng = np.random.default_rng(20 + self.subjects.index(subject))
        betas = self.signal(subject)[stimulus_ids][:, None] + rng.normal(
            0, self.noise, (len(stimulus_ids), self.n_repeats, 60))
        if subject == "A":  # one voxel of the PPA never varies, one does only in the test
            betas[..., 31], betas[N_TEST:, :, 32] = 0.7, 0.1
            betas[30, :, 33] = np.nan
        first = np.arange(60) < 30
        members = {"V1v": first, "PPA": ~first & (subject != "B")}
        ncsnr = np.where(np.arange(60) % 10 == 9, np.nan, 1.0).astype(np.float32)
        return Responses(subject, stimulus_ids, betas.astype(np.float32),
                         np.repeat(["lh", "rh", "lh", "rh"], [24, 6, 5, 25]), np.arange(60),
                         {roi: members[roi] for roi in rois if roi in self.rois(subject)}, ncsnr)


def study_of(cohort=None, n_jobs=1, seed=0, **changes) -> FineTuningStudy:
    return FineTuningStudy.from_cohort(cohort or WideCohort(), replace(SPEC, **changes), network(),
                    network("tiny-net-untrained", seed=1), n_jobs=n_jobs, seed=seed)


def no_training(*_, **__):
    raise AssertionError("tuned again")


# ---- regions and responses ----------------------------------------------------------------------

def test_the_table_of_regions_says_why_one_is_left_out(shared):
    table = study_of().region_table.set_index(["subject", "roi"])
    assert table["excluded_because"].to_dict() == {
        ("A", "V1v"): "", ("A", "PPA"): "", ("B", "V1v"): "",
        ("B", "PPA"): "the participant lacks it", ("C", "V1v"): "", ("C", "PPA"): ""}
    assert table.loc[("A", "PPA"), ["n_voxels", "n_valid_voxels"]].tolist() == [30, 27]
    assert table.loc[("C", "PPA"), ["n_voxels", "n_valid_voxels"]].tolist() == [30, 30]
    assert table.loc[("B", "PPA"), ["n_voxels", "n_valid_voxels"]].tolist() == [0, 0]
    assert table["group"].to_dict() == {(s, r): "early" if r == "V1v" else "higher"
                                        for s in "ABC" for r in ("V1v", "PPA")}


def test_a_participant_who_has_none_of_the_regions_is_in_the_table_too(shared):
    study = study_of(rois=("PPA",))
    assert study.region_table.set_index("subject")["excluded_because"].to_dict() == {
        "A": "", "B": "the participant lacks it", "C": ""}
    assert study.regions == [Region("A", "PPA"), Region("C", "PPA")]


def test_hemispheres_apart_are_regions_of_their_own(shared):
    study = study_of(hemispheres="apart", min_voxels=22)
    table = study.region_table.set_index(["subject", "roi", "hemisphere"])["excluded_because"]
    assert table[("C", "V1v", "lh")] == "" == table[("C", "PPA", "rh")]
    assert table[("C", "V1v", "rh")] == "6 voxels that vary, fewer than 22"
    assert table[("A", "PPA", "rh")] == "" and table[("A", "PPA", "lh")].startswith("2 voxels")
    assert [region.name for region in study.regions if region.subject == "C"] == [
        "lh V1v", "rh PPA"]
    assert len(study.cohort_data.voxels(Region("C", "V1v", "lh")).vertex) == 24


def test_pooled_networks_are_tuned_to_small_regions_too_and_never_scored_there(shared):
    """In the left hemisphere 5 voxels of the PPA (A: 2), in the right 25."""
    common = {"hemispheres": "apart", "min_voxels": 4, "rois": ("PPA",), "epochs": 1}
    small, plain = (study_of(**common, min_voxels_pooled=n) for n in (1, 0))
    assert {region.label for region in small.pools["lh PPA"]} == {"A/lh PPA", "C/lh PPA"}
    assert {region.label for region in plain.pools["lh PPA"]} == {"C/lh PPA"}
    assert small.regions == plain.regions and small.pools.keys() == plain.pools.keys()
    reasons = [study.region_table.set_index(["subject", "hemisphere"])["excluded_because"]
               for study in (small, plain)]
    assert [one["A", "lh"].split("; ")[1:] for one in reasons] == [["in pooled training alone"], []]
    table = small.voxel_scores(["pooled, const"])
    assert set(table[table["hemisphere"] == "lh"]["subject"]) == {"C"}
    run, = [one for one in small.runs(["pooled, const"]) if one.regions[0].hemisphere == "lh"]
    assert [pairs.responses.shape[1] for pairs in run.training_pairs] == [2, 5]
    assert load_profile("paper").finetuning.min_voxels_pooled == 1


def test_a_region_that_cannot_be_used_is_an_error_with_its_numbers(shared):
    cohort_data = study_of(min_voxels=28).cohort_data
    assert len(cohort_data.voxels(Region("C", "PPA")).vertex) == 30
    with pytest.raises(LabError, match="PPA of A has 27 voxels that vary, of 30(?s:.)*28 or more"
                       "(?s:.)*min_voxels"):
        cohort_data.voxels(Region("A", "PPA"))
    with pytest.raises(LabError, match="B has no PPA"):
        cohort_data.voxels(Region("B", "PPA"))
    with pytest.raises(LabError, match="no region of any participant(?s:.)*40 voxels"):
        _ = study_of(min_voxels=40).regions


def test_voxels_that_do_not_vary_in_training_are_left_out_and_counted(shared):
    found = study_of().cohort_data.voxels(Region("A", "PPA"))
    assert not {31, 32, 33} & set(found.vertex.tolist())
    assert found.excluded["constant or not finite"] == 3


def test_early_regions_are_those_of_receptive_fields():
    assert [region_group(roi) for roi in ("V1v", "hV4", "V1", "EVC", "PPA", "LOC", "EBA")] == [
        "early"] * 4 + ["higher"] * 3


def test_responses_are_means_over_repeats_as_they_are_or_in_sd_of_the_training(shared):
    cohort, region = WideCohort(), Region("C", "V1v")
    train, test = cohort.own("C"), np.arange(N_TEST)
    betas = cohort.responses("C", ("V1v",)).betas[:, :, :30].mean(1)
    raw = study_of(cohort).cohort_data.responses(region, test, train)
    np.testing.assert_allclose(raw, betas[:N_TEST], rtol=1e-5, atol=1e-6)
    known = betas[N_TEST:]
    scaled = study_of(cohort, standardise=True).cohort_data.responses(region, test, train)
    np.testing.assert_allclose(scaled, (betas[:N_TEST] - known.mean(0)) / known.std(0), rtol=1e-4,
                               atol=1e-5)
    assert raw.dtype == scaled.dtype == np.float32


def test_the_ceiling_is_the_correlation_that_noise_allows(shared):
    found = study_of().cohort_data.voxel_table(Region("C", "V1v"))["noise_ceiling"]
    np.testing.assert_allclose(found[:9], np.sqrt(1 / (1 + 1 / 2)))
    assert np.isnan(found[9])


# ---- splits -------------------------------------------------------------------------------------

class FoldedCohort(WideCohort):
    """Four folds of 20 of 80 images, made as those of object2vec are."""

    def folds(self, subject):
        sets = np.split(np.random.default_rng(3).permutation(self.shown(subject)), 4)
        found = []
        for k in range(4):
            rest = [np.sort(sets[j]) for j in range(4) if j != k]
            one, other = np.union1d(rest[0], rest[2]), rest[1]
            found.append(Fold(np.union1d(one, other), np.sort(sets[k]),
                              ((one, other), (other, one))))
        return tuple(found)


@pytest.mark.parametrize("n_splits, n", [(0, 4), (2, 2), (3, 3), (4, 4), (9, 4)])
def test_folds_are_joined_and_never_share_a_condition_with_their_training(n_splits, n):
    cohort = FoldedCohort()
    splits = CohortData(cohort, replace(SPEC, n_splits=n_splits), 32).splits("B")
    assert len(splits) == n
    tested = np.concatenate([split.test for split in splits])
    np.testing.assert_array_equal(np.sort(tested), cohort.shown("B"))
    for split in splits:
        assert not np.intersect1d(split.train, split.test).size
        fit, choose = split.rate_search
        assert not np.intersect1d(fit, choose).size
        assert np.isin(fit, split.train).all() and np.isin(choose, split.train).all()
        np.testing.assert_array_equal(split.train, np.unique(split.train))
        assert len(fit) and len(choose), "there is something to choose a rate by"


def test_a_cohorts_single_fold_is_its_split(shared):
    split, = study_of().cohort_data.splits("C")
    own = WideCohort().own("C")
    np.testing.assert_array_equal(split.train, own)
    np.testing.assert_array_equal(split.test, np.arange(N_TEST))
    np.testing.assert_array_equal(split.rate_search[0], own[:44])
    np.testing.assert_array_equal(split.rate_search[1], own[44:])


# ---- images -----------------------------------------------------------------------------------

@pytest.mark.slow
def test_images_are_decoded_once_for_all_regions_and_kinds(private):
    cohort = WideCohort()
    study = study_of(cohort)
    study.voxel_scores(["pretrained", "contrastive"])
    assert cohort.stimuli.opened == cohort.n_conditions
    again = WideCohort()
    study_of(again, epochs=1).voxel_scores(["contrastive"])
    assert again.stimuli.opened == 0 == again.read


def test_pixels_are_the_images_resized_without_cropping(shared):
    cohort = WideCohort()
    asked = np.array([3, 40, 100])
    pixels, response_idx = replace(study_of(cohort).cohort_data,
                                   image_size=16).images(asked)
    pixels = pixels[:]
    assert pixels.shape == (3, 3, 16, 16) and pixels.dtype == np.uint8
    np.testing.assert_array_equal(response_idx, [0, 1, 2])
    for image, place in zip(pixels, asked):
        expected = Image.fromarray(cohort.stimuli.pixels[place]).resize((16, 16),
                                                                        Image.Resampling.BILINEAR)
        np.testing.assert_array_equal(image, np.array(expected).transpose(2, 0, 1))


@pytest.mark.parametrize("max_images", [0, 1, 2])
def test_each_image_knows_its_condition_in_whatever_order_they_lie(shared, max_images):
    cohort = WideCohort(images_per_condition=3)
    cohort.condition_of = np.random.default_rng(0).permutation(cohort.condition_of)
    asked = np.array([5, 7, 41])
    pixels, response_idx = study_of(
        cohort, max_images_per_condition=max_images).cohort_data.images(asked)
    assert len(pixels) == len(response_idx) == 3 * (max_images or 3)
    for k, place in enumerate(asked):
        mine = pixels[response_idx == k]
        expected = np.flatnonzero(cohort.condition_of == place)[:max_images or 3]
        np.testing.assert_array_equal(mine, cohort.stimuli.pixels[expected].transpose(0, 3, 1, 2))


def test_rows_of_one_condition_are_averaged():
    values = np.arange(12.0).reshape(6, 2)
    found = average_by_condition(values, np.array([2, 0, 1, 0, 2, 2]))
    np.testing.assert_allclose(found, [values[[1, 3]].mean(0), values[2],
                                       values[[0, 4, 5]].mean(0)])
    np.testing.assert_array_equal(average_by_condition(values, np.arange(6)), values)
    np.testing.assert_array_equal(average_by_condition(values, np.arange(6)[::-1]), values[::-1])


# ---- what is found, worked out by hand ----------------------------------------------------------

def features(model, cohort, stimulus_ids) -> dict[str, np.ndarray]:
    """Show images to a tiny network; read its three layers out, averaged over conditions."""
    found = {"conv": [], "relu": [], "fc": []}
    for stimulus_id in stimulus_ids:
        images = cohort.stimuli.pixels[cohort.condition_of == stimulus_id]
        with torch.inference_mode():
            x = (torch.from_numpy(images).permute(0, 3, 1, 2) / 255 - 0.5) / 0.5
            conv = model[0](x).flatten(1)
            relu = torch.relu(conv)
            for name, values in (("conv", conv), ("relu", relu), ("fc", model[3](relu))):
                found[name].append(values.double().mean(0).numpy())
    return {name: np.stack(rows) for name, rows in found.items()}


def seed_by_hand(subjects_trained_on, number=0) -> int:
    """A seed of its own for each network and training: from the names of its regions."""
    name = " ".join([f"0 {number}", *(f"{subject}/{roi}" for subject, roi in subjects_trained_on)])
    return int(hashlib.sha256(name.encode()).hexdigest()[:7], 16)


def tuned_by_hand(cohort, condition: str, subjects_trained_on, stimulus_ids=None,
                  learning_rate=None, number=0, **changes):
    """Build and tune outside of the study; return the model."""
    spec, pairs, net = replace(SPEC, **changes), [], network()
    seed = seed_by_hand(subjects_trained_on, number)
    for subject, roi in subjects_trained_on:
        own = cohort.own(subject) if stimulus_ids is None else stimulus_ids
        y = CohortData(cohort, spec, 32).responses(Region(subject, roi), own, own)
        keep = np.isin(cohort.condition_of, own)
        pairs.append(SubjectPairs(subject, cohort.stimuli.pixels[keep].transpose(0, 3, 1, 2).copy(),
                                  np.searchsorted(own, cohort.condition_of[keep]), y))
    model = build_model(CONDITIONS[condition], copy.deepcopy(net.model),
                        {p.subject: p.responses.shape[1] for p in pairs}, spec, image_size=32,
                        max_voxels=30, seed=seed)
    plain = spec.regression_learning_rate if condition == "regression" else spec.learning_rate
    train_model(model, pairs, make_finetuning_config(CONDITIONS[condition], spec,
                                                     learning_rate or plain), HALF, seed=seed)
    return model


def scores_by(protocol, layers, y, folds):
    by_layer = {name: cv.compute_fold_scores(cv.linear_kernel(x), y,
                                             folds) for name, x in layers.items()}
    return protocol(by_layer)


def r_of(table, **where) -> np.ndarray:
    for name, value in where.items():
        table = table[table[name] == value]
    return table.sort_values("voxel")["r"].to_numpy()


@pytest.mark.slow
@pytest.mark.parametrize("per_condition", [1, 2])
def test_scores_of_a_pretrained_and_a_finetuned_network_are_those_worked_out_by_hand(shared,
                                                                               per_condition):
    cohort = WideCohort(images_per_condition=per_condition)
    test, folds = np.arange(N_TEST), cv.make_folds(N_TEST, seed=0)
    table = study_of(cohort, subjects=("C",), rois=("PPA",)).voxel_scores(
        ["untrained", "pretrained", "contrastive", "regression"])
    y = CohortData(cohort, SPEC, 32).responses(Region("C", "PPA"), test, test)
    models = {"untrained": network(seed=1).model, "pretrained": network().model}
    for condition in ("contrastive", "regression"):
        models[condition] = tuned_by_hand(cohort, condition,
                                          [("C", "PPA")]).feature_extractor.backbone
    for condition, model in models.items():
        layers = features(model, cohort, test)
        expected = scores_by(cv.score_nested, layers, y, folds)
        rows = table[table["condition"] == condition]
        np.testing.assert_allclose(r_of(rows), expected[0], atol=2e-3)
        np.testing.assert_allclose(rows.sort_values("voxel")["p2"],
                                   scores_by(cv.score_p2, layers, y, folds)[0], atol=2e-3)
        assert set(rows["layer"]) == {expected[1]}
    ends = [r_of(table, condition=condition) for condition in models]
    assert all(np.abs(ends[i] - ends[k]).max() > 0.01 for i in range(4) for k in range(i))
    assert r_of(table, condition="pretrained").mean() > 0.3, "there is something to be found"


@pytest.mark.slow
def test_one_row_a_voxel_and_who_gave_the_network(shared):
    table = study_of().voxel_scores(["pretrained", "contrastive", "pooled, avg", "pooled, const"])
    assert table.columns.tolist() == ["donor", "subject", "roi", "hemisphere", "group", "condition",
                                      "seed", "voxel", "vertex_hemisphere", "vertex", "r", "r_all",
                                      "r_unseen", "p2", "noise_ceiling", "layer"]
    sizes = {("A", "V1v"): 30, ("A", "PPA"): 27, ("B", "V1v"): 30, ("C", "V1v"): 30,
             ("C", "PPA"): 30}
    for condition, part in table.groupby("condition"):
        assert part.groupby(["subject", "roi"]).size().to_dict() == sizes
        for (subject, roi), voxels in part.groupby(["subject", "roi"]):
            assert voxels["voxel"].tolist() == list(range(len(voxels)))
            broken = {31, 32, 33} if subject == "A" else set()
            assert set(voxels["vertex"]) == set(range(30) if roi == "V1v" else
                                                range(30, 60)) - broken
            left = voxels["vertex"].isin([*range(24), *range(30, 35)])
            assert (voxels["vertex_hemisphere"] == np.where(left, "lh", "rh")).all()
        donor = {"pretrained": "none", "contrastive": None}.get(condition, "all")
        assert (part["donor"] == (part["subject"] if donor is None else donor)).all()
    assert np.isfinite(table["r"]).all() and table["r"].between(-1, 1).all()
    assert table["noise_ceiling"].isna().mean() == pytest.approx(0.1, abs=0.01)
    assert table["layer"].isin(SPEC.layers).all()


def test_a_pooled_network_is_tuned_to_all_who_have_the_region(shared):
    cohort = WideCohort()
    table = study_of(cohort).voxel_scores(["pooled, avg"])
    model = tuned_by_hand(cohort, "pooled, avg", [("A", "PPA"), ("C", "PPA")])
    layers = features(model.feature_extractor.backbone, cohort, np.arange(N_TEST))
    for subject in "AC":
        y = CohortData(cohort, SPEC, 32).responses(Region(subject, "PPA"), np.arange(N_TEST),
                                                   cohort.own(subject))
        expected = scores_by(cv.score_nested, layers, y, cv.make_folds(N_TEST, seed=0))
        np.testing.assert_allclose(r_of(table, subject=subject, roi="PPA"), expected[0], atol=2e-3)


def test_shuffled_tuning_gets_the_same_responses_with_other_images(shared):
    study = study_of()
    region, train = Region("C", "PPA"), WideCohort().own("C")
    plain, shuffled = (study.run(CONDITIONS[condition], (region,), train_ids=[train],
                                 learning_rate=1e-3).training_pairs[0]
                       for condition in ("contrastive", "shuffled"))
    np.testing.assert_array_equal(plain.pixels, shuffled.pixels)
    moved = (plain.responses != shuffled.responses).any(1)
    assert moved.mean() > 0.9
    np.testing.assert_array_equal(np.sort(plain.responses, 0), np.sort(shuffled.responses, 0))
    rows = {row.tobytes() for row in plain.responses}
    assert all(row.tobytes() in rows for row in shuffled.responses), "whole responses, not voxels"
    other = study_of(seed=1).run(CONDITIONS["shuffled"], (region,), train_ids=[train],
                                 learning_rate=1e-3).training_pairs[0]
    assert (other.responses != shuffled.responses).any()


@pytest.mark.slow
@pytest.mark.parametrize("common", [True, False])
def test_everyone_meets_every_network_of_the_same_region(shared, common):
    cohort = WideCohort(common=common)
    table = study_of(cohort).voxel_scores(["pretrained", "contrastive"], all_subjects=True)
    tuned = table[table["condition"] == "contrastive"]
    pairs = tuned.groupby("roi")[["donor", "subject"]].apply(
        lambda part: sorted(set(map(tuple, part.to_numpy().tolist()))))
    assert pairs["V1v"] == [(a, b) for a in "ABC" for b in "ABC"]
    assert pairs["PPA"] == [(a, b) for a in "AC" for b in "AC"]
    own = study_of(cohort).voxel_scores(["contrastive"])
    mine = tuned[tuned["donor"] == tuned["subject"]]
    np.testing.assert_allclose(mine.sort_values(["subject", "roi", "voxel"])["r"],
                               own.sort_values(["subject", "roi", "voxel"])["r"], atol=1e-12)
    split = study_of(cohort).cohort_data.splits("A")[0]
    model = tuned_by_hand(cohort, "contrastive", [("C", "PPA")],
                          stimulus_ids=study_of(cohort).cohort_data.splits("C")[0].train)
    y = CohortData(cohort, SPEC, 32).responses(Region("A", "PPA"), split.test, split.train)
    expected = scores_by(cv.score_nested,
                         features(model.feature_extractor.backbone, cohort, split.test), y,
                         cv.make_folds(len(split.test), seed=0))
    np.testing.assert_allclose(r_of(tuned, donor="C", subject="A", roi="PPA"), expected[0],
                               atol=2e-3)


def test_over_several_splits_scores_are_averaged_and_no_test_is_tuned_on(shared):
    cohort = FoldedCohort()
    study = study_of(cohort, n_splits=2, rois=("PPA",), subjects=("C",))
    table = study.voxel_scores(["contrastive"])
    assert len(table) == 30
    expected = []
    for split in study.cohort_data.splits("C"):
        model = tuned_by_hand(cohort, "contrastive", [("C", "PPA")], stimulus_ids=split.train)
        y = study.cohort_data.responses(Region("C", "PPA"), split.test, split.train)
        expected.append(scores_by(cv.score_nested,
                                  features(model.feature_extractor.backbone, cohort, split.test),
                                  y, cv.make_folds(len(split.test), seed=0))[0])
    assert np.abs(expected[0] - expected[1]).max() > 0.01
    np.testing.assert_allclose(r_of(table), np.mean(expected, axis=0), atol=2e-3)


def test_standardised_responses_are_in_each_participants_own_sd(shared):
    """The test images are common, the training images are not."""
    cohort = WideCohort()
    study = study_of(cohort, standardise=True)
    table = study.voxel_scores(["pretrained", "contrastive"])
    assert len(table) == 2 * 147
    plain = study_of(cohort).voxel_scores(["pretrained"])
    np.testing.assert_allclose(r_of(table, condition="pretrained", subject="C", roi="PPA"),
                               r_of(plain, subject="C", roi="PPA"), atol=1e-3)


# ---- images that several participants saw -------------------------------------------------------

def algonauts_study(tmp_path, **changes) -> FineTuningStudy:
    """In the challenge's files: 60 of each participant's 300 images are common to all three."""
    root = write_tiny_algonauts(tmp_path / "algonauts2023", n_subjects=3, n_images=300, n_common=60)
    few = {"rois": ("V1v",), "min_voxels": 2, "epochs": 1, "regression_epochs": 1}
    return study_of(Algonauts(root), **few | changes)


@pytest.mark.slow
def test_images_that_another_network_was_tuned_on_are_not_among_the_unseen(private, tmp_path):
    study = algonauts_study(tmp_path)
    cohort, table = study.cohort_data.cohort, study.cohort_data.shared_images().set_index("subject")
    folds = {name: cohort.folds(name)[0] for name in cohort.subjects}
    for name, fold in folds.items():
        seen = set(fold.test) & {one for other in folds if other != name
                                 for one in np.union1d(folds[other].fit,
                                                       folds[other].validation[0][1])}
        assert 3 < len(seen) < 20 and len(fold.test) == 45
        assert table.loc[name, ["held_out", "seen_by_others", "left_out"]].tolist() == [
            45, len(seen), len(seen)]
        region = next(one for one in study.regions if one.subject == name)
        run = study.run(CONDITIONS["pooled, avg"], study.regions_by_name["V1v"])
        held_out = next(one for one in study.held_out(run) if region in one.regions)
        assert set(held_out.unseen_ids) == set(fold.test) - seen
        assert not set(held_out.unseen_ids) & set(np.concatenate(run.train_ids))
        assert set(held_out.stimulus_ids) == set(fold.test)
    published = algonauts_study(tmp_path / "again", evaluate_shared="published")
    assert all(list(one.row_sets) == [""] for one in published.held_out(run))
    counts = published.cohort_data.shared_images()
    assert counts["seen_by_others"].equals(study.cohort_data.shared_images()["seen_by_others"])
    assert not counts["left_out"].any() and counts["seen_by_others"].all()


@pytest.mark.slow
@pytest.mark.parametrize("protocol", ["nested", "P2", "P1"])
def test_pooled_and_others_networks_are_scored_on_unseen_images(private, tmp_path, protocol):
    study = algonauts_study(tmp_path, protocol=protocol)
    table = pd.concat([study.voxel_scores(["pretrained", "pooled, avg"]),
                       study.voxel_scores(["contrastive"], all_subjects=True)])
    own = (table["donor"] == "none") | (table["donor"] == table["subject"])
    assert (table["r"] == table["r_all"].where(own, table["r_unseen"])).all()
    assert (table["r_all"] != table["r_unseen"]).mean() > 0.9
    run = study.run(CONDITIONS["pooled, avg"], study.regions_by_name["V1v"])
    held_out = next(iter(study.held_out(run)))
    region = held_out.regions[0]
    y, rows = held_out.responses[region.label], held_out.row_sets["unseen/"]
    np.testing.assert_array_equal(held_out.stimulus_ids[rows], held_out.unseen_ids)
    kernels = evaluate.layer_kernels(run, evaluate.get_backbone(evaluate.load_model(run)), held_out)
    if protocol == "P1":
        layer, alpha = held_out.preselected[region.label]
        train = np.searchsorted(held_out.stimulus_ids, held_out.train_ids[0])
        expected = cv.score_ridge(kernels[layer], y, train, rows, alphas=(alpha,))[0]
    else:
        mask = np.isin(np.arange(len(y)), rows)
        score = {"nested": cv.score_nested, "P2": cv.score_p2}[protocol]
        expected = score({name: cv.compute_fold_scores_of(K, y, held_out.folds, [mask])[0]
                          for name, K in kernels.items()})[0]
    found = r_of(table, condition="pooled, avg", subject=region.subject)
    np.testing.assert_allclose(found, expected, atol=2e-3)


@pytest.mark.slow
def test_bounds_of_pooled_models_are_those_of_unseen_images(private, tmp_path):
    study = algonauts_study(tmp_path, min_voxels=5)
    bounds = study.bounds(["contrastive", "pooled, avg"])
    unseen = study.cohort_data.shared_images().eval("held_out - left_out").tolist()
    n = bounds.groupby("condition", sort=False)["n"].apply(list).to_dict()
    assert n == {"contrastive": [45] * 3, "pooled, avg": unseen}
    assert study.bounds(["contrastive"], images="unseen")["n"].tolist() == unseen
    assert study.bounds(["pooled, avg"], images="all")["n"].tolist() == [45] * 3


@pytest.mark.slow
def test_people_of_object2vec_saw_all_categories_and_the_mini_profile_says_so(tmp_path):
    """Each has sets of their own: what one holds out, the other is trained on."""
    cohort = Object2Vec(write_tiny_object2vec(tmp_path / "object2vec"))
    spec = replace(load_profile("mini").finetuning, n_splits=0, n_train=0, n_test=0)
    assert spec.evaluate_shared == "published"
    counts = CohortData(cohort, spec, 32).shared_images()
    assert len(counts) == 6 and (counts["held_out"] == 2).all()
    assert counts["seen_by_others"].sum() > 6 and not counts["left_out"].any()
    counts = CohortData(cohort, replace(spec, evaluate_shared="left out"), 32).shared_images()
    assert counts["left_out"].equals(counts["seen_by_others"])


def test_too_few_unseen_images_are_an_error_that_names_the_way_out(private, tmp_path):
    root = write_tiny_algonauts(tmp_path / "algonauts2023", n_images=120, n_common=110)
    study = study_of(Algonauts(root), rois=("V1v",), min_voxels=2, epochs=1)
    with pytest.raises(LabError, match='0 held-out conditions(?s:.)*evaluate_shared = "published"'):
        study.voxel_scores(["pretrained"])


# ---- protocols ----------------------------------------------------------------------------------

def test_p2_reports_what_it_chose_on(shared):
    study = study_of(protocol="P2")
    table = study.voxel_scores(["pretrained"])
    np.testing.assert_array_equal(table["r"], table["p2"])
    nested = study_of().voxel_scores(["pretrained"])
    assert table["r"].mean() > nested["r"].mean()
    np.testing.assert_allclose(table["p2"], nested["p2"], atol=1e-12)


def test_p1_takes_layer_and_penalty_from_the_first_participant(shared):
    cohort = WideCohort()
    study = study_of(cohort, protocol="P1")
    table = study.voxel_scores(["pretrained", "contrastive"])
    assert table["p2"].isna().all()
    for roi, last in (("V1v", "C"), ("PPA", "C")):
        train = cohort.own("A")
        layers = features(network().model, cohort, train)
        y = study.cohort_data.responses(Region("A", roi), train, train)
        layer, alpha, _ = cv.select_layer_and_alpha({name: cv.linear_kernel(x)
                                                     for name, x in layers.items()}, y,
                                                    cv.make_folds(len(train), seed=0))
        assert set(table[table["roi"] == roi]["layer"]) == {layer}
        tuned = tuned_by_hand(cohort, "contrastive", [(last, roi)]).feature_extractor.backbone
        for condition, model in (("pretrained", network().model), ("contrastive", tuned)):
            fit, test = cohort.own(last), np.arange(N_TEST)
            known, new = (features(model, cohort, c)[layer] for c in (fit, test))
            y = [study.cohort_data.responses(Region(last, roi), c, fit) for c in (fit, test)]
            pca = PCA(min(known.shape[1], len(fit) - 1), svd_solver="full")
            made = Ridge(alpha).fit(pca.fit_transform(known), y[0].astype(float)).predict(
                pca.transform(new))
            expected = [np.corrcoef(made[:, v], y[1][:, v])[0, 1] for v in range(made.shape[1])]
            np.testing.assert_allclose(r_of(table, condition=condition, subject=last, roi=roi),
                                       expected, atol=2e-3)


def test_curves_hold_every_layer_at_each_voxels_best_penalty(shared):
    cohort = WideCohort()
    study = study_of(cohort)
    curves = study.curves(["pretrained", "contrastive"])
    assert len(curves) == 2 * 5 * 3
    layers = features(network().model, cohort, np.arange(N_TEST))
    y = study.cohort_data.responses(Region("B", "V1v"), np.arange(N_TEST), cohort.own("B"))
    mine = curves[(curves["condition"] == "pretrained") & (
        curves["subject"] == "B")].set_index("layer")
    for name, x in layers.items():
        outer = cv.compute_fold_scores(cv.linear_kernel(x), y, cv.make_folds(N_TEST, seed=0),
                                       inner_folds=False)[range(5), range(5)]
        assert mine.loc[name, "r"] == pytest.approx(outer.mean(0).max(0).mean(), abs=2e-3)


# ---- rates --------------------------------------------------------------------------------------

def test_without_candidates_rates_are_the_published_ones(shared):
    study = study_of()
    assert study.learning_rates.set_index("condition")["learning_rate"].to_dict() == {
        "contrastive": 3e-3, "regression": 2e-3, "regression, same head": 3e-3}
    assert study.learning_rates["r"].isna().all() and study.learning_rates["chosen"].all()
    assert study.learning_rate("pooled, avg") == study.learning_rate("shuffled") == 3e-3


def test_a_search_without_candidates_is_refused(shared):
    with pytest.raises(LabError, match="names no learning rates"):
        study_of().search_learning_rates()


@pytest.mark.slow
def test_the_rate_is_the_one_that_predicts_best_on_held_back_training_images(shared):
    cohort = WideCohort()
    study = study_of(cohort, learning_rates=(1e-5, 3e-2), n_rate_search_regions=1, protocol="P1")
    table = study.search_learning_rates().set_index(["condition", "learning_rate"])
    assert len(table) == 6
    found = {}
    for region in study.regions:  # which one was drawn does not matter here
        fit, choose = study.cohort_data.splits(region.subject)[0].rate_search
        y = study.cohort_data.responses(region, choose, fit)
        for learning_rate in (1e-5, 3e-2):
            model = tuned_by_hand(cohort, "regression", [(region.subject, region.roi)],
                                  stimulus_ids=fit,
                                  learning_rate=learning_rate).feature_extractor.backbone
            found[region, learning_rate] = scores_by(cv.score_p2, features(model, cohort, choose),
                                                     y, cv.make_folds(
                len(choose), seed=0))[0].mean()
    ours = [table.loc[("regression", learning_rate), "r"] for learning_rate in (1e-5, 3e-2)]
    assert any(np.allclose(ours, [found[region, learning_rate] for learning_rate in (1e-5, 3e-2)],
                           atol=2e-3)
               for region in study.regions)
    assert study.learning_rate("contrastive") == SPEC.learning_rate, "a search changes no setting"


def test_the_recorded_search_decides_and_is_shown(shared):
    rate_search_scores = {"contrastive": (0.1, 0.3), "regression": (0.4, 0.2)}
    study = study_of(learning_rates=(1e-5, 3e-2), rate_search_scores=rate_search_scores)
    table = study.learning_rates.set_index(["condition", "learning_rate"])
    assert len(table) == 5 and (table.groupby("condition")["chosen"].sum() == 1).all()
    assert table.loc[("regression", 3e-2), "r"] == 0.2
    assert study.learning_rate("regression") == 1e-5
    same_head = study.learning_rate("regression, same head")
    assert same_head == SPEC.learning_rate, "nothing was recorded for it"
    assert study.learning_rate("contrastive") == study.learning_rate("pooled, const") == 3e-2
    with pytest.raises(LabError, match="2 learning_rates(?s:.)*3 values of 'regression'"):
        study_of(learning_rates=(1e-5, 3e-2), rate_search_scores={"regression": (1.0, 2.0, 3.0)})


# ---- seeds --------------------------------------------------------------------------------------

def test_every_network_has_seeds_of_its_own(shared):
    """The second training is that of the second seed; what is not tuned is the same for both."""
    cohort, few = WideCohort(), {"subjects": ("A", "C"), "rois": ("PPA",)}
    study = study_of(cohort, n_seeds=2, **few)
    table = study.voxel_scores(["pretrained", "contrastive"])
    assert len(table) == 2 * 2 * 57 and set(table["seed"]) == {0, 1}
    first, second = (
        table[(table["condition"] == "pretrained") & (table["seed"] == k)]["r"].to_numpy()
                     for k in (0, 1))
    np.testing.assert_array_equal(first, second)
    plain = study_of(cohort, **few).voxel_scores(["contrastive"])
    np.testing.assert_array_equal(r_of(plain, subject="C"),
                                  r_of(table, subject="C", condition="contrastive", seed=0))
    model = tuned_by_hand(cohort, "contrastive", [("C", "PPA")],
                          number=1).feature_extractor.backbone
    y = CohortData(cohort, SPEC, 32).responses(Region("C", "PPA"), np.arange(N_TEST),
                                               cohort.own("C"))
    expected = scores_by(cv.score_nested, features(model, cohort, np.arange(N_TEST)), y,
                         cv.make_folds(N_TEST, seed=0))
    np.testing.assert_allclose(r_of(table, subject="C", condition="contrastive", seed=1),
                               expected[0], atol=2e-3)
    members = study.networks(["pretrained", "contrastive", "regression"])
    found = [(m.condition.name, m.donor, m.number) for m in members]
    assert found == [("pretrained", "none", 0)] + [
        (condition, donor, seed) for condition in ("contrastive", "regression") for donor in "AC"
        for seed in (0, 1)]
    seeds = {(m.donor, m.number): m.seed for m in members if m.condition.name == "contrastive"}
    assert len(set(seeds.values())) == 4, "no two participants share one"
    assert seeds == {(m.donor, m.number): m.seed for m in members
                     if m.condition.name == "regression"}


def test_fewer_conditions_are_spread_over_all(shared):
    split, = study_of(n_train=11, n_test=6).cohort_data.splits("C")
    own = WideCohort().own("C")
    np.testing.assert_array_equal(split.train, own[np.arange(11) * len(own) // 11])
    np.testing.assert_array_equal(split.test, np.arange(6) * N_TEST // 6)
    fit, choose = split.rate_search
    np.testing.assert_array_equal(np.union1d(fit, choose), split.train)
    whole, = study_of(n_train=10**6, n_test=N_TEST).cohort_data.splits("C")
    np.testing.assert_array_equal(whole.train, own)


def test_rates_are_searched_on_as_many_regions_as_asked_and_never_on_the_test(private,
                                                                              monkeypatch):
    cohort = WideCohort()
    study = study_of(cohort, learning_rates=(1e-3, 1e-2), n_rate_search_regions=2)
    tuned = []
    monkeypatch.setattr(evaluate, "train_model", lambda model, training_pairs, config, *a,
                        **k: tuned.append(
        (training_pairs[0], config.learning_rate)) or [1.0])
    study.search_learning_rates()
    assert len(tuned) == 3 * 2 * 2
    assert len({training_pairs.subject + str(training_pairs.responses.shape)
                + str(training_pairs.responses[0, 0])
                for training_pairs, _ in tuned}) == 2
    assert {len(training_pairs.pixels) for training_pairs, _ in tuned} == {44}
    assert {learning_rate for _, learning_rate in tuned} == {1e-3, 1e-2}
    assert cohort.stimuli.opened == sum(len(study.cohort_data.splits(s)[0].train)
                                        for s in {training_pairs.subject
                                                  for training_pairs, _ in tuned})


# ---- bounds -------------------------------------------------------------------------------------

@pytest.mark.slow
def test_bounds_are_those_of_held_out_images_in_one_batch(shared):
    cohort = WideCohort()
    study = study_of(cohort)
    table = study.bounds(["pretrained", "regression", "contrastive", "contrastive, fixed z",
                          "pooled, avg"])
    assert table.columns.tolist() == ["subject", "roi", "hemisphere", "group", "condition", "seed",
                                      "n_voxels", *BOUND_COLUMNS]
    assert set(table["condition"]) == {"contrastive", "contrastive, fixed z", "pooled, avg"}
    assert len(table) == 3 * 5 and (table["n"] == N_TEST).all()
    assert (table["calibrated"] <= np.log(N_TEST)).all()
    assert (table[["uncalibrated",
                   "cross_validated"]].max(axis=1) <= table["calibrated"] + 1e-12).all()
    sizes = table.set_index(["condition", "subject", "roi"]).sort_index()
    assert set(sizes.loc["contrastive, fixed z", "embedding_dim"]) == {5}
    assert sizes.loc[("contrastive", "A", "PPA"), ["n_voxels", "embedding_dim"]].tolist() == [27, 5]
    assert sizes.loc[("contrastive", "C", "PPA"), ["n_voxels", "embedding_dim"]].tolist() == [30, 6]
    assert sizes.loc[("pooled, avg", "A", "PPA"), "embedding_dim"] == int(0.25 * 28)


@pytest.mark.parametrize("condition, subjects_trained_on",
                         [("contrastive", "C"), ("pooled, avg", "AC")])
def test_each_side_of_a_bound_has_the_statistics_of_its_own_training(shared, condition,
                                                                     subjects_trained_on):
    """Worked out layer by layer; for the last of those pooled as for the first."""
    cohort = WideCohort()
    study = study_of(cohort)
    table = study.bounds([condition]).set_index(["subject", "roi"])
    model = tuned_by_hand(cohort, condition, [(subject, "PPA") for subject in subjects_trained_on])
    test = np.arange(N_TEST)
    for subject in subjects_trained_on:
        own = cohort.own(subject)

        def inside(stimulus_ids, own=own, subject=subject):
            pixels = cohort.stimuli.pixels[stimulus_ids].transpose(0, 3, 1, 2).copy()
            y = study.cohort_data.responses(Region(subject, "PPA"), stimulus_ids, own)
            return (model.from_images(model.feature_extractor(HALF(pixels, torch.device("cpu")))),
                    model.from_responses[subject](torch.from_numpy(y)))

        with torch.inference_mode():
            sides = [normalise(model.head, known, new)
                     for known, new in zip(inside(own), inside(test))]
            mixed = information_bound(*(model.head(new) for new in inside(test)))
        expected = information_bound(*sides,
                                     seed=seed_by_hand([(s, "PPA") for s in subjects_trained_on]))
        row = table.loc[(subject, "PPA")]
        for name in ("uncalibrated", "calibrated", "cross_validated"):
            assert row[name] == pytest.approx(getattr(expected, name), abs=1e-2)
        assert row["shared_batchnorm"] == pytest.approx(mixed.calibrated, abs=1e-3)


def normalise(head, known, new):
    """Run both through a head, each normalisation with mean and variance of the known."""
    for layer in head:
        if isinstance(layer, torch.nn.BatchNorm1d):
            mean, deviation = known.mean(0), (known.var(0) + layer.eps).sqrt()
            known, new = ((x - mean) / deviation * layer.weight + layer.bias for x in (known, new))
        else:
            known, new = layer(known), layer(new)
    return new


def test_calibrated_statistics_are_those_of_the_batch_and_nothing_else_changes():
    head = tuned_by_hand(WideCohort(), "contrastive", [("C", "PPA")], epochs=1).head
    inputs = 3 * torch.randn(50, head[0].in_features) + 2
    weights = [parameter.clone() for parameter in head.parameters()]
    momentum = head[1].momentum
    refit_batchnorm(head, inputs)
    with torch.no_grad():
        first = head[0](inputs)
    torch.testing.assert_close(head[1].running_mean, first.mean(0), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(head[1].running_var, first.var(0), rtol=1e-4, atol=1e-4)
    assert not head.training and head[1].momentum == momentum
    assert all(torch.equal(a, b) for a, b in zip(weights, head.parameters()))


@pytest.mark.slow
def test_bounds_do_not_depend_on_the_protocol_of_encoding(shared):
    found = [study_of(protocol=protocol).bounds(["contrastive"]) for protocol in
             ("nested", "P1", "P2")]
    for other in found[1:]:
        pd.testing.assert_frame_equal(found[0], other, rtol=1e-4, atol=1e-5)


# ---- a second cohort ----------------------------------------------------------------------------

class OtherCohort(WideCohort):
    """Other images, and an atlas whose V1 stands where the V1v was."""

    name = "other"

    def __init__(self) -> None:
        super().__init__()
        self.stimuli.pixels = self.stimuli.pixels[::-1].copy()

    def rois(self, subject):
        return ("V1",)

    def digest(self, subject):
        return f"other {subject}"

    def responses(self, subject, rois):
        found = super().responses(subject, ("V1v",))
        return replace(found, members={"V1": np.arange(60) < 30})


def test_networks_meet_a_second_cohort_over_all_its_images(shared):
    cohort, spec = OtherCohort(), replace(SPEC, rois=("V1",), subjects=("B", "C"))
    conditions = ["pretrained", "contrastive", "pooled, avg"]
    other = CohortData(cohort, spec, 32)
    table = study_of().transfer(other, conditions)
    assert len(table) == 3 * 2 * 30 and set(table["roi"]) == {"V1v"}
    assert set(table["subject"]) == {"B", "C"}
    assert table.groupby("condition")["donor"].unique().map(list).to_dict() == {
        "pretrained": ["none"], "contrastive": ["A"], "pooled, avg": ["all"]}
    models = {"pretrained": network().model}
    for condition, subjects_trained_on in (("contrastive", "A"), ("pooled, avg", "ABC")):
        models[condition] = tuned_by_hand(WideCohort(), condition,
                                          [(s, "V1v") for s in subjects_trained_on]
                                     ).feature_extractor.backbone
    shown = cohort.shown("C")
    y = other.responses(Region("C", "V1"), shown, shown)
    for condition, model in models.items():
        expected = scores_by(cv.score_nested, features(model, cohort, shown), y,
                             cv.make_folds(80, seed=0))
        np.testing.assert_allclose(r_of(table, condition=condition, subject="C"), expected[0],
                                   atol=2e-3)


def test_a_second_cohort_without_any_such_region_is_an_error(shared):
    study = study_of(rois=("PPA",), subjects=("A", "C"))
    with pytest.raises(LabError, match="no region of both cohorts: PPA(?s:.)*V1v"):
        study.transfer(CohortData(OtherCohort(), replace(SPEC, rois=("V1",)), 32), ["pretrained"])


# ---- remembered ---------------------------------------------------------------------------------

@pytest.mark.slow
def test_a_second_call_reads_what_the_first_found(private, monkeypatch):
    conditions = ["pretrained", "contrastive", "pooled, const", "regression", "shuffled"]
    few = {"subjects": ("A", "C"), "rois": ("PPA",)}
    first = study_of(**few).voxel_scores(conditions)
    monkeypatch.setattr(evaluate, "train_model", no_training)
    cohort = WideCohort()
    again = study_of(cohort, **few).voxel_scores(conditions)
    pd.testing.assert_frame_equal(first, again)
    assert cohort.stimuli.opened == 0 == cohort.read
    study_of(protocol="P2", **few).voxel_scores(conditions)  # another look at the same networks
    with pytest.raises(AssertionError, match="tuned again"):
        study_of(seed=1, **few).voxel_scores(["contrastive"])


@pytest.mark.slow
@pytest.mark.parametrize("change, again", [
    ({"temperature": 0.2}, True), ({"symmetric": True}, True), ({"head_layer": "1"}, True),
    ({"learned_temperature": True}, True), ({"epochs": 2}, True), ({"learning_rate": 1e-4}, True),
    ({"batch_size": 9}, True), ({"standardise": True}, True), ({"n_splits": 1}, False),
    ({"fixed_embedding_dim": 9}, False), ({"layers": ("fc",)}, False),
    ({"regression_epochs": 2}, False)])
def test_what_decides_the_weights_and_nothing_else_tunes_again(private, monkeypatch, change,
                                                               again):
    region, calls = Region("C", "PPA"), []
    for changes in ({}, change):
        study = study_of(**changes)
        finetuning_run = study.run(CONDITIONS["contrastive"], (region,),
                                   train_ids=[WideCohort().own("C")])
        monkeypatch.setattr(evaluate, "train_model", lambda *a, **k: calls.append(1) or [1.0])
        evaluate.finetune(finetuning_run)
    assert len(calls) == 1 + again


def test_an_interrupted_tuning_goes_on_where_it_was(private, monkeypatch):
    study = study_of(epochs=6)
    train = WideCohort().own("C")
    finetuning_run = study.run(CONDITIONS["contrastive"], (Region("C", "PPA"),), train_ids=[train])
    monkeypatch.setattr(evaluate, "train_model", lambda *a, **k: train_model(
        *a, **{**k, "min_seconds_between_states": 0, "on_step": interrupt}))

    def interrupt(step: int, _loss: float) -> None:
        steps.append(step)
        if step == 10 and len(steps) == 10:
            raise KeyboardInterrupt

    steps = []
    with pytest.raises(KeyboardInterrupt):
        evaluate.finetune(finetuning_run)
    found = evaluate.finetune(finetuning_run)
    assert steps[10] == 9, "four steps an epoch; two epochs were kept"
    assert not list(cache_dir().glob("finetuned/*.state.safetensors"))
    model = tuned_by_hand(WideCohort(), "contrastive", [("C", "PPA")], epochs=6)
    for name, tensor in model.state_dict().items():
        np.testing.assert_allclose(found[f"model/{name}"], tensor.numpy(), rtol=1e-5, atol=1e-6)


def test_tuning_leaves_the_network_that_it_starts_from_alone(private):
    study = study_of(subjects=("C",), rois=("PPA",))
    model = study.network.model
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    study.voxel_scores(["contrastive", "regression", "pretrained"])
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, before[name])
    assert not model.training


def test_checkpoints_lie_beside_the_tuned_weights(private):
    study = study_of(checkpoints=(1, 3), subjects=("C",), rois=("PPA",))
    study.voxel_scores(["contrastive"])
    files = sorted(cache_dir().glob("finetuned/*.epoch*.safetensors"))
    assert [file.name.split(".")[-2] for file in files] == ["epoch1", "epoch3"]
    model = tuned_by_hand(WideCohort(), "contrastive", [("C", "PPA")])
    for name, tensor in read_state_dict(files[1]).items():
        torch.testing.assert_close(tensor, model.state_dict()[name], rtol=1e-5, atol=1e-6)


def test_runs_carry_keys_and_worker_processes_read_for_themselves(shared):
    study = study_of(subjects=("A", "C"), rois=("PPA",))
    run, = study.runs(["pooled, avg"])
    assert run.training_pairs and study.cohort_data._memory
    copies = [pickle.loads(pickle.dumps(run)) for _ in range(2)]
    assert copies[0].parts == run.parts
    assert copies[0].cohort_data is copies[1].cohort_data is not study.cohort_data


def test_images_and_responses_beyond_the_memory_budget_are_read_again(shared, monkeypatch):
    conditions = ["contrastive", "pooled, avg"]
    plain = study_of(epochs=1, rois=("PPA",)).voxel_scores(conditions)
    monkeypatch.setattr(data, "MEMORY_BUDGET", 1)
    monkeypatch.setattr(data.CohortData, "_memory", property(lambda self: kept), raising=True)
    kept = {}
    study = study_of(epochs=1, rois=("PPA",), seed=0)
    pairs = study.runs(["pooled, avg"])[0].training_pairs
    for pair in pairs:
        assert pair.pixels[:2].shape == (2, 3, 32, 32)
        assert sum(data._n_bytes(value) > 0 for value in kept.values()) == 1
    pd.testing.assert_frame_equal(study.voxel_scores(conditions), plain)


@pytest.mark.slow
def test_results_do_not_depend_on_how_many_run_at_once(private, monkeypatch):
    conditions = ["pretrained", "contrastive"]
    get_reusable_executor().shutdown(wait=True)  # processes that know another test's cache
    few = {"subjects": ("A", "C"), "rois": ("PPA",)}
    one = study_of(**few, n_jobs=1).voxel_scores(conditions)
    monkeypatch.setenv("LAB_CACHE", str(private / "other cache"))
    two = study_of(**few, n_jobs=2).voxel_scores(conditions)
    assert list((private / "other cache" / "finetuned").glob("*.npz"))
    get_reusable_executor().shutdown(wait=True)
    pd.testing.assert_frame_equal(one, two, check_exact=True)


@pytest.mark.slow
def test_a_dask_cluster_fine_tunes_what_one_process_does(private, monkeypatch, dask_scheduler):
    few = {"subjects": ("A", "C"), "rois": ("PPA",)}
    one = study_of(**few, n_jobs=1).voxel_scores(["pretrained", "contrastive"])
    monkeypatch.setenv("LAB_CACHE", str(private / "shared cache"))
    monkeypatch.setenv(SCHEDULER, dask_scheduler)
    other = study_of(**few, n_jobs=1).voxel_scores(["pretrained", "contrastive"])
    assert list((private / "shared cache" / "finetuned").glob("*.npz"))  # the workers' cache, too
    pd.testing.assert_frame_equal(one, other, check_exact=True)


# ---- settings that are not in the paper ---------------------------------------------------------

@pytest.mark.slow
@pytest.mark.parametrize("change", [{"symmetric": True}, {"learned_temperature": True},
                                    {"head_layer": "1"}, {"interleaved": True},
                                    {"precision": "bfloat16"}, {"temperature": 0.1}])
def test_every_setting_runs_and_changes_what_is_found(shared, change):
    conditions = ["pooled, avg" if "interleaved" in change else "contrastive"]
    where = {"rois": ("PPA",), "subjects": ("A", "C")}
    plain = study_of(**where).voxel_scores(conditions)["r"].to_numpy()
    study = study_of(**where, **change)
    changed = study.voxel_scores(conditions)["r"].to_numpy()
    assert changed.shape == plain.shape and np.isfinite(changed).all()
    assert np.abs(changed - plain).max() > 1e-6
    assert np.isfinite(study.bounds(conditions)[list(BOUND_COLUMNS)].to_numpy()).all()
    trains = [WideCohort().own(subject) for subject in "AC"]
    finetuning_run = study.run(CONDITIONS[conditions[0]], study.regions_by_name["PPA"],
                               train_ids=trains)
    np.testing.assert_array_less(evaluate.finetune(finetuning_run)["losses"], 2 * np.log(16))


@pytest.mark.parametrize("precision, itemsize", [("float32", 4), ("float16", 2)])
def test_weights_are_saved_as_the_profile_says_and_their_size_is_known(private, precision,
                                                                       itemsize):
    few = {"rois": ("PPA",), "subjects": ("C",), "epochs": 1, "checkpoints": (1,)}
    study = study_of(**few, saved_precision=precision)
    run, = study.runs(["contrastive"])
    n_units = count_head_inputs(run.network.model, SPEC, 32)
    saved = evaluate.finetune(run)
    weights = {name: one for name, one in saved.items() if name.startswith("model/")}
    n_values = sum(one.size for one in weights.values())
    assert map_runs.count_values(run, n_units) == n_values
    assert map_runs.saved_value_size(study.cohort_data.spec) == itemsize + 4
    assert weights["model/head.0.weight"].dtype == precision
    exact = evaluate.finetune(study_of(**few).runs(["contrastive"])[0])
    model = evaluate.load_model(run)
    for name, tensor in model.state_dict().items():
        assert tensor.dtype in (torch.float32, torch.int64)
        np.testing.assert_allclose(tensor, exact[f"model/{name}"], rtol=1e-3, atol=1e-6)
    same = all((tensor.numpy() == exact[f"model/{name}"]).all()
               for name, tensor in model.state_dict().items())
    assert same == (precision == "float32")


def test_a_disk_that_is_too_small_is_reported_before_any_fine_tuning(private, monkeypatch, capsys):
    few = {"rois": ("PPA",), "epochs": 1}
    conditions = ["contrastive", "pooled, const"]
    study = study_of(**few)
    sizes = [4 * map_runs.count_values(run, 6) for run in study.runs(conditions)]
    needed = sum(sizes) + 3 * max(sizes)

    def set_free(n_bytes):
        monkeypatch.setattr(shutil, "disk_usage", lambda _folder: SimpleNamespace(free=n_bytes))

    set_free(needed - 1)
    with monkeypatch.context() as patched, pytest.raises(LabError) as caught:
        patched.setattr(evaluate, "train_model", no_training)
        study.voxel_scores(conditions)
    assert format_size(needed) in caught.value.expected and "3 networks" in caught.value.expected
    assert f"{format_size(needed - 1)} free" in caught.value.seen
    set_free(needed)
    monkeypatch.setattr(map_runs, "WORTH_TELLING", 0)
    study.voxel_scores(conditions)
    assert f"3 networks to fine-tune: {format_size(sum(sizes))} of weights" in (
        capsys.readouterr().out)
    set_free(0)  # what is there needs no space
    monkeypatch.setattr(evaluate, "train_model", no_training)
    map_runs.require_disk_space(study.runs(conditions, interpolation=0.5))
    with pytest.raises(LabError, match="1 networks|2 networks"):
        map_runs.require_disk_space(study.runs(["regression"]))


def test_gram_matrices_are_made_and_decomposed_where_the_network_is(private, monkeypatch):
    """On a GPU `linear_kernel` returns a tensor there; here the tensor is put on the CPU."""
    study, devices = study_of(rois=("PPA",), subjects=("C",)), []
    plain = study.voxel_scores(["pretrained"])
    on_cpu = cv.linear_kernel

    def on_device(values, device):
        devices.append(device)
        return torch.from_numpy(on_cpu(values))

    monkeypatch.setattr(cv, "linear_kernel", on_device)
    monkeypatch.setenv("LAB_CACHE", str(private / "another cache"))
    for name in ("eigh", "dposv"):
        monkeypatch.setattr(cv, name, None)
    again = study.voxel_scores(["pretrained"])
    assert devices == [next(study.network.model.parameters()).device] * len(SPEC.layers)
    np.testing.assert_allclose(again["r"], plain["r"], atol=1e-9)


def test_an_unknown_kind_is_reported_before_anything_is_done(private):
    cohort = WideCohort()
    with pytest.raises(LabError, match="no condition 'pooled'"):
        study_of(cohort).voxel_scores(["pretrained", "pooled"])
    assert not list(cache_dir().glob("finetuned/*"))


def test_a_loss_that_is_not_finite_names_the_network(private):
    made = study_of(learning_rate=1e30, learning_rates=(), epochs=3)
    with pytest.raises(LabError, match=r"contrastive-\S+: the loss of step \d+ is"):
        made.voxel_scores(["contrastive"])
