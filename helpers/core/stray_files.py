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

COPY = re.compile(
    r"(?:copy of |kopie von |copie de )(?P<of>.+)|"
    r"(?P<name>.+?)(?:~|[ _]?\(\d+\)|[ _.-]+(?:copy|kopie|copie|copia|backup|bak|old|orig|original)"
    r"(?:[ _-]*\(?\d+\)?)?)", re.IGNORECASE)
"""How desktops and people name a copy of something."""
PERHAPS_COPY = re.compile(r"[ ~()]|cop|kopie|ba[ck]|old|orig", re.IGNORECASE)
"""Quicker, for lists of a million names: what every name of a copy holds."""


def is_stray(name: str) -> bool:
    """Tell whether a file or folder is hidden, a lock, or left by a desktop."""
    return (name.startswith((".", "~$")) or name.endswith("~")
            or name.lower() in DESKTOP_FILES)


def visible_files(folder: Path) -> list[str]:
    """Return the sorted relative paths of the files under ``folder``, without strays.

    Folders behind symbolic links count as well: they are read as well.
    """
    names, seen = [], set()
    for root, folders, files in os.walk(folder, followlinks=True):
        here = os.path.realpath(root)
        folders[:] = [] if here in seen else [name for name in folders if not is_stray(name)]
        if here not in seen:
            names += [(Path(root) / name).relative_to(folder).as_posix() for name in files
                      if not is_stray(name)]
        seen.add(here)
    return sorted(names)


def original_of(name: str, names: Collection[str]) -> str | None:
    """Return which of some names this one is the name of a copy of; None if of none."""
    if not PERHAPS_COPY.search(name):
        return None
    stem, dot, suffix = name.rpartition(".")
    for base, end in ((name, ""), (stem, dot + suffix)):
        found = COPY.fullmatch(base)
        of = (found["of"] or found["name"]) + end if found else None
        if of != name and of in names:
            return of
    return None


def exactly(paths: Iterable[Path], pattern: re.Pattern[str], what: str,
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
    named = {path.name: path for path in paths if not is_stray(path.name)}
    fitting = [name for name in sorted(named) if pattern.fullmatch(name)]
    for name in sorted(named.keys() - set(fitting)):
        stem = name.removesuffix(named[name].suffix)
        beside = [right.removesuffix(Path(right).suffix) for right in fitting]
        if not any(stem.startswith(right) and not stem[len(right)].isalnum()
                   for right in beside if len(stem) > len(right)) \
                and original_of(name, fitting) is None:
            raise LabError(f"{what} {name} in {named[name].parent}",
                           expected=f"names like {example}",
                           remedy="rename it if it belongs there, or move it out of this folder")
    return [named[name] for name in fitting]
