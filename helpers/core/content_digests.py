"""What many or large files hold, as digests: every file is read once and its digest remembered.

A digest stands for content alone: a copy of the data has the same one. So that gigabytes are not
read at each start, ``<cache>/digests`` keeps the digest of a file with its state (size, times of
modification and of change, inode), and the file is read again as soon as one of these differs. No
program can set back the time of change; and since file systems round times, a file that changed
less than `YOUNG` seconds ago is not remembered.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from filelock import FileLock

from helpers.core.console import progress
from helpers.core.digest import file_digest, text_digest
from helpers.core.errors import LabError
from helpers.core.paths import atomic_write, cache_dir

YOUNG = 3.0
"""Seconds: the coarsest clock of a common file system has steps of two."""
LARGE = 2**30
"""Bytes: more are read under a bar, and by one process while others wait for what it finds."""

State = list[int]
Store = dict[str, list]
"""Name of a file in a folder -> its state, and its digest at the end."""
_stores: dict[Path, Store] = {}
"""What this process knows of ``<cache>/digests``, by the file there."""


def file_state(stat: os.stat_result) -> State:
    """Return what changes whenever a file is written or replaced: size, times (ns), inode."""
    return [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino]


def content_digests(paths: Iterable[str | Path]) -> list[str]:
    """Return the SHA-256 of the content of each of some files, links followed.

    Raises
    ------
    LabError
        If a file is absent or cannot be read.
    """
    files = [os.path.abspath(path) for path in paths]
    states = [_state_of(path) for path in files]
    found = _remembered(files, states)
    n_bytes = sum(state[0] for state, digest in zip(states, found) if not digest)
    with _alone() if n_bytes > LARGE else nullcontext():
        if n_bytes > LARGE:  # another process may have read them while this one waited
            _stores.clear()
            found = _remembered(files, states)
        unread = [i for i, digest in enumerate(found) if not digest]
        digests = _read_all([files[i] for i in unread], shown=n_bytes > LARGE)
        try:
            for i, digest in zip(unread, digests):
                found[i] = digest
        finally:  # what was read before an interruption is kept
            digests.close()
            _remember({files[i]: [*states[i], found[i]] for i in unread if found[i]})
    return found


def files_digest(paths: Sequence[Path]) -> str:
    """Return one SHA-256 for the names and contents of some files, in their order."""
    return text_digest(repr([(path.name, digest)
                             for path, digest in zip(paths, content_digests(paths))]))


def _state_of(path: str) -> State:
    try:
        return file_state(os.stat(path))
    except OSError as error:
        raise _unreadable(path, error) from error


def _digest_of(path: str) -> str:
    try:
        return file_digest(path)
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: str, error: OSError) -> LabError:
    return LabError(f"{path} cannot be read: {error.strerror or error}",
                    expected="a file that is there and may be read",
                    remedy="put it there, or look at its permissions and at the disk; if it is a "
                           "link, at where it leads")


def _read_all(files: Sequence[str], *, shown: bool) -> Iterator[str]:
    """Yield the digests of files, several being read at a time."""
    pool = ThreadPoolExecutor()
    try:
        digests = pool.map(_digest_of, files)
        yield from progress(digests, "reading data once", len(files)) if shown else digests
    finally:
        pool.shutdown(cancel_futures=True)


def _remembered(files: Sequence[str], states: Sequence[State]) -> list[str]:
    """Return the digest of every file that was read in the state it is in; empty: it was not."""
    places = [os.path.split(path) for path in files]
    stores = {folder: _store(folder) for folder in {folder for folder, _ in places}}
    entries = [stores[folder].get(name, [""]) for folder, name in places]
    return [entry[-1] if entry[:-1] == state else "" for entry, state in zip(entries, states)]


def _remember(entries: Store) -> None:
    """Keep the digests of files that are old enough; where nothing can be written, in memory."""
    now, changed = time.time(), {}
    for path, entry in entries.items():
        if now - max(entry[1:3]) / 1e9 > YOUNG:
            folder, name = os.path.split(path)
            changed.setdefault(folder, _store(folder))[name] = entry
    for folder, store in changed.items():
        text = json.dumps({"folder": folder, "files": store})
        try:
            atomic_write(_kept_in(folder), lambda part, text=text: part.write_text(
                text, encoding="utf-8"))
        except (LabError, OSError):
            return


def _store(folder: str) -> Store:
    kept = _kept_in(folder)
    if kept not in _stores:
        try:
            content = json.loads(kept.read_text(encoding="utf-8"))
            _stores[kept] = dict(content["files"]) if content["folder"] == folder else {}
        except (OSError, ValueError, KeyError, TypeError):
            _stores[kept] = {}
    return _stores[kept]


def _kept_in(folder: str) -> Path:
    return cache_dir() / "digests" / f"{text_digest(folder)[:16]}.json"


def _alone() -> AbstractContextManager:
    """Return a lock that one process at a time holds; none where nothing can be written."""
    try:
        (cache_dir() / "digests").mkdir(parents=True, exist_ok=True)
    except OSError:
        return nullcontext()
    return FileLock(cache_dir() / "digests" / ".lock")
