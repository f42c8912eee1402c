"""The lists of Places365: which image shows which kind of place."""

from __future__ import annotations

import re
from pathlib import Path

from helpers.core.errors import LabError
from helpers.core.text import read_lines

FOLDER, LIST, NAMES = "val_256", "places365_val.txt", "categories_places365.txt"
"""Folder of the small validation images, their list, and the list of categories."""


def read_validation(root: Path) -> tuple[list[tuple[str, int]], tuple[str, ...]]:
    """Read which validation images there are, and what they show.

    Parameters
    ----------
    root : Path
        Holds ``FOLDER`` and the two lists, as their archives unpack.

    Returns
    -------
    listed : list of (str, int)
        Path below ``root`` and index of the category, in the order of the list, as
        torchvision's Places365 has them: a seeded split of the images depends on it.
    classes : tuple of str
        Names of the categories in the order of their index, without the leading ``/a/``.

    Raises
    ------
    LabError
        If a list is missing or damaged, if a listed image is absent, or if its index is of no
        category.
    """
    names = _read(root / NAMES)
    if sorted(names.values()) != list(range(len(names))):
        raise LabError(f"{root / NAMES} numbers its {len(names)} categories otherwise",
                       expected="the indices 0, 1, 2 …, each once",
                       remedy="take it again from filelist_places365-standard.tar")
    classes = tuple(name[3:] if name[0] == "/" and name[2:3] == "/" else name
                    for name in sorted(names, key=names.__getitem__))
    shown = _read(root / LIST)
    strange = [name for name, index in shown.items() if not 0 <= index < len(classes)]
    if strange:
        raise LabError(f"{root / LIST} gives {strange[0]} the index {shown[strange[0]]}",
                       expected=f"an index of {NAMES}: 0 to {len(classes) - 1}",
                       remedy="take both lists from the same archive")
    folder = root / FOLDER
    there = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    absent = sorted(set(shown) - there)
    if len(absent) == len(shown) and there:
        raise LabError(f"{root / LIST} lists none of the {len(there)} files in {folder}, but "
                       f"{absent[0]} …", expected="the list of the validation images",
                       remedy=f"take {LIST} again from filelist_places365-standard.tar, which "
                       "lists the images of val_256.tar")
    if absent:
        raise LabError(f"{len(absent)} of {len(shown)} listed images are not in {folder}, "
                       f"such as {absent[0]}", expected=f"every image of {LIST}",
                       remedy="unpack val_256.tar again")
    return [(f"{FOLDER}/{name}", index) for name, index in shown.items()], classes


def _read(path: Path) -> dict[str, int]:
    """Read a list of names and indices, one a line."""
    if not path.is_file():
        raise LabError(f"no {path}", expected="it beside the images",
                       remedy="unpack filelist_places365-standard.tar there")
    found: dict[str, int] = {}
    for number, line in read_lines(path):
        name, index = re.fullmatch(r"(?:(.*\S)\s+)?(\S+)", line).groups()
        if not name or not index.isdecimal() or name in found:
            raise LabError(f"{path}, line {number}: {line!r}",
                           expected="a name that was not yet there, a space or tab, and an index",
                           remedy="take it again from filelist_places365-standard.tar")
        found[name] = int(index)
    if not found:
        raise LabError(f"{path} is empty", expected="a name and an index on every line",
                       remedy="take it again from filelist_places365-standard.tar")
    return found
