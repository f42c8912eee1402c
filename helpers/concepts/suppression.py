"""Is the opposite of a concept suppressed, or only less than usual? Responses against baseline.

Decoders learn from responses relative to a session's mean: the images farthest from a concept may
lower its voxels below baseline, or leave them above it, only lower than average. The betas in
percent signal change tell (reviewers' questions, reviewers' question 5).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import t as t_distribution

from helpers.concepts.study import ConceptStudy
from helpers.core.constant_values import subtract_mean
from helpers.core.statistics import correct_p_values
from helpers.decoding.vectors import cosines

COLUMNS = ["subject", "concept", "voxel", "most", "least", "usual", "p_below", "below"]


def suppression_levels(study: ConceptStudy, percent: Mapping[str, NDArray | None], *,
                  share: float = 0.1) -> pd.DataFrame:
    """Return each member voxel's response to the nearest and to the farthest held-out images.

    Parameters
    ----------
    study : ConceptStudy
    percent : dict, participant -> array
        Of `ConceptStudy.percent_signal_change`.
    share : float
        Of the held-out images that count as nearest, and as farthest.

    Returns
    -------
    DataFrame
        Columns ``subject, concept, voxel`` (row of the participant's weights); ``most, least,
        usual``: mean response in percent signal change against baseline to the nearest, farthest
        and all held-out images (repeats averaged); ``p_below``: one-sided, that the mean response
        to the farthest is below 0; ``below``: after Holm over all members of the
        participant, at .05. Empty where the files do not have percent signal change.
    """
    parts = [part for subject, responses in percent.items() if responses is not None
             if len(part := _of_subject(study, subject, responses, share))]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=COLUMNS)


def _of_subject(study: ConceptStudy, subject: str, responses: NDArray,
                share: float) -> pd.DataFrame:
    labels = study.concepts.labels[study.subjects.index(subject)]
    members, test = np.flatnonzero(labels >= 0), study.test_conditions(subject)
    if not len(members):
        return pd.DataFrame(columns=COLUMNS)
    near = np.argsort(-cosines(study.centroids, study.decoding.space.vectors[test]), axis=1)
    n = max(2, round(share * len(test)))
    rows = []
    for voxel in members:
        order, values = near[labels[voxel]], responses[:, voxel]
        rows.append((subject, int(labels[voxel]), int(voxel), values[order[:n]].mean(),
                     values[order[-n:]].mean(), values.mean(), p_below_zero(values[order[-n:]])))
    table = pd.DataFrame(rows, columns=COLUMNS[:-1])
    return table.assign(below=correct_p_values(table["p_below"]) < 0.05)


def p_below_zero(values: NDArray) -> float:
    """Return the one-sided p of a t test that the mean of some values is below 0."""
    values = np.asarray(values, float)
    if not subtract_mean(values).any():
        return float(not values.mean() < 0)
    spread = values.std(ddof=1)
    return float(t_distribution.cdf(values.mean() / (spread / np.sqrt(len(values))),
                                    len(values) - 1))
