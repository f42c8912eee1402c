"""Many networks compared: how well their probes do, and how far apart their predictions are."""

from __future__ import annotations

from collections.abc import Sequence
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
from numpy.lib.format import open_memmap
from numpy.typing import NDArray

from helpers.finetuning.jobs import Job, Member
from helpers.finetuning.study import Study
from helpers.ground.console import progress
from helpers.ground.paths import cache_dir, ensure_writable
from helpers.landscape.distances import Block, bhattacharyya, of_array, together
from helpers.landscape.reading import Task, probed


def accuracies(study: Study, members: Sequence[Member], tasks: Sequence[Task],
               layer: str) -> pd.DataFrame:
    """Examine every network on every task.

    Returns
    -------
    DataFrame
        Columns ``donor, roi, hemisphere, group, kind, task, accuracy`` (0 to 1).
    """
    asked = [(member.job, task, layer) for member in members for task in tasks]
    found = study.each(_accuracy, asked, "probing")
    told = [(member, task) for member in members for task in tasks]
    return pd.DataFrame([{**member.told, "task": task.name, "accuracy": accuracy}
                         for (member, task), accuracy in zip(told, found)])


def _accuracy(job: Job, task: Task, layer: str) -> float:
    return float(probed(job, task, layer)["accuracy"])


def distances_between(study: Study, members: Sequence[Member], task: Task, layer: str,
                      others: Sequence[Block] = ()) -> tuple[NDArray[np.float64],
                                                             NDArray[np.float64]]:
    """Return distances between networks' predictions, and from others to them.

    Predictions go to a file, of which a block of pictures is in memory at a time.

    Returns
    -------
    array, float64, shape (n_members, n_members)
    array, float64, shape (n_others, n_members)
    """
    accuracies(study, members, [task], layer)  # those that are missing, side by side
    n_pictures, n_classes = len(task.held_out), len(task.classes)
    ensure_writable(cache_dir())
    with TemporaryDirectory(dir=cache_dir(), prefix="predictions-") as folder:
        logs = open_memmap(f"{folder}/logs.npy", "w+", np.float32,
                           (len(members), n_pictures, n_classes))
        for row, member in enumerate(progress(members, "gathering predictions")):
            logs[row] = probed(member.job, task, layer)["logs"]
        device = next(study.plan.network.model.parameters()).device
        size = len(members), n_pictures, n_classes
        among = bhattacharyya(of_array(logs), *size, device=device)
        to_others = bhattacharyya(of_array(logs), *size, others=together(others),
                                  n_others=len(others), device=device) if others else np.zeros(
                                      (0, len(members)))
        del logs  # some systems do not remove a file that is open
    return among, to_others
