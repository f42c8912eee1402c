"""Artefacts on disk, keyed by the content they were made from.

``<cache>/<kind>/<name>-<key>.npz`` holds the arrays; a JSON file beside it says from what, with
which versions and in how many seconds they were made, and the digest that proves them whole.

Processes that need the same list of artefacts share the work with `cooperative_map`: each makes
what no other is making.
"""

from __future__ import annotations

import hashlib
import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import asdict, is_dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd
from filelock import FileLock, Timeout

from helpers.core.console import notice
from helpers.core.digest import file_digest, text_digest
from helpers.core.errors import LabError
from helpers.core.paths import atomic_write, cache_dir, ensure_writable

Arrays = dict[str, np.ndarray]
T = TypeVar("T")
Item = TypeVar("Item")

ABSENT = "absent"
OWN_DIGEST = "sidecar_sha256"
"""Entry of a sidecar: the digest of its other entries."""
_WAIT_FOR_LOCK = ContextVar("waits for what another process is making", default=True)


class ArtefactLocked(Exception):
    """Another process is making the artefact that was asked for, and the caller does not wait."""


def key(**parts: Any) -> str:
    """Return 16 hexadecimal digits that stand for the content of ``parts``, in any order.

    Parameters
    ----------
    **parts
        str, int, float, bool, None, or lists, tuples, dicts with string keys and dataclasses of
        these. Pass digests for files and arrays: a path or a name says nothing about content.

    Raises
    ------
    LabError
        For a value of any other type.
    """
    text = json.dumps(_canonical(parts, "parts"), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8")).hexdigest()[:16]


def cached(kind: str, name: str, parts: Mapping[str, Any], make: Callable[[], Arrays], *,
           folder: Path | None = None) -> Arrays:
    """Return the arrays made from ``parts``: read where they exist whole, else made and kept.

    Parameters
    ----------
    kind, name : str
        For people: sub-folder and first part of the file name.
    parts : dict
        All that the arrays depend on; see `key`.
    make : callable
        Returns a dict of arrays of any shape and of any dtype but object. Two processes that ask
        at once call it once.
    folder : Path, optional
        In place of ``cache_dir()``.

    Raises
    ------
    LabError
        If ``make`` returns something that is not an array of numbers or text, if the folder is
        read-only, or if the disk is full. Nothing half-made stays behind.
    Busy
        Within `raise_if_locked`, if another process is making it.
    """
    for label, value in (("kind", kind), ("name", name)):
        if not value or value.startswith(".") or set(value) & set("/\\"):
            raise LabError(f"An artefact has the {label} {value!r}.",
                           expected="a file name without '/' and without a leading '.'",
                           remedy=f"choose another {label}")
    path = (folder or cache_dir()) / kind / f"{name}-{key(**parts)}.npz"
    if not _describe_damage(path):
        return _read_artefact(path)
    ensure_writable(path.parent)
    with _artefact_lock(path):
        damage = _describe_damage(path)  # another process may have made it while this one waited
        if not damage:
            return _read_artefact(path)
        if damage != ABSENT:
            notice(f"The artefact {path} is damaged ({damage}); it is made again.")
        return _make_artefact(path, parts, make)


def cached_table(kind: str, name: str, parts: Mapping[str, Any],
                 make: Callable[[], pd.DataFrame], *, folder: Path | None = None) -> pd.DataFrame:
    """Return the table made from ``parts``; as `cached`, column by column.

    Columns hold numbers or text; text columns must have no gaps.
    """
    def columns() -> Arrays:
        table = make()
        text = [label for label in table if not pd.api.types.is_numeric_dtype(table[label])]
        return {label: np.array(table[label].tolist(), dtype="U" if label in text else None)
                for label in table}

    arrays = cached(kind, name, parts, columns, folder=folder)
    return pd.DataFrame({label: values.astype(object) if values.dtype.kind == "U" else values
                         for label, values in arrays.items()}).infer_objects()


@contextmanager
def raise_if_locked() -> Iterator[None]:
    """Let `cached` raise `ArtefactLocked` where it would wait for another process."""
    token = _WAIT_FOR_LOCK.set(False)
    try:
        yield
    finally:
        _WAIT_FOR_LOCK.reset(token)


def call_unless_locked(function: Callable[[Item], T], item: Item) -> T | ArtefactLocked:
    """Return ``function(item)``; what was `ArtefactLocked`, where another process is making an
    artefact of it."""
    try:
        with raise_if_locked():
            return function(item)
    except ArtefactLocked as busy:
        return busy


def cooperative_map(function: Callable[[Item], T], items: Iterable[Item], *,
                    map_function: Callable[[Callable[[Item], T],
                                            list[Item]], Iterable[T]] = map) -> list[T]:
    """Return ``[function(item) for item in items]``, sharing the work with other processes.

    Items that another process is working at are postponed. Once all that are left are being made
    elsewhere, the first of them is waited for, or made here if that process ended without it.

    Parameters
    ----------
    function : callable
        Keeps its result with `cached`, which may call `cached` again for what it needs.
    items : iterable
    map_function : callable
        Maps a function over a list, in order; one that starts processes of its own needs a
        ``function`` that can be pickled.
    """
    items = list(items)
    done: dict[int, T] = {}
    remaining = list(range(len(items)))
    while remaining:
        results = map_function(partial(call_unless_locked, function),
                               [items[index] for index in remaining])
        done |= {index: one for index, one in zip(remaining,
                                                  results) if not isinstance(one, ArtefactLocked)}
        postponed = [index for index in remaining if index not in done]
        if len(postponed) == len(remaining):
            first = postponed.pop(0)
            (done[first],) = map_function(function, [items[first]])
        remaining = postponed
    return [done[index] for index in range(len(items))]


@contextmanager
def _artefact_lock(path: Path) -> Iterator[None]:
    """Keep other processes from making an artefact; the system lets go if this process dies."""
    lock = FileLock(path.with_name(f".{path.name}.lock"))
    try:
        lock.acquire(timeout=-1 if _WAIT_FOR_LOCK.get() else 0)
    except Timeout as error:
        raise ArtefactLocked(path.name) from error
    try:
        yield
    finally:
        lock.release()


def _make_artefact(path: Path, parts: Mapping[str, Any], make: Callable[[], Arrays]) -> Arrays:
    start, cpu_start = time.perf_counter(), time.process_time()
    arrays = {label: np.asarray(array) for label, array in make().items()}
    seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - cpu_start
    for label, array in arrays.items():
        if array.dtype.hasobject:
            raise LabError(f"The array {label!r} for {path.name} has dtype {array.dtype}.",
                           expected="numbers, booleans or text of fixed width",
                           remedy="return regular arrays; ragged lists need padding or an index")
    atomic_write(path, lambda temporary: np.savez(temporary, **arrays))
    sidecar = {
        "parts": _canonical(parts, "parts"),
        "versions": _package_versions(),
        "seconds": round(seconds, 3),
        "cpu_seconds": round(cpu_seconds, 3),
        "shapes": {label: [list(array.shape), str(array.dtype)]
                   for label, array in arrays.items()},
        "bytes": path.stat().st_size,
        "sha256": file_digest(path),
    }
    sidecar[OWN_DIGEST] = _sidecar_digest(sidecar)
    # Last: an artefact counts as complete when its sidecar agrees with it.
    text = json.dumps(sidecar, indent=1, sort_keys=True) + "\n"
    atomic_write(_sidecar_path(path),
                 lambda temporary: temporary.write_text(text, encoding="utf-8"))
    return arrays


def _describe_damage(path: Path) -> str:
    """Say what is wrong with an artefact, the cheap checks first; empty where it is whole."""
    if not path.is_file() or not _sidecar_path(path).is_file():
        return ABSENT
    try:
        sidecar = json.loads(_sidecar_path(path).read_text(encoding="utf-8"))
        n_bytes, digest = sidecar["bytes"], sidecar["sha256"]
        own = _sidecar_digest(sidecar)
        whole = sidecar.get(OWN_DIGEST, own) == own  # earlier versions wrote none
    except (ValueError, KeyError, TypeError):
        return f"{_sidecar_path(path).name} cannot be read"
    if not whole:
        return f"{_sidecar_path(path).name} is not as it was written"
    if path.stat().st_size != n_bytes:
        return f"{path.stat().st_size} bytes instead of {n_bytes}"
    return "" if file_digest(path) == digest else "its digest differs from the recorded one"


def _read_artefact(path: Path) -> Arrays:
    with np.load(path, allow_pickle=False) as archive:
        return {label: archive[label] for label in archive.files}


def _sidecar_digest(sidecar: Mapping[str, Any]) -> str:
    """Return the digest of all that a sidecar says, but for this digest."""
    return text_digest(json.dumps({name: value for name, value in sidecar.items()
                                   if name != OWN_DIGEST}, sort_keys=True))


def _sidecar_path(path: Path) -> Path:
    return path.with_suffix(".json")


def _package_versions() -> dict[str, str]:
    imported = [package for package in ("numpy", "torch") if package in sys.modules]
    return {"python": sys.version.split()[0], **{package: version(package) for package in imported}}


def _canonical(value: Any, where: str) -> Any:
    """Return ``value`` in the terms of JSON, in which two different values never look alike."""
    if value is None or isinstance(value, str | int | float):
        return value
    if is_dataclass(value) and not isinstance(value, type):
        return _canonical(asdict(value), where)
    if isinstance(value, list | tuple):
        return [_canonical(item, f"{where}[{i}]") for i, item in enumerate(value)]
    if isinstance(value, Mapping) and all(isinstance(label, str) for label in value):
        return {label: _canonical(item, f"{where}[{label!r}]") for label, item in value.items()}
    raise LabError(f"{where} is of type {type(value).__name__}.",
                   expected="str, int, float, bool, None, or lists, tuples, dicts with string "
                   "keys and dataclasses of these",
                   remedy="pass the digest of its content, or convert it with int(), float(), "
                   "str() or .tolist()")
