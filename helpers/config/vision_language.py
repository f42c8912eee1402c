"""The table of a profile for notebooks 13 to 15: networks that differ in what they were told."""

from __future__ import annotations

from dataclasses import dataclass

from helpers.core.errors import LabError


@dataclass(frozen=True)
class LanguageSpec:
    """Networks of matched stages, and what was different in their training.

    Parameters
    ----------
    conditions : dict, name in figures -> name in the registry
        Of one network, or of several that differ in their seed alone.
    layers : tuple of str
        Paths of modules that all of them have, in order of depth: the ends of their stages.
    vision : str
        The kind that was taught without language.
    untrained : str
        The kind before training.
    language : str
        The kind that was taught with language; empty: there is none.
    targets, shuffled : str
        Taught with what captions mean, and with captions of other images; empty: none.
    images, second_localizer : str
        Image sets that the six sets are made from; ``second_localizer`` for a check, may be empty.
    n_units : int
        Units compared at equal numbers, of each domain and stage.
    max_units : int
        At most so many selective units of each domain and stage are read image by image.
    n_boot, n_nulls : int
        Resampled sets of images, and masks drawn anew.
    regions : dict, domain -> ROI
        Whose responses networks are compared with (notebook 15); needs the table [cohort].
    early_roi : str
        A region that prefers no domain, for comparison.
    record : str
        File in the zoo that says how the measures of notebook 15 rose while networks were
        trained; empty: there is none, and networks are shown before and after training.
    """

    conditions: dict[str, str]
    layers: tuple[str, ...]
    vision: str
    untrained: str
    language: str = ""
    targets: str = ""
    shuffled: str = ""
    images: str = "localizer"
    second_localizer: str = ""
    n_units: int = 20
    max_units: int = 300
    n_boot: int = 200
    n_nulls: int = 200
    regions: dict[str, str] | None = None
    early_roi: str = ""
    record: str = ""

    def __post_init__(self) -> None:
        may_lack = [role for role in (self.language, self.targets, self.shuffled) if role]
        strange = [role for role in (self.vision, self.untrained, *may_lack)
                   if role not in self.conditions]
        if strange or not self.layers:
            raise LabError(f"The language table names the kind {strange[0]!r}" if strange
                           else "The language table names no layer",
                           expected=f"one of {', '.join(self.conditions)}; one layer or more",
                           remedy="correct the table 'language'")
        if min(self.n_units, self.max_units, self.n_boot, self.n_nulls) < 2:
            raise LabError(f"The language table has n_units = {self.n_units}, max_units = "
                           f"{self.max_units}, n_boot = {self.n_boot}, n_nulls = {self.n_nulls}",
                           expected="2 or more of each", remedy="correct the table 'language'")
