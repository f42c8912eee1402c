"""The tables of a profile that say how something is analysed: one frozen dataclass each."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field

from helpers.core.errors import LabError


@dataclass(frozen=True)
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
    """

    images: str
    part: str
    top_k: int
    n_random: int
    activation_layer: str
    compare: tuple[str, ...]
    n_per_class: int = 0

    def __post_init__(self) -> None:
        if self.top_k < 1 or self.n_random < 2 or self.n_per_class < 0:
            raise LabError(f"The lesions have top_k = {self.top_k}, n_random = {self.n_random}, "
                           f"n_per_class = {self.n_per_class}.",
                           expected="top_k of 1 or more, n_random of 2 or more, no negative number",
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
        Side of the images that the network sees, px.
    smallest_crop : float
        Smallest share of an image's area in a random crop.
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
    """Which images are followed through which layers (notebook 04)."""

    images: str
    categories: tuple[str, ...]
    n_per_category: int
    layers: tuple[str, ...]

    def __post_init__(self) -> None:
        if min(len(self.categories), len(self.layers), self.n_per_category) < 2:
            raise LabError(f"The channels have {len(self.categories)} categories of "
                           f"{self.n_per_category} images in {len(self.layers)} layers.",
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
    face_network : str
        A network taught on faces alone, whose whole layers are the rival in face regions.
    face_layers : tuple of str
    min_ncsnr : float
        Vertices above this ncsnr are predicted; those of unknown ncsnr are kept.
    curve_rois : tuple of str
        Regions that are predicted from every domain's units, also without constraint.
    single_domain_rois : dict, ROI -> domain
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
    face_network: str = ""
    face_layers: tuple[str, ...] = ()
    min_ncsnr: float = 0.3
    curve_rois: tuple[str, ...] = ()
    single_domain_rois: dict[str, str] = field(default_factory=dict)
    alpha: float = 0.1
    alpha_untrained: float = 0.001
    alphas_standardised: tuple[float, ...] = (0.02, 0.05, 0.1, 0.2)
    ridge_alphas: tuple[float, ...] = (1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1e3, 3e3, 1e4, 3e4,
                                       1e5, 1e6)

    def __post_init__(self) -> None:
        penalties = (self.alpha, self.alpha_untrained, *self.alphas_standardised,
                     *self.ridge_alphas)
        if not self.rois or not self.layers or bool(self.face_network) != bool(self.face_layers):
            raise LabError(f"The encoding has {asdict(self)}.",
                           expected="ROIs, layers, and face_layers where a network is named",
                           remedy="correct the table 'encoding'")
        if min(penalties) <= 0:
            raise LabError(f"The encoding has the penalty {min(penalties)}.",
                           expected="numbers above 0", remedy="correct the table 'encoding'")
