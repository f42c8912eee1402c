"""Whole brains, percent signal change, annotations, trials and their split: on tiny NSD files."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from support.brain_files import write_tiny_annotations, write_tiny_nsd

from helpers.brains.coco_annotations import read_annotations
from helpers.brains.ground_truth import ground_truth_regions
from helpers.brains.layouts import open_cohort
from helpers.brains.nsd import NSD
from helpers.brains.splits import SHARED413
from helpers.config.data import CohortSpec
from helpers.config.profile import load_profile
from helpers.config.shared_concepts import DecoderTraining, DecodingSpec
from helpers.core.errors import LabError
from helpers.decoding.embedding_space import EmbeddingSpace
from helpers.decoding.study import CONTRAST, METHODS, RIDGE, DecodingStudy, TrainingVariant
from helpers.decoding.trials import noise_ceiling, read_trials
from helpers.decoding.vectors import unit

SPEC = DecodingSpec("x", n_test=16, n_validation=10, n_pool=8,
                    training=DecoderTraining(iterations=25, batch_size=32, learning_rate=1e-2,
                                             n_seeds=2))


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = write_tiny_nsd(tmp_path_factory.mktemp("nsd"), n_shared=12, n_own=60,
                            n_subjects=3)
    write_tiny_annotations(folder)
    return folder


@pytest.fixture(scope="module")
def cohort(root):
    return NSD(root, n_pool=40, n_batches=2, n_shared=0)


def trials_of(cohort, subject="subj02", **change):
    settings = {"min_noise_ceiling": 8, "n_test": 16, "n_validation": 10, "seed": 0, **change}
    return read_trials(cohort, subject, np.arange(len(cohort.info)), **settings)


def test_everywhere_is_all_vertices_above_the_bound(cohort):
    all_of_them = cohort.whole_brain("subj02", -1.0)
    assert all_of_them.betas.shape[2] == 52 + 40
    bound = float(np.median(all_of_them.ncsnr))
    some = cohort.whole_brain("subj02", bound)
    np.testing.assert_array_equal(some.ncsnr, all_of_them.ncsnr[all_of_them.ncsnr > bound])
    np.testing.assert_array_equal(some.betas, all_of_them.betas[..., all_of_them.ncsnr > bound])
    region = cohort.responses("subj02", ["PPA"])
    inside = all_of_them.members["PPA"]
    np.testing.assert_array_equal(region.betas, all_of_them.betas[..., inside])


def test_percent_signal_change_is_what_z_scores_were_made_from(cohort):
    raw, z = cohort.percent("subj02", -1.0), cohort.whole_brain("subj02", -1.0)
    assert cohort.n_sessions["subj02"] == 1
    shown = ~np.isnan(z.betas[..., 0])
    values = raw.betas[shown]
    np.testing.assert_allclose((values - values.mean(0)) / values.std(0), z.betas[shown], atol=1e-4)
    np.testing.assert_allclose(values * 300, np.round(values * 300), atol=1e-2)


def test_noise_ceilings_are_those_of_the_formula():
    rng = np.random.default_rng(0)
    betas = rng.standard_normal((70, 4, 5)) * .6 + rng.standard_normal((70, 1, 5)) * .8
    betas[3, 2:] = np.nan
    noise = np.mean([betas[i, :3].var(0, ddof=1) for i in range(70) if i != 3], axis=0)
    ncsnr = np.sqrt(np.maximum(0, 1 - noise)) / np.sqrt(noise)
    np.testing.assert_allclose(noise_ceiling(betas), 100 * ncsnr**2 / (ncsnr**2 + 1), rtol=1e-6)
    assert 50 < noise_ceiling(betas).mean() < 75
    with pytest.raises(LabError, match="three repeats"):
        noise_ceiling(betas[:, :2])


def test_trials_are_split_by_image(cohort):
    trials = trials_of(cohort)
    split, = trials.splits
    parts = [split.train, split.validation, split.test]
    assert sum(map(len, parts)) == len(np.unique(np.concatenate(parts)))
    assert len(split.test) == 16 and len(split.validation) == 10
    assert len(trials.responses) == 750 == sum(len(trials.of(part)) for part in parts)
    other, = trials_of(cohort, "subj03").splits
    shared = cohort.folds("subj02")[0].test
    assert set(shared) <= set(split.test) and set(shared) <= set(other.test)
    assert not (set(split.validation) & set(other.validation))
    few, = trials_of(cohort, n_test=5).splits
    assert set(few.test) < set(shared) and set(shared) - set(few.test) <= set(few.train)
    np.testing.assert_allclose(trials.means(split.test)[3],
                               trials.responses[trials.of(split.test[3:4])].mean(0), atol=1e-6)


def test_voxels_are_chosen_by_training_trials_alone(cohort):
    trials = trials_of(cohort)
    everything = cohort.whole_brain("subj02", -1.0)
    ceiling = noise_ceiling(everything.betas[everything.rows(trials.splits[0].train)])
    near = everything.ncsnr > np.sqrt(.04 / .96)  # half of the bound, by the files' own ncsnr
    kept = np.flatnonzero((ceiling > 8) & near)
    assert trials.n_considered == near.sum() >= trials.responses.shape[1] == len(kept)
    np.testing.assert_allclose(trials.ceiling, ceiling[kept], rtol=1e-6)


@pytest.mark.parametrize(("change", "said"), [
    ({"n_test": 80}, "images of its own with all repeats"),
    ({"min_noise_ceiling": 99.5}, "noise ceiling above 99.5 %")])
def test_what_cannot_be_decoded_is_reported(cohort, change, said):
    with pytest.raises(LabError, match=said):
        trials_of(cohort, **change)


def test_annotations_are_those_in_nsds_crop(cohort, root):
    written = read_annotations(cohort)
    assert written.objects == ("cat", "dog", "pizza")
    assert (written.present.sum(1) == 1).all()
    for row, said in enumerate(written.captions):
        assert len(said) == 2 and written.objects[written.present[row].argmax()] in said[0]


def test_annotations_of_other_images_are_refused(tmp_path, root):
    write_tiny_nsd(tmp_path, n_shared=12, n_own=60, n_subjects=3)
    cohort = NSD(tmp_path, n_pool=40, n_batches=2, n_shared=0)
    assert read_annotations(cohort) is None and ground_truth_regions(cohort, "subj01",
                                                                     np.array(["lh"]),
                                                                     np.array([0])) is None
    write_tiny_annotations(tmp_path)
    path = tmp_path / "annotations" / "captions_train2017.json"
    path.write_text(path.read_text()[:-40])
    with pytest.raises(LabError, match="captions_train2017.json cannot be read"):
        read_annotations(cohort)
    for file in (tmp_path / "annotations").iterdir():
        content = {"images": [], "annotations": [], "categories": []}
        file.write_text(json.dumps(content))
    with pytest.raises(LabError, match="know none of the cohort's images"):
        read_annotations(cohort)


@pytest.fixture(scope="module")
def study(cohort):
    rng = np.random.default_rng(0)
    vectors = unit(rng.standard_normal((len(cohort.info), 6)))
    space = EmbeddingSpace("drawn", vectors, "0" * 64, lambda texts: vectors[:len(texts)])
    return DecodingStudy(cohort, space, SPEC, 0, torch.device("cpu"))


def test_a_study_retrieves_in_both_protocols_and_keeps_its_decoders(study, private, monkeypatch):
    for method in METHODS:
        single, averaged = (study.retrieval_accuracy("subj02", method, averaged=a) for a in (False,
                                                                                             True))
        assert single.chance[0] == 1 / 16 and averaged.chance[0] == 1 / 8
        assert averaged.ks == (1, 5)
    before = study.points("subj02")
    monkeypatch.setattr("helpers.decoding.study.fit_decoders", None)
    np.testing.assert_array_equal(study.points("subj02"), before)
    assert before.shape == (study.trials("subj02").responses.shape[1], 6)


def test_variants_learn_from_what_they_say(study):
    split = study.trials("subj02").splits[0]
    plain = study.training_pairs(split, TrainingVariant())
    permuted = study.training_pairs(split, TrainingVariant(permuted=1))
    np.testing.assert_array_equal(plain[0], plain[1])
    np.testing.assert_array_equal(plain[0], np.sort(permuted[1]))
    assert (permuted[0] != permuted[1]).mean() > .9
    halves = [set(study.training_pairs(split, TrainingVariant(half=half))[0]) for half in (1,
                                                                                            2)]
    assert halves[0] | halves[1] == set(split.train) and not halves[0] & halves[1]


def test_what_responses_tell_is_retrieved(cohort, private):
    """Embeddings that are a linear image of the responses' own signal are found."""
    rng = np.random.default_rng(1)
    found = cohort.whole_brain("subj02", -1.0)
    vectors = rng.standard_normal((len(cohort.info), 6))
    vectors[found.conditions] = np.nanmean(found.betas, axis=1) @ rng.standard_normal((92, 6))
    space = EmbeddingSpace("linear", unit(vectors), "1" * 64, lambda texts: vectors[:len(texts)])
    spec = DecodingSpec("x", n_test=16, n_validation=10, n_pool=16, training=DecoderTraining(
        iterations=300, batch_size=32, learning_rate=1e-2, n_seeds=2))
    study = DecodingStudy(cohort, space, spec, 0, torch.device("cpu"))
    for method in (CONTRAST, RIDGE):
        curve = study.retrieval_accuracy("subj02", method)
        assert curve.low[0] > 2 * curve.chance[0]


def test_test_images_are_the_shared_ones_and_as_many_own_as_are_lacking(tmp_path):
    """As 413 shared and 587 own ones are in the official code, of the sessions that are kept."""
    write_tiny_nsd(tmp_path, n_subjects=2, n_shared=60, n_own=440, shape=(7, 4, 5))
    cohort = NSD(tmp_path, n_pool=40, n_batches=2, n_shared=0, space="func1pt8mm",
                 n_sessions={"subj01": 2, "subj02": 2})
    trials = trials_of(cohort, n_test=30, n_validation=20)
    split, = trials.splits
    shared = cohort.folds("subj02")[0].test
    of_all = cohort.info["shared1000"].to_numpy()
    assert 0 < len(shared) < 30 and set(shared) <= set(split.test)
    assert not of_all[np.setdiff1d(split.test, shared)].any()
    assert not of_all[split.validation].any() and of_all[split.train].any()
    for part, n in ((split.test, 30), (split.validation, 20)):
        assert len(part) == n and len(trials.of(part)) == 3 * n
    assert len(trials.responses) == 1500


def test_the_paper_decodes_the_volume_without_the_last_three_sessions():
    paper = load_profile("paper")
    assert paper.decoding_cohort.layout == "nsd-volume" and paper.decoding_cohort.n_shared == 413
    assert dict(paper.decoding_cohort.n_sessions) == SHARED413
    assert paper.decoding.n_test == 1000 and "decoding_cohort" in paper.sources


def test_a_profile_without_a_decoding_cohort_decodes_its_cohort(root, monkeypatch):
    spec = CohortSpec("nsd", str(root), "fetch:nsd", n_pool=40, n_batches=2)
    recorded = []
    for own in (None, replace(spec, subjects=("subj02",))):
        profile = replace(load_profile("paper"), cohort=spec, decoding_cohort=own)
        laboratory = SimpleNamespace(profile=profile, folder=lambda spec: root,
                                     record=lambda name, digest: recorded.append(name))
        found = open_cohort(laboratory, "decoding_cohort")
        assert found.subjects == (own or replace(spec, subjects=(
            "subj01", "subj02", "subj03"))).subjects
    assert recorded == ["cohort", "decoding_cohort"]
