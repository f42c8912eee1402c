"""Datasets of HDF5 files whose bytes lie in the file itself.

HDF5 can lead to other files: by a link, by bytes that are stored outside, by a dataset that is put
together from others. What lies elsewhere is not covered by the file's digest, so that a result of
it would look fresh after it changed; and a file could name any other file of this machine.
"""

from __future__ import annotations

import h5py

from helpers.brains.files import UnexpectedFile


def own_dataset(file: h5py.File, name: str) -> h5py.Dataset | None:
    """Return a dataset of a file; None where there is none of this name.

    Raises
    ------
    UnexpectedFile
        If it lies in another file, in whole or in part.
    """
    link = file.get(name, getlink=True)
    if isinstance(link, h5py.ExternalLink | h5py.SoftLink):
        raise UnexpectedFile(f"its {name!r} is a link, to {link.path}"
                             f"{' of another file' * isinstance(link, h5py.ExternalLink)}")
    found = file.get(name)
    if not isinstance(found, h5py.Dataset):
        return None
    if found.external or found.is_virtual:
        raise UnexpectedFile(f"the numbers of its {name!r} lie in other files")
    return found


def refuse_other_files(file: h5py.File) -> None:
    """Refuse a file any of whose datasets lies in another one; see `own_dataset`."""
    names: list[str] = []
    file.visit_links(names.append)  # an error within its call would reach nobody
    for name in names:
        own_dataset(file, name)
