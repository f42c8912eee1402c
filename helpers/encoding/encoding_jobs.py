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
from helpers.encoding.regression import METHODS
from helpers.ground.machine import workers
from helpers.similarity.rsa import columnwise_r, pearson, rdm, rsa_r, rsa_r_of, univariate_r

SCHEDULER = "DASK_SCHEDULER_ADDRESS"
METRICS = ("veUnivar", "veRSA", "cUnivar", "cRSA", "r_vertex")
"""Scores of a prediction (spec 4.5), and the mean correlation of a vertex."""
FEWEST = 2
"""Vertices and units that a fit needs, as published."""
Scores = dict[str, float]
Candidate = tuple[str, float]
"""Layer and penalty."""


@dataclass(frozen=True)
class Job:
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
    wanted: tuple[tuple[str, str, str, tuple[float, ...]], ...]

    def by_pool(self) -> list[Job]:
        """Split into one job a pool: these can run apart."""
        return [replace(self, wanted=tuple(wish for wish in self.wanted if wish[1] == pool))
                for pool in dict.fromkeys(wish[1] for wish in self.wanted)]


def encode(jobs: Iterable[Job], *, n_jobs: int = 1) -> tuple[pd.DataFrame, pd.DataFrame]:
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
        ``n_conditions, n_vertices, n_units, n_used`` (units in use, mean over vertices), the
        `METRICS`, and ``why`` where nothing could be fitted.
    best : DataFrame
        One row per subject, roi, network, domain, method and metric: ``score`` on the test
        conditions with the layer and penalty that did best on validation, in each fold;
        ``layer, alpha`` (most often), ``n_layers`` chosen, ``n_conditions, n_vertices, why``.
    """
    with _cluster():
        done = list(Parallel(workers(n_jobs), return_as="generator", pre_dispatch="n_jobs")(
            delayed(run_job)(part) for job in jobs for part in job.by_pool()))
    curves, best = (pd.DataFrame([row for part in done for row in part[i]]) for i in (0, 1))
    return curves, best


@contextmanager
def _cluster() -> Iterator[None]:
    """Use the Dask cluster that the environment names, if any."""
    address = os.environ.get(SCHEDULER)
    if not address:
        yield
        return
    # Here and not above: only a cluster's users pay for the import, which takes seconds.
    from distributed import Client
    with Client(address), parallel_config(backend="dask"):
        yield


def run_job(job: Job) -> tuple[list[dict], list[dict]]:
    """Do one job; rows of both tables of `encode`."""
    groups: dict[tuple, list[str]] = {}
    for roi, pool, method, alphas in job.wanted:
        groups.setdefault((pool, method, alphas), []).append(roi)
    curves, best, plain = [], [], _Plain()
    for (pool, method, alphas), rois in groups.items():
        part = _Group(job, pool, method, alphas, tuple(rois), plain).run()
        curves += part[0]
        best += part[1]
    return curves, best


def _scored_rows(folds: tuple[Fold, ...]) -> list[NDArray[np.int64]]:
    """Return the sets of rows that are scored together: of each fold's choice, and the test."""
    return [*(_joined(fold) for fold in folds),
            np.sort(np.concatenate([fold.test for fold in folds]))]


def _joined(fold: Fold) -> NDArray[np.int64]:
    return np.sort(np.concatenate([predict for _, predict in fold.validation]))


def _gathered(pairs: Sequence[tuple[NDArray, NDArray]], y: NDArray,
              predict: Callable[[NDArray, NDArray], NDArray]) -> NDArray[np.float64]:
    """Predict the rows of several pairs (fit, predict), in increasing order of the rows.

    Each fit's own mean response gives way to the mean over fits. Fitted rows are those that are
    not predicted: their mean is low where the others are high, so that a fit without any weight
    would correlate negatively with the truth over all pairs.
    """
    means = [y[rows].mean(0, dtype=np.float64) for rows, _ in pairs]
    parts = [predict(rows, wanted) - mean for (rows, wanted), mean in zip(pairs, means)]
    order = np.argsort(np.concatenate([wanted for _, wanted in pairs]), kind="stable")
    return np.concatenate(parts)[order] + np.mean(means, axis=0)


class _Plain:
    """Scores without a fit, computed once for all methods: of a pool's units as they are."""

    def __init__(self) -> None:
        self._rdms: dict[tuple, NDArray] = {}
        self._scores: dict[tuple, Scores] = {}

    def scores(self, roi: str, pool: str, layer: str, rows: NDArray, x: NDArray | None,
               y: NDArray) -> Scores:
        """Return cUnivar and cRSA; ``x`` is needed at the first call only."""
        where = rows.tobytes()
        key = (roi, pool, layer, where)
        if key not in self._scores:
            model = self._kept((pool, layer, where), x, rows)
            self._scores[key] = {"cUnivar": pearson(x[rows].mean(1), y[rows].mean(1)),
                                 "cRSA": rsa_r_of(model, self._kept((roi, where), y, rows))}
        return self._scores[key]

    def _kept(self, key: tuple, patterns: NDArray, rows: NDArray) -> NDArray:
        if key not in self._rdms:
            self._rdms[key] = rdm(patterns[rows])
        return self._rdms[key]


@dataclass
class _Group:
    """Regions that are predicted from the same pool by the same method."""

    job: Job
    pool: str
    method: str
    alphas: tuple[float, ...]
    rois: tuple[str, ...]
    plain: _Plain

    def run(self) -> tuple[list[dict], list[dict]]:
        """Fit every layer and penalty; then choose by validation and score the test."""
        usable = [roi for roi in self.rois if self.job.responses[roi].shape[1] >= FEWEST]
        why = {roi: "" if roi in usable else "fewer than 2 vertices" for roi in self.rois}
        curves, chosen = [], {roi: {} for roi in usable}
        columns = np.cumsum([0, *(self.job.responses[roi].shape[1] for roi in usable)])
        y = np.concatenate([self.job.responses[roi] for roi in usable], axis=1) if usable else None
        candidates = [(a,) for a in self.alphas] if METHODS[self.method].each else [self.alphas]
        for layer, values in self.job.features.items():
            kept = self.job.pools[self.pool][layer]
            x = values if len(kept) == values.shape[1] else values[:, kept]
            if x.shape[1] < FEWEST or y is None:
                curves += [self._row(roi, layer, np.nan, part, x.shape[1],
                                     why[roi] or "fewer than 2 units", {}) for roi in self.rois
                           for part in ("validation", "test")]
                continue
            for alphas in candidates:
                fitted = self._fit(x, y, alphas)
                for i, roi in enumerate(usable):
                    part = slice(columns[i], columns[i + 1])
                    rows, outcome = self._score(roi, layer, alphas, x, fitted, part)
                    curves += rows
                    chosen[roi][(layer, rows[0]["alpha"])] = outcome
        best = [row for roi in self.rois for row in self._best(roi, chosen.get(roi, {}), why[roi])]
        return curves, best

    def _fit(self, x: NDArray, y: NDArray, alphas: tuple[float, ...]
             ) -> tuple[list[NDArray], NDArray, NDArray]:
        """Predict the rows of each fold's choice, and of the test; count units used by vertex."""
        fits = {}

        def predict(rows: NDArray, wanted: NDArray) -> NDArray:
            key = rows.tobytes()
            if key not in fits:
                fits[key] = METHODS[self.method].fit(x[rows], y[rows], alphas)
            return fits[key].predict(x[wanted])

        choices = [_gathered(fold.validation, y, predict) for fold in self.job.folds]
        test = _gathered([(fold.fit, fold.test) for fold in self.job.folds], y, predict)
        used = [fits[fold.fit.tobytes()].n_used for fold in self.job.folds]
        return choices, test, np.mean(used, axis=0)

    def _score(self, roi: str, layer: str, alphas: tuple[float, ...], x: NDArray,
               fitted: tuple[list[NDArray], NDArray, NDArray], part: slice
               ) -> tuple[list[dict], tuple[list[Scores], NDArray]]:
        choices, test, used = fitted
        folds, y = self.job.folds, self.job.responses[roi]
        by_fold = [self._scores(roi, layer, x, choice[:, part], y, _joined(fold))
                   for fold, choice in zip(folds, choices)]
        rows = _scored_rows(folds)[-1]
        of_test = self._scores(roi, layer, x, test[:, part], y, rows)
        alpha = alphas[0] if METHODS[self.method].each else np.nan
        mean = {name: _nanmean([scores[name] for scores in by_fold]) for name in METRICS}
        extra = {"n_used": float(used[part].mean())}
        return ([self._row(roi, layer, alpha, "validation", x.shape[1], "", mean | extra),
                 self._row(roi, layer, alpha, "test", x.shape[1], "", of_test | extra)],
                (by_fold, test[:, part].astype(np.float32)))

    def _scores(self, roi: str, layer: str, x: NDArray | None, predicted: NDArray, y: NDArray,
                rows: NDArray) -> Scores:
        """Score one region's predictions of some rows (``x``: once for a layer and rows)."""
        truth = y[rows]
        by_vertex = columnwise_r(predicted, truth)
        if np.isfinite(by_vertex).any():  # a vertex of which nothing is predicted counts as 0
            by_vertex = np.nan_to_num(by_vertex)
        return {"veUnivar": univariate_r(predicted, truth), "veRSA": rsa_r(predicted, truth),
                "r_vertex": _nanmean(by_vertex),
                **self.plain.scores(roi, self.pool, layer, rows, x, y)}

    def _best(self, roi: str, chosen: dict[Candidate, tuple], why: str) -> list[dict]:
        """Take, in each fold, what did best on validation; score its test predictions."""
        rows = []
        for metric in METRICS:
            common = {"subject": self.job.subject, "roi": roi, "network": self.job.network,
                      "domain": self.pool, "method": self.method, "metric": metric,
                      "n_vertices": self.job.responses[roi].shape[1],
                      "n_conditions": len(_scored_rows(self.job.folds)[-1])}
            picks = [self._pick(chosen, metric, k) for k in range(len(self.job.folds))]
            if not chosen or None in picks:
                rows.append({**common, "score": np.nan, "layer": "none", "alpha": np.nan,
                             "n_layers": 0, "why": why or "no fit that predicts anything"})
                continue
            (layer, alpha), _ = Counter(picks).most_common(1)[0]
            rows.append({**common, "score": self._pooled(roi, chosen, picks, metric),
                         "layer": layer, "alpha": alpha,
                         "n_layers": len({pick[0] for pick in picks}), "why": ""})
        return rows

    @staticmethod
    def _pick(chosen: dict[Candidate, tuple], metric: str, fold: int) -> Candidate | None:
        """Return the layer and penalty with the best validation score (NaN: the worst)."""
        scores = {key: kept[0][fold][metric] for key, kept in chosen.items()}
        known = {key: score for key, score in scores.items() if np.isfinite(score)}
        return max(known, key=known.get) if known else None

    def _pooled(self, roi: str, chosen: dict[Candidate, tuple], picks: list[Candidate],
                metric: str) -> float:
        """Score the test predictions of each fold's own choice, all together."""
        if len(set(picks)) > 1 and metric.startswith("c"):
            return np.nan  # plain units of different layers have no common scale
        y, rows = self.job.responses[roi], _scored_rows(self.job.folds)[-1]
        test = np.empty((len(rows), y.shape[1]), np.float32)
        for fold, pick in zip(self.job.folds, picks):
            place = np.searchsorted(rows, fold.test)
            test[place] = chosen[pick][1][place]
        return self._scores(roi, picks[0][0], None, test, y, rows)[metric]

    def _row(self, roi: str, layer: str, alpha: float, partition: str, n_units: int, why: str,
             scores: Mapping[str, float]) -> dict[str, object]:
        rows = _scored_rows(self.job.folds)[0 if partition == "validation" else -1]
        return {"subject": self.job.subject, "roi": roi, "network": self.job.network,
                "layer": layer, "domain": self.pool, "method": self.method, "alpha": alpha,
                "partition": partition, "n_conditions": len(rows),
                "n_vertices": self.job.responses[roi].shape[1], "n_units": n_units,
                "n_used": np.nan, **dict.fromkeys(METRICS, np.nan), "why": why, **scores}


def _nanmean(values: Iterable[float]) -> float:
    known = np.asarray(values, float)
    known = known[np.isfinite(known)]
    return float(known.mean()) if len(known) else np.nan
