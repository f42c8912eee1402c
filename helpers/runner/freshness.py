"""Whether a figure is still what its notebook would make: judged by content.

A figure depends on its notebook's text, on every helper that the notebook can reach, on the
profile, on the parameters, on the data and weights on disk, and on the installed packages.
A stamp outside the repository's history records the digest of all these and of the files made,
so a fresh clone really runs and a damaged figure is made again.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from helpers.config.profile import Profile
from helpers.core.cache import key
from helpers.core.content_digests import file_state
from helpers.core.digest import code_digest, direct_imports, file_digest, text_digest
from helpers.core.paths import PACKAGE, ROOT, atomic_write, cache_dir, data_dir, zoo_dir
from helpers.datasets.prepare import WRITERS, locate
from helpers.figures.deviations import read_deviations
from helpers.figures.verdicts import machine_dependent
from helpers.networks.builders import IMPORTED_BY_NAME
from helpers.networks.own_function import find_function, is_own_function
from helpers.stimuli.folders import CLASSES_FILE
from helpers.stimuli.image_table import listed_files

RESOURCES = ("networks/registry.toml", "datasets/sources.toml", "stimuli/imagenet.csv",
             "figures/lab.mplstyle")
RUNNER = ("helpers.runner.execute",)
STAMP_DIGEST = "sha256"
"""Of the stamp's other entries."""


def code_key(source: Path, profile: Profile, parameters: Mapping[str, object]) -> str:
    """Digest all that is written by hand: text, helpers, resources, profile, packages."""
    text = source.read_text(encoding="utf-8")
    return key(text=text_digest(text), code=code_digest([*direct_imports(text), *RUNNER,
                                                         *IMPORTED_BY_NAME]),
               synthetic=code_digest([WRITERS]) if profile.synthetic else "",
               resources={name: file_digest(PACKAGE / name) for name in RESOURCES},
               profile=profile.digest, parameters=dict(parameters),
               lock=file_digest(ROOT / "requirements.lock"),
               machine_dependent=machine_dependent(profile.name, source.stem),
               functions=function_digests(profile),
               deviations=[asdict(row) for row in read_deviations(source.stem)],
               python=".".join(map(str, sys.version_info[:2])))


def function_digests(profile: Profile) -> dict[str, str]:
    """Digest the code of a user's functions that return networks, by the name of the network."""
    return {name: find_function(spec.architecture, profile.folder).digest
            for name, spec in profile.network.items() if is_own_function(spec.architecture)}


def inputs_key(profile: Profile, names: Iterable[str],
               listings: dict[Path, str] | None = None) -> str:
    """Digest the data and weights on disk, by the name and state of every file.

    See `helpers.core.content_digests.file_state`: contents are not read. A figure may be made again
    after its data were copied; it is never called fresh after they changed.

    Parameters
    ----------
    profile : Profile
    names : iterable of str
        Inputs that the notebook opened, from its claims table: ``set``, ``set/part`` or a network.
    listings : dict, optional
        Digests of folders that were listed a moment ago; those of others are put in.
    """
    listings = {} if listings is None else listings
    data = data_dir(profile.data)
    folders = {name: locate(profile, profile.sources[name.split("/")[0]], data) for name in names
               if name.split("/")[0] in profile.sources}
    folders |= {"zoo": zoo_dir(), "networks": data / "networks"}
    for folder in set(folders.values()) - listings.keys():
        # a table of images lists files; the classes of an image set may be listed beside it
        beside = ([folder, *listed_files(folder)] if folder.is_file()
                  else [folder.parent / CLASSES_FILE])
        listings[folder] = text_digest("\n".join(sorted([*_iter_states(folder),
                                                         *_iter_file_states(beside)])))
    untrained_weights = (cache_dir() / "weights").glob("*.safetensors")  # of the untrained networks
    opened = {name.replace(":", "-") for name in names}
    opened_weights = [path for path in untrained_weights if path.stem.rpartition("-")[0] in opened]
    own_files = {Path(profile.folder, Path(file).expanduser()) for spec in profile.network.values()
                 for file in (spec.file, spec.readout.file if spec.readout else "") if file}
    return key(folders={name: listings[folder] for name, folder in folders.items()},
               drawn=sorted(_iter_file_states(opened_weights)),
               own=sorted(_iter_file_states(own_files)))


def _iter_states(folder: str | Path, within: str = "",
                 parents: tuple[str, ...] = ()) -> Iterator[str]:
    """Yield the name and state of every file below a folder, behind links as well.

    ``parents``: the folders on the way, where they really are; a link back to one ends there.
    """
    real = os.path.realpath(folder)
    if not os.path.isdir(real) or real in parents:
        return
    with os.scandir(real) as entries:  # a third of pathlib's time, for tens of thousands of files
        for entry in entries:
            if entry.is_dir():
                yield from _iter_states(entry.path, f"{within}{entry.name}/", (*parents, real))
            elif entry.is_file() and not entry.name.startswith("."):
                yield f"{within}{entry.name} {file_state(entry.stat())}"


def _iter_file_states(paths: Iterable[Path]) -> Iterator[str]:
    """Yield the name and state of those of some files that are there."""
    for path in paths:
        if path.is_file():
            yield f"../{path.name} {file_state(path.stat())}"


def stamp_path(profile: Profile, stem: str) -> Path:
    """Return where the stamp of a notebook's run lies (in the cache, never committed)."""
    return cache_dir() / "runs" / profile.name / f"{stem}.json"


def output_files(folder: Path, stem: str) -> list[Path]:
    """Return the files that a notebook made: figure, tables, claims table, executed notebook."""
    return sorted(path for path in folder.glob(f"{stem}*")
                  if path.stem == stem or path.name.startswith(f"{stem}-"))


def _output_digests(folder: Path, stem: str) -> dict[str, str]:
    return {file.name: file_digest(file) for file in output_files(folder, stem)}


def is_fresh(source: Path, profile: Profile, parameters: Mapping[str, object],
             folder: Path, listings: dict[Path, str] | None = None) -> bool:
    """Tell whether everything in ``folder`` is what a run would make now.

    ``listings`` is shared by the notebooks of a run that are judged at one time.
    """
    stamp = read_stamp(profile, source.stem)
    return (stamp is not None and stamp["outputs"] == _output_digests(folder, source.stem)
            and stamp["code"] == code_key(source, profile, parameters)
            and stamp["inputs"] == inputs_key(profile, stamp["opened"], listings))


def describe_damage(source: Path, profile: Profile, folder: Path) -> list[str]:
    """Say which files of a finished run are no longer as the run left them, a sentence each."""
    path, stamp = stamp_path(profile, source.stem), read_stamp(profile, source.stem)
    if stamp is None:
        return [f"{path}, the record of the last run, cannot be read"] * path.is_file()
    present = _output_digests(folder, source.stem)
    return [f"{folder / name} is missing" if name not in present
            else f"{folder / name} is not what the last run wrote"
            for name, digest in stamp["outputs"].items() if present.get(name) != digest]


def read_stamp(profile: Profile, stem: str) -> dict[str, Any] | None:
    """Return what the last finished run of a notebook recorded; None if there is nothing whole."""
    try:
        stamp = json.loads(stamp_path(profile, stem).read_text(encoding="utf-8"))
        digest = stamp.pop(STAMP_DIGEST)
    except (FileNotFoundError, ValueError, AttributeError, TypeError, KeyError):
        return None
    return stamp if digest == _stamp_digest(stamp) else None


def _stamp_digest(stamp: Mapping[str, Any]) -> str:
    return text_digest(json.dumps(stamp, sort_keys=True))


def write_stamp(source: Path, profile: Profile, code: str, folder: Path,
                seconds: float = 0.0) -> None:
    """Record a finished run; ``code`` is the key taken *before* it began.

    ``seconds`` judge nothing: they tell the next run what to begin with.
    """
    results_json = json.loads((folder / f"{source.stem}.json").read_text(encoding="utf-8"))
    opened = sorted(results_json["provenance"]["inputs"])
    stamp = {"code": code, "opened": opened, "inputs": inputs_key(profile, opened),
             "seconds": round(seconds, 1), "outputs": _output_digests(folder, source.stem)}
    text = json.dumps({**stamp, STAMP_DIGEST: _stamp_digest(stamp)}, indent=1) + "\n"
    atomic_write(stamp_path(profile, source.stem), lambda part: part.write_text(text))
