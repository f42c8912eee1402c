"""The Natural Scenes Dataset as its release has it: surface or volume.

Session by session, betas are z-scored and scattered into images x repeats x vertices.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import block_diag

from helpers.brains.cohort import Cohort, Fold, Responses, in_any, select_subjects
from helpers.brains.files import read_volume, unlike_release
from helpers.brains.hdf5_images import HDF5Images
from helpers.brains.nsd_files import (
    BETAS,
    FAMILIES_NSD,
    HEMISPHERES,
    SPACES,
    STIMULI,
    TABLE,
    NSDFiles,
    list_subjects,
)
from helpers.brains.reliability import check_released_ncsnr
from helpers.brains.rois import FAMILIES, require_label_sets, roi, sort_rois
from helpers.brains.sessions import open_session, read_session
from helpers.brains.splits import (
    N_REPEATS,
    SPECIAL515,
    TRIALS,
    batches,
    checked_sessions,
    presentations,
    read_presentations,
    shared_images,
)
from helpers.config.validation import suggest
from helpers.core.content_digests import files_digest
from helpers.core.errors import LabError

SCALE = 300
"""Betas are stored as so many times percent signal change."""
Masks = Mapping[str, tuple[NDArray[np.bool_], NDArray[np.bool_]]]
"""ROI -> vertices in the left and in the right hemisphere."""

__all__ = ["BETAS", "FAMILIES_NSD", "HEMISPHERES", "NSD"]


class NSD(Cohort):
    """Open a folder with NSD's files.

    Parameters
    ----------
    root : Path
        Holds ``nsddata``, ``nsddata_betas`` and ``nsddata_stimuli``.
    subjects : sequence of str
        Empty: all that have betas.
    n_pool, n_batches : int
        As for `helpers.brains.splits.batches`.
    n_shared : int
        Number of test images that is expected; 0: any.
    space : {"nativesurface", "func1pt8mm"}
    n_sessions : dict, subject -> int, optional
        First sessions that are used, as `helpers.brains.splits.SHARED413` has them; of
        participants who are not named: all that are there.

    Raises
    ------
    LabError
        If a file is missing, a session among others, or does not fit the others; on reading, if
        betas, ncsnr and table are not of one participant and release.
    """

    name, units = "NSD", "z within session"

    def __init__(self, root: Path, *, subjects: Sequence[str] = (), n_pool: int = 4000,
                 n_batches: int = 4, n_shared: int = 515, space: str = "nativesurface",
                 n_sessions: Mapping[str, int] | None = None) -> None:
        if space not in SPACES:
            raise LabError(f"the space {space!r}", expected="one of " + ", ".join(SPACES),
                           remedy=suggest(space, SPACES) or "choose one of these")
        self.root, self.space = root, SPACES[space]
        self._split = {"n_pool": n_pool, "n_batches": n_batches}
        self.n_shared = n_shared
        self.info = read_presentations(root / TABLE)
        present = list_subjects(root / "nsddata_betas/ppdata", f"{self.space.folder}/{BETAS}")
        self.subjects = select_subjects(
            subjects, present, root / "nsddata_betas/ppdata",
            files=f"subj01/{self.space.folder}/{BETAS}",
            remedy="see [nsd] in helpers/datasets/sources.toml")
        require_label_sets({name: self._place(name).families() for name in self.subjects}, root)
        self._kept_sessions = checked_sessions(n_sessions or {}, self.info)
        self.n_sessions = {name: self._place(name).count_sessions(self._kept_sessions.get(name, 0))
                           for name in self.subjects}
        self.stimuli = HDF5Images(root / STIMULI)
        if len(self.stimuli) != len(self.info):
            raise unlike_release(
                f"{len(self.stimuli)} images in {STIMULI}, {len(self.info)} rows in {TABLE}",
                "as many")
        self.condition_of = np.arange(len(self.stimuli))
        self._rois: dict[str, tuple[str, ...]] = {}

    def _place(self, subject: str) -> NSDFiles:
        return NSDFiles(self.root, self.space, self.opened(subject))

    def rois(self, subject: str) -> tuple[str, ...]:
        """Return the regions with at least one vertex."""
        if subject not in self._rois:
            place, found = self._place(subject), []
            for family in place.families():
                there = np.unique(np.concatenate(place.labels(family)))
                found += [name for name in FAMILIES[family] if roi(name).label in there]
            self._rois[subject] = sort_rois(found)
        return self._rois[subject]

    def _masks(self, subject: str, rois: Sequence[str]) -> Masks:
        """Return ROI -> vertices in the left and in the right hemisphere."""
        place = self._place(subject)
        labels = {family: place.labels(family) for family in {roi(name).family for name in rois}}
        return {name: tuple(side == roi(name).label for side in labels[roi(name).family])
                for name in rois}

    def responses(self, subject: str, rois: Sequence[str]) -> Responses:
        """Read the betas of all sessions, z-scored within each, one session in memory."""
        return self._read(subject, self._masks(subject, self.chosen(subject, rois)), None)

    def whole_brain(self, subject: str, min_ncsnr: float) -> Responses:
        """Read the betas of all vertices, whatever their region, whose ncsnr is above a bound."""
        return self._read(subject, self._masks(subject, self.rois(subject)), min_ncsnr)

    def percent(self, subject: str, min_ncsnr: float) -> Responses:
        """Read the same in percent signal change against the baseline, as the files have it."""
        for part in self.space.parts:
            path = self._place(subject).session(part, 1)
            with open_session(path) as stored:
                kind = stored.dtype
            if kind.kind != "i":
                raise LabError(f"{path} has betas of type {kind}, of unknown scale",
                               expected=f"integers: percent signal change times {SCALE}",
                               remedy="use the betas as they were published (int16)")
        found = self._read(subject, {}, min_ncsnr, scaled=False)
        return replace(found, betas=found.betas / SCALE)

    def _read(self, subject: str, masks: Masks, min_ncsnr: float | None, *,
              scaled: bool = True) -> Responses:
        """Read vertices in one of some masks; or, inside and outside, all above a bound."""
        ncsnr = self._matching_ncsnr(subject, masks)
        sides = {name: self._by_side(pair) for name, pair in masks.items()}
        lengths = [len(values) for values in ncsnr.values()]
        if min_ncsnr is None:
            wanted = in_any(sides.values(), (2, sum(lengths)))
        else:
            above = [values > min_ncsnr for values in ncsnr.values()]
            wanted = self._by_side(above * (2 // len(above)))  # a volume's voxels have no side
        kept = wanted.any(0)
        left, right = wanted[:, kept]
        shown = presentations(self.info, subject, self.n_sessions[subject])
        conditions = np.flatnonzero((shown >= 0).any(1))
        betas = np.full((len(conditions), N_REPEATS, len(left)), np.nan, np.float32)
        good, vertices, start = np.ones(len(left), bool), [], 0
        for part, inside in zip(ncsnr, np.split(kept, np.cumsum(lengths)[:-1])):
            vertices.append(np.flatnonzero(inside))
            here = slice(start, start + len(vertices[-1]))
            self._fill(betas[..., here], good[here], self._place(subject), part, inside,
                       shown[conditions], scaled)
            start = here.stop
        found = Responses(
            subject, conditions, betas,
            np.select([left & ~right, right & ~left], HEMISPHERES, "both"),
            np.concatenate(vertices), {name: pair.any(0)[kept] for name, pair in sides.items()},
            np.concatenate([*ncsnr.values()])[kept])
        found = found if good.all() else found.select(good, "constant or NaN")
        if scaled:
            check_released_ncsnr(found.betas, found.ncsnr, subject)
        return found

    def _by_side(self, pair: Sequence[NDArray[np.bool_]]) -> NDArray[np.bool_]:
        """Return two rows, left and right, over the vertices of all files of a session."""
        return block_diag(*pair) if len(self.space.parts) == 2 else np.stack(pair)

    def _matching_ncsnr(self, subject: str, masks: Masks) -> dict[str, NDArray[np.float32]]:
        """Read the ncsnr of each hemisphere (or the volume), checking that all files match."""
        place, found = self._place(subject), {}
        for part in self.space.parts:
            found[part] = np.ravel(read_volume(place.ncsnr(part))).astype(np.float32)
            with open_session(place.session(part, 1)) as stored:
                n = stored.n_vertices
            lengths = {f"ncsnr ({place.ncsnr(part)})": len(found[part])} | {
                f"labels of {region}": len(side) for region, pair in masks.items()
                for hemisphere, side in zip(HEMISPHERES, pair) if part in ("", hemisphere)}
            for what, length in lengths.items():
                if length != n:
                    raise LabError(f"{subject} {part}: {what} for {length} vertices, betas of {n}",
                                   expected="the same vertices in all files",
                                   remedy="use files of the same participant and space")
        return found

    def _fill(self, betas: NDArray[np.float32], good: NDArray[np.bool_], place: NSDFiles,
              part: str, inside: NDArray[np.bool_], shown: NDArray[np.int64],
              scaled: bool) -> None:
        """Scatter all sessions into images x repeats x vertices; mark what is constant or NaN."""
        for session in range(self.n_sessions[place.subject]):
            values = read_session(place.session(part, session + 1), np.flatnonzero(inside),
                                  n_vertices=len(inside), scaled=scaled)
            image, repeat = np.nonzero(shown // TRIALS == session)
            betas[image, repeat] = values[shown[image, repeat] - session * TRIALS]
            good &= np.isfinite(values).all(0)

    def folds(self, subject: str) -> tuple[Fold, ...]:
        """Fit on batch 0, choose on batch 1, test on what all participants saw three times
        (authors' nsdorg.py).

        Of participants who are not opened, `n_sessions` counts, or the published number.
        """
        known = {**self._kept_sessions, **self.n_sessions}
        participants = {name: known.get(name, n) for name, n in SPECIAL515.items()
                    if f"subject{int(name[4:])}_rep0" in self.info}
        test = shared_images(self.info, participants)
        if self.n_shared and len(test) != self.n_shared:
            raise LabError(f"{len(test)} images were seen {N_REPEATS} times by all "
                           f"{len(participants)} participants", expected=f"{self.n_shared}",
                           remedy="compare n_sessions in the profile with the published numbers "
                           "(paper.toml), fetch these sessions, or set n_shared to 0")
        fit, choose, *_ = batches(self.info, subject, self.n_sessions[self.opened(subject)],
                                  **self._split)
        return (Fold(fit, test, ((fit, choose),)),)

    def shown_to_all(self) -> NDArray[np.int64]:
        """Return the shared images (``shared1000``), however often they were seen."""
        return np.flatnonzero(self.info["shared1000"])

    def digest(self, subject: str) -> str:
        """Identify the files of all sessions, of labels and of the table by name and content."""
        place = self._place(subject)
        sessions = [place.session(part, number + 1) for part in self.space.parts
                    for number in range(self.n_sessions[subject])]
        return files_digest([*sessions, self.root / TABLE, *place.small_files()])
