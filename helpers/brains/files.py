"""Reading the files of brain data: labels, volumes, safe dictionaries, images."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from helpers.brains.plain_pickle import NotPlain, read_plain_object
from helpers.core.content_digests import files_digest
from helpers.core.errors import LabError
from helpers.core.substitute_files import substitute_error
from helpers.core.text import MAX_WHOLE, read_lines, read_text
from helpers.stimuli.decode import decode_rgb
from helpers.stimuli.image_source import ImageSource

PUT_THERE = ("put it there, from where the profile's data source has it "
             "(helpers/datasets/sources.toml)")
PUT_AGAIN = ("it is damaged or cut short: fetch this file again, from where the profile's data "
             "source has it (helpers/datasets/sources.toml)")
USE_RELEASED = ("the file is whole, but not the published one, or was changed: keep it elsewhere, "
                "and put the published one there (helpers/datasets/sources.toml says where to "
                "fetch it)")

SAVE_AGAIN = ("save it in a .npy file: numpy.save(path, array), of plain numbers or text (Python "
              "objects would run when they are read)")

MAX_VOXELS = 2**28
"""Values of a volume of labels or of a map; the finest published one has some ten million."""


def unlike_release(seen: str, expected: str) -> LabError:
    """Return the error for a published file that is whole, and holds something else."""
    return LabError(seen, expected=expected, remedy=USE_RELEASED)


class UnexpectedFile(Exception):
    """A file that is whole, and is not what it should be."""


def readable(path: Path, read: Callable[[Path], Any], what: str, *, remedy: str = "") -> Any:
    """Read a file, turning whatever is wrong with it into an error that names it.

    Parameters
    ----------
    path : Path
    read : callable
        Gets the path.
    what : str
        What should be there, for the error.
    remedy : str
        What to do about a file of the user's own; empty: it is a published one.
    """
    if not path.is_file():
        raise LabError(f"no file {path}", expected=what,
                       remedy="put it there" if remedy else PUT_THERE)
    try:
        return read(path)
    except LabError:
        raise
    except Exception as error:  # damaged bytes lead the libraries into any exception
        if isinstance(error, PermissionError):
            remedy = "give yourself the right to read it"
        elif not remedy:
            remedy = USE_RELEASED if isinstance(error, UnexpectedFile | NotPlain) else PUT_AGAIN
        raise substitute_error(path, what) or LabError(
            f"{path} cannot be read: {error or type(error).__name__}", expected=what,
            remedy=remedy) from error


def load_array(path: Path, what: str, kinds: str, *, n: int | None = None,
               remedy: str = SAVE_AGAIN) -> NDArray:
    """Map a ``.npy`` file into memory, refusing pickles and other types.

    Parameters
    ----------
    path : Path
    what : str
        What should be there, for the error.
    kinds : str
        NumPy's letters of the types that are allowed ("fiu", "U").
    n : int, optional
        Voxels of the responses: it is to hold a value for each.
    remedy : str
        As for `readable`.

    Raises
    ------
    LabError
        If the file is missing, damaged, a pickle, or of another type or length.
    """
    def read(where: Path) -> NDArray:
        values = np.load(where, mmap_mode="r", allow_pickle=False)
        if not isinstance(values, np.ndarray):
            raise UnexpectedFile("it is an archive")
        if values.dtype.kind not in kinds:
            raise UnexpectedFile(f"it is of type {values.dtype}")
        if n is not None and values.shape != (n,):
            raise LabError(f"{path} has the shape {values.shape}, the responses have {n} voxels",
                           expected=f"{what}: the shape ({n},)", remedy=SAVE_AGAIN)
        return values

    return readable(path, read, what, remedy=remedy)


def read_json(path: Path, key: str, what: str) -> dict[str, Any]:
    """Read a JSON file that holds an object with a given key."""
    def read(where: Path) -> dict[str, Any]:
        content = json.loads(read_text(where, what))
        if not isinstance(content, dict) or key not in content:
            raise UnexpectedFile(f"no {key} in it")
        return content

    return readable(path, read, what)


def read_volume(path: Path) -> NDArray:
    """Read the values of an ``.mgz``, ``.mgh`` or ``.nii.gz`` file, in the axes of the file."""
    def read(where: Path) -> NDArray:
        image = nib.load(where)
        if math.prod(image.shape) > MAX_VOXELS:  # before they are unpacked
            raise UnexpectedFile(f"its shape is {image.shape}")
        return np.asanyarray(image.dataobj)

    return readable(path, read, "an image that nibabel reads")


def read_names(path: Path) -> dict[int, str]:
    """Read a ``.ctab``: lines of an integer and a name (further columns are colours)."""
    what, found = "lines of an integer and a name", {}
    for number, line in readable(path, lambda p: read_lines(p, what), what):
        label, name = (*line.split(), "", "")[:2]
        if label.startswith("#") or not name:
            continue
        if not label.removeprefix("-").isdecimal() or found.setdefault(int(label), name) != name:
            raise LabError(f"{path}, line {number}: {line!r}",
                           expected=f"{what}, each integer once",
                           remedy="correct this line, or use the file as it was published")
    return found


def whole_numbers(values: NDArray, where: object, *, minimum: float = -np.inf,
                  maximum: float = np.inf) -> NDArray[np.int64]:
    """Return labels or codes of a file as integers, refusing whatever a conversion would change.

    Parameters
    ----------
    values : array, any type and shape
    where : Path or str
        The file, for the error.
    minimum, maximum : float
        Range that they must lie in.

    Returns
    -------
    array, int64, same shape

    Raises
    ------
    LabError
        If one is not a finite whole number, or outside the range: names its value and place.
    """
    values = np.asarray(values)
    good = np.zeros(values.shape, bool)
    if values.dtype.kind in "iufb":
        with np.errstate(invalid="ignore"):
            good = ((values >= minimum) & (values <= maximum) & (values == np.round(values))
                    & (np.abs(values.astype(float)) <= MAX_WHOLE))
    if not good.all():
        place = np.unravel_index(np.flatnonzero(~good)[0], values.shape)
        span = f" from {minimum:g} to {maximum:g}" if np.isfinite([minimum, maximum]).all() else ""
        raise unlike_release(f"{where}: the value {values[place]!s} at "
                             f"{', '.join(map(str, place))} (from 0; {int((~good).sum())} such)",
                             f"whole numbers{span}")
    return values.astype(np.int64)


def read_mapping(path: Path) -> dict[int, str]:
    """Read a dictionary of integers to names from a ``.npy`` file, without running what it holds.

    Algonauts 2023 stores its ROI names as a pickled dictionary; only plain parts are admitted.
    """
    def read(where: Path) -> dict[int, str]:
        with where.open("rb") as file:
            if np.lib.format.read_magic(file) != (1, 0):
                raise UnexpectedFile("not a .npy file of version 1.0")
            _, _, kind = np.lib.format.read_array_header_1_0(file)
            if not kind.hasobject:
                raise UnexpectedFile(f"an array of {kind}")
            content = read_plain_object(file)
        if not isinstance(content, dict):
            raise UnexpectedFile(f"it holds a {type(content).__name__}")
        labels = whole_numbers(list(content), where).tolist()
        return dict(zip(labels, map(str, content.values())))

    return readable(path, read, "a dictionary of integers and names")


class Files(ImageSource):
    """Images that are files of their own.

    Parameters
    ----------
    paths : sequence of Path
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self.paths = tuple(paths)

    def __len__(self) -> int:
        return len(self.paths)

    @cached_property
    def digest(self) -> str:
        """Digest of names and contents, in their order."""
        return files_digest(self.paths)

    def open(self, index: int) -> Image.Image:
        """Decode one image as RGB."""
        return decode_rgb(self.paths[index])
