"""Saliency at work: a network looks at every held-out image and at its mirror image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from helpers.core.cache import Arrays, cached
from helpers.core.digest import code_digest
from helpers.core.errors import LabError
from helpers.finetuning.evaluate import get_backbone, load_model
from helpers.finetuning.held_out_bound import iter_batches
from helpers.finetuning.runs import FineTunedModel, FineTuningRun
from helpers.landscape.classification import ClassificationTask, load_probe
from helpers.networks.activations import select_layer_paths
from helpers.saliency.attribution import Method, hemifield_occlusion, saliency, saliency_maps
from helpers.saliency.laterality import hemifield_mass, laterality_index
from helpers.stimuli.image_sets import class_name
from helpers.training.processes import single_thread
from helpers.training.readout import NetworkWithReadout

METHODS = ("Grad-CAM", "HiResCAM")
OCCLUSION = "hemifield occlusion"
VIEWS = ("original", "mirrored")


@dataclass(frozen=True)
class SaliencyExample:
    """One network's look at one image: all that stands over and in a panel, in one record.

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
    saliency_map: NDArray[np.float32]
    true_class: str
    probability: float


def attach_probe(run: FineTuningRun, task: ClassificationTask, layer: str) -> NetworkWithReadout:
    """Return a network that names the classes of a task through its probe."""
    probe = load_probe(run, task, layer)
    model = get_backbone(run, load_model(run))
    device = next(model.parameters()).device
    return NetworkWithReadout(model, run.network.layers[layer],
                              torch.from_numpy(probe.weight).to(device),
                              torch.from_numpy(probe.bias).to(device)).eval()


def _original_and_mirrored(pixels: NDArray[np.uint8]) -> dict[str, NDArray[np.uint8]]:
    return dict(zip(VIEWS, (pixels, pixels[..., ::-1])))


def measure_laterality(run: FineTuningRun, task: ClassificationTask, layer: str,
                       layers: Sequence[str]) -> Arrays:
    """Measure the laterality of one network's saliency over all held-out images, once.

    Parameters
    ----------
    run : Job
    task : ClassificationTask
    layer : str
        That the probe reads.
    layers : sequence of str
        Whose feature maps are weighed.

    Returns
    -------
    dict
        ``<method> <layer>/<view>`` and ``hemifield occlusion/<view>``, float64 (n_images,): the
        index of `helpers.saliency.laterality.laterality_index`, by halves of the frame.
    """
    order = list(run.network.layers)
    for name in select_layer_paths(run.network.layers, [layer, *layers]):
        if order.index(name) > order.index(layer):
            raise LabError(f"the layer {name!r} lies behind {layer!r}, which the probe reads",
                           expected="layers before it: the class does not depend on later ones",
                           remedy="correct `layers` in [laterality], or `layer` in [landscape]")

    def make() -> Arrays:
        with single_thread():
            model, found = attach_probe(run, task, layer), {}
            for view, pixels in _original_and_mirrored(task.pixels[task.test_idx]).items():
                for name, halves in _hemifield_measures(model, run, pixels, task.truth,
                                                        layers).items():
                    found[f"{name}/{view}"] = laterality_index(*halves)
        return found

    return cached("saliency", run.name, {
        "finetuned": run.parts, "task": task.digest, "layer": layer, "layers": list(layers),
        "code": code_digest(["helpers.saliency.study"])}, make)


def _hemifield_measures(model: NetworkWithReadout, run: FineTuningRun, pixels: NDArray[np.uint8],
                        labels: NDArray[np.int64],
                        layers: Sequence[str]) -> dict[str, tuple[NDArray, NDArray]]:
    """Return what lies left and right, by every measure, each (n_images,)."""
    parts: dict[str, list[NDArray]] = {}
    modules = {name: _module(model, run, name) for name in layers}
    for images, classes in _batches(model, run, pixels, labels):
        scores, maps = saliency_maps(model, modules, images, classes)
        for (method, name), found in maps.items():
            parts.setdefault(f"{method} {name}", []).append(
                np.stack(hemifield_mass(found.cpu().numpy())))
        parts.setdefault(OCCLUSION,
                         []).append(hemifield_occlusion(model, images, scores).T.cpu().numpy())
    return {name: tuple(np.concatenate(values, axis=1)) for name, values in parts.items()}


def _batches(model: nn.Module, run: FineTuningRun, pixels: NDArray[np.uint8],
             labels: NDArray[np.int64]):
    """Yield images and their classes, on the model's device."""
    device, start = next(model.parameters()).device, 0
    for images in iter_batches(pixels, run.normalise, device):
        yield images, torch.from_numpy(labels[start:start + len(images)]).to(device)
        start += len(images)


def _module(model: NetworkWithReadout, run: FineTuningRun, name: str) -> nn.Module:
    (path,) = select_layer_paths(run.network.layers, [name]).values()
    return model.trunk.get_submodule(path)


def saliency_examples(finetuned_models: Sequence[FineTunedModel], names: Sequence[str],
                      task: ClassificationTask, layer: str, map_layer: str,
                      image: int, *, method: Method = "Grad-CAM") -> list[SaliencyExample]:
    """Let networks look at one held-out image and at its mirror image.

    Parameters
    ----------
    finetuned_models : sequence of FineTunedModel
    names : sequence of str
        What the networks are called.
    task : ClassificationTask
    layer, heat : str
        That the probe reads; whose maps are weighed.
    image : int
        Place among the held-out images.
    method : {"Grad-CAM", "HiResCAM"}
    """
    if not 0 <= image < len(task.test_idx):
        raise LabError(f"image {image}", expected=f"0 to {len(task.test_idx) - 1}",
                       remedy="choose one of the held-out images")
    row, found = task.test_idx[image], []
    for finetuned_model, name in zip(finetuned_models, names):
        model = attach_probe(finetuned_model.run, task, layer)
        for view, pixels in _original_and_mirrored(task.pixels[[row]]).items():
            ((images, classes),) = _batches(model, finetuned_model.run, pixels, task.labels[[row]])
            with torch.no_grad():
                probability = model(images).softmax(1)[0, classes[0]].item()
            (saliency_map,) = saliency(model, _module(model, finetuned_model.run, map_layer),
                                       images, classes,
                                       method=method)
            found.append(SaliencyExample(name, view, pixels[0], saliency_map.cpu().numpy(),
                                         class_name(task.classes[task.labels[row]]), probability))
    return found
