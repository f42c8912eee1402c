"""Classification tasks at work: a network looks at images, and a probe reads what it sees."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torchvision.transforms import InterpolationMode, functional

from helpers.core.cache import Arrays, cached
from helpers.core.console import progress
from helpers.core.digest import code_digest, defining_modules, text_digest
from helpers.finetuning.evaluate import get_backbone, load_model
from helpers.finetuning.held_out_bound import iter_batches
from helpers.finetuning.runs import FineTuningRun
from helpers.landscape.logistic_probe import LinearProbe, fit_logistic_probe, split_train_test
from helpers.networks.activations import stream_activations
from helpers.networks.network import Network
from helpers.stimuli.image_sets import ImageSet
from helpers.training.processes import single_thread

DECODE_BATCH_SIZE = 256


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
        Images that probes learn from, and those that examine them.
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
    def truth(self) -> NDArray[np.int64]:
        """Labels of the held-out images."""
        return self.labels[self.test_idx]


def load_task(name: str, images: ImageSet, network: Network, image_size: int = 0,
              max_images: int = 0) -> ClassificationTask:
    """Decode a task's images, once for all networks.

    Scaled and cropped as the network wants its images (published: shorter side to 256 px, the
    middle 224 px).

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
    seen = network.preprocessing
    image_size = image_size or seen.crop
    shorter, interpolation_mode = round(image_size * seen.resize
                                        / seen.crop), InterpolationMode(seen.interpolation)

    def to_square_tensor(image: Image.Image) -> Tensor:
        small = functional.resize(image, [shorter], antialias=True,
                                  interpolation=interpolation_mode)
        return functional.pil_to_tensor(functional.center_crop(small, [image_size, image_size]))

    def make() -> Arrays:
        parts = [range(start, min(start + DECODE_BATCH_SIZE, len(images)))
                 for start in range(0, len(images), DECODE_BATCH_SIZE)]
        return {"pixels": np.concatenate([batch.numpy() for batch in progress(
            images.batches(parts, to_square_tensor), f"decoding {name}", len(parts))])}

    parts = {"images": images.digest, "shorter": shorter, "side": image_size,
             "interpolation_mode": interpolation_mode.value,
             "code": code_digest(["helpers.landscape.classification", *defining_modules(images)])}
    pixels = cached("pixels", f"{name.replace(' ', '_')}-{image_size}px", parts, make)["pixels"]
    return ClassificationTask(name, pixels, images.labels, images.classes,
                              *split_train_test(len(images)),
                              text_digest(repr(sorted(parts.items()))))


def fit_probe(run: FineTuningRun, task: ClassificationTask, layer: str) -> Arrays:
    """Teach and examine the probe of one network, once.

    Returns
    -------
    dict
        ``log_probs`` float32 (n_held_out, n_classes), log-probabilities of the held-out images;
        ``accuracy``, the fraction of them whose class is likeliest; the probe's ``weight``,
        ``bias``.
    """
    def make() -> Arrays:
        with single_thread():
            features = _features(run, task, layer)
            probe = fit_logistic_probe(features[task.train_idx], task.labels[task.train_idx],
                                       len(task.classes))
            log_probs = probe.log_probs(features[task.test_idx]).cpu().numpy()
        return {"log_probs": log_probs,
                "accuracy": np.array((log_probs.argmax(1) == task.truth).mean()),
                "weight": probe.weight, "bias": probe.bias}

    return cached("linear_probes", f"{run.name}-{task.name}".replace(" ", "_"), {
        "finetuned": run.parts, "task": task.digest, "layer": layer,
        "code": code_digest(["helpers.landscape.classification"])}, make)


def load_probe(run: FineTuningRun, task: ClassificationTask, layer: str) -> LinearProbe:
    """Return the probe of one network."""
    kept = fit_probe(run, task, layer)
    return LinearProbe(kept["weight"], kept["bias"])


def _features(run: FineTuningRun, task: ClassificationTask, layer: str) -> Tensor:
    """Return a layer's features of all images of a task, float32 (n_images, n_units)."""
    model = get_backbone(run, load_model(run))
    device, parts = next(model.parameters()).device, []
    stream_activations(model, {layer: run.network.layers[layer]},
                       iter_batches(task.pixels, run.normalise, device),
                       lambda _start, _name, values: parts.append(values.float().clone()))
    return torch.cat(parts)
