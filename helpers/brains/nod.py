"""Floor 1. The Natural Object Dataset in its ciftify layout: single trials, one picture each."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from pathlib import Path

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from scipy.io import loadmat

from helpers.brains.algonauts import Files
from helpers.brains.cohort import Cohort, Fold, Responses
from helpers.brains.files import PUT_AGAIN, readable, stat_digest
from helpers.brains.rois import FAMILIES, checked
from helpers.brains.splits import fit_choose_test
from helpers.errors import LabError

N_CORTEX = 59_412
"""Cortical vertices of a full file, the first of its 91,282 grayordinates."""
N_LABELS = 180
"""Glasser's areas a hemisphere: 1-180 left, 181-360 right."""
RUN = re.compile(r"ses-imagenet(\d+)_task-imagenet_run-(\d+)$")


class NOD(Cohort):
    """Open a folder with NOD's derivatives.

    A condition is a picture; it was shown once, so there are no repeats, no ncsnr and no noise
    ceiling. Betas are z-scored within each run.

    Parameters
    ----------
    root : Path
        Holds ``derivatives/ciftify``, ``stimuli`` and ``supportfiles``.
    subjects : sequence of str
        ``sub-01`` ...; empty: all.
    n_best : int
        Vertices with the largest pRF R² that are kept of each area and hemisphere (published:
        50); 0: all.
    scalar : bool
        z-score with one mean and one standard deviation a run, over all vertices, as published;
        by default every vertex has its own.
    """

    name, units = "NOD", "z within run"

    def __init__(self, root: Path, *, subjects: Sequence[str] = (), n_best: int = 50,
                 scalar: bool = False) -> None:
        self.root, self.n_best, self.scalar = root, n_best, scalar
        present = sorted(path.parent.name for path in
                         root.glob("derivatives/ciftify/sub-*/results"))
        missing = [name for name in subjects if name not in present] if present else ["sub-01"]
        if missing:
            raise LabError(f"no derivatives/ciftify/{missing[0]}/results in {root}",
                           expected="ses-imagenet01_task-imagenet_run-1 and others",
                           remedy="see [nod] in helpers/sources.toml")
        self.subjects = tuple(subjects) or tuple(present)
        self._runs = {name: self._list_runs(name) for name in self.subjects}
        self._shown = {name: [self._labels(run) for run in runs]
                       for name, runs in self._runs.items()}
        names = sorted({line for runs in self._shown.values() for run in runs for line in run})
        self._index = {name: i for i, name in enumerate(names)}
        self.album = Files([root / "stimuli" / name for name in names])
        self.condition_of = np.arange(len(names))

    def _list_runs(self, subject: str) -> list[Path]:
        """Return a participant's runs, in order, refusing a gap."""
        folder = self.root / "derivatives/ciftify" / subject / "results"
        found = {tuple(map(int, RUN.search(path.name).groups())): path
                 for path in folder.iterdir() if RUN.search(path.name)}
        for session, run in found:
            lacking = [(session, r) for r in range(1, run) if (session, r) not in found]
            if lacking:
                raise LabError(f"{subject} lacks run {lacking[0][1]} of session {session}",
                               expected="all runs of a session", remedy=PUT_AGAIN)
        if not found:
            raise LabError(f"no run of {subject} in {folder}",
                           expected="ses-imagenet01_task-imagenet_run-1 …", remedy=PUT_AGAIN)
        return [found[key] for key in sorted(found)]

    def _labels(self, run: Path) -> list[str]:
        """Read the picture of each row, as its path below ``stimuli``."""
        text = readable(run / f"{run.name}_label.txt", lambda p: p.read_text(encoding="utf-8"),
                        "one picture a line")
        lines = [line.strip().removeprefix("stimuli/") for line in text.splitlines()]
        return [line if "/" in line else f"imagenet/{line.split('_')[0]}/{line}"
                for line in lines if line]

    def _areas(self) -> dict[str, tuple[NDArray[np.bool_], NDArray[np.bool_]]]:
        """Return Glasser's V1 to V4, left and right, among the cortical vertices."""
        folder = self.root / "supportfiles"
        atlas = readable(folder / "MMP_mpmLR32k.mat", loadmat, "glasser_MMP")
        values = np.asarray(atlas["glasser_MMP"]).ravel()
        with (folder / "roilbl_mmp.csv").open(encoding="utf-8", newline="") as file:
            rows = [[cell.strip() for cell in row] for row in csv.reader(file) if row]
        label_of: dict[str, int] = {}
        for row in rows:
            numbers = [int(cell) for cell in row if cell.isdigit()]
            for cell in row:
                name = cell.removeprefix("L_").removeprefix("R_").removesuffix("_ROI")
                if name in FAMILIES["glasser"] and numbers:
                    label_of.setdefault(name, numbers[0])
        lacking = [name for name in FAMILIES["glasser"] if name not in label_of]
        if lacking:
            raise LabError(f"{folder / 'roilbl_mmp.csv'} does not name {lacking[0]}",
                           expected="a row with the name and the integer of every area",
                           remedy=PUT_AGAIN)
        return {name: (values == label, values == label + N_LABELS)
                for name, label in label_of.items()}

    def rois(self, subject: str) -> tuple[str, ...]:
        """Return the early areas, which everyone has."""
        areas = self._areas()
        return tuple(name for name in FAMILIES["glasser"] if any(a.any() for a in areas[name]))

    def _best(self, subject: str, area: NDArray[np.bool_], r2: NDArray | None) -> NDArray[np.int64]:
        inside = np.flatnonzero(area)
        if not self.n_best or r2 is None or len(inside) <= self.n_best:
            return inside
        return np.sort(inside[np.argsort(-np.nan_to_num(r2[inside], nan=-np.inf),
                                         kind="stable")[:self.n_best]])

    def _r2(self, subject: str, n: int) -> NDArray | None:
        """Read the pRF fit's R² (row 4 of the parameters); None where there was no such scan."""
        folder = self.root / "derivatives/ciftify" / subject / "results/ses-prf_task-prf"
        path = folder / "ses-prf_task-prf_params.dscalar.nii"
        return _cifti(path)[3, :n] if path.is_file() else None

    def responses(self, subject: str, rois: Sequence[str]) -> Responses:
        """Read all runs, z-scored within each."""
        areas = self._areas()
        n = len(next(iter(areas.values()))[0])
        chosen, r2 = checked(rois), self._r2(subject, n)
        keep = {name: [self._best(subject, area, r2) for area in areas[name]]
                for name in chosen if name in areas}
        vertex = np.concatenate([part for pair in keep.values() for part in pair] or
                                [np.zeros(0, int)])
        betas, conditions = [], []
        for run, names in zip(self._runs[subject], self._shown[subject]):
            values = _cifti(run / f"{run.name}_beta.dscalar.nii")
            if len(values) != len(names) or values.shape[1] < n:
                raise LabError(f"{run.name} of {subject}: betas {values.shape}, {len(names)} "
                               f"labels, atlas of {n} vertices",
                               expected="a row a label, and the atlas's vertices first",
                               remedy=PUT_AGAIN)
            axis = None if self.scalar else 0
            kept = values[:, :n]
            with np.errstate(divide="ignore", invalid="ignore"):
                scaled = (kept - kept.mean(axis)) / kept.std(axis)
            betas.append(scaled[:, vertex].astype(np.float32))
            conditions += [self._index[name] for name in names]
        order = np.argsort(conditions, kind="stable")
        joined, conditions = np.concatenate(betas)[order], np.array(conditions)[order]
        if len(np.unique(conditions)) != len(conditions):
            raise LabError(f"{subject} saw a picture twice", expected="single presentations",
                           remedy="leave the COCO sessions out: their repeats are not read here")
        return self._arranged(subject, keep, vertex, joined, conditions, areas)

    def _arranged(self, subject: str, keep: dict, vertex: NDArray, betas: NDArray,
                  conditions: NDArray, areas: dict) -> Responses:
        sides, members, start = [], {}, 0
        for name, (left, right) in keep.items():
            mask = np.zeros(len(vertex), bool)
            mask[start:start + len(left) + len(right)] = True
            start += len(left) + len(right)
            members[name] = mask
            sides += ["lh"] * len(left) + ["rh"] * len(right)
        found = Responses(subject, conditions, betas[:, None], np.array(sides, dtype="U2"), vertex,
                          members, np.full(len(vertex), np.nan, np.float32))
        return found.select(np.isfinite(betas).all(0), "constant or NaN")

    def folds(self, subject: str) -> tuple[Fold, ...]:
        """Split as Mulrooney & Brockmeier (2024, Appendix C): 75 % fit, 10 %, 15 % test."""
        shown = np.array([self._index[name] for run in self._shown[subject] for name in run])
        fold = fit_choose_test(len(shown))
        (fit, choose), = fold.validation
        return (Fold(np.sort(shown[fold.fit]), np.sort(shown[fold.test]),
                     ((np.sort(shown[fit]), np.sort(shown[choose])),)),)

    def digest(self, subject: str) -> str:
        """Identify the runs' files by name and size, the small ones by content."""
        return stat_digest([path for run in self._runs[subject] for path in sorted(run.iterdir())])


def _cifti(path: Path) -> NDArray[np.float32]:
    """Read a dscalar file as rows x grayordinates."""
    return readable(path, lambda p: np.asarray(nib.load(p).get_fdata(dtype=np.float32)),
                    "a ciftify dscalar file")
