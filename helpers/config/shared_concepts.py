"""The tables of a profile for notebooks 10 to 12: decoders into CLIP, and shared concepts."""

from __future__ import annotations

from dataclasses import dataclass, field

from helpers.config.data import FolderSpec
from helpers.core.errors import LabError


@dataclass(frozen=True)
class Teaching:
    """How decoders are taught; the defaults are the official code's.

    Parameters
    ----------
    iterations, batch_size : int
    rate : float
        Of Adam, constant.
    temperature : float
        Fixed.
    noise : float
        Standard deviation of what is added to every response in every step.
    n_seeds : int
        Runs, of seeds 0, 1, ...; their mean is what is clustered.
    """

    iterations: int = 5001
    batch_size: int = 128
    rate: float = 1e-4
    temperature: float = 0.03
    noise: float = 1.0
    n_seeds: int = 50

    def __post_init__(self) -> None:
        if (min(self.iterations, self.n_seeds) < 1 or self.batch_size < 2 or self.noise < 0
                or min(self.rate, self.temperature) <= 0):
            raise LabError(f"decoders are taught with {self}",
                           expected="1 iteration and seed or more, batches of 2 or more, a "
                                    "positive rate and temperature, no negative noise",
                           remedy="correct the table [decoding.teaching] of the profile")


@dataclass(frozen=True)
class DecodingSpec:
    """How responses are decoded into the space of a network that was taught with captions.

    Parameters
    ----------
    network : str
        Its name in the registry; empty: the published embeddings of `names`.
    names : FolderSpec, optional
        Where these lie, and where they come from; conditions are then known by their name.
    least_ceiling : float
        Voxels above this noise ceiling of a single trial are decoded, per cent.
    n_test, n_validation : int
        Images of each participant.
    n_pool : int
        Candidates of the second protocol, in which repeats are averaged.
    alphas : tuple of float
        Penalties of ridge.
    teaching : Teaching
    """

    network: str = ""
    names: FolderSpec | None = None
    least_ceiling: float = 8.0
    n_test: int = 1000
    n_validation: int = 1000
    n_pool: int = 300
    alphas: tuple[float, ...] = (1e1, 3e1, 1e2, 3e2, 1e3, 3e3, 1e4, 3e4, 1e5, 3e5, 1e6, 3e6)
    teaching: Teaching = field(default_factory=Teaching)

    def __post_init__(self) -> None:
        if bool(self.network) == (self.names is not None):
            raise LabError(f"the decoding names the network {self.network!r} and "
                           f"{'no ' if self.names is None else ''}embeddings of names",
                           expected="one of the two", remedy="correct the table 'decoding'")
        if (not 0 <= self.least_ceiling < 100 or min(self.n_validation, self.n_pool) < 1
                or self.n_pool > self.n_test or min(self.alphas, default=0) <= 0):
            raise LabError(f"the decoding has {self}",
                           expected="a noise ceiling below 100 %, as many test images as the "
                                    "pool or more, penalties above 0",
                           remedy="correct the table 'decoding'")


@dataclass(frozen=True)
class ConceptSpec:
    """How decoders' weights are clustered, and what is shown of a cluster (notebooks 11, 12).

    Parameters
    ----------
    eps : tuple of float
        Radii, in cosine distance, rising (official code: 0.45 to 0.70).
    min_participants : int
        Other participants that must have a neighbour of a core point.
    expansion : float
        Added to eps for the masks that are drawn (official code: 0.05, to 0.65 at most).
    n_images, n_words : int
        Most and least associated ones on a card.
    least_count : int
        Words that the captions say less often are left out.
    n_nulls : int
        Rotations of the weights, and drawings of permuted labels.
    """

    eps: tuple[float, ...] = (0.45, 0.50, 0.55, 0.60, 0.65, 0.70)
    min_participants: int = 3
    expansion: float = 0.05
    n_images: int = 16
    n_words: int = 10
    least_count: int = 20
    n_nulls: int = 20

    def __post_init__(self) -> None:
        if (list(self.eps) != sorted(set(self.eps)) or not self.eps or min(self.eps) <= 0
                or max(self.eps) >= 2 or self.expansion < 0
                or min(self.min_participants, self.n_images, self.n_words, self.n_nulls) < 1):
            raise LabError(f"the concepts have {self}",
                           expected="rising radii between 0 and 2, whole numbers of at least 1",
                           remedy="correct the table 'concepts'")
