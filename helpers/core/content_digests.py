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
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from filelock import FileLock

from helpers.core.console import notice, progress
from helpers.core.digest import file_digest, text_digest
from helpers.core.errors import LabError
from helpers.core.paths import atomic_write, cache_dir

MIN_AGE_S = 3.0
"""Seconds: the coarsest clock of a common file system has steps of two."""
LARGE_BYTES = 2**30
"""Bytes: more are read under a bar, and by one process while others wait for what it finds."""

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
    states = [_read_state(path) for path in files]
    known_digests = _lookup_digests(files, states)
    n_bytes = sum(state[0] for state, digest in zip(states, known_digests) if not digest)
    with _exclusive_lock() if n_bytes > LARGE_BYTES else nullcontext():
        if n_bytes > LARGE_BYTES:  # another process may have read them while this one waited
            _loaded_stores.clear()
            known_digests = _lookup_digests(files, states)
        unread = [i for i, digest in enumerate(known_digests) if not digest]
        digests = _iter_digests([files[i] for i in unread], show_progress=n_bytes > LARGE_BYTES)
        try:
            for i, digest in zip(unread, digests):
                known_digests[i] = digest
        finally:  # what was read before an interruption is kept
            digests.close()
            _store_digests({files[i]: [*states[i],
                                       known_digests[i]] for i in unread if known_digests[i]})
    return known_digests


def files_digest(paths: Sequence[Path]) -> str:
    """Return one SHA-256 for the names and contents of some files, in their order."""
    return text_digest(repr([(path.name, digest)
                             for path, digest in zip(paths, content_digests(paths))]))


def _read_state(path: str) -> State:
    try:
        return file_state(os.stat(path))
    except OSError as error:
        raise _unreadable_error(path, error) from error


def _read_digest(path: str) -> str:
    try:
        return file_digest(path)
    except OSError as error:
        raise _unreadable_error(path, error) from error


def _unreadable_error(path: str, error: OSError) -> LabError:
    return LabError(f"{path} cannot be read: {error.strerror or error}",
                    expected="a file that is there and may be read",
                    remedy="put it there, or look at its permissions and at the disk; if it is a "
                    "link, at where it leads")


def _iter_digests(files: Sequence[str], *, show_progress: bool) -> Iterator[str]:
    """Yield the digests of files, several being read at a time."""
    pool = ThreadPoolExecutor()
    try:
        digests = pool.map(_read_digest, files)
        yield from progress(digests, "reading data once", len(files)) if show_progress else digests
    finally:
        pool.shutdown(cancel_futures=True)


def _lookup_digests(files: Sequence[str], states: Sequence[State]) -> list[str]:
    """Return the digest of every file that was read in the state it is in; empty: it was not."""
    split_paths = [os.path.split(path) for path in files]
    stores = {folder: _load_store(folder) for folder in {folder for folder, _ in split_paths}}
    entries = [stores[folder].get(name, [""]) for folder, name in split_paths]
    return [entry[-1] if entry[:-1] == state else "" for entry, state in zip(entries, states)]


def _store_digests(entries: Store) -> None:
    """Keep the digests of files that are old enough; where nothing can be written, in memory."""
    now, changed_stores = time.time(), {}
    for path, entry in entries.items():
        if now - max(entry[1:3]) / 1e9 > MIN_AGE_S:
            folder, name = os.path.split(path)
            changed_stores.setdefault(folder, _load_store(folder))[name] = entry
    for folder, store in changed_stores.items():
        text = json.dumps({"folder": folder, "files": store, "sha256": _store_digest(store)})
        try:
            atomic_write(_store_path(folder), lambda part, text=text: part.write_text(
                text, encoding="utf-8"))
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
