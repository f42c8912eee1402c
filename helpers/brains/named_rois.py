"""Regions that a profile names, against those that the participants have."""

from __future__ import annotations

from collections.abc import Iterable

from helpers.brains.cohort import Cohort
from helpers.brains.rois import sort_rois
from helpers.core.errors import LabError, one_of

SINGLE_DOMAIN_KEY = "single_domain_rois of the table [encoding]"


def require_rois(cohort: Cohort, rois: Iterable[str], key: str) -> None:
    """Require that at least one participant has each of some regions.

    Parameters
    ----------
    cohort : Cohort
    rois : iterable of str
    key : str
        Of the profile, which names them.

    Raises
    ------
    LabError
        Names the regions that no participant has, and lists those that there are.
    """
    there = sort_rois({roi for subject in cohort.subjects for roi in cohort.rois(subject)})
    absent = [roi for roi in rois if roi not in there]
    if absent:
        raise LabError(f"no participant of {cohort.name} has {', '.join(absent)}, named in {key}",
                       expected=one_of(there, "a region; there is none"),
                       remedy=f"correct {key} in the profile, or leave it out")
