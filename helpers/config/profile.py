"""Profiles: which data, networks and sizes a run uses, read strictly from TOML."""

from __future__ import annotations

import json
from dataclasses import asdict, field, replace
from pathlib import Path
from typing import Any, Literal

from pydantic import PositiveInt
from pydantic.dataclasses import dataclass

from helpers.config.contrastive_coding import ChannelSpec, EncodingSpec, LesionSpec, ReadoutSpec
from helpers.config.contrastive_finetuning import FinetuningSpec, LandscapeSpec, LateralitySpec
from helpers.config.data import (
    CohortSpec,
    FolderSpec,
    ImageSetSpec,
    NetworkSpec,
    ResourceSpec,
    SyntheticSpec,
)
from helpers.config.own_network import OwnNetworkSpec
from helpers.config.shared_concepts import ConceptSpec, DecodingSpec
from helpers.config.validation import FROZEN, from_table, read_toml, suggest
from helpers.config.vision_language import LanguageSpec
from helpers.core.digest import text_digest
from helpers.core.errors import LabError, one_of
from helpers.core.paths import PACKAGE, ROOT
from helpers.core.stray_files import is_stray

OPTIONAL_SOURCES = ("region_masks",)
"""Entries of `Profile.sources` without which every notebook runs: a map is left out."""


@dataclass(**FROZEN)
class Profile:
    """Everything a run may vary; the notebooks hold no other setting of this kind."""

    name: str
    title: str
    data_kind: Literal["REAL", "SYNTHETIC"]
    seed: int
    device: str
    data: str
    batch_size: PositiveInt
    image_sets: dict[str, ImageSetSpec]
    networks: NetworkSpec
    network: dict[str, OwnNetworkSpec] = field(default_factory=dict)
    lesions: LesionSpec | None = None
    readout: ReadoutSpec | None = None
    channels: ChannelSpec | None = None
    cohort: CohortSpec | None = None
    encoding: EncodingSpec | None = None
    finetuning_cohort: CohortSpec | None = None
    transfer_cohort: CohortSpec | None = None
    decoding_cohort: CohortSpec | None = None
    finetuning: FinetuningSpec | None = None
    landscape: LandscapeSpec | None = None
    laterality: LateralitySpec | None = None
    decoding: DecodingSpec | None = None
    concepts: ConceptSpec | None = None
    language: LanguageSpec | None = None
    rdms: FolderSpec | None = None
    published_scores: FolderSpec | None = None
    region_masks: FolderSpec | None = None
    synthetic: SyntheticSpec | None = None
    resources: dict[str, ResourceSpec] = field(default_factory=dict)
    """By number of the notebook; no result depends on them."""
    folder: str = ""
    """Where relative paths of the source ``local`` begin, and files and modules of own networks;
    empty: the folder of the profile's file. Where files lie decides no result."""

    def __post_init__(self) -> None:
        drawn = [name for name, spec in self.sources.items()
                 if spec.source.startswith("synthetic:")]
        if drawn and self.synthetic is None:
            raise LabError(f"The profile {self.name!r} draws {drawn} but has no sizes for it.",
                           expected="a table 'synthetic' with its sizes",
                           remedy="copy the table [synthetic] from helpers/profiles/demo.toml")

    @property
    def sources(self) -> dict[str, ImageSetSpec | CohortSpec | FolderSpec]:
        """All that lies on disk in a folder of its own, by name."""
        others = {**vars(self), "names": self.decoding and self.decoding.names}
        return {**self.image_sets, **{name: spec for name, spec in others.items()
                                      if isinstance(spec, CohortSpec | FolderSpec)}}

    @property
    def classified(self) -> list[tuple[str, str]]:
        """Image sets, each with a part of it or "", whose images networks classify."""
        tables = filter(None, (self.lesions, self.readout))
        tasks = self.landscape.tasks.values() if self.landscape else ()
        return [*((table.images, table.part) for table in tables),
                *((task.partition("/")[0], task.partition("/")[2]) for task in tasks)]

    def image_set(self, name: str) -> ImageSetSpec:
        """Return the table of an image set.

        Raises
        ------
        LabError
            If the profile lacks it.
        """
        if name not in self.image_sets:
            raise LabError(f"profile {self.name!r} has no image set {name!r}",
                           expected=one_of(self.image_sets, "an image set; it has none"),
                           remedy=f"add a table [image_sets.{name}] to the profile, or correct the "
                           "name")
        return self.image_sets[name]

    def table(self, name: str) -> Any:
        """Return an optional table, such as "cohort" or "encoding".

        Raises
        ------
        LabError
            If the profile lacks it.
        """
        if getattr(self, name) is None:
            raise LabError(f"the profile {self.name!r} has no table [{name}]",
                           expected=f"[{name}], which this notebook reads",
                           remedy="copy it from helpers/profiles/demo.toml or paper.toml")
        return getattr(self, name)

    @property
    def digest(self) -> str:
        """SHA-256 of what results depend on (64 hexadecimal digits); comments and order do not
        count."""
        content = {name: value for name, value in asdict(self).items()
                   if name not in ("resources", "folder")}
        return text_digest(json.dumps(content, sort_keys=True))


def profile_folders() -> tuple[Path, ...]:
    """Return the folders searched for profiles: the package's, then a user's own."""
    return (PACKAGE / "profiles", Path.cwd() / "profiles", ROOT / "profiles")


def profile_names() -> tuple[str, ...]:
    """Return the names of all profiles that can be loaded by name."""
    return tuple(sorted({path.stem for folder in profile_folders() if folder.is_dir()
                         for path in folder.iterdir()
                         if is_toml(path.name) and not is_stray(path.name)}))


def is_toml(name: str) -> bool:
    """Tell whether a name is that of a TOML file, in small letters or not."""
    return name.lower().endswith(".toml")


def load_profile(name_or_path: str | Path) -> Profile:
    """Load a profile by name ("demo", "mini", "paper", or a user's own) or by the path of a file.

    Raises
    ------
    LabError
        If there is no such profile, if a key is unknown, missing or of the wrong type, or if the
        file's ``name`` is not the file's own.
    """
    path = _find_file(str(name_or_path))
    profile = from_table(Profile, read_toml(path), path.name)
    if profile.name != path.stem:
        raise LabError(f"{path} says name = {profile.name!r}.", expected=f"name = {path.stem!r}",
                       remedy="rename the file or correct the key: figures are filed by this name")
    return replace(profile, folder=str((path.parent / profile.folder).resolve()))


def _find_file(name: str) -> Path:
    if is_toml(name):
        candidates = [Path(name), ROOT / name]
    else:
        candidates = [folder / f"{name}.toml" for folder in profile_folders()]
    for path in candidates:  # the ending may be written otherwise than on disk
        for spelling in (path, path.with_suffix(".toml"), path.with_suffix(".TOML")):
            if spelling.is_file():
                return spelling
    valid = profile_names()
    raise LabError(f"There is no profile {name!r}.", expected=one_of(valid),
                   remedy=suggest(name, valid) or "copy helpers/profiles/demo.toml to "
                   "profiles/<name>.toml, edit it, and pass PROFILE=<name>")
