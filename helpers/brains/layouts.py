"""Open the participants that a profile names: layout name -> the reader of a cohort."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from helpers.brains.algonauts import Algonauts
from helpers.brains.arrays import Arrays
from helpers.brains.cohort import Cohort
from helpers.brains.nod import NOD
from helpers.brains.nsd import NSD
from helpers.brains.object2vec import Object2Vec
from helpers.config.validation import suggest
from helpers.core.digest import text_digest
from helpers.core.errors import LabError
from helpers.lab import Laboratory

LAYOUTS = {"nsd": NSD, "nsd-volume": NSD, "algonauts": Algonauts, "nod": NOD,
           "object2vec": Object2Vec, "arrays": Arrays}
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
                         n_pool=spec.n_pool, n_batches=spec.n_batches, n_shared=spec.n_shared,
                         n_sessions=spec.n_sessions, per_run=spec.per_run)
    digests = [cohort.stimuli.digest, *map(cohort.digest, cohort.subjects)]
    laboratory.record(table, text_digest(" ".join(digests)))
    return cohort


def read_cohort(layout: str, root: Path, *, subjects: Sequence[str] = (), n_pool: int = 0,
                n_batches: int = 0, n_shared: int = 0,
                n_sessions: Mapping[str, int] | None = None, per_run: str = "") -> Cohort:
    """Read a cohort by the layout of its files.

    Parameters
    ----------
    layout : str
        A key of `LAYOUTS`.
    root : Path
    subjects : sequence of str
        Empty: all.
    n_pool, n_batches, n_shared : int
        How NSD's images are split; other layouts have splits of their own. 0: as
        published (for ``n_shared``: whatever is found).
    n_sessions : dict, subject -> int, optional
        As for `NSD`.
    per_run : {"", "vertex", "scalar"}
        How NOD's responses are z-scored (`helpers.brains.nod.NOD`); "": "vertex".

    Raises
    ------
    LabError
        For an unknown layout, or a setting that the layout does not know.
    """
    if layout not in LAYOUTS:
        raise LabError(f"the layout {layout!r}", expected="one of " + ", ".join(LAYOUTS),
                       remedy=suggest(layout, LAYOUTS) or "correct [cohort] in the profile")
    if per_run and layout != "nod":
        raise LabError(f"per_run = {per_run!r} for the layout {layout!r}",
                       expected="no such key: it is for the layout 'nod'",
                       remedy="remove it from the cohort's table in the profile")
    if layout.startswith("nsd"):
        space = "nativesurface" if layout == "nsd" else "func1pt8mm"
        return NSD(root, subjects=subjects, n_pool=n_pool or 4000, n_batches=n_batches or 4,
                   n_shared=n_shared, space=space, n_sessions=n_sessions)
    if n_pool or n_batches or n_shared or n_sessions:
        raise LabError(f"n_pool, n_batches, n_shared or n_sessions for the layout {layout!r}",
                       expected="none of them: this layout has a split of its own",
                       remedy="remove them from [cohort] in the profile")
    return LAYOUTS[layout](root, subjects=subjects, **{"per_run": per_run} if per_run else {})
