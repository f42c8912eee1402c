"""The tables of a profile that say how something is analysed: one frozen dataclass each."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Literal

from helpers.ground.errors import LabError


@dataclass(frozen=True)
class LesionSpec:
    """What lesioned networks are asked to recognise (notebook 02).

    Parameters
    ----------
    images, part : str
        The image set, and its part, whose pictures are classified.
    top_k : int
        A picture is recognised if its class is among this many best guesses.
    n_random : int
        Random lesions of each domain, of as many units a layer.
    activation_layer : str
        Layer whose selective units' activation is shown against the deficit.
    compare : tuple of str
        Further networks whose units are lesioned, without random control.
    """

    images: str
    part: str
    top_k: int
    n_random: int
    activation_layer: str
    compare: tuple[str, ...]

    def __post_init__(self) -> None:
        if self.top_k < 1 or self.n_random < 2:
            raise LabError(f"The lesions have top_k = {self.top_k}, n_random = {self.n_random}.",
                           expected="top_k of 1 or more, n_random of 2 or more",
                           remedy="correct the table 'lesions'")


@dataclass(frozen=True)
class ReadoutSpec:
    """How a linear readout is trained on a frozen network; the defaults are the published ones.

    Parameters
    ----------
    images, part : str
        The image set, and its part, that is learned from.
    epochs, batch_size : int
    peak_rate, initial_rate, rise : float
        Largest and first learning rate, and the share of the steps until the largest.
    l1_positive, l1_negative : float
        Weight of the sum of all positive, and of all negative, weights' magnitudes.
    size : int
        Side of the pictures that the network sees, px.
    smallest_crop : float
        Smallest share of a picture's area in a random crop.
    """

    images: str
    part: str
    epochs: int = 10
    batch_size: int = 512
    peak_rate: float = 0.05
    initial_rate: float = 0.001
    rise: float = 0.3
    l1_positive: float = 1e-5
    l1_negative: float = 1e-5
    size: int = 256
    smallest_crop: float = 0.08

    def __post_init__(self) -> None:
        if (min(self.epochs, self.batch_size, self.size) < 1 or not 0 < self.rise < 1
                or not 0 < self.initial_rate <= self.peak_rate
                or min(self.l1_positive, self.l1_negative) < 0
                or not 0 < self.smallest_crop <= 1):
            raise LabError(f"The readout has {asdict(self)}.",
                           expected="whole numbers of at least 1; 0 < initial_rate <= peak_rate; "
                                    "no negative penalty; rise and smallest_crop between 0 and 1",
                           remedy="correct the table 'readout'")


@dataclass(frozen=True)
class ChannelSpec:
    """Which pictures are followed through which layers (notebook 04)."""

    images: str
    categories: tuple[str, ...]
    n_per_category: int
    layers: tuple[str, ...]

    def __post_init__(self) -> None:
        if min(len(self.categories), len(self.layers), self.n_per_category) < 2:
            raise LabError(f"The channels have {len(self.categories)} categories of "
                           f"{self.n_per_category} pictures in {len(self.layers)} layers.",
                           expected="at least 2 of each", remedy="correct the table 'channels'")


@dataclass(frozen=True)
class EncodingSpec:
    """How regions are predicted from a network's selective units (notebook 03).

    Parameters
    ----------
    rois : tuple of str
        Of the main figure.
    layers : tuple of str
        Of the main network and its untrained twin, in order of depth.
    faces : str
        A network taught on faces alone, whose whole layers are the rival in face regions.
    face_layers : tuple of str
    least_ncsnr : float
        Vertices above this ncsnr are predicted; those of unknown ncsnr are kept.
    curve_rois : tuple of str
        Regions that are predicted from every domain's units, also without constraint.
    known : dict, ROI -> domain
        Regions of which it is known that one domain alone drives them.
    alpha, alpha_untrained : float
        Penalty in raw units, as published.
    alphas_standardised : tuple of float
        Penalties as correlations; chosen on validation with the layer.
    ridge_alphas : tuple of float
        Penalties of the unconstrained fit, chosen on the fitted conditions.
    """

    rois: tuple[str, ...]
    layers: tuple[str, ...]
    faces: str = ""
    face_layers: tuple[str, ...] = ()
    least_ncsnr: float = 0.3
    curve_rois: tuple[str, ...] = ()
    known: dict[str, str] = field(default_factory=dict)
    alpha: float = 0.1
    alpha_untrained: float = 0.001
    alphas_standardised: tuple[float, ...] = (0.02, 0.05, 0.1, 0.2)
    ridge_alphas: tuple[float, ...] = (1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1e3, 3e3, 1e4, 3e4,
                                       1e5, 1e6)

    def __post_init__(self) -> None:
        penalties = (self.alpha, self.alpha_untrained, *self.alphas_standardised,
                     *self.ridge_alphas)
        if not self.rois or not self.layers or bool(self.faces) != bool(self.face_layers):
            raise LabError(f"The encoding has {asdict(self)}.",
                           expected="ROIs, layers, and face_layers where a network is named",
                           remedy="correct the table 'encoding'")
        if min(penalties) <= 0:
            raise LabError(f"The encoding has the penalty {min(penalties)}.",
                           expected="numbers above 0", remedy="correct the table 'encoding'")


@dataclass(frozen=True)
class FinetuningSpec:
    """How networks are tuned to regions (notebooks 05 to 07); defaults are the published ones.

    Parameters
    ----------
    network, untrained : str
        In the registry: what is tuned, and the same architecture before training.
    rois : tuple of str
    layers : tuple of str
        Read-out points, in order of depth (published: eight of AlexNet).
    subjects : tuple of str
        Empty: all.
    hemispheres : {"apart", "together"}
        Whether a region of each hemisphere has a model of its own, as published.
    image_size : int
        Side of the pictures, px; 0: the network's own.
    most_pictures : int
        Pictures of each condition; 0: all.
    fewest_voxels : int
        Smaller regions are left out, and counted.
    standardise : bool
        Responses in SD over the training conditions; by default as the cohort has them.
    n_splits : int
        Where the cohort has several folds: joined to so many; 0: all of them.
    protocol : {"nested", "P1", "P2"}
        How layer and penalty are chosen (`helpers.finetuning.crossvalidation`).
    epochs, regression_epochs, batch_size : int
    rate, regression_rate : float
        Of Adam.
    rates : tuple of float
        Candidates, the same for every kind of tuning; empty: ``rate`` and ``regression_rate``.
    n_searched : int
        Regions, drawn at random, that choose a rate (published: 30).
    temperature : float
    fixed_embedding : int
        Dimensions of the embedding where it does not grow with the region (not in the paper).
    attach : str
        Module path of the layer that the head reads; empty: the network's output, as published.
    symmetric, learned_temperature, interleaved : bool
        Not in the paper.
    precision : {"float32", "tf32", "bfloat16"}
    checkpoints : tuple of int
        Epochs (from 1) after which weights are kept as well.
    """

    network: str
    untrained: str
    rois: tuple[str, ...]
    layers: tuple[str, ...]
    subjects: tuple[str, ...] = ()
    hemispheres: Literal["apart", "together"] = "apart"
    image_size: int = 0
    most_pictures: int = 0
    fewest_voxels: int = 20
    standardise: bool = False
    n_splits: int = 0
    protocol: Literal["nested", "P1", "P2"] = "nested"
    epochs: int = 30
    regression_epochs: int = 75
    batch_size: int = 1024
    rate: float = 1e-4
    regression_rate: float = 2.5e-5
    rates: tuple[float, ...] = ()
    n_searched: int = 30
    temperature: float = 0.3
    fixed_embedding: int = 64
    attach: str = ""
    symmetric: bool = False
    learned_temperature: bool = False
    interleaved: bool = False
    precision: Literal["float32", "tf32", "bfloat16"] = "float32"
    checkpoints: tuple[int, ...] = ()

    @property
    def sides(self) -> tuple[str, ...]:
        """Hemispheres that have models of their own; "both": one for the two."""
        return ("lh", "rh") if self.hemispheres == "apart" else ("both",)

    def __post_init__(self) -> None:
        rates = (self.rate, self.regression_rate, *self.rates)
        if not self.rois or not self.layers or min(rates) <= 0 or self.temperature <= 0:
            raise LabError(f"The fine-tuning has {asdict(self)}.",
                           expected="ROIs, layers; rates and a temperature above 0",
                           remedy="correct the table 'finetuning'")
        if self.batch_size < 2 or min(self.epochs, self.regression_epochs, self.n_searched,
                                      self.fewest_voxels, self.fixed_embedding) < 1:
            raise LabError(f"The fine-tuning has batch_size = {self.batch_size}, epochs = "
                           f"{self.epochs}, regression_epochs = {self.regression_epochs}, "
                           f"n_searched = {self.n_searched}, fewest_voxels = "
                           f"{self.fewest_voxels}, fixed_embedding = {self.fixed_embedding}.",
                           expected="a batch of 2 or more (contrast needs another picture), and "
                                    "at least 1 of the others",
                           remedy="correct the table 'finetuning'")
