"""Responses of a cohort: read once, counted by region, with their noise ceilings."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from helpers.brains.cohort import Cohort, Fold, Responses
from helpers.brains.reliability import ncsnr_noise_ceiling
from helpers.core.cache import cached, cached_table
from helpers.core.console import progress
from helpers.core.digest import array_digest, code_digest, defining_modules
from helpers.core.errors import LabError, one_of
from helpers.rsa.noise_ceilings import estimate_noise_ceiling, split_half_noise_ceiling

MIN_SIZE = 2
"""Vertices, and units, that a fit needs, as published; vertices and repeats of a noise ceiling."""
NOISE_CEILING_COLUMNS = {"subject": str, "roi": str, "statistic": str, "value": float,
                         "low": float, "high": float, "split_half": float, "ncsnr_based": float,
                         "n_vertices": int, "n_repeats": int}


def _fold_parts(folds: Sequence[Fold]) -> list[NDArray[np.int64]]:
    return [part for fold in folds
            for part in (fold.fit, fold.test, *(p for pair in fold.validation for p in pair))]


def used_conditions(folds: Sequence[Fold]) -> NDArray[np.int64]:
    """Return all conditions that some folds fit, validate or test on, increasing."""
    return np.unique(np.concatenate(_fold_parts(folds)))


def folds_to_rows(folds: Sequence[Fold], conditions: NDArray[np.int64]) -> tuple[Fold, ...]:
    """Translate folds from conditions to their positions in ``conditions`` (increasing)."""
    row = lambda subset: np.searchsorted(conditions, subset)  # noqa: E731
    return tuple(Fold(row(fold.fit), row(fold.test),
                      tuple((row(fit), row(predict)) for fit, predict in fold.validation))
                 for fold in folds)


def read_responses(cohort: Cohort, subject: str, rois: Sequence[str]) -> Responses:
    """Return a participant's responses to the conditions of the cohort's folds, read once.

    Parameters
    ----------
    cohort : Cohort
    subject : str
    rois : sequence of str
        Regions that the participant lacks have no vertex in the result.
    """
    available_rois = cohort.rois(subject)
    present_rois = [roi for roi in rois if roi in available_rois]
    if not present_rois:
        raise LabError(f"{subject} has none of {', '.join(rois)}",
                       expected=one_of(available_rois, "a region; it has none"),
                       remedy="name other ROIs, or leave this participant out")

    def make() -> dict[str, np.ndarray]:
        whole = cohort.responses(subject, present_rois)
        conditions = used_conditions(cohort.folds(subject))
        return {"conditions": conditions, "betas": whole.betas[whole.rows(conditions)],
                "hemisphere": whole.hemisphere, "vertex": whole.vertex, "ncsnr": whole.ncsnr,
                "reasons": np.array(list(whole.excluded), dtype="U"),
                "excluded": np.array(list(whole.excluded.values()), int),
                **{f"member/{roi}": mask for roi, mask in whole.members.items()}}

    arrays = cached("responses", f"{cohort.name}-{subject}", {
        **responses_key(cohort, subject), "rois": present_rois}, make)
    members = {name.removeprefix("member/"): mask for name, mask in arrays.items()
               if name.startswith("member/")}
    excluded = dict(zip(arrays["reasons"].tolist(), arrays["excluded"].tolist()))
    return Responses(subject, arrays["conditions"], arrays["betas"], arrays["hemisphere"],
                     arrays["vertex"], members, arrays["ncsnr"], excluded)


def responses_key(cohort: Cohort, subject: str) -> dict[str, object]:
    """Return all that a participant's responses and folds depend on, for cache keys."""
    folds = [array_digest(part) for part in _fold_parts(cohort.folds(subject))]
    return {"subject": subject, "files": cohort.digest(subject), "folds": folds,
            "code": code_digest(["helpers.encoding.cohort_responses", *defining_modules(cohort)])}


def roi_table(cohort: Cohort, subjects: Sequence[str], rois: Sequence[str], *,
              min_ncsnr: float) -> pd.DataFrame:
    """Count the vertices of every region, and those that are reliable.

    Returns
    -------
    DataFrame
        Columns ``subject, roi, n_vertices`` (0: the participant lacks the region),
        ``n_reliable_vertices`` (ncsnr above ``min_ncsnr``, or unknown), ``median_ncsnr``.
    """
    rows = []
    for subject in progress(subjects, "reading responses"):
        responses = read_responses(cohort, subject, rois)
        for roi in rois:
            row = {"subject": subject, "roi": roi, "n_vertices": 0, "n_reliable_vertices": 0,
                   "median_ncsnr": np.nan}
            if roi in responses.rois:
                region = responses.of(roi)
                finite = region.ncsnr[np.isfinite(region.ncsnr)]
                row |= {"n_vertices": len(region.vertex), "n_reliable_vertices": len(
                            responses.of(roi, min_ncsnr=min_ncsnr).vertex),
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
    return pd.concat([cached_table(
        "ceilings", f"{cohort.name}-{subject}",
        {**responses_key(cohort, subject), "rois": list(rois), "min_ncsnr": min_ncsnr,
         "seed": seed},
        lambda subject=subject: _estimate_noise_ceilings(
            read_responses(cohort, subject, rois), cohort.folds(subject), min_ncsnr, seed)
    ).astype(NOISE_CEILING_COLUMNS) for subject in progress(subjects, "noise ceilings")],
                     ignore_index=True)


def _estimate_noise_ceilings(responses: Responses, folds: Sequence[Fold], min_ncsnr: float,
                             seed: int) -> pd.DataFrame:
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
            rows.append((responses.subject, roi, statistic, estimate.value, estimate.low,
                         estimate.high, split_half_noise_ceiling(betas, statistic=statistic),
                         from_ncsnr, len(region.vertex), n_repeats))
    return pd.DataFrame(rows, columns=list(NOISE_CEILING_COLUMNS))
