"""Make the files available that a profile names: drawn, or downloaded and unpacked.

Loaders only read; whatever is missing is made here, completely or not at all.
"""

from __future__ import annotations

import importlib
import json
import shutil
from functools import partial
from pathlib import Path

from filelock import FileLock

from helpers.config.data import LOCAL, CohortSpec, FolderSpec, ImageSetSpec, SyntheticSpec
from helpers.config.profile import Profile
from helpers.core.cache import key
from helpers.core.console import echo
from helpers.core.digest import code_digest
from helpers.core.errors import LabError
from helpers.core.paths import ROOT, atomic_write_text, ensure_writable, report_full_disk
from helpers.datasets.sources import ensure_folder, find_folder, load_source

Spec = ImageSetSpec | CohortSpec | FolderSpec
"""A table of a profile that names files."""
WRITERS = "data.synthetic.writers"
"""Imported by name where a part has to be drawn: what reads real data never reaches it."""


def ensure_available(profile: Profile, spec: Spec, data: Path) -> Path:
    """Return the folder of an image set, a cohort or other files, after drawing or fetching it.

    A user's own files (source ``local``) are returned as they are.

    Raises
    ------
    LabError
        If the user's own files are absent, or others cannot be made.
    """
    folder = locate(profile, spec, data)
    kind, _, name = spec.source.partition(":")
    if kind == "fetch":
        return ensure_folder(load_source(name), folder)
    if kind == LOCAL:
        if not folder.exists():
            raise absent_error(profile, spec, data)
        return folder
    if profile.synthetic is None:
        raise LabError(f"source {spec.source!r} in profile {profile.name!r}",
                       expected="a table [synthetic] that gives its size",
                       remedy="copy [synthetic] from helpers/profiles/demo.toml")
    return _draw(name, profile.synthetic, folder)


def find_available(profile: Profile, spec: Spec, data: Path) -> Path | None:
    """Return the folder that `ensure_available` would, or None; nothing is drawn or fetched.

    Raises
    ------
    LabError
        If there is a folder that it would refuse.
    """
    folder = locate(profile, spec, data)
    kind, _, name = spec.source.partition(":")
    if kind == "fetch":
        return find_folder(load_source(name), folder)
    if not folder.exists():
        return None
    if kind == "synthetic" and not _record(folder).is_file():
        raise _not_drawn_error(folder)
    return folder


def locate(profile: Profile, spec: Spec, data: Path) -> Path:
    """Return where files that a profile names lie, or would lie; nothing is made.

    A relative path of the source ``local`` counts from the profile's folder, and where there is
    nothing, from the data folder.
    """
    if spec.source != LOCAL:
        return data / spec.path
    candidates = _candidates(profile, spec, data)
    return next((path for path in candidates if path.exists()), candidates[0])


def absent_error(profile: Profile, spec: Spec, data: Path) -> LabError:
    """Return the error for files of the user's own that are not where the profile says."""
    candidates = map(str, _candidates(profile, spec, data))
    return LabError(f"nothing at {', nor at '.join(candidates)} (path = {spec.path!r} in the "
                    f"profile {profile.name!r})", expected="your own files there, or a folder "
                    "that links to them: source = 'local' is neither drawn nor fetched",
                    remedy="correct the key 'path': absolute, or relative to the profile's file or "
                    "to the data folder")


def _candidates(profile: Profile, spec: Spec, data: Path) -> list[Path]:
    path = Path(spec.path).expanduser()
    return list(dict.fromkeys(Path(folder).absolute() / path
                              for folder in (profile.folder or ROOT, data)))


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
                raise _not_drawn_error(folder)
            echo(f"Drawing the synthetic data: {name}")
            made.unlink(missing_ok=True)
            shutil.rmtree(folder, ignore_errors=True)
            with report_full_disk(folder):
                writer(folder)
            atomic_write_text(made, json.dumps(identity) + "\n")
    return folder


def _not_drawn_error(folder: Path) -> LabError:
    return LabError(f"{folder} was not written by data/synthetic",
                    expected="no folder there, or one that was drawn",
                    remedy="move it away, or set LAB_DATA to another folder; if these are your own "
                    "files, write source = \"local\" in the profile")


def _record(folder: Path) -> Path:
    """Return the file that records what a drawn folder was made from."""
    return folder.with_name(f".{folder.name}.made.json")


def _is_made(folder: Path, made: Path, identity: dict[str, str]) -> bool:
    """Tell whether a folder is what its record says; a record cut short says nothing."""
    try:
        return folder.is_dir() and json.loads(made.read_text(encoding="utf-8")) == identity
    except (OSError, ValueError):
        return False
