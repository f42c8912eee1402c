"""A participant's cortical surface: where each vertex lies, so that a map can be drawn."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from helpers.brains.algonauts import Algonauts
from helpers.brains.cohort import Cohort
from helpers.brains.files import PUT_AGAIN, load_array, readable, unlike_release, whole_numbers
from helpers.brains.nsd import NSD
from helpers.core.errors import LabError

WHAT = "0 or 1 for each vertex of fsaverage"
FLAT = 1e-6
"""A surface is flat where its depth is no more than this fraction of its width."""


@dataclass(frozen=True)
class Surface:
    """A triangulated surface of one hemisphere.

    Attributes
    ----------
    points : array, float64, shape (n_points, 3)
    faces : array, int64, shape (n_faces, 3)
    place : array, int64, shape (n_vertices,)
        Point of each vertex of the cohort's responses.
    """

    points: NDArray[np.float64]
    faces: NDArray[np.int64]
    place: NDArray[np.int64]

    @property
    def flat(self) -> bool:
        """Tell whether all points lie in one plane."""
        extent = np.ptp(self.points, axis=0)
        return bool(extent.min() <= FLAT * extent.max())


def read_surface(cohort: Cohort, subject: str, hemisphere: str) -> Surface | None:
    """Return the surface on which a hemisphere's vertices lie; None where the files have none.

    NSD: ``surf/<hemisphere>.inflated`` of the participant. Algonauts 2023: the same file of
    FreeSurfer's fsaverage, in ``fsaverage/surf`` of the data folder. Volumes and cohorts of voxels
    have none.

    Parameters
    ----------
    cohort : Cohort
    subject : str
    hemisphere : {"lh", "rh"}
    """
    if isinstance(cohort, NSD) and cohort.space.parts != ("",):
        path = cohort.root / "nsddata/freesurfer" / subject / "surf" / f"{hemisphere}.inflated"
        return _opened(path, None)
    if isinstance(cohort, Algonauts):
        path = cohort.root / "fsaverage/surf" / f"{hemisphere}.inflated"
        mask = cohort.root / subject / (f"roi_masks/{hemisphere}.all-vertices_fsaverage_space.npy")
        return _opened(path, mask)
    return None


@lru_cache(maxsize=16)
def _opened(path: Path, mask: Path | None) -> Surface | None:
    if not path.is_file() or (mask is not None and not mask.is_file()):
        return None
    points, faces = readable(path, nib.freesurfer.read_geometry, "a FreeSurfer surface")[:2]
    if np.ndim(points) != 2 or not np.isfinite(points).all() or not len(faces) or not (
            0 <= np.min(faces) and np.max(faces) < len(points)):
        raise LabError(f"{path}: {len(points)} points, and triangles between others",
                       expected="finite points, and triangles between them", remedy=PUT_AGAIN)
    place = np.arange(len(points))
    if mask is not None:
        inside = load_array(mask, WHAT, "iufb", remedy="")
        inside = whole_numbers(inside, mask, minimum=0, maximum=1)
        if inside.shape != (len(points),):
            raise unlike_release(f"{mask} has the shape {inside.shape}, and {path.name} "
                                 f"{len(points)} points", WHAT)
        place = np.flatnonzero(inside)
    return Surface(np.asarray(points, np.float64), np.asarray(faces, np.int64), place)
