"""Where NSD's files lie, on the surface and in the volume, and their labels."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from helpers.brains.files import read_names, read_volume
from helpers.brains.rois import FAMILIES, check_labels, check_values
from helpers.core.errors import LabError
from helpers.core.stray_files import select_by_pattern

BETAS = "betas_fithrf_GLMdenoise_RR"
HEMISPHERES = ("lh", "rh")
FAMILIES_NSD = tuple(FAMILIES)[:7]
TABLE = "nsddata/experiments/nsd/nsd_stim_info_merged.csv"
STIMULI = "nsddata_stimuli/stimuli/nsd/nsd_stimuli.hdf5"
NAMES = "nsddata/freesurfer/{subject}/label/{family}.mgz.ctab"
"""Names of a family's labels, for both spaces."""


def list_subjects(folder: Path, inside: str, *, pattern: str = r"subj\d\d",
                  example: str = "subj01") -> list[str]:
    """Return the participants (by default subj01, subj02, …) whose folder holds a given one.

    Raises
    ------
    LabError
        If another folder that holds it might be a participant's as well.
    """
    depth = len(Path(inside).parts)
    found = [path.parents[depth - 1] for path in folder.glob(f"[sS][uU][bB]*/{inside}")]
    return [path.name for path in select_by_pattern(found, re.compile(pattern), "the participant",
                                                    example)]


@dataclass(frozen=True)
class NSDSpace:
    """Where a space's files lie: of betas, ncsnr and labels.

    Attributes
    ----------
    folder : str
        Of the betas, below ``ppdata/subjXX``.
    parts : tuple of str
        Hemispheres with files of betas of their own; ("",) for a volume.
    ncsnr : str
        File name with ``part``.
    labels : str
        Path with ``subject``, ``side`` and ``family``.
    endings : tuple of str
        Of files of betas.
    """

    folder: str
    parts: tuple[str, ...]
    ncsnr: str
    labels: str
    endings: tuple[str, ...] = (".hdf5",)


SPACES = {
    "nativesurface": NSDSpace("nativesurface", HEMISPHERES, "{part}.ncsnr.mgh",
                              "nsddata/freesurfer/{subject}/label/{side}.{family}.mgz"),
    "func1pt8mm": NSDSpace("func1pt8mm", ("",), "ncsnr.nii.gz",
                           "nsddata/ppdata/{subject}/func1pt8mm/roi/{side}.{family}.nii.gz",
                           (".hdf5", ".nii.gz")),
}


@dataclass(frozen=True)
class NSDFiles:
    """One participant's files in one space.

    Parameters
    ----------
    root : Path
        Holds ``nsddata`` and ``nsddata_betas``.
    space : Space
    subject : str
    """

    root: Path
    space: NSDSpace
    subject: str

    @property
    def betas(self) -> Path:
        """The folder of the betas."""
        return self.root / "nsddata_betas/ppdata" / self.subject / self.space.folder / BETAS

    def session(self, part: str, number: int) -> Path:
        """Return the file of a session, counted from 1: of a volume, HDF5 goes before NIfTI."""
        name = f"{part}.betas_session{number:02d}".lstrip(".")
        files = [self.betas / f"{name}{ending}" for ending in self.space.endings]
        return next((path for path in files if path.is_file()), files[0])

    def ncsnr(self, part: str) -> Path:
        """Return the file of the ncsnr."""
        return self.betas / self.space.ncsnr.format(part=part)

    def label_file(self, side: str, family: str) -> Path:
        """Return the file of a hemisphere's labels."""
        return self.root / self.space.labels.format(subject=self.subject, side=side, family=family)

    def names_file(self, family: str) -> Path:
        """Return the file of the names of labels."""
        return self.root / NAMES.format(subject=self.subject, family=family)

    def families(self) -> tuple[str, ...]:
        """Return the label sets that are here."""
        return tuple(family for family in FAMILIES_NSD
                     if any(self.label_file(side, family).is_file() for side in HEMISPHERES))

    def count_sessions(self, wanted: int = 0) -> int:
        """Count the sessions, or check that the first ``wanted`` ones are there.

        Raises
        ------
        LabError
            If there is none, if their numbers have a gap, or if a hemisphere lacks one.
        """
        found = {}
        for part in self.space.parts:
            found[part] = set()
            for ending in self.space.endings:
                pattern = f"{part}.betas_session*{ending}".lstrip(".")
                fit = re.compile(re.escape(pattern).replace(r"\*", r"(\d\d)"))
                files = select_by_pattern(self.betas.glob(pattern), fit, "the session",
                                          self.session(part, 1).name)
                found[part] |= {int(fit.fullmatch(path.name)[1]) for path in files}
        n = wanted or max((number for numbers in found.values() for number in numbers), default=0)
        for part, numbers in found.items():
            lacking = sorted(set(range(1, max(n, 1) + 1)) - numbers)
            if lacking:
                raise LabError(f"no file {self.session(part, lacking[0])}",
                               expected=f"all sessions from 1 to {n or 'the last'}",
                               remedy="fetch it: without it, later trials cannot be told apart; if "
                               f"session {n} is not this participant's, move it elsewhere")
        return n

    def labels(self, family: str) -> tuple[NDArray[np.int16], NDArray[np.int16]]:
        """Read the labels of the left and the right hemisphere.

        Returns
        -------
        pair of arrays, int16, shape (n_vertices,)
            0 or less: none. In the volume, both are of all voxels, in the order x, y, z.

        Raises
        ------
        LabError
            If a file is missing, or says otherwise than the table of ROIs.
        """
        names = self.names_file(family)
        if family != "nsdgeneral" or names.is_file():  # of that set, one region: no names needed
            check_labels(family, read_names(names), str(names))
        sides = []
        for side in HEMISPHERES:
            path = self.label_file(side, family)
            values = np.ravel(read_volume(path))
            check_values(family, values, str(path))
            sides.append(values.astype(np.int16))
        return sides[0], sides[1]

    def small_files(self) -> list[Path]:
        """Return the files of labels, their names and the ncsnr."""
        families = self.families()
        names = [self.names_file(family) for family in families]
        return [*(self.label_file(side, family) for family in families for side in HEMISPHERES),
                *(path for path in names if path.is_file()),
                *(self.ncsnr(part) for part in self.space.parts)]
