"""Noise ceiling of an RDM from the agreement between participants (Nili et al. 2014)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from helpers.core.errors import LabError
from helpers.rsa.dissimilarity import rank_data, spearman_rdms


def participant_ceiling(rdms: NDArray[np.float64]) -> tuple[float, float]:
    r"""Return lower and upper bound of the correlation that the best model would reach.

    With the ranks :math:`r_s` of participant *s*'s dissimilarities, the upper bound is the mean
    over *s* of :math:`\rho(r_s, \bar r)`, the lower of :math:`\rho(r_s, \bar r_{-s})`, where
    :math:`\bar r_{-s}` leaves *s* out. The true ceiling lies between them in expectation.

    Parameters
    ----------
    rdms : array, float, shape (n_participants, n_pairs)

    Returns
    -------
    lower, upper : float
        Spearman's rho.

    Raises
    ------
    LabError
        For fewer than two participants.
    """
    rdms = np.asarray(rdms, float)
    if rdms.ndim != 2 or len(rdms) < 2:
        raise LabError(f"RDMs of shape {rdms.shape}", expected="two participants or more x pairs",
                       remedy="without a second participant there is no such ceiling")
    ranks = rank_data(rdms)
    total = ranks.sum(axis=0)
    lower, upper = ([spearman_rdms(others, own) for others, own in zip(references, ranks)]
                    for references in (total - ranks, [total] * len(ranks)))
    return float(np.mean(lower)), float(np.mean(upper))
