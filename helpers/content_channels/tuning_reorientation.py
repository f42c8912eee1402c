"""Tuning reorientation: the angle between a linear fit's features and its target.

The demonstration of the authors' page (authors' TuningReorientation.html): without a constraint on
signs a fit also uses features that point *away* from its target, with negative weights; positive
and sparse fits use features that are tuned like the target.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import ElasticNet, Lasso, LinearRegression, Ridge

from helpers.core.errors import LabError

Array = NDArray[np.float64]

TARGET = np.array([3.0, 2.5])
"""Responses of the published target to its two images."""

N_FEATURES = 100


@dataclass(frozen=True)
class LinearFit:
    """One linear fit of the target.

    Attributes
    ----------
    model : str
        "OLS", "Lasso", "ElasticNet" or "Ridge".
    positive : bool
        Whether weights were constrained to be non-negative.
    weights : ndarray, shape (n_features,)
    index : float
        `reorientation_index`.
    """

    model: str
    positive: bool
    weights: Array
    index: float

    @property
    def n_nonzero(self) -> int:
        """Number of weights that are not 0."""
        return int(np.count_nonzero(self.weights))


def reorientation_index(weights: Array, features: Array, target: Array) -> float:
    r"""Compute the weighted mean cosine distance of a fit's features from its target.

    .. math:: \frac{\sum_i |w_i|\,(1 - \cos(f_i, y))}{\sum_i |w_i|}

    Parameters
    ----------
    weights : ndarray, shape (n_features,)
    features : ndarray, shape (n_features, n_images)
        Each feature's responses.
    target : ndarray, shape (n_images,)

    Returns
    -------
    float, 0 to 2
        0: all weight lies on features tuned like the target; 1: at right angles to it on
        average; 2: on features tuned the opposite way.

    Raises
    ------
    LabError
        If shapes do not fit, all weights are 0, or a feature or the target is all 0.
    """
    weights, features, target = (np.asarray(a, dtype=float) for a in (weights, features, target))
    lengths, magnitude = np.linalg.norm(features, axis=-1) * np.linalg.norm(target), np.abs(weights)
    if features.shape != (*weights.shape, *target.shape) or not magnitude.sum() > 0 \
            or not lengths.all():
        raise LabError(f"{weights.shape} weights, {features.shape} features, {target.shape} "
                       "target, or only zeros in one of them",
                       expected="(n_features,), (n_features, n_images), (n_images,); a weight, "
                       "and no feature without a direction",
                       remedy="pass one row per feature; penalise less, or leave such features out")
    cosine_distance = 1 - features @ target / lengths
    return float((magnitude * cosine_distance).sum() / magnitude.sum())


def published_features(seed: int = 1) -> Array:
    """Draw the published toy features, normal(-0.75, 1.5), shape (100 features, 2 images).

    From NumPy's legacy generator: the numbers of the published global seed of 1.
    """
    return np.random.RandomState(seed).randn(N_FEATURES, len(TARGET)) * 1.5 - 0.75


def fit_models(features: Array, target: Array = TARGET) -> list[LinearFit]:
    """Fit the target with the four published models, first unconstrained, then positive.

    Images are the samples, features the columns; no intercept.

    Parameters
    ----------
    features : ndarray, shape (n_features, n_images)
    target : ndarray, shape (n_images,)
    """
    fits = []
    for positive in (False, True):
        common = {"fit_intercept": False, "positive": positive}
        models = {"OLS": LinearRegression(**common), "Lasso": Lasso(alpha=0.5, **common),
                  "ElasticNet": ElasticNet(alpha=0.5, **common),
                  "Ridge": Ridge(alpha=1000, tol=1e-4, **common)}
        for name, model in models.items():
            weights = model.fit(features.T, target).coef_
            fits.append(LinearFit(name, positive, weights,
                                  reorientation_index(weights, features, target)))
    return fits
