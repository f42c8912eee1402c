"""What a notebook opens: a profile, and the image sets and networks that it names.

    laboratory = lab.open("demo", notebook="01_localize_selective_units")
    images = laboratory.images("localizer")
    network = laboratory.network("demo-barlow-twins")

Whatever is missing is drawn, or fetched after its size and terms were shown. Cohorts, decoders and
readouts are opened by the packages that analyse them. ``python -m helpers.prepare`` makes
everything available beforehand.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from helpers.config.data import ImageSetSpec
from helpers.config.profile import Profile, load_profile
from helpers.core.console import echo
from helpers.core.digest import code_digest, direct_imports, text_digest
from helpers.core.errors import LabError, one_of
from helpers.core.paths import ROOT, data_dir
from helpers.core.provenance import Provenance, machine
from helpers.datasets.prepare import Spec, ensure_available, locate
from helpers.networks import named_layers
from helpers.networks.builders import IMPORTED_BY_NAME
from helpers.networks.network import Network, load_network, select_device
from helpers.networks.registry import NetworkEntry, OwnEntries, get_entry
from helpers.networks.weight_files import weights_file
from helpers.stimuli.domains import intact_domains
from helpers.stimuli.folders import subfolders
from helpers.stimuli.image_sets import LAYOUTS, ImageSet

DIGEST_DIGITS = 12
LESIONS = "02"
"""The notebook that opens readouts."""


@dataclass(frozen=True)
class Laboratory:
    """An open profile: its image sets and networks, and the record of what was opened.

    Attributes
    ----------
    profile : Profile
    provenance : Provenance
        Records what was opened; goes under the figure and into the JSON file.
    data : Path
        The data directory: ``LAB_DATA``, else the profile's own.
    device : torch.device
    """

    profile: Profile
    provenance: Provenance
    data: Path
    device: torch.device

    def folder(self, spec: Spec) -> Path:
        """Return the folder of some files, after making them available."""
        return ensure_available(self.profile, spec, self.data)

    def record(self, name: str, digest: str) -> None:
        """Record what was opened, by the first digits of its digest."""
        self.provenance.inputs[name] = digest[:DIGEST_DIGITS]

    def available(self, *names: str) -> list[str]:
        """Return those of some image sets that the profile names."""
        return [name for name in names if name in self.profile.image_sets]

    def images(self, name: str, part: str = "") -> ImageSet:
        """Open an image set, after making it available.

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
        spec = self.profile.image_set(name)
        images = read_images(spec, self.folder(spec), part)
        self.record("/".join(filter(None, (name, part))), images.digest)
        return images

    def independent_pair(self) -> tuple[ImageSet, ImageSet]:
        """Return the images that define units and independent ones that test them.

        The localizer and the profile's probe set; where a profile has no second set, or one that
        has fewer than two of the localizer's intact domains, the two halves of the localizer.
        """
        localizer = self.images("localizer")
        if self.available("probe"):
            probe = self.images("probe")
            if len(set(intact_domains(localizer.domains)) & set(probe.domains)) > 1:
                return localizer, probe
            echo(f"image set 'probe' has the domains {', '.join(probe.domain_names)}, fewer than "
                 "two of the localizer's: the localizer's halves define and test the units")
        return tuple(localizer.select(np.flatnonzero(localizer.halves == half)) for half in (0, 1))

    def entry(self, name: str) -> NetworkEntry:
        """Look a network up: one of the registry, or of the profile's tables [network.<name>]."""
        return get_entry(name, OwnEntries(self.profile))

    def network(self, name: str) -> Network:
        """Open a network by name, after making its weights available."""
        entry = self.entry(name)
        weights = weights_file(entry, self.data, seed=self.profile.seed)
        network = load_network(entry, weights, seed=self.profile.seed, device=self.device)
        self.record(name, network.digest)
        return network

    def networks(self) -> dict[str, Network]:
        """Open all networks that the profile shows: the main one, its randomly initialised
        control, others."""
        chosen = self.profile.networks
        return {name: self.network(name)
                for name in (chosen.main, chosen.untrained, *chosen.compare)}


def open(profile: str, *, notebook: str) -> Laboratory:  # noqa: A001
    """Open a profile for a notebook.

    Parameters
    ----------
    profile : str
        Name or path of a TOML file.
    notebook : str
        Stem of the notebook; names its figure and its numbers.

    Raises
    ------
    LabError
        If the profile, one of its keys, or its device is unknown.
    """
    chosen = load_profile(profile)
    torch.manual_seed(chosen.seed)
    device = select_device(chosen.device)
    source = ROOT / "notebooks" / f"{notebook}.py"
    text = source.read_text(encoding="utf-8") if source.is_file() else "import helpers.lab"
    code = text_digest(code_digest([*direct_imports(text), *IMPORTED_BY_NAME]) + text)[:8]
    provenance = Provenance(notebook, chosen.name, chosen.data_kind, chosen.seed, device.type, code,
                            machine=machine())
    laboratory = Laboratory(chosen, provenance, data_dir(chosen.data), device)
    return replace(laboratory, profile=check_networks(laboratory, notebook[:2]))


def check_networks(laboratory: Laboratory, notebook: str = "") -> Profile:
    """Open the own networks of a profile, and check the layers that it names for a notebook.

    Parameters
    ----------
    laboratory : Laboratory
        Not changed: what is only checked is not recorded.
    notebook : str
        Its number; empty: all.

    Returns
    -------
    Profile
        With the layers of the main figures, where they were left out.

    Raises
    ------
    LabError
        If an own network cannot be opened, or a network lacks a layer that is named.
    """
    profile = laboratory.profile
    trial = replace(laboratory, provenance=replace(laboratory.provenance, inputs={}))
    for name in profile.network:
        trial.network(name)
    build_network = named_layers.architecture_builder(profile)
    named_layers.check_named_layers([its for its in named_layers.named_layers(profile)
                                     if not notebook or notebook in its.notebooks], build_network)
    if notebook in ("", LESIONS):
        trained = named_layers.networks_without_readout(profile, build_network)
        for spec in filter(None, (profile.lesions, profile.readout if trained else None)):
            if images := profile.image_sets.get(spec.images):
                _require_part(locate(profile, images, laboratory.data), spec.part)
        named_layers.check_readouts(profile, build_network)
    return replace(profile, networks=named_layers.fill_in_layers(profile.networks, build_network))


def _require_part(folder: Path, part: str) -> None:
    """Refuse a part that an image set lacks, where the set is on disk."""
    if part and folder.exists() and not (folder / part).is_dir():
        parts = subfolders(folder) if folder.is_dir() else ()
        raise LabError(f"no part {part!r} of the image set in {folder}",
                       expected=one_of(parts, "a folder for each part; it has none"),
                       remedy="correct the key 'part' where the profile names this image set (of a "
                       "task in [landscape.tasks]: what stands after the slash); empty: the whole "
                       "set. A table of images has no parts: list these in a table of their own")


def read_images(spec: ImageSetSpec, folder: Path, part: str = "") -> ImageSet:
    """Read an image set, or a part of it, from the folder where it is available.

    Raises
    ------
    LabError
        If it is not in the layout that the profile names, or lacks the part.
    """
    _require_part(folder, part)
    return LAYOUTS[spec.layout](folder / part)
