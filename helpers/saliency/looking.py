"""Saliency at work: a network looks at every held-out picture and at its mirror image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from helpers.finetuning.embedding import shown
from helpers.finetuning.jobs import Job, Member
from helpers.finetuning.work import backbone_of, opened
from helpers.ground.cache import Arrays, cached
from helpers.ground.digest import code_digest
from helpers.ground.errors import LabError
from helpers.landscape.reading import Task, probe_of
from helpers.networks.activations import paths_of
from helpers.saliency.laterality import halves_of, index_of
from helpers.saliency.maps import Method, halves_matter, saliency, saliency_maps
from helpers.stimuli.image_sets import class_name
from helpers.training.processes import one_thread
from helpers.training.readout import WithReadout

METHODS = ("Grad-CAM", "HiResCAM")
HALVES = "half removed"
VIEWS = ("original", "mirrored")


@dataclass(frozen=True)
class Glance:
    """One network's look at one picture: all that stands over and in a panel, in one record.

    Attributes
    ----------
    network : str
    view : {"original", "mirrored"}
    pixels : array, uint8, shape (3, side, side)
        As the network saw them.
    heat : array, float32, shape (height, width)
    true_class : str
    probability : float
        That the network's probe gives to the true class of *this* view.
    """

    network: str
    view: str
    pixels: NDArray[np.uint8]
    heat: NDArray[np.float32]
    true_class: str
    probability: float


def named(job: Job, task: Task, layer: str) -> WithReadout:
    """Return a network that names the classes of a task through its probe."""
    probe = probe_of(job, task, layer)
    model = backbone_of(job, opened(job))
    device = next(model.parameters()).device
    return WithReadout(model, job.network.layers[layer], torch.from_numpy(probe.weight).to(device),
                       torch.from_numpy(probe.bias).to(device)).eval()


def _views(pixels: NDArray[np.uint8]) -> dict[str, NDArray[np.uint8]]:
    return dict(zip(VIEWS, (pixels, pixels[..., ::-1])))


def looked(job: Job, task: Task, layer: str, layers: Sequence[str]) -> Arrays:
    """Measure the laterality of one network's saliency over all held-out pictures, once.

    Parameters
    ----------
    job : Job
    task : Task
    layer : str
        That the probe reads.
    layers : sequence of str
        Whose feature maps are weighed.

    Returns
    -------
    dict
        ``<method> <layer>/<view>`` and ``half removed/<view>``, float64 (n_pictures,): the index
        of `helpers.saliency.laterality.index_of`, by halves of the frame.
    """
    order = list(job.network.layers)
    for name in paths_of(job.network.layers, [layer, *layers]):
        if order.index(name) > order.index(layer):
            raise LabError(f"the layer {name!r} lies behind {layer!r}, which the probe reads",
                           expected="layers before it: the class does not depend on later ones",
                           remedy="correct `layers` in [laterality], or `layer` in [landscape]")

    def make() -> Arrays:
        with one_thread():
            model, found = named(job, task, layer), {}
            for view, pixels in _views(task.pixels[task.held_out]).items():
                for name, halves in _halves(model, job, pixels, task.truth, layers).items():
                    found[f"{name}/{view}"] = index_of(*halves)
        return found

    return cached("saliency", job.name, {
        "tuned": job.parts, "task": task.digest, "layer": layer, "layers": list(layers),
        "code": code_digest(["helpers.saliency.looking"])}, make)


def _halves(model: WithReadout, job: Job, pixels: NDArray[np.uint8], truth: NDArray[np.int64],
            layers: Sequence[str]) -> dict[str, tuple[NDArray, NDArray]]:
    """Return what lies left and right, by every measure, each (n_pictures,)."""
    parts: dict[str, list[NDArray]] = {}
    modules = {name: _module(model, job, name) for name in layers}
    for images, classes in _batches(model, job, pixels, truth):
        scores, maps = saliency_maps(model, modules, images, classes)
        for (method, name), found in maps.items():
            parts.setdefault(f"{method} {name}", []).append(
                np.stack(halves_of(found.cpu().numpy())))
        parts.setdefault(HALVES, []).append(halves_matter(model, images, scores).T.cpu().numpy())
    return {name: tuple(np.concatenate(values, axis=1)) for name, values in parts.items()}


def _batches(model: nn.Module, job: Job, pixels: NDArray[np.uint8], truth: NDArray[np.int64]):
    """Yield images and their classes, on the model's device."""
    device, start = next(model.parameters()).device, 0
    for images in shown(pixels, job.scale, device):
        yield images, torch.from_numpy(truth[start:start + len(images)]).to(device)
        start += len(images)


def _module(model: WithReadout, job: Job, name: str) -> nn.Module:
    (path,) = paths_of(job.network.layers, [name]).values()
    return model.trunk.get_submodule(path)


def glances(members: Sequence[Member], names: Sequence[str], task: Task, layer: str, heat: str,
            picture: int, *, method: Method = "Grad-CAM") -> list[Glance]:
    """Let networks look at one held-out picture and at its mirror image.

    Parameters
    ----------
    members : sequence of Member
    names : sequence of str
        What the networks are called.
    task : Task
    layer, heat : str
        That the probe reads; whose maps are weighed.
    picture : int
        Place among the held-out pictures.
    method : {"Grad-CAM", "HiResCAM"}
    """
    if not 0 <= picture < len(task.held_out):
        raise LabError(f"picture {picture}", expected=f"0 to {len(task.held_out) - 1}",
                       remedy="choose one of the held-out pictures")
    row, found = task.held_out[picture], []
    for member, name in zip(members, names):
        model = named(member.job, task, layer)
        for view, pixels in _views(task.pixels[[row]]).items():
            ((images, classes),) = _batches(model, member.job, pixels, task.labels[[row]])
            with torch.no_grad():
                probability = model(images).softmax(1)[0, classes[0]].item()
            (found_heat,) = saliency(model, _module(model, member.job, heat), images, classes,
                                     method=method)
            found.append(Glance(name, view, pixels[0], found_heat.cpu().numpy(),
                                class_name(task.classes[task.labels[row]]), probability))
    return found
