"""Suppression below baseline by the images least similar to a concept.

Decoders are trained on responses relative to the session mean: images farthest from a concept may
lower its voxels' responses below baseline, or only below the average. Betas in percent signal
change distinguish the two.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special

from helpers.concepts.study import ConceptStudy
from helpers.core.constant_values import subtract_mean
from helpers.core.statistics import correct_p_values
from helpers.decoding.vectors import cosines

COLUMNS = ["subject", "concept", "voxel", "most", "least", "usual", "p_below", "below"]


def suppression_levels(study: ConceptStudy, percent: Mapping[str, NDArray | None], *,
                       fraction: float = 0.1) -> pd.DataFrame:
    """Return each member voxel's mean response to the nearest and the farthest held-out images.

    Parameters
    ----------
    study : ConceptStudy
    percent : dict, participant -> array
        From `ConceptStudy.percent_signal_change`.
    fraction : float
        Fraction of the held-out images that count as nearest, and as farthest.

    Returns
    -------
    DataFrame
        Columns ``subject, concept, voxel`` (row of the participant's weights); ``most, least,
        usual``: mean response in percent signal change against baseline to the nearest, farthest
        and all held-out images (repeats averaged); ``p_below``: p of the one-sided t test
        that the mean response to the farthest is below 0; ``below``: significant at .05 after
        Holm correction over all members of the participant. Empty where the files do not have
        percent signal change.
    """
    parts = [_of_subject(study, subject, responses, fraction)
             for subject, responses in percent.items() if responses is not None]
    parts = [part for part in parts if len(part)]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=COLUMNS)


def _of_subject(study: ConceptStudy, subject: str, responses: NDArray,
                fraction: float) -> pd.DataFrame:
    labels = study.concepts.labels[study.subjects.index(subject)]
    members, test = np.flatnonzero(labels >= 0), study.test_conditions(subject)
    near = np.argsort(-cosines(study.centroids, study.decoding.space.vectors[test]), axis=1)
    n, values = max(2, round(fraction * len(test))), np.ascontiguousarray(responses.T[members])
    nearest, farthest = (np.take_along_axis(values, order, axis=1) for order in (
        near[labels[members], :n], near[labels[members], -n:]))
    p_below = p_below_zero(farthest)
    return pd.DataFrame({
        "subject": subject, "concept": labels[members].astype(int), "voxel": members,
        "most": nearest.mean(1), "least": farthest.mean(1), "usual": values.mean(1),
        "p_below": p_below, "below": correct_p_values(p_below) < 0.05}, columns=COLUMNS)


def p_below_zero(values: NDArray) -> NDArray[np.float64]:
    """Return the p value of the one-sided one-sample t test for a mean below 0.

    Parameters
    ----------
    values : array, float, shape (..., n)
        What does not vary has the p value 0 below 0, otherwise 1.
    """
    values = np.asarray(values, float)
    mean, varies = values.mean(-1), subtract_mean(values, -1).any(-1)
    t = np.divide(mean, values.std(-1, ddof=1) / np.sqrt(values.shape[-1]),
                  out=np.where(mean < 0, -np.inf, np.inf), where=varies)
    return special.stdtr(values.shape[-1] - 1, t)
