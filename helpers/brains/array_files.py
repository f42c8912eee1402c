"""A user's own arrays: responses, regions and lists of images, read strictly.

A file is refused whole, by name, before anything is computed: an array of objects (a pickle), of
another length than the other files, or with a value that is no number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from helpers.brains.files import load_array, whole_numbers
from helpers.brains.rois import OWN_FAMILIES, PUBLISHED, Roi
from helpers.config.validation import suggest
from helpers.core.errors import LabError, one_of
from helpers.core.text import check_name, normalise_name, read_table
from helpers.stimuli.image_sets import DOMAINS

MAX_BYTES = 2**26
"""Responses that are checked at once."""
RESPONSES = "responses.npy"
SIDES = ("lh", "rh", "both")


# ---- responses -----------------------------------------------------------------------------------

def open_responses(path: Path, n_rows: int) -> NDArray:
    """Map responses into memory, (n_images, n_repeats, n_voxels), checking type and shape.

    Parameters
    ----------
    path : Path
        ``responses.npy``: images x voxels, or images x repeats x voxels.
    n_rows : int
        Images that the participant saw.
    """
    values = load_array(path, "numbers, images x voxels or images x repeats x voxels", "fiu")
    if values.ndim not in (2, 3) or 0 in values.shape:
        raise LabError(f"{path} has the shape {values.shape}",
                       expected="images x voxels, or images x repeats x voxels",
                       remedy="save it with these axes")
    if len(values) != n_rows:
        turned = values.shape[-1] == n_rows
        raise LabError(f"{path} has {len(values)} rows (its shape is {values.shape}), and there "
                       f"are {n_rows} images", expected="one row for each image, in their order",
                       remedy="exchange the axes: numpy.save(path, responses.T)" if turned else
                       f"if the participant saw some of the images, list them in "
                       f"{path.parent.name}/images.csv; if not, save a row for every image")
    return values if values.ndim == 3 else values[:, None]


def check_responses(values: NDArray, path: Path) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Find which trials were shown and which voxels were measured.

    Parameters
    ----------
    values : array, shape (n_images, n_repeats, n_voxels)
        NaN where an image was not shown (so often), or a voxel was not measured.
    path : Path
        For the error.

    Returns
    -------
    shown : array, bool, shape (n_images, n_repeats)
    measured : array, bool, shape (n_voxels,)

    Raises
    ------
    LabError
        If a value is infinite (in float32), all are NaN, or a voxel lacks some of the trials.
    """
    shown, counts = np.zeros(values.shape[:2], bool), np.zeros(values.shape[2], np.int64)
    step = max(1, MAX_BYTES // (4 * values[0].size))
    for start in range(0, len(values), step):
        block = _as_float32(values[start:start + step])
        infinite = np.argwhere(np.isinf(block))
        if len(infinite):
            image, repeat, voxel = infinite[0] + (start, 0, 0)
            raise LabError(f"{path}: image {image}, voxel {voxel} (from 0) is "
                           f"{values[image, repeat, voxel]}, not finite in float32",
                           expected="finite numbers; NaN where an image was not shown",
                           remedy="correct the value, or scale the responses")
        finite = ~np.isnan(block)
        shown[start:start + step] = finite.any(2)
        counts += finite.sum((0, 1))
    if not shown.any():
        raise LabError(f"{path}: all values are NaN", expected="responses to some images",
                       remedy="save the responses again")
    partly = np.flatnonzero((counts > 0) & (counts < shown.sum()))
    if len(partly):
        lacks = np.isnan(_as_float32(values[..., partly[0]])) & shown
        raise LabError(f"{path}: voxel {partly[0]} (from 0) is NaN for image "
                       f"{np.argwhere(lacks)[0][0]}, to which other voxels have a response "
                       f"({len(partly)} such voxels)",
                       expected="NaN in all voxels (not shown) or in all images (not measured)",
                       remedy="remove these voxels, or make all their values NaN")
    return shown, counts > 0


def _as_float32(values: NDArray) -> NDArray[np.float32]:
    with np.errstate(over="ignore"):
        return np.asarray(values, np.float32)


def read_ncsnr(path: Path, n_voxels: int) -> NDArray[np.float32]:
    """Read the noise-ceiling signal-to-noise ratio of every voxel; NaN without a file."""
    if not path.is_file():
        return np.full(n_voxels, np.nan, np.float32)
    values = np.asarray(load_array(path, "one number a voxel, 0 or more", "fiu", n=n_voxels),
                        np.float32)
    wrong = np.flatnonzero((values < 0) | np.isinf(values))
    if len(wrong):
        raise LabError(f"{path}: voxel {wrong[0]} (from 0) is {values[wrong[0]]}",
                       expected="0 or more; NaN where it is not known",
                       remedy="save the noise-ceiling signal-to-noise ratio, not a percentage")
    return values


# ---- regions -------------------------------------------------------------------------------------

@dataclass(frozen=True)
class Participant:
    """What is kept in memory of a participant's files, all but the responses.

    Attributes
    ----------
    folder : Path
    seen : array, int64, shape (n_rows,)
        Image of each row of the responses.
    shown : array, bool, shape (n_rows, n_repeats)
    measured : array, bool, shape (n_voxels,)
    members : dict, ROI -> bool, shape (n_voxels,)
    hemisphere : array of str, shape (n_voxels,)
    own_rois : tuple of Roi
        Regions that are not published ones, as declared.
    ncsnr : array, float32, shape (n_voxels,)
    """

    folder: Path
    seen: NDArray[np.int64]
    shown: NDArray[np.bool_]
    measured: NDArray[np.bool_]
    members: dict[str, NDArray[np.bool_]]
    hemisphere: NDArray[np.str_]
    own_rois: tuple[Roi, ...]
    ncsnr: NDArray[np.float32]


def read_participant(folder: Path, images: Sequence[str]) -> Participant:
    """Read and check all of a participant's files, the responses among them.

    Parameters
    ----------
    folder : Path
    images : sequence of str
        Names of all images of the cohort.
    """
    seen = read_seen_images(folder, images)
    values = open_responses(folder / RESPONSES, len(seen))
    members, hemisphere, own_rois = read_regions(folder, values.shape[2])
    ncsnr = read_ncsnr(folder / "ncsnr.npy", values.shape[2])
    shown, measured = check_responses(values, folder / RESPONSES)
    for name, mask in members.items():
        if not (mask & measured).any():
            raise LabError(f"{folder}: the region {name} has no voxel with a response",
                           expected="a voxel or more in every region that is named",
                           remedy=f"remove {name} from the regions, or correct its voxels")
    return Participant(folder, seen, shown, measured, members, hemisphere, own_rois, ncsnr)


def read_regions(folder: Path, n_voxels: int) -> tuple[
        dict[str, NDArray[np.bool_]], NDArray[np.str_], tuple[Roi, ...]]:
    """Read ``rois.csv`` (a line for each voxel of a region) or ``rois.npy`` (a name a voxel).

    ``rois.csv`` has the columns voxel (from 0) and roi and may have hemisphere (lh, rh), and, of
    regions that are not published ones, group (early, higher, other) and domain.

    Returns
    -------
    members, hemisphere, own_rois
        As a `Participant` has them.

    Raises
    ------
    LabError
        If there is neither or both; if a voxel is not among the responses' or listed twice; if a
        name has two groups, or that of a published region in other letters.
    """
    path = one_file(folder, ("rois.csv", "rois.npy"))
    if path is None:
        raise LabError(f"{folder} has neither rois.csv nor rois.npy", expected="one of them",
                       remedy="write rois.csv with the columns voxel,roi, voxels counted from 0")
    rows = (_rows_of_table if path.suffix == ".csv" else _rows_of_array)(path, n_voxels)
    if rows.empty:
        raise LabError(f"{path} names no region", expected="a name for some voxels",
                       remedy="name a region; one for all voxels is enough")
    hemisphere = np.full(n_voxels, "both")
    hemisphere[rows["voxel"]] = rows["hemisphere"]
    members, own = {}, []
    for name, lines in rows.groupby("roi", sort=False):
        members[name] = np.isin(np.arange(n_voxels), lines["voxel"])
        if name not in PUBLISHED:
            own.append(_own_roi(name, *lines.iloc[0][["group", "domain"]], path))
    return members, hemisphere, tuple(own)


def one_file(folder: Path, names: Sequence[str]) -> Path | None:
    """Return the one of some files that is there; None where there is none."""
    there = [folder / name for name in names if (folder / name).is_file()]
    if len(there) > 1:
        raise LabError(f"{folder} has both {' and '.join(names)}", expected="one of them",
                       remedy="move one of them elsewhere")
    return there[0] if there else None


def _rows_of_array(path: Path, n_voxels: int) -> pd.DataFrame:
    """Return the rows that a table of the same regions has: ``rois.npy`` says no more of them."""
    names = load_array(path, "a name for each voxel, as text, empty where it is in no region", "U",
                       n=n_voxels)
    rows = pd.DataFrame({"voxel": range(n_voxels), "roi": [normalise_name(str(n)) for n in names],
                         "hemisphere": "both", "group": "", "domain": ""})
    return rows[rows["roi"] != ""]


def _rows_of_table(path: Path, n_voxels: int) -> pd.DataFrame:
    table = read_table(path, ("voxel", "roi"), optional_columns=("hemisphere", "group", "domain"),
                       what="voxels and their regions")
    rows = pd.DataFrame({"voxel": table.integers("voxel"),
                         "roi": [normalise_name(name) for name in table.columns["roi"]],
                         **{name: table.columns.get(name, "")
                            for name in ("hemisphere", "group", "domain")}})
    rows["hemisphere"] = rows["hemisphere"].replace("", "both")
    for wrong, seen, expected, remedy in (
            (~rows["voxel"].between(0, n_voxels - 1),
             "voxel {voxel}, and the responses have " + str(n_voxels), f"0 to {n_voxels - 1}",
             "count voxels from 0, in the order of the responses' columns"),
            (~rows["hemisphere"].isin(SIDES), "the hemisphere {hemisphere!r}", one_of(SIDES),
             "correct this line"),
            (rows.duplicated(["voxel", "roi"]), "voxel {voxel} of {roi} was listed before",
             "each voxel once in a region", "remove this line"),
            (_differs(rows, "voxel", ["hemisphere"]),
             "voxel {voxel} has another hemisphere further up", "one for each voxel",
             "correct one of the lines"),
            (_differs(rows, "roi", ["group", "domain"]),
             "{roi} is of group {group!r} and domain {domain!r}, and of others further up",
             "one group and one domain for all voxels of a region", "correct one of the lines")):
        if wrong.any():
            row = int(np.flatnonzero(wrong)[0])
            raise LabError(f"{path}, line {table.lines[row]}: " + seen.format(**rows.iloc[row]),
                           expected=expected, remedy=remedy)
    return rows


def _differs(rows: pd.DataFrame, key: str, columns: list[str]) -> NDArray[np.bool_]:
    """Tell which rows have other values than the first row of the same key."""
    return (rows[columns] != rows.groupby(key)[columns].transform("first")).any(axis=1).to_numpy()


def _own_roi(name: str, group: str, domain: str, path: Path) -> Roi:
    """Return a region that is no published one, refusing a published name in other letters."""
    check_name(name, path, "a region", of_file=True)
    published = {known.casefold(): known for known in PUBLISHED}.get(name.casefold())
    if published:
        raise LabError(f"{path}: the region {name!r}", expected=f"{published!r}, or another name",
                       remedy="write the published region's name in its letters; rename a region "
                       "that is another one")
    for what, value, choices in (("group", group, OWN_FAMILIES), ("domain", domain, DOMAINS)):
        if value and value not in choices:
            raise LabError(f"{path}: the {what} {value!r} of {name}",
                           expected=one_of(choices) + ", or nothing",
                           remedy=suggest(value, choices) or "correct it")
    return Roi(name, OWN_FAMILIES[group or "other"], 0, domain)


# ---- lists of images -----------------------------------------------------------------------------

def read_seen_images(folder: Path, names: Sequence[str]) -> NDArray[np.int64]:
    """Return which images a participant's rows belong to: all, without a list.

    ``images.csv`` has a column image, with names as in the list of all images; ``images.npy`` has
    these names, their places in that list (from 0), or true and false for each of them.
    """
    path = one_file(folder, ("images.csv", "images.npy"))
    if path is None:
        return np.arange(len(names))
    found = _places(path, names)
    values, counts = np.unique(found, return_counts=True)
    if not len(found) or counts.max() > 1:
        seen = f"{names[values[counts.argmax()]]!r} twice" if len(found) else "no image"
        raise LabError(f"{path} lists {seen}", expected="each image that was seen once",
                       remedy="put repeats on an axis of their own: images x repeats x voxels")
    return found


def _places(path: Path, names: Sequence[str]) -> NDArray[np.int64]:
    if path.suffix == ".csv":
        values = np.array(read_table(path, ("image",)).columns["image"], str)
    else:
        values = load_array(path, "names of images, their places, or true and false", "Uiufb")
    if values.ndim != 1:
        raise LabError(f"{path} has the shape {values.shape}", expected="one axis",
                       remedy="save one value an image")
    if values.dtype.kind == "b" and len(values) == len(names):
        return np.flatnonzero(values)
    if values.dtype.kind != "U":
        return whole_numbers(values, path, minimum=0, maximum=len(names) - 1)
    found = pd.Index(names).get_indexer(values)
    if (found < 0).any():
        name = str(values[found < 0][0])
        raise LabError(f"{path} lists the image {name!r}",
                       expected=f"names as in the list of all images, such as {names[0]!r}",
                       remedy=suggest(name, names) or "correct the name")
    return found
