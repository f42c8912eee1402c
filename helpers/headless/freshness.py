"""Whether a figure is still what its notebook would make: judged by content.

A figure depends on its notebook's text, on every helper that the notebook can reach, on the
profile, on the parameters, on the pictures and weights on disk, and on the installed packages.
A stamp outside the repository's history records the digest of all these and of the files made,
so a fresh clone really runs and a damaged figure is made again.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from helpers.ground.cache import key
from helpers.ground.digest import code_digest, file_digest, imports_of, text_digest
from helpers.ground.paths import PACKAGE, ROOT, atomic_write, cache_dir, data_dir, zoo_dir
from helpers.ground.profile import Profile

RESOURCES = ("networks/registry.toml", "ground/sources.toml", "stimuli/imagenet.csv",
             "figures/lab.mplstyle")
RUNNER = ("helpers.headless.execute",)


def code_key(source: Path, profile: Profile, parameters: Mapping[str, object]) -> str:
    """Digest all that is written by hand: text, helpers, resources, profile, packages."""
    text = source.read_text(encoding="utf-8")
    lock = ROOT / "requirements.lock"
    return key(text=text_digest(text), code=code_digest([*imports_of(text), *RUNNER]),
               resources={name: file_digest(PACKAGE / name) for name in RESOURCES},
               profile=profile.digest, parameters=dict(parameters),
               lock=file_digest(lock) if lock.is_file() else "",
               python=".".join(map(str, sys.version_info[:2])))


def inputs_key(profile: Profile, names: Iterable[str]) -> str:
    """Digest the pictures and weights on disk, by name, size and time of every file.

    Parameters
    ----------
    profile : Profile
    names : iterable of str
        Inputs that the notebook opened, from its ledger: ``set``, ``set/part`` or a network.
    """
    data = data_dir(profile.data)
    folders = {name: data / profile.sources[name.split("/")[0]].path for name in names
               if name.split("/")[0] in profile.sources}
    folders |= {"zoo": zoo_dir(), "networks": data / "networks"}
    return key(**{name: _listing(folder) for name, folder in folders.items()})


def _listing(folder: Path) -> str:
    """Digest the names, sizes and times of all files below a folder."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.name.startswith("."):
            state = path.stat()
            digest.update(f"{path.relative_to(folder)} {state.st_size} {state.st_mtime_ns}\n"
                          .encode())
    return digest.hexdigest()


def stamp_path(profile: Profile, stem: str) -> Path:
    """Return where the stamp of a notebook's run lies (in the cache, never committed)."""
    return cache_dir() / "runs" / profile.name / f"{stem}.json"


def outputs(folder: Path, stem: str) -> list[Path]:
    """Return the files that a notebook made: figure, tables, ledger, executed notebook."""
    return sorted(path for path in folder.glob(f"{stem}*")
                  if path.stem == stem or path.name.startswith(f"{stem}-"))


def is_fresh(source: Path, profile: Profile, parameters: Mapping[str, object],
             folder: Path) -> bool:
    """Tell whether everything in ``folder`` is what a run would make now."""
    path = stamp_path(profile, source.stem)
    if not path.is_file():
        return False
    stamp = json.loads(path.read_text(encoding="utf-8"))
    made = {file.name: file_digest(file) for file in outputs(folder, source.stem)}
    return (stamp["outputs"] == made and stamp["code"] == code_key(source, profile, parameters)
            and stamp["inputs"] == inputs_key(profile, stamp["opened"]))


def write_stamp(source: Path, profile: Profile, code: str, folder: Path) -> None:
    """Record a finished run; ``code`` is the key taken *before* it began."""
    ledger = json.loads((folder / f"{source.stem}.json").read_text(encoding="utf-8"))
    opened = sorted(ledger["provenance"]["inputs"])
    stamp = {"code": code, "opened": opened, "inputs": inputs_key(profile, opened),
             "outputs": {file.name: file_digest(file) for file in outputs(folder, source.stem)}}
    text = json.dumps(stamp, indent=1) + "\n"
    atomic_write(stamp_path(profile, source.stem), lambda part: part.write_text(text))
