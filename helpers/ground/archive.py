"""Unpack zip archives safely, and describe a folder by one digest."""

from __future__ import annotations

import errno
import hashlib
import re
import shutil
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from helpers.ground.digest import file_digest
from helpers.ground.errors import LabError
from helpers.ground.paths import disk_full, ensure_space, ensure_writable


def visible_files(folder: Path) -> list[str]:
    """Return the sorted relative paths of the files under ``folder``, without hidden ones."""
    # Desktops leave .DS_Store and the like in any folder that a person looks into.
    names = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return sorted(name.as_posix() for name in names if not _is_hidden(name.parts))


def folder_manifest(folder: Path) -> str:
    """Return one digest for the names and contents of the files under ``folder``.

    It is the SHA-256 of the lines ``<sha256>  <relative path>``, sorted by path.
    """
    lines = "".join(f"{file_digest(folder / name)}  {name}\n" for name in visible_files(folder))
    return "sha256:" + hashlib.sha256(lines.encode("utf-8")).hexdigest()


@contextmanager
def unpack_zip(archive: Path, folder: Path, *, nested: bool = False) -> Iterator[Path]:
    """Unpack an archive into ``folder`` for the time of the block; hidden files are left out.

    Parameters
    ----------
    archive : Path
    folder : Path
        Emptied before, removed after; move what is to stay.
    nested : bool
        Whether to unpack the archives inside too, each where it lies.

    Raises
    ------
    LabError
        If the archive is damaged, names a file outside of ``folder``, or does not fit the disk.
    """
    shutil.rmtree(folder, ignore_errors=True)
    ensure_writable(folder)
    try:
        _extract(archive, folder)
        if nested:
            for inner in sorted(folder.rglob("*.zip")):
                _extract(inner, inner.parent)
                inner.unlink()
        yield folder
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise disk_full(folder) from error
        raise
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def take_folder(unpacked: Path, *, member: str | None = None,
                holding: str | None = None) -> Path:
    """Return the folder wanted from an unpacked archive.

    Parameters
    ----------
    unpacked : Path
    member : str, optional
        Its path in the archive.
    holding : str, optional
        Name of a file or sub-folder that it alone holds.

    Raises
    ------
    LabError
        If there is no such folder.
    """
    if member is not None:
        found = [unpacked / member]
    elif holding is not None:
        found = [path.parent for path in sorted(unpacked.rglob(holding))]
    else:
        found = [unpacked]
    if not found or not found[0].is_dir():
        top = ", ".join(sorted(path.name for path in unpacked.iterdir())[:8])
        raise LabError(f"The archive holds: {top}.",
                       expected=f"the folder {member}" if member else f"a folder with {holding}",
                       remedy="correct 'member' or 'holding' where the source is listed")
    return found[0]


def sort_files(folder: Path, pattern: str, into: str) -> None:
    """Move the files of a flat folder into sub-folders of ``into``; other files are deleted.

    Parameters
    ----------
    folder : Path
    pattern : str
        Regular expression; its first group in a file's name is the name of its sub-folder.
    into : str
        Folder below ``folder``.
    """
    for path in [path for path in folder.iterdir() if path.is_file()]:
        found = re.match(pattern, path.name)
        if found is None:
            path.unlink()
            continue
        target = folder / into / found[1]
        target.mkdir(parents=True, exist_ok=True)
        path.rename(target / path.name)


def _extract(archive: Path, folder: Path) -> None:
    try:
        with zipfile.ZipFile(archive) as opened:
            members = [item for item in opened.infolist()
                       if not _is_hidden(PurePosixPath(item.filename).parts)]
            for item in members:
                _require_inside(item.filename, folder, archive)
            ensure_space(folder, sum(item.file_size for item in members), archive.name)
            opened.extractall(folder, members)
    except (zipfile.BadZipFile, EOFError) as error:
        raise LabError(f"{archive} is not a whole zip archive ({error}).",
                       expected="the archive as its server sends it",
                       remedy=f"delete {archive} and run again") from error


def _is_hidden(parts: tuple[str, ...]) -> bool:
    return "__MACOSX" in parts or any(part.startswith(".") and part != ".." for part in parts)


def _require_inside(name: str, folder: Path, archive: Path) -> None:
    root = folder.resolve()
    if not (root / name).resolve().is_relative_to(root):
        raise LabError(f"{archive} names the file {name!r}, outside of the folder to unpack into.",
                       expected="relative names without '..'",
                       remedy="do not use this archive; delete it")
