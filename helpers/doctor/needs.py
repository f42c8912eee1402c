"""What each notebook opens, of what a profile names: image sets, cohorts, files, networks, tables.

`tests/install/test_doctor.py` compares this list with what the runs of the demo recorded.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

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
    listed = number in NEEDS
    rows = NEEDS[number] if listed else [row for rows in NEEDS.values() for row in rows]
    needs = [need for row in rows for need in _resolve(profile, *row)
             if listed or need[0] != TABLE]
    needs += [(LAYERS, its.key) for its in named_layers(profile)
              if number in its.notebooks or not listed]
    return list(dict.fromkeys((kind, name) for kind, name in needs if name))


def _resolve(profile: Profile, kind: str, name: str | Callable[[Profile], list[str]],
             condition: str = "") -> list[Need]:
    """Return the needs of one row of `NEEDS` under a profile."""
    if condition and not _entry(profile, condition):
        return []
    if kind == TABLE:
        return [] if _entry(profile, name) else [(TABLE, name)]
    if kind == COHORT:  # [cohort] stands in for another that the profile lacks
        present = [one for one in (name, "cohort") if _entry(profile, one)]
        return [(COHORT, present[0])] if present else [(TABLE, name)]
    found = name(profile) if callable(name) else _entry(profile, name) if "." in name else [name]
    if isinstance(found, Mapping):
        found = found.values()
    names = [found] if isinstance(found, str) else found or []
    if kind == NETWORK:
        return [(NETWORK, one) for each in names for one in seed_names(each)]
    return [(kind, one.partition("/")[0]) for one in names]


def _entry(profile: Profile, path: str) -> Any:
    """Return what a profile has at ``table.key``; None where it lacks one of them."""
    found: Any = profile
    for key in path.split("."):
        found = found.get(key) if isinstance(found, Mapping) else getattr(found, key, None)
    return found


def _lateral_task(profile: Profile) -> list[str]:
    tasks, spec = _entry(profile, "landscape.tasks"), profile.laterality
    return [tasks[spec.task]] if spec and spec.task in (tasks or ()) else []


def _emergence_networks(profile: Profile) -> list[str]:
    """Where the training was recorded, one trained network stands for the others."""
    spec = profile.language
    if spec and spec.record and spec.language:
        return seed_names(spec.conditions[spec.language])[:1]
    return list(spec.conditions.values()) if spec else []


def _images(*names: str) -> list[tuple[str, ...]]:
    """Return rows of image sets that a profile may lack: notebooks do without them."""
    return [(IMAGES, name, f"image_sets.{name}") for name in names]


LOCALIZER = (IMAGES, "localizer")
PAIR = [(NETWORK, "networks.main"), (NETWORK, "networks.untrained")]
SHOWN = [*PAIR, (NETWORK, "networks.compare")]
FINETUNED = [(TABLE, "finetuning"), (COHORT, "finetuning_cohort"), (NETWORK, "finetuning.network"),
             (NETWORK, "finetuning.untrained")]
LANDSCAPE = [*FINETUNED, (TABLE, "landscape"), (TABLE, "laterality")]
DECODED = [(TABLE, "decoding"), (COHORT, "decoding_cohort"), (NETWORK, "decoding.network"),
           (FILES, "names", "decoding.names")]
CONCEPTS = [*DECODED, (TABLE, "concepts")]
LANGUAGE = [(TABLE, "language"), (IMAGES, "language.images"), (NETWORK, "language.conditions")]
NEEDS: dict[str, list[tuple]] = {
    "00": [*_images("localizer", "probe", "diet"), *SHOWN, (COHORT, "cohort", "encoding")],
    "01": [LOCALIZER, *_images("probe"), *SHOWN],
    "02": [(TABLE, "lesions"), LOCALIZER, (IMAGES, "lesions.images"),
           (NETWORK, "networks.main", "lesions"), (NETWORK, "lesions.compare"),
           (READOUTS, "[readout]", "readout")],
    "03": [(TABLE, "encoding"), (COHORT, "cohort"), LOCALIZER, *PAIR,
           (NETWORK, "encoding.face_network"), (FILES, "rdms", "rdms")],
    "04": [(TABLE, "channels"), (IMAGES, "channels.images"), *PAIR],
    "05": FINETUNED,
    "06": [*FINETUNED, (COHORT, "transfer_cohort", "transfer_cohort")],
    "07": FINETUNED,
    "08": [*LANDSCAPE, (IMAGES, "landscape.tasks")],
    "09": [*LANDSCAPE, (IMAGES, _lateral_task)],
    "10": DECODED, "11": CONCEPTS, "12": CONCEPTS,
    "13": [*LANGUAGE, (IMAGES, "language.second_localizer")],
    "14": LANGUAGE,
    "15": [(TABLE, "language"), (IMAGES, "language.images"), (NETWORK, _emergence_networks),
           (COHORT, "cohort", "language.regions")],
    "16": [(TABLE, "encoding"), LOCALIZER, (COHORT, "cohort")]}
"""Number of a notebook -> what it opens: kind and name in the profile, or where the profile names
it, and the table or entry without which it is not opened."""
