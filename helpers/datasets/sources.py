"""What can be downloaded, and whether it is there already, complete and right; nothing is fetched.

What is absent is brought by `helpers.datasets.fetch`, which is imported by its name then: what
reads data that are there reaches no code that downloads or unpacks.
"""

from __future__ import annotations

import importlib
import re
from pathlib import Path, PurePosixPath
from typing import Literal

from pydantic.dataclasses import dataclass

from helpers.config.validation import FROZEN, from_table, read_toml, suggest
from helpers.core.console import notice
from helpers.core.content_digests import content_digests
from helpers.core.digest import file_digest, text_digest
from helpers.core.errors import LabError, one_of
from helpers.core.paths import atomic_write_text, format_size
from helpers.core.stray_files import is_stray, list_visible_files

SOURCES = Path(__file__).with_name("sources.toml")
FETCH = "helpers.datasets.fetch"
DIGEST_PATTERN = r"(sha256|md5):[0-9a-f]{8,}"


@dataclass(**FROZEN)
class PartFile:
    """One file of a source that its owner publishes by itself, not in an archive.

    Parameters
    ----------
    path : str
        Its place in the folder, with forward slashes.
    url, digest : str
    bytes : int
    """

    path: str
    url: str
    digest: str
    bytes: int

    def __post_init__(self) -> None:
        _check_digest(self.digest, self.path)
        steps = PurePosixPath(self.path)
        if steps.is_absolute() or ".." in steps.parts or "\\" in self.path:
            raise LabError(f"A part of a source is to lie at {self.path!r}.",
                           expected="a relative path with forward slashes and without '..'",
                           remedy="correct it where the source is listed")


@dataclass(**FROZEN)
class DownloadSource:
    """One thing to download; the keys are explained in ``helpers/datasets/sources.toml``."""

    name: str
    url: str
    licence: str
    urls: tuple[str, ...] = ()
    digest: str | None = None
    bytes: int = 0
    cite: str = ""
    unpack: Literal["zip", "zip-in-zip", "tar"] | None = None
    member: str | None = None
    holding: str | None = None
    sorted_by: str | None = None
    sorted_in: str = "."
    by_hand: str | None = None
    manifest: str | None = None
    files: int = 0
    parts: tuple[PartFile, ...] = ()

    def __post_init__(self) -> None:
        for digest in (self.digest, self.manifest):
            if digest is not None:
                _check_digest(digest, self.name)

    @property
    def all_urls(self) -> tuple[str, ...]:
        """All addresses, the first choice first."""
        return (self.url, *self.urls)

    @property
    def size(self) -> str:
        """The size of the download, for people."""
        return format_size(self.bytes) if self.bytes else "size not stated"

    def part_sources(self) -> dict[str, DownloadSource]:
        """Return the files that are downloaded one by one: path in the folder -> source."""
        return {part.path: DownloadSource(f"{self.name}, {part.path}", part.url, self.licence,
                                          digest=part.digest, bytes=part.bytes, cite=self.cite)
                for part in self.parts}


def _check_digest(digest: str, of: str) -> None:
    if not re.fullmatch(DIGEST_PATTERN, digest):
        raise LabError(f"The source {of!r} has the digest {digest!r}.",
                       expected="'sha256:…' or 'md5:…' with 8 or more digits of 0-9, a-f",
                       remedy="correct it where the source is listed")


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


def ensure_file(source: DownloadSource, path: Path) -> Path:
    """Return ``path`` with the right file there, fetched where it is not (`fetch_file`)."""
    if digest_matches(expected_digest(source, path), path):
        return path
    return importlib.import_module(FETCH).fetch_file(source, path)


def ensure_folder(source: DownloadSource, folder: Path) -> Path:
    """Return ``folder`` with what the source lists, fetched where it is not (`fetch_folder`)."""
    return find_folder(source, folder) or importlib.import_module(FETCH).fetch_folder(source,
                                                                                      folder)


def find_file(source: DownloadSource, path: Path) -> Path | None:
    """Return ``path`` if `fetch_file` would use the file that is there; None if it would fetch."""
    digest = expected_digest(source, path)
    right = path.is_file() if digest is None else digest_matches(digest, path)
    return path if right else None


def find_folder(source: DownloadSource, folder: Path) -> Path | None:
    """Return ``folder`` if `fetch_folder` would use what it holds; None if it would fetch some.

    Raises
    ------
    LabError
        If there are too few or too many files.
    """
    right = is_complete(source, folder) and all(digest_matches(part.digest, folder / part.path)
                                                for part in source.parts)
    return folder if right else None


def full_digest(digest: str, path: Path) -> str:
    """Return the digest of a file in full, by the algorithm that ``digest`` names."""
    algorithm = digest.partition(":")[0]
    return f"{algorithm}:{file_digest(path, algorithm)}"


def digest_matches(digest: str | None, path: Path) -> bool:
    """Tell whether a file is there with this digest (or one that begins so); not without one."""
    return (digest is not None and path.is_file()
            and full_digest(digest, path).startswith(digest))


def expected_digest(source: DownloadSource, path: Path) -> str | None:
    """Return the digest that a source states, else the one recorded of the file at ``path``."""
    return source.digest or read_record(record_path(path))


def is_complete(source: DownloadSource, folder: Path) -> bool:
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
    save_record(record_path(path), f"sha256:{file_digest(path)}")


def matches_record(path: Path) -> bool:
    """Tell whether a file is there with the content that ``<path>.digest`` records, if any."""
    digest = read_record(record_path(path))
    return path.is_file() and (digest is None or digest == f"sha256:{content_digests([path])[0]}")


def record_path(path: Path) -> Path:
    """Return the file that records the digest of a file or folder."""
    return path.with_name(path.name + ".digest")


def read_record(record: Path) -> str | None:
    """Return the digest that a file records; None where it is absent, cut short, or damaged."""
    if not record.is_file():
        return None
    digest, *check = record.read_text(encoding="utf-8", errors="replace").split() or [""]
    if re.fullmatch(DIGEST_PATTERN, digest) and check in ([], [text_digest(digest)[:8]]):
        return digest
    notice(f"The recorded digest {record} is damaged; what is there is recorded again.")
    return None


def save_record(path: Path, digest: str) -> None:
    """Write a recorded digest, with digits that tell it from one in which a bit was flipped."""
    atomic_write_text(path, f"{digest}\n{text_digest(digest)[:8]}\n")
