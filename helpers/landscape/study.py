"""Many networks compared: how well their probes do, and how far apart their predictions are."""

from __future__ import annotations

from collections.abc import Sequence
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
from numpy.lib.format import open_memmap
from numpy.typing import NDArray

from helpers.core.console import progress
from helpers.core.paths import cache_dir, ensure_writable
from helpers.finetuning.runs import FineTunedModel, FineTuningRun
from helpers.finetuning.study import FineTuningStudy
from helpers.landscape.classification import ClassificationTask, fit_probe
from helpers.landscape.distances import (
    PredictionBlock,
    bhattacharyya,
    block_from_array,
    concatenate_blocks,
)


def task_accuracies(study: FineTuningStudy, finetuned_models: Sequence[FineTunedModel],
                    tasks: Sequence[ClassificationTask],
                    layer: str) -> pd.DataFrame:
    """Examine every network on every task.

    Returns
    -------
    DataFrame
        Columns ``donor, roi, hemisphere, group, kind, task, accuracy`` (0 to 1).
    """
    arguments = [(finetuned_model.run, task,
                  layer) for finetuned_model in finetuned_models for task in tasks]
    found = study.map_runs(_accuracy, arguments, "probing")
    pairs = [(finetuned_model, task) for finetuned_model in finetuned_models for task in tasks]
    return pd.DataFrame([{**finetuned_model.metadata, "task": task.name, "accuracy": accuracy}
                         for (finetuned_model, task), accuracy in zip(pairs, found)])


def _accuracy(run: FineTuningRun, task: ClassificationTask, layer: str) -> float:
    return float(fit_probe(run, task, layer)["accuracy"])


def prediction_distances(study: FineTuningStudy, finetuned_models: Sequence[FineTunedModel],
                         task: ClassificationTask, layer: str,
                         others: Sequence[PredictionBlock] = ()) -> tuple[NDArray[np.float64],
                                                                          NDArray[np.float64]]:
    """Return distances between networks' predictions, and from others to them.

    Predictions go to a file, of which a block of images is in memory at a time.

    Returns
    -------
    array, float64, shape (n_members, n_members)
    array, float64, shape (n_others, n_members)
    """
    task_accuracies(study, finetuned_models, [task], layer)  # those that are missing, side by side
    n_images, n_classes = len(task.test_idx), len(task.classes)
    ensure_writable(cache_dir())
    with TemporaryDirectory(dir=cache_dir(), prefix="predictions-") as folder:
        log_probs = open_memmap(f"{folder}/logs.npy", "w+", np.float32,
                                (len(finetuned_models), n_images, n_classes))
        for row, finetuned_model in enumerate(progress(finetuned_models, "gathering predictions")):
            log_probs[row] = fit_probe(finetuned_model.run, task, layer)["log_probs"]
        device = next(study.plan.network.model.parameters()).device
        size = len(finetuned_models), n_images, n_classes
        pairwise_distances = bhattacharyya(block_from_array(log_probs), *size, device=device)
        distances_to_others = bhattacharyya(block_from_array(log_probs), *size,
                                            others=concatenate_blocks(others),
                                  n_others=len(others), device=device) if others else np.zeros(
                                      (0, len(finetuned_models)))
        del log_probs  # some systems do not remove a file that is open
    return pairwise_distances, distances_to_others
