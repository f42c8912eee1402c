"""Make files and folders present: there and right already, or downloaded."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path

import requests
from filelock import FileLock

from helpers.config.validation import from_table, read_toml, suggest
from helpers.core.console import echo, notice
from helpers.core.content_digests import content_digests
from helpers.core.digest import file_digest, text_digest
from helpers.core.errors import LabError, one_of
from helpers.core.paths import atomic_write, ensure_space, ensure_writable
from helpers.core.stray_files import DESKTOP_FILES, is_stray, list_visible_files
from helpers.datasets.archive import folder_manifest, select_folder, sort_into_folders, unpack
from helpers.datasets.download import DIGEST_PATTERN, DownloadSource, download, full_digest

__all__ = ["DownloadSource", "download", "fetch_file", "fetch_folder", "find_file", "find_folder",
           "folder_manifest", "load_source"]

SOURCES = Path(__file__).with_name("sources.toml")


def load_source(name: str, path: Path = SOURCES) -> DownloadSource:
    """Return the source ``name`` as listed in ``sources.toml``.

    Raises
    ------
    LabError
        If it is not listed, or if its entry has an unknown key or a wrong type.
    """
    tables = read_toml(path)
    if name not in tables:
        raise LabError(f"There is no source {name!r}.", expected=one_of(tables),
                       remedy=suggest(name, tables) or f"list it in {path.name}")
    return from_table(DownloadSource, {"name": name, **tables[name]}, f"{path.name}, [{name}]")


def fetch_file(source: DownloadSource, path: Path, *,
               session: requests.Session | None = None) -> Path:
    """Make sure that the file is at ``path`` and is the right one; return ``path``.

    Without a digest in the source, the digest of the first download is recorded in
    ``<path>.digest`` and compared from then on.

    Raises
    ------
    LabError
        As `download`.
    """
    record = _record(path)
    if source.digest is None and record.is_file():
        source = replace(source, digest=_read_record(record))
    if _digest_matches(source, path):
        return path
    ensure_writable(path.parent)
    with FileLock(path.with_name(f".{path.name}.lock")):
        if _digest_matches(source, path):
            return path
        if path.is_file() and source.digest:
            echo(f"{path} differs from its digest {source.digest}; it is downloaded again.")
        if source.digest or not path.is_file():
            download(source, path, session=session)
        if source.digest is None:
            _write_record(record, f"sha256:{file_digest(path)}")
    return path


def find_file(source: DownloadSource, path: Path) -> Path | None:
    """Return ``path`` if `fetch_file` would use the file that is there; None if it would fetch."""
    digest = source.digest or _read_record(_record(path))
    right = path.is_file() if digest is None else _digest_matches(replace(source, digest=digest),
                                                                  path)
    return path if right else None


def find_folder(source: DownloadSource, folder: Path) -> Path | None:
    """Return ``folder`` if `fetch_folder` would use what it holds; None if it would fetch some.

    Raises
    ------
    LabError
        If there are too few or too many files.
    """
    return folder if _is_complete(source, folder) and _parts_match(source, folder) else None


def fetch_folder(source: DownloadSource, folder: Path, *,
                 session: requests.Session | None = None) -> Path:
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
    if _is_complete(source, folder) and _parts_match(source, folder):
        return folder
    if source.by_hand:
        raise LabError(f"{source.name} is not in {folder}",
                       expected=f"it there ({source.size}; terms: {source.licence}); it cannot be "
                       "fetched without you",
                       remedy=f"{source.url}: {source.by_hand}")
    ensure_writable(folder.parent)
    with FileLock(folder.with_name(f".{folder.name}.lock")):
        if not _is_complete(source, folder):
            _fetch_archive(source, folder, session)
        for path, part in source.part_sources().items():
            fetch_file(part, folder / path, session=session)
    return folder


def _fetch_archive(source: DownloadSource, folder: Path, session: requests.Session | None) -> None:
    """Download an archive, unless it was put there by hand, and unpack it."""
    archive = folder.with_name(f"{folder.name}.{'tar' if source.unpack == 'tar' else 'zip'}")
    by_hand = archive.is_file()
    if by_hand and source.digest and not _digest_matches(source, archive):
        raise LabError(f"{archive} has the digest {full_digest(source.digest, archive)}.",
                       expected=f"{source.digest}, that of {source.name}",
                       remedy=f"move it away and run again; it is fetched ({source.size}; "
                       f"terms: {source.licence}), or put the right one there")
    if not by_hand:
        ensure_space(folder.parent, 2 * source.bytes, f"{source.name} and its archive")
        download(source, archive, session=session)
    _unpack(source, archive, folder)
    if not by_hand:
        archive.unlink()


def _unpack(source: DownloadSource, archive: Path, folder: Path) -> None:
    """Unpack beside ``folder``, verify there, and rename."""
    record = _record(folder)
    expected = source.manifest or _read_record(record)
    real_folder = folder.resolve()  # a link to a folder elsewhere stays a link
    with unpack(archive, real_folder.with_name(real_folder.name + ".part"),
                kind=source.unpack or "zip") as unpacked:
        content = select_folder(unpacked, member=source.member, holding=source.holding)
        if source.sorted_by:
            sort_into_folders(content, source.sorted_by, source.sorted_in)
        n_files = len(list_visible_files(content))
        if source.files and n_files != source.files:
            raise LabError(f"{archive} holds {n_files} files.",
                           expected=f"{source.files} files of {source.name}",
                           remedy=_changed_content_remedy(source, archive))
        actual_manifest = folder_manifest(content)
        if expected and not actual_manifest.startswith(expected):
            raise LabError(f"The files of {source.name} have the manifest {actual_manifest}.",
                           expected=expected, remedy=_changed_content_remedy(source, archive)
                           + f" (recorded in {record} at first)" * (not source.manifest))
        _remove_empty_folder(real_folder)
        os.replace(content, real_folder)
    if expected is None:
        _write_record(record, actual_manifest)


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


def _changed_content_remedy(source: DownloadSource, archive: Path) -> str:
    return (f"move {archive} away and run again; if it repeats, the data at {source.url} have "
            "changed")


def _digest_matches(source: DownloadSource, path: Path) -> bool:
    return (source.digest is not None and path.is_file()
            and full_digest(source.digest, path).startswith(source.digest))


def _parts_match(source: DownloadSource, folder: Path) -> bool:
    return all(_digest_matches(part, folder / path)
               for path, part in source.part_sources().items())


def _is_complete(source: DownloadSource, folder: Path) -> bool:
    """Tell whether the content of the archive is there, where the source has one."""
    if source.parts and source.unpack is None:
        return True
    if not folder.is_dir():
        return False
    if not source.files:
        return any(not is_stray(path.name) for path in folder.iterdir())
    parts = {f"{part.path}{end}" for part in source.parts for end in ("", ".part")}
    names = [name for name in list_visible_files(folder) if name not in parts]
    if not names:
        return False
    if len(names) != source.files:
        raise _file_count_error(source, folder, names)
    return True


def _file_count_error(source: DownloadSource, folder: Path, names: list[str]) -> LabError:
    """Say what to do about too many files (move some) or too few (put them back, or fetch)."""
    if len(names) > source.files:
        newest = sorted(names, key=lambda name: -(folder / name).lstat().st_mtime)[:3]
        remedy = ("move what does not belong to it out of this folder (the newest files there: "
                  f"{', '.join(newest)})")
    elif source.by_hand:
        remedy = f"put the missing files there ({source.url}: {source.by_hand})"
    else:
        remedy = ("put the missing files back, or move this folder away and run again; it is "
                  f"fetched anew ({source.size}; terms: {source.licence})")
    return LabError(f"{folder} holds {len(names)} files.",
                    expected=f"{source.files} files of {source.name}", remedy=remedy)


def write_record(path: Path) -> None:
    """Record the digest of a file in ``<path>.digest``."""
    _write_record(_record(path), f"sha256:{file_digest(path)}")


def matches_record(path: Path) -> bool:
    """Tell whether a file is there with the content that ``<path>.digest`` records, if any."""
    digest = _read_record(_record(path))
    return path.is_file() and (digest is None or digest == f"sha256:{content_digests([path])[0]}")


def _record(path: Path) -> Path:
    return path.with_name(path.name + ".digest")


def _read_record(record: Path) -> str | None:
    """Return the digest that a file records; None where it is absent, cut short, or damaged."""
    if not record.is_file():
        return None
    digest, *check = record.read_text(encoding="utf-8", errors="replace").split() or [""]
    if re.fullmatch(DIGEST_PATTERN, digest) and check in ([], [_check_digits(digest)]):
        return digest
    notice(f"The recorded digest {record} is damaged; what is there is recorded again.")
    return None


def _write_record(path: Path, digest: str) -> None:
    text = f"{digest}\n{_check_digits(digest)}\n"
    atomic_write(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def _check_digits(digest: str) -> str:
    """Return what tells a recorded digest from one in which a bit was flipped."""
    return text_digest(digest)[:8]
