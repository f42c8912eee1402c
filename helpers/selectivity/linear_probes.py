"""What can be read from images, and from what a network makes of them.

Pixels, low-level statistics and a layer's features of an image set, and how well simple
readers tell categories from each.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torchvision.transforms.functional import pil_to_tensor

from helpers.core.cache import cached
from helpers.core.digest import code_digest, defining_modules
from helpers.networks.activations import channel_means, extract_activations
from helpers.networks.network import Network
from helpers.selectivity.probes import knn_accuracy, linear_probe_accuracy
from helpers.stimuli.image_sets import ImageSet
from helpers.stimuli.in_memory import downsample

BATCH = 64


def _chunks(images: ImageSet) -> Iterator[range]:
    for start in range(0, len(images), BATCH):
        yield range(start, min(start + BATCH, len(images)))


def pixel_features(images: ImageSet, side: int = 16) -> NDArray[np.float32]:
    """Return images scaled to ``side`` px as rows of values from 0 to 1.

    Returns
    -------
    array, float32, shape (n_images, 3 * side ** 2)
    """
    batches = images.batches(_chunks(images), lambda image: downsample(pil_to_tensor(image), side))
    return torch.cat(list(batches)).flatten(1).numpy()


def luminance_and_contrast(images: ImageSet) -> pd.DataFrame:
    """Measure luminance and contrast of every image.

    Returns
    -------
    DataFrame
        ``category, domain, luminance`` (mean) and ``contrast`` (standard deviation) of the
        grey image, on values from 0 to 1.
    """
    def moments(image: Image.Image) -> Tensor:
        grey = torch.from_numpy(np.asarray(image.convert("L"), dtype=np.float32) / 255)
        return torch.stack([grey.mean(), grey.std(unbiased=False)])

    values = torch.cat(list(images.batches(_chunks(images), moments))).numpy()
    return pd.DataFrame({"category": images.categories, "domain": images.domains,
                         "luminance": values[:, 0], "contrast": values[:, 1]})


def extract_features(network: Network, images: ImageSet, layer: str) -> NDArray[np.float32]:
    """Return a layer's features of an image set, made once; feature maps are averaged over space.

    Returns
    -------
    array, float32, shape (n_images, n_channels)
    """
    def make() -> dict[str, NDArray[np.float32]]:
        batches = images.batches(_chunks(images), network.preprocessing)
        layer_features = extract_activations(network.model, {layer: network.layers[layer]}, batches,
                                             read=channel_means)
        return {"features": layer_features[layer].numpy()}

    return cached("features", network.name, {
        "network": network.parts, "layer": layer, "images": images.digest,
        "code": code_digest(["helpers.selectivity.linear_probes", *defining_modules(images)])},
                  make)["features"]


def probe_accuracies(representations: dict[str, NDArray], labels: NDArray, train: NDArray,
                     test: NDArray, *,
                     k: int = 20) -> pd.DataFrame:
    """Compare how well labels can be read from several representations of the same images.

    Parameters
    ----------
    representations : dict
        Name -> features, shape (n_images, n_features).
    labels : array, int, shape (n_images,)
    train, test : array, bool, shape (n_images,)
        Disjoint parts.
    k : int
        Neighbours that vote.

    Returns
    -------
    DataFrame
        Index: names; ``knn, linear`` (fractions of the test images whose label is found), and
        ``chance`` (fraction of the most frequent label).
    """
    chance = np.bincount(labels[test]).max() / test.sum()
    rows = {name: {"knn": knn_accuracy(x[train], labels[train], x[test], labels[test], k=k),
                   "linear": linear_probe_accuracy(x[train], labels[train], x[test], labels[test]),
                   "chance": chance}
            for name, x in representations.items()}
    return pd.DataFrame(rows).T
