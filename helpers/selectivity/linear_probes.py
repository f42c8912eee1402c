"""Category information in images and in features: nearest-neighbour and linear probes.

Compared are raw pixels, luminance and contrast, and the features of a layer of a network.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from PIL import Image
from scipy import stats
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor
from torchvision.transforms.functional import pil_to_tensor

from helpers.core.cache import cached
from helpers.core.digest import code_digest, defining_modules
from helpers.networks.activations import channel_means, extract_activations
from helpers.networks.network import Network
from helpers.stimuli.image_sets import ImageSet
from helpers.stimuli.in_memory import downsample

BATCH = 64
"""Images in one forward pass."""
BLOCK = 1024
"""Test images per matrix product."""


def _batch_rows(images: ImageSet) -> list[range]:
    return [range(len(images))[start:start + BATCH] for start in range(0, len(images), BATCH)]


def pixel_features(images: ImageSet, side: int = 16) -> NDArray[np.float32]:
    """Return images downsampled to ``side`` pixels, as rows of values from 0 to 1.

    Returns
    -------
    array, float32, shape (n_images, 3 * side ** 2)
    """
    batches = images.batches(_batch_rows(images),
                             lambda image: downsample(pil_to_tensor(image), side))
    return torch.cat(list(batches)).flatten(1).numpy()


def luminance_and_contrast(images: ImageSet) -> pd.DataFrame:
    """Measure luminance and contrast of every image.

    Returns
    -------
    DataFrame
        ``category, domain, luminance`` (mean) and ``contrast`` (standard deviation) of the
        grey image, on values from 0 to 1.
    """
    def mean_and_sd(image: Image.Image) -> Tensor:
        grey = torch.from_numpy(np.asarray(image.convert("L"), dtype=np.float32) / 255)
        return torch.stack([grey.mean(), grey.std(unbiased=False)])

    values = torch.cat(list(images.batches(_batch_rows(images), mean_and_sd))).numpy()
    return pd.DataFrame({"category": images.categories, "domain": images.domains,
                         "luminance": values[:, 0], "contrast": values[:, 1]})


def extract_features(network: Network, images: ImageSet, layer: str) -> NDArray[np.float32]:
    """Return a layer's features of an image set, cached; feature maps are averaged over space.

    Returns
    -------
    array, float32, shape (n_images, n_channels)
    """
    def make() -> dict[str, NDArray[np.float32]]:
        batches = images.batches(_batch_rows(images), network.preprocessing)
        features = extract_activations(network.model, {layer: network.layers[layer]}, batches,
                                       read=channel_means)
        return {"features": features[layer].numpy()}

    return cached("features", network.name, {
        "network": network.parts, "layer": layer, "images": images.digest,
        "code": code_digest(["helpers.selectivity.linear_probes", *defining_modules(images)])},
                  make)["features"]


def probe_accuracies(representations: dict[str, NDArray], labels: NDArray, train: NDArray,
                     test: NDArray, *, k: int = 20) -> pd.DataFrame:
    """Compare classification accuracy from several representations of the same images.

    Parameters
    ----------
    representations : dict
        Name -> features, shape (n_images, n_features).
    labels : array, int, shape (n_images,)
    train, test : array, bool, shape (n_images,)
        Disjoint sets of images.
    k : int
        Number of nearest neighbours.

    Returns
    -------
    DataFrame
        Index: names; ``knn, linear`` (fractions of the test images classified correctly), and
        ``chance`` (fraction of the most frequent label).
    """
    chance = np.bincount(labels[test]).max() / test.sum()
    rows = {}
    for name, x in representations.items():
        predicted = predict_linear_probe(x[train], labels[train], x[test])
        rows[name] = {"knn": knn_accuracy(x[train], labels[train], x[test], labels[test], k=k),
                      "linear": float((predicted == labels[test]).mean()), "chance": chance}
    return pd.DataFrame(rows).T


def knn_accuracy(train_x: NDArray, train_y: NDArray, test_x: NDArray, test_y: NDArray, *,
                 k: int = 20) -> float:
    """Classify by a vote of the k training images of greatest cosine similarity.

    Parameters
    ----------
    train_x, test_x : array, float, shape (n_train, n_units) and (n_test, n_units)
    train_y, test_y : array, int, shape (n_train,) and (n_test,)
        Labels, not negative.
    k : int
        Number of neighbours; all votes count the same, a tie goes to the smaller label.

    Returns
    -------
    float
        Fraction of the test images classified correctly, 0 to 1.

    Notes
    -----
    Wu et al. (2018) weight votes by similarity; equal votes have no temperature to choose.
    """
    train_normed, test_normed = _normalise_rows(train_x), _normalise_rows(test_x)
    k, n_correct = min(k, len(train_normed)), 0
    for start in range(0, len(test_normed), BLOCK):
        similarity = test_normed[start:start + BLOCK] @ train_normed.T
        nearest = np.argpartition(similarity, -k, axis=1)[:, -k:]
        voted = stats.mode(train_y[nearest], axis=1).mode
        n_correct += int((voted == test_y[start:start + BLOCK]).sum())
    return n_correct / len(test_normed)


def _normalise_rows(x: NDArray) -> NDArray:
    x = np.asarray(x, dtype=np.float32)
    norms = np.linalg.norm(x, axis=1, keepdims=True)
    return x / np.maximum(norms, np.finfo(np.float32).tiny)


def predict_linear_probe(train_x: NDArray, train_y: NDArray, test_x: NDArray, *,
                         penalty: float = 100.0, max_iter: int = 500) -> NDArray:
    r"""Classify by multinomial logistic regression on standardised features.

    .. math:: \min_W \sum_i \mathrm{cross\text{-}entropy}(W x_i, y_i)
              + \tfrac{\lambda}{2} \lVert W \rVert^2

    Parameters
    ----------
    train_x, test_x : array, float, shape (n_train, n_units) and (n_test, n_units)
        Standardised with the training images' mean and standard deviation.
    train_y : array, int, shape (n_train,)
    penalty : float
        :math:`\lambda`; larger means simpler.
    max_iter : int
        Limit of L-BFGS, which starts from zero, so nothing is random.

    Returns
    -------
    array, int, shape (n_test,)
        Predicted labels.
    """
    probe = make_pipeline(StandardScaler(),
                          LogisticRegression(C=1 / penalty, max_iter=max_iter, tol=1e-3))
    probe.fit(np.asarray(train_x, dtype=np.float32), train_y)
    return probe.predict(np.asarray(test_x, dtype=np.float32))
