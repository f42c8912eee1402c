"""Saliency of held-out images and of their mirror images, and the laterality of networks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from helpers.core.cache import Arrays, cached
from helpers.core.digest import code_digest
from helpers.core.errors import LabError
from helpers.core.statistics import confidence_interval
from helpers.finetuning.evaluate import get_backbone, load_model
from helpers.finetuning.held_out_bound import iter_batches
from helpers.finetuning.runs import FineTuningRun
from helpers.finetuning.study import FineTuningStudy
from helpers.landscape.study import ClassificationTask, load_probe
from helpers.networks.activations import select_layer_paths
from helpers.saliency.attribution import Method, hemifield_occlusion, saliency, saliency_maps
from helpers.saliency.laterality import hemifield_mass, laterality_index, split_bias_and_content
from helpers.stimuli.image_sets import class_name
from helpers.training.processes import single_thread
from helpers.training.readout import NetworkWithReadout

METHODS = ("Grad-CAM", "HiResCAM")
OCCLUSION = "hemifield occlusion"
VIEWS = ("original", "mirrored")


@dataclass(frozen=True)
class SaliencyExample:
    """The saliency of one image for one network, with the probability of its class.

    Attributes
    ----------
    network : str
    view : {"original", "mirrored"}
    pixels : array, uint8, shape (3, side, side)
        The network's input.
    saliency_map : array, float32, shape (height, width)
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
    """Return a network with its linear probe: it maps images to logits of a task's classes."""
    probe, model = load_probe(run, task, layer), get_backbone(load_model(run))
    device = next(model.parameters()).device
    return NetworkWithReadout(model, run.network.layers[layer],
                              torch.from_numpy(probe.weight).to(device),
                              torch.from_numpy(probe.bias).to(device)).eval()


def _views(pixels: NDArray[np.uint8]) -> dict[str, NDArray[np.uint8]]:
    return dict(zip(VIEWS, (pixels, pixels[..., ::-1])))


def measure_laterality(run: FineTuningRun, task: ClassificationTask, layer: str,
                       layers: Sequence[str]) -> Arrays:
    """Measure the laterality of one network's saliency over all held-out images, once.

    Parameters
    ----------
    run : FineTuningRun
    task : ClassificationTask
    layer : str
        The input of the linear probe.
    layers : sequence of str
        Layers whose feature maps are weighted.

    Returns
    -------
    dict
        ``<method> <layer>/<view>`` and ``hemifield occlusion/<view>``, float64 (n_images,): the
        index of `helpers.saliency.laterality.laterality_index`, by halves of the frame.
    """
    order = list(run.network.layers)
    for name in select_layer_paths(run.network.layers, [layer, *layers]):
        if order.index(name) > order.index(layer):
            raise LabError(f"the layer {name!r} lies behind {layer!r}, the input of the probe",
                           expected="layers before it: the class does not depend on later ones",
                           remedy="correct `layers` in [laterality], or `layer` in [landscape]")

    def make() -> Arrays:
        with single_thread():
            model = attach_probe(run, task, layer)
            return {f"{name}/{view}": laterality_index(*halves)
                    for view, pixels in _views(task.pixels[task.test_idx]).items()
                    for name, halves in _hemifield_measures(model, run, pixels, task.test_labels,
                                                            layers).items()}

    return cached("saliency", run.name, {
        "finetuned": run.parts, "task": task.digest, "layer": layer, "layers": list(layers),
        "code": code_digest(["helpers.saliency.study"])}, make)


def _hemifield_measures(model: NetworkWithReadout, run: FineTuningRun, pixels: NDArray[np.uint8],
                        labels: NDArray[np.int64],
                        layers: Sequence[str]) -> dict[str, NDArray]:
    """Return every measure in the left and in the right half, each (2, n_images)."""
    parts: dict[str, list[NDArray]] = {}
    modules = {name: _module(model, run, name) for name in layers}
    for images, classes in _batches(model, run, pixels, labels):
        scores, maps = saliency_maps(model, modules, images, classes)
        for (method, name), values in maps.items():
            parts.setdefault(f"{method} {name}", []).append(
                np.stack(hemifield_mass(values.cpu().numpy())))
        parts.setdefault(OCCLUSION, []).append(
            hemifield_occlusion(model, images, scores).T.cpu().numpy())
    return {name: np.concatenate(values, axis=1) for name, values in parts.items()}


def _batches(model: nn.Module, run: FineTuningRun, pixels: NDArray[np.uint8],
             labels: NDArray[np.int64]) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield images and their classes, on the model's device."""
    device, start = next(model.parameters()).device, 0
    for images in iter_batches(pixels, run.normalise, device):
        yield images, torch.from_numpy(labels[start:start + len(images)]).to(device)
        start += len(images)


def _module(model: NetworkWithReadout, run: FineTuningRun, name: str) -> nn.Module:
    (path,) = select_layer_paths(run.network.layers, [name]).values()
    return model.trunk.get_submodule(path)


def laterality_table(study: FineTuningStudy, networks: Sequence[FineTuningRun],
                     task: ClassificationTask, layer: str, layers: Sequence[str]) -> pd.DataFrame:
    """Measure the laterality of every network.

    Returns
    -------
    DataFrame
        One row for each network and measure: ``donor, seed, roi, hemisphere, group, condition,
        measure``, means over images ``original, mirrored`` (both by halves of the frame), ``bias,
        content`` (`split_bias_and_content`), the 95 % interval of the bias over images ``low,
        high``, and ``n`` images.
    """
    results = study.map_runs(measure_laterality, [(run, task, layer, tuple(layers))
                                                  for run in networks], "measuring laterality")
    rows = []
    for run, indices in zip(networks, results):
        for measure in dict.fromkeys(name.rsplit("/", 1)[0] for name in indices):
            both = np.stack([indices[f"{measure}/{view}"] for view in VIEWS])
            both = both[:, np.isfinite(both).all(0)]
            n = both.shape[1]
            means = both.mean(1) if n else np.full(2, np.nan)
            bias, content = split_bias_and_content(*means)
            low, high = confidence_interval(split_bias_and_content(*both)[0])
            rows.append({**run.metadata, "measure": measure, **dict(zip(VIEWS, means)),
                         "bias": bias, "content": content, "low": low, "high": high, "n": n})
    return pd.DataFrame(rows)


def saliency_examples(networks: Sequence[FineTuningRun], names: Sequence[str],
                      task: ClassificationTask, layer: str, map_layer: str, image: int, *,
                      method: Method = "Grad-CAM") -> list[SaliencyExample]:
    """Return the saliency of one held-out image and of its mirror image, for several networks.

    Parameters
    ----------
    networks : sequence of FineTuningRun
    names : sequence of str
        Names of the networks in a figure.
    task : ClassificationTask
    layer, map_layer : str
        The input of the linear probe; the layer whose feature maps are weighted.
    image : int
        Place among the held-out images.
    method : {"Grad-CAM", "HiResCAM"}
    """
    if not 0 <= image < len(task.test_idx):
        raise LabError(f"image {image}", expected=f"0 to {len(task.test_idx) - 1}",
                       remedy="choose one of the held-out images")
    row, examples = task.test_idx[image], []
    for run, name in zip(networks, names):
        model = attach_probe(run, task, layer)
        for view, pixels in _views(task.pixels[[row]]).items():
            ((images, classes),) = _batches(model, run, pixels, task.labels[[row]])
            with torch.no_grad():
                probability = model(images).softmax(1)[0, classes[0]].item()
            (saliency_map,) = saliency(model, _module(model, run, map_layer), images, classes,
                                       method=method)
            examples.append(SaliencyExample(name, view, pixels[0], saliency_map.cpu().numpy(),
                                            class_name(task.classes[task.labels[row]]),
                                            probability))
    return examples
