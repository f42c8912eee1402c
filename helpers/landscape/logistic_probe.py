"""Linear probes of a network's features: multinomial logistic regression.

Standardised features, scikit-learn's logistic regression with its defaults, 85 % of the images
for fitting and 15 % held out (Mulrooney & Brockmeier 2024; authors' analysis code).
"""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn import config_context
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from helpers.core.errors import LabError

TRAIN_FRACTION = 0.85
"""Fraction of the images on which a probe is fitted, as published."""
MAX_ITER = 5000
"""Published limit of L-BFGS."""
ARRAY_API_VARIABLE = "SCIPY_ARRAY_API"
"""Environment variable with which SciPy and scikit-learn, when imported, accept torch's tensors."""


def split_train_test(n_images: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Split images at random into a training and a test set, always in the same way.

    Returns
    -------
    train_idx, test_idx : array, int64
        Increasing; int(`TRAIN_FRACTION` n) and the rest, as published.
    """
    n_train = int(TRAIN_FRACTION * n_images)
    if not 0 < n_train < n_images:
        raise LabError(f"{n_images} images for a probe",
                       expected="enough for a training and a test set",
                       remedy="name a larger image set in [landscape]")
    order = torch.randperm(n_images, generator=torch.Generator().manual_seed(0)).numpy()
    return np.sort(order[:n_train]), np.sort(order[n_train:])


@dataclass(frozen=True)
class LinearProbe:
    """A linear readout of a layer's raw features.

    Attributes
    ----------
    weight : array, float32, shape (n_classes, n_units)
        The standardisation is folded into them.
    bias : array, float32, shape (n_classes,)
        Minus infinity for classes without a training image.
    """

    weight: NDArray[np.float32]
    bias: NDArray[np.float32]

    def log_probs(self, features: Tensor) -> Tensor:
        """Return log-probabilities, float32 (n_images, n_classes), of raw features."""
        weight, bias = (torch.from_numpy(values).to(features.device)
                        for values in (self.weight, self.bias))
        return (features @ weight.T + bias).log_softmax(1)


def fit_logistic_probe(features: Tensor, labels: NDArray[np.int64], n_classes: int) -> LinearProbe:
    """Fit a probe.

    Parameters
    ----------
    features : Tensor, float32, shape (n_images, n_units)
        With SCIPY_ARRAY_API=1 in the environment the fit runs on their device, a GPU as well;
        otherwise on the CPU.
    labels : array, int64, shape (n_images,)
    n_classes : int

    Raises
    ------
    LabError
        If there are fewer than two classes, or features that are not finite.
    """
    classes = np.unique(labels)
    if len(classes) < 2 or not torch.isfinite(features).all():
        raise LabError(f"{len(classes)} classes, features "
                       f"{'finite' if torch.isfinite(features).all() else 'not finite'}",
                       expected="images of two classes or more, finite features",
                       remedy="check the image set, and whether the fine-tuning diverged")
    mean, scale = features.mean(0), features.std(0, correction=0)
    scale = torch.where(scale > 10 * torch.finfo(torch.float32).eps * mean.abs(), scale, 1.0)
    x = (features - mean) / scale
    use_array_api = os.environ.get(ARRAY_API_VARIABLE) == "1"
    y = torch.from_numpy(labels).to(x.device) if use_array_api else labels
    with config_context(array_api_dispatch=use_array_api):
        fit = LogisticRegression(max_iter=MAX_ITER).fit(x if use_array_api else x.cpu().numpy(), y)
    # For two classes scikit-learn returns one row of coefficients: that of the second class.
    weight, bias = (torch.as_tensor(values, dtype=torch.float32, device=x.device)
                    for values in (fit.coef_, fit.intercept_))
    if len(classes) == 2:
        weight, bias = torch.cat([-weight, weight]) / 2, torch.cat([-bias, bias]) / 2
    weight = weight / scale
    weights = np.zeros((n_classes, features.shape[1]), np.float32)
    biases = np.full(n_classes, -np.inf, np.float32)
    weights[classes] = weight.cpu().numpy()
    biases[classes] = (bias - weight @ mean).cpu().numpy()
    return LinearProbe(weights, biases)
