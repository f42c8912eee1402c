"""One grid over participant x region x network x layer x pool of units x method.

Jobs, one a participant and set of features, are split by pool and go through joblib, and so,
unchanged, to a Dask cluster (``DASK_SCHEDULER_ADDRESS``). Regions that want the same fit are fitted
at once: their vertices' problems share what depends on features alone.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from joblib import Parallel, delayed, parallel_config
from numpy.typing import NDArray

from helpers.brains.cohort import Fold
from helpers.core.machine import count_workers
from helpers.encoding.regression import METHODS
from helpers.rsa.dissimilarity import compare_rdms, pearson, pearson_r, rdm, rsa_r, univariate_r

SCHEDULER = "DASK_SCHEDULER_ADDRESS"
METRICS = ("veUnivar", "veRSA", "cUnivar", "cRSA", "r_vertex")
"""Scores of a prediction (authors' classes.py), and the mean correlation of a vertex."""
MIN_SIZE = 2
"""Vertices and units that a fit needs, as published."""
Scores = dict[str, float]
Candidate = tuple[str, float]
"""Layer and penalty."""


@dataclass(frozen=True)
class EncodingJob:
    """One participant, one set of features, and what is to be fitted.

    Attributes
    ----------
    subject, network : str
    features : dict, layer -> float32, shape (n_conditions, n_units)
    pools : dict, pool -> dict, layer -> int
        Columns of each pool.
    responses : dict, ROI -> float32, shape (n_conditions, n_vertices)
    folds : tuple of Fold
        Of rows of these arrays.
    wanted : tuple of (ROI, pool, method, penalties)
    """

    subject: str
    network: str
    features: Mapping[str, NDArray[np.float32]]
    pools: Mapping[str, Mapping[str, NDArray[np.int64]]]
    responses: Mapping[str, NDArray[np.float32]]
    folds: tuple[Fold, ...]
    fit_specs: tuple[tuple[str, str, str, tuple[float, ...]], ...]

    def split_by_pool(self) -> list[EncodingJob]:
        """Split into one job a pool: these can run apart."""
        return [replace(self, fit_specs=tuple(fit_spec for fit_spec in self.fit_specs
                                              if fit_spec[1] == pool))
                for pool in dict.fromkeys(fit_spec[1] for fit_spec in self.fit_specs)]


def fit_encoding_models(jobs: Iterable[EncodingJob], *,
                        n_jobs: int = 1) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Fit, choose and score everything that some jobs want.

    Parameters
    ----------
    jobs : iterable of Job
        Taken one after another: no more are in memory than are at work.
    n_jobs : int
        Processes (as many as ``LAB_WORKERS`` allows); with ``DASK_SCHEDULER_ADDRESS``, its workers.

    Returns
    -------
    curves : DataFrame
        One row per subject, roi, network, layer, domain (the pool), method, alpha and partition
        ("validation": mean over folds; "test": predictions of all folds together), with
        ``n_conditions, n_vertices, n_units, n_nonzero_weights`` (units in use, mean over vertices),
        the `METRICS`, and ``excluded_because`` where nothing could be fitted.
    best : DataFrame
        One row per subject, roi, network, domain, method and metric: ``score`` on the test
        conditions with the layer and penalty that did best on validation, in each fold;
        ``layer, alpha`` (most often), ``n_layers`` chosen, ``n_conditions, n_vertices,
        excluded_because``.
    """
    with _dask_cluster():
        results = list(Parallel(count_workers(n_jobs), return_as="generator",
                                pre_dispatch="n_jobs")(
            delayed(run_job)(part) for job in jobs for part in job.split_by_pool()))
    curves, best = (pd.DataFrame([row for part in results for row in part[i]]) for i in (0, 1))
    return curves, best


@contextmanager
def _dask_cluster() -> Iterator[None]:
    """Use the Dask cluster that the environment names, if any."""
    address = os.environ.get(SCHEDULER)
    if not address:
        yield
        return
    # Here and not above: only a cluster's users pay for the import, which takes seconds.
    from distributed import Client
    with Client(address), parallel_config(backend="dask"):
        yield


def run_job(job: EncodingJob) -> tuple[list[dict], list[dict]]:
    """Do one job; rows of both tables of `fit_encoding_models`."""
    groups: dict[tuple, list[str]] = {}
    for roi, pool, method, alphas in job.fit_specs:
        groups.setdefault((pool, method, alphas), []).append(roi)
    curves, best, baseline = [], [], BaselineScores()
    for (pool, method, alphas), rois in groups.items():
        part = PoolFit(job, pool, method, alphas, tuple(rois), baseline).run()
        curves += part[0]
        best += part[1]
    return curves, best


def _evaluation_rows(folds: tuple[Fold, ...]) -> list[NDArray[np.int64]]:
    """Return the sets of rows that are scored together: of each fold's choice, and the test."""
    return [*(_validation_rows(fold) for fold in folds),
            np.sort(np.concatenate([fold.test for fold in folds]))]


def _validation_rows(fold: Fold) -> NDArray[np.int64]:
    return np.sort(np.concatenate([predict for _, predict in fold.validation]))


def _predict_held_out(pairs: Sequence[tuple[NDArray, NDArray]], y: NDArray,
                      predict: Callable[[NDArray, NDArray], NDArray]) -> NDArray[np.float64]:
    """Predict the rows of several pairs (fit, predict), in increasing order of the rows.

    Each fit's own mean response gives way to the mean over fits. Fitted rows are those that are
    not predicted: their mean is low where the others are high, so that a fit without any weight
    would correlate negatively with the truth over all pairs.
    """
    means = [y[train_idx].mean(0, dtype=np.float64) for train_idx, _ in pairs]
    parts = [predict(train_idx, test_idx) - mean for (train_idx, test_idx), mean in zip(pairs,
                                                                                        means)]
    order = np.argsort(np.concatenate([test_idx for _, test_idx in pairs]), kind="stable")
    return np.concatenate(parts)[order] + np.mean(means, axis=0)


class BaselineScores:
    """Scores without a fit, computed once for all methods: of a pool's units as they are."""

    def __init__(self) -> None:
        self._rdms: dict[tuple, NDArray] = {}
        self._scores: dict[tuple, Scores] = {}

    def scores(self, roi: str, pool: str, layer: str, rows: NDArray, x: NDArray | None,
               y: NDArray) -> Scores:
        """Return cUnivar and cRSA; ``x`` is needed at the first call only."""
        rows_key = rows.tobytes()
        key = (roi, pool, layer, rows_key)
        if key not in self._scores:
            model = self._cached_rdm((pool, layer, rows_key), x, rows)
            self._scores[key] = {"cUnivar": pearson(x[rows].mean(1), y[rows].mean(1)),
                                 "cRSA": compare_rdms(model,
                                                      self._cached_rdm((roi, rows_key), y, rows))}
        return self._scores[key]

    def _cached_rdm(self, key: tuple, patterns: NDArray, rows: NDArray) -> NDArray:
        if key not in self._rdms:
            self._rdms[key] = rdm(patterns[rows])
        return self._rdms[key]


@dataclass
class PoolFit:
    """Regions that are predicted from the same pool by the same method."""

    job: EncodingJob
    pool: str
    method: str
    alphas: tuple[float, ...]
    rois: tuple[str, ...]
    baseline: BaselineScores

    def run(self) -> tuple[list[dict], list[dict]]:
        """Fit every layer and penalty; then choose by validation and score the test."""
        usable_rois = [roi for roi in self.rois if self.job.responses[roi].shape[1] >= MIN_SIZE]
        excluded_because = {roi: "" if roi in usable_rois else "fewer than 2 vertices"
                            for roi in self.rois}
        curves, candidate_results = [], {roi: {} for roi in usable_rois}
        columns = np.cumsum([0, *(self.job.responses[roi].shape[1] for roi in usable_rois)])
        y = np.concatenate([self.job.responses[roi] for roi in usable_rois],
                           axis=1) if usable_rois else None
        candidates = [(a,)
                      for a in self.alphas] if METHODS[self.method].single_alpha else [self.alphas]
        for layer, values in self.job.features.items():
            unit_idx = self.job.pools[self.pool][layer]
            x = values if len(unit_idx) == values.shape[1] else values[:, unit_idx]
            if x.shape[1] < MIN_SIZE or y is None:
                curves += [self._row(roi, layer, np.nan, part, x.shape[1],
                                     excluded_because[roi] or "fewer than 2 units",
                                     {}) for roi in self.rois
                           for part in ("validation", "test")]
                continue
            for alphas in candidates:
                predictions = self._fit(x, y, alphas)
                for i, roi in enumerate(usable_rois):
                    part = slice(columns[i], columns[i + 1])
                    rows, fold_results = self._score(roi, layer, alphas, x, predictions, part)
                    curves += rows
                    candidate_results[roi][(layer, rows[0]["alpha"])] = fold_results
        best = [row for roi in self.rois for row in self._select_best(
            roi, candidate_results.get(roi, {}), excluded_because[roi])]
        return curves, best

    def _fit(self, x: NDArray, y: NDArray, alphas: tuple[float, ...]
             ) -> tuple[list[NDArray], NDArray, NDArray]:
        """Predict the rows of each fold's choice, and of the test; count units used by vertex."""
        fits = {}

        def predict(train_idx: NDArray, test_idx: NDArray) -> NDArray:
            key = train_idx.tobytes()
            if key not in fits:
                fits[key] = METHODS[self.method].fit(x[train_idx], y[train_idx], alphas)
            return fits[key].predict(x[test_idx])

        validation_predictions = [_predict_held_out(fold.validation, y,
                                                    predict) for fold in self.job.folds]
        test = _predict_held_out([(fold.fit, fold.test) for fold in self.job.folds], y, predict)
        n_nonzero = [fits[fold.fit.tobytes()].n_nonzero_weights for fold in self.job.folds]
        return validation_predictions, test, np.mean(n_nonzero, axis=0)

    def _score(self, roi: str, layer: str, alphas: tuple[float, ...], x: NDArray,
               predictions: tuple[list[NDArray], NDArray, NDArray], part: slice
               ) -> tuple[list[dict], tuple[list[Scores], NDArray]]:
        validation_predictions, test, n_nonzero = predictions
        folds, y = self.job.folds, self.job.responses[roi]
        validation_scores = [self._scores(roi, layer, x, predicted_validation[:, part], y,
                                          _validation_rows(fold))
                             for fold, predicted_validation in zip(folds, validation_predictions)]
        rows = _evaluation_rows(folds)[-1]
        test_scores = self._scores(roi, layer, x, test[:, part], y, rows)
        alpha = alphas[0] if METHODS[self.method].single_alpha else np.nan
        mean = {name: _nanmean([scores[name] for scores in validation_scores]) for name in METRICS}
        extra = {"n_nonzero_weights": float(n_nonzero[part].mean())}
        return ([self._row(roi, layer, alpha, "validation", x.shape[1], "", mean | extra),
                 self._row(roi, layer, alpha, "test", x.shape[1], "", test_scores | extra)],
                (validation_scores, test[:, part].astype(np.float32)))

    def _scores(self, roi: str, layer: str, x: NDArray | None, predicted: NDArray, y: NDArray,
                rows: NDArray) -> Scores:
        """Score one region's predictions of some rows (``x``: once for a layer and rows)."""
        truth = y[rows]
        vertex_r = pearson_r(predicted, truth)
        if np.isfinite(vertex_r).any():  # a vertex of which nothing is predicted counts as 0
            vertex_r = np.nan_to_num(vertex_r)
        return {"veUnivar": univariate_r(predicted, truth), "veRSA": rsa_r(predicted, truth),
                "r_vertex": _nanmean(vertex_r),
                **self.baseline.scores(roi, self.pool, layer, rows, x, y)}

    def _select_best(self, roi: str, candidate_results: dict[Candidate, tuple],
                     excluded_because: str) -> list[dict]:
        """Take, in each fold, what did best on validation; score its test predictions."""
        rows = []
        for metric in METRICS:
            common = {"subject": self.job.subject, "roi": roi, "network": self.job.network,
                      "domain": self.pool, "method": self.method, "metric": metric,
                      "n_vertices": self.job.responses[roi].shape[1],
                      "n_conditions": len(_evaluation_rows(self.job.folds)[-1])}
            selected = [self._best_candidate(candidate_results, metric,
                                             k) for k in range(len(self.job.folds))]
            if not candidate_results or None in selected:
                rows.append({**common, "score": np.nan, "layer": "none", "alpha": np.nan,
                             "n_layers": 0, "excluded_because": excluded_because
                             or "no fit that predicts anything"})
                continue
            (layer, alpha), _ = Counter(selected).most_common(1)[0]
            rows.append({**common, "score": self._score_selected(roi, candidate_results, selected,
                                                                 metric),
                         "layer": layer, "alpha": alpha,
                         "n_layers": len({candidate[0] for candidate in selected}),
                         "excluded_because": ""})
        return rows

    @staticmethod
    def _best_candidate(candidate_results: dict[Candidate, tuple], metric: str,
                        fold: int) -> Candidate | None:
        """Return the layer and penalty with the best validation score (NaN: the worst)."""
        scores = {key: result[0][fold][metric] for key, result in candidate_results.items()}
        finite = {key: score for key, score in scores.items() if np.isfinite(score)}
        return max(finite, key=finite.get) if finite else None

    def _score_selected(self, roi: str, candidate_results: dict[Candidate, tuple],
                        selected: list[Candidate],
                        metric: str) -> float:
        """Score the test predictions of each fold's own choice, all together."""
        if len(set(selected)) > 1 and metric.startswith("c"):
            return np.nan  # plain units of different layers have no common scale
        y, rows = self.job.responses[roi], _evaluation_rows(self.job.folds)[-1]
        test = np.empty((len(rows), y.shape[1]), np.float32)
        for fold, candidate in zip(self.job.folds, selected):
            test_idx = np.searchsorted(rows, fold.test)
            test[test_idx] = candidate_results[candidate][1][test_idx]
        return self._scores(roi, selected[0][0], None, test, y, rows)[metric]

    def _row(self, roi: str, layer: str, alpha: float, partition: str, n_units: int,
             excluded_because: str, scores: Mapping[str, float]) -> dict[str, object]:
        rows = _evaluation_rows(self.job.folds)[0 if partition == "validation" else -1]
        return {"subject": self.job.subject, "roi": roi, "network": self.job.network,
                "layer": layer, "domain": self.pool, "method": self.method, "alpha": alpha,
                "partition": partition, "n_conditions": len(rows),
                "n_vertices": self.job.responses[roi].shape[1], "n_units": n_units,
                "n_nonzero_weights": np.nan, **dict.fromkeys(METRICS, np.nan),
                "excluded_because": excluded_because, **scores}


def _nanmean(values: Iterable[float]) -> float:
    finite = np.asarray(values, float)
    finite = finite[np.isfinite(finite)]
    return float(finite.mean()) if len(finite) else np.nan
