"""Regions of real participants on fsaverage5: 10,242 points of FreeSurfer's average cortex.

Algonauts 2023 gives each participant's regions on fsaverage (163,842 points a hemisphere). Its
points are made by dividing each triangle of a coarser sphere, old points first, so that the first
10,242 of them are those of fsaverage5. nilearn brings a flat map of fsaverage5 with it; points of
the medial wall and of the cuts are not on it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from helpers.brains.algonauts import read_masks
from helpers.brains.files import unlike_release
from helpers.brains.nsd_files import HEMISPHERES
from helpers.brains.surfaces import Surface
from helpers.core.content_digests import files_digest
from helpers.core.errors import LabError
from helpers.lab import Laboratory

N_FSAVERAGE, N_FSAVERAGE5 = 163_842, 10_242
PARTS = {"lh": "left", "rh": "right"}


@dataclass(frozen=True)
class RegionMasks:
    """Regions of one participant on fsaverage5.

    Attributes
    ----------
    subject : str
    vertices : dict, region -> hemisphere -> array of int
        Points of fsaverage5 in the region. At this resolution a small region may have none.
    n_fsaverage : dict, region -> hemisphere -> int
        Points of fsaverage in the region, as published.
    """

    subject: str
    vertices: dict[str, dict[str, NDArray[np.int64]]]
    n_fsaverage: dict[str, dict[str, int]]


def open_region_masks(laboratory: Laboratory) -> RegionMasks | None:
    """Open the first participant with masks on fsaverage that the profile's folder has.

    None where the profile names no [region_masks].

    Raises
    ------
    LabError
        If the files are absent or damaged.
    """
    spec = laboratory.profile.region_masks
    if spec is None:
        return None
    root = laboratory.folder(spec)
    found = sorted({path.parent.parent
                    for path in root.glob("subj*/roi_masks/*_fsaverage_space.npy")})
    if not found:
        raise LabError(f"no masks on fsaverage in {root}",
                       expected="subj01/roi_masks/lh.floc-faces_fsaverage_space.npy and others",
                       remedy="see [algonauts2023] in helpers/datasets/sources.toml")
    masks = read_region_masks(root, found[0].name)
    laboratory.record("region_masks", files_digest(sorted((found[0] / "roi_masks").glob("*.npy"))))
    return masks


def read_region_masks(root: Path, subject: str) -> RegionMasks:
    """Read a participant's regions on fsaverage, and keep the points of fsaverage5.

    Parameters
    ----------
    root : Path
        Holds ``subj01/roi_masks`` ...
    subject : str

    Raises
    ------
    LabError
        As `helpers.brains.algonauts.read_masks`; if a file is not of fsaverage's size.
    """
    masks = read_masks(root, subject, "fsaverage")
    lengths = sorted({len(side) for sides in masks.values() for side in sides})
    if lengths != [N_FSAVERAGE]:
        raise unlike_release(f"{root}/{subject} has {lengths[0]} labels on fsaverage",
                             f"{N_FSAVERAGE} a hemisphere")
    by_side = {name: dict(zip(HEMISPHERES, sides)) for name, sides in masks.items()}
    return RegionMasks(
        subject,
        {name: {hemisphere: np.flatnonzero(side[:N_FSAVERAGE5])
                for hemisphere, side in sides.items()} for name, sides in by_side.items()},
        {name: {hemisphere: int(side.sum()) for hemisphere, side in sides.items()}
         for name, sides in by_side.items()})


def fsaverage5_flat_map(hemisphere: str) -> Surface:
    """Return the flat map of fsaverage5 that nilearn brings with it.

    Parameters
    ----------
    hemisphere : {"lh", "rh"}

    Returns
    -------
    Surface
        ``place`` has -1 for points that are not on the flat map.
    """
    from nilearn.datasets import load_fsaverage  # here: it takes seconds, and only maps need it
    mesh = load_fsaverage("fsaverage5")["flat"].parts[PARTS[hemisphere]]
    used = np.unique(mesh.faces)
    place = np.full(len(mesh.coordinates), -1)
    place[used] = np.arange(len(used))
    return Surface(np.asarray(mesh.coordinates[used], np.float64),
                   place[np.asarray(mesh.faces)], place)


def sulci(hemisphere: str) -> NDArray[np.bool_]:
    """Tell which points of fsaverage5 lie in a sulcus of the average cortex, shape (10242,)."""
    from nilearn.datasets import load_fsaverage_data
    depth = load_fsaverage_data("fsaverage5", "flat", "sulcal").data.parts[PARTS[hemisphere]]
    return np.asarray(depth) > 0


def on_map(surface: Surface, vertices: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return those of some points of fsaverage5 that are on its flat map."""
    return vertices[surface.place[vertices] >= 0]
