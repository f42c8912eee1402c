"""Unpack zip and tar archives safely, and describe a folder by one digest."""

from __future__ import annotations

import errno
import hashlib
import re
import shutil
import stat
import tarfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from helpers.core.digest import file_digest
from helpers.core.errors import LabError
from helpers.core.paths import (
    FULL_DISK,
    ensure_space,
    ensure_writable,
    format_size,
    report_full_disk,
)
from helpers.core.stray_files import is_stray, list_visible_files
from helpers.core.substitute_files import N_BYTES, describe_substitute

SUPPORTED_COMPRESSION = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2,
                         zipfile.ZIP_LZMA)
MAX_GROWTH, ALWAYS_BYTES = 100, 2**30
"""What unpacks to more than so many times the archive's size is refused, but for so many bytes.
Images hardly shrink, tables and labels some twenty times; archives made to fill a disk do so a
thousand times, or, in each other, a million."""
MAX_MEMBERS = 5_000_000
"""Files of an archive; ImageNet has 1.4 million."""
UNSAFE_REMEDY = "do not use this archive; get one from its publisher"
MAGIC_BYTES = {b"PK": "zip", b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ": "xz",
               b"7z\xbc\xaf": "7z", b"Rar!": "rar", b"(\xb5/\xfd": "zstd"}
"""How files begin that people take for an archive of another kind."""


def folder_manifest(folder: Path) -> str:
    """Return one digest for the names and contents of the files under ``folder``.

    It is the SHA-256 of the lines ``<sha256>  <relative path>``, sorted by path.
    """
    lines = "".join(f"{file_digest(folder / name)}  {name}\n"
                    for name in list_visible_files(folder))
    return "sha256:" + hashlib.sha256(lines.encode("utf-8")).hexdigest()


@contextmanager
def unpack(archive: Path, folder: Path, *, kind: str = "zip") -> Iterator[Path]:
    """Unpack an archive into ``folder`` for the time of the block; strays are left out.

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
        If the archive is damaged, needs a password or a compression that Python lacks, names a
        file outside of ``folder``, holds anything but files and folders, is made to fill a disk
        (`MAX_GROWTH`; archives inside count together), or does not fit the disk.
    """
    shutil.rmtree(folder, ignore_errors=True)
    ensure_writable(folder)
    budget = _Budget(archive)
    try:
        with report_full_disk(folder):
            _extract(archive, folder, kind.removesuffix("-in-zip"), budget)
            if kind == "zip-in-zip":
                for inner in sorted(path for path in folder.rglob("*")
                                    if path.suffix.lower() == ".zip" and path.is_file()):
                    _extract(inner, inner.parent, "zip", budget)
                    inner.unlink()
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def select_folder(unpacked: Path, *, member: str | None = None,
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
    candidates = ([path.parent for path in sorted(unpacked.rglob(holding))]
                  if holding and not member else [unpacked / (member or "")])
    if not candidates or not candidates[0].is_dir():
        top = ", ".join(sorted(path.name for path in unpacked.iterdir())[:8])
        raise LabError(f"The archive holds: {top or 'nothing'}.",
                       expected=f"the folder {member}" if member else f"a folder with {holding}",
                       remedy="if you put the archive there, check that it is the right one; if "
                       "not, correct 'member' or 'holding' where the source is listed")
    return candidates[0]


def sort_into_folders(folder: Path, pattern: str, into: str) -> None:
    """Move the files of a flat folder into sub-folders of ``into``; other files are deleted.

    Parameters
    ----------
    folder : Path
    pattern : str
        Regular expression; its first group in a file's name is the name of its sub-folder.
    into : str
        Folder below ``folder``.

    Raises
    ------
    LabError
        If that name leads out of the folder (``..``).
    """
    for path in [path for path in folder.iterdir() if path.is_file()]:
        name_match = re.match(pattern, path.name)
        if name_match is None:
            path.unlink()
        elif (name_match[1] or "").strip("."):
            (folder / into / name_match[1]).mkdir(parents=True, exist_ok=True)
            path.rename(folder / into / name_match[1] / path.name)
        else:
            raise LabError(f"the file {path.name!r} would go to a folder {name_match[1]!r}",
                           expected="the name of a folder below", remedy=UNSAFE_REMEDY)


@dataclass
class _Budget:
    """What has been unpacked from the file that a person has, archives inside included."""

    outer: Path
    n_bytes: int = 0
    n_members: int = 0

    def add(self, archive: Path, folder: Path, sizes: list[int]) -> None:
        """Count some members before they are written; refuse too many, and what does not fit."""
        outer_bytes = self.outer.stat().st_size
        limit = max(ALWAYS_BYTES, MAX_GROWTH * outer_bytes)
        self.n_bytes += sum(sizes)
        self.n_members += len(sizes)
        if self.n_bytes > limit or self.n_members > MAX_MEMBERS:
            raise LabError(f"{self.outer} ({format_size(outer_bytes)}) would unpack to "
                           f"{self.n_members:,} files, {format_size(self.n_bytes)} or more.",
                           expected=f"at most {MAX_MEMBERS:,} files, {format_size(limit)}: an "
                           "archive of such a ratio is made to fill disks",
                           remedy=f"{UNSAFE_REMEDY}. If it is genuine, unpack it by hand "
                           f"to {self.outer.with_suffix('')}")
        ensure_space(folder, sum(sizes), archive.name)


def _extract(archive: Path, folder: Path, kind: str, budget: _Budget) -> None:
    """Unpack an archive; whatever its bytes make the library raise becomes an error about it."""
    outer = budget.outer
    where = str(archive) if archive == outer else f"{archive.name} in {outer}"
    by_hand = (f"unpack it by hand to {outer.with_suffix('')} (7-Zip can), or pack the same files "
               f"again as a plain {kind} and put that at {outer}")
    cause = None
    with archive.open("rb") as file:
        head = file.read(N_BYTES)
    if head and (found := describe_substitute(head)):
        reason, remedy = f"it is {found[0]}", f"{found[1]}; put it at {outer}"
    elif detected := [name for mark, name in MAGIC_BYTES.items()
                      if head.startswith(mark) and name != kind]:
        reason, remedy = f"it begins like {detected[0]}", by_hand
    else:
        try:
            return (_extract_tar if kind == "tar" else _extract_zip)(archive, folder, budget)
        except LabError:
            raise
        except RuntimeError as error:  # zipfile's, of passwords and of compressions that it lacks
            cause, reason, remedy = error, f"Python cannot unpack it: {error}", by_hand
        except Exception as error:  # damaged bytes lead zipfile and tarfile into any exception
            if isinstance(error, OSError) and error.errno in (*FULL_DISK, errno.EACCES, errno.EIO):
                raise
            cause, reason = error, str(error) or type(error).__name__
            remedy = f"move {outer} away and run again, or put a whole one there"
    raise LabError(f"{where} is not a whole {kind} archive ({reason}).",
                   expected=f"a {kind} archive as its server sends it, without a password, "
                   "compressed as usual (Deflate)", remedy=remedy) from cause


def _extract_zip(archive: Path, folder: Path, budget: _Budget) -> None:
    with zipfile.ZipFile(archive) as archive_file:
        members = [item for item in archive_file.infolist() if not _is_stray_path(item.filename)]
        for item in members:
            if item.compress_type not in SUPPORTED_COMPRESSION:
                name = zipfile.compressor_names.get(item.compress_type, item.compress_type)
                raise NotImplementedError(f"a compression that it lacks ({name})")
            kind = stat.S_IFMT(item.external_attr >> 16)
            _check_member(item.filename, kind in (0, stat.S_IFREG, stat.S_IFDIR), folder, archive)
        _refuse_overlaps(members)
        budget.add(archive, folder, [item.file_size for item in members])
        archive_file.extractall(folder, members)


def _refuse_overlaps(members: list[zipfile.ZipInfo]) -> None:
    """Refuse members that share their bytes, with which a small archive holds anything many times.

    Python itself refuses them since 3.11.8.
    """
    end = 0
    for item in sorted(members, key=lambda item: item.header_offset):
        if item.header_offset < end:
            raise zipfile.BadZipFile(f"Overlapped entries: {item.filename!r}")
        end = item.header_offset + item.compress_size


class _Member(tarfile.TarInfo):
    """A member of a tar; one of negative size would be read again and again, without an end."""

    def _block(self, count: int) -> int:
        if count < 0:
            raise tarfile.ReadError("a member of negative size")
        return super()._block(count)


def _extract_tar(archive: Path, folder: Path, budget: _Budget) -> None:
    """Unpack a plain tar; nothing is written before every member is known to be harmless."""
    with tarfile.open(archive, "r:", tarinfo=_Member) as archive_file, archive.open("rb") as raw:
        members = [item for item in archive_file.getmembers() if not _is_stray_path(item.name)]
        # A damaged header looks like the end to tarfile; the real end is a block of zeros.
        raw.seek(archive_file.offset)
        if raw.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
            raise tarfile.ReadError(f"no end after {len(members)} members")
        for item in members:
            is_plain = (item.isreg() or item.isdir()) and not item.issparse()
            _check_member(item.name, is_plain, folder, archive)
        budget.add(archive, folder, [item.size for item in members])
        archive_file.extractall(folder, members, filter="data")


def _is_stray_path(name: str) -> bool:
    return any(is_stray(part) and part != ".." for part in PurePosixPath(name).parts)


def _check_member(name: str, is_plain: bool, folder: Path, archive: Path) -> None:
    root = folder.resolve()
    inside = (root / name).resolve().is_relative_to(root)
    if not (inside and is_plain):
        raise LabError(f"{archive} names the file {name!r}, outside of the folder to unpack into."
                       if not inside else
                       f"{archive} holds {name!r}, a link or a device, or a file with holes.",
                       expected="files and folders alone, by relative names without '..'",
                       remedy=UNSAFE_REMEDY)
