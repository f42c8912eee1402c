"""The lists of Places365: which image shows which kind of place."""

from __future__ import annotations

import re
from pathlib import Path

from helpers.core.errors import LabError
from helpers.core.text import read_lines

FOLDER, LIST, NAMES = "val_256", "places365_val.txt", "categories_places365.txt"
"""Folder of the small validation images, their list, and the list of categories."""
TAKE_AGAIN = "take it again from filelist_places365-standard.tar"


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
                       remedy=TAKE_AGAIN)
    classes = tuple(re.sub(r"\A/./", "", name) for name in sorted(names, key=names.__getitem__))
    shown = _read(root / LIST)
    strange = [name for name, index in shown.items() if not 0 <= index < len(classes)]
    if strange:
        raise LabError(f"{root / LIST} gives {strange[0]} the index {shown[strange[0]]}",
                       expected=f"an index of {NAMES}: 0 to {len(classes) - 1}",
                       remedy="take both lists from the same archive")
    folder = root / FOLDER
    there = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    absent = sorted(set(shown) - there)
    if absent:
        raise LabError(f"{len(absent)} of {len(shown)} listed images are not among the "
                       f"{len(there)} files in {folder}, such as {absent[0]}",
                       expected=f"every image of {LIST}, the list of the validation images",
                       remedy=f"unpack val_256.tar again; if the list is of others, {TAKE_AGAIN}")
    return [(f"{FOLDER}/{name}", index) for name, index in shown.items()], classes


def _read(path: Path) -> dict[str, int]:
    """Read a list of names and indices, one a line."""
    found: dict[str, int] = {}
    for number, line in read_lines(path, "a list of filelist_places365-standard.tar"):
        *names, index = line.rsplit(maxsplit=1)
        if not names or not index.isdecimal() or names[0] in found:
            raise LabError(f"{path}, line {number}: {line!r}",
                           expected="a name that was not yet there, a space or tab, and an index",
                           remedy=TAKE_AGAIN)
        found[names[0]] = int(index)
    if not found:
        raise LabError(f"{path} is empty", expected="a name and an index on every line",
                       remedy=TAKE_AGAIN)
    return found
