"""Participants as the sample: is a score above zero, is one predictor better than another?

The published comparison is a paired t test over participants, Bonferroni-corrected over all
regions and rivals (spec 4.6). The number of participants behind every mean is part of every row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from helpers.ground.stats import corrected
from helpers.ground.varying import centred

FEWEST = 3
"""Participants that a test over participants needs; below, p is unknown (NaN)."""


def paired(one: NDArray, other: NDArray) -> tuple[float, float, float]:
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
        Paired t and its two-sided p; NaN for fewer than `FEWEST` participants.
    """
    gain = np.asarray(one, float) - np.asarray(other, float)
    gain = gain[np.isfinite(gain)]
    mean = float(gain.mean()) if len(gain) else np.nan
    if len(gain) < FEWEST or not centred(gain).any():
        return mean, np.nan, np.nan
    test = stats.ttest_1samp(gain, 0.0)
    return mean, float(test.statistic), float(test.pvalue)


def by_subject(scores: pd.DataFrame) -> pd.DataFrame:
    """Arrange scores as participants x regions; NaN where a participant lacks a region.

    Parameters
    ----------
    scores : DataFrame
        Columns ``subject, roi, score``; one row for each pair.
    """
    return scores.pivot(index="subject", columns="roi", values="score")


def summary(scores: pd.DataFrame, rois: Sequence[str]) -> pd.DataFrame:
    """Summarise every region over participants and test it against zero.

    Returns
    -------
    DataFrame
        One row per region, in order: ``roi, n`` (participants with a score), ``mean, sd`` (ddof
        1), ``t, p`` (one-sided, above zero) and ``p_holm`` over regions.
    """
    table, rows = by_subject(scores).reindex(columns=list(rois)), []
    for roi in rois:
        values = table[roi].dropna().to_numpy()
        enough = len(values) >= FEWEST and centred(values).any()
        test = stats.ttest_1samp(values, 0.0, alternative="greater") if enough else None
        rows.append({"roi": roi, "n": len(values),
                     "mean": values.mean() if len(values) else np.nan,
                     "sd": values.std(ddof=1) if len(values) > 1 else np.nan,
                     "t": float(test.statistic) if test else np.nan,
                     "p": float(test.pvalue) if test else np.nan})
    found = pd.DataFrame(rows)
    return found.assign(p_holm=corrected(found["p"], "holm"))


def against_rivals(main: pd.DataFrame, rivals: Mapping[str, pd.DataFrame],
                   rois: Sequence[str]) -> pd.DataFrame:
    """Compare a predictor with its rivals in every region, corrected over all comparisons.

    Parameters
    ----------
    main : DataFrame
        Columns ``subject, roi, score``.
    rivals : dict, name -> DataFrame
        The same; a rival without a score in a region has no row there.
    rois : sequence of str

    Returns
    -------
    DataFrame
        Columns ``roi, rival, n`` (participants with both scores), ``difference`` (positive: the
        main predictor is better), ``t, p, p_bonferroni``.
    """
    ours, rows = by_subject(main), []
    for name, scores in rivals.items():
        theirs = by_subject(scores).reindex(index=ours.index)
        for roi in rois:
            if roi not in ours or roi not in theirs or not theirs[roi].notna().any():
                continue
            both = ours[roi].notna() & theirs[roi].notna()
            difference, t, p = paired(ours[roi].to_numpy(), theirs[roi].to_numpy())
            rows.append({"roi": roi, "rival": name, "n": int(both.sum()),
                         "difference": difference, "t": t, "p": p})
    columns = ["roi", "rival", "n", "difference", "t", "p"]
    found = pd.DataFrame(rows, columns=columns)
    return found.assign(p_bonferroni=corrected(found["p"], "bonferroni"))


def gains(main: pd.DataFrame, rival: pd.DataFrame) -> NDArray[np.float64]:
    """Return each participant's ``main`` minus ``rival``, mean over the regions that both have.

    Parameters
    ----------
    main, rival : DataFrame
        Columns ``subject, roi, score``.
    """
    ours, theirs = by_subject(main), by_subject(rival)
    return (ours - theirs.reindex(index=ours.index, columns=ours.columns)).mean(axis=1).to_numpy()


def overall(main: pd.DataFrame, rival: pd.DataFrame) -> tuple[float, float, int]:
    """Compare two predictors over the regions that both have, averaged within participants.

    Returns
    -------
    difference, p : float
        Mean over participants, positive: ``main`` is better; two-sided p.
    n : int
        Participants.
    """
    gain = gains(main, rival)
    difference, _, p = paired(gain, np.zeros(len(gain)))
    return difference, p, int(np.isfinite(gain).sum())


def pool_advantage(scores: pd.DataFrame, own: Mapping[str, str]) -> pd.DataFrame:
    """Measure how much better a region is predicted by the matching units than by others.

    Parameters
    ----------
    scores : DataFrame
        Columns ``subject, roi, domain, score``: the score of each domain's units. A pool that
        predicts nothing (all weights zero) scores 0.
    own : dict, ROI -> its domain

    Returns
    -------
    DataFrame
        Columns ``subject, roi, own, others`` (mean over the other domains), ``advantage``
        (their difference) and ``best`` (the domain with the largest score).
    """
    rows = []
    for (subject, roi), part in scores.groupby(["subject", "roi"], sort=False):
        by_domain = part.set_index("domain")["score"].fillna(0.0)
        others = by_domain.drop(own[roi])
        rows.append({"subject": subject, "roi": roi, "own": by_domain[own[roi]],
                     "others": others.mean(), "advantage": by_domain[own[roi]] - others.mean(),
                     "best": by_domain.idxmax()})
    return pd.DataFrame(rows, columns=["subject", "roi", "own", "others", "advantage", "best"])
