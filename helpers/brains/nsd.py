"""Floor 1. The Natural Scenes Dataset as its release has it: surface or volume.

Session by session, betas are z-scored and scattered into pictures x repeats x vertices.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from helpers.brains.cohort import Cohort, Fold, Responses
from helpers.brains.files import (
    PUT_AGAIN,
    Brick,
    read_names,
    read_volume,
    readable,
    stat_digest,
)
from helpers.brains.rois import FAMILIES, check_labels, checked, ordered, roi
from helpers.brains.sessions import read_session
from helpers.brains.splits import (
    N_REPEATS,
    SPECIAL515,
    TRIALS,
    batches,
    presentations,
    seen_by_all,
)
from helpers.errors import LabError

BETAS = "betas_fithrf_GLMdenoise_RR"
HEMISPHERES = ("lh", "rh")
FAMILIES_NSD = tuple(FAMILIES)[:7]


@dataclass(frozen=True)
class Space:
    """Where a space's files lie: of betas, ncsnr and labels.

    Attributes
    ----------
    folder : str
        Of the betas, below ``ppdata/subjXX``.
    parts : tuple of str
        Hemispheres with files of betas of their own; ("",) for a volume.
    ncsnr, labels, names : str
        Patterns with ``part`` (hemisphere, dot) , ``side`` and ``family``.
    """

    folder: str
    parts: tuple[str, ...]
    ncsnr: str
    labels: str
    names: str


SPACES = {
    "nativesurface": Space("nativesurface", HEMISPHERES, "{part}.ncsnr.mgh",
                           "nsddata/freesurfer/{subject}/label/{side}.{family}.mgz",
                           "nsddata/freesurfer/{subject}/label/{family}.mgz.ctab"),
    "func1pt8mm": Space("func1pt8mm", ("",), "ncsnr.nii.gz",
                        "nsddata/ppdata/{subject}/func1pt8mm/roi/{side}.{family}.nii.gz",
                        "nsddata/freesurfer/{subject}/label/{family}.mgz.ctab"),
}


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
        Number of test pictures that is expected; 0: any.
    space : {"nativesurface", "func1pt8mm"}
    """

    name, units = "NSD", "z within session"

    def __init__(self, root: Path, *, subjects: Sequence[str] = (), n_pool: int = 4000,
                 n_batches: int = 4, n_shared: int = 515, space: str = "nativesurface") -> None:
        self.root, self.space = root, SPACES[space]
        self._split = {"n_pool": n_pool, "n_batches": n_batches}
        self.n_shared = n_shared
        self._csv = root / "nsddata/experiments/nsd/nsd_stim_info_merged.csv"
        self.info = readable(self._csv, pd.read_csv, "NSD's table of presentations")
        present = sorted(path.parent.parent.name for path in (
            root / "nsddata_betas/ppdata").glob(f"subj*/{self.space.folder}/{BETAS}"))
        missing = [name for name in subjects if name not in present] if present else ["subj01"]
        if missing:
            raise LabError(f"no betas of {missing[0]} in {root / 'nsddata_betas/ppdata'}",
                           expected=f"{missing[0]}/{self.space.folder}/{BETAS}/",
                           remedy="see [nsd] in helpers/sources.toml for where to get them")
        self.n_sessions = {name: self._sessions(name) for name in present}
        self.subjects = tuple(subjects) or tuple(present)
        self.album = Brick(root / "nsddata_stimuli/stimuli/nsd/nsd_stimuli.hdf5")
        if len(self.album) != len(self.info):
            raise LabError(f"{len(self.album)} pictures, {len(self.info)} rows in {self._csv.name}",
                           expected="as many", remedy=PUT_AGAIN)
        self.condition_of = np.arange(len(self.album))

    def _betas(self, subject: str) -> Path:
        return self.root / "nsddata_betas/ppdata" / subject / self.space.folder / BETAS

    def _session(self, subject: str, part: str, number: int) -> Path:
        name = f"betas_session{number:02d}.hdf5"
        return self._betas(subject) / (f"{part}.{name}" if part else name)

    def _sessions(self, subject: str) -> int:
        """Count the sessions, refusing a gap, or a hemisphere that lacks one."""
        ends = {part: sorted(int(path.stem[-2:]) for path in self._betas(subject).glob(
            f"{part}.betas_session*.hdf5" if part else "betas_session*.hdf5"))
            for part in self.space.parts}
        n = max((max(found, default=0) for found in ends.values()), default=0)
        for part, found in ends.items():
            lacking = sorted(set(range(1, n + 1)) - set(found))
            if lacking or not n:
                raise LabError(f"no file {self._session(subject, part, lacking[0] if n else 1)}",
                               expected=f"all sessions from 1 to {n or 'the last'}",
                               remedy="fetch it: later trials cannot be told apart without it")
        return n

    def labels(self, subject: str, family: str) -> tuple[list[NDArray[np.int64]], dict[int, str]]:
        """Read a label set: integers per vertex of each part of the betas, and their names."""
        where = {"subject": subject, "family": family}
        ctab = self.root / self.space.names.format(**where)
        names = read_names(ctab) if family != "nsdgeneral" else {1: "nsdgeneral"}
        check_labels(family, names, str(ctab))
        sides = [np.asarray(read_volume(self.root / self.space.labels.format(side=side, **where)),
                            np.int64).ravel() for side in HEMISPHERES]
        if len(self.space.parts) == 2:
            return sides, names
        return [np.where(sides[0] > 0, sides[0], sides[1])], names

    def _families(self, subject: str) -> list[str]:
        return [family for family in FAMILIES_NSD if (self.root / self.space.labels.format(
            subject=subject, side="lh", family=family)).is_file()]

    def rois(self, subject: str) -> tuple[str, ...]:
        """Return the regions with at least one vertex."""
        found = []
        for family in self._families(subject):
            values, names = self.labels(subject, family)
            there = np.unique(np.concatenate(values))
            found += [names[label] for label in there if label > 0 and label in names]
        return ordered(found)

    def _masks(self, subject: str, rois: Sequence[str]) -> dict[str, list[NDArray[np.bool_]]]:
        by_family: dict[str, list[NDArray[np.int64]]] = {}
        masks = {}
        for name in rois:
            family = roi(name).family
            if family not in by_family:
                by_family[family] = self.labels(subject, family)[0]
            masks[name] = [values == roi(name).label for values in by_family[family]]
        return masks

    def responses(self, subject: str, rois: Sequence[str]) -> Responses:
        """Read the betas of all sessions, z-scored within each."""
        present = self.rois(subject)
        masks = self._masks(subject, [name for name in checked(rois) if name in present])
        shown = presentations(self.info, subject, self.n_sessions[subject])
        conditions = np.flatnonzero((shown >= 0).any(1))
        parts = [self._part(subject, p, [mask[p] for mask in masks.values()],
                            shown[conditions]) for p in range(len(self.space.parts))]
        join = lambda key: np.concatenate([part[key] for part in parts], axis=-1)  # noqa: E731
        members = {name: np.concatenate([mask[parts[p]["vertex"]]
                                         for p, mask in enumerate(masks[name])]) for name in masks}
        found = Responses(subject, conditions, join("betas"), join("hemisphere"), join("vertex"),
                          members, join("ncsnr"))
        return found.select(join("good"), "constant or NaN")

    def _part(self, subject: str, p: int, masks: Sequence[NDArray[np.bool_]],
              shown: NDArray[np.int64]) -> Mapping[str, NDArray]:
        """Read one hemisphere (or the volume) into pictures x repeats x vertices."""
        part = self.space.parts[p]
        path = self._betas(subject) / self.space.ncsnr.format(part=part)
        ncsnr = np.asarray(read_volume(path), np.float32).ravel()
        wrong = [mask for mask in masks if mask.shape != ncsnr.shape]
        n_vertices = self._width(subject, part)
        if wrong or len(ncsnr) != n_vertices:
            seen = len(wrong[0]) if wrong else len(ncsnr)
            raise LabError(f"{subject} {part}: {'labels' if wrong else 'ncsnr'} of {seen} vertices,"
                           f" betas of {n_vertices}", expected="the same vertices in all files",
                           remedy="use labels and betas of the same participant and space")
        vertex = np.flatnonzero(np.any([*masks, np.zeros(len(ncsnr), bool)], axis=0))
        betas = np.full((*shown.shape, len(vertex)), np.nan, np.float32)
        for session in range(self.n_sessions[subject]):
            values = read_session(self._session(subject, part, session + 1), vertex)
            picture, repeat = np.nonzero(shown // TRIALS == session)
            betas[picture, repeat] = values[shown[picture, repeat] - session * TRIALS]
        good = np.isfinite(betas[shown >= 0]).all(0)
        return {"betas": betas, "vertex": vertex, "ncsnr": ncsnr[vertex], "good": good,
                "hemisphere": np.full(len(vertex), part or "both")}

    def _width(self, subject: str, part: str) -> int:
        path = self._session(subject, part, 1)
        with readable(path, h5py.File, "an HDF5 file of betas") as file:
            return int(np.prod(file["betas"].shape[1:])) if "betas" in file else -1

    def folds(self, subject: str) -> tuple[Fold, ...]:
        """Fit on batch 0, choose on batch 1, test on what everyone saw three times (spec 4.3).

        Of participants whose files are not here, the published number of sessions counts.
        """
        everyone = {name: self.n_sessions.get(name, n) for name, n in SPECIAL515.items()
                    if f"subject{int(name[4:])}_rep0" in self.info}
        test = seen_by_all(self.info, everyone)
        if self.n_shared and len(test) != self.n_shared:
            raise LabError(f"{len(test)} pictures were seen {N_REPEATS} times by all "
                           f"{len(everyone)} participants", expected=f"{self.n_shared}",
                           remedy="fetch all sessions of all participants, or set n_shared to 0")
        fit, choose, *_ = batches(self.info, subject, self.n_sessions[subject], **self._split)
        return (Fold(fit, test, ((fit, choose),)),)

    def digest(self, subject: str) -> str:
        """Identify the files by name and size, the small ones by content."""
        folder = self.root / self.space.labels.format(subject=subject, side="lh", family="x")
        return stat_digest([self._csv, *sorted(folder.parent.glob("*")),
                            *sorted(path for path in self._betas(subject).iterdir())])
