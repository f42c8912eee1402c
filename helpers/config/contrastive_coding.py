"""The tables of a profile that say how something is analysed: one frozen dataclass each."""

from __future__ import annotations

from dataclasses import field
from typing import Annotated

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt
from pydantic.dataclasses import dataclass

from helpers.config.validation import FROZEN, AtLeastTwo, Fraction, Names, Penalties, require


@dataclass(**FROZEN)
class LesionSpec:
    """What lesioned networks are asked to recognise (notebook 02).

    Parameters
    ----------
    images, part : str
        The image set, and its part, whose images are classified.
    top_k : int
        An image is recognised if its class is among this many best guesses.
    n_random : int
        Random lesions of each domain, of as many units a layer.
    activation_layer : str
        Layer whose selective units' activation is shown against the deficit.
    compare : tuple of str
        Further networks whose units are lesioned, without random control.
    n_per_class : int
        The first so many images of each class; 0: all.
    equal_fractions : tuple of float
        Fractions of each layer's units that every domain loses, where all lose equally many; the
        claim is judged at the middle one.
    """

    images: str
    part: str
    top_k: PositiveInt
    n_random: AtLeastTwo
    activation_layer: str
    compare: tuple[str, ...]
    n_per_class: NonNegativeInt = 0
    equal_fractions: Annotated[tuple[Fraction, ...], Field(min_length=1)] = (0.02, 0.05, 0.1)


@dataclass(**FROZEN)
class ReadoutSpec:
    """How a linear readout is trained on a frozen network; the defaults are the published ones.

    Parameters
    ----------
    images, part : str
        The image set, and its part, that is learned from.
    epochs, batch_size : int
    max_learning_rate, initial_learning_rate, warmup_fraction : float
        Largest and first learning rate, and the fraction of the steps until the largest.
    l1_positive, l1_negative : float
        Weight of the sum of all positive, and of all negative, weights' magnitudes.
    size : int
        Side of the images that the network sees, px.
    min_crop_fraction : float
        Smallest fraction of an image's area in a random crop.
    """

    images: str
    part: str
    epochs: PositiveInt = 10
    batch_size: PositiveInt = 512
    max_learning_rate: PositiveFloat = 0.05
    initial_learning_rate: PositiveFloat = 0.001
    warmup_fraction: Fraction = 0.3
    l1_positive: NonNegativeFloat = 1e-5
    l1_negative: NonNegativeFloat = 1e-5
    size: PositiveInt = 256
    min_crop_fraction: Annotated[float, Field(gt=0, le=1)] = 0.08

    def __post_init__(self) -> None:
        require(self.initial_learning_rate <= self.max_learning_rate, "readout",
                f"initial_learning_rate = {self.initial_learning_rate} and max_learning_rate = "
                f"{self.max_learning_rate}", expected="initial_learning_rate <= max_learning_rate")


@dataclass(**FROZEN)
class ChannelSpec:
    """Which images are followed through which layers (notebook 04)."""

    images: str
    categories: Annotated[Names, Field(min_length=2)]
    n_per_category: AtLeastTwo
    layers: Annotated[Names, Field(min_length=2)]


N_CURVES = 4
"""Regions that are predicted from every domain's units, where a profile names none."""


@dataclass(**FROZEN)
class EncodingSpec:
    """How regions are predicted from a network's selective units (notebook 03).

    Parameters
    ----------
    rois : tuple of str
        Of the main figure.
    layers : tuple of str
        Of the main network and its randomly initialised control, in order of depth.
    face_network : str
        A network trained on faces alone, whose whole layers are the rival in face regions.
    face_layers : tuple of str
    face_curve_rois : tuple of str
        Other regions that it predicts, for the curves by layer; those not in ``rois`` are left out.
    min_ncsnr : float
        Vertices above this ncsnr are predicted; those of unknown ncsnr are kept.
    curve_rois : tuple of str
        Those of ``rois`` that are predicted from every domain's units, also without constraint;
        left out: the first four.
    single_domain_rois : dict, ROI -> domain
        Regions of which it is known that one domain alone drives them.
    alpha, alpha_untrained : float
        Penalty in raw units, as published.
    alphas_standardised : tuple of float
        Penalties as correlations; chosen on validation with the layer.
    ridge_alphas : tuple of float
        Penalties of the unconstrained fit, chosen on the fitted conditions.
    """

    rois: Names
    layers: Names
    face_network: str = ""
    face_layers: tuple[str, ...] = ()
    face_curve_rois: tuple[str, ...] = ("PPA", "VWFA-1")
    min_ncsnr: float = 0.3
    curve_rois: tuple[str, ...] = ()
    single_domain_rois: dict[str, str] = field(default_factory=dict)
    alpha: PositiveFloat = 0.1
    alpha_untrained: PositiveFloat = 0.001
    alphas_standardised: Penalties = (0.02, 0.05, 0.1, 0.2)
    ridge_alphas: Penalties = (1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1e3, 3e3, 1e4, 3e4,
                               1e5, 1e6)

    def __post_init__(self) -> None:
        require(bool(self.face_network) == bool(self.face_layers), "encoding",
                f"face_network = {self.face_network!r} and {len(self.face_layers)} face_layers",
                expected="both, or neither")
        require(set(self.curve_rois) <= set(self.rois), "encoding",
                f"curve_rois = {list(self.curve_rois)}", expected=f"some of {', '.join(self.rois)}")
        if not self.curve_rois:
            object.__setattr__(self, "curve_rois", self.rois[:N_CURVES])
