"""Make files and folders present: there and right already, or downloaded."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import requests
from filelock import FileLock

from helpers.ground.archive import (
    folder_manifest,
    sort_files,
    take_folder,
    unpack,
    visible_files,
)
from helpers.ground.console import say
from helpers.ground.digest import file_digest
from helpers.ground.download import Source, digest_like, download
from helpers.ground.errors import LabError
from helpers.ground.paths import atomic_write, ensure_space, ensure_writable
from helpers.ground.strict import from_table, read_toml, suggest

__all__ = ["Source", "download", "fetch_file", "fetch_folder", "folder_manifest", "load_source"]

SOURCES = Path(__file__).with_name("sources.toml")


def load_source(name: str, path: Path = SOURCES) -> Source:
    """Return the source ``name`` as listed in ``sources.toml``.

    Raises
    ------
    LabError
        If it is not listed, or if its entry has an unknown key or a wrong type.
    """
    tables = read_toml(path)
    if name not in tables:
        raise LabError(f"There is no source {name!r}.", expected="one of " + ", ".join(tables),
                       remedy=suggest(name, tables) or f"list it in {path.name}")
    return from_table(Source, {"name": name, **tables[name]}, f"{path.name}, [{name}]")


def fetch_file(source: Source, path: Path, *, session: requests.Session | None = None) -> Path:
    """Make sure that the file is at ``path`` and is the right one; return ``path``.

    Without a digest in the source, the digest of the first download is recorded in
    ``<path>.digest`` and compared from then on.

    Raises
    ------
    LabError
        As `download`.
    """
    record = path.with_name(path.name + ".digest")
    if source.digest is None and record.is_file():
        source = replace(source, digest=record.read_text(encoding="utf-8").strip())
    if _is_right(source, path):
        return path
    ensure_writable(path.parent)
    with FileLock(path.with_name(f".{path.name}.lock")):
        if _is_right(source, path):
            return path
        if path.is_file() and source.digest:
            say(f"{path} differs from its digest {source.digest}; it is downloaded again.")
        if source.digest or not path.is_file():
            download(source, path, session=session)
        if source.digest is None:
            _record(record, f"sha256:{file_digest(path)}")
    return path


def fetch_folder(source: Source, folder: Path, *,
                 session: requests.Session | None = None) -> Path:
    """Make sure that the unpacked content of an archive is in ``folder``; return ``folder``.

    An archive put at ``<folder>.zip`` (``<folder>.tar``) by hand is used in place of a download.
    Its digest, count and manifest are verified before the folder appears under its name.

    Raises
    ------
    LabError
        As `download`; if the archive is damaged, unsafe, or does not hold what is expected; or if
        the data's owner wants an agreement first, so that a person has to put them there.
    """
    if _is_complete(source, folder):
        return folder
    if source.by_hand:
        raise LabError(f"{source.name} is not in {folder}",
                       expected=f"it there ({source.size}; terms: {source.licence}); it cannot be "
                                "fetched without you",
                       remedy=f"{source.url}: {source.by_hand}")
    ensure_writable(folder.parent)
    with FileLock(folder.with_name(f".{folder.name}.lock")):
        if _is_complete(source, folder):
            return folder
        archive = folder.with_name(f"{folder.name}.{'tar' if source.unpack == 'tar' else 'zip'}")
        by_hand = archive.is_file()
        if by_hand and source.digest and not _is_right(source, archive):
            raise LabError(f"{archive} has the digest {digest_like(source.digest, archive)}.",
                           expected=f"{source.digest}, that of {source.name}",
                           remedy=f"delete it and run again; it is fetched anew ({source.size}; "
                                  f"terms: {source.licence})")
        if not by_hand:
            ensure_space(folder.parent, 2 * source.bytes, f"{source.name} and its archive")
            download(source, archive, session=session)
        _unpack(source, archive, folder)
        if not by_hand:
            archive.unlink()
    return folder


def _unpack(source: Source, archive: Path, folder: Path) -> None:
    """Unpack beside ``folder``, verify there, and rename."""
    record = folder.with_name(folder.name + ".digest")
    expected = source.manifest
    if expected is None and record.is_file():
        expected = record.read_text(encoding="utf-8").strip()
    with unpack(archive, folder.with_name(folder.name + ".part"),
                kind=source.unpack or "zip") as unpacked:
        content = take_folder(unpacked, member=source.member, holding=source.holding)
        if source.sorted_by:
            sort_files(content, source.sorted_by, source.sorted_in)
        _require_count(source, content)
        seen = folder_manifest(content)
        if expected and not seen.startswith(expected):
            raise LabError(f"The files of {source.name} have the manifest {seen}.",
                           expected=expected,
                           remedy=f"delete {archive} and run again; if it repeats, the data at "
                                  f"{source.url} have changed (recorded in {record} at first)")
        os.replace(content, folder)
    if expected is None:
        _record(record, seen)


def _is_right(source: Source, path: Path) -> bool:
    return (source.digest is not None and path.is_file()
            and digest_like(source.digest, path).startswith(source.digest))


def _is_complete(source: Source, folder: Path) -> bool:
    if not folder.is_dir() or not any(folder.iterdir()):
        return False
    _require_count(source, folder)
    return True


def _require_count(source: Source, folder: Path) -> None:
    if not source.files:
        return
    n_files = len(visible_files(folder))
    if n_files != source.files:
        raise LabError(f"{folder} holds {n_files} files.",
                       expected=f"{source.files} files of {source.name}",
                       remedy=f"delete this folder and run again; it is fetched anew "
                              f"({source.size}; terms: {source.licence})")


def _record(path: Path, digest: str) -> None:
    atomic_write(path, lambda temporary: temporary.write_text(digest + "\n", encoding="utf-8"))
