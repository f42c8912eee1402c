"""Regions of interest: one table of names, for every cohort."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from helpers.brains.files import whole_numbers
from helpers.config.validation import suggest
from helpers.core.errors import LabError

FAMILIES: dict[str, tuple[str, ...]] = {
    "prf-visualrois": ("V1v", "V1d", "V2v", "V2d", "V3v", "V3d", "hV4"),
    "floc-faces": ("OFA", "FFA-1", "FFA-2", "mTL-faces", "aTL-faces"),
    "floc-bodies": ("EBA", "FBA-1", "FBA-2", "mTL-bodies"),
    "floc-places": ("OPA", "PPA", "RSC"),
    "floc-words": ("OWFA", "VWFA-1", "VWFA-2", "mfs-words", "mTL-words"),
    "streams": ("early", "midventral", "midlateral", "midparietal", "ventral", "lateral",
                "parietal"),
    "nsdgeneral": ("nsdgeneral",),
    "glasser": ("V1", "V2", "V3", "V4"),
    "object2vec": ("EVC", "LOC", "PFS", "FFA", "STS"),
}
"""Label set -> its regions; the integer of a region is its place, counted from 1.

The first seven are NSD's (Algonauts 2023 uses the same). object2vec has EBA, OFA, OPA, PPA and
RSC besides, under the names that they have above.
"""

GLASSER = {"V1": 1, "V2": 4, "V3": 5, "V4": 6}
"""The exception: places among the 180 areas of a hemisphere."""

DOMAINS = {"floc-faces": "faces", "floc-bodies": "bodies", "floc-places": "scenes",
           "floc-words": "characters"}
"""Label set -> the domain whose contrast defined it."""

OTHER_DOMAINS = {"FFA": "faces", "STS": "faces", "LOC": "objects", "PFS": "objects"}


@dataclass(frozen=True)
class Roi:
    """A region.

    Attributes
    ----------
    name : str
    family : str
        Label set that holds it.
    label : int
        Its integer there.
    domain : str
        Domain that it prefers; empty for early and anatomical regions.
    """

    name: str
    family: str
    label: int
    domain: str


TABLE: dict[str, Roi] = {
    name: Roi(name, family, GLASSER.get(name, label),
              DOMAINS.get(family, OTHER_DOMAINS.get(name, "")))
    for family, names in FAMILIES.items() for label, name in enumerate(names, 1)}
"""Every region by name, in the order in which figures show them: the published ones, and after them
those that a user's own data declare (`declare`)."""

PUBLISHED = frozenset(TABLE)
OWN_FAMILIES = {"early": "prf-visualrois", "higher": "own", "other": "own"}
"""Group that a user declares -> label set with whose regions the own one is counted. Where regions
are divided into early and higher ones, "other" counts as higher."""


def declare(regions: Iterable[Roi]) -> None:
    """Add a user's own regions to the table; a published region stays as it is."""
    TABLE.update({region.name: region for region in regions if region.name not in PUBLISHED})


def roi(name: str) -> Roi:
    """Look a region up.

    Raises
    ------
    LabError
        If there is none of this name.
    """
    if name not in TABLE:
        raise LabError(f"there is no ROI {name!r}", expected="one of " + ", ".join(TABLE),
                       remedy=suggest(name, TABLE) or "add it to helpers/brains/rois.py")
    return TABLE[name]


def domain_of(name: str) -> str:
    """Return the domain that a region prefers, or an empty text."""
    return roi(name).domain


def checked(names: Iterable[str]) -> tuple[str, ...]:
    """Return names of regions, refusing an unknown one and one that is named twice."""
    names = tuple(names)
    for place, name in enumerate(names):
        roi(name)
        if name in names[:place]:
            raise LabError(f"the ROI {name} is named twice", expected="each ROI once",
                           remedy="remove one of them: it would count twice in every mean")
    return names


def sort_rois(names: Iterable[str]) -> tuple[str, ...]:
    """Return known regions in the order of the table."""
    wanted = set(checked(names))
    return tuple(name for name in TABLE if name in wanted)


def check_labels(family: str, mapping: Mapping[int, str], where: str) -> None:
    """Refuse a label file that names the regions of a family otherwise than the table.

    Parameters
    ----------
    family : str
    mapping : dict, int -> str
        As read; integers of 0 or less mean "none".
    where : str
        The file, for the error.

    Raises
    ------
    LabError
        If a label is unknown, or the table knows it under another integer.
    """
    known = {name: TABLE[name].label for name in FAMILIES[family]}
    for label, name in mapping.items():
        if label > 0 and known.get(name) != label:
            raise LabError(f"{where}: label {label} is {name!r}",
                           expected=", ".join(f"{i} {known_name}"
                                              for known_name, i in known.items()),
                           remedy="use the label files of the release, or correct the table in "
                           "helpers/brains/rois.py")


def require_label_sets(families: Mapping[str, Iterable[str]], root: object) -> None:
    """Refuse a label set that some participants have and others lack: its files are missing.

    Parameters
    ----------
    families : dict, subject -> label sets
    root : Path
        Of the files, for the error.

    Raises
    ------
    LabError
        If there is such a label set.
    """
    every = {family for own in families.values() for family in own}
    for subject, own in families.items():
        for family in sorted(every - set(own)):
            other = next(name for name in families if family in families[name])
            raise LabError(f"{subject} has no files of the labels {family} in {root}",
                           expected=f"those that {other} has",
                           remedy=f"put them there; the regions of {family} would be missing")


def check_values(family: str, values: NDArray[np.integer], where: str) -> None:
    """Refuse labels that no region of a family has.

    Parameters
    ----------
    family : str
    values : array, int
        One label a vertex; 0 or less: none.
    where : str
        The file, for the error.

    Raises
    ------
    LabError
        If a label is unknown, or no whole number.
    """
    values = whole_numbers(values, where)
    labels = [0, *(TABLE[name].label for name in FAMILIES[family])]
    unknown = np.setdiff1d(np.maximum(values, 0), labels)
    if len(unknown):
        raise LabError(f"{where}: the label {unknown[0]}, which no region has",
                       expected=f"0 or less (none), or 1 to {max(labels)}",
                       remedy="use the label files of the release")
