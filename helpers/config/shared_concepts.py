"""The tables of a profile for notebooks 10 to 12: decoders into CLIP, and shared concepts."""

from __future__ import annotations

from dataclasses import field
from typing import Annotated

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt
from pydantic.dataclasses import dataclass

from helpers.config.data import FolderSpec
from helpers.config.validation import FROZEN, AtLeastTwo, Penalties, require

Radius = Annotated[float, Field(gt=0, lt=2)]
"""Cosine distance."""


@dataclass(**FROZEN)
class DecoderTraining:
    """How decoders are trained; the defaults are the official code's.

    Parameters
    ----------
    iterations, batch_size : int
    learning_rate : float
        Of Adam, constant.
    temperature : float
        Fixed.
    noise : float
        Standard deviation of what is added to every response in every step.
    n_seeds : int
        Runs, of seeds 0, 1, ...; their mean is what is clustered.
    """

    iterations: PositiveInt = 5001
    batch_size: AtLeastTwo = 128
    learning_rate: PositiveFloat = 1e-4
    temperature: PositiveFloat = 0.03
    noise: NonNegativeFloat = 1.0
    n_seeds: PositiveInt = 50


@dataclass(**FROZEN)
class DecodingSpec:
    """How responses are decoded into the space of a network that was trained with captions.

    Parameters
    ----------
    network : str
        Its name in the registry; empty: the published embeddings of `names`.
    names : FolderSpec, optional
        Where these lie, and where they come from; conditions are then known by their name.
    min_noise_ceiling : float
        Voxels above this noise ceiling of a single trial are decoded, per cent.
    n_test, n_validation : int
        Images of each participant.
    n_pool : int
        Candidates of the second protocol, in which repeats are averaged.
    alphas : tuple of float
        Penalties of ridge.
    training : DecoderTraining
    """

    network: str = ""
    names: FolderSpec | None = None
    min_noise_ceiling: Annotated[float, Field(ge=0, lt=100)] = 8.0
    n_test: PositiveInt = 1000
    n_validation: PositiveInt = 1000
    n_pool: PositiveInt = 300
    alphas: Penalties = (1e1, 3e1, 1e2, 3e2, 1e3, 3e3, 1e4, 3e4, 1e5, 3e5, 1e6, 3e6)
    training: DecoderTraining = field(default_factory=DecoderTraining)

    def __post_init__(self) -> None:
        require(bool(self.network) != bool(self.names), "decoding",
                f"network = {self.network!r} and {'' if self.names else 'no '}table of names",
                expected="one of the two")
        require(self.n_pool <= self.n_test, "decoding",
                f"n_pool = {self.n_pool} and n_test = {self.n_test}", expected="n_pool <= n_test")


@dataclass(**FROZEN)
class ConceptSpec:
    """How decoders' weights are clustered, and what is shown of a cluster (notebooks 11, 12).

    Parameters
    ----------
    eps : tuple of float
        Radii, in cosine distance, rising (official code: 0.45 to 0.70). The one of the concepts is
        selected among these and in steps of 0.01 between two of them.
    min_participants : int
        Other participants that must have a neighbour of a core point.
    expansion : float
        Added to eps for the masks that are drawn (official code: 0.05, to 0.65 at most).
    n_images, n_words : int
        Most and least associated ones on a card.
    min_count : int
        Words that the captions say less often are left out.
    n_nulls : int
        Rotations of the weights, with which the voxels in shared concepts are compared; with fewer
        than 40 no two-sided p is below .05.
    """

    eps: Annotated[tuple[Radius, ...], Field(min_length=1)] = (0.45, 0.50, 0.55, 0.60, 0.65, 0.70)
    min_participants: PositiveInt = 3
    expansion: NonNegativeFloat = 0.05
    n_images: PositiveInt = 16
    n_words: PositiveInt = 10
    min_count: int = 20
    n_nulls: PositiveInt = 100

    def __post_init__(self) -> None:
        require(list(self.eps) == sorted(set(self.eps)), "concepts", f"eps = {self.eps}",
                expected="rising radii")
