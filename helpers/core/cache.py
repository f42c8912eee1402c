"""Artefacts on disk, keyed by the content they were made from.

``<cache>/<kind>/<name>-<key>.npz`` holds the arrays; a JSON file beside it says from what, with
which versions and in how many seconds they were made, and the digest that proves them whole.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from dataclasses import asdict, is_dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from filelock import FileLock, Timeout
from pandas.api.types import is_numeric_dtype

from helpers.core.console import notice
from helpers.core.digest import file_digest, text_digest
from helpers.core.errors import LabError
from helpers.core.paths import atomic_write, atomic_write_text, cache_dir, ensure_writable

Arrays = dict[str, np.ndarray]

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
    return text_digest(json.dumps(_canonical(parts, "parts"), sort_keys=True,
                                  separators=(",", ":")))[:16]


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
    ArtefactLocked
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
        return {label: np.array(column.tolist(), None if is_numeric_dtype(column) else "U")
                for label, column in make().items()}

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


def _artefact_lock(path: Path) -> AbstractContextManager:
    """Keep other processes from making an artefact; the system lets go if this process dies."""
    try:
        return FileLock(path.with_name(f".{path.name}.lock")).acquire(
            timeout=-1 if _WAIT_FOR_LOCK.get() else 0)
    except Timeout as error:
        raise ArtefactLocked(path.name) from error


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
        "sha256": file_digest(path),
    }
    sidecar[OWN_DIGEST] = _sidecar_digest(sidecar)
    # Last: an artefact counts as complete when its sidecar agrees with it.
    atomic_write_text(path.with_suffix(".json"),
                      json.dumps(sidecar, indent=1, sort_keys=True) + "\n")
    return arrays


def _describe_damage(path: Path) -> str:
    """Say what is wrong with an artefact; empty where it is whole."""
    sidecar_path = path.with_suffix(".json")
    if not path.is_file() or not sidecar_path.is_file():
        return ABSENT
    try:
        sidecar = json.loads(sidecar_path.read_text(encoding="utf-8"))
        digest, own_digest = sidecar["sha256"], sidecar.pop(OWN_DIGEST)
    except (ValueError, KeyError, TypeError):
        return f"{sidecar_path.name} cannot be read"
    if own_digest != _sidecar_digest(sidecar):
        return f"{sidecar_path.name} is not as it was written"
    return "" if file_digest(path) == digest else "its digest differs from the recorded one"


def _read_artefact(path: Path) -> Arrays:
    with np.load(path, allow_pickle=False) as archive:
        return {label: archive[label] for label in archive.files}


def _sidecar_digest(sidecar: Mapping[str, Any]) -> str:
    """Return the digest of all that a sidecar says, without this digest."""
    return text_digest(json.dumps(sidecar, sort_keys=True))


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
