"""A user's own arrays: responses, regions and lists of images, read strictly.

A file is refused whole, by name, before anything is computed: an array of objects (a pickle), of
another length than the other files, or with a value that is no number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from helpers.brains.files import whole_numbers
from helpers.brains.rois import OWN_FAMILIES, PUBLISHED, Roi
from helpers.config.validation import suggest
from helpers.core.errors import LabError, one_of
from helpers.core.substitute_files import substitute_error
from helpers.core.text import TextTable, check_name, normalise_name, read_table
from helpers.stimuli.image_sets import DOMAINS

MAX_BYTES = 2**26
"""Responses that are checked at once."""
SIDES = ("lh", "rh", "both")
SAVE_AGAIN = "save it as numpy.save(path, array), of an array of plain numbers"


def load_array(path: Path, what: str, kinds: str) -> NDArray:
    """Map a ``.npy`` file into memory, refusing pickles and other types.

    Parameters
    ----------
    path : Path
    what : str
        What should be there, for the error.
    kinds : str
        NumPy's letters of the types that are allowed ("fiu", "U").

    Raises
    ------
    LabError
        If the file is missing, damaged, a pickle, or of another type.
    """
    try:
        values = np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError as error:
        raise LabError(f"no file {path}", expected=what, remedy="put it there") from error
    except Exception as error:  # damaged bytes lead NumPy into any exception
        pickled = "objects" in str(error) or "pickled" in str(error)
        raise substitute_error(path, what) or LabError(
            f"{path} cannot be read: {error}", expected=f"{what}, in a .npy file of NumPy",
            remedy=f"it may hold Python objects, which would run when they are read: {SAVE_AGAIN}"
            if pickled else SAVE_AGAIN) from error
    if not isinstance(values, np.ndarray) or values.dtype.kind not in kinds:
        seen = f"of type {values.dtype}" if isinstance(values, np.ndarray) else "an archive"
        raise LabError(f"{path} is {seen}", expected=what, remedy=SAVE_AGAIN)
    return values


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
        if np.isinf(block).any():
            image, repeat, voxel = np.argwhere(np.isinf(block))[0]
            raise LabError(f"{path}: image {start + image}, voxel {voxel} (from 0) is "
                           f"{values[start + image, repeat, voxel]}, not finite in float32",
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
    values = np.asarray(load_array(path, "one number a voxel, 0 or more", "fiu"), np.float32)
    if values.shape != (n_voxels,):
        raise LabError(f"{path} has the shape {values.shape}, the responses have {n_voxels} voxels",
                       expected=f"the shape ({n_voxels},)", remedy="save one number for each voxel")
    wrong = np.flatnonzero((values < 0) | np.isinf(values))
    if len(wrong):
        raise LabError(f"{path}: voxel {wrong[0]} (from 0) is {values[wrong[0]]}",
                       expected="0 or more; NaN where it is not known",
                       remedy="save the noise-ceiling signal-to-noise ratio, not a percentage")
    return values


# ---- regions -------------------------------------------------------------------------------------

@dataclass(frozen=True)
class Regions:
    """Which voxels belong to which region.

    Attributes
    ----------
    members : dict, ROI -> bool, shape (n_voxels,)
    hemisphere : array of str, shape (n_voxels,)
    own : tuple of Roi
        Regions that are not published ones, as declared.
    """

    members: dict[str, NDArray[np.bool_]]
    hemisphere: NDArray[np.str_]
    own: tuple[Roi, ...]


def read_regions(folder: Path, n_voxels: int) -> Regions:
    """Read ``rois.csv`` (a line for each voxel of a region) or ``rois.npy`` (a name a voxel).

    ``rois.csv`` has the columns voxel (from 0) and roi and may have hemisphere (lh, rh), and, of
    regions that are not published ones, group (early, higher, other) and domain.

    Raises
    ------
    LabError
        If there is neither or both; if a voxel is not among the responses' or listed twice; if a
        name has two groups, or that of a published region in other letters.
    """
    table, names = folder / "rois.csv", folder / "rois.npy"
    there = [path for path in (table, names) if path.is_file()]
    if len(there) != 1:
        raise LabError(f"{folder} has {'both' if there else 'neither'} rois.csv "
                       f"{'and' if there else 'nor'} rois.npy", expected="one of them",
                       remedy="move one of them elsewhere" if there else
                       "write rois.csv with the columns voxel,roi, voxels counted from 0")
    if there == [names]:
        return _regions_from_names(names, n_voxels)
    return _regions_from_table(read_table(
        table, ("voxel", "roi"), optional_columns=("hemisphere", "group", "domain"),
        what="voxels and their regions"), n_voxels)


def _regions_from_names(path: Path, n_voxels: int) -> Regions:
    values = load_array(path, "a name for each voxel, as text", "U")
    if values.shape != (n_voxels,):
        raise LabError(f"{path} has the shape {values.shape}, the responses have {n_voxels} voxels",
                       expected=f"the shape ({n_voxels},)",
                       remedy="save a name for each voxel; an empty one where it is in no region")
    found = np.array([normalise_name(str(name)) for name in values])
    members = {name: found == name for name in dict.fromkeys(found.tolist()) if name}
    return Regions(members, np.full(n_voxels, "both"),
                   tuple(_declared(name, {}, str(path)) for name in _checked(members, path)))


def _regions_from_table(table: TextTable, n_voxels: int) -> Regions:
    voxels, names = table.integers("voxel"), [normalise_name(n) for n in table.columns["roi"]]
    members: dict[str, NDArray[np.bool_]] = {}
    hemisphere = np.full(n_voxels, "", "U4")
    declared: dict[str, dict[str, str]] = {}
    optional = {name: table.columns.get(name, [""] * len(names))
                for name in ("hemisphere", "group", "domain")}
    for row, (voxel, name) in enumerate(zip(voxels, names)):
        where = f"{table.path}, line {table.lines[row]}"
        if not 0 <= voxel < n_voxels:
            raise LabError(f"{where}: voxel {voxel}, and the responses have {n_voxels}",
                           expected=f"0 to {n_voxels - 1}",
                           remedy="count voxels from 0, in the order of the responses' columns")
        mask = members.setdefault(name, np.zeros(n_voxels, bool))
        side = optional["hemisphere"][row] or "both"
        if mask[voxel] or side not in SIDES or hemisphere[voxel] not in ("", side):
            raise LabError(f"{where}: voxel {voxel} of {name}, hemisphere {side!r}, was listed "
                           "before, or has another hemisphere" if side in SIDES else
                           f"{where}: the hemisphere {side!r}",
                           expected="each voxel once in a region, hemisphere " + one_of(SIDES),
                           remedy="correct this line")
        mask[voxel], hemisphere[voxel] = True, side
        own = {key: optional[key][row] for key in ("group", "domain")}
        if declared.setdefault(name, own) != own:
            raise LabError(f"{where}: {name} is {own}, and {declared[name]} further up",
                           expected="one group and one domain for all voxels of a region",
                           remedy="correct one of the lines")
    hemisphere[hemisphere == ""] = "both"
    return Regions(members, hemisphere, tuple(
        _declared(name, declared[name], str(table.path)) for name in _checked(members, table.path)))


def _checked(members: dict[str, NDArray[np.bool_]], path: Path) -> list[str]:
    """Return the names that are no published regions, refusing such in other letters."""
    if not members:
        raise LabError(f"{path} names no region", expected="a name for some voxels",
                       remedy="name a region; one for all voxels is enough")
    published = {name.casefold(): name for name in PUBLISHED}
    own = [name for name in members if name not in PUBLISHED]
    for name in own:
        check_name(name, path, "a region", of_file=True)
        if name.casefold() in published:
            raise LabError(f"{path}: the region {name!r}",
                           expected=f"{published[name.casefold()]!r}, or another name",
                           remedy="write the published region's name in its letters; rename a "
                           "region that is another one")
    return own


def _declared(name: str, declared: dict[str, str], where: str) -> Roi:
    """Return an own region of a declared group and domain."""
    group, domain = declared.get("group") or "other", declared.get("domain", "")
    for what, value, choices in (("group", group, tuple(OWN_FAMILIES)),
                                 ("domain", domain, ("", *DOMAINS))):
        if value not in choices:
            raise LabError(f"{where}: the {what} {value!r} of {name}",
                           expected=one_of(filter(None, choices)) + ", or nothing",
                           remedy=suggest(value, choices) or "correct it")
    return Roi(name, OWN_FAMILIES[group], 0, domain)


# ---- lists of images -----------------------------------------------------------------------------

def read_seen_images(folder: Path, names: Sequence[str]) -> NDArray[np.int64]:
    """Return which images a participant's rows belong to: all, without a list.

    ``images.csv`` has a column image, with names as in the list of all images; ``images.npy`` has
    these names, their places in that list (from 0), or true and false for each of them.
    """
    table, array = folder / "images.csv", folder / "images.npy"
    if table.is_file() and array.is_file():
        raise LabError(f"{folder} has both images.csv and images.npy", expected="one of them",
                       remedy="move one of them elsewhere")
    if table.is_file():
        found = _places(read_table(table, ("image",)).columns["image"], names, table)
        path = table
    elif array.is_file():
        path = array
        found = _places_from_array(array, names)
    else:
        return np.arange(len(names))
    values, counts = np.unique(found, return_counts=True)
    if not len(found) or counts.max() > 1:
        seen = f"{names[values[counts.argmax()]]!r} twice" if len(found) else "no image"
        raise LabError(f"{path} lists {seen}", expected="each image that was seen once",
                       remedy="put repeats on an axis of their own: images x repeats x voxels")
    return found


def _places_from_array(path: Path, names: Sequence[str]) -> NDArray[np.int64]:
    values = load_array(path, "names of images, their places, or true and false", "Uiufb")
    if values.ndim != 1:
        raise LabError(f"{path} has the shape {values.shape}", expected="one axis",
                       remedy="save one value an image")
    if values.dtype.kind == "U":
        return _places([str(name) for name in values], names, path)
    if values.dtype.kind == "b" and len(values) == len(names):
        return np.flatnonzero(values)
    return whole_numbers(values, path, least=0, most=len(names) - 1)


def _places(found: Sequence[str], names: Sequence[str], path: Path) -> NDArray[np.int64]:
    place = {name: i for i, name in enumerate(names)}
    for name in found:
        if name not in place:
            raise LabError(f"{path} lists the image {name!r}",
                           expected=f"names as in the list of all images, such as {names[0]!r}",
                           remedy=suggest(name, names) or "correct the name")
    return np.array([place[name] for name in found], np.int64)
