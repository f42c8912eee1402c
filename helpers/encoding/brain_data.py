"""A cohort at work: responses read once and kept, noise ceilings, who has which region."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from helpers.brains.cohort import Cohort, Fold, Responses
from helpers.ground.cache import cached
from helpers.ground.console import progress
from helpers.ground.digest import code_digest
from helpers.ground.errors import LabError, one_of
from helpers.similarity.noise_ceilings import ceiling, ncsnr_ceiling, split_half

FEWEST = 2
"""Vertices (and repeats) that a region needs; below, nothing is computed, and that is counted."""


def used_conditions(folds: Sequence[Fold]) -> NDArray[np.int64]:
    """Return all conditions that some folds fit, choose or test on, increasing."""
    parts = [part for fold in folds
             for part in (fold.fit, fold.test, *(p for pair in fold.validation for p in pair))]
    return np.unique(np.concatenate(parts))


def as_rows(folds: Sequence[Fold], conditions: NDArray[np.int64]) -> tuple[Fold, ...]:
    """Translate folds from conditions to their places in ``conditions`` (increasing)."""
    row = lambda chosen: np.searchsorted(conditions, chosen)  # noqa: E731
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
    owned = cohort.rois(subject)
    present = [roi for roi in rois if roi in owned]
    if not present:
        raise LabError(f"{subject} has none of {', '.join(rois)}",
                       expected=one_of(owned, "a region; it has none"),
                       remedy="name other ROIs, or leave this participant out")

    def make() -> dict[str, np.ndarray]:
        found = cohort.responses(subject, present)
        conditions = used_conditions(cohort.folds(subject))
        reasons = list(found.excluded)
        return {"conditions": conditions, "betas": found.betas[found.rows(conditions)],
                "hemisphere": found.hemisphere, "vertex": found.vertex, "ncsnr": found.ncsnr,
                "reasons": np.array(reasons, dtype="U"),
                "excluded": np.array([found.excluded[reason] for reason in reasons], int),
                **{f"member/{roi}": mask for roi, mask in found.members.items()}}

    arrays = cached("responses", f"{cohort.name}-{subject}", {
        "files": cohort.digest(subject), "rois": present, "folds": fold_key(cohort, subject),
        "code": code_digest(["helpers.encoding.brain_data"])}, make)
    return Responses(subject, arrays["conditions"], arrays["betas"], arrays["hemisphere"],
                     arrays["vertex"],
                     {name.removeprefix("member/"): mask for name, mask in arrays.items()
                      if name.startswith("member/")},
                     arrays["ncsnr"],
                     {str(reason): int(n) for reason, n in zip(arrays["reasons"],
                                                               arrays["excluded"])})


def fold_key(cohort: Cohort, subject: str) -> list[list[int]]:
    """Return what tells two ways of splitting apart, in terms that a cache key takes."""
    return [[int(v) for v in part] for fold in cohort.folds(subject)
            for part in (fold.fit, fold.test, *(p for pair in fold.validation for p in pair))]


def region_table(cohort: Cohort, subjects: Sequence[str], rois: Sequence[str], *,
                 least_ncsnr: float) -> pd.DataFrame:
    """Count the vertices of every region: all, left out for a stated reason, used.

    Returns
    -------
    DataFrame
        Columns ``subject, roi, n_vertices`` (0: the participant lacks the region),
        ``n_used`` (ncsnr above ``least_ncsnr``, or unknown), ``median_ncsnr``.
    """
    rows = []
    for subject in progress(subjects, "reading responses"):
        responses = read_responses(cohort, subject, rois)
        for roi in rois:
            row = {"subject": subject, "roi": roi, "n_vertices": 0, "n_used": 0,
                   "median_ncsnr": np.nan}
            if roi in responses.rois:
                all_of, used = responses.of(roi), responses.of(roi, least_ncsnr=least_ncsnr)
                known = all_of.ncsnr[np.isfinite(all_of.ncsnr)]
                row |= {"n_vertices": len(all_of.vertex), "n_used": len(used.vertex),
                        "median_ncsnr": float(np.median(known)) if len(known) else np.nan}
            rows.append(row)
    return pd.DataFrame(rows)


def ceiling_table(cohort: Cohort, subjects: Sequence[str], rois: Sequence[str], *,
                  least_ncsnr: float, seed: int) -> pd.DataFrame:
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
        parts = {"files": cohort.digest(subject), "rois": list(rois), "least_ncsnr": least_ncsnr,
                 "folds": fold_key(cohort, subject), "seed": seed,
                 "code": code_digest(["helpers.encoding.brain_data"])}
        arrays = cached("ceilings", f"{cohort.name}-{subject}", parts, lambda s=subject: _columns(
            _ceilings(read_responses(cohort, s, rois), cohort.folds(s), least_ncsnr, seed)))
        frames.append(pd.DataFrame(arrays))
    return pd.concat(frames, ignore_index=True)


CEILING_COLUMNS = {"subject": "U", "roi": "U", "statistic": "U", "value": float, "low": float,
                   "high": float, "split_half": float, "ncsnr_based": float,
                   "n_vertices": int, "n_repeats": int}


def _columns(rows: list[dict[str, object]]) -> dict[str, np.ndarray]:
    return {name: np.array([row[name] for row in rows], dtype=kind)
            for name, kind in CEILING_COLUMNS.items()}


def _ceilings(responses: Responses, folds: Sequence[Fold], least_ncsnr: float,
              seed: int) -> list[dict[str, object]]:
    test = np.unique(np.concatenate([fold.test for fold in folds]))
    n_repeats = responses.betas.shape[1]
    rows = []
    for roi in responses.rois:
        region = responses.of(roi, least_ncsnr=least_ncsnr)
        if len(region.vertex) < FEWEST or n_repeats < FEWEST:
            continue
        betas = region.repeated(test, n_repeats)
        based = float(np.nanmean(np.sqrt(ncsnr_ceiling(region.ncsnr, n_repeats))))
        for statistic in ("univariate", "rsa"):
            found = ceiling(betas, statistic=statistic, seed=seed)
            rows.append({"subject": responses.subject, "roi": roi, "statistic": statistic,
                         "value": found.value, "low": found.low, "high": found.high,
                         "split_half": split_half(betas, statistic=statistic),
                         "ncsnr_based": based, "n_vertices": len(region.vertex),
                         "n_repeats": n_repeats})
    return rows
