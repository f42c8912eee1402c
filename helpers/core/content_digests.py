"""What many or large files hold, as digests: every file is read once and its digest remembered.

A digest stands for content alone: a copy of the data has the same one. So that gigabytes are not
read at each start, ``<cache>/digests`` keeps the digest of a file with its state (size, times of
modification and of change, inode), and the file is read again as soon as one of these differs. No
program can set back the time of change; and since file systems round times, a file that changed
less than `MIN_AGE_S` seconds ago is not remembered.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import TypeVar

from filelock import FileLock

from helpers.core.console import notice, progress
from helpers.core.digest import file_digest, text_digest
from helpers.core.errors import LabError
from helpers.core.paths import atomic_write_text, cache_dir

MIN_AGE_S = 3.0
"""Seconds: the coarsest clock of a common file system has steps of two."""
LARGE_BYTES = 2**30
"""Bytes: more are read under a bar, and by one process while others wait for what it finds."""

T = TypeVar("T")
State = list[int]
Store = dict[str, list]
"""Name of a file in a folder -> its state, and its digest at the end."""
_loaded_stores: dict[Path, Store] = {}
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
    states = [_read(path, lambda file: file_state(os.stat(file))) for path in files]
    digests = _lookup_digests(files, states)
    n_bytes = sum(state[0] for state, digest in zip(states, digests) if not digest)
    large = n_bytes > LARGE_BYTES
    with _exclusive_lock() if large else nullcontext():
        if large:  # another process may have read them while this one waited
            _loaded_stores.clear()
            digests = _lookup_digests(files, states)
        unread = [i for i, digest in enumerate(digests) if not digest]
        pool = ThreadPoolExecutor()
        found = pool.map(partial(_read, read=file_digest), [files[i] for i in unread])
        try:
            for i, digest in zip(unread, progress(found, "reading data once", len(unread))
                                 if large else found):
                digests[i] = digest
        finally:  # what was read before an interruption is kept
            pool.shutdown(cancel_futures=True)
            _store_digests({files[i]: [*states[i], digests[i]] for i in unread if digests[i]})
    return digests


def files_digest(paths: Sequence[Path]) -> str:
    """Return one SHA-256 for the names and contents of some files, in their order."""
    return text_digest(repr([(path.name, digest)
                             for path, digest in zip(paths, content_digests(paths))]))


def _read(path: str, read: Callable[[str], T]) -> T:
    try:
        return read(path)
    except OSError as error:
        raise LabError(f"{path} cannot be read: {error.strerror or error}",
                       expected="a file that is there and may be read",
                       remedy="put it there, or look at its permissions and at the disk; if it is "
                       "a link, at where it leads") from error


def _lookup_digests(files: Sequence[str], states: Sequence[State]) -> list[str]:
    """Return the digest of every file that was read in the state it is in; empty: it was not."""
    stores = {folder: _load_store(folder) for folder in set(map(os.path.dirname, files))}
    digests = []
    for path, state in zip(files, states):
        *known_state, digest = stores[os.path.dirname(path)].get(os.path.basename(path), [""])
        digests.append(digest if known_state == state else "")
    return digests


def _store_digests(entries: Store) -> None:
    """Keep the digests of files that are old enough; where nothing can be written, in memory."""
    now, changed_stores = time.time(), {}
    for path, entry in entries.items():
        if now - max(entry[1:3]) / 1e9 > MIN_AGE_S:
            folder, name = os.path.split(path)
            changed_stores.setdefault(folder, _load_store(folder))[name] = entry
    for folder, store in changed_stores.items():
        content = {"folder": folder, "files": store, "sha256": _store_digest(store)}
        try:
            atomic_write_text(_store_path(folder), json.dumps(content))
        except (LabError, OSError):
            return


def _load_store(folder: str) -> Store:
    store_path = _store_path(folder)
    if store_path not in _loaded_stores:
        _loaded_stores[store_path] = _read_store(store_path, folder)
    return _loaded_stores[store_path]


def _read_store(store_path: Path, folder: str) -> Store:
    """Read the digests that are remembered of a folder's files; none where they are damaged."""
    try:
        content = json.loads(store_path.read_text(encoding="utf-8"))
        if "sha256" not in content:  # an earlier version wrote it
            return {}
        if content["sha256"] == _store_digest(content["files"]) and content["folder"] == folder:
            return content["files"]
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError):
        pass  # as with a wrong digest
    notice(f"The digests remembered of the files in {folder} ({store_path}) are damaged; the files "
           "are read again.")
    return {}


def _store_digest(store: Store) -> str:
    return text_digest(json.dumps(store, sort_keys=True))


def _store_path(folder: str) -> Path:
    return cache_dir() / "digests" / f"{text_digest(folder)[:16]}.json"


def _exclusive_lock() -> AbstractContextManager:
    """Return a lock that one process at a time holds; none where nothing can be written."""
    try:
        (cache_dir() / "digests").mkdir(parents=True, exist_ok=True)
    except OSError:
        return nullcontext()
    return FileLock(cache_dir() / "digests" / ".lock")
