"""The studies of notebook 03: what is compared with what, against plain fits, made once."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats
from sklearn.linear_model import LinearRegression
from support.tiny_cohort import RandomImages, TinyCohort, network

from helpers.config.contrastive_coding import EncodingSpec
from helpers.core.errors import LabError
from helpers.core.statistics import correct_p_values
from helpers.encoding import study as encoding_study
from helpers.encoding.regression import GIST, OLS, RIDGE, SPARSE_POSITIVE, STANDARDISED
from helpers.encoding.study import EncodingStudy, select_own_pool
from helpers.rsa import study as rsa_study
from helpers.rsa.dissimilarity import rdm, rdm_permutation_test, univariate_r
from helpers.selectivity.study import LocalizerResult
from helpers.stimuli.image_sets import DOMAINS

SPEC = EncodingSpec(("FFA-1", "PPA"), ("relu", "fc"), min_ncsnr=0.3, curve_rois=("FFA-1",),
                    alpha=0.01, alpha_untrained=0.002, alphas_standardised=(0.05, 0.2))
OWN = {"FFA-1": "faces", "PPA": "scenes"}


def localizer() -> LocalizerResult:
    """Assign the units of a network to the domains in turn."""
    labels = {"relu": np.arange(196) % 5, "fc": np.array([0, 0, 0, 3, 3, 3])}
    return LocalizerResult(DOMAINS, labels, {}, {}, {})


def study(**options) -> EncodingStudy:
    return EncodingStudy(TinyCohort(**options), SPEC, batch_size=32)


def test_selective_units_predict_what_the_settings_say_and_as_a_plain_fit_does(private):
    about = study()
    curves, best = about.selective_unit_scores(network(), localizer())
    made = set(best[["roi", "domain", "method"]].itertuples(index=False, name=None))
    assert made == {
        *(("FFA-1", domain, method) for domain in DOMAINS for method in (SPARSE_POSITIVE, OLS)),
        ("PPA", "scenes", SPARSE_POSITIVE), *((roi, OWN[roi], STANDARDISED) for roi in OWN)}
    assert set(best.loc[best["roi"] == "PPA", "subject"]) == {"A", "C"}, "B lacks the PPA"
    used = curves.dropna(subset="alpha").groupby("method")["alpha"].unique().map(set).to_dict()
    assert used == {SPARSE_POSITIVE: {0.01}, STANDARDISED: {0.05, 0.2}, OLS: {0.0}}

    (fold,), net = about.cohort.folds("A"), network()
    y = about.cohort.responses("A", ("FFA-1",)).of("FFA-1", min_ncsnr=0.3)
    with torch.inference_mode():
        fc = lambda rows: torch.cat([  # noqa: E731
            net.model(net.preprocessing(about.cohort.stimuli.open(i))[None])
            for i in rows]).numpy()[:, :3]
        fit = LinearRegression().fit(fc(fold.fit), y.mean(fold.fit))
        expected = univariate_r(fit.predict(fc(fold.test)), y.mean(fold.test))
    row = curves.query("subject == 'A' and roi == 'FFA-1' and layer == 'fc' and domain == 'faces'"
                       " and method == @OLS and partition == 'test'").iloc[0]
    assert row["veUnivar"] == pytest.approx(expected, abs=1e-4)
    assert (row["n_vertices"], row["n_units"], row["n_conditions"]) == (3, 3, 20)


@pytest.mark.slow
def test_every_predictor_has_its_own_features_regions_and_penalties(private):
    about = study()
    curves, best = about.untrained_unit_scores(network(), localizer())
    assert set(curves["alpha"].dropna()) == {0.002} and set(best["method"]) == {SPARSE_POSITIVE}
    about = replace(about, spec=replace(SPEC, face_network="tiny", face_layers=("fc",)))
    curves, best = about.face_network_scores(network())
    assert set(best["roi"]) == {"FFA-1", "PPA"} and set(curves["layer"]) == {"fc"}
    faces_alone = replace(about, spec=replace(about.spec, face_curve_rois=()))
    assert set(faces_alone.face_network_scores(network())[1]["roi"]) == {"FFA-1"}
    assert (curves["n_units"] == 6).all() and set(curves["alpha"]) == {0.01}
    curves, best = about.gabor_scores()
    assert set(best["method"]) == {OLS, GIST} and (curves["n_units"] == 7680).all()
    means = curves.pivot_table(index=["subject", "roi", "partition"], columns="method",
                               values="cUnivar")
    assert not np.allclose(means[OLS], means[GIST])  # of the 50 scores, not of Gabor's energy
    curves, best = about.ridge_scores(network())
    assert set(best["method"]) == {RIDGE} and set(best["roi"]) == {"FFA-1", "PPA"}
    assert curves.groupby("layer")["n_units"].unique().map(list).to_dict() == {"fc": [6],
                                                                               "relu": [4]}


def test_a_study_is_fitted_once_and_again_for_other_data_or_settings(private, monkeypatch):
    first = study().untrained_unit_scores(network(), localizer())
    fits, real = [], encoding_study.fit_encoding_models
    monkeypatch.setattr(encoding_study, "fit_encoding_models",
                        lambda *a, **k: fits.append(1) or real(*a, **k))
    for table, again in zip(first, study().untrained_unit_scores(network(), localizer())):
        pd.testing.assert_frame_equal(table, again)
    assert not fits
    other = localizer()
    other.labels["fc"][:3] = 3
    other.labels["fc"][3:] = 0
    for about, net, its_localizer in (
            (study(noise=1.0), network(), localizer()),
            (replace(study(), spec=replace(SPEC, min_ncsnr=0.1)), network(), localizer()),
            (replace(study(), spec=replace(SPEC, alpha_untrained=0.1)), network(), localizer()),
            (study(), network(seed=1), localizer()), (study(), network(), other)):
        fits.clear()
        about.untrained_unit_scores(net, its_localizer)
        assert len(fits) == 1


def test_scores_are_taken_from_the_own_units_or_from_whole_layers():
    rows = [{"subject": "A", "roi": roi, "domain": domain, "method": method, "metric": "veRSA",
             "score": 0.1, "layer": "fc", "n_vertices": 3, "alpha": 0.1, "predicts_nothing": False}
            for roi, domain, method in (("PPA", "faces", SPARSE_POSITIVE),
                                        ("PPA", "scenes", SPARSE_POSITIVE),
                                        ("PPA", "scenes", OLS), ("FFA-1", "layer", SPARSE_POSITIVE),
                                        ("FFA-1", "faces", SPARSE_POSITIVE))]
    found = select_own_pool(pd.DataFrame(rows).assign(score=range(5)), SPARSE_POSITIVE, OWN)
    assert found["score"].tolist() == [1, 3, 4] and found["roi"].tolist() == ["PPA", "FFA-1",
                                                                              "FFA-1"]


@pytest.mark.slow
def test_layers_are_compared_with_every_measurement_and_corrected_over_layers(private):
    net, stimuli, layers = network(), RandomImages(24), ("conv", "fc")
    with torch.inference_mode():
        x = torch.stack([net.preprocessing(stimuli.open(i)) for i in range(24)])
        rdms = {"conv": rdm(net.model[0](x).flatten(1).numpy()), "fc": rdm(net.model(x).numpy())}
    measured = {"itself": rdms["fc"],
                "other": rdm(np.random.default_rng(0).normal(size=(24, 9)))}
    table = rsa_study.correlate_layer_rdms([net], stimuli, measured, layers=layers, seed=3)
    assert table["layer"].tolist() == ["conv", "fc"] * 2
    for name, part in table.groupby("measured"):
        p = [rdm_permutation_test(rdms[layer], measured[name], seed=3) for layer in layers]
        np.testing.assert_allclose(part["p"], p)
        np.testing.assert_allclose(part["p_holm"], correct_p_values(p, "holm"))
        np.testing.assert_allclose(part["spearman_r"],
                                   [stats.spearmanr(rdms[layer], measured[name])[0]
                                    for layer in layers], atol=1e-4)
    assert table.query("measured == 'itself' and layer == 'fc'")[
        "spearman_r"].item() == pytest.approx(1)
    opened = stimuli.opened
    rsa_study.correlate_layer_rdms([net], stimuli, measured, layers=layers, seed=3)
    assert stimuli.opened == opened, "made once"
    assert set(rsa_study.layer_rdms(net, stimuli, ["relu"])) == {"relu"}
    assert rsa_study.correlate_layer_rdms([net], None, measured, layers=layers, seed=3).empty


def test_regions_of_the_curves_are_some_of_the_regions():
    with pytest.raises(LabError, match="curve_rois.*OPA(?s:.)*some of FFA-1, PPA"):
        EncodingSpec(("FFA-1", "PPA"), ("relu",), curve_rois=("PPA", "OPA"))
    assert EncodingSpec(("A", "B", "C", "D", "E"), ("relu",)).curve_rois == ("A", "B", "C", "D")


def test_a_region_that_nobody_has_is_named_before_anything_is_fitted():
    with pytest.raises(LabError, match="has OPA, named in single_domain_rois(?s:.)*one of .*FFA-1"):
        EncodingStudy(TinyCohort(), replace(SPEC, single_domain_rois={"PPA": "scenes",
                                                                      "OPA": "scenes"}), 32)
