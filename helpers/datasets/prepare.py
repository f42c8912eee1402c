"""Make the files available that a profile names: drawn, or downloaded and unpacked.

Loaders only read; whatever is missing is made here, completely or not at all.
"""

from __future__ import annotations

import errno
import importlib
import json
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

from filelock import FileLock

from helpers.config.data import CohortSpec, FolderSpec, ImageSetSpec, SyntheticSpec
from helpers.config.profile import Profile
from helpers.core.cache import key
from helpers.core.console import echo
from helpers.core.digest import code_digest
from helpers.core.errors import LabError
from helpers.core.paths import atomic_write, disk_full_error, ensure_writable
from helpers.datasets.fetch import fetch_folder, load_source

WRITERS = "data.synthetic.writers"
"""Imported by name where a part has to be drawn: what reads real data never reaches it."""


def ensure_available(profile: Profile, spec: ImageSetSpec | CohortSpec | FolderSpec,
                     data: Path) -> Path:
    """Return the folder of an image set, a cohort or other files, after drawing or fetching it."""
    kind, name = spec.source.split(":", 1)
    folder = data / spec.path
    if kind == "fetch":
        return fetch_folder(load_source(name), folder)
    if profile.synthetic is None:
        raise LabError(f"source {spec.source!r} in profile {profile.name!r}",
                       expected="a table [synthetic] that gives its size",
                       remedy="copy [synthetic] from helpers/profiles/demo.toml")
    return _draw(name, profile.synthetic, folder)


def _draw(name: str, sizes: SyntheticSpec, folder: Path) -> Path:
    """Write a part of the synthetic data, unless the same part from the same code is there."""
    writers = importlib.import_module(WRITERS)
    writer = writers.get_writer(name, sizes)
    settings, module = dict(writer.keywords), writer.func.__module__
    if name in writers.DERIVED_FROM:
        other = writers.DERIVED_FROM[name]
        source = _draw(other, sizes, folder.with_name(other))
        writer = partial(writer, **{other: source})
        settings = {other: _record(source).read_text()}
    made = _record(folder)
    identity = {"part": name, "key": key(part=name, settings=settings,
                                         code=code_digest([module]))}
    if _is_made(folder, made, identity):
        return folder
    ensure_writable(folder.parent)
    with FileLock(folder.with_name(f".{folder.name}.lock")):
        if not _is_made(folder, made, identity):
            if folder.exists() and not made.exists():
                raise LabError(f"{folder} was not written by data/synthetic",
                               expected="no folder there, or one that was drawn",
                               remedy="move it away, or set LAB_DATA to another folder")
            echo(f"Drawing the synthetic data: {name}")
            made.unlink(missing_ok=True)
            shutil.rmtree(folder, ignore_errors=True)
            _write(writer, folder)
            atomic_write(made, lambda part: part.write_text(json.dumps(identity) + "\n"))
    return folder


def _record(folder: Path) -> Path:
    """Return the file that records what a drawn folder was made from."""
    return folder.with_name(f".{folder.name}.made.json")


def _write(writer: Callable[[Path], object], folder: Path) -> None:
    try:
        writer(folder)
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise disk_full_error(folder) from error
        raise


def _is_made(folder: Path, made: Path, identity: dict[str, str]) -> bool:
    """Tell whether a folder is what its record says; a record cut short says nothing."""
    try:
        return folder.is_dir() and json.loads(made.read_text(encoding="utf-8")) == identity
    except (OSError, ValueError):
        return False
