"""Classification of a task's images by linear probes on networks, and distances between networks.

Images are decoded once, probes are fitted once; predictions are compared block by block from disk.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import torch
from numpy.lib.format import open_memmap
from numpy.typing import NDArray
from torch import Tensor

from helpers.core.cache import Arrays, cached
from helpers.core.console import progress
from helpers.core.digest import code_digest, defining_modules, text_digest
from helpers.core.moments import float64_device
from helpers.core.paths import cache_dir, ensure_writable
from helpers.finetuning.data import decode_images
from helpers.finetuning.evaluate import get_backbone, load_model
from helpers.finetuning.held_out_bound import iter_batches
from helpers.finetuning.runs import FineTuningRun
from helpers.finetuning.study import FineTuningStudy
from helpers.landscape.distances import (
    PredictionBlock,
    bhattacharyya,
    block_from_array,
    concatenate_blocks,
)
from helpers.landscape.logistic_probe import LinearProbe, fit_logistic_probe, split_train_test
from helpers.networks.activations import stream_activations
from helpers.networks.network import Network
from helpers.stimuli.image_sets import ImageSet
from helpers.training.processes import single_thread


@dataclass(frozen=True)
class ClassificationTask:
    """Images that networks are asked to classify.

    Attributes
    ----------
    name : str
    pixels : array, uint8, shape (n_images, 3, side, side)
    labels : array, int64, shape (n_images,)
    classes : tuple of str
    train_idx, test_idx : array, int64
        Images on which probes are fitted, and held-out images.
    digest : str
        Of images, labels and size.
    """

    name: str
    pixels: NDArray[np.uint8]
    labels: NDArray[np.int64]
    classes: tuple[str, ...]
    train_idx: NDArray[np.int64]
    test_idx: NDArray[np.int64]
    digest: str

    @property
    def test_labels(self) -> NDArray[np.int64]:
        """Labels of the held-out images."""
        return self.labels[self.test_idx]


def load_task(name: str, images: ImageSet, network: Network, image_size: int = 0,
              max_images: int = 0) -> ClassificationTask:
    """Decode a task's images, once for all networks.

    Scaled and cropped as for the network (published: shorter side to 256 px, the middle 224 px).

    Parameters
    ----------
    name : str
    images : ImageSet
    network : Network
    image_size : int
        Of the images, px; 0: the network's own, else scaled and cropped in proportion.
    max_images : int
        Evenly spaced in the order of the set; 0: all.
    """
    if 0 < max_images < len(images):
        images = images.select(np.arange(max_images) * len(images) // max_images)
    own = network.preprocessing
    image_size = image_size or own.crop
    scaled = replace(own, resize=round(image_size * own.resize / own.crop), crop=image_size)
    parts = {"images": images.digest, "geometry": list(scaled.geometry),
             "code": code_digest(["helpers.landscape.study", *defining_modules(images)])}
    pixels = cached("pixels", f"{name.replace(' ', '_')}-{image_size}px", parts, lambda: {
        "pixels": decode_images(images, range(len(images)), scaled.pixels,
                                f"decoding {name}")})["pixels"]
    return ClassificationTask(name, pixels, images.labels, images.classes,
                              *split_train_test(len(images)),
                              text_digest(repr(sorted(parts.items()))))


def fit_probe(run: FineTuningRun, task: ClassificationTask, layer: str) -> Arrays:
    """Fit a linear probe to a layer of one network and evaluate it on held-out images, once.

    Returns
    -------
    dict
        ``log_probs`` float32 (n_held_out, n_classes), log-probabilities of the held-out images;
        ``accuracy``, the fraction of them whose class is the most probable; the probe's
        ``weight``, ``bias``.
    """
    def make() -> Arrays:
        with single_thread():
            features = _features(run, task, layer)
            probe = fit_logistic_probe(features[task.train_idx], task.labels[task.train_idx],
                                       len(task.classes))
            log_probs = probe.log_probs(features[task.test_idx]).cpu().numpy()
        return {"log_probs": log_probs,
                "accuracy": np.array((log_probs.argmax(1) == task.test_labels).mean()),
                "weight": probe.weight, "bias": probe.bias}

    return cached("linear_probes", f"{run.name}-{task.name}".replace(" ", "_"), {
        "finetuned": run.parts, "task": task.digest, "layer": layer,
        "code": code_digest(["helpers.landscape.study"])}, make)


def load_probe(run: FineTuningRun, task: ClassificationTask, layer: str) -> LinearProbe:
    """Return the linear probe of one network."""
    fitted = fit_probe(run, task, layer)
    return LinearProbe(fitted["weight"], fitted["bias"])


def _features(run: FineTuningRun, task: ClassificationTask, layer: str) -> Tensor:
    """Return a layer's features of all images of a task, float32 (n_images, n_units)."""
    model, parts = get_backbone(load_model(run)), []
    device = next(model.parameters()).device
    stream_activations(model, {layer: run.network.layers[layer]},
                       iter_batches(task.pixels, run.normalise, device),
                       lambda _start, _name, values: parts.append(values.float().clone()))
    return torch.cat(parts)


def task_accuracies(study: FineTuningStudy, networks: Sequence[FineTuningRun],
                    tasks: Sequence[ClassificationTask], layer: str) -> pd.DataFrame:
    """Return the accuracy of every network's linear probe on every task.

    Returns
    -------
    DataFrame
        Columns ``donor, seed, roi, hemisphere, group, condition, task, accuracy`` (0 to 1).
    """
    pairs = list(product(networks, tasks))
    accuracies = study.map_runs(_accuracy, [(*pair, layer) for pair in pairs],
                                "fitting linear probes")
    return pd.DataFrame([{**run.metadata, "task": task.name, "accuracy": accuracy}
                         for (run, task), accuracy in zip(pairs, accuracies)])


def _accuracy(run: FineTuningRun, task: ClassificationTask, layer: str) -> float:
    return float(fit_probe(run, task, layer)["accuracy"])


def prediction_distances(study: FineTuningStudy, networks: Sequence[FineTuningRun],
                         task: ClassificationTask, layer: str,
                         others: Sequence[PredictionBlock] = ()
                         ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return distances between networks' predictions, and from others to them.

    Predictions are written to a file, of which a block of images is in memory at a time.

    Returns
    -------
    array, float64, shape (n_networks, n_networks)
    array, float64, shape (n_others, n_networks)
    """
    task_accuracies(study, networks, [task], layer)  # fits missing probes, several at once
    n, *size = len(networks), len(task.test_idx), len(task.classes)
    ensure_writable(cache_dir())
    with TemporaryDirectory(dir=cache_dir(), prefix="predictions-") as folder:
        log_probs = open_memmap(f"{folder}/logs.npy", "w+", np.float32, (n, *size))
        for row, run in enumerate(progress(networks, "gathering predictions")):
            log_probs[row] = fit_probe(run, task, layer)["log_probs"]
        distances = bhattacharyya(
            concatenate_blocks([block_from_array(log_probs), *others]), n + len(others), *size,
            device=float64_device(next(study.network.model.parameters()).device))
        del log_probs  # some systems do not remove a file that is open
    return distances[:n, :n], distances[n:, :n]
