"""Make files and folders present: downloaded, verified and unpacked."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from filelock import FileLock

from helpers.core.console import echo
from helpers.core.errors import LabError
from helpers.core.paths import ensure_space, ensure_writable
from helpers.core.stray_files import DESKTOP_FILES, list_visible_files
from helpers.datasets.archive import folder_manifest, select_folder, sort_into_folders, unpack
from helpers.datasets.download import download
from helpers.datasets.sources import (
    DownloadSource,
    digest_matches,
    expected_digest,
    find_folder,
    full_digest,
    is_complete,
    read_record,
    record_path,
    save_record,
    write_record,
)


def fetch_file(source: DownloadSource, path: Path) -> Path:
    """Make sure that the file is at ``path`` and is the right one; return ``path``.

    Without a digest in the source, the digest of the first download is recorded in
    ``<path>.digest`` and compared from then on.

    Raises
    ------
    LabError
        As `download`.
    """
    digest = expected_digest(source, path)
    if digest_matches(digest, path):
        return path
    ensure_writable(path.parent)
    with FileLock(path.with_name(f".{path.name}.lock")):
        if digest_matches(digest, path):
            return path
        if path.is_file() and digest:
            echo(f"{path} differs from its digest {digest}; it is downloaded again.")
        if digest or not path.is_file():
            download(replace(source, digest=digest), path)
        if digest is None:
            write_record(path)
    return path


def fetch_folder(source: DownloadSource, folder: Path) -> Path:
    """Make sure that what a source lists is in ``folder``; return ``folder``.

    A source has an archive, files that are downloaded one by one (``parts``), or both. An archive
    put at ``<folder>.zip`` (``<folder>.tar``) by hand is used in place of a download. Its digest,
    count and manifest are verified before the folder appears under its name. Parts are verified on
    every call; one that is missing or damaged is downloaded.

    Raises
    ------
    LabError
        As `download`; if the archive is damaged, unsafe, or does not hold what is expected; or if
        the data's owner wants an agreement first, so that a person has to put them there.
    """
    if find_folder(source, folder):
        return folder
    if source.by_hand:
        raise LabError(f"{source.name} is not in {folder}",
                       expected=f"it there ({source.size}; terms: {source.licence}); it cannot be "
                       "fetched without you",
                       remedy=f"{source.url}: {source.by_hand}")
    ensure_writable(folder.parent)
    with FileLock(folder.with_name(f".{folder.name}.lock")):
        if not is_complete(source, folder):
            _fetch_archive(source, folder)
        for path, part in source.part_sources().items():
            fetch_file(part, folder / path)
    return folder


def _fetch_archive(source: DownloadSource, folder: Path) -> None:
    """Download an archive, unless it was put there by hand, and unpack it."""
    archive = folder.with_name(f"{folder.name}.{'tar' if source.unpack == 'tar' else 'zip'}")
    by_hand = archive.is_file()
    if by_hand and source.digest and not digest_matches(source.digest, archive):
        raise LabError(f"{archive} has the digest {full_digest(source.digest, archive)}.",
                       expected=f"{source.digest}, that of {source.name}",
                       remedy=f"move it away and run again; it is fetched ({source.size}; "
                       f"terms: {source.licence}), or put the right one there")
    if not by_hand:
        ensure_space(folder.parent, 2 * source.bytes, f"{source.name} and its archive")
        download(source, archive)
    _unpack(source, archive, folder)
    if not by_hand:
        archive.unlink()


def _unpack(source: DownloadSource, archive: Path, folder: Path) -> None:
    """Unpack beside ``folder``, verify there, and rename."""
    record = record_path(folder)
    expected = source.manifest or read_record(record)
    real_folder = folder.resolve()  # a link to a folder elsewhere stays a link
    with unpack(archive, real_folder.with_name(real_folder.name + ".part"),
                kind=source.unpack or "zip") as unpacked:
        content = select_folder(unpacked, member=source.member, holding=source.holding)
        if source.sorted_by:
            sort_into_folders(content, source.sorted_by, source.sorted_in)
        n_files, manifest = len(list_visible_files(content)), folder_manifest(content)
        if source.files not in (0, n_files) or not manifest.startswith(expected or ""):
            raise LabError(f"{archive} holds {n_files} files, whose manifest is {manifest}.",
                           expected=f"{source.files or 'the'} files of {source.name}"
                           + (f", {expected} ({'as listed' if source.manifest else record})"
                              if expected else ""),
                           remedy=f"move {archive} away and run again; if it repeats, the data at "
                           f"{source.url} have changed")
        _remove_empty_folder(real_folder)
        os.replace(content, real_folder)
    if expected is None:
        save_record(record, manifest)


def _remove_empty_folder(folder: Path) -> None:
    """Remove a folder that holds nothing but what desktops left there."""
    if not folder.is_dir():
        return
    for path in folder.iterdir():
        if path.is_file() and path.name.lower() in (".ds_store", *DESKTOP_FILES):
            path.unlink()
    try:
        folder.rmdir()
    except OSError as error:
        raise LabError(f"{folder} holds {sorted(path.name for path in folder.iterdir())[:3]}, and "
                       "is to be filled", expected="an empty folder, or none",
                       remedy="move what is in it elsewhere and run again") from error
