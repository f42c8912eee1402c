"""Floor 5. What a notebook opens: a profile becomes image sets and networks, made present.

    laboratory = lab.open("demo", notebook="01_localize_selective_units")
    images = laboratory.images("localizer")
    network = laboratory.network("demo-barlow-twins")

Whatever is missing is rendered (by the universe) or fetched (with size and terms told first);
loaders below never reach up. ``python -m helpers.lab prepare`` does it all beforehand.
"""

from __future__ import annotations

import argparse
import errno
import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from filelock import FileLock

from helpers.cache import key
from helpers.console import say
from helpers.digest import code_digest, imports_of, text_digest
from helpers.errors import LabError
from helpers.fetch import Source, fetch_file, fetch_folder, load_source
from helpers.networks import Network, entry, load_network, pick_device
from helpers.paths import (
    ROOT,
    atomic_write,
    cache_dir,
    data_dir,
    disk_full,
    ensure_writable,
    zoo_dir,
)
from helpers.profile import ImageSetSpec, Profile, UniverseSpec, load_profile
from helpers.provenance import Provenance
from helpers.stimuli import LAYOUTS, ImageSet
from helpers.universe.images import fine_classes
from helpers.universe.write import write_diet, write_faces_diet, write_localizer, write_probe
from helpers.weights import save_state_dict

SHOWN_DIGITS = 12


@dataclass(frozen=True)
class Laboratory:
    """A profile, opened: handles to everything that a notebook may ask for.

    Attributes
    ----------
    profile : Profile
    provenance : Provenance
        Gathers what was opened; goes under the figure and into the ledger.
    data : Path
        The data directory: ``LAB_DATA``, else the profile's own.
    device : torch.device
    """

    profile: Profile
    provenance: Provenance
    data: Path
    device: torch.device

    def available(self, *names: str) -> list[str]:
        """Return those of some image sets that the profile names."""
        return [name for name in names if name in self.profile.image_sets]

    def images(self, name: str, part: str = "") -> ImageSet:
        """Open an image set, after making it present.

        Parameters
        ----------
        name : str
            Its name in the profile: ``localizer``, ``probe``, ``diet``.
        part : str
            A sub-folder, such as ``val`` of an ImageFolder with splits.

        Raises
        ------
        LabError
            If the profile names no such set, or it is absent and cannot be made.
        """
        spec = self.profile.image_sets.get(name)
        if spec is None:
            raise LabError(f"profile {self.profile.name!r} has no image set {name!r}",
                           expected=f"one of {', '.join(self.profile.image_sets)}",
                           remedy=f"add a table [image_sets.{name}] to the profile")
        folder = make_present(self.profile, spec, self.data)
        images = LAYOUTS[spec.layout](folder / part if part else folder)
        self.provenance.inputs["/".join(filter(None, (name, part)))] = images.digest[:SHOWN_DIGITS]
        return images

    def independent_pair(self) -> tuple[ImageSet, ImageSet]:
        """Return the pictures that define units and independent ones that test them.

        The localizer and the profile's probe set; where a profile has no second set, the two
        halves of the localizer.
        """
        localizer = self.images("localizer")
        if self.available("probe"):
            return localizer, self.images("probe")
        first, second = (localizer.select(np.flatnonzero(localizer.halves == half))
                         for half in (0, 1))
        return first, second

    def network(self, name: str) -> Network:
        """Open a network of the registry by name, after making its weights present."""
        listed = entry(name)
        weights = weights_file(name, self.data, seed=self.profile.seed)
        network = load_network(listed, weights, seed=self.profile.seed, device=self.device)
        self.provenance.inputs[name] = network.digest[:SHOWN_DIGITS]
        return network

    def networks(self) -> dict[str, Network]:
        """Open all networks that the profile shows: the main one, its untrained twin, others."""
        chosen = self.profile.networks
        return {name: self.network(name)
                for name in (chosen.main, chosen.untrained, *chosen.compare)}


def open(profile: str, *, notebook: str, data: str | None = None) -> Laboratory:  # noqa: A001
    """Open a profile for a notebook.

    Parameters
    ----------
    profile : str
        Name or path of a TOML file.
    notebook : str
        Stem of the notebook; names its figure and its numbers.
    data : str, optional
        Data directory; before ``LAB_DATA``, before the profile's default.

    Raises
    ------
    LabError
        If the profile, one of its keys, or its device is unknown.
    """
    chosen = load_profile(profile)
    torch.manual_seed(chosen.seed)
    device = pick_device(chosen.device)
    source = ROOT / "notebooks" / f"{notebook}.py"
    text = source.read_text(encoding="utf-8") if source.is_file() else "import helpers.lab"
    code = text_digest(code_digest(imports_of(text)) + text)[:8]
    provenance = Provenance(notebook, chosen.name, chosen.data_kind, chosen.seed, device.type, code)
    return Laboratory(chosen, provenance, data_dir(chosen.data, data), device)


def make_present(profile: Profile, spec: ImageSetSpec, data: Path) -> Path:
    """Return the folder of an image set, rendered or fetched if it is not there yet."""
    kind, name = spec.source.split(":", 1)
    folder = data / spec.path
    if kind == "fetch":
        return fetch_folder(load_source(name), folder)
    if profile.universe is None:
        raise LabError(f"image set with source {spec.source!r} in profile {profile.name!r}",
                       expected="a table [universe] that gives its size",
                       remedy="copy [universe] from helpers/profiles/demo.toml")
    return _render(name, profile.universe, folder)


def _writer(name: str, sizes: UniverseSpec) -> Callable[[Path], object]:
    """Return the universe's writer of a part, with its sizes filled in."""
    if name == "localizer":
        return partial(write_localizer, seed=sizes.seed, size=sizes.localizer_size,
                       n_per_category=sizes.localizer_per_category)
    if name == "probe":
        return partial(write_probe, seed=sizes.seed, size=sizes.localizer_size,
                       n_per_category=sizes.probe_per_category)
    if name == "diet":
        return partial(write_diet, seed=sizes.seed, size=sizes.diet_size,
                       n_train=sizes.diet_train, n_val=sizes.diet_val)
    return partial(write_faces_diet, seed=sizes.seed, size=sizes.diet_size,
                   n_identities=sizes.face_identities,
                   n_train_per_identity=sizes.face_train_per_identity,
                   n_val_per_identity=sizes.face_val_per_identity)


def _render(name: str, sizes: UniverseSpec, folder: Path) -> Path:
    """Let the universe write a part, unless the same part from the same code is there."""
    writer = _writer(name, sizes)
    made = folder.with_name(f".{folder.name}.made.json")
    identity = {"part": name, "key": key(part=name, settings=dict(writer.keywords),
                                         code=code_digest(["helpers.universe.write"]))}
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


def _write(writer: Callable[[Path], object], folder: Path) -> None:
    try:
        writer(folder)
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise disk_full(folder) from error
        raise


def class_domains() -> dict[str, str]:
    """Return the domain of each fine class of the rendered diet."""
    return {name: domain for name, (domain, _) in fine_classes().items()}


def _is_made(folder: Path, made: Path, identity: dict[str, str]) -> bool:
    return folder.is_dir() and made.is_file() and json.loads(made.read_text()) == identity


def weights_file(name: str, data: Path, *, seed: int = 0) -> Path:
    """Return the file with a network's weights, made present.

    Looked for in the zoo and in ``networks/`` of the data directory; fetched otherwise. An
    untrained network is drawn once from its seed and kept, so that every figure sees the same
    one.
    """
    listed = entry(name)
    ready = [data / "networks" / listed.local] if listed.local else []
    if listed.file and not listed.url:
        ready += [zoo_dir() / listed.file, data / "networks" / listed.file]
    for path in ready:
        if path.is_file():
            return path
    if not listed.trained:
        kept = cache_dir() / "weights" / f"{name.replace(':', '-')}-seed{seed}.safetensors"
        if not kept.is_file():
            save_state_dict(kept, load_network(listed, seed=seed).model)
        return kept
    if not listed.url:
        raise LabError(f"no weights of {name!r}", expected=f"data/zoo/{listed.file}",
                       remedy="make zoo trains the demo networks again")
    source = Source(name=name, url=listed.url, digest=listed.digest or None, bytes=listed.bytes,
                    licence=listed.licence, cite=listed.cite)
    return fetch_file(source, data / "networks" / listed.file)


def prepare(profile: Profile, data: Path) -> list[LabError]:
    """Make everything present that the profile's figures need; return what could not be."""
    chosen = profile.networks
    jobs = [partial(make_present, profile, spec, data)
            for spec in profile.image_sets.values() if spec.source != "universe:faces"]
    jobs += [partial(weights_file, name, data, seed=profile.seed)
             for name in (chosen.main, chosen.untrained, *chosen.compare)]
    absent = []
    for job in jobs:
        try:
            job()
        except LabError as error:
            absent.append(error)
    return absent


def main(arguments: list[str] | None = None) -> int:
    """Run ``python -m helpers.lab prepare [--profile NAME]``; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m helpers.lab", description=main.__doc__)
    parser.add_argument("command", choices=["prepare"])
    parser.add_argument("--profile", default="demo")
    options = parser.parse_args(arguments)
    try:
        profile = load_profile(options.profile)
        absent = prepare(profile, data_dir(profile.data))
    except LabError as error:
        absent = [error]
    for error in absent:
        sys.stderr.write(f"{error}\n")
    return 1 if absent else 0


if __name__ == "__main__":
    sys.exit(main())
