"""Make everything available beforehand that a profile names: ``python -m helpers.prepare``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from helpers.config.data import TRAINING_ONLY
from helpers.config.profile import OPTIONAL_SOURCES, Profile, load_profile
from helpers.core.errors import LabError
from helpers.core.paths import data_dir
from helpers.datasets.prepare import ensure_available
from helpers.lab import read_images
from helpers.networks.channel_axes import trial_pass
from helpers.networks.named_layers import architecture_builder
from helpers.networks.registry import OwnEntries, get_entry, seed_names
from helpers.networks.weight_files import readout_file, text_files, weights_file


def prepare(profile: Profile, data: Path) -> list[LabError]:
    """Make everything available that the profile's figures need; return what could not be.

    Every image set is read, so that one in another layout is found here and not in a notebook.
    What a figure shows only where it is at hand (`OPTIONAL_SOURCES`) is not asked for.
    """
    absent = []

    @contextmanager
    def collecting() -> Iterator[None]:
        try:
            yield
        except LabError as error:
            absent.append(error)

    for name, spec in profile.sources.items():
        if spec.source not in TRAINING_ONLY and name not in OPTIONAL_SOURCES:
            with collecting():
                folder = ensure_available(profile, spec, data)
                for part in parts_of(profile, name) if name in profile.image_sets else ():
                    read_images(spec, folder, part)
    own, shown = OwnEntries(profile), profile.networks
    for name in named_networks(profile):
        with collecting():
            weights_file(get_entry(name, own), data, seed=profile.seed)
    for name in (shown.main, *profile.lesions.compare) if profile.lesions else ():
        with collecting():
            readout_file(get_entry(name, own), data)
    if profile.decoding and profile.decoding.network:
        with collecting():
            text_files(get_entry(profile.decoding.network, own), data, seed=profile.seed)
    return absent


def named_networks(profile: Profile) -> list[str]:
    """Return the names of all networks that tables of a profile refer to, each once."""
    chosen = profile.networks
    named = [chosen.main, chosen.untrained, *chosen.compare]
    named += profile.lesions.compare if profile.lesions else ()
    named += [profile.encoding.face_network] if profile.encoding else []
    if profile.finetuning:
        named += [profile.finetuning.network, profile.finetuning.untrained]
    named += [profile.decoding.network] if profile.decoding else []
    if profile.language:
        named += [one for name in profile.language.conditions.values() for one in seed_names(name)]
    named += profile.network
    return list(dict.fromkeys(filter(None, named)))


def parts_of(profile: Profile, name: str) -> list[str]:
    """Return the parts of an image set that the profile names; of a set without parts, [""]."""
    return sorted({part for images, part in profile.classified if images == name}) or [""]


def list_layers(profile: Profile) -> str:
    """Return the layers of the main and of all own networks, with the shapes of their outputs.

    After the layers, the modules that hold them: blocks and stages.
    """
    lines, build_network = [], architecture_builder(profile)
    for name in dict.fromkeys((profile.networks.main, *profile.network)):
        network = build_network(name)
        calls = trial_pass(network.model, network.input_shape)
        paths = set(network.layers.values())
        holders = {path: path for path in calls if path not in paths}
        lines += [f"{name} ({network.entry.architecture}), images of {network.input_shape[-1]} px:"]
        for title, listed in (("", network.layers), ("modules that hold layers:", holders)):
            lines += [f" {title}"] * bool(title and listed)
            lines += [f"  {layer:40} {' x '.join(map(str, calls[path][0].shape[1:]))}"
                      for layer, path in listed.items()]
    return "\n".join(lines) + "\n"


def main(arguments: list[str] | None = None) -> int:
    """Draw or fetch the data and weights of a profile (``python -m helpers.prepare``).

    Returns the exit status: 1 where something cannot be made available.
    """
    parser = argparse.ArgumentParser(prog="python -m helpers.prepare", description=main.__doc__)
    parser.add_argument("--profile", default="demo")
    parser.add_argument("--layers", action="store_true",
                        help="instead, list the layers of the profile's networks")
    options = parser.parse_args(arguments)
    absent = []
    try:
        profile = load_profile(options.profile)
        if options.layers:
            sys.stdout.write(list_layers(profile))
        else:
            absent = prepare(profile, data_dir(profile.data))
    except LabError as error:
        absent = [error]
    for error in absent:
        sys.stderr.write(f"{error}\n")
    return 1 if absent else 0


if __name__ == "__main__":
    sys.exit(main())
