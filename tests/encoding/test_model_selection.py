"""Encoding models: selected on validation, scored on test, on one machine or many."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression
from support.dask_workers import dask_scheduler  # noqa: F401

from helpers.brains.cohort import Fold
from helpers.core.cluster import SCHEDULER
from helpers.core.errors import LabError
from helpers.encoding import model_selection
from helpers.encoding.model_selection import METRICS, EncodingJob, fit_encoding_models
from helpers.encoding.positive_regression import sparse_positive
from helpers.rsa.dissimilarity import rsa_r, univariate_r

FIT, CHOOSE, TEST = np.arange(0, 60), np.arange(60, 100), np.arange(100, 140)
ONE_FOLD = (Fold(FIT, TEST, ((FIT, CHOOSE),)),)


def world(seed=0, n=140):
    """Two layers: 'a' carries the signal on the fitted and chosen rows, 'b' on fitted and test."""
    rng = np.random.default_rng(seed)
    signal = rng.normal(size=(n, 6))
    other = rng.normal(size=(n, 6))
    a, b = signal.copy(), signal.copy()
    a[TEST], b[CHOOSE] = other[TEST], other[CHOOSE]
    y = signal[:, :1] @ rng.uniform(0.5, 1.5, (1, 9)) + 0.3 * rng.normal(size=(n, 9))
    features = {"a": a.astype(np.float32), "b": b.astype(np.float32)}
    responses = {"FFA-1": y[:, :5].astype(np.float32), "PPA": y[:, 5:].astype(np.float32)}
    return features, responses


def job(fit_specs, *, folds=ONE_FOLD, subject="A", seed=0, pools=None):
    features, responses = world(seed)
    pools = pools or {"faces": {"a": np.arange(6), "b": np.arange(6)}}
    return EncodingJob(subject, "net", features, pools, responses, folds, tuple(fit_specs))


def test_the_layer_is_chosen_on_validation_and_never_on_test():
    curves, best = fit_encoding_models([job([("FFA-1", "faces", "OLS", (0.0,))])])
    on_test = curves[curves["partition"] == "test"].set_index("layer")["veUnivar"]
    assert on_test["b"] > 0.9 > 0.3 > abs(on_test["a"]), "layer b is best on the test alone"
    row = best.set_index("metric").loc["veUnivar"]
    assert row["layer"] == "a" and row["score"] == pytest.approx(on_test["a"])


def test_scores_are_those_of_a_plain_fit():
    features, responses = world()
    curves, _ = fit_encoding_models([job([("PPA", "faces", "OLS", (0.0,))])])
    row = curves[(curves["layer"] == "b") & (curves["partition"] == "test")].iloc[0]
    x, y = features["b"], responses["PPA"]
    predicted = LinearRegression().fit(x[FIT], y[FIT]).predict(x[TEST])
    assert row["veUnivar"] == pytest.approx(univariate_r(predicted, y[TEST]), abs=1e-5)
    assert row["veRSA"] == pytest.approx(rsa_r(predicted, y[TEST]), abs=1e-5)
    assert row["cUnivar"] == pytest.approx(univariate_r(x[TEST], y[TEST]), abs=1e-5)
    assert row["cRSA"] == pytest.approx(rsa_r(x[TEST], y[TEST]), abs=1e-5)
    assert row["r_vertex"] == pytest.approx(np.mean(
        [np.corrcoef(predicted[:, v], y[TEST, v])[0, 1] for v in range(4)]), abs=1e-5)
    assert (row["n_vertices"], row["n_units"], row["n_conditions"]) == (4, 6, 40)


def test_regions_fitted_together_score_as_they_do_alone():
    fit_specs = [(roi, "faces", "sparse positive", (0.1,)) for roi in ("FFA-1", "PPA")]
    together = fit_encoding_models([job(fit_specs)])[0]
    alone = pd.concat([fit_encoding_models([job([one])])[0] for one in fit_specs])
    columns = ["roi", "layer", "partition", "veUnivar", "veRSA", "r_vertex", "n_nonzero_weights"]
    order = ["roi", "layer", "partition"]
    pd.testing.assert_frame_equal(
        together[columns].sort_values(order).reset_index(drop=True),
        alone[columns].sort_values(order).reset_index(drop=True), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("method, alphas", [
    ("sparse positive", (0.1,)), ("sparse positive, standardised", (0.1,)), ("OLS", (0.0,)),
    ("ridge, standardised", (0.1, 1.0, 10.0))])
def test_vertices_fitted_in_parts_score_as_they_do_together(monkeypatch, method, alphas):
    """Ridge with one penalty for all vertices is never taken apart."""
    jobs = [job([(roi, "faces", method, alphas) for roi in ("FFA-1", "PPA")])]
    together = fit_encoding_models(jobs)
    monkeypatch.setattr(model_selection, "MAX_WEIGHTS", 2 * 6)
    for whole, parts in zip(together, fit_encoding_models(jobs)):
        pd.testing.assert_frame_equal(whole, parts, rtol=1e-9, atol=1e-9)


def test_the_penalty_is_chosen_with_the_layer_where_each_is_a_candidate():
    alphas = (0.02, 0.9)
    curves, best = fit_encoding_models([job([("FFA-1", "faces", "sparse positive, standardised",
                                              alphas)])])
    assert set(curves["alpha"]) == set(alphas)
    on_choice = curves[curves["partition"] == "validation"].set_index(["layer", "alpha"])
    row = best.set_index("metric").loc["veUnivar"]
    assert (row["layer"], row["alpha"]) == on_choice["veUnivar"].idxmax()


def nested(sets):
    """Make each set the test once; choose by predicting each of the others from the rest."""
    def rest(*out):
        return np.concatenate([s for k, s in enumerate(sets) if k not in out])

    return tuple(Fold(rest(k), sets[k], tuple((rest(k, j), sets[j]) for j in range(len(sets))
                                              if j != k)) for k in range(len(sets)))


def test_several_folds_test_every_condition_once_and_choose_within_each():
    folds = nested(np.array_split(np.arange(140), 5))
    curves, best = fit_encoding_models([job([("FFA-1", "faces", "OLS", (0.0,))], folds=folds)])
    assert (curves.loc[curves["partition"] == "test", "n_conditions"] == 140).all()
    assert (curves.loc[curves["partition"] == "validation", "n_conditions"] == 112).all()
    features, responses = world()
    test = np.full(responses["FFA-1"].shape, np.nan)
    for fold in folds:
        fit = LinearRegression().fit(features["a"][fold.fit], responses["FFA-1"][fold.fit])
        own = responses["FFA-1"][fold.fit].mean(0)
        test[fold.test] = fit.predict(features["a"][fold.test]) - own
    row = curves[(curves["layer"] == "a") & (curves["partition"] == "test")].iloc[0]
    assert row["veUnivar"] == pytest.approx(univariate_r(test, responses["FFA-1"]), abs=1e-5)
    assert (best["n_conditions"] == 140).all()


def test_each_fold_is_tested_with_its_own_choice_and_validation_is_the_mean_of_folds():
    """Layer a carries the signal where the first fold chooses and tests, b where the second."""
    rng, parts = np.random.default_rng(0), np.arange(200).reshape(5, 40)
    signal, noise = rng.normal(size=(2, 200, 6))
    a, b = signal.copy(), signal.copy()
    a[120:], b[40:120] = noise[120:], noise[40:120]
    y = (signal[:, :1] + 0.1 * rng.normal(size=(200, 5))).astype(np.float32)
    folds = tuple(Fold(parts[0], parts[k + 1], ((parts[0], parts[k]),)) for k in (1, 3))
    every = np.arange(6)
    one = EncodingJob("A", "net", {"a": a.astype(np.float32), "b": b.astype(np.float32)},
                      {"faces": {"a": every, "b": every}}, {"FFA-1": y}, folds,
                      (("FFA-1", "faces", "OLS", (0.0,)),))
    curves, best = fit_encoding_models([one])
    row = best.set_index("metric").loc["veUnivar"]
    assert row["n_layers"] == 2 and row["score"] > 0.95
    on_test = curves[curves["partition"] == "test"].set_index("layer")["veUnivar"]
    assert on_test.max() < 0.8, "no single layer serves both folds"
    plain = best.set_index("metric").loc["cUnivar"]
    assert plain["n_layers"] == 2 and np.isnan(plain["score"]), "layers have no common scale"
    fit = LinearRegression().fit(a[parts[0]], y[parts[0]])
    expected = np.mean([univariate_r(fit.predict(a[parts[k]]), y[parts[k]]) for k in (1, 3)])
    on_choice = curves[curves["partition"] == "validation"].set_index("layer")["veUnivar"]
    assert on_choice["a"] == pytest.approx(expected, abs=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("alpha", [0.1, 0.3, 1e6])
def test_over_several_folds_noise_is_not_predicted_backwards(alpha):
    """A fold's mean is low where its test is high: pooled as it is, it would score about -0.3."""
    scores = []
    for seed in range(12):
        rng = np.random.default_rng(seed)
        x = np.maximum(rng.normal(size=(81, 30)), 0).astype(np.float32)
        y = (rng.normal(size=(81, 1)) + rng.normal(size=(81, 12))).astype(np.float32)
        folds = nested(np.array_split(rng.permutation(81), 9))
        one = EncodingJob("A", "net", {"a": x}, {"layer": {"a": np.arange(30)}}, {"FFA": y}, folds,
                          (("FFA", "layer", "sparse positive", (alpha,)),))
        curves = fit_encoding_models([one])[0]
        scores.append(curves.loc[curves["partition"] == "test", "veUnivar"].item())
    scores = np.array(scores)
    if alpha == 1e6:
        assert (scores == 0).all(), "what predicts nothing scores 0"
    else:
        assert np.nanmean(scores) > -0.15


def test_models_that_cannot_be_fitted_have_a_row_with_the_reason():
    pools = {"faces": {"a": np.arange(1), "b": np.arange(0)}}
    curves, best = fit_encoding_models([job([("FFA-1", "faces", "sparse positive", (0.1,))],
                                            pools=pools)])
    assert set(curves["excluded_because"]) == {
        "fewer than 2 units"} and curves["veUnivar"].isna().all()
    assert len(best) == len(METRICS) and best["score"].isna().all() and (
        best["excluded_because"] != "").all()
    features, responses = world()
    narrow = EncodingJob("A", "net", features, {"faces": {k: np.arange(6) for k in features}},
                         {"FFA-1": responses["FFA-1"][:, :1]}, ONE_FOLD,
                         (("FFA-1", "faces", "OLS", (0.0,)),))
    assert set(fit_encoding_models([narrow])[1]["excluded_because"]) == {"fewer than 2 vertices"}


def test_a_fit_that_predicts_nothing_scores_zero_and_is_counted():
    curves, best = fit_encoding_models([job([("FFA-1", "faces", "sparse positive", (1e6,))])])
    assert (curves["veUnivar"] == 0).all() and (curves["n_nonzero_weights"] == 0).all()
    best = best.set_index("metric")
    fits = best.loc[["veUnivar", "veRSA", "r_vertex"]]
    assert (fits["score"] == 0).all() and fits["predicts_nothing"].all()
    assert (fits["excluded_because"] == "").all() and (fits["layer"] == "none").all()
    assert np.isfinite(best.loc["cUnivar", "score"]) and not best.loc["cUnivar", "predicts_nothing"]


def test_units_that_are_silent_on_the_test_images_score_zero():
    features, responses = world()
    for values in features.values():
        values[TEST] = 0.0
    one = EncodingJob("A", "net", features, {"faces": {k: np.arange(6) for k in features}},
                      responses, ONE_FOLD, (("FFA-1", "faces", "sparse positive", (0.1,)),))
    row = fit_encoding_models([one])[1].set_index("metric").loc["veUnivar"]
    assert row["score"] == 0 and row["predicts_nothing"] and row["layer"] == "a"


def test_a_vertex_with_a_constant_prediction_counts_as_zero():
    features, responses = world()
    y = responses["FFA-1"][:, :2] * np.array([1, 1e-4], np.float32)
    one = EncodingJob("A", "net", features, {"faces": {k: np.arange(6) for k in features}},
                      {"FFA-1": y},
                      ONE_FOLD, (("FFA-1", "faces", "sparse positive", (0.1,)),))
    curves = fit_encoding_models([one])[0].query("layer == 'b' and partition == 'test'").iloc[0]
    fit = sparse_positive(features["b"][FIT], y[FIT], 0.1)
    assert fit.n_nonzero_weights[0] > 0 == fit.n_nonzero_weights[1]
    r = np.corrcoef(fit.predict(features["b"][TEST])[:, 0], y[TEST, 0])[0, 1]
    assert curves["r_vertex"] == pytest.approx(r / 2, abs=1e-5)


def fit_specs_of_three_methods():
    return [(roi, "faces", method, alphas) for roi in ("FFA-1", "PPA")
            for method, alphas in (("sparse positive", (0.1,)), ("OLS", (0.0,)),
                                   ("ridge, standardised", (1.0, 100.0)))]


def three_jobs():
    return (job(fit_specs_of_three_methods(), subject=s, seed=i) for i, s in enumerate("ABC"))


@pytest.mark.slow
def test_processes_give_the_same_tables_in_the_same_order():
    one, two = fit_encoding_models(three_jobs()), fit_encoding_models(three_jobs(), n_jobs=2)
    for a, b in zip(one, two):
        pd.testing.assert_frame_equal(a, b, rtol=1e-6)
    assert list(dict.fromkeys(one[0]["subject"])) == ["A", "B", "C"]


@pytest.mark.slow
def test_a_dask_cluster_gives_the_table_of_one_process(monkeypatch, dask_scheduler):
    one = fit_encoding_models(three_jobs())
    monkeypatch.setenv(SCHEDULER, dask_scheduler)
    for a, b in zip(one, fit_encoding_models(three_jobs())):
        pd.testing.assert_frame_equal(a, b, rtol=1e-6)


@pytest.mark.slow
def test_an_error_in_a_job_reaches_the_caller_whole():
    broken = job([("FFA-1", "faces", "OLS", (0.0,))])
    broken.responses["FFA-1"][3, 2] = np.nan
    with pytest.raises(LabError, match="responses that are NaN"):
        fit_encoding_models([broken], n_jobs=2)


def test_face_content_is_predicted_under_the_constraint_by_face_units_only():
    """The paper's argument on known truth: faces and places compete for room in an image."""
    rng = np.random.default_rng(0)
    n = 900
    faces = rng.gamma(1.0, 1.0, n) * (rng.random(n) < 0.6)
    places = np.maximum(2 - faces + 0.4 * rng.normal(size=n), 0)
    unit = lambda drive: np.maximum(drive[:, None] * rng.uniform(0.5, 1.5, 30)  # noqa: E731
                                    + 0.5 * rng.normal(size=(n, 30)), 0)
    x = np.hstack([unit(faces), unit(places)]).astype(np.float32)
    y = (faces[:, None] * rng.uniform(0.5, 1.5, 20) + rng.normal(size=(n, 20))).astype(np.float32)
    rows = np.array_split(np.arange(n), 3)
    one = EncodingJob("A", "net", {"fc": x}, {"faces": {"fc": np.arange(30)},
                                      "scenes": {"fc": np.arange(30, 60)}}, {"aTL-faces": y},
                      (Fold(rows[0], rows[2], ((rows[0], rows[1]),)),),
                      tuple(("aTL-faces", pool, method, alphas) for pool in ("faces", "scenes")
                            for method, alphas in (("sparse positive", (0.1,)), ("OLS", (0.0,)))))
    best = fit_encoding_models([one])[1]
    score = best[best["metric"] == "veUnivar"].set_index(["method", "domain"])["score"].fillna(0)
    assert score["sparse positive", "faces"] > 0.9
    assert score["sparse positive", "scenes"] < 0.1
    assert score["OLS", "scenes"] > 0.4 and score["OLS", "faces"] > 0.9


def test_a_fold_without_any_weight_predicts_the_mean_and_the_others_count():
    """The second fold is chosen on images to which all units are silent, the first is not."""
    features, responses = world()
    halves = np.array_split(TEST, 2)
    silent = np.arange(40, 60)
    features["b"][silent], features["b"][CHOOSE[:20]] = 0.0, features["a"][CHOOSE[:20]]
    folds = tuple(Fold(FIT[:40], test, ((FIT[:40], choose),))
                  for test, choose in zip(halves, (CHOOSE[:20], silent)))
    one = EncodingJob("A", "net", {"b": features["b"]}, {"faces": {"b": np.arange(6)}}, responses,
                      folds, (("FFA-1", "faces", "sparse positive", (0.1,)),))
    row = fit_encoding_models([one])[1].set_index("metric").loc["r_vertex"]
    assert row["layer"] == "b" and row["score"] > 0.3 and not row["predicts_nothing"]
