"""Encoding models over participant x region x network x layer x pool of units x method.

Every candidate (a layer and a penalty) is fitted, its predictions are scored, and the candidate
with the best validation score is selected and reported on the test conditions. Jobs, one a
participant and pool of units, go through joblib, and so, unchanged, to a Dask cluster
(``DASK_SCHEDULER_ADDRESS``). Regions with the same pool, method and penalties are fitted together:
their vertices share the covariances of the features.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache, partial
from itertools import product

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from numpy.typing import NDArray

from helpers.brains.cohort import Fold
from helpers.core.cluster import dask_cluster
from helpers.core.machine import count_workers
from helpers.encoding.cohort_responses import MIN_SIZE
from helpers.encoding.regression import METHODS, Method
from helpers.rsa.dissimilarity import compare_rdms, pearson, pearson_r, rdm, rsa_r, univariate_r

MAX_WEIGHTS = 2**25
"""Units times vertices of one fit: 0.3 GB of weights."""
FitSpec = tuple[str, str, str, tuple[float, ...]]
"""ROI, pool, method, penalties."""
Pairs = Sequence[tuple[NDArray, NDArray]]
"""Rows to fit on, and rows to predict from that fit."""


def mean_vertex_r(predicted: NDArray, measured: NDArray) -> float:
    """Return the mean over vertices of Pearson's r; a vertex predicted to be constant counts as 0.
    """
    r = pearson_r(predicted, measured)
    return float(np.nan_to_num(r).mean()) if np.isfinite(r).any() else np.nan


PREDICTION_METRICS = {"veUnivar": univariate_r, "veRSA": rsa_r, "r_vertex": mean_vertex_r}
"""Scores of a prediction against measured responses (authors' classes.py; r_vertex is ours)."""
METRICS = ("veUnivar", "veRSA", "cUnivar", "cRSA", "r_vertex")
"""``PREDICTION_METRICS``, and the same two scores of the units as they are, without a fit."""
CURVE_KEYS = ["subject", "roi", "network", "layer", "domain", "method", "alpha", "partition",
              "n_conditions", "n_vertices", "n_units"]
BEST_COLUMNS = ["subject", "roi", "network", "domain", "method", "metric", "n_vertices",
                "n_conditions", "score", "layer", "alpha", "n_layers", "predicts_nothing",
                "excluded_because"]


@dataclass(frozen=True)
class EncodingJob:
    """One participant, the features of one network, and the models to fit.

    Attributes
    ----------
    subject, network : str
    features : dict, layer -> float32, shape (n_conditions, n_units)
    pools : dict, pool -> dict, layer -> int
        Columns of each pool.
    responses : dict, ROI -> float32, shape (n_conditions, n_vertices)
    folds : tuple of Fold
        Of rows of these arrays.
    fit_specs : tuple of (ROI, pool, method, penalties)
    """

    subject: str
    network: str
    features: Mapping[str, NDArray[np.float32]]
    pools: Mapping[str, Mapping[str, NDArray[np.int64]]]
    responses: Mapping[str, NDArray[np.float32]]
    folds: tuple[Fold, ...]
    fit_specs: tuple[FitSpec, ...]

    @property
    def scored_pairs(self) -> list[Pairs]:
        """What is fitted and predicted for each fold's validation, and (the last) for the test."""
        return [*(fold.validation for fold in self.folds),
                [(fold.fit, fold.test) for fold in self.folds]]

    @cached_property
    def scored_rows(self) -> list[NDArray[np.int64]]:
        """Rows that are scored together: of each fold's validation, and (the last) of the test."""
        return [np.sort(np.concatenate([predict for _, predict in pairs]))
                for pairs in self.scored_pairs]


def fit_encoding_models(jobs: Iterable[EncodingJob], *,
                        n_jobs: int = 1) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Fit, score and select all models of some jobs.

    Parameters
    ----------
    jobs : iterable of EncodingJob
        Read one after another: no more are in memory than are being fitted.
    n_jobs : int
        Processes (as many as ``LAB_WORKERS`` allows); with ``DASK_SCHEDULER_ADDRESS``, its workers.

    Returns
    -------
    curves : DataFrame
        One row per subject, roi, network, layer, domain (the pool), method, alpha and partition
        ("validation": mean over folds; "test": predictions of all folds together), with
        ``n_conditions, n_vertices, n_units, n_nonzero_weights`` (mean over vertices), the
        `METRICS`, and ``excluded_because`` where nothing could be fitted. A constant prediction
        (all weights zero) scores 0.
    best : DataFrame
        One row per subject, roi, network, domain, method and metric: ``score`` on the test
        conditions with the layer and penalty that did best on validation, in each fold;
        ``layer, alpha`` (most often), ``n_layers`` selected, ``n_conditions, n_vertices``;
        ``predicts_nothing``: the selected prediction is constant, which scores 0;
        ``excluded_because``: why nothing could be fitted (score NaN).
    """
    with dask_cluster():
        results = list(Parallel(count_workers(n_jobs), return_as="generator",
                                pre_dispatch="n_jobs")(
            delayed(run_job)(job, pool) for job in jobs
            for pool in dict.fromkeys(spec[1] for spec in job.fit_specs)))
    values = ["n_nonzero_weights", *METRICS]
    scores = pd.DataFrame([row for rows, _ in results for row in rows],
                          columns=[*CURVE_KEYS, *values, "excluded_because"])
    fitted = scores["excluded_because"] == ""
    scores.loc[fitted, list(PREDICTION_METRICS)] = scores.loc[
        fitted, list(PREDICTION_METRICS)].astype(float).fillna(0.0)
    curves = scores.groupby([*CURVE_KEYS, "excluded_because"], sort=False, dropna=False,
                            as_index=False)[values].mean()
    best = pd.DataFrame([row for _, rows in results for row in rows], columns=BEST_COLUMNS)
    return curves[scores.columns], best


def run_job(job: EncodingJob, pool: str) -> tuple[list[dict], list[dict]]:
    """Fit, score and select the models of one pool.

    Returns
    -------
    scores : list of dict
        One row per region, candidate and fold of validation, and one for the test.
    best : list of dict
        Rows of `fit_encoding_models`.
    """
    @lru_cache(maxsize=1)
    def features(layer: str) -> NDArray:
        values, unit_idx = job.features[layer], job.pools[pool][layer]
        return values if len(unit_idx) == values.shape[1] else values[:, unit_idx]

    baseline = baseline_scorer(job, features)
    groups: dict[tuple, list[str]] = {}
    for roi, its_pool, method, alphas in job.fit_specs:
        if its_pool == pool:
            groups.setdefault((method, alphas), []).append(roi)
    scores, best = [], []
    for (method, alphas), rois in groups.items():
        labels = {"subject": job.subject, "network": job.network, "domain": pool, "method": method}
        its_scores, predictions = score_candidates(job, rois, METHODS[method], alphas, features,
                                                   baseline)
        scores += [labels | row for row in its_scores]
        best += [labels | row for roi in rois
                 for row in select_best(job, roi, its_scores, predictions,
                                        partial(baseline, METHODS[method].units))]
    return scores, best


def score_candidates(job: EncodingJob, rois: Sequence[str], method: Method,
                     alphas: tuple[float, ...], features: Callable[[str], NDArray],
                     baseline: Callable) -> tuple[list[dict], dict[tuple, NDArray[np.float32]]]:
    """Fit every layer and penalty to some regions, and score their predictions.

    Returns
    -------
    scores : list of dict
        One row per region, candidate and fold of validation or (the last) of the test; also for
        layers that cannot be fitted.
    predictions : dict, (roi, candidate) -> float32, shape (n_test, n_vertices)
        Of the test conditions.
    """
    sizes = {roi: job.responses[roi].shape[1] for roi in rois}
    usable = [roi for roi in rois if sizes[roi] >= MIN_SIZE]
    ends = np.cumsum([sizes[roi] for roi in usable])
    y = np.concatenate([job.responses[roi] for roi in usable], axis=1) if usable else None
    scores, predictions, candidate = [], {}, 0

    def add_score(roi: str, layer: str, fold: int, **values: object) -> None:
        partition = "test" if fold == len(job.folds) else "validation"
        scores.append({
            "roi": roi, "layer": layer, "alpha": np.nan, "fold": fold, "partition": partition,
            "n_conditions": len(job.scored_rows[-1 if partition == "test" else 0]),
            "n_vertices": sizes[roi], "n_units": features(layer).shape[1], "excluded_because": "",
            **values})

    for layer in job.features:
        x = features(layer)
        if x.shape[1] < MIN_SIZE or y is None:
            for roi, fold in product(rois, range(len(job.scored_rows))):
                add_score(roi, layer, fold, excluded_because="fewer than 2 units" if roi in usable
                          else "fewer than 2 vertices")
            continue
        for penalties in [(a,) for a in alphas] if method.single_alpha else [alphas]:
            candidate += 1
            predicted, n_nonzero = fit_and_predict(job, method, x, y, penalties)
            for roi, end in zip(usable, ends):
                part = slice(end - sizes[roi], end)
                predictions[roi, candidate] = predicted[-1][:, part].astype(np.float32)
                for fold, (values, rows) in enumerate(zip(predicted, job.scored_rows)):
                    truth = job.responses[roi][rows]
                    add_score(roi, layer, fold, candidate=candidate,
                              alpha=penalties[0] if method.single_alpha else np.nan,
                              n_nonzero_weights=float(n_nonzero[part].mean()),
                              **{metric: score(values[:, part], truth)
                                 for metric, score in PREDICTION_METRICS.items()},
                              **baseline(method.units, roi, layer, fold))
    return scores, predictions


def fit_and_predict(job: EncodingJob, method: Method, x: NDArray, y: NDArray,
                    alphas: tuple[float, ...]) -> tuple[list[NDArray], NDArray]:
    """Predict the rows of each fold's validation and of the test; count the weights of a vertex.

    Where vertices are fitted independently of one another, they are fitted in parts: no more than
    `MAX_WEIGHTS` weights of a fit are in memory.
    """
    width = max(1, MAX_WEIGHTS // x.shape[1]) if method.by_vertex else y.shape[1]
    parts = [_fit_part(job, method, x, y[:, i:i + width], alphas)
             for i in range(0, y.shape[1], width)]
    predicted = [np.concatenate(columns, axis=1) for columns in zip(*(one for one, _ in parts))]
    return predicted, np.concatenate([n_nonzero for _, n_nonzero in parts])


def _fit_part(job: EncodingJob, method: Method, x: NDArray, y: NDArray,
              alphas: tuple[float, ...]) -> tuple[list[NDArray], NDArray]:
    """Fit some vertices to each set of rows, once; predictions and numbers of weights."""
    fits = {}

    def predict(train_idx: NDArray, test_idx: NDArray) -> NDArray:
        key = train_idx.tobytes()
        if key not in fits:
            fits[key] = method.fit(x[train_idx], y[train_idx], alphas)
        return fits[key].predict(x[test_idx])

    predicted = [_predict_held_out(pairs, y, predict) for pairs in job.scored_pairs]
    n_nonzero = [fits[fold.fit.tobytes()].n_nonzero_weights for fold in job.folds]
    return predicted, np.mean(n_nonzero, axis=0)


def _predict_held_out(pairs: Pairs, y: NDArray,
                      predict: Callable[[NDArray, NDArray], NDArray]) -> NDArray[np.float64]:
    """Predict the rows of several pairs (fit, predict), in increasing order of the rows.

    The mean response of each fit is replaced by the mean over fits. A fit's mean is low where the
    held-out rows are high, because these were left out of it: a fit without any weight would
    correlate negatively with the responses over all pairs.
    """
    means = [y[train_idx].mean(0, dtype=np.float64) for train_idx, _ in pairs]
    parts = [predict(*pair) - mean for pair, mean in zip(pairs, means)]
    order = np.argsort(np.concatenate([test_idx for _, test_idx in pairs]), kind="stable")
    return np.concatenate(parts)[order] + np.mean(means, axis=0)


def baseline_scorer(job: EncodingJob, features: Callable[[str], NDArray]) -> Callable:
    """Return a function of (method's units, roi, layer, fold) that scores units without a fit,
    once for all methods that have the same."""
    rows = job.scored_rows
    # Regions ask in turn for every fold of a layer.
    units = lru_cache(maxsize=len(rows))(
        lambda units, layer, fold: units(features(layer)[rows[fold]]))
    layer_rdm = cache(lambda *args: rdm(units(*args)))
    roi_rdm = cache(lambda roi, fold: rdm(job.responses[roi][rows[fold]]))

    @cache
    def scores(method_units: Callable, roi: str, layer: str, fold: int) -> dict[str, float]:
        x, y = units(method_units, layer, fold), job.responses[roi][rows[fold]]
        return {"cUnivar": pearson(x.mean(1), y.mean(1)),
                "cRSA": compare_rdms(layer_rdm(method_units, layer, fold), roi_rdm(roi, fold))}

    return scores


def select_best(job: EncodingJob, roi: str, scores: Sequence[dict],
                predictions: Mapping[tuple, NDArray], baseline: Callable) -> list[dict]:
    """Select, in each fold, the candidate with the best validation score; score its test.

    In a fold where every candidate's prediction is constant, the mean response is predicted.

    Returns
    -------
    list of dict
        One row per metric.
    """
    n_vertices, best = job.responses[roi].shape[1], []
    fitted = pd.DataFrame([row for row in scores
                           if row["roi"] == roi and row["partition"] == "validation"
                           and not row["excluded_because"]])
    too_few = f"fewer than 2 {'units in every layer' if n_vertices >= MIN_SIZE else 'vertices'}"
    for metric in METRICS:
        row = {"roi": roi, "metric": metric, "n_vertices": n_vertices,
               "n_conditions": len(job.scored_rows[-1]), "score": np.nan, "layer": "none",
               "alpha": np.nan, "n_layers": 0, "predicts_nothing": False,
               "excluded_because": too_few if fitted.empty else ""}
        known = fitted if fitted.empty else fitted.dropna(subset=metric)
        if len(known):
            winners = known.loc[known.groupby("fold")[metric].idxmax()]
            (most_common, _), = Counter(winners["candidate"]).most_common(1)
            first = winners[winners["candidate"] == most_common].iloc[0]
            row |= {"layer": first["layer"], "alpha": first["alpha"],
                    "n_layers": winners["layer"].nunique(), "score": _score_selected(
                        job, roi, metric, winners, predictions, baseline)}
        if len(fitted) and metric in PREDICTION_METRICS and np.isnan(row["score"]):
            row |= {"score": 0.0, "predicts_nothing": True}
        best.append(row)
    return best


def _score_selected(job: EncodingJob, roi: str, metric: str, winners: pd.DataFrame,
                    predictions: Mapping[tuple, NDArray], baseline: Callable) -> float:
    """Score the test predictions of each fold's selected candidate, all together."""
    if metric not in PREDICTION_METRICS:  # units of different layers have no common scale
        one_candidate = winners["candidate"].nunique() == 1 and len(winners) == len(job.folds)
        layer = winners["layer"].iloc[0]
        return baseline(roi, layer, len(job.folds))[metric] if one_candidate else np.nan
    y, rows = job.responses[roi], job.scored_rows[-1]
    constant = np.mean([y[fold.fit].mean(0, dtype=np.float64) for fold in job.folds], axis=0)
    test = np.tile(constant.astype(np.float32), (len(rows), 1))
    for fold, candidate in zip(winners["fold"], winners["candidate"]):
        test_idx = np.searchsorted(rows, job.folds[fold].test)
        test[test_idx] = predictions[roi, candidate][test_idx]
    return PREDICTION_METRICS[metric](test, y[rows])
