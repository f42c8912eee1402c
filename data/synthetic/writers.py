"""The parts of the synthetic data set by name, each with the function that writes it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from data.synthetic.algonauts_files import write_algonauts
from data.synthetic.captioned_files import write_captioned
from data.synthetic.cohort import make_schedule
from data.synthetic.image_files import (
    write_channels,
    write_diet,
    write_faces_diet,
    write_localizer,
    write_probe,
)
from data.synthetic.nod_files import FIRST_SUBJECT_NUMBER, write_nod
from data.synthetic.nsd_files import write_nsd
from data.synthetic.task_files import write_attributes, write_places
from helpers.config.data import SyntheticSpec
from helpers.core.errors import LabError

DERIVED_FROM = {"algonauts": "nsd"}
"""Part -> the part that it is made from, as the original was from NSD: its writer gets that folder
under the part's name."""
MAX_IDENTITIES = 4000
"""So many people were compared: drawn alike in all else, the two most similar differ by 5.6 of 255
(root mean square over 32 x 32 pixels), the median person from the next by 15."""


def check_sizes(sizes: SyntheticSpec) -> None:
    """Refuse sizes that cannot be drawn, before anything is.

    Raises
    ------
    LabError
        If people could not be distinguished, participants of the two cohorts would be the same, or
        the sessions do not hold all showings of the shared images.
    """
    ranges = {"face_identities": (2, MAX_IDENTITIES),
              "cohort_subjects": (1, FIRST_SUBJECT_NUMBER - 1),
              "nod_subjects": (1, 100 - FIRST_SUBJECT_NUMBER)}
    for key, (least, most) in ranges.items():
        if not least <= getattr(sizes, key) <= most:
            raise LabError(f"the table [synthetic]: {key} is {getattr(sizes, key)}",
                           expected=f"from {least} to {most}",
                           remedy=f"correct {key} in the profile")
    make_schedule(seed=sizes.seed, n_subjects=1, n_shared=sizes.cohort_shared,
                  n_sessions=sizes.cohort_sessions)


def get_writer(name: str, sizes: SyntheticSpec) -> Callable[[Path], object]:
    """Return the function that writes a part into a folder, with its sizes filled in.

    Parameters
    ----------
    name : str
        One of `helpers.config.data.SYNTHETIC_PARTS`.
    sizes : SyntheticSpec

    Raises
    ------
    LabError
        As `check_sizes`.
    """
    check_sizes(sizes)
    seed, size = {"seed": sizes.seed}, {"seed": sizes.seed, "size": sizes.localizer_size}
    writers = {
        "localizer": partial(write_localizer, n_per_category=sizes.localizer_per_category, **size),
        "probe": partial(write_probe, n_per_category=sizes.probe_per_category, **size),
        "channels": partial(write_channels, n_per_category=sizes.channels_per_category, **size),
        "diet": partial(write_diet, size=sizes.diet_size, n_train=0, n_val=sizes.diet_val, **seed),
        "training_diet": partial(write_diet, size=sizes.diet_size, n_train=sizes.diet_train,
                                 n_val=sizes.diet_val, **seed),
        "faces": partial(write_faces_diet, size=sizes.diet_size,
                         n_identities=sizes.face_identities,
                         n_train_per_identity=sizes.face_train_per_identity,
                         n_val_per_identity=sizes.face_val_per_identity, **seed),
        "nsd": partial(write_nsd, n_subjects=sizes.cohort_subjects,
                       n_shared=sizes.cohort_shared, n_sessions=sizes.cohort_sessions,
                       size=sizes.cohort_size, **seed),
        "algonauts": partial(write_algonauts),
        "nod": partial(write_nod, n_subjects=sizes.nod_subjects, n_runs=sizes.nod_runs,
                       size=sizes.cohort_size, **seed),
        "places": partial(write_places, n_images=sizes.places, size=sizes.diet_size, **seed),
        "attributes": partial(write_attributes, n_images=sizes.attributes,
                              size=sizes.diet_size, **seed),
        "captioned": partial(write_captioned, n_images=sizes.captioned, size=sizes.diet_size,
                             **seed),
    }
    return writers[name]
