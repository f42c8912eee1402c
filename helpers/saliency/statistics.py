"""Many networks measured: which side each prefers, and what the images themselves add."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from helpers.core.statistics import confidence_interval
from helpers.finetuning.runs import FineTunedModel
from helpers.finetuning.study import FineTuningStudy
from helpers.landscape.classification import ClassificationTask
from helpers.saliency.laterality import split_bias_and_content
from helpers.saliency.study import VIEWS, measure_laterality


def laterality_table(study: FineTuningStudy, finetuned_models: Sequence[FineTunedModel],
                     task: ClassificationTask, layer: str,
                     layers: Sequence[str]) -> pd.DataFrame:
    """Measure every network.

    Returns
    -------
    DataFrame
        One row a network and measure: ``donor, roi, hemisphere, group, kind, measure``, means
        over images ``original, mirrored`` (both by halves of the frame), ``bias, content``
        (`split_bias_and_content`), the 95 % interval of the bias over images ``low, high``, and
        ``n`` images.
    """
    found = study.map_runs(measure_laterality, [(finetuned_model.run, task, layer, tuple(layers))
                                                for finetuned_model in finetuned_models],
                           "measuring saliency")
    rows = []
    for finetuned_model, done in zip(finetuned_models, found):
        for measure in dict.fromkeys(name.rsplit("/", 1)[0] for name in done):
            both = np.stack([done[f"{measure}/{view}"] for view in VIEWS])
            both = both[:, np.isfinite(both).all(0)]
            n = both.shape[1]
            means = both.mean(1) if n else np.full(2, np.nan)
            bias, content = split_bias_and_content(*means)
            low, high = confidence_interval(split_bias_and_content(*both)[0])
            rows.append({**finetuned_model.metadata, "measure": measure, **dict(zip(VIEWS, means)),
                         "bias": bias, "content": content, "low": low, "high": high, "n": n})
    return pd.DataFrame(rows)
