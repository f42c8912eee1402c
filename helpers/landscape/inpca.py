"""InPCA: a map of models that preserves all pairwise distances, with real and imaginary axes.

Mao et al. (2024), PNAS 121(12); Mulrooney & Brockmeier (2024), Appendix A.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from helpers.core.errors import LabError

MIN_RELATIVE_EXTENT = 1e-6
"""Axes whose extent is below this fraction of the largest are rounding alone."""


@dataclass(frozen=True)
class InPCAMap:
    """Models as points in a space some axes of which are "imaginary".

    Attributes
    ----------
    coordinates : array, float64, shape (n_models, n_axes)
        :math:`X_k = v_k \\sqrt{|e_k|}`, axes by falling :math:`|e_k|`.
    eigenvalues : array, float64, shape (n_axes,)
        Negative: an imaginary axis, along which squared differences are subtracted.
    vectors : array, float64, shape (n_models, n_axes)
    mean_distances : array, float64, shape (n_models,)
        Mean distance of each model to all.
    """

    coordinates: NDArray[np.float64]
    eigenvalues: NDArray[np.float64]
    vectors: NDArray[np.float64]
    mean_distances: NDArray[np.float64]

    @property
    def signs(self) -> NDArray[np.float64]:
        """+1 for real axes, -1 for imaginary ones, (n_axes,)."""
        return np.where(self.eigenvalues < 0, -1.0, 1.0)

    def distances(self) -> NDArray[np.float64]:
        r"""Restore the distances :math:`\sum_k \pm_k (x_{ik} - x_{jk})^2`."""
        signed = self.coordinates * self.signs
        own = (signed * self.coordinates).sum(1)
        return own[:, None] + own - 2 * signed @ self.coordinates.T

    def explained_stress(self) -> NDArray[np.float64]:
        r"""Return the stress that k axes explain, for every k: 1 - sqrt(1 - sum e^2 / ||W||^2)."""
        squares = self.eigenvalues**2
        residual = 1 - np.cumsum(squares) / squares.sum()
        return 1 - np.sqrt(np.maximum(residual, 0))

    def project(self, distances: NDArray) -> NDArray[np.float64]:
        """Place models that the map was not made from.

        Parameters
        ----------
        distances : array, float, shape (n_new, n_models)
            From each of them to the models of the map.

        Returns
        -------
        array, float64, shape (n_new, n_axes)
            Models of the map are projected to their coordinates. Axes without extent get 0.
        """
        distances = np.atleast_2d(np.asarray(distances, np.float64))
        if distances.shape[1] != len(self.mean_distances) or not np.isfinite(distances).all():
            raise LabError(f"distances {distances.shape} to {len(self.mean_distances)} models",
                           expected="one finite distance to every model of the map",
                           remedy="measure them on the same images")
        centred = -0.5 * (distances - distances.mean(1, keepdims=True) - self.mean_distances
                          + self.mean_distances.mean())
        scale = self.signs * np.sqrt(np.abs(self.eigenvalues))
        nonzero = np.abs(scale) > MIN_RELATIVE_EXTENT * np.abs(scale).max()
        inverse_scale = np.divide(1.0, scale, out=np.zeros_like(scale), where=nonzero)
        return centred @ self.vectors * inverse_scale


def fit_inpca(distances: NDArray) -> InPCAMap:
    r"""Map models by their pairwise distances.

    :math:`W = -\tfrac12 L D L` with :math:`L = I - \tfrac1n 1 1^\top` (D itself, not its square),
    decomposed; axes by falling magnitude of the eigenvalue.

    Parameters
    ----------
    distances : array, float, shape (n_models, n_models)
        Symmetric, 0 on the diagonal.

    Raises
    ------
    LabError
        If they are not, or there are fewer than two models.
    """
    d = np.asarray(distances, np.float64)
    if (d.ndim != 2 or d.shape[0] != d.shape[1] or len(d) < 2 or not np.isfinite(d).all()
            or not np.allclose(d, d.T, atol=1e-9) or np.abs(np.diag(d)).max() > 1e-9):
        raise LabError(f"distances of shape {d.shape} that are infinite, not symmetric, or not 0 "
                       "from a model to itself", expected="d(u, v) = d(v, u), d(u, u) = 0, of two "
                       "models or more", remedy="use helpers.landscape.distances")
    mean_distances = d.mean(0)
    w = -0.5 * (d - mean_distances - mean_distances[:, None] + mean_distances.mean())
    values, vectors = np.linalg.eigh((w + w.T) / 2)
    order = np.argsort(-np.abs(values), kind="stable")
    values, vectors = values[order], vectors[:, order]
    # The sign of an eigenvector is arbitrary; this one does not depend on the LAPACK library.
    vectors = vectors * np.sign(vectors[np.abs(vectors).argmax(0), np.arange(len(d))])
    return InPCAMap(vectors * np.sqrt(np.abs(values)), values, vectors, mean_distances)
