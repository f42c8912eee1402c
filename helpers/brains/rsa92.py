"""The 92-image study (Kriegeskorte et al. 2008): images, human and monkey IT RDMs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.spatial.distance import squareform

from helpers.brains.files import unlike_release
from helpers.brains.mat_files import read_mat
from helpers.core.digest import array_digest
from helpers.core.errors import LabError
from helpers.lab import Laboratory
from helpers.stimuli.image_source import ImageSource

N_IMAGES = 92


class ImageStack(ImageSource):
    """Images in memory.

    Parameters
    ----------
    pixels : array, uint8, shape (n_images, height, width, 3)

    Raises
    ------
    LabError
        If the array has another type or shape: its range would have to be guessed.
    """

    def __init__(self, pixels: NDArray[np.uint8]) -> None:
        if pixels.dtype != np.uint8 or pixels.ndim != 4 or pixels.shape[3] != 3:
            raise LabError(f"images of shape {pixels.shape}, {pixels.dtype}",
                           expected="(n_images, height, width, 3), uint8, from 0 to 255",
                           remedy="use the file as it was published, or scale the images to 8 "
                           "bits a colour")
        self.pixels = pixels

    def __len__(self) -> int:
        return len(self.pixels)

    @property
    def digest(self) -> str:
        """SHA-256 of all pixels."""
        return array_digest(self.pixels)

    def open(self, index: int) -> Image.Image:
        """Return one image as RGB."""
        return Image.fromarray(self.pixels[index])


@dataclass(frozen=True)
class MeasuredRdms:
    """Dissimilarities (1 - r) of the images, as measured.

    Attributes
    ----------
    stimuli : ImageSource
    rdms : dict, name -> float64, shape (4186,)
        ``human IT``: mean over participants and sessions; ``monkey IT``: 674 neurons.
    single : dict, name -> float64, shape (4186,)
        Of each participant and session.
    """

    stimuli: ImageSource
    rdms: dict[str, NDArray[np.float64]]
    single: dict[str, NDArray[np.float64]]


def open_rsa92(laboratory: Laboratory) -> MeasuredRdms | None:
    """Open the dissimilarities that the profile names in [rdms]; None where it names none."""
    if laboratory.profile.rdms is None:
        return None
    measured = read_rsa92(laboratory.folder(laboratory.profile.rdms))
    laboratory.record("rdms", measured.stimuli.digest)
    return measured


def read_rsa92(root: Path) -> MeasuredRdms:
    """Read the study's MATLAB files.

    Raises
    ------
    LabError
        If a file is missing or damaged, or the images and RDMs do not match.
    """
    main = root / "Kriegeskorte_Neuron2008_supplementalData.mat"
    images = np.atleast_1d(read_mat(main, "stimuli_92objs"))
    monkey, _ = read_mat(main, "RDMs_mIT_hIT_fig1")
    single = {str(one.name): _condensed(one.RDM, root / "92_brainRDMs.mat")
              for one in np.ravel(read_mat(root / "92_brainRDMs.mat", "RDMs"))}
    if len(images) != N_IMAGES or not str(monkey.name).startswith("mIT"):
        raise unlike_release(f"{main} holds {len(images)} images, and first the RDM {monkey.name}",
                             f"{N_IMAGES} images, mIT_674neurons")
    return MeasuredRdms(ImageStack(np.stack([one.image for one in images])),
                        {"human IT": np.mean(list(single.values()), axis=0),
                         "monkey IT": _condensed(monkey.RDM, main)}, single)


def _condensed(values: NDArray, where: Path) -> NDArray[np.float64]:
    """Return an RDM's upper triangle, whether it is stored square or condensed."""
    values = np.asarray(values, np.float64)
    fits = values.shape in ((N_IMAGES, N_IMAGES), (N_IMAGES * (N_IMAGES - 1) // 2,))
    square = fits and values.ndim == 2
    flat = squareform(values, checks=False) if square else values
    if not fits or not np.isfinite(flat).all() or (
            square and not np.allclose(flat, squareform(values.T, checks=False), atol=1e-6)):
        raise unlike_release(f"{where}: an RDM of {values.shape}, or with NaN, or not symmetric",
                             f"the dissimilarities of {N_IMAGES} images")
    return flat
