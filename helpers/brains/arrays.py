"""A user's own participants: arrays of responses, their regions, and the images that were shown.

``images.csv`` (a column image, paths from this folder), or without it the images of ``stimuli/``;
and a folder for each participant with

- ``responses.npy``: images x voxels, or images x repeats x voxels; NaN where not shown;
- ``rois.csv`` (columns voxel, roi; hemisphere, group, domain where wanted) or ``rois.npy``;
- ``ncsnr.npy`` where the noise-ceiling signal-to-noise ratio of single trials is known;
- ``images.csv`` or ``images.npy`` where the participant saw some of the images only.

docs/own_brain.md shows all of it. Everything is checked on opening.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from helpers.brains.array_files import RESPONSES, Participant, open_responses, read_participant
from helpers.brains.cohort import Cohort, Fold, Responses, in_any, select_subjects
from helpers.brains.files import Files
from helpers.brains.rois import declare, sort_rois
from helpers.brains.splits import join, leave_one_out
from helpers.core.content_digests import content_digests, files_digest
from helpers.core.digest import text_digest
from helpers.core.errors import LabError
from helpers.core.text import read_table
from helpers.stimuli.folders import (
    count_images,
    list_images,
    refuse_copied_folders,
    subfolders,
)

N_FOLDS, MIN_TEST = 5, 3
"""Folds, and the images that each of them tests at least."""
STIMULI = "stimuli"
FILES = (RESPONSES, "rois.csv", "rois.npy", "ncsnr.npy", "images.csv", "images.npy")
LAYOUT = "<participant>/responses.npy and <participant>/rois.csv, beside stimuli/ or images.csv"


class Arrays(Cohort):
    """Open a folder of arrays; a condition is an image.

    Parameters
    ----------
    root : Path
    subjects : sequence of str
        Names of their folders; empty: all.

    Raises
    ------
    LabError
        If a file is missing, damaged, or does not fit the others (docs/own_brain.md).
    """

    units = "response (any unit)"

    def __init__(self, root: Path, *, subjects: Sequence[str] = ()) -> None:
        self.root, self.name = root, root.resolve().name
        present = _participants(root)
        self.subjects = select_subjects(subjects, present, root, files=LAYOUT,
                                        remedy="docs/own_brain.md shows how to write the files")
        self.images = list_stimuli(root)
        self.stimuli = Files([root / name for name in self.images])
        self.condition_of = np.arange(len(self.images))
        self._participants = {name: read_participant(present[name], self.images)
                              for name in self.subjects}
        for subject in self.subjects:
            n = len(set(self._contents[self._conditions(subject)]))
            if n < N_FOLDS * MIN_TEST:
                raise LabError(f"{subject} has responses to {n} different images",
                               expected=f"{N_FOLDS * MIN_TEST} or more: {N_FOLDS} folds, each "
                               f"with {MIN_TEST} images that test",
                               remedy="add images and responses")
        self._declare()

    def _declare(self) -> None:
        """Make own regions known; of one name, the first participant's declaration counts."""
        declared: dict[str, Any] = {}
        for subject, participant in self._participants.items():
            for region in participant.own_rois:
                if declared.setdefault(region.name, region) != region:
                    raise LabError(f"{subject}: {region.name} has another group or domain than for "
                                   "another participant", expected="one of each for a region",
                                   remedy="write the same group and domain into every rois.csv")
        declare(declared.values())

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        """Make own regions known in a worker process as well."""
        self.__dict__.update(state)
        self._declare()

    @cached_property
    def _contents(self) -> NDArray[np.str_]:
        return np.array(content_digests(self.stimuli.paths))

    def _participant(self, subject: str) -> Participant:
        return self._participants[self.opened(subject)]

    def _conditions(self, subject: str) -> NDArray[np.int64]:
        """Return the images that a participant was shown, increasing."""
        own = self._participant(subject)
        return np.sort(own.seen[own.shown.any(1)])

    def rois(self, subject: str) -> tuple[str, ...]:
        """Return a participant's regions: the published ones first, then own ones."""
        return sort_rois(self._participant(subject).members)

    def responses(self, subject: str, rois: Sequence[str]) -> Responses:
        """Read a participant's responses to the images that were shown."""
        chosen, own = self.chosen(subject, rois), self._participant(subject)
        return self._read(subject, chosen, in_any(
            (own.members[name] for name in chosen), len(own.measured)))

    def whole_brain(self, subject: str, min_ncsnr: float) -> Responses:
        """Read all voxels, those of no region as well, above a bound of ncsnr."""
        kept = np.ones(len(self._participant(subject).measured), bool)
        return self._read(subject, self.rois(subject), kept).above(min_ncsnr)

    def _read(self, subject: str, rois: Sequence[str], kept: NDArray[np.bool_]) -> Responses:
        own = self._participant(subject)
        values = open_responses(own.folder / RESPONSES, len(own.seen))
        rows = np.flatnonzero(own.shown.any(1))
        rows = rows[np.argsort(own.seen[rows])]
        n_repeats = int(own.shown.sum(1).max())
        # Trials that were shown come first: repeats are counted from the front.
        first = np.argsort(~own.shown[rows], axis=1, kind="stable")[:, :n_repeats]
        voxels = np.flatnonzero(kept)
        betas = np.asarray(values[..., voxels], np.float32)[rows[:, None], first]
        found = Responses(subject, own.seen[rows], betas, own.hemisphere[voxels],
                          voxels, {name: own.members[name][voxels] for name in rois},
                          own.ncsnr[voxels])
        return found.select(own.measured[voxels], "NaN")

    def folds(self, subject: str) -> tuple[Fold, ...]:
        """Split a participant's images into `N_FOLDS`, each the test once; choose on the others.

        Images are assigned to the folds in turn, in the order of the SHA-256 of their contents:
        their order in the files changes nothing, and copies of an image are in one fold.
        Participants who saw the same images have the same folds.
        """
        conditions = self._conditions(subject)
        _, rank = np.unique(self._contents[conditions], return_inverse=True)
        parts = [conditions[rank % N_FOLDS == k] for k in range(N_FOLDS)]
        return tuple(Fold(join(rest), test, tuple(
            (join(fit), choose) for fit, choose in leave_one_out(rest)))
            for rest, test in leave_one_out(parts))

    def digest(self, subject: str) -> str:
        """Digest a participant's files, and the order of all images."""
        folder = self._participant(subject).folder
        files = files_digest([folder / name for name in FILES if (folder / name).is_file()])
        return text_digest(repr((files, self.images)))


def _participants(root: Path) -> dict[str, Path]:
    """Return the folders that hold a participant, by name."""
    found = {name: folder for name, folder in subfolders(root).items() if name != STIMULI
             and any((folder / file).is_file() for file in FILES[:4])}
    refuse_copied_folders(root, found)
    return found


def list_stimuli(root: Path) -> tuple[str, ...]:
    """List the images of a folder of arrays, as paths from there, in the order of the responses.

    Raises
    ------
    LabError
        If there is none, one is named twice, or one is missing.
    """
    table, folder = root / "images.csv", root / STIMULI
    mixed, names = False, _listed(root, table) if table.is_file() else []
    if not table.is_file():
        inner = subfolders(folder) if folder.is_dir() else {}
        in_folders = [f"{STIMULI}/{part.name}/{name}" for part in inner.values()
                      for name in list_images(part)]
        mixed = bool(in_folders) and count_images(folder) > 0
        names = in_folders or [f"{STIMULI}/{name}" for name in list_images(folder)]
    if mixed or not names:
        raise LabError(f"{root} has {'images both beside and in folders' if mixed else 'no image'}",
                       expected=f"images.csv, or images in {STIMULI}/ or in folders there",
                       remedy="list the images in images.csv (a column image), in the order of the "
                       "responses")
    return tuple(names)


def _listed(root: Path, table: Path) -> list[str]:
    content = read_table(table, ("image",), what="the images, in the order of the responses")
    names: dict[str, int] = {}
    for line, name in zip(content.lines, content.columns["image"]):
        if names.setdefault(name, line) != line or not (root / name).is_file():
            raise LabError(f"{table}, line {line}: the image {name!r} "
                           + ("is not there" if names[name] == line else "is named twice"),
                           expected=f"paths from {root}, each image once",
                           remedy="correct the line, or put the image there")
    return list(names)
