"""Reading the files of brain data: labels, volumes, safe dictionaries, pictures."""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from helpers.ground.digest import file_digest, text_digest
from helpers.ground.errors import LabError
from helpers.stimuli.album import Album
from helpers.stimuli.decode import decoded

PUT_AGAIN = "fetch this file again; the message of the profile's data source says from where"


def readable(path: Path, read: Callable[[Path], Any], what: str) -> Any:
    """Read a file, turning whatever is wrong with it into an error that names it."""
    if not path.is_file():
        raise LabError(f"no file {path}", expected=what, remedy=PUT_AGAIN)
    try:
        return read(path)
    except (OSError, ValueError, KeyError, IndexError, EOFError, TypeError, AttributeError,
            pickle.UnpicklingError, nib.filebasedimages.ImageFileError,
            nib.spatialimages.HeaderDataError) as error:
        raise LabError(f"{path} cannot be read: {error}", expected=f"{what}, whole",
                       remedy=PUT_AGAIN) from error


def read_volume(path: Path) -> NDArray:
    """Read the values of an ``.mgz``, ``.mgh`` or ``.nii.gz`` file, in the axes of the file."""
    return readable(path, lambda p: np.asanyarray(nib.load(p).dataobj),
                    "an image that nibabel reads")


def read_names(path: Path) -> dict[int, str]:
    """Read a ``.ctab``: lines of an integer and a name (further columns are colours)."""
    def read(where: Path) -> dict[int, str]:
        lines = [line.split() for line in where.read_text(encoding="utf-8").splitlines()]
        return {int(line[0]): line[1] for line in lines if len(line) > 1 and line[0] != "#"}

    return readable(path, read, "lines of an integer and a name")


class _PlainUnpickler(pickle.Unpickler):
    """Unpickle dictionaries of numbers and text, as NumPy stores them, and nothing that runs."""

    ALLOWED = {("numpy", "ndarray"), ("numpy", "dtype"),
               *((f"numpy.{core}.multiarray", name) for core in ("core", "_core")
                 for name in ("_reconstruct", "scalar"))}

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self.ALLOWED:
            raise pickle.UnpicklingError(f"it would run {module}.{name}")
        return super().find_class(module, name)


def read_mapping(path: Path) -> dict[int, str]:
    """Read a dictionary of integers to names from a ``.npy`` file, without running what it holds.

    Algonauts 2023 stores its ROI names as a pickled dictionary; only plain parts are admitted.
    """
    def read(where: Path) -> dict[int, str]:
        with where.open("rb") as file:
            if np.lib.format.read_magic(file) != (1, 0):
                raise ValueError("not a .npy file of version 1.0")
            _, _, kind = np.lib.format.read_array_header_1_0(file)
            if not kind.hasobject:
                raise ValueError(f"an array of {kind}")
            content = _PlainUnpickler(file).load().item()
        return {int(label): str(name) for label, name in content.items()}

    return readable(path, read, "a dictionary of integers and names")


class Files(Album):
    """Pictures that are files of their own.

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
        """Digest of names and sizes: sets of this kind have tens of thousands of pictures."""
        return text_digest(repr([(path.name, readable(path, lambda p: p.stat().st_size,
                                                      "a picture")) for path in self.paths]))

    def open(self, index: int) -> Image.Image:
        """Decode one picture as RGB."""
        return readable(self.paths[index], decoded, "a picture")


def content_digest(content: bytes) -> str:
    """Return the SHA-256 of some bytes, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def stat_digest(large: Iterable[Path], small: Iterable[Path] = ()) -> str:
    """Identify large files by name and size, small ones by name and content.

    Times of change do not count: a copy of the data is the same data.
    """
    sizes = [(path.name, readable(path, lambda p: p.stat().st_size, "a file of this cohort"))
             for path in large]
    contents = [(path.name, readable(path, file_digest, "a file of this cohort"))
                for path in small]
    return text_digest(repr((sizes, contents)))
