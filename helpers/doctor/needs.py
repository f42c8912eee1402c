"""What each notebook opens, of what a profile names: image sets, cohorts, files, networks, tables.

`tests/install/test_doctor.py` compares this list with what the runs of the demo recorded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from helpers.config.profile import Profile
from helpers.networks.named_layers import named_layers
from helpers.networks.registry import seed_names

TABLE, IMAGES, COHORT, FILES, NETWORK = "table", "image set", "cohort", "files", "network"
LAYERS, READOUTS = "layers", "readouts"
Need = tuple[str, str]
"""Its kind, one of the above, and its name in the profile."""


def notebook_needs(profile: Profile, number: str) -> list[Need]:
    """Return what a notebook opens under a profile, each once.

    Parameters
    ----------
    profile : Profile
    number : str
        Of the notebook, two digits. One that is not listed here needs all that the profile names.

    Returns
    -------
    list of (kind, name)
        A table that the profile lacks is a need as well: ``("table", name)``.
    """
    find = NEEDS.get(number, _everything)
    layers = [(LAYERS, its.key) for its in named_layers(profile)
              if number in its.notebooks or number not in NEEDS]
    return list(dict.fromkeys((kind, name) for kind, name in [*find(profile), *layers] if name))


def _images(*names: str) -> list[Need]:
    return [(IMAGES, name.partition("/")[0]) for name in names]


def _networks(*names: str) -> list[Need]:
    return [(NETWORK, one) for name in names if name for one in seed_names(name)]


def _optional(profile: Profile, *names: str) -> list[Need]:
    """Return the image sets that the profile has: notebooks do without the others."""
    return _images(*(name for name in names if name in profile.image_sets))


def _cohort(profile: Profile, table: str = "cohort") -> list[Need]:
    """Return a cohort; [cohort] stands in for another that the profile lacks."""
    return [(COHORT, table if getattr(profile, table) else "cohort")] if (
        getattr(profile, table) or profile.cohort) else [(TABLE, table)]


def _tables(profile: Profile, *names: str) -> list[Need]:
    return [(TABLE, name) for name in names if getattr(profile, name) is None]


def _shown(profile: Profile) -> list[Need]:
    chosen = profile.networks
    return _networks(chosen.main, chosen.untrained, *chosen.compare)


def _universe(profile: Profile) -> list[Need]:
    cohort = _cohort(profile) if profile.encoding else []
    return [*_optional(profile, "localizer", "probe", "diet"), *_shown(profile), *cohort]


def _localizer(profile: Profile) -> list[Need]:
    return [*_images("localizer"), *_optional(profile, "probe"), *_shown(profile)]


def _lesions(profile: Profile) -> list[Need]:
    spec = profile.lesions
    named = (profile.networks.main, *spec.compare) if spec else ()
    return [*_tables(profile, "lesions"), *_images("localizer", spec.images if spec else ""),
            *_networks(*named), *[(READOUTS, "[readout]")] * bool(spec and profile.readout)]


def _encoding(profile: Profile) -> list[Need]:
    spec, chosen = profile.encoding, profile.networks
    return [*_tables(profile, "encoding"), *_cohort(profile), *_images("localizer"),
            *_networks(chosen.main, chosen.untrained, spec.face_network if spec else ""),
            *[(FILES, "rdms")] * (profile.rdms is not None)]


def _channels(profile: Profile) -> list[Need]:
    spec, chosen = profile.channels, profile.networks
    return [*_tables(profile, "channels"), *_images(spec.images if spec else ""),
            *_networks(chosen.main, chosen.untrained)]


def _finetuning(profile: Profile) -> list[Need]:
    spec = profile.finetuning
    return [*_tables(profile, "finetuning"), *_cohort(profile, "finetuning_cohort"),
            *(_networks(spec.network, spec.untrained) if spec else ())]


def _transfer(profile: Profile) -> list[Need]:
    other = [(COHORT, "transfer_cohort")] if profile.transfer_cohort else []
    return [*_finetuning(profile), *other]


def _landscape(profile: Profile) -> list[Need]:
    tasks = profile.landscape.tasks.values() if profile.landscape else ()
    return [*_finetuning(profile), *_tables(profile, "landscape", "laterality"), *_images(*tasks)]


def _laterality(profile: Profile) -> list[Need]:
    landscape, spec = profile.landscape, profile.laterality
    task = landscape.tasks.get(spec.task, "") if landscape and spec else ""
    return [*_finetuning(profile), *_tables(profile, "landscape", "laterality"), *_images(task)]


def _decoding(profile: Profile) -> list[Need]:
    spec = profile.decoding
    return [*_tables(profile, "decoding"), *_cohort(profile, "decoding_cohort"),
            *_networks((spec and spec.network) or ""),
            *[(FILES, "names")] * bool(spec and spec.names)]


def _concepts(profile: Profile) -> list[Need]:
    return [*_decoding(profile), *_tables(profile, "concepts")]


def _language(profile: Profile) -> list[Need]:
    spec = profile.language
    return [*_tables(profile, "language"), *(_images(spec.images) if spec else ()),
            *(_networks(*spec.conditions.values()) if spec else ())]


def _language_twice(profile: Profile) -> list[Need]:
    return [*_language(profile),
            *_images(profile.language.second_localizer if profile.language else "")]


def _emergence(profile: Profile) -> list[Need]:
    spec = profile.language
    if spec is None:
        return _tables(profile, "language")
    # Where the training was recorded, one trained network stands for the others.
    shown = [spec.conditions[spec.language]] if spec.record and spec.language else []
    return [*_images(spec.images), *_networks(*shown)[:1],
            *(_networks(*spec.conditions.values()) if not shown else ()),
            *(_cohort(profile) if spec.regions else ())]


def _own(profile: Profile) -> list[Need]:
    return [*_tables(profile, "encoding"), *_images("localizer"), *_cohort(profile)]


def _everything(profile: Profile) -> Iterable[Need]:
    return (need for find in NEEDS.values() for need in find(profile) if need[0] != TABLE)


NEEDS: dict[str, Callable[[Profile], list[Need]]] = {
    "00": _universe, "01": _localizer, "02": _lesions, "03": _encoding, "04": _channels,
    "05": _finetuning, "06": _transfer, "07": _finetuning, "08": _landscape, "09": _laterality,
    "10": _decoding, "11": _concepts, "12": _concepts, "13": _language_twice, "14": _language,
    "15": _emergence, "16": _own}
"""Number of a notebook -> what it opens."""
