"""The table of a profile for notebooks 13 to 15: networks of one architecture that differ in
supervision."""

from __future__ import annotations

from pydantic.dataclasses import dataclass

from helpers.config.validation import FROZEN, AtLeastTwo, Names, require
from helpers.core.errors import one_of


@dataclass(**FROZEN)
class LanguageSpec:
    """Networks of matched stages, and what was different in their training.

    Parameters
    ----------
    conditions : dict, name in figures -> name in the registry
        Of one network, or of several that differ in their seed alone.
    layers : tuple of str
        Paths of modules that all of them have, in order of depth: the ends of their stages.
    vision : str
        The condition that was trained without language.
    untrained : str
        The condition before training.
    language : str
        The condition that was trained with language; empty: there is none.
    targets, shuffled : str
        Trained with what captions mean, and with captions of other images; empty: none.
    objects, views : str
        Trained with labels that leave out the domains that are tested, and to find the other view
        of an image, without labels or language; empty: none.
    images, second_localizer : str
        Image sets that the six sets are made from; ``second_localizer`` for a check, may be empty.
    n_units : int
        Units compared at equal numbers, of each domain and stage.
    max_units : int
        At most so many selective units of each domain and stage are analysed image by image.
    n_boot, n_nulls : int
        Resampled sets of images, and masks drawn anew.
    regions : dict, domain -> ROI
        Whose responses networks are compared with (notebook 15); needs the table [cohort].
    early_roi : str
        A region that prefers no domain, for comparison.
    min_ncsnr : float
        Vertices above this ncsnr count, as in notebook 03; those of unknown ncsnr are kept.
    record : str
        File in the zoo that says how the measures of notebook 15 rose while networks were
        trained; empty: there is none, and networks are shown before and after training.
    """

    conditions: dict[str, str]
    layers: Names
    vision: str
    untrained: str
    language: str = ""
    targets: str = ""
    shuffled: str = ""
    objects: str = ""
    views: str = ""
    images: str = "localizer"
    second_localizer: str = ""
    n_units: AtLeastTwo = 20
    max_units: AtLeastTwo = 300
    n_boot: AtLeastTwo = 200
    n_nulls: AtLeastTwo = 200
    regions: dict[str, str] | None = None
    early_roi: str = ""
    min_ncsnr: float = 0.3
    record: str = ""

    def __post_init__(self) -> None:
        for key in ("vision", "untrained", "language", "targets", "shuffled", "objects", "views"):
            name, is_optional = getattr(self, key), key not in ("vision", "untrained")
            require(name in self.conditions or (is_optional and not name), "language",
                    f"{key} = {name!r}", expected=one_of(self.conditions))
