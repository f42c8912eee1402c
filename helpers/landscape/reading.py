"""Classification tasks at work: a network looks at pictures, and a probe reads what it sees."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torchvision.transforms import InterpolationMode, functional

from helpers.finetuning.embedding import shown
from helpers.finetuning.jobs import Job
from helpers.finetuning.work import backbone_of, opened
from helpers.ground.cache import Arrays, cached
from helpers.ground.console import progress
from helpers.ground.digest import code_digest, modules_of, text_digest
from helpers.landscape.probes import Probe, deal, taught_probe
from helpers.networks.activations import stream
from helpers.networks.network import Network
from helpers.stimuli.image_sets import ImageSet
from helpers.training.processes import one_thread

DECODED_AT_ONCE = 256


@dataclass(frozen=True)
class Task:
    """Pictures that networks are asked to classify.

    Attributes
    ----------
    name : str
    pixels : array, uint8, shape (n_pictures, 3, side, side)
    labels : array, int64, shape (n_pictures,)
    classes : tuple of str
    taught, held_out : array, int64
        Pictures that probes learn from, and those that examine them.
    digest : str
        Of pictures, labels and size.
    """

    name: str
    pixels: NDArray[np.uint8]
    labels: NDArray[np.int64]
    classes: tuple[str, ...]
    taught: NDArray[np.int64]
    held_out: NDArray[np.int64]
    digest: str

    @property
    def truth(self) -> NDArray[np.int64]:
        """Labels of the held-out pictures."""
        return self.labels[self.held_out]


def open_task(name: str, images: ImageSet, network: Network, side: int = 0,
              max_images: int = 0) -> Task:
    """Decode a task's pictures, once for all networks.

    Scaled and cropped as the network wants its pictures (published: shorter side to 256 px, the
    middle 224 px).

    Parameters
    ----------
    name : str
    images : ImageSet
    network : Network
    side : int
        Of the pictures, px; 0: the network's own, else scaled and cropped in proportion.
    max_images : int
        Evenly spaced in the order of the set; 0: all.
    """
    if 0 < max_images < len(images):
        images = images.select(np.arange(max_images) * len(images) // max_images)
    seen = network.preprocessing
    side = side or seen.crop
    shorter, how = round(side * seen.resize / seen.crop), InterpolationMode(seen.interpolation)

    def square(image: Image.Image) -> Tensor:
        small = functional.resize(image, [shorter], antialias=True, interpolation=how)
        return functional.pil_to_tensor(functional.center_crop(small, [side, side]))

    def make() -> Arrays:
        parts = [range(start, min(start + DECODED_AT_ONCE, len(images)))
                 for start in range(0, len(images), DECODED_AT_ONCE)]
        return {"pixels": np.concatenate([batch.numpy() for batch in progress(
            images.batches(parts, square), f"decoding {name}", len(parts))])}

    parts = {"images": images.digest, "shorter": shorter, "side": side, "how": how.value,
             "code": code_digest(["helpers.landscape.reading", *modules_of(images)])}
    pixels = cached("pixels", f"{name.replace(' ', '_')}-{side}px", parts, make)["pixels"]
    return Task(name, pixels, images.labels, images.classes, *deal(len(images)),
                text_digest(repr(sorted(parts.items()))))


def probed(job: Job, task: Task, layer: str) -> Arrays:
    """Teach and examine the probe of one network, once.

    Returns
    -------
    dict
        ``logs`` float32 (n_held_out, n_classes), log-probabilities of the held-out pictures;
        ``accuracy``, the share of them whose class is likeliest; the probe's ``weight``, ``bias``.
    """
    def make() -> Arrays:
        with one_thread():
            features = _features(job, task, layer)
            probe = taught_probe(features[task.taught], task.labels[task.taught],
                                 len(task.classes))
            logs = probe.logs(features[task.held_out]).cpu().numpy()
        return {"logs": logs, "accuracy": np.array((logs.argmax(1) == task.truth).mean()),
                "weight": probe.weight, "bias": probe.bias}

    return cached("probed", f"{job.name}-{task.name}".replace(" ", "_"), {
        "tuned": job.parts, "task": task.digest, "layer": layer,
        "code": code_digest(["helpers.landscape.reading"])}, make)


def probe_of(job: Job, task: Task, layer: str) -> Probe:
    """Return the probe of one network."""
    kept = probed(job, task, layer)
    return Probe(kept["weight"], kept["bias"])


def _features(job: Job, task: Task, layer: str) -> Tensor:
    """Return a layer's features of all pictures of a task, float32 (n_pictures, n_units)."""
    model = backbone_of(job, opened(job))
    device, parts = next(model.parameters()).device, []
    stream(model, {layer: job.network.layers[layer]}, shown(task.pixels, job.scale, device),
           lambda _start, _name, values: parts.append(values.float().clone()))
    return torch.cat(parts)
