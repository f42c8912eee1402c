"""Tests over participants: is a score above zero, is one predictor better than another?

The published comparison is a paired t test over participants, Bonferroni-corrected over all
regions and competing predictors (authors' notebook nb4). Every row states the number of
participants behind its mean.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from helpers.core.constant_values import subtract_mean
from helpers.core.statistics import correct_p_values

MIN_SUBJECTS = 3
"""Participants that a test over participants needs; below, p is unknown (NaN)."""


def paired_t_test(one: NDArray, other: NDArray) -> tuple[float, float, float]:
    """Compare two predictors in the same participants.

    Parameters
    ----------
    one, other : array, float, shape (n_subjects,)
        Scores; participants that lack either are left out.

    Returns
    -------
    difference : float
        Mean of ``one - other``; positive: ``one`` is better.
    t, p : float
        Paired t and its two-sided p; NaN for fewer than `MIN_SUBJECTS` participants.
    """
    gain = np.asarray(one, float) - np.asarray(other, float)
    gain = gain[np.isfinite(gain)]
    mean = float(gain.mean()) if len(gain) else np.nan
    return mean, *_one_sample_t(gain, "two-sided")


def _one_sample_t(values: NDArray, alternative: str) -> tuple[float, float]:
    """Return t and p of a mean against zero; NaN where there are too few values, or all equal."""
    if len(values) < MIN_SUBJECTS or not subtract_mean(values).any():
        return np.nan, np.nan
    test = stats.ttest_1samp(values, 0.0, alternative=alternative)
    return float(test.statistic), float(test.pvalue)


def subject_by_roi(scores: pd.DataFrame) -> pd.DataFrame:
    """Arrange scores as participants x regions; NaN where a participant lacks a region.

    Parameters
    ----------
    scores : DataFrame
        Columns ``subject, roi, score``; one row for each pair.
    """
    return scores.pivot(index="subject", columns="roi", values="score")


def roi_summary(scores: pd.DataFrame, rois: Sequence[str]) -> pd.DataFrame:
    """Summarise every region over participants and test it against zero.

    Returns
    -------
    DataFrame
        One row per region, in order: ``roi, n`` (participants with a score), ``mean, sd`` (ddof
        1), ``t, p`` (one-sided, above zero) and ``p_holm`` over regions.
    """
    table, rows = subject_by_roi(scores).reindex(columns=list(rois)), []
    for roi in rois:
        values = table[roi].dropna().to_numpy()
        t, p = _one_sample_t(values, "greater")
        rows.append({"roi": roi, "n": len(values),
                     "mean": values.mean() if len(values) else np.nan,
                     "sd": values.std(ddof=1) if len(values) > 1 else np.nan, "t": t, "p": p})
    table = pd.DataFrame(rows)
    return table.assign(p_holm=correct_p_values(table["p"], "holm"))


def compare_with_competitors(main: pd.DataFrame, competitors: Mapping[str, pd.DataFrame],
                             rois: Sequence[str]) -> pd.DataFrame:
    """Compare a predictor with others in every region, corrected over all comparisons.

    Parameters
    ----------
    main : DataFrame
        Columns ``subject, roi, score``.
    competitors : dict, name -> DataFrame
        The same columns; a predictor without a score in a region has no row there.
    rois : sequence of str

    Returns
    -------
    DataFrame
        Columns ``roi, competitor, n`` (participants with both scores), ``difference`` (positive:
        the main predictor is better), ``t, p, p_bonferroni``.
    """
    main_scores, rows = subject_by_roi(main), []
    for name, scores in competitors.items():
        others = subject_by_roi(scores).reindex(index=main_scores.index)
        for roi in rois:
            if roi not in main_scores or roi not in others or others[roi].isna().all():
                continue
            n = int((main_scores[roi].notna() & others[roi].notna()).sum())
            rows.append((roi, name, n, *paired_t_test(main_scores[roi].to_numpy(),
                                                      others[roi].to_numpy())))
    table = pd.DataFrame(rows, columns=["roi", "competitor", "n", "difference", "t", "p"])
    return table.assign(p_bonferroni=correct_p_values(table["p"], "bonferroni"))


def gains(main: pd.DataFrame, competitor: pd.DataFrame) -> NDArray[np.float64]:
    """Return each participant's score of ``main`` minus ``competitor``, averaged over regions.

    Only regions where the participant has both scores count.

    Parameters
    ----------
    main, competitor : DataFrame
        Columns ``subject, roi, score``.
    """
    scores, others = subject_by_roi(main), subject_by_roi(competitor)
    return (scores - others.reindex_like(scores)).mean(axis=1).to_numpy()


def paired_test_over_rois(main: pd.DataFrame, competitor: pd.DataFrame) -> tuple[float, float, int]:
    """Compare two predictors over the regions that both have, averaged within participants.

    Returns
    -------
    difference, p : float
        Mean over participants, positive: ``main`` is better; two-sided p.
    n : int
        Participants.
    """
    gain = gains(main, competitor)
    difference, _, p = paired_t_test(gain, np.zeros(len(gain)))
    return difference, p, int(np.isfinite(gain).sum())


def pool_advantage(scores: pd.DataFrame, domain_by_roi: Mapping[str, str]) -> pd.DataFrame:
    """Compare the score of the units of a region's own domain with that of other domains' units.

    Parameters
    ----------
    scores : DataFrame
        Columns ``subject, roi, domain, score``: the score of each domain's units. A pool without
        units counts as 0; a region in which no pool could be fitted is left out.
    domain_by_roi : dict, ROI -> its domain

    Returns
    -------
    DataFrame
        Columns ``subject, roi, own_pool, other_pools`` (mean over the other domains),
        ``advantage`` (their difference) and ``best_domain`` (the domain with the largest score;
        "none": no score is above 0).
    """
    rows = []
    for (subject, roi), table in scores.groupby(["subject", "roi"], sort=False):
        if table["score"].isna().all():
            continue
        by_domain = table.set_index("domain")["score"].fillna(0.0)
        own, others = by_domain[domain_by_roi[roi]], by_domain.drop(domain_by_roi[roi]).mean()
        rows.append((subject, roi, own, others, own - others,
                     by_domain.idxmax() if by_domain.max() > 0 else "none"))
    return pd.DataFrame(rows, columns=["subject", "roi", "own_pool", "other_pools", "advantage",
                                       "best_domain"])
