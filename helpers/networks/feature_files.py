"""Features of layers as a NumPy file with names: for other programs, and from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from helpers.core.errors import LabError
from helpers.core.paths import atomic_write

IMAGES, NETWORK = "images", "network"
"""Names of the arrays that say which image each row is, and which network was asked."""
LAYER_PREFIX = "layer/"


@dataclass(frozen=True)
class Features:
    """Features of some images in some layers of a network.

    Attributes
    ----------
    network : str
    images : tuple of str
        Names of the images, one a row.
    layers : dict, layer -> array, float, shape (n_images, n_units)
    """

    network: str
    images: tuple[str, ...]
    layers: Mapping[str, NDArray]

    def __post_init__(self) -> None:
        unfit = {name: values.shape for name, values in self.layers.items()
                 if values.ndim != 2 or len(values) != len(self.images)}
        if not self.layers or unfit:
            raise LabError(f"features of shapes {unfit}" if unfit else "no layer",
                           expected=f"({len(self.images)}, units): one row an image",
                           remedy="pass the images that the features were computed from")


def save_features(path: str | Path, network: str, images: Sequence[str],
                  layers: Mapping[str, NDArray]) -> None:
    """Write features to an ``.npz`` file: arrays ``images``, ``network`` and ``layer/<name>``.

    Parameters
    ----------
    path : str or Path
    network : str
    images : sequence of str, length n_images
    layers : dict, layer -> array, float, shape (n_images, n_units)

    Raises
    ------
    LabError
        Where a layer has another number of rows than there are images.
    """
    features = Features(network, tuple(images), {name: np.asarray(values)
                                                 for name, values in layers.items()})

    def write(part: Path) -> None:
        with part.open("wb") as file:  # by path, NumPy would add a suffix
            np.savez(file, **{IMAGES: np.array(features.images, dtype="U"),
                              NETWORK: np.array(network, dtype="U"),
                              **{f"{LAYER_PREFIX}{name}": values
                                 for name, values in features.layers.items()}})

    atomic_write(Path(path), write)


def read_features(path: str | Path) -> Features:
    """Read what `save_features` wrote; nothing in the file is executed.

    Raises
    ------
    LabError
        Where the file is absent, damaged, or has other arrays.
    """
    try:
        with open(path, "rb") as whole:
            if whole.read(2) != b"PK":
                raise ValueError("it is no .npz file")
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        images, network = arrays.pop(IMAGES), arrays.pop(NETWORK)
        kinds = images.dtype.kind + network.dtype.kind
        if (images.ndim, network.ndim, kinds) != (1, 0, "UU"):
            raise ValueError(f"{IMAGES!r} and {NETWORK!r} are no names")
        for name in arrays:
            if not name.startswith(LAYER_PREFIX):
                raise ValueError(f"it has an array {name!r}")
    except Exception as error:  # damaged bytes lead NumPy into any exception
        raise LabError(f"{path} cannot be read as features: {error or type(error).__name__}",
                       expected=f"an .npz file with {IMAGES!r}, {NETWORK!r} and {LAYER_PREFIX!r}"
                       "<name>, as save_features writes it",
                       remedy="check the path, or write the file again") from error
    return Features(str(network), tuple(images.tolist()),
                    {name.removeprefix(LAYER_PREFIX): values for name, values in arrays.items()})
