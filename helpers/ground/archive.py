"""Unpack zip and tar archives safely, and describe a folder by one digest."""

from __future__ import annotations

import errno
import hashlib
import re
import shutil
import tarfile
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
def unpack(archive: Path, folder: Path, *, kind: str = "zip") -> Iterator[Path]:
    """Unpack an archive into ``folder`` for the time of the block; hidden files are left out.

    Parameters
    ----------
    archive : Path
    folder : Path
        Emptied before, removed after; move what is to stay.
    kind : str
        "zip"; "zip-in-zip", where the archives inside are unpacked too, each where it lies; or
        "tar", not compressed.

    Raises
    ------
    LabError
        If the archive is damaged, names a file outside of ``folder``, holds (in a tar) anything
        but files and folders, or does not fit the disk.
    """
    shutil.rmtree(folder, ignore_errors=True)
    ensure_writable(folder)
    try:
        (_extract_tar if kind == "tar" else _extract)(archive, folder)
        if kind == "zip-in-zip":
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
        raise _not_whole(archive, "zip", str(error)) from error


def _extract_tar(archive: Path, folder: Path) -> None:
    """Unpack a plain tar; nothing is written before every member is known to be harmless."""
    try:
        with tarfile.open(archive, "r:") as opened, archive.open("rb") as raw:
            members = [item for item in opened.getmembers()
                       if not _is_hidden(PurePosixPath(item.name).parts)]
            # A damaged header looks like the end to tarfile; the real end is a block of zeros.
            raw.seek(opened.offset)
            if raw.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
                raise _not_whole(archive, "tar", f"no end after {len(members)} members")
            for item in members:
                _require_inside(item.name, folder, archive)
                if not (item.isreg() or item.isdir()):
                    raise LabError(f"{archive} holds {item.name!r}, a link or a device.",
                                   expected="files and folders alone",
                                   remedy="do not use this archive; delete it")
            ensure_space(folder, sum(item.size for item in members), archive.name)
            opened.extractall(folder, members, filter="data")
    except (tarfile.TarError, EOFError) as error:
        raise _not_whole(archive, "tar", str(error)) from error


def _not_whole(archive: Path, kind: str, why: str) -> LabError:
    return LabError(f"{archive} is not a whole {kind} archive ({why}).",
                    expected="the archive as its server sends it",
                    remedy=f"delete {archive} and run again")


def _is_hidden(parts: tuple[str, ...]) -> bool:
    return "__MACOSX" in parts or any(part.startswith(".") and part != ".." for part in parts)


def _require_inside(name: str, folder: Path, archive: Path) -> None:
    root = folder.resolve()
    if not (root / name).resolve().is_relative_to(root):
        raise LabError(f"{archive} names the file {name!r}, outside of the folder to unpack into.",
                       expected="relative names without '..'",
                       remedy="do not use this archive; delete it")
