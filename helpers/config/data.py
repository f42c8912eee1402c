"""The tables of a profile that say what there is: one frozen dataclass each, which refuses what
cannot be. How it is analysed: `helpers.config.contrastive_coding`.
"""

from __future__ import annotations

from dataclasses import field
from typing import Literal

from pydantic import NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt
from pydantic.dataclasses import dataclass

from helpers.config.validation import FROZEN, read_toml
from helpers.core.paths import PACKAGE

LOCAL = "local"
"""Source of a user's own files: they are read, and never drawn, fetched, moved or written to."""
SYNTHETIC_PARTS = ("localizer", "probe", "diet", "faces", "channels", "nsd", "algonauts", "nod",
                   "places", "attributes", "captioned", "training_diet")
TRAINING_ONLY = ("synthetic:faces", "synthetic:captioned", "synthetic:training_diet")
"""Images that no figure shows: the zoo alone is trained on them."""


Source = Literal["local", *(f"synthetic:{part}" for part in SYNTHETIC_PARTS),
                 *(f"fetch:{name}" for name in read_toml(PACKAGE / "datasets" / "sources.toml"))]
"""The user's own files (`LOCAL`); drawn; or fetched."""


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
    n_pool: NonNegativeInt = 0
    n_batches: NonNegativeInt = 0
    n_shared: NonNegativeInt = 0
    n_sessions: dict[str, PositiveInt] = field(default_factory=dict)
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

    memory: PositiveFloat = 2.0
    disk: NonNegativeFloat = 0.2
    hours: NonNegativeFloat = 0.0


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
    localizer_per_category: PositiveInt
    probe_per_category: PositiveInt
    localizer_size: PositiveInt
    diet_train: PositiveInt
    diet_val: PositiveInt
    diet_size: PositiveInt
    face_identities: PositiveInt
    face_train_per_identity: PositiveInt
    face_val_per_identity: PositiveInt
    channels_per_category: PositiveInt = 30
    cohort_subjects: PositiveInt = 8
    cohort_shared: PositiveInt = 515
    cohort_sessions: PositiveInt = 6
    cohort_size: PositiveInt = 96
    nod_subjects: PositiveInt = 3
    nod_runs: PositiveInt = 10
    places: PositiveInt = 2400
    attributes: PositiveInt = 2400
    captioned: PositiveInt = 14400
