"""The Natural Object Dataset in its ciftify layout: single trials, one image each."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from helpers.brains.cohort import Cohort, Fold, Responses, select_subjects
from helpers.brains.files import Files, UnexpectedFile, readable, unlike_release, whole_numbers
from helpers.brains.mat_files import read_mat
from helpers.brains.nsd_files import list_subjects
from helpers.brains.rois import GLASSER
from helpers.brains.splits import split_fit_validation_test
from helpers.core.content_digests import files_digest
from helpers.core.digest import text_digest
from helpers.core.errors import LabError
from helpers.core.stray_files import is_stray, select_by_pattern
from helpers.core.text import read_lines, read_text

N_LABELS = 180
"""Glasser's areas a hemisphere: 1-180 left, 181-360 right."""
R2_ROW = 3
"""Row of the pRF parameters that holds R² (after angle, eccentricity and size)."""
RUN = re.compile(r"ses-imagenet(\d\d)_task-imagenet_run-(\d+)")
IMAGE = re.compile(r"(?!/)(?!(.*/)?\.\./)(.+/.+|n\d+_\d+)\.[A-Za-z]+")
"""An image's path, or its name in ImageNet, whose folder the name begins with."""
AREA = re.compile(r"[LR]_\w+_ROI")


class NOD(Cohort):
    """Open a folder with NOD's derivatives.

    A condition is an image; it was shown once, so there are no repeats, no ncsnr and no noise
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
    per_run : {"vertex", "scalar"}
        "scalar": one mean and one standard deviation a run, over all cortical vertices, as the
        published code has it. By default every vertex has its own, which removes what differs
        between vertices for reasons other than the images.
    n_sessions : int
        Sessions of ImageNet images (published: the first 4; some people have a fifth).
    """

    name, units = "NOD", "z within run"

    def __init__(self, root: Path, *, subjects: Sequence[str] = (), n_best: int = 50,
                 per_run: str = "vertex", n_sessions: int = 4) -> None:
        if per_run not in ("vertex", "scalar"):
            raise LabError(f"per_run = {per_run!r}", expected="'vertex' or 'scalar'",
                           remedy="choose one of these")
        self.root, self.n_best, self.per_run = root, n_best, per_run
        present = list_subjects(root / "derivatives/ciftify", "results", pattern=r"sub-\d\d",
                                example="sub-01")
        self.subjects = select_subjects(
            subjects, present, root, files="derivatives/ciftify/sub-01/results and others",
            remedy="see [nod] in helpers/datasets/sources.toml")
        self._runs = {name: self._list_runs(name, n_sessions) for name in self.subjects}
        self._shown = {name: [_images(run) for run in runs]
                       for name, runs in self._runs.items()}
        names = sorted({line for runs in self._shown.values() for run in runs for line in run})
        self._index = {name: i for i, name in enumerate(names)}
        self.stimuli = Files([root / "stimuli" / name for name in names])
        self.condition_of = np.arange(len(names))
        self._areas = self._read_areas()

    def _results(self, subject: str) -> Path:
        return self.root / "derivatives/ciftify" / self.opened(subject) / "results"

    def _list_runs(self, subject: str, n_sessions: int) -> list[Path]:
        """Return a participant's runs, in order, refusing a gap."""
        folder = self._results(subject)
        runs = select_by_pattern(folder.glob("ses-imagenet*"), RUN, "the run",
                                 "ses-imagenet01_task-imagenet_run-1")
        found = {tuple(map(int, RUN.fullmatch(path.name).groups())): path for path in runs}
        found = {key: path for key, path in found.items() if key[0] <= n_sessions}
        before = {(session, r) for session, run in found for r in range(1, run)}
        before |= {(s, 1) for session, _ in found for s in range(1, session)}
        for session, run in sorted((before or {(1, 1)}) - set(found)):
            raise LabError(f"{subject} lacks run {run} of session {session}",
                           expected="all runs up to the last",
                           remedy=f"fetch ses-imagenet{session:02d}_task-imagenet_run-{run} into "
                           f"{folder}")
        return [found[key] for key in sorted(found)]

    def _read_areas(self) -> dict[str, tuple[NDArray[np.bool_], NDArray[np.bool_]]]:
        """Return V1 to V4, left and right, among the cortical vertices."""
        folder = self.root / "supportfiles"
        atlas = folder / "MMP_mpmLR32k.mat"
        values = whole_numbers(np.ravel(read_mat(atlas, "glasser_MMP")), atlas, minimum=0,
                               maximum=2 * N_LABELS)
        if not (values > N_LABELS).any():
            raise unlike_release(f"{atlas}: labels up to {values.max(initial=0)}",
                                 f"1 to {N_LABELS} left, {N_LABELS + 1} to {2 * N_LABELS} right")
        names = folder / "roilbl_mmp.csv"
        text = readable(names, read_text, "names of areas, a row each")
        rows = [line for line in text.splitlines() if AREA.search(line)]  # not the heading
        for name, label in GLASSER.items():
            if f"L_{name}_ROI" not in "".join(rows[label - 1:label]):
                raise unlike_release(f"{names}: area {label} is not {name} of the left hemisphere",
                                     f"{N_LABELS} rows, L_{name}_ROI in row {label}")
        return {name: (values == label, values == label + N_LABELS)
                for name, label in GLASSER.items()}

    def rois(self, subject: str) -> tuple[str, ...]:
        """Return the early areas, which all participants have."""
        self.opened(subject)
        return tuple(name for name, sides in self._areas.items() if any(s.any() for s in sides))

    def _goodness_of_fit(self, subject: str) -> NDArray[np.float64]:
        """Read the pRF model's R² of every vertex; -inf where it has none."""
        path = self._results(subject) / "ses-prf_task-prf/ses-prf_task-prf_params.dscalar.nii"
        if not path.is_file():
            raise LabError(f"{subject} has no {path.name}",
                           expected="pRF parameters, to choose the vertices they fit best",
                           remedy="take sub-01 to sub-09, or open NOD with n_best=0")
        values, n = _values(path), len(self._areas["V1"][0])
        if len(values) <= R2_ROW or values.shape[1] < n:
            raise unlike_release(f"{path} is {values.shape}",
                                 f"{R2_ROW + 1} rows or more (R² in row {R2_ROW + 1}), {n} "
                                 "vertices or more")
        return np.where(np.isfinite(values[R2_ROW]), values[R2_ROW], -np.inf)

    def _best_vertices(self, subject: str, rois: Sequence[str]) -> dict[str, NDArray[np.int64]]:
        """Return the vertices of each area that the pRF model fits best, of both hemispheres."""
        inside = {name: [np.flatnonzero(side) for side in self._areas[name]] for name in rois}
        if self.n_best and rois:
            r2 = self._goodness_of_fit(subject)
            inside = {name: [side[np.argsort(-r2[side], kind="stable")[:self.n_best]]
                             for side in sides] for name, sides in inside.items()}
        return {name: np.sort(np.concatenate(sides)) for name, sides in inside.items()}

    def responses(self, subject: str, rois: Sequence[str]) -> Responses:
        """Read all runs, z-scored within each."""
        columns = self._best_vertices(subject, self.chosen(subject, rois))
        left_out = (sum(int(side.sum()) for name in columns for side in self._areas[name])
                    - sum(map(len, columns.values())))
        kept = np.unique(np.concatenate([np.zeros(0, int), *columns.values()]))
        betas = [self._scaled(run, len(names), kept)
                 for run, names in zip(self._runs[subject], self._shown[subject])]
        conditions = self._conditions(subject)
        order = np.argsort(conditions)
        joined = np.concatenate(betas)[order]
        hemisphere, vertex = _places(self._runs[subject][0], kept)
        return Responses(
            subject, conditions[order], joined[:, None], hemisphere, vertex,
            {name: np.isin(kept, chosen) for name, chosen in columns.items()},
            np.full(len(kept), np.nan, np.float32),
            {f"pRF R² not among the {self.n_best} best": left_out} if left_out else {}
        ).finite("constant or NaN")

    def _scaled(self, run: Path, n_trials: int, columns: NDArray[np.int64]) -> NDArray[np.float32]:
        """Read a run's betas of some columns and z-score them."""
        path, n = run / f"{run.name}_beta.dscalar.nii", len(self._areas["V1"][0])
        values = _values(path)
        if len(values) != n_trials or values.shape[1] < n:
            raise LabError(f"{path}: betas {values.shape}, {n_trials} labels, atlas of {n} "
                           "vertices", expected="a row a label, and the atlas's vertices first",
                           remedy=f"use betas and labels of one run, as they were published; look "
                           f"into {_label_file(run).name} for a line too many or too few")
        kept = values[:, columns].astype(np.float64)
        mean, std = kept.mean(0), kept.std(0)
        if self.per_run == "scalar":  # of the cortex, without vertices that lack values
            cortex = values[:, :n][:, np.isfinite(values[:, :n]).all(0)]
            mean, std = cortex.mean(dtype=np.float64), cortex.std(dtype=np.float64)
        constant = (kept == kept[:1]).all(0)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(constant, np.nan, (kept - mean) / std).astype(np.float32)

    def _conditions(self, subject: str) -> NDArray[np.int64]:
        """Return the image of every trial, in the order of the runs."""
        found = np.array([self._index[name] for run in self._shown[self.opened(subject)]
                          for name in run])
        if len(np.unique(found)) != len(found):
            raise LabError(f"{subject} saw an image twice", expected="single presentations",
                           remedy="leave such sessions out: repeats are not read here")
        return found

    def folds(self, subject: str) -> tuple[Fold, ...]:
        """Split as Mulrooney & Brockmeier (2024, Appendix C): 75 % fit, 10 %, 15 % test."""
        return (split_fit_validation_test(self._conditions(subject)),)

    def digest(self, subject: str) -> str:
        """Identify betas, labels, atlas and pRF parameters by name and content.

        How vertices are chosen and z-scored counts as well.
        """
        betas = [path for run in self._runs[subject] for path in sorted(run.glob("*.nii"))]
        small = [*(_label_file(run) for run in self._runs[subject]),
                 *sorted((self._results(subject) / "ses-prf_task-prf").glob("*_params.*")),
                 *(self.root / "supportfiles" / name
                   for name in ("MMP_mpmLR32k.mat", "roilbl_mmp.csv"))]
        return text_digest(f"{self.n_best} {self.per_run} {files_digest([*betas, *small])}")


def _label_file(run: Path) -> Path:
    """Return the labels of a run: of its own name, or the only ones that are there."""
    own = run / f"{run.name}_label.txt"
    found = [path for path in sorted(run.glob("*_label.txt")) if not is_stray(path.name)]
    if not own.is_file() and len(found) > 1:
        raise LabError(f"{len(found)} files of labels in {run}: {found[0].name}, {found[1].name}",
                       expected=own.name, remedy="move those elsewhere that are not this run's")
    return found[0] if found and not own.is_file() else own


def _images(run: Path) -> list[str]:
    """Read the image of each row, as its path below ``stimuli``."""
    path, found = _label_file(run), []
    for number, line in readable(path, read_lines, "one image a line"):
        name = line.replace("\\", "/").removeprefix("stimuli/")
        if not IMAGE.fullmatch(name):
            raise unlike_release(f"{path}, line {number}: {line!r}",
                                 "an image's name, such as n01440764_10026.JPEG")
        found.append(name if "/" in name else f"imagenet/{name.split('_')[0]}/{name}")
    return found


def _values(path: Path) -> NDArray[np.float32]:
    """Read a dscalar file as rows x grayordinates."""
    def read(where: Path) -> NDArray[np.float32]:
        values = np.asarray(nib.load(where).get_fdata(dtype=np.float32))
        if values.ndim != 2:
            raise UnexpectedFile(f"its shape is {values.shape}")
        return values

    return readable(path, read, "a ciftify dscalar file")


def _places(run: Path, columns: NDArray[np.int64]) -> tuple[NDArray[np.str_], NDArray[np.int64]]:
    """Return the hemisphere of some columns, and the vertex of its fs_LR-32k surface."""
    def read(path: Path) -> nib.cifti2.BrainModelAxis:
        axis = nib.load(path).header.get_axis(1)
        if not isinstance(axis, nib.cifti2.BrainModelAxis):
            raise UnexpectedFile("its columns are no grayordinates")
        return axis

    axis = readable(run / f"{run.name}_beta.dscalar.nii", read, "a ciftify dscalar file")
    left = np.array(["LEFT" in str(name) for name in axis.name])
    return np.where(left, "lh", "rh")[columns], np.asarray(axis.vertex, np.int64)[columns]
