"""What every cohort offers, whatever files it is read from.

A *condition* is what a response belongs to: one image (NSD, Algonauts, NOD) or one category of
images (object2vec). A participant's responses are an array of conditions x repeats x vertices.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from helpers.brains.rois import checked
from helpers.core.errors import LabError, one_of
from helpers.stimuli.image_source import ImageSource


@dataclass(frozen=True)
class Fold:
    """Conditions for one fit and its test, and for the choices made before the test.

    Attributes
    ----------
    fit, test : array, int
        Indices of conditions: fitted to; predicted and scored.
    validation : tuple of (array, array)
        Pairs (fit, predict) for choosing a layer or a penalty; none holds a test condition.
    """

    fit: NDArray[np.int64]
    test: NDArray[np.int64]
    validation: tuple[tuple[NDArray[np.int64], NDArray[np.int64]], ...]

    def __post_init__(self) -> None:
        seen = np.concatenate([self.fit, *(part for pair in self.validation for part in pair)])
        if np.isin(self.test, seen).any():
            raise LabError("a fold tests conditions that it was fitted or chosen on",
                           expected="test conditions that appear nowhere else",
                           remedy="correct the split")


@dataclass(frozen=True)
class Responses:
    """One participant's responses.

    Attributes
    ----------
    subject : str
    conditions : array, int64, shape (n_conditions,)
        Indices into the cohort's conditions, increasing.
    betas : array, float32, shape (n_conditions, n_repeats, n_vertices)
        In the units that the cohort states (z within session, for NSD); NaN where a condition
        was shown less often.
    hemisphere : array of str, shape (n_vertices,)
        ``lh``, ``rh``, or ``both`` where the data do not say.
    vertex : array, int64, shape (n_vertices,)
        Index of the vertex (voxel) in its hemisphere's file.
    members : dict, ROI -> bool, shape (n_vertices,)
        ROIs may share vertices: each comes from its own contrast.
    ncsnr : array, float32, shape (n_vertices,)
        Noise-ceiling signal-to-noise ratio of single trials; NaN where the data do not say.
    excluded : dict, reason -> int
        Vertices left out, and why. Empty: none.
    """

    subject: str
    conditions: NDArray[np.int64]
    betas: NDArray[np.float32]
    hemisphere: NDArray[np.str_]
    vertex: NDArray[np.int64]
    members: Mapping[str, NDArray[np.bool_]]
    ncsnr: NDArray[np.float32]
    excluded: Mapping[str, int] = field(default_factory=dict)

    @property
    def rois(self) -> tuple[str, ...]:
        """The ROIs that have a vertex here."""
        return tuple(roi for roi, mask in self.members.items() if mask.any())

    def select(self, mask: NDArray[np.bool_], reason: str = "") -> Responses:
        """Keep some vertices; count the others under ``reason`` where one is given."""
        excluded = dict(self.excluded)
        if reason and not mask.all():
            excluded[reason] = excluded.get(reason, 0) + int((~mask).sum())
        return replace(self, betas=self.betas[..., mask], hemisphere=self.hemisphere[mask],
                       vertex=self.vertex[mask], ncsnr=self.ncsnr[mask], excluded=excluded,
                       members={roi: old[mask] for roi, old in self.members.items()})

    def finite(self, reason: str) -> Responses:
        """Leave vertices out that have a value which is NaN or infinite."""
        return self.select(np.isfinite(self.betas).all((0, 1)), reason)

    def above(self, min_ncsnr: float) -> Responses:
        """Keep vertices whose ncsnr is above a bound, and those whose ncsnr is not known."""
        return self.select(~(self.ncsnr <= min_ncsnr), f"ncsnr not above {min_ncsnr:g}")

    def select_conditions(self, conditions: NDArray[np.int64]) -> Responses:
        """Keep those of some conditions that the participant was shown."""
        rows = np.flatnonzero(np.isin(self.conditions, conditions))
        if len(rows) == len(self.conditions):
            return self
        return replace(self, conditions=self.conditions[rows], betas=self.betas[rows])

    def of(self, roi: str, *, min_ncsnr: float | None = None) -> Responses:
        """Return the responses of one ROI, of vertices whose ncsnr is *above* a bound.

        Vertices of unknown ncsnr are kept: what is not known is no reason to drop data.

        Raises
        ------
        LabError
            If the participant has no such ROI.
        """
        if roi not in self.rois:
            raise LabError(f"{self.subject} has no {roi}",
                           expected=one_of(self.rois, "a region, but here there is none"),
                           remedy="leave this participant out of this ROI, and count who is left")
        found = self.select(self.members[roi])
        return found if min_ncsnr is None else found.above(min_ncsnr)

    def repeated(self, conditions: NDArray[np.int64], n_repeats: int) -> NDArray[np.float32]:
        """Return the first repeats of some conditions, (n_conditions, n_repeats, n_vertices).

        Raises
        ------
        LabError
            If a condition was not shown, or was shown fewer than ``n_repeats`` times.
        """
        betas = self.betas[self.rows(conditions), :n_repeats]
        if betas.shape[1] < n_repeats or np.isnan(betas[..., :1]).any():
            raise LabError(f"{self.subject}: conditions with fewer than {n_repeats} repeats",
                           expected=f"at least {n_repeats} repeats of each",
                           remedy="choose conditions that were repeated, or another noise ceiling")
        return betas

    def mean(self, conditions: NDArray[np.int64]) -> NDArray[np.float32]:
        """Average the repeats of some conditions, (n_conditions, n_vertices)."""
        betas = self.betas[self.rows(conditions)]
        return betas[:, 0] if betas.shape[1] == 1 else np.nanmean(betas, axis=1)

    def rows(self, conditions: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return where some conditions stand among this participant's.

        Raises
        ------
        LabError
            If the participant was not shown one of them.
        """
        absent = ~np.isin(conditions, self.conditions)
        if absent.any():
            raise LabError(f"{self.subject} was not shown condition {conditions[absent][0]}",
                           expected="conditions among those of this participant",
                           remedy="use the cohort's own folds")
        return np.searchsorted(self.conditions, conditions)


def select_subjects(wanted: Sequence[str], present: Iterable[str], root: Path, *, files: str,
                    remedy: str) -> tuple[str, ...]:
    """Return the participants that are wanted, by default all that are there.

    Parameters
    ----------
    wanted, present : names
    root : Path
        Of the files, for the error.
    files : str
        What each participant has there.
    remedy : str
        How to get it.

    Raises
    ------
    LabError
        If one is not there, or nobody is.
    """
    present = tuple(present)
    missing = [name for name in wanted if name not in present]
    if missing or not present:
        raise LabError(f"no participant {repr(missing[0]) + ' ' if missing else ''}in {root}",
                       expected=f"{files}; here {one_of(present, 'nobody')}",
                       remedy=f"correct `subjects` or the path in the profile; {remedy}")
    return tuple(wanted) or present


def in_any(masks: Iterable[NDArray[np.bool_]], shape: int | tuple[int, ...]) -> NDArray[np.bool_]:
    """Tell which vertices are in at least one of some ROIs, whose masks have a shape."""
    return np.any([np.zeros(shape, bool), *masks], axis=0)


class Cohort(ABC):
    """Participants and what they saw.

    Attributes
    ----------
    name : str
        For people: "NSD", "object2vec".
    units : str
        Of the betas, for axis labels and captions.
    subjects : tuple of str
    stimuli : ImageSource
        All images.
    condition_of : array, int64, shape (n_images,)
        Condition to which each image belongs.
    """

    name: str
    units: str
    subjects: tuple[str, ...]
    stimuli: ImageSource
    condition_of: NDArray[np.int64]

    def opened(self, subject: str) -> str:
        """Return a participant's name, refusing who is not among those opened."""
        if subject not in self.subjects:
            raise LabError(f"no participant {subject!r} of {self.name}",
                           expected=one_of(self.subjects), remedy="correct the name")
        return subject

    def chosen(self, subject: str, rois: Sequence[str]) -> list[str]:
        """Return those of some ROIs that a participant has, refusing an unknown one."""
        present = self.rois(subject)
        return [name for name in checked(rois) if name in present]

    @abstractmethod
    def rois(self, subject: str) -> tuple[str, ...]:
        """Return the ROIs that a participant has, in the order of the table of ROIs."""

    @abstractmethod
    def responses(self, subject: str, rois: Sequence[str]) -> Responses:
        """Read a participant's responses in those of some ROIs that the participant has.

        Raises
        ------
        LabError
            If a file is missing, truncated, or does not fit the others; if an ROI is unknown or
            named twice.
        """

    def whole_brain(self, subject: str, min_ncsnr: float) -> Responses:
        """Read a participant's responses in all that was measured, above a bound of ncsnr.

        Where the files hold regions alone: in all regions. Vertices of unknown ncsnr are kept.
        """
        return self.responses(subject, self.rois(subject)).above(min_ncsnr)

    def percent(self, subject: str, min_ncsnr: float) -> Responses | None:
        """Return what `whole_brain` returns in percent signal change; None where files lack it."""
        return None

    @abstractmethod
    def folds(self, subject: str) -> tuple[Fold, ...]:
        """Return the cohort's published way to split its conditions."""

    def shown_to_all(self) -> NDArray[np.int64]:
        """Return conditions that were meant for all participants, and are nobody's own."""
        return np.empty(0, np.int64)

    @abstractmethod
    def digest(self, subject: str) -> str:
        """Return what identifies the files that a participant's responses are read from."""
