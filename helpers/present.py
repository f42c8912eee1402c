"""Floor 5. Make present what a profile names: pictures drawn or fetched, weights found or fetched.

Loaders below only read; whatever is missing is made here, whole or not at all.
"""

from __future__ import annotations

import errno
import json
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

from filelock import FileLock

from helpers.ground.cache import key
from helpers.ground.console import say
from helpers.ground.digest import code_digest
from helpers.ground.errors import LabError
from helpers.ground.fetch import Source, fetch_file, fetch_folder, load_source
from helpers.ground.paths import atomic_write, cache_dir, disk_full, ensure_writable, zoo_dir
from helpers.ground.profile import Profile
from helpers.ground.tables import CohortSpec, FolderSpec, ImageSetSpec, UniverseSpec
from helpers.networks.network import load_network
from helpers.networks.registry import get_entry, seed_names
from helpers.networks.weights import save_state_dict
from helpers.universe.algonauts_files import write_algonauts
from helpers.universe.captioned_files import write_captioned
from helpers.universe.image_files import (
    write_channels,
    write_diet,
    write_faces_diet,
    write_localizer,
    write_probe,
)
from helpers.universe.nod_files import write_nod
from helpers.universe.nsd_files import write_cohort
from helpers.universe.task_files import write_attributes, write_places

PICTURES = "helpers.universe.image_files"
CODE = {"cohort": "helpers.universe.nsd_files", "algonauts": "helpers.universe.algonauts_files",
        "nod": "helpers.universe.nod_files", "places": "helpers.universe.task_files",
        "attributes": "helpers.universe.task_files",
        "captioned": "helpers.universe.captioned_files"}
"""Module that writes a part of the universe, where it is not `PICTURES`."""
TRAINING = ("universe:faces", "universe:captioned", "universe:training_diet")
"""Pictures that no figure shows: the zoo alone is trained on them."""


def make_present(profile: Profile, spec: ImageSetSpec | CohortSpec | FolderSpec,
                 data: Path) -> Path:
    """Return the folder of an image set, a cohort or other files, rendered or fetched."""
    kind, name = spec.source.split(":", 1)
    folder = data / spec.path
    if kind == "fetch":
        return fetch_folder(load_source(name), folder)
    if profile.universe is None:
        raise LabError(f"source {spec.source!r} in profile {profile.name!r}",
                       expected="a table [universe] that gives its size",
                       remedy="copy [universe] from helpers/profiles/demo.toml")
    return _render(name, profile.universe, folder)


def _writer(name: str, sizes: UniverseSpec) -> Callable[[Path], object]:
    """Return the universe's writer of a part, with its sizes filled in."""
    seed, size = {"seed": sizes.seed}, {"seed": sizes.seed, "size": sizes.localizer_size}
    writers = {
        "localizer": partial(write_localizer, n_per_category=sizes.localizer_per_category, **size),
        "probe": partial(write_probe, n_per_category=sizes.probe_per_category, **size),
        "channels": partial(write_channels, n_per_category=sizes.channels_per_category, **size),
        "diet": partial(write_diet, size=sizes.diet_size, n_train=0, n_val=sizes.diet_val, **seed),
        "training_diet": partial(write_diet, size=sizes.diet_size, n_train=sizes.diet_train,
                                 n_val=sizes.diet_val, **seed),
        "faces": partial(write_faces_diet, size=sizes.diet_size,
                         n_identities=sizes.face_identities,
                         n_train_per_identity=sizes.face_train_per_identity,
                         n_val_per_identity=sizes.face_val_per_identity, **seed),
        "cohort": partial(write_cohort, n_subjects=sizes.cohort_subjects,
                          n_shared=sizes.cohort_shared, n_sessions=sizes.cohort_sessions,
                          size=sizes.cohort_size, **seed),
        "algonauts": partial(write_algonauts),
        "nod": partial(write_nod, n_subjects=sizes.nod_subjects, n_runs=sizes.nod_runs,
                       size=sizes.cohort_size, **seed),
        "places": partial(write_places, n_pictures=sizes.places, size=sizes.diet_size, **seed),
        "attributes": partial(write_attributes, n_pictures=sizes.attributes,
                              size=sizes.diet_size, **seed),
        "captioned": partial(write_captioned, n_pictures=sizes.captioned, size=sizes.diet_size,
                             **seed),
    }
    return writers[name]


def _render(name: str, sizes: UniverseSpec, folder: Path) -> Path:
    """Let the universe write a part, unless the same part from the same code is there."""
    writer = _writer(name, sizes)
    source = ""
    if name == "algonauts":  # derived from the cohort, as the original was from NSD
        nsd = _render("cohort", sizes, folder.with_name("nsd"))
        writer, source = partial(writer, nsd=nsd), _record(nsd).read_text()
    made = _record(folder)
    identity = {"part": name, "key": key(part=name, settings=source or dict(writer.keywords),
                                         code=code_digest([CODE.get(name, PICTURES)]))}
    if _is_made(folder, made, identity):
        return folder
    ensure_writable(folder.parent)
    with FileLock(folder.with_name(f".{folder.name}.lock")):
        if not _is_made(folder, made, identity):
            if folder.exists() and not made.exists():
                raise LabError(f"{folder} was not written by the universe",
                               expected="no folder there, or one that was rendered",
                               remedy="move it away, or set LAB_DATA to another folder")
            say(f"Rendering the demo universe: {name}")
            made.unlink(missing_ok=True)
            shutil.rmtree(folder, ignore_errors=True)
            _write(writer, folder)
            atomic_write(made, lambda part: part.write_text(json.dumps(identity) + "\n"))
    return folder


def _record(folder: Path) -> Path:
    """Return the file that says what a rendered folder was made from."""
    return folder.with_name(f".{folder.name}.made.json")


def _write(writer: Callable[[Path], object], folder: Path) -> None:
    try:
        writer(folder)
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise disk_full(folder) from error
        raise


def _is_made(folder: Path, made: Path, identity: dict[str, str]) -> bool:
    """Tell whether a folder is what its record says; a record cut short says nothing."""
    try:
        return folder.is_dir() and json.loads(made.read_text(encoding="utf-8")) == identity
    except (OSError, ValueError):
        return False


def weights_file(name: str, data: Path, *, seed: int = 0) -> Path:
    """Return the file with a network's weights, made present.

    Looked for in the zoo and in ``networks/`` of the data directory; fetched otherwise. An
    untrained network is drawn once from its seed and kept, so that every figure sees the same
    one.
    """
    listed = get_entry(name)
    ready = [data / "networks" / listed.local] if listed.local else []
    if listed.file and not listed.url:
        ready += [zoo_dir() / listed.file, data / "networks" / listed.file]
    for path in ready:
        if path.is_file():
            return path
    if not listed.trained:
        seed += listed.seed
        drawn = key(architecture=listed.architecture, options=listed.options, seed=seed)
        kept = cache_dir() / "weights" / f"{name.replace(':', '-')}-{drawn}.safetensors"
        if not kept.is_file():
            save_state_dict(kept, load_network(listed, seed=seed).model)
        return kept
    if not listed.url:
        raise LabError(f"no weights of {name!r}", expected=f"data/zoo/{listed.file}",
                       remedy="make zoo trains the demo networks again")
    source = Source(name=name, url=listed.url, digest=listed.digest or None, bytes=listed.bytes,
                    licence=listed.licence, cite=listed.cite)
    return fetch_file(source, data / "networks" / listed.file)


def readout_file(name: str, data: Path) -> Path | None:
    """Return the file with a network's readout, fetched where it is published; None if it has none.

    Looked for in the zoo and in ``networks/`` of the data directory.
    """
    listed = get_entry(name).readout
    if listed is None or not listed.file:
        return None
    for path in (zoo_dir() / listed.file, data / "networks" / listed.file):
        if path.is_file():
            return path
    if not listed.url:
        return None
    source = Source(name=f"readout of {name}", url=listed.url, digest=listed.digest or None,
                    bytes=listed.bytes, licence=listed.licence, cite=listed.cite)
    return fetch_file(source, data / "networks" / listed.file)


def clip_files(name: str, data: Path, *, seed: int = 0) -> tuple[Path, Path]:
    """Return the file of a network that was taught with captions, and the folder of its others."""
    image, listed = weights_file(name, data, seed=seed), get_entry(name).text
    for other in (listed.file, listed.words) if listed else ():
        if other and not (image.parent / other).is_file():
            raise LabError(f"no {other} beside {image}", expected="all files of the network",
                           remedy="make zoo trains the demo networks again")
    return image, image.parent


def prepare(profile: Profile, data: Path) -> list[LabError]:
    """Make everything present that the profile's figures need; return what could not be."""
    chosen = profile.networks
    attach_readout = (chosen.main, *profile.lesions.compare) if profile.lesions else ()
    jobs = [partial(make_present, profile, spec, data)
            for spec in profile.sources.values() if spec.source not in TRAINING]
    jobs += [partial(weights_file, name, data, seed=profile.seed)
             for name in (chosen.main, chosen.untrained, *chosen.compare)]
    jobs += [partial(readout_file, name, data) for name in attach_readout]
    if profile.language:
        jobs += [partial(weights_file, one, data, seed=profile.seed)
                 for name in profile.language.kinds.values() for one in seed_names(name)]
    if profile.decoding and profile.decoding.network:
        jobs.append(partial(clip_files, profile.decoding.network, data, seed=profile.seed))
    absent = []
    for job in jobs:
        try:
            job()
        except LabError as error:
            absent.append(error)
    return absent
