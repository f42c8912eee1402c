"""Floor 0. Profiles: which data, networks and sizes a run uses, read strictly from TOML."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Literal

from helpers.errors import LabError
from helpers.paths import ROOT
from helpers.strict import from_table, read_toml, suggest

UNIVERSE_PARTS = ("localizer", "probe", "diet", "faces")


@dataclass(frozen=True)
class ImageSetSpec:
    """One set of images: its layout, its folder in the data folder, and where it comes from."""

    layout: Literal["floc", "classic", "imagefolder"]
    path: str
    source: str

    def __post_init__(self) -> None:
        kind, _, name = self.source.partition(":")
        if not name or kind not in ("universe", "fetch") or (
                kind == "universe" and name not in UNIVERSE_PARTS):
            raise LabError(
                f"An image set has the source {self.source!r}.",
                expected="'fetch:<name in helpers/sources.toml>' or one of "
                         + ", ".join(f"'universe:{part}'" for part in UNIVERSE_PARTS),
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
class UniverseSpec:
    """Sizes of the rendered demo world (numbers of images; ``*_size`` in pixels)."""

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

    def __post_init__(self) -> None:
        for field in fields(self):
            if field.name != "seed" and getattr(self, field.name) < 1:
                raise LabError(f"The universe has {field.name} = {getattr(self, field.name)}.",
                               expected="at least 1", remedy="correct the table 'universe'")


@dataclass(frozen=True)
class Profile:
    """Everything a run may vary; the notebooks hold no other setting of this kind."""

    name: str
    title: str
    data_kind: Literal["REAL", "SYNTHETIC"]
    seed: int
    device: str
    data: str
    batch_size: int
    image_sets: dict[str, ImageSetSpec]
    networks: NetworkSpec
    universe: UniverseSpec | None = None

    def __post_init__(self) -> None:
        if self.batch_size < 1:
            raise LabError(f"The profile {self.name!r} has batch_size = {self.batch_size}.",
                           expected="at least 1", remedy="correct the key 'batch_size'")
        rendered = [name for name, images in self.image_sets.items()
                    if images.source.startswith("universe:")]
        if rendered and self.universe is None:
            raise LabError(
                f"The profile {self.name!r} renders {', '.join(rendered)} but has no universe.",
                expected="a table 'universe' with its sizes",
                remedy="copy the table [universe] from helpers/profiles/demo.toml")

    @property
    def digest(self) -> str:
        """SHA-256 of the content (64 hexadecimal digits); comments and order do not count."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()


def profile_folders() -> tuple[Path, ...]:
    """Return the folders searched for profiles: the package's, then a user's own."""
    return (Path(__file__).parent / "profiles", Path.cwd() / "profiles", ROOT / "profiles")


def profile_names() -> tuple[str, ...]:
    """Return the names of all profiles that can be loaded by name."""
    return tuple(sorted({path.stem for folder in profile_folders()
                         for path in folder.glob("*.toml")}))


def load_profile(name_or_path: str | Path) -> Profile:
    """Load a profile by name ("demo", "mini", "paper", or a user's own) or by the path of a file.

    Raises
    ------
    LabError
        If there is no such profile, if a key is unknown, missing or of the wrong type, or if the
        file's ``name`` is not the file's own.
    """
    path = _find(str(name_or_path))
    profile = from_table(Profile, read_toml(path), path.name)
    if profile.name != path.stem:
        raise LabError(f"{path} says name = {profile.name!r}.", expected=f"name = {path.stem!r}",
                       remedy="rename the file or correct the key: figures are filed by this name")
    return profile


def _find(name: str) -> Path:
    if name.endswith(".toml"):
        candidates = [Path(name), ROOT / name]
    else:
        candidates = [folder / f"{name}.toml" for folder in profile_folders()]
    for path in candidates:
        if path.is_file():
            return path
    valid = profile_names()
    raise LabError(f"There is no profile {name!r}.", expected="one of " + ", ".join(valid),
                   remedy=suggest(name, valid) or "copy helpers/profiles/demo.toml to "
                   "profiles/<name>.toml, edit it, and pass PROFILE=<name>")
