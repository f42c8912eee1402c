"""How tuned layers are judged: against scikit-learn and loops, and what must not be peeked at."""

from __future__ import annotations

from collections import Counter
from functools import cache

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats
from sklearn.decomposition import PCA
from sklearn.linear_model import Ridge
from threadpoolctl import threadpool_limits

from helpers.core.errors import LabError
from helpers.core.statistics import confidence_interval
from helpers.finetuning import ridge_cv as cv
from helpers.finetuning import statistics

ALPHAS = (0.1, 10.0, 1e3, 1e5)


@pytest.fixture(autouse=True, scope="module")
def single():
    """Small products are fastest on one thread."""
    with threadpool_limits(1):
        yield


def data(n=60, p=40, v=5, seed=0, noise=2.0):
    """Units of very different variance, far from zero; voxels that weigh them, and noise."""
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(n, p)) * np.exp(rng.normal(size=p)) + rng.normal(size=p) * 3
    y = (features - features.mean(0)) @ rng.normal(size=(p, v)) / 5
    return features, (y + noise * rng.normal(size=y.shape) + 4).astype(np.float32)


def predicted(features, y, train, test, alpha, n_components=None):
    """Predict as the published stage does (authors' encoding scripts): scikit-learn's PCA, then
    its ridge."""
    pca = PCA(n_components or min(len(train) - 1, features.shape[1]), svd_solver="full")
    made = Ridge(alpha).fit(pca.fit_transform(features[train]), y[train].astype(float))
    return made.predict(pca.transform(features[test])).reshape(len(test), -1)


def correlated(made, y) -> np.ndarray:
    return np.array([np.corrcoef(made[:, v], y[:, v])[0, 1] for v in range(y.shape[1])])


def reference(features, y, train, test, alphas=ALPHAS) -> np.ndarray:
    """Scores (n_alphas, n_voxels)."""
    return np.stack([correlated(predicted(features, y, train, test, a), y[test])
                     for a in alphas])


# ---- one fit ------------------------------------------------------------------------------------

@pytest.mark.parametrize("n_components", [1, 7, 39])
@pytest.mark.parametrize("p", [25, 200])
def test_predictions_are_those_of_principal_components_and_ridge(p, n_components):
    features, y = data(p=p)
    order = np.random.default_rng(1).permutation(60)
    train, test = order[:40], order[40:]
    n = min(n_components, p)
    found = cv.predict_ridge(cv.linear_kernel(features), y, train, test,
                             max_components=n_components)
    assert found.shape == (9, 20, 5)
    for alpha, made in zip(cv.ALPHAS, found):
        np.testing.assert_allclose(made, predicted(features, y, train, test, alpha, n),
                                   rtol=1e-7, atol=1e-7)


def test_with_few_conditions_all_components_are_in_use():
    features, y = data(p=200)
    train, test = np.arange(40), np.arange(40, 60)
    found = cv.predict_ridge(cv.linear_kernel(features), y, train, test, alphas=(10.0,))
    fewer = cv.predict_ridge(cv.linear_kernel(features), y, train, test, alphas=(10.0,),
                             max_components=38)
    plain = Ridge(10.0).fit(features[train], y[train].astype(float)).predict(features[test])
    np.testing.assert_allclose(found[0], plain, rtol=1e-7, atol=1e-7)
    assert np.abs(fewer - found).max() > 1e-6


def test_penalties_and_components_are_the_published_ones():
    assert cv.ALPHAS == (0.1, 1, 10, 100, 1e3, 1e4, 1e5, 1e6, 1e7)
    assert (cv.MAX_COMPONENTS, cv.N_FOLDS) == (1000, 5)


def test_shifted_features_and_rotated_units_predict_the_same():
    features, y = data()
    train, test = np.arange(40), np.arange(40, 60)
    rng = np.random.default_rng(3)
    turned = features @ np.linalg.qr(rng.normal(size=(40, 40)))[0] + rng.normal(size=40) * 100
    one, other = (cv.predict_ridge(cv.linear_kernel(x), y, train, test, max_components=12)
                  for x in (features, turned))
    np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-6)
    uncentred = features @ features.T
    np.testing.assert_allclose(cv.predict_ridge(uncentred, y, train, test), cv.predict_ridge(
        cv.linear_kernel(features), y, train, test), rtol=1e-6, atol=1e-6)


def test_features_far_from_zero_keep_their_digits():
    features, y = data()
    train, test = np.arange(40), np.arange(40, 60)
    far = cv.linear_kernel((features + 1e6).astype(np.float64))
    np.testing.assert_allclose(far, cv.linear_kernel(features), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(cv.score_ridge(far, y, train, test),
                               cv.score_ridge(cv.linear_kernel(features), y, train, test),
                               atol=1e-5)


def test_scores_are_correlations_and_what_does_not_vary_counts_as_none():
    features, y = data()
    train, test = np.arange(40), np.arange(40, 60)
    found = cv.score_ridge(cv.linear_kernel(features), y, train, test, alphas=ALPHAS)
    np.testing.assert_allclose(found, reference(features, y, train, test), atol=1e-8)
    y[test, 0], y[train, 1] = 3.3, 2.2
    flat = cv.score_ridge(cv.linear_kernel(features), y, train, test, alphas=ALPHAS)
    assert not flat[:, :2].any()
    np.testing.assert_array_equal(flat[:, 2:], found[:, 2:])
    dead = cv.score_ridge(np.zeros((60, 60)), y, train, test, alphas=ALPHAS)
    assert dead.shape == (4, 5) and not dead.any()


# ---- folds --------------------------------------------------------------------------------------

@pytest.mark.parametrize("n, n_folds", [(15, 5), (17, 5), (62, 5), (9, 3)])
def test_folds_hold_every_condition_once_in_almost_equal_parts(n, n_folds):
    folds = cv.make_folds(n, n_folds=n_folds, seed=1)
    np.testing.assert_array_equal(np.sort(np.concatenate(folds)), np.arange(n))
    sizes = [len(fold) for fold in folds]
    assert len(folds) == n_folds and max(sizes) - min(sizes) <= 1
    assert any((np.diff(fold) != 1).any() for fold in folds), "dealt, not cut"
    assert any((one != other).any() for one, other in zip(folds, cv.make_folds(n, n_folds=n_folds,
                                                                               seed=5)))


@pytest.mark.parametrize("n, n_folds", [(14, 5), (8, 3), (30, 2), (30, 1)])
def test_folds_too_small_for_a_correlation_are_refused(n, n_folds):
    with pytest.raises(LabError, match=f"{n} held-out conditions in {n_folds} folds(?s:.)*3 cond"
                       "(?s:.)*hold more images out"):
        cv.make_folds(n, n_folds=n_folds)


FOLDS = cv.make_folds(60, n_folds=4, seed=2)
EVERYTHING = np.arange(60)


def test_scores_of_folds_have_seen_neither_the_reported_nor_the_judged_fold():
    features, y = data()
    found = cv.compute_fold_scores(cv.linear_kernel(features), y, FOLDS, alphas=ALPHAS)
    assert found.shape == (4, 4, 4, 5)
    for a in range(4):
        rest = np.setdiff1d(EVERYTHING, FOLDS[a])
        np.testing.assert_allclose(found[a, a], reference(features, y, rest, FOLDS[a]),
                                   atol=1e-8)
        for b in set(range(4)) - {a}:
            np.testing.assert_allclose(found[a, b], reference(
                features, y, np.setdiff1d(rest, FOLDS[b]), FOLDS[b]), atol=1e-8)


def test_folds_of_unequal_size_are_reported_apart():
    features, y = data(n=22)
    folds = [np.arange(10), np.arange(10, 14), np.arange(14, 22)]
    found = cv.compute_fold_scores(cv.linear_kernel(features), y, folds, alphas=ALPHAS)
    for a, b, c in ((0, 1, 2), (1, 0, 2), (2, 0, 1), (2, 1, 0)):
        np.testing.assert_allclose(found[a, b], reference(features, y, folds[c], folds[b]),
                                   atol=1e-7)


def test_without_the_inside_only_the_outside_is_scored():
    features, y = data()
    found = cv.compute_fold_scores(cv.linear_kernel(features), y, FOLDS, inner_folds=False,
                                   alphas=ALPHAS)
    both = cv.compute_fold_scores(cv.linear_kernel(features), y, FOLDS, alphas=ALPHAS)
    own = np.eye(4, dtype=bool)
    assert np.isnan(found[~own]).all()
    np.testing.assert_array_equal(found[own], both[own])
    np.testing.assert_allclose(cv.average_folds(both), both[own].mean(0), atol=1e-15)


@pytest.mark.parametrize("p, scale", [(25, 1e-3), (25, 1.0), (200, 1e-3), (200, 1.0), (200, 1e4)])
def test_folds_from_one_decomposition_are_those_fitted_one_by_one(p, scale):
    """Every penalty, more units than conditions and fewer; at 1e4 all penalties are tiny."""
    features, y = data(p=p)
    features = scale * (features - features.mean(0))
    held_out = [FOLDS[0], np.concatenate(FOLDS[1:3])]
    made = cv.fit_held_out(cv.linear_kernel(features), held_out)(y)
    for rows, one in zip(held_out, made):
        rest = np.setdiff1d(EVERYTHING, rows)
        for alpha, found in zip(cv.ALPHAS, one):
            ridge = Ridge(alpha, solver="svd").fit(features[rest], y[rest].astype(float))
            np.testing.assert_allclose(found, ridge.predict(features[rows]), rtol=1e-9, atol=1e-9)


def test_fewer_components_than_conditions_are_fitted_anew_in_every_fold():
    features, y = data(p=200)
    found = cv.compute_fold_scores(cv.linear_kernel(features), y, FOLDS, max_components=7,
                                   alphas=(10.0,))
    for a, test in enumerate(FOLDS):
        rest = np.setdiff1d(EVERYTHING, test)
        expected = correlated(predicted(features, y, rest, test, 10.0, 7), y[test])
        np.testing.assert_allclose(found[a, a, 0], expected, atol=1e-8)


# ---- protocols ----------------------------------------------------------------------------------

def three_layers(seed=0, noise=2.0, v=5):
    """Layers that hold more and more, or less and less, of what the voxels weigh."""
    features, y = data(seed=seed, noise=noise, v=v)
    other = np.random.default_rng(seed + 100).normal(size=features.shape)
    return {"low": features[:, :12], "mid": features[:, 8:34] + other[:, 8:34],
            "high": 0.2 * features + other}, y


def evaluate(layers, y, alphas=ALPHAS, folds=FOLDS):
    return {name: cv.compute_fold_scores(cv.linear_kernel(x), y, folds, alphas=alphas)
            for name, x in layers.items()}


@cache
def nested_in_loops(seed: int, alphas=ALPHAS):
    """Return r, the layers, and each fold's penalties, from predictions made one by one."""
    layers, y = three_layers(seed)
    total, names, penalties = np.zeros(y.shape[1]), [], []
    for a, test in enumerate(FOLDS):
        rest = np.setdiff1d(EVERYTHING, test)
        mean = {name: np.mean([reference(x, y, np.setdiff1d(rest, FOLDS[b]), FOLDS[b], alphas)
                               for b in range(4) if b != a], axis=0) for name, x in layers.items()}
        best = max(layers, key=lambda name: np.mean([max(column) for column in mean[name].T]))
        each = [alphas[int(np.argmax(column))] for column in mean[best].T]
        for v, alpha in enumerate(each):
            made = predicted(layers[best], y[:, [v]], rest, test, alpha)
            total[v] += correlated(made, y[test][:, [v]])[0] / 4
        names.append(best)
        penalties.append(each)
    return total, names, penalties


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 26, 27])
def test_nested_is_choice_inside_and_report_outside(seed):
    expected, names, penalties = nested_in_loops(seed)
    r, layer = cv.score_nested(evaluate(*three_layers(seed)))
    np.testing.assert_allclose(r, expected, atol=1e-7)
    assert layer == Counter(names).most_common(1)[0][0]
    assert len(set(names)) == {1: 1, 26: 3, 27: 2}[seed]
    assert len({tuple(each) for each in penalties}) > 1 < len(set(sum(penalties, [])))


def outside_replaced(by_layer, fold: int):
    """Mark layer and penalty of one fold's outer scores: what is reported tells what was chosen."""
    marked = {}
    for place, (name, found) in enumerate(by_layer.items()):
        marked[name] = found.copy()
        marked[name][range(4), range(4)] = 0
        marked[name][fold, fold] = 100 * place + np.arange(found.shape[2])[:, None]
    return marked


@pytest.mark.parametrize("fold", range(4))
def test_a_fold_has_no_say_in_what_is_chosen_for_it(fold):
    """Other responses and other features in the reported fold: the same layer and penalties."""
    layers, y = three_layers(26)
    choices = []
    for spoiled in (False, True):
        if spoiled:
            rng = np.random.default_rng(0)
            y = y.copy()
            y[FOLDS[fold]] = 50 * rng.normal(size=y[FOLDS[fold]].shape)
            layers = {name: x.copy() for name, x in layers.items()}
            for x in layers.values():
                x[FOLDS[fold]] = 50 * rng.normal(size=x[FOLDS[fold]].shape)
        found = evaluate(layers, y)
        choices.append((4 * cv.score_nested(outside_replaced(found, fold))[0]).round(6))
    np.testing.assert_array_equal(*choices)
    _, names, penalties = nested_in_loops(26)
    place = list(layers).index(names[fold])
    assert choices[0].tolist() == [100 * place + ALPHAS.index(alpha) for alpha in penalties[fold]]


def test_p2_chooses_and_reports_on_the_same_folds():
    layers, y = three_layers(1)
    best = {}
    for name, x in layers.items():
        mean = np.mean([reference(x, y, np.setdiff1d(EVERYTHING, test), test) for test in FOLDS],
                       axis=0)
        best[name] = mean.max(0)
    layer = max(best, key=lambda name: best[name].mean())
    r, selected = cv.score_p2(evaluate(layers, y))
    assert selected == layer
    np.testing.assert_allclose(r, best[layer], atol=1e-8)


def test_on_noise_p2_is_optimistic_and_nested_is_not():
    honest, published = [], []
    for seed in range(12):
        rng = np.random.default_rng(seed)
        y = rng.normal(size=(60, 30))
        found = evaluate({name: rng.normal(size=(60, 20)) for name in "abc"}, y, cv.ALPHAS)
        honest.append(cv.score_nested(found)[0].mean())
        published.append(cv.score_p2(found)[0].mean())
        assert published[-1] > honest[-1]
    error = np.std(honest) / np.sqrt(12)
    assert abs(np.mean(honest)) < 3 * error + 0.02
    assert np.mean(published) > 0.05 and np.mean(published) > 3 * error


@pytest.mark.parametrize("seed", [2, 5, 18])
def test_p1_takes_the_best_layer_of_all_voxels_and_the_most_frequent_penalty(seed):
    layers, y = three_layers(seed, noise=8.0)  # of 5 and 18 the mean has its best elsewhere
    expected, picked = {}, {}
    for name, x in layers.items():
        by_fold = [reference(x, y, np.setdiff1d(EVERYTHING, test), test).mean(1)
                   for test in FOLDS]
        expected[name] = np.mean([max(one) for one in by_fold])
        picked[name] = Counter(int(np.argmax(one)) for one in by_fold).most_common(1)[0][0]
    grams = {name: cv.linear_kernel(x) for name, x in layers.items()}
    layer, alpha, means = cv.select_layer_and_alpha(grams, y, FOLDS, alphas=ALPHAS)
    assert means == pytest.approx(expected, abs=1e-8)
    assert layer == max(expected, key=expected.get) and alpha == ALPHAS[picked[layer]]


# ---- outcomes -----------------------------------------------------------------------------------

def rows(*cells, condition, donor=None) -> list[dict]:
    """Write (subject, roi, group, [r of each voxel]) as rows of a study."""
    return [{"donor": donor or subject, "subject": subject, "roi": roi, "hemisphere": "both",
             "group": group, "condition": condition, "seed": 0, "voxel": v, "r": r, "r_all": r,
             "r_unseen": r, "p2": r + 0.1, "noise_ceiling": 0.5, "layer": "fc"}
            for subject, roi, group, values in cells for v, r in enumerate(values)]


SCORES = pd.DataFrame(
    rows(("A", "V1v", "early", [0.1, 0.2, 0.3]), ("A", "PPA", "higher", [0.4, 0.0]),
         ("B", "V1v", "early", [0.2, 0.2]), ("C", "V1v", "early", [0.5]),
         ("C", "PPA", "higher", [0.3, 0.3]), condition="pretrained", donor="none")
    + rows(("A", "V1v", "early", [0.2, 0.1, 0.4]), ("A", "PPA", "higher", [0.5, 0.2]),
           ("B", "V1v", "early", [0.2, 0.4]), ("C", "V1v", "early", [0.8]),
           ("C", "PPA", "higher", [0.2, 0.0]), condition="contrastive"))
"""B lacks the PPA; mean gains: V1v .0333, .1, .3; PPA .15, -.2."""


def test_region_scores_average_voxels_and_divide_sums_by_sums():
    table = SCORES.copy()
    a_ppa = (table["subject"] == "A") & (table["roi"] == "PPA")
    table.loc[a_ppa & (table["voxel"] == 1), "noise_ceiling"] = 0.0
    table.loc[table["subject"] == "B", "noise_ceiling"] = np.nan
    found = statistics.region_scores(table).set_index(["condition", "subject", "roi"])
    assert len(found) == 10
    one = found.loc[("pretrained", "A", "V1v")]
    assert (one["n_voxels"], one["donor"], one["layer"]) == (3, "none", "fc")
    assert one["r"] == pytest.approx(0.2) and one["p2"] == pytest.approx(0.3)
    assert one["normalised"] == pytest.approx(0.6 / 1.5)
    assert found.loc[("contrastive", "A", "PPA"), "normalised"] == pytest.approx(0.5 / 0.5)
    assert found.loc[("contrastive", "A", "PPA"), "r"] == pytest.approx(0.35)
    assert np.isnan(found.loc[("contrastive", "B", "V1v"), "normalised"])
    table["noise_ceiling"] = np.linspace(0.2, 0.9, len(table))
    part = table[(table["condition"] == "contrastive") & (table["subject"] == "A")
                 & (table["roi"] == "V1v")]
    found = statistics.region_scores(table).set_index(["condition", "subject", "roi"])
    assert found.loc[("contrastive", "A", "V1v"), "normalised"] == pytest.approx(
        0.7 / part["noise_ceiling"].sum())


def test_regions_without_any_ceiling_have_no_normalised_score():
    for noise_ceiling in (0.0, np.nan):
        assert statistics.region_scores(SCORES.assign(noise_ceiling=noise_ceiling))[
            "normalised"].isna().all()


def test_improved_is_the_share_of_voxels_that_gained():
    found = statistics.fraction_improved(SCORES, "contrastive",
                                         "pretrained").set_index(["subject", "roi"])
    assert found["improved"].to_dict() == pytest.approx({
        ("A", "V1v"): 2 / 3, ("A", "PPA"): 1.0, ("B", "V1v"): 0.5, ("C", "V1v"): 1.0,
        ("C", "PPA"): 0.0})  # a voxel without change has not improved
    assert (found["donor"] == found.index.get_level_values("subject")).all()
    back = statistics.fraction_improved(SCORES, "pretrained",
                                        "contrastive").set_index(["subject", "roi"])
    assert back.loc[("A", "V1v"), "improved"] == pytest.approx(1 / 3)


@pytest.mark.parametrize("condition, baseline",
                         [("pooled, avg", "pretrained"), ("pretrained", "pooled, avg")])
def test_a_kind_that_was_not_run_is_reported(condition, baseline):
    with pytest.raises(LabError, match="no scores of 'pooled, avg'(?s:.)*evaluate both"):
        statistics.fraction_improved(SCORES, condition, baseline)


def test_voxels_are_matched_by_their_number_and_not_by_their_row():
    shuffled = SCORES.sample(frac=1, random_state=0)
    one, other = (statistics.fraction_improved(table, "contrastive", "pretrained").sort_values(
        ["subject", "roi"])["improved"].tolist() for table in (SCORES, shuffled))
    assert one == other


def test_comparisons_take_participants_as_the_sample():
    found = statistics.condition_differences(SCORES,
                                             [("contrastive", "pretrained")]).set_index("group")
    gains = {"early": [0.1 / 3, 0.1, 0.3], "higher": [0.15, -0.2],
             "all": [(0.1 / 3 + 0.15) / 2, 0.1, 0.05]}
    for group, each in gains.items():
        row, half = found.loc[group], 0.0
        assert row["n"] == len(each) and row["difference"] == pytest.approx(np.mean(each))
        assert row["df"] == len(each) - 1
        half = stats.t.ppf(0.975, len(each) - 1) * np.std(each, ddof=1) / np.sqrt(len(each))
        assert row["high"] - row["low"] == pytest.approx(2 * half)
        assert (row["high"] + row["low"]) / 2 == pytest.approx(np.mean(each))
    early = stats.ttest_rel([0.7 / 3, 0.3, 0.8], [0.2, 0.2, 0.5]).pvalue
    assert found.loc["early", "p"] == pytest.approx(early)
    together = stats.ttest_1samp(gains["all"], 0).pvalue
    assert found.loc["all", "p"] == pytest.approx(together)
    assert np.isnan(found.loc["higher", "p"]), "two participants are no test"
    small, large = sorted((early, together))
    assert sorted(found["p_holm"].dropna()) == pytest.approx(
        sorted((2 * small, max(2 * small, large))))
    assert found["improved"].to_dict() == pytest.approx({
        "early": (2 / 3 + 0.5 + 1) / 3, "higher": 0.5, "all": (5 / 6 + 0.5 + 0.5) / 3})


@pytest.mark.slow
def test_each_region_is_compared_with_itself():
    more = pd.concat([SCORES, pd.DataFrame(
        rows(*((subject, "V2v", "early", [0.9]) for subject in "ABC"), condition="pretrained")
        + rows(*((subject, "V2v", "early", [0.4]) for subject in "ABC"), condition="contrastive"))])
    found = statistics.condition_differences(more,
                                             [("contrastive", "pretrained")]).set_index("group")
    gains = [(0.1 / 3 - 0.5) / 2, (0.1 - 0.5) / 2, (0.3 - 0.5) / 2]
    assert found.loc["early", "difference"] == pytest.approx(np.mean(gains))
    assert found.loc["early", "p"] == pytest.approx(stats.ttest_1samp(gains, 0).pvalue)
    by_region = statistics.condition_differences_by_region(more, [("contrastive",
                                                                   "pretrained")]).set_index("roi")
    assert by_region.loc["V2v", "difference"] == pytest.approx(-0.5)
    assert by_region["n"].to_dict() == {"V1v": 3, "PPA": 2, "V2v": 3}


def test_groups_that_no_region_belongs_to_are_left_out():
    found = statistics.condition_differences(SCORES[SCORES["group"] == "early"],
                                             [("contrastive", "pretrained")])
    assert found["group"].tolist() == ["early", "all"]


def test_comparisons_by_region_leave_out_who_lacks_it():
    four = pd.concat([SCORES, pd.DataFrame(
        rows(("D", "PPA", "higher", [0.2]), ("D", "V1v", "early", [0.3]), condition="pretrained")
        + rows(("D", "PPA", "higher", [0.8]), ("D", "V1v", "early", [0.31]),
               condition="contrastive"))])
    found = statistics.condition_differences_by_region(four, [("contrastive",
                                                               "pretrained")]).set_index("roi")
    assert found["n"].to_dict() == {"V1v": 4, "PPA": 3}
    one, other = [0.35, 0.1, 0.8], [0.2, 0.3, 0.2]
    test = stats.ttest_rel(one, other)
    assert found.loc["PPA", "p"] == pytest.approx(test.pvalue)
    assert found.loc["PPA", "t"] == pytest.approx(test.statistic)
    assert found.loc["PPA", "difference"] == pytest.approx(np.mean(one) - np.mean(other))
    p = found["p"].sort_values()
    assert found.loc[p.index, "p_holm"].tolist() == pytest.approx(
        [min(2 * p.iloc[0], 1), min(max(2 * p.iloc[0], p.iloc[1]), 1)])


def test_the_interval_is_that_of_t_and_of_one_value_there_is_none():
    low, high = confidence_interval([1.0, 2.0, 4.0])
    half = 4.302652729911275 * np.sqrt(7 / 3) / np.sqrt(3)  # t of 97.5 % with 2 degrees
    assert (low, high) == pytest.approx((7 / 3 - half, 7 / 3 + half))
    narrow = confidence_interval([1.0, 2.0, 4.0], level=0.5)
    assert low < narrow[0] < narrow[1] < high
    assert np.isnan(confidence_interval([1.0])).all() and np.isnan(confidence_interval([])).all()


DONORS = pd.DataFrame(rows(
    ("A", "V1v", "early", [0, 0]), ("B", "V1v", "early", [0, 0]), ("A", "V2v", "early", [0, 0]),
    ("B", "V2v", "early", [0, 0]), ("A", "PPA", "higher", [0, 0]), condition="pretrained",
    donor="none")
                      + rows(("A", "V1v", "early", [1, 1]), ("B", "V1v", "early", [1, -1]),
                             ("A", "V2v", "early", [1, -1]), ("B", "V2v", "early", [-1, -1]),
                             ("A", "PPA", "higher", [1, -1]), condition="contrastive", donor="A")
                      + rows(("A", "V1v", "early", [-1, -1]), ("B", "V1v", "early", [1, 1]),
           ("A", "V2v", "early", [-1, 1]), ("B", "V2v", "early", [1, -1]), condition="contrastive",
                             donor="B"))
"""Two participants, each one's network with both; only A has a PPA."""


def test_donors_and_receivers_are_averaged_over_regions_that_all_have():
    improved_fraction = statistics.fraction_improved(DONORS, "contrastive", "pretrained")
    for group in ("early", "all"):  # the PPA, which only A has, counts in neither
        found = statistics.donor_matrix(improved_fraction, group)
        assert found.index.tolist() == found.columns.tolist() == ["A", "B"]
        assert found.to_numpy().tolist() == [[0.75, 0.25], [0.25, 0.75]]
    assert statistics.donor_matrix(improved_fraction, "higher").to_numpy().tolist() == [[0.5]]


def test_own_networks_and_those_of_others():
    improved_fraction = statistics.fraction_improved(DONORS, "contrastive", "pretrained")
    found = statistics.within_and_cross_participant(improved_fraction).set_index(["subject", "roi"])
    assert found["within_participant"].to_dict() == {("A", "V1v"): 1, ("A", "V2v"): 0.5,
                                                     ("A", "PPA"): 0.5,
                                                     ("B", "V1v"): 1, ("B", "V2v"): 0.5}
    others = found["cross_participant"].to_dict()
    assert np.isnan(others.pop(("A", "PPA"))), "nobody else has a network for it"
    assert others == {("A", "V1v"): 0, ("A", "V2v"): 0.5, ("B", "V1v"): 0.5, ("B", "V2v"): 0}


def test_networks_of_the_same_donor_are_compared_where_both_kinds_have_donors():
    regression = DONORS[DONORS["condition"] == "contrastive"].assign(condition="regression")
    regression = regression.assign(
        r_unseen=regression["r_unseen"].where(regression["donor"] == "A", 5))
    table = pd.concat([DONORS, regression])
    found = statistics.fraction_improved(table, "contrastive", "regression")
    assert len(found) == 9 and not found["improved"].any()
    lower = table.assign(r_unseen=table["r_unseen"].where(table["condition"] != "regression",
                                                          table["r_unseen"] - 0.5))
    found = statistics.fraction_improved(lower, "contrastive",
                                         "regression").set_index("donor")["improved"]
    assert found["A"].tolist() == [1] * 5 and found["B"].tolist() == [0] * 4


def test_pooled_networks_are_compared_with_each_participants_own():
    own = DONORS[DONORS["donor"] == DONORS["subject"]]
    pooled = own.assign(condition="pooled, avg", donor="all", r_unseen=0.5)
    found = statistics.fraction_improved(pd.concat([own, pooled]), "pooled, avg", "contrastive")
    assert (found["donor"] == "all").all() and len(found) == 5
    assert found.set_index(["subject", "roi"])["improved"].to_dict() == {
        ("A", "V1v"): 0, ("A", "V2v"): 0.5, ("A", "PPA"): 0.5, ("B", "V1v"): 0,
        ("B", "V2v"): 0.5}


def test_with_networks_of_others_both_sides_are_scored_on_images_that_these_never_saw():
    own = DONORS[(DONORS["donor"] == DONORS["subject"]) | (DONORS["donor"] == "none")]
    pooled = own[own["condition"] == "contrastive"].assign(condition="pooled, avg", donor="all")
    table = pd.concat([own.assign(r_unseen=own["r"] - 0.1), pooled.assign(r=0.9, r_unseen=0.9)])
    compared = statistics.condition_differences(
        table, [("contrastive", "pretrained"), ("pooled, avg", "contrastive")])
    compared = compared[compared["group"] == "all"].set_index("condition")["difference"]
    scores = statistics.region_scores(table)
    mean = lambda name, column: scores[scores["condition"] == name].groupby(  # noqa: E731
        "subject")[column].mean()
    assert compared["contrastive"] == pytest.approx(
        (mean("contrastive", "r") - mean("pretrained", "r")).mean())
    assert compared["pooled, avg"] == pytest.approx(
        (0.9 - scores[(scores["condition"] == "contrastive") & (scores["roi"] != "PPA")].groupby(
            "subject")["r_unseen"].mean()).mean())


def test_degrees_of_freedom_are_of_the_smaller_sample_where_networks_are_shared():
    """Four participants; one region, three trainings: of their own (df 3), or shared (df 2)."""
    rng = np.random.default_rng(0)
    table = pd.DataFrame([
        (donor or subject, subject, "V1v", "both", "early", condition, seed, 0, rng.normal())
        for subject in "ABCD" for seed in range(3)
        for condition, donor in (("pretrained", "none"), ("contrastive", ""), ("pooled", "all"))],
        columns=["donor", *statistics.REGION_COLUMNS, "condition", "seed", "voxel", "r"])
    table = table.assign(r_all=table["r"], r_unseen=table["r"], p2=table["r"], noise_ceiling=1.0,
                         layer="x")
    found = statistics.condition_differences(
        table, [("contrastive", "pretrained"), ("pooled", "contrastive")])
    assert found["df"].tolist() == [3, 3, 2, 2] and (found["n"] == 4).all()


@pytest.mark.parametrize("n_components", [7, cv.MAX_COMPONENTS])
def test_scores_of_some_conditions_come_from_fits_to_all(n_components):
    features, y = data(p=200)
    K, mask = cv.linear_kernel(features), np.arange(len(y)) % 3 > 0
    every, some = cv.compute_fold_scores_of(K, y, FOLDS, [np.ones(len(y), bool), mask],
                                            alphas=(10.0,), max_components=n_components)
    plain = cv.compute_fold_scores(K, y, FOLDS, alphas=(10.0,), max_components=n_components)
    np.testing.assert_array_equal(every, plain)
    for a, test in enumerate(FOLDS):
        rest, kept = np.setdiff1d(EVERYTHING, test), test[mask[test]]
        expected = correlated(predicted(features, y, rest, kept, 10.0,
                                        min(n_components, len(rest) - 1)), y[kept])
        np.testing.assert_allclose(some[a, a, 0], expected, atol=1e-7)
        assert np.abs(some[a, a] - every[a, a]).max() > 0.01


def test_voxels_are_predicted_by_parts(monkeypatch):
    features, y = data(p=200)
    whole = cv.compute_fold_scores(cv.linear_kernel(features), y, FOLDS, alphas=ALPHAS)
    sizes, correlate = [], cv.correlate_predictions
    monkeypatch.setattr(cv, "VOXELS_AT_ONCE", 2)
    monkeypatch.setattr(cv, "correlate_predictions", lambda one, y: (
        sizes.append(one.shape[2]), correlate(one, y))[1])
    parts = cv.compute_fold_scores(cv.linear_kernel(features), y, FOLDS, alphas=ALPHAS)
    assert max(sizes) == 2 and y.shape[1] == 5
    np.testing.assert_allclose(parts, whole, atol=1e-12)


@pytest.mark.parametrize("n_components", [7, cv.MAX_COMPONENTS])
def test_a_gram_matrix_on_another_device_is_decomposed_there(n_components, monkeypatch):
    """What a GPU computes: LAPACK by SciPy is never called, and the scores are the same."""
    features, y = data(p=200)
    K, train, test = cv.linear_kernel(features), np.arange(40), np.arange(40, 60)
    expected = cv.compute_fold_scores(K, y, FOLDS, alphas=ALPHAS, max_components=n_components)
    r = cv.score_ridge(K, y, train, test, alphas=ALPHAS, max_components=n_components)
    for name in ("eigh", "dposv"):
        monkeypatch.setattr(cv, name, None)
    K = torch.from_numpy(K)
    found = cv.compute_fold_scores(K, y, FOLDS, alphas=ALPHAS, max_components=n_components)
    assert isinstance(found, np.ndarray) and found.dtype == np.float64
    np.testing.assert_allclose(found, expected, atol=1e-9)
    np.testing.assert_allclose(cv.score_ridge(K, y, train, test, alphas=ALPHAS,
                                              max_components=n_components), r, atol=1e-9)
    if torch.cuda.is_available():
        on_gpu = cv.linear_kernel(features, "cuda")
        found = cv.compute_fold_scores(on_gpu, y, FOLDS, alphas=ALPHAS,
                                       max_components=n_components)
        np.testing.assert_allclose(found, expected, atol=1e-9)
