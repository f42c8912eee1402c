"""Floor 1. Reading the files of brain data: HDF5, labels, images of volumes, safe dictionaries."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import h5py
import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from helpers.album import Album
from helpers.digest import text_digest
from helpers.errors import LabError

PUT_AGAIN = "fetch this file again; the message of the profile's data source says from where"


def readable(path: Path, read: Callable[[Path], Any], what: str) -> Any:
    """Read a file, turning whatever is wrong with it into an error that names it."""
    if not path.is_file():
        raise LabError(f"no file {path}", expected=what, remedy=PUT_AGAIN)
    try:
        return read(path)
    except (OSError, ValueError, KeyError, EOFError, pickle.UnpicklingError,
            nib.filebasedimages.ImageFileError) as error:
        raise LabError(f"{path} cannot be read: {error}", expected=f"{what}, whole",
                       remedy=PUT_AGAIN) from error


def read_volume(path: Path) -> NDArray:
    """Read the values of an ``.mgz``, ``.mgh`` or ``.nii.gz`` file, without axes of length one."""
    return readable(path, lambda p: np.squeeze(np.asanyarray(nib.load(p).dataobj)),
                    "an image that nibabel reads")


def read_names(path: Path) -> dict[int, str]:
    """Read a ``.ctab``: lines of an integer and a name (further columns are colours)."""
    def read(where: Path) -> dict[int, str]:
        lines = [line.split() for line in where.read_text(encoding="utf-8").splitlines()]
        return {int(line[0]): line[1] for line in lines if len(line) > 1 and line[0] != "#"}

    return readable(path, read, "lines of an integer and a name")


class _PlainUnpickler(pickle.Unpickler):
    """Unpickle dictionaries of numbers and text, as NumPy stores them, and nothing that runs."""

    ALLOWED = {("numpy.core.multiarray", "_reconstruct"), ("numpy._core.multiarray",
               "_reconstruct"), ("numpy", "ndarray"), ("numpy", "dtype"),
               ("numpy.core.multiarray", "scalar"), ("numpy._core.multiarray", "scalar")}

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
            np.lib.format.read_magic(file)
            np.lib.format.read_array_header_1_0(file)
            content = np.asarray(_PlainUnpickler(file).load(), dtype=object).item()
        return {int(label): str(name) for label, name in content.items()}

    return readable(path, read, "a dictionary of integers and names")


class Brick(Album):
    """Pictures in one HDF5 dataset: NSD's ``imgBrick``.

    Parameters
    ----------
    path : Path
    name : str
        Dataset of shape (n_pictures, height, width, 3), uint8.
    """

    def __init__(self, path: Path, name: str = "imgBrick") -> None:
        self.path, self.name = path, name
        with self._file() as file:
            if name not in file or file[name].ndim != 4 or file[name].dtype != np.uint8:
                raise LabError(f"{path} has no dataset {name!r} of pictures",
                               expected="(n_pictures, height, width, 3), uint8", remedy=PUT_AGAIN)
            self.shape = file[name].shape

    def _file(self) -> h5py.File:
        return readable(self.path, h5py.File, "an HDF5 file of pictures")

    def __len__(self) -> int:
        return self.shape[0]

    @property
    def digest(self) -> str:
        """Digest of the file's name, size, shape and of some pictures: it may be 40 GB."""
        some = np.linspace(0, len(self) - 1, 16).astype(int)
        pixels = [self.open(int(i)).tobytes() for i in some]
        state = (self.path.name, self.path.stat().st_size, self.shape)
        return text_digest(repr((state, [hash_of(p) for p in pixels])))

    def open(self, index: int) -> Image.Image:
        """Decode one picture."""
        try:
            with self._file() as file:
                return Image.fromarray(file[self.name][index])
        except OSError as error:
            raise LabError(f"{self.path}, picture {index}: {error}", expected="a whole file",
                           remedy=PUT_AGAIN) from error


def hash_of(content: bytes) -> str:
    """Return the digest of some bytes, through their hexadecimal text."""
    return text_digest(content.hex())


def stat_digest(paths: Sequence[Path]) -> str:
    """Identify large files by name and size, small ones (1 MiB) by content as well."""
    parts = []
    for path in paths:
        size = path.stat().st_size
        parts.append((path.name, size, hash_of(path.read_bytes()) if size <= 2**20 else ""))
    return text_digest(repr(parts))
