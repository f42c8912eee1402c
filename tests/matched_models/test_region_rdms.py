"""The regions that networks are compared with while they are trained: vertices, images, RDMs."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from support.tiny_cohort import TinyCohort, network

from helpers.config.vision_language import LanguageSpec
from helpers.core.errors import LabError
from helpers.matched_models import training_dynamics
from helpers.matched_models.training_dynamics import (
    block_rdms,
    load_regions,
    read_checkpoint_rdms,
    recorded_conditions,
    shared_test_conditions,
    similarities,
    write_checkpoint_rdms,
)


def spec(**values) -> LanguageSpec:
    return LanguageSpec({"a": "net", "b": "other"}, ("fc",), "a", "b",
                        regions={"faces": "FFA-1", "scenes": "PPA"}, **values)


@pytest.mark.parametrize("settings, faces", [
    ({}, [True, True, True, False]),                     # as published: ncsnr above 0.3
    ({"min_ncsnr": -1.0}, [True] * 4)])
def test_unreliable_vertices_are_left_out_and_unknown_ones_kept(settings, faces, private):
    cohort = TinyCohort()
    regions = load_regions(cohort, spec(**settings))
    for domain, kept in (("faces", np.flatnonzero(faces)),
                         ("scenes", [4, 5, 7] if not settings else [4, 5, 6, 7])):
        subjects = [subject for subject in cohort.subjects
                    if domain == "faces" or subject != "B"]
        for subject, found in zip(subjects, regions.rdms[domain], strict=True):
            mean = cohort.responses(subject, ("FFA-1", "PPA")).betas[:20].mean(1)[:, kept]
            expected = 1 - np.corrcoef(mean.astype(float))[np.triu_indices(20, 1)]
            np.testing.assert_allclose(found, expected, atol=1e-6)


def test_a_region_without_two_reliable_vertices_is_nobodys(private):
    assert set(load_regions(TinyCohort(), spec(min_ncsnr=0.5)).rdms) == {"faces", "scenes"}
    assert not load_regions(TinyCohort(), spec(min_ncsnr=2.0)).rdms


@pytest.fixture
def recorded(tmp_path, monkeypatch, private):
    """Two steps of a network, recorded at ten of the twenty shared conditions."""
    monkeypatch.setattr(training_dynamics, "N_RECORDED_CONDITIONS", 10)
    cohort, path = TinyCohort(), tmp_path / "net-rdms.safetensors"
    conditions = recorded_conditions(cohort)
    rdms = {step: block_rdms(network(f"step {step}", seed), cohort, conditions, batch_size=4)
            for step, seed in ((0, 3), (40, 4))}
    write_checkpoint_rdms(path, rdms, cohort, conditions)
    return path, rdms


def test_recorded_conditions_are_evenly_spaced_and_all_where_there_are_few(recorded, monkeypatch):
    assert recorded_conditions(TinyCohort()).tolist() == list(range(0, 20, 2))
    monkeypatch.setattr(training_dynamics, "N_RECORDED_CONDITIONS", 99)
    assert np.array_equal(recorded_conditions(TinyCohort()), shared_test_conditions(TinyCohort()))


def test_recorded_rdms_are_compared_as_those_of_the_network_itself(recorded):
    path, rdms = recorded
    regions = load_regions(TinyCohort(), spec(record="emergence.csv"))
    assert len(regions.test_conditions) == 10
    found = read_checkpoint_rdms(path, regions)
    assert list(found) == [0, 40] and set(found[0]) == {"conv", "relu", "fc"}
    for step, layers in rdms.items():
        measured, read = similarities(layers, regions), similarities(found[step], regions)
        assert read.index.names == ["layer", "domain"]
        # read in float16, which ties some ranks
        np.testing.assert_allclose(read[measured.index], measured, atol=0.03)
        by_hand = [np.mean([stats.spearmanr(layers[layer], one)[0]
                            for one in regions.rdms[domain]]) for layer, domain in measured.index]
        np.testing.assert_allclose(measured, by_hand, atol=1e-9)


def test_rdms_of_other_images_and_absent_ones_are_refused(recorded):
    path, _ = recorded
    other = TinyCohort()
    other.stimuli.pixels = other.stimuli.pixels[::-1]
    with pytest.raises(LabError, match="holds RDMs of other images than participants of tiny saw"):
        read_checkpoint_rdms(path, load_regions(other, spec(record="emergence.csv")))
    with pytest.raises(LabError, match="make zoo"):
        read_checkpoint_rdms(path.with_name("absent.safetensors"),
                             load_regions(TinyCohort(), spec(record="emergence.csv")))
