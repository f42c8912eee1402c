"""The layers that a profile names: checked in a trial pass, before any image is read."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches

from torch import nn

from helpers.config.data import NetworkSpec
from helpers.config.profile import Profile
from helpers.core.errors import LabError
from helpers.networks.channel_axes import call_name, trial_pass
from helpers.networks.network import Network, load_network
from helpers.networks.registry import OwnEntries, get_entry, seed_names

MAX_PIES = 7
MAX_LISTED = 64
"""Layers that a message lists; `helpers.prepare.list_layers` lists all."""
WEIGHTED_MODULES = (nn.modules.conv._ConvNd, nn.Linear)
OpenNetwork = Callable[[str], Network]


@dataclass(frozen=True)
class NamedLayers:
    """Layers that one key of a profile names.

    Attributes
    ----------
    key : str
        Table and key, ``[encoding] layers``.
    notebooks : tuple of str
        Numbers of the notebooks that read them.
    networks, layers : tuple of str
    are_modules : bool
        Whether they are paths of modules, not names of layers.
    may_repeat : bool
        Whether ``name#2``, a layer's second call, can be named.
    """

    key: str
    notebooks: tuple[str, ...]
    networks: tuple[str, ...]
    layers: tuple[str, ...]
    are_modules: bool = False
    may_repeat: bool = False


def named_layers(profile: Profile) -> list[NamedLayers]:
    """List all layers that a profile names, by table and key."""
    shown, found = profile.networks, []
    both = (shown.main, shown.untrained)

    def add(key: str, notebooks: str, networks: Sequence[str], layers: Iterable[str],
            **which: bool) -> None:
        layers = tuple(filter(None, layers))
        if layers:
            found.append(NamedLayers(key, tuple(notebooks.split()), tuple(networks), layers,
                                     **which))

    add("[networks] pies", "01", (shown.main,), shown.pies, may_repeat=True)
    add("[networks] heat_map_layer", "00 01", both, (shown.heat_map_layer,))
    if lesions := profile.lesions:
        add("[lesions] activation_layer", "02", (shown.main,), (lesions.activation_layer,))
    if encoding := profile.encoding:
        add("[encoding] layers", "03", both, encoding.layers)
        add("[encoding] face_layers", "03", (encoding.face_network,), encoding.face_layers)
    if profile.channels:
        add("[channels] layers", "04", both, profile.channels.layers)
    if tuning := profile.finetuning:
        starts = (tuning.network, tuning.untrained)
        add("[finetuning] layers", "05 06 07 08 09", starts, tuning.layers)
        add("[finetuning] head_layer", "05 06 07 08 09", starts, (tuning.head_layer,),
            are_modules=True)
        if profile.landscape:
            add("[landscape] layer", "08 09", starts, (profile.landscape.layer,))
        if profile.laterality:
            add("[laterality] layers", "08 09", starts, profile.laterality.layers)
    if language := profile.language:
        add("[language] layers", "13 14 15", tuple(language.conditions.values()), language.layers,
            are_modules=True)
    for name, spec in profile.network.items():
        if spec.readout:
            add(f"[network.{name}] readout", "02", (name,), (spec.readout.layer,))
    return found


def architecture_builder(profile: Profile) -> OpenNetwork:
    """Return what builds a network of a profile without its weights, each architecture once.

    Its layers are those of its architecture; nothing is fetched, drawn or kept.
    """
    built: dict[tuple, Network] = {}

    def build_network(name: str) -> Network:
        entry = get_entry(seed_names(name)[0], OwnEntries(profile))
        architecture = entry.architecture, repr(entry.options), entry.preprocessing.crop
        if architecture not in built:
            built[architecture] = load_network(replace(entry, objective="none"))
        return replace(built[architecture], name=name, entry=entry)

    return build_network


def check_named_layers(named: Iterable[NamedLayers], open_network: OpenNetwork) -> None:
    """Require of all layers named that the networks have them, and that they answer.

    Parameters
    ----------
    named : iterable of NamedLayers
    open_network : callable
        Name of a network -> Network; of one model where architectures are the same.

    Raises
    ------
    LabError
        Names the key, the network and the layers; lists those that there are, and the nearest.
    """
    known: dict[tuple[int, bool], list[str]] = {}
    problems, remedies, choices = [], [], []
    for group in named:
        for name in group.networks:
            network = open_network(name)
            place = id(network.model), group.are_modules
            if place not in known:
                known[place] = answering_layers(network, modules=group.are_modules)
            absent = [layer for layer in group.layers if layer not in known[place]
                      or ("#" in layer and not group.may_repeat)]
            if absent:
                problems.append(f"{group.key}: {name} has no {', '.join(absent)}")
                choices.append(f"of {name}: {_shorten(known[place])}")
                remedies += [f"; {layer}: did you mean {near[0]}?" for layer in absent
                             if (near := get_close_matches(layer, known[place], n=1))]
                break  # the control of a network lacks the same layers
    if problems:
        raise LabError("The profile names layers that do not exist, or give no tensor with one row "
                       "per image in a trial pass. " + "; ".join(problems),
                       expected="; ".join(dict.fromkeys(choices)),
                       remedy="correct these keys, or remove the tables of notebooks that are not "
                       "to be run" + "".join(dict.fromkeys(remedies)))


def _shorten(layers: Sequence[str]) -> str:
    """List the layers of a message, of many those that are nested least."""
    outer = sorted(layers, key=lambda layer: layer.count("."))[:MAX_LISTED]
    listed = ", ".join(layer for layer in layers if layer in outer)
    n_more = len(layers) - len(outer)
    return listed + (f" and {n_more} more, which `python -m helpers.prepare --layers "
                     "--profile <yours>` lists" if n_more else "")


def answering_layers(network: Network, *, modules: bool = False) -> list[str]:
    """Return the names of a network's layers that answer; a second call is ``name#2``.

    Parameters
    ----------
    network : Network
    modules : bool
        Return the paths of all modules instead, leaves or not.
    """
    calls = trial_pass(network.model, network.input_shape)
    if modules:
        return list(calls)
    return [call_name(name, n) for name, path in network.layers.items()
            for n in range(1, len(calls[path]) + 1)]


def fill_in_layers(shown: NetworkSpec, open_network: OpenNetwork) -> NetworkSpec:
    """Choose the layers of the figures where a profile leaves them out.

    The heat map has the last layer before the readout, the pies at most ``MAX_PIES`` layers with
    weights, evenly spaced, without the readout.
    """
    if shown.pies and shown.heat_map_layer:
        return shown
    network = open_network(shown.main)
    layers = layers_before_readout(network)
    modules = dict(network.model.named_modules())
    weighted = [name for name in layers
                if isinstance(modules[network.layers[name]], WEIGHTED_MODULES)] or layers
    n_shown = min(len(weighted), MAX_PIES)
    places = [round(i * (len(weighted) - 1) / max(n_shown - 1, 1)) for i in range(n_shown)]
    return replace(shown, pies=shown.pies or tuple(weighted[i] for i in places),
                   heat_map_layer=shown.heat_map_layer or layers[-1])


def networks_without_readout(profile: Profile, open_network: OpenNetwork) -> list[Network]:
    """Return the networks of notebook 02 whose readouts are trained: none is in a file."""
    if not (profile.lesions and profile.readout):
        return []
    networks = map(open_network, (profile.networks.main, *profile.lesions.compare))
    return [network for network in networks if not (
        network.entry.classifies_imagenet
        or (network.entry.readout and network.entry.readout.file))]


def check_readouts(profile: Profile, open_network: OpenNetwork) -> None:
    """Require that readouts can be trained on images of one size and used on the network's own.

    Parameters
    ----------
    profile : Profile
        Whose ``size`` in the table [readout] is the side of the images of training, px.
    open_network : callable

    Raises
    ------
    LabError
        If the layer that is read has another number of units for such images.
    """
    for network in networks_without_readout(profile, open_network):
        readout, own, size = network.entry.readout, network.input_shape[-1], profile.readout.size
        layer = readout.layer if readout else list(layers_before_last_weights(network))[-1]
        try:
            own_units, units = (_count_units(network, layer, side) for side in (own, size))
            seen = f"its layer {layer} has {units} units for the ones, {own_units} for the others"
        except LabError as error:
            own_units, units, seen = 1, 0, error.seen
        if own_units != units:
            raise LabError(f"[readout] size = {size}, and {network.name} is shown images of {own} "
                           f"px: {seen}", expected=f"size = {own}",
                           remedy=f"set `size = {own}` in the table [readout] of the profile")


def _count_units(network: Network, layer: str, side: int) -> int:
    output = trial_pass(network.model, (3, side, side))[network.layers[layer]][0]
    return math.prod(output.shape[1:])


def layers_before_last_weights(network: Network) -> dict[str, str]:
    """Return the layers before the last convolution or linear one, which names the classes."""
    modules, names = dict(network.model.named_modules()), list(network.layers)
    weighted = [i for i, name in enumerate(names)
                if isinstance(modules[network.layers[name]], WEIGHTED_MODULES)]
    last = weighted[-1] if weighted else len(names) - 1
    return {name: network.layers[name] for name in names[:last]}


def layers_before_readout(network: Network) -> list[str]:
    """Return the layers without a linear one at the end, which is the network's own readout."""
    modules, layers = dict(network.model.named_modules()), list(network.layers)
    is_readout = len(layers) > 1 and isinstance(modules[network.layers[layers[-1]]], nn.Linear)
    return layers[:-1] if is_readout else layers
