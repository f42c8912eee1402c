"""Floor 5. What a notebook opens: a profile becomes image sets and networks, made present.

    laboratory = lab.open("demo", notebook="01_localize_selective_units")
    images = laboratory.images("localizer")
    network = laboratory.network("demo-barlow-twins")

Whatever is missing is rendered (by the universe) or fetched (with size and terms told first);
loaders below never reach up. ``python -m helpers.lab prepare`` does it all beforehand.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from helpers.brains.cohort import Cohort
from helpers.brains.layouts import open_cohort
from helpers.brains.rsa92 import MeasuredRdms, open_rsa92
from helpers.decoding.spaces import named_space, picture_space
from helpers.decoding.study import DecodingStudy
from helpers.ground.digest import code_digest, imports_of, text_digest
from helpers.ground.errors import LabError, one_of
from helpers.ground.machine import machine
from helpers.ground.paths import ROOT, data_dir
from helpers.ground.profile import Profile, load_profile
from helpers.ground.provenance import Provenance
from helpers.networks.clip import ClipModel, load_clip
from helpers.networks.named_vectors import read_name_embeddings
from helpers.networks.network import Network, load_network, select_device
from helpers.networks.registry import get_entry
from helpers.present import clip_files, make_present, prepare, readout_file, weights_file
from helpers.stimuli.image_sets import LAYOUTS, ImageSet
from helpers.training.classifiers import (
    Classifier,
    count_layer_units,
    builtin_classifier,
    attach_readout,
    read_readout_weight,
    cached_readout,
)

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
                           expected=one_of(self.profile.image_sets, "an image set; it has none"),
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
        listed = get_entry(name)
        weights = weights_file(name, self.data, seed=self.profile.seed)
        network = load_network(listed, weights, seed=self.profile.seed, device=self.device)
        self.provenance.inputs[name] = network.digest[:SHOWN_DIGITS]
        return network

    def clip(self, name: str) -> ClipModel:
        """Open a network that was taught with captions, both of its towers."""
        network = self.network(name)
        return load_clip(network, *clip_files(name, self.data, seed=self.profile.seed))

    def classifier(self, name: str) -> Classifier:
        """Open a network that names classes: by itself, or through its readout.

        The readout is the zoo's, a published one, or trained now on the pictures that the
        profile's table [readout] names; from the layer that the registry names, or from the last
        one before the network's own output.

        Raises
        ------
        LabError
            If there is no readout, and the profile does not say how to train one.
        """
        network = self.network(name)
        listed = network.entry.readout
        own = builtin_classifier(network)
        if network.entry.classifies_imagenet:
            return own
        layer = listed.layer if listed else list(own.layers)[-1]
        path = readout_file(name, self.data)
        if path is not None:
            weight = read_readout_weight(path, count_layer_units(network, layer))
        else:
            weight = self._train_readout(network, layer)
        found = attach_readout(network, weight, layer, resize=listed.resize if listed else 0)
        self.provenance.inputs[f"readout of {name}"] = found.digest[:SHOWN_DIGITS]
        return found

    def _train_readout(self, network: Network, layer: str) -> torch.Tensor:
        spec = self.profile.readout
        if spec is None:
            raise LabError(f"the readout of {network.name} is missing, and the profile "
                           f"{self.profile.name!r} does not say how to train one",
                           expected="a table [readout] in the profile: pictures, epochs, rates",
                           remedy="copy [readout] from helpers/profiles/paper.toml; it is then "
                                  "trained on first use, with a bar, and kept")
        return cached_readout(network, layer, self.images(spec.images, spec.part), spec,
                               seed=self.profile.seed)

    def cohort(self, table: str = "cohort") -> Cohort:
        """Open the participants that a table of the profile names, after making them present.

        Parameters
        ----------
        table : str
            ``cohort``; ``tuning_cohort``, which is ``cohort`` where the profile names no other;
            ``transfer_cohort``.

        Raises
        ------
        LabError
            If the profile names no such cohort, or it is absent and cannot be made.
        """
        if table == "tuning_cohort" and self.profile.tuning_cohort is None:
            table = "cohort"
        spec = self.profile.table(table)
        cohort = open_cohort(spec.layout, make_present(self.profile, spec, self.data),
                             subjects=spec.subjects, n_pool=spec.n_pool,
                             n_batches=spec.n_batches, n_shared=spec.n_shared)
        digests = [cohort.album.digest, *map(cohort.digest, cohort.subjects)]
        self.provenance.inputs[table] = text_digest(" ".join(digests))[:SHOWN_DIGITS]
        return cohort

    def decoding(self) -> DecodingStudy:
        """Open the study of decoders that the profile describes, after making its data present.

        Raises
        ------
        LabError
            If the profile has no table [decoding] or no cohort, or something is absent.
        """
        spec, cohort = self.profile.table("decoding"), self.cohort()
        if spec.names is not None:
            names = read_name_embeddings(make_present(self.profile, spec.names, self.data))
            self.provenance.inputs["names"] = names.digest[:SHOWN_DIGITS]
            space = named_space(names, cohort)
        else:
            space = picture_space(self.clip(spec.network), cohort,
                                  batch_size=self.profile.batch_size)
        self.provenance.inputs["space"] = space.digest[:SHOWN_DIGITS]
        return DecodingStudy(cohort, space, spec, self.profile.seed, self.device)

    def measured_rdms(self) -> MeasuredRdms | None:
        """Open measured dissimilarities of pictures; None where the profile names none."""
        spec = self.profile.rdms
        if spec is None:
            return None
        found = open_rsa92(make_present(self.profile, spec, self.data))
        self.provenance.inputs["rdms"] = found.album.digest[:SHOWN_DIGITS]
        return found

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
    device = select_device(chosen.device)
    source = ROOT / "notebooks" / f"{notebook}.py"
    text = source.read_text(encoding="utf-8") if source.is_file() else "import helpers.lab"
    code = text_digest(code_digest(imports_of(text)) + text)[:8]
    provenance = Provenance(notebook, chosen.name, chosen.data_kind, chosen.seed, device.type, code,
                            machine=machine())
    return Laboratory(chosen, provenance, data_dir(chosen.data, data), device)


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
