"""What is known of a simulated cohort: only for cells that say that they look at the truth."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from helpers.brains.cohort import Cohort
from helpers.brains.files import readable
from helpers.brains.nsd import NSD
from helpers.brains.rois import domain_of

CONCEPT = "concept: "
"""Begins the name of a patch that a concept drives."""
NOT_WRITING = "not writing"
"""Both kinds of patches that respond least to writing."""


def ground_truth_regions(cohort: Cohort, subject: str, hemisphere: NDArray,
                         vertex: NDArray) -> NDArray[np.str_] | None:
    """Return what was planted in some of a participant's vertices; None for real brains.

    Parameters
    ----------
    cohort : Cohort
    subject : str
    hemisphere, vertex : arrays, shape (n_vertices,)

    Returns
    -------
    array of str, shape (n_vertices,)
        A region, ``concept: <name>``, or empty.
    """
    path = cohort.root / "truth.npz" if isinstance(cohort, NSD) else None
    if path is None or not path.is_file():
        return None

    def read(where: object) -> Mapping[str, NDArray]:
        with np.load(where, allow_pickle=False) as content:
            return {side: content[f"{subject}/{side}/region"] for side in ("lh", "rh")}

    known = readable(path, read, "the truth about a simulated cohort")
    found = np.full(len(vertex), "", dtype=max(known.values(), key=lambda a: a.dtype).dtype)
    for side, regions in known.items():
        mine = hemisphere == side
        found[mine] = regions[vertex[mine]]
    return found


def driving_kinds(regions: NDArray[np.str_]) -> NDArray[np.str_]:
    """Return what drives vertices: a concept, the domain of a region, or empty.

    Parameters
    ----------
    regions : array of str, shape (n_vertices,)
        Of `ground_truth_regions`. Regions without a domain, such as early ones, give empty texts.
        Patches for writing are one kind: in z-scores, which decoders see, they are the same.
    """
    kind = {name: name.removeprefix(CONCEPT) if name.startswith(CONCEPT)
            else domain_of(name) if name else "" for name in map(str, np.unique(regions))}
    return np.array([NOT_WRITING if "writing" in kind[name] else kind[name] for name in regions],
                    str)
