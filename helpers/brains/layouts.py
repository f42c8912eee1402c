"""Open the participants that a profile names: layout name -> the reader of a cohort."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from helpers.brains.algonauts import Algonauts
from helpers.brains.arrays import Arrays
from helpers.brains.cohort import Cohort
from helpers.brains.nod import NOD
from helpers.brains.nsd import NSD
from helpers.brains.object2vec import Object2Vec
from helpers.config.validation import suggest
from helpers.core.digest import text_digest
from helpers.core.errors import LabError, one_of
from helpers.lab import Laboratory

SPLIT = ("n_pool", "n_batches", "n_shared", "n_sessions")
LAYOUTS: dict[str, tuple[Callable[..., Cohort], tuple[str, ...]]] = {
    "nsd": (partial(NSD, n_shared=0), SPLIT),
    "nsd-volume": (partial(NSD, n_shared=0, space="func1pt8mm"), SPLIT),
    "algonauts": (Algonauts, ()), "nod": (NOD, ("per_run",)), "object2vec": (Object2Vec, ()),
    "arrays": (Arrays, ())}
"""Layout -> what opens it, and the settings that it knows."""
OWN_OR_COHORT = ("finetuning_cohort", "decoding_cohort")
"""Tables in whose place [cohort] stands where a profile lacks them."""


def open_cohort(laboratory: Laboratory, table: str = "cohort") -> Cohort:
    """Open the participants that a table of the profile names, after making them available.

    Parameters
    ----------
    laboratory : Laboratory
    table : str
        ``cohort``; ``finetuning_cohort`` and ``decoding_cohort``, which are ``cohort`` where the
        profile names no other; ``transfer_cohort``.

    Raises
    ------
    LabError
        If the profile names no such cohort, or it is absent and cannot be made.
    """
    if table in OWN_OR_COHORT and getattr(laboratory.profile, table) is None:
        table = "cohort"
    spec = laboratory.profile.table(table)
    cohort = read_cohort(spec.layout, laboratory.folder(spec), subjects=spec.subjects,
                         **{name: getattr(spec, name) for name in (*SPLIT, "per_run")})
    digests = [cohort.stimuli.digest, *map(cohort.digest, cohort.subjects)]
    laboratory.record(table, text_digest(" ".join(digests)))
    return cohort


def read_cohort(layout: str, root: Path, *, subjects: Sequence[str] = (),
                **settings: object) -> Cohort:
    """Read a cohort by the layout of its files.

    Parameters
    ----------
    layout : str
        A key of `LAYOUTS`.
    root : Path
    subjects : sequence of str
        Empty: all.
    settings : n_pool, n_batches, n_shared, n_sessions, per_run
        How NSD's images are split, and which sessions are used (`helpers.brains.nsd.NSD`); how
        NOD's responses are z-scored (`helpers.brains.nod.NOD`). Empty or 0: as published (for
        ``n_shared``: whatever is found).

    Raises
    ------
    LabError
        For an unknown layout, or a setting that the layout does not know.
    """
    if layout not in LAYOUTS:
        raise LabError(f"the layout {layout!r}", expected="one of " + ", ".join(LAYOUTS),
                       remedy=suggest(layout, LAYOUTS) or "correct [cohort] in the profile")
    opener, known = LAYOUTS[layout]
    given = {name: value for name, value in settings.items() if value}
    for name in given.keys() - set(known):
        raise LabError(f"{name} = {given[name]!r} for the layout {layout!r}",
                       expected=one_of(known, "no such key: this layout has a split of its own"),
                       remedy="remove it from the cohort's table in the profile")
    return opener(root, subjects=subjects, **given)
