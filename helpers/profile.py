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

UNIVERSE_PARTS = ("localizer", "probe", "diet", "faces", "channels")


@dataclass(frozen=True)
class ImageSetSpec:
    """One set of images: its layout, its folder in the data folder, and where it comes from."""

    layout: Literal["floc", "classic", "imagefolder", "imagenet"]
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
    channels_per_category: int = 30

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
    lesions: LesionSpec | None = None
    readout: ReadoutSpec | None = None
    channels: ChannelSpec | None = None
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

    def table(self, name: str) -> LesionSpec | ReadoutSpec | ChannelSpec:
        """Return an optional table.

        Raises
        ------
        LabError
            If the profile lacks it.
        """
        found = getattr(self, name)
        if found is None:
            raise LabError(f"the profile {self.name!r} has no table [{name}]",
                           expected=f"[{name}], which this notebook reads",
                           remedy="copy it from helpers/profiles/demo.toml or paper.toml")
        return found

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
