"""What was planted in the simulated cohort, read back from beside its files.

Only tests, notebook 00 and cells marked "against the truth" may read it.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from helpers.core.errors import LabError

FILES = ("truth.json", "truth.npz")


@dataclass(frozen=True)
class GroundTruth:
    """What was planted.

    Attributes
    ----------
    metadata : dict
        ``truth.json``: what drives each region, the concepts and who has them.
    semantic_features : array, float64, shape (n_images, n_columns)
        How much of everything each image shows, by nsdId; columns as in ``metadata["columns"]``.
    vertices : dict, (subject, hemisphere) -> dict, field -> array with a first axis of n_vertices
        ``region``, ``weights`` (on the columns), ``centre`` and ``spread`` of receptive fields
        (fractions of the image), ``ncsnr`` (single trial), ``signal_sd``, ``noise_sd`` and
        ``offset`` (percent signal change), ``exponent``.
    """

    metadata: dict[str, Any]
    semantic_features: NDArray[np.float64]
    vertices: dict[tuple[str, str], dict[str, NDArray]]

    def semantic_feature(self, name: str) -> NDArray[np.float64]:
        """Return how much of one thing each image shows, (n_images,).

        Raises
        ------
        LabError
            If nothing of this name was planted.
        """
        names = self.metadata["columns"]
        if name not in names:
            raise LabError(f"the amount {name!r}", expected="one of " + ", ".join(names),
                           remedy="correct the name")
        return self.semantic_features[:, names.index(name)]


def read_ground_truth(folder: str | os.PathLike[str]) -> GroundTruth:
    """Read what was planted in a simulated cohort.

    Parameters
    ----------
    folder : path
        As written by `data.synthetic.nsd_files.write_nsd`.

    Raises
    ------
    LabError
        If the folder holds no truth: real data do not.
    """
    metadata, arrays = (Path(folder) / name for name in FILES)
    if not (metadata.is_file() and arrays.is_file()):
        raise LabError(f"no {' and '.join(FILES)} in {folder}", expected="a simulated cohort",
                       remedy="nobody knows the truth of real data; write the demo's cohort")
    vertices: dict[tuple[str, str], dict[str, NDArray]] = {}
    with np.load(arrays, allow_pickle=False) as stored:
        for key in stored.files:
            if "/" in key:
                subject, hemisphere, field = key.split("/")
                vertices.setdefault((subject, hemisphere), {})[field] = stored[key]
        return GroundTruth(json.loads(metadata.read_text(encoding="utf-8")), stored["amounts"],
                           vertices)
