"""The regions that networks are compared with while they are trained: which vertices count."""

from __future__ import annotations

import numpy as np
import pytest
from support.tiny_cohort import TinyCohort

from helpers.config.vision_language import LanguageSpec
from helpers.matched_models.training_dynamics import load_regions


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
