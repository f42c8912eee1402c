"""A cohort at work: responses read once and kept, noise ceilings, who has which region."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from helpers.brains.cohort import Cohort, Fold, Responses
from helpers.core.cache import cached
from helpers.core.console import progress
from helpers.core.digest import array_digest, code_digest, defining_modules
from helpers.core.errors import LabError, one_of
from helpers.rsa.noise_ceilings import (
    estimate_noise_ceiling,
    ncsnr_noise_ceiling,
    split_half_noise_ceiling,
)

MIN_SIZE = 2
"""Vertices (and repeats) that a region needs; below, nothing is computed, and that is counted."""


def used_conditions(folds: Sequence[Fold]) -> NDArray[np.int64]:
    """Return all conditions that some folds fit, choose or test on, increasing."""
    parts = [part for fold in folds
             for part in (fold.fit, fold.test, *(p for pair in fold.validation for p in pair))]
    return np.unique(np.concatenate(parts))


def folds_to_rows(folds: Sequence[Fold], conditions: NDArray[np.int64]) -> tuple[Fold, ...]:
    """Translate folds from conditions to their places in ``conditions`` (increasing)."""
    row = lambda subset: np.searchsorted(conditions, subset)  # noqa: E731
    return tuple(Fold(row(fold.fit), row(fold.test),
                      tuple((row(fit), row(predict)) for fit, predict in fold.validation))
                 for fold in folds)


def read_responses(cohort: Cohort, subject: str, rois: Sequence[str]) -> Responses:
    """Read a participant's responses to the conditions of the cohort's folds, once; then the cache.

    Parameters
    ----------
    cohort : Cohort
    subject : str
    rois : sequence of str
        Those that the participant lacks have no vertex in the result.
    """
    available_rois = cohort.rois(subject)
    present_rois = [roi for roi in rois if roi in available_rois]
    if not present_rois:
        raise LabError(f"{subject} has none of {', '.join(rois)}",
                       expected=one_of(available_rois, "a region; it has none"),
                       remedy="name other ROIs, or leave this participant out")

    def make() -> dict[str, np.ndarray]:
        roi_responses = cohort.responses(subject, present_rois)
        conditions = used_conditions(cohort.folds(subject))
        reasons = list(roi_responses.excluded)
        return {"conditions": conditions,
                "betas": roi_responses.betas[roi_responses.rows(conditions)],
                "hemisphere": roi_responses.hemisphere, "vertex": roi_responses.vertex,
                "ncsnr": roi_responses.ncsnr, "reasons": np.array(reasons, dtype="U"),
                "excluded": np.array([roi_responses.excluded[reason] for reason in reasons], int),
                **{f"member/{roi}": mask for roi, mask in roi_responses.members.items()}}

    arrays = cached("responses", f"{cohort.name}-{subject}", {
        **responses_key(cohort, subject), "rois": present_rois}, make)
    return Responses(subject, arrays["conditions"], arrays["betas"], arrays["hemisphere"],
                     arrays["vertex"],
                     {name.removeprefix("member/"): mask for name, mask in arrays.items()
                      if name.startswith("member/")},
                     arrays["ncsnr"],
                     {str(reason): int(n) for reason, n in zip(arrays["reasons"],
                                                               arrays["excluded"])})


def responses_key(cohort: Cohort, subject: str) -> dict[str, object]:
    """Return all that a participant's responses and their splitting depend on, for keys."""
    folds = [array_digest(part) for fold in cohort.folds(subject)
             for part in (fold.fit, fold.test, *(p for pair in fold.validation for p in pair))]
    return {"subject": subject, "files": cohort.digest(subject), "folds": folds,
            "code": code_digest(["helpers.encoding.cohort_responses", *defining_modules(cohort)])}


def roi_table(cohort: Cohort, subjects: Sequence[str], rois: Sequence[str], *,
              min_ncsnr: float) -> pd.DataFrame:
    """Count the vertices of every region: all, left out for a stated reason, used.

    Returns
    -------
    DataFrame
        Columns ``subject, roi, n_vertices`` (0: the participant lacks the region),
        ``n_used`` (ncsnr above ``min_ncsnr``, or unknown), ``median_ncsnr``.
    """
    rows = []
    for subject in progress(subjects, "reading responses"):
        responses = read_responses(cohort, subject, rois)
        for roi in rois:
            row = {"subject": subject, "roi": roi, "n_vertices": 0, "n_reliable_vertices": 0,
                   "median_ncsnr": np.nan}
            if roi in responses.rois:
                all_vertices, reliable = responses.of(roi), responses.of(roi, min_ncsnr=min_ncsnr)
                finite = all_vertices.ncsnr[np.isfinite(all_vertices.ncsnr)]
                row |= {"n_vertices": len(all_vertices.vertex),
                        "n_reliable_vertices": len(reliable.vertex),
                        "median_ncsnr": float(np.median(finite)) if len(finite) else np.nan}
            rows.append(row)
    return pd.DataFrame(rows)


def noise_ceiling_table(cohort: Cohort, subjects: Sequence[str], rois: Sequence[str], *,
                        min_ncsnr: float, seed: int) -> pd.DataFrame:
    """Estimate the noise ceilings of every region on the test conditions, once.

    Returns
    -------
    DataFrame
        Columns ``subject, roi, statistic`` (univariate, rsa), ``value, low, high`` (r, from the
        generative model of signal and noise), ``split_half`` (r, from the data alone),
        ``ncsnr_based`` (r of a single vertex, mean), ``n_vertices, n_repeats``. Only regions with
        repeats and with at least two vertices are in it.
    """
    frames = []
    for subject in progress(subjects, "noise ceilings"):
        parts = {**responses_key(cohort, subject), "rois": list(rois),
                 "min_ncsnr": min_ncsnr, "seed": seed}
        arrays = cached("ceilings", f"{cohort.name}-{subject}", parts, lambda s=subject: _to_arrays(
            _estimate_noise_ceilings(read_responses(cohort, s, rois), cohort.folds(s), min_ncsnr,
                                     seed)))
        frames.append(pd.DataFrame(arrays))
    return pd.concat(frames, ignore_index=True)


NOISE_CEILING_COLUMNS = {"subject": "U", "roi": "U", "statistic": "U", "value": float, "low": float,
                         "high": float, "split_half": float, "ncsnr_based": float,
                         "n_vertices": int, "n_repeats": int}


def _to_arrays(rows: list[dict[str, object]]) -> dict[str, np.ndarray]:
    return {name: np.array([row[name] for row in rows], dtype=column_dtype)
            for name, column_dtype in NOISE_CEILING_COLUMNS.items()}


def _estimate_noise_ceilings(responses: Responses, folds: Sequence[Fold], min_ncsnr: float,
                             seed: int) -> list[dict[str, object]]:
    test = np.unique(np.concatenate([fold.test for fold in folds]))
    n_repeats = responses.betas.shape[1]
    rows = []
    for roi in responses.rois:
        region = responses.of(roi, min_ncsnr=min_ncsnr)
        if len(region.vertex) < MIN_SIZE or n_repeats < MIN_SIZE:
            continue
        betas = region.repeated(test, n_repeats)
        from_ncsnr = float(np.nanmean(np.sqrt(ncsnr_noise_ceiling(region.ncsnr, n_repeats))))
        for statistic in ("univariate", "rsa"):
            estimate = estimate_noise_ceiling(betas, statistic=statistic, seed=seed)
            rows.append({"subject": responses.subject, "roi": roi, "statistic": statistic,
                         "value": estimate.value, "low": estimate.low, "high": estimate.high,
                         "split_half": split_half_noise_ceiling(betas, statistic=statistic),
                         "ncsnr_based": from_ncsnr, "n_vertices": len(region.vertex),
                         "n_repeats": n_repeats})
    return rows
