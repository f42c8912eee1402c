"""The tables of a profile that say what there is: one frozen dataclass each, which refuses what
cannot be. How it is analysed: `helpers.config.contrastive_coding`.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal

from helpers.core.errors import LabError

SYNTHETIC_PARTS = ("localizer", "probe", "diet", "faces", "channels", "nsd", "algonauts", "nod",
                   "places", "attributes", "captioned", "training_diet")
TRAINING_ONLY = ("synthetic:faces", "synthetic:captioned", "synthetic:training_diet")
"""Images that no figure shows: the zoo alone is trained on them."""


@dataclass(frozen=True)
class ImageSetSpec:
    """One set of images: its layout, its folder in the data folder, and where it comes from."""

    layout: Literal["floc", "classic", "imagefolder", "imagenet", "places365"]
    path: str
    source: str

    def __post_init__(self) -> None:
        check_source("An image set", self.source)


@dataclass(frozen=True)
class CohortSpec:
    """The participants: layout of their files, folder in the data folder, where they come from.

    Parameters
    ----------
    layout, path, source : str
    subjects : tuple of str
        Some of them; empty: all that are there.
    n_pool, n_batches : int
        Non-shared images that are dealt into batches (published: 4,000 into 4); 0: the layout
        has its own way to split.
    n_shared : int
        How many images all participants must have seen often enough (published: 515); 0: any.
    """

    layout: Literal["nsd", "nsd-volume", "algonauts", "nod", "object2vec"]
    path: str
    source: str
    subjects: tuple[str, ...] = ()
    n_pool: int = 0
    n_batches: int = 0
    n_shared: int = 0

    def __post_init__(self) -> None:
        check_source("The cohort", self.source)


@dataclass(frozen=True)
class FolderSpec:
    """Some files (measured RDMs, embeddings of names): their folder, and where they come from."""

    path: str
    source: str

    def __post_init__(self) -> None:
        check_source("A folder", self.source)


def check_source(what: str, source: str) -> None:
    """Refuse a source that is neither fetched nor a part of the synthetic data."""
    kind, _, name = source.partition(":")
    if not name or kind not in ("synthetic", "fetch") or (
            kind == "synthetic" and name not in SYNTHETIC_PARTS):
        raise LabError(
            f"{what} has the source {source!r}.",
            expected="'fetch:<name in helpers/datasets/sources.toml>' or one of "
                     + ", ".join(f"'synthetic:{part}'" for part in SYNTHETIC_PARTS),
            remedy="correct the key 'source' in the profile")


@dataclass(frozen=True)
class NetworkSpec:
    """The networks of the figures, by their names in the registry, and the layers shown."""

    main: str
    untrained: str
    compare: tuple[str, ...]
    pies: tuple[str, ...]
    heat_map_layer: str


@dataclass(frozen=True)
class SyntheticSpec:
    """Sizes of the synthetic data set (numbers of images; ``*_size`` in pixels)."""

    seed: int
    localizer_per_category: int
    probe_per_category: int
    localizer_size: int
    diet_train: int
    diet_val: int
    diet_size: int
    face_identities: int
    face_train_per_identity: int
    face_val_per_identity: int
    channels_per_category: int = 30
    cohort_subjects: int = 8
    cohort_shared: int = 515
    cohort_sessions: int = 6
    cohort_size: int = 96
    nod_subjects: int = 3
    nod_runs: int = 10
    places: int = 2400
    attributes: int = 2400
    captioned: int = 14400

    def __post_init__(self) -> None:
        for size in fields(self):
            if size.name != "seed" and getattr(self, size.name) < 1:
                raise LabError(f"The synthetic data set has {size.name} = {getattr(self, size.name)}.",
                               expected="at least 1", remedy="correct the table 'synthetic'")
