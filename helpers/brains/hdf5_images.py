"""Images in one HDF5 dataset, as NSD has its 73,000."""

from __future__ import annotations

import os
from collections.abc import Hashable
from functools import cached_property
from pathlib import Path

import h5py
import numpy as np
from PIL import Image

from helpers.brains.files import readable, unlike_release
from helpers.brains.hdf5_datasets import own_dataset
from helpers.core.content_digests import file_state, files_digest
from helpers.core.digest import text_digest
from helpers.core.errors import LabError
from helpers.stimuli.image_source import ImageSource


class HDF5Images(ImageSource):
    """Open an HDF5 dataset of images.

    Parameters
    ----------
    path : Path
    name : str
        Dataset of shape (n_images, height, width, 3), uint8.

    Raises
    ------
    LabError
        If the file is missing or damaged, or holds no such dataset.
    """

    def __init__(self, path: Path, name: str = "imgBrick") -> None:
        self.path, self.name = path, name
        found = readable(path, lambda where: own_dataset(open_hdf5(where), name),
                         "an HDF5 file of images")
        if found is None or found.dtype != np.uint8 or found.ndim != 4 or found.shape[3] != 3:
            raise unlike_release(f"{path} has no dataset {name!r} of images",
                                 "(n_images, height, width, 3), uint8")
        self.shape = found.shape
        limit = Image.MAX_IMAGE_PIXELS or np.inf
        if found.shape[1] * found.shape[2] > limit:
            raise unlike_release(f"{path}: images of {found.shape[1]} x {found.shape[2]} pixels",
                                 f"at most {limit:.0f} pixels")

    def __len__(self) -> int:
        return self.shape[0]

    @cached_property
    def digest(self) -> str:
        """Digest of the file's content, and which dataset of it holds the images."""
        return text_digest(f"{files_digest([self.path])} {self.name}")

    def identity(self, index: int) -> Hashable:
        """Return the file, when it was written, and the place in it."""
        return str(self.path), self.path.stat().st_mtime_ns, self.name, index

    def open(self, index: int) -> Image.Image:
        """Decode one image."""
        if not 0 <= index < len(self):
            raise LabError(f"image {index} of {self.path}", expected=f"0 to {len(self) - 1}",
                           remedy="use the indices of this cohort's image source")
        return readable(self.path, lambda path: Image.fromarray(open_hdf5(path)[self.name][index]),
                        f"an HDF5 file with image {index}")


_OPEN_FILES: dict[Path, tuple[list[int], h5py.File]] = {}


def open_hdf5(path: Path) -> h5py.File:
    """Open a file of images, once per process; anew where the file has changed.

    Raises
    ------
    LabError
        If the file is missing or damaged.
    """
    def read(where: Path) -> h5py.File:
        state = [os.getpid(), *file_state(where.stat())]
        if where not in _OPEN_FILES or _OPEN_FILES[where][0] != state:
            _OPEN_FILES[where] = state, h5py.File(where)
        return _OPEN_FILES[where][1]

    return readable(path, read, "an HDF5 file of images")
