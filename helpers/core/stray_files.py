"""Files that nobody meant to be data: what desktops leave, and copies beside an original."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable
from pathlib import Path

from helpers.core.errors import LabError

DESKTOP_FILES = {"thumbs.db", "ehthumbs.db", "ehthumbs_vista.db", "desktop.ini", "__macosx",
                 "icon\r", "$recycle.bin", "system volume information", "lost+found",
                 "@eadir", "#recycle", "__pycache__"}
"""Names, in lower case, that Windows, macOS, file servers and Python give to files of their own."""

COPY_PATTERN = re.compile(
    r"(?:copy of |kopie von |copie de )(?P<of>.+)|"
    r"(?P<name>.+?)(?:~|[ _]?\(\d+\)|[ _.-]+(?:copy|kopie|copie|copia|backup|bak|old|orig|original)"
    r"(?:[ _-]*\(?\d+\)?)?)", re.IGNORECASE)
"""How desktops and people name a copy of something."""
COPY_PREFILTER = re.compile(r"[ ~()]|cop|kopie|ba[ck]|old|orig", re.IGNORECASE)
"""Quicker, for lists of a million names: what every name of a copy holds."""


def is_stray(name: str) -> bool:
    """Tell whether a file or folder is hidden, a lock, or left by a desktop."""
    return (name.startswith((".", "~$")) or name.endswith("~")
            or name.lower() in DESKTOP_FILES)


def list_visible_files(folder: Path) -> list[str]:
    """Return the sorted relative paths of the files under ``folder``, without strays.

    Folders behind symbolic links count as well: they are read as well.
    """
    names, visited = [], set()
    for root, folders, files in os.walk(folder, followlinks=True):
        if (real_root := os.path.realpath(root)) in visited:
            folders.clear()
            continue
        visited.add(real_root)
        folders[:] = [name for name in folders if not is_stray(name)]
        names += [(Path(root) / name).relative_to(folder).as_posix() for name in files
                  if not is_stray(name)]
    return sorted(names)


def find_original(name: str, names: Collection[str]) -> str | None:
    """Return which of some names this one is the name of a copy of; None if of none."""
    if not COPY_PREFILTER.search(name):
        return None
    stem, dot, suffix = name.rpartition(".")
    for base, ending in ((name, ""), (stem, dot + suffix)):
        match = COPY_PATTERN.fullmatch(base)
        original = (match["of"] or match["name"]) + ending if match else None
        if original != name and original in names:
            return original
    return None


def select_by_pattern(paths: Iterable[Path], pattern: re.Pattern[str], what: str,
                      example: str) -> list[Path]:
    """Return the paths whose whole name fits a pattern, by name.

    Strays are left out, and copies whose name goes on after that of a file that fits and is there
    ("subj01_old", "betas_session01 (1).hdf5").

    Parameters
    ----------
    paths : iterable of Path
        Of one folder: whatever is, or resembles, what is looked for.
    pattern : regular expression
    what, example : str
        What is looked for, and a name that fits, for the error.

    Raises
    ------
    LabError
        If a name is neither: left out in silence, it might be missing.
    """
    by_name = {path.name: path for path in paths if not is_stray(path.name)}
    matching = [name for name in sorted(by_name) if pattern.fullmatch(name)]
    stems = {Path(name).stem for name in matching}
    for name in sorted(by_name.keys() - set(matching)):
        stem = Path(name).stem
        goes_on = any(stem[:mark.start()] in stems for mark in re.finditer(r"[\W_]", stem))
        if not goes_on and find_original(name, matching) is None:
            raise LabError(f"{what} {name} in {by_name[name].parent}",
                           expected=f"names like {example}",
                           remedy="rename it if it belongs there, or move it out of this folder")
    return [by_name[name] for name in matching]
