"""The tables of a profile that say what there is: one frozen dataclass each, which refuses what
cannot be. How it is analysed: `helpers.config.contrastive_coding`.
"""

from __future__ import annotations

from dataclasses import field
from typing import Annotated, Literal

from pydantic import AfterValidator
from pydantic.dataclasses import dataclass

from helpers.config.validation import (
    FROZEN,
    Count,
    CountOrAll,
    NotNegative,
    Positive,
    read_toml,
    suggest,
)
from helpers.core.errors import LabError
from helpers.core.paths import PACKAGE

LOCAL = "local"
"""Source of a user's own files: they are read, and never drawn, fetched, moved or written to."""
SOURCES = PACKAGE / "datasets" / "sources.toml"
"""What can be fetched; read here for its names alone."""

SYNTHETIC_PARTS = ("localizer", "probe", "diet", "faces", "channels", "nsd", "algonauts", "nod",
                   "places", "attributes", "captioned", "training_diet")
TRAINING_ONLY = ("synthetic:faces", "synthetic:captioned", "synthetic:training_diet")
"""Images that no figure shows: the zoo alone is trained on them."""


def check_source(source: str) -> str:
    """Refuse a source that is not the user's own, and neither fetched nor drawn."""
    kind, _, name = source.partition(":")
    valid = [LOCAL, *(f"synthetic:{part}" for part in SYNTHETIC_PARTS)]
    if kind == "fetch":
        valid = [f"fetch:{listed}" for listed in read_toml(SOURCES)]
    if source not in valid:
        others = "" if kind == "fetch" else \
            ", or 'fetch:<name in helpers/datasets/sources.toml>'"
        raise LabError(
            f"the source {source!r}",
            expected=f"one of {', '.join(map(repr, valid))}{others}; "
                     f"your own files have the source {LOCAL!r}",
            remedy=suggest(source, valid) or "correct the key 'source' in the profile")
    return source


Source = Annotated[str, AfterValidator(check_source)]


@dataclass(**FROZEN)
class ImageSetSpec:
    """One set of images: its layout, its folder, and where it comes from.

    Parameters
    ----------
    layout : str
        How the files lie (`helpers.stimuli.image_sets.LAYOUTS`); ``table``: a CSV file lists them.
    path : str
        Folder (for ``table``: the CSV file) in the data folder. Of the source ``local``: absolute,
        or relative to the profile's file, or else to the data folder.
    source : str
    """

    layout: Literal["floc", "classic", "mc8", "imagefolder", "imagenet", "places365", "table"]
    path: str
    source: Source


@dataclass(**FROZEN)
class CohortSpec:
    """The participants: layout of their files, folder in the data folder, where they come from.

    Parameters
    ----------
    layout, path, source : str
    subjects : tuple of str
        Some of them; empty: all that are there.
    n_pool, n_batches : int
        Non-shared images that are split into batches (published: 4,000 into 4); 0: the layout
        has its own way to split.
    n_shared : int
        How many images all participants must have seen often enough (published: 515); 0: any.
    n_sessions : dict, subject -> int
        NSD's first sessions that are used; of participants who are not named: all that are there.
    per_run : {"", "vertex", "scalar"}
        For the layout "nod": how responses are z-scored within each run, every vertex by its own
        mean and SD (the default), or all by one mean and one SD of the whole cortex (published).
    """

    layout: Literal["nsd", "nsd-volume", "algonauts", "nod", "object2vec", "arrays"]
    path: str
    source: Source
    subjects: tuple[str, ...] = ()
    n_pool: CountOrAll = 0
    n_batches: CountOrAll = 0
    n_shared: CountOrAll = 0
    n_sessions: dict[str, Count] = field(default_factory=dict)
    per_run: Literal["", "vertex", "scalar"] = ""


@dataclass(**FROZEN)
class FolderSpec:
    """Some files (measured RDMs, embeddings of names): their folder, and where they come from."""

    path: str
    source: Source


@dataclass(**FROZEN)
class ResourceSpec:
    """What one notebook needs: peak memory (GB), disk that it writes (GB), and hours on two cores.

    The defaults are those of the demo, whose hours need no mention.
    """

    memory: Positive = 2.0
    disk: NotNegative = 0.2
    hours: NotNegative = 0.0


@dataclass(**FROZEN)
class NetworkSpec:
    """The networks of the figures, and the layers shown.

    Parameters
    ----------
    main, untrained, compare : str, tuple of str
        Names in the registry, or of the profile's own tables [network.<name>].
    pies : tuple of str
        Of the main network, in order of depth; empty: layers with weights, evenly spaced.
    heat_map_layer : str
        Of the main network and its control; empty: the last one before the main network's readout.
    """

    main: str
    untrained: str
    compare: tuple[str, ...] = ()
    pies: tuple[str, ...] = ()
    heat_map_layer: str = ""


@dataclass(**FROZEN)
class SyntheticSpec:
    """Sizes of the synthetic data set (numbers of images; ``*_size`` in pixels)."""

    seed: int
    localizer_per_category: Count
    probe_per_category: Count
    localizer_size: Count
    diet_train: Count
    diet_val: Count
    diet_size: Count
    face_identities: Count
    face_train_per_identity: Count
    face_val_per_identity: Count
    channels_per_category: Count = 30
    cohort_subjects: Count = 8
    cohort_shared: Count = 515
    cohort_sessions: Count = 6
    cohort_size: Count = 96
    nod_subjects: Count = 3
    nod_runs: Count = 10
    places: Count = 2400
    attributes: Count = 2400
    captioned: Count = 14400
