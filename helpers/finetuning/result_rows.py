"""Results of `helpers.finetuning.evaluate.evaluate` as rows of a table."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from helpers.core.cache import Arrays
from helpers.core.errors import LabError
from helpers.finetuning.data import CohortData, Region
from helpers.finetuning.runs import ALL, UNSEEN, FineTuningRun
from helpers.finetuning.statistics import REGION_COLUMNS

VOXEL_COLUMNS = ["donor", *REGION_COLUMNS, "condition", "seed", "voxel", "vertex_hemisphere",
                 "vertex"]
SCORE_COLUMNS = ["r", "r_all", "r_unseen", "p2"]


def find_result(result: Arrays, what: str, region: Region, prefix: str) -> NDArray | None:
    """Return a result of a region; where no held-out image was left out, both sets are one."""
    return result.get(f"{prefix}{what}/{region.label}", result.get(f"{ALL}{what}/{region.label}"))


def voxel_rows(cohort_data: CohortData, region: Region, run: FineTuningRun,
               result: Arrays) -> pd.DataFrame:
    """Return one row for each voxel of a region."""
    prefix = UNSEEN if run.has_seen(region) else ALL
    r, p2 = (find_result(result, what, region, prefix) for what in ("r", "p2"))
    r_all, r_unseen = (find_result(result, "r", region, prefix) for prefix in (ALL, UNSEEN))
    return cohort_data.voxel_table(region).assign(
        donor=run.donor, **region.columns, condition=run.condition.name, seed=run.number, r=r,
        r_all=r_all, r_unseen=r_unseen, p2=np.full(len(r), np.nan) if p2 is None else p2,
        layer=str(find_result(result, "layer", region, prefix)))[
            [*VOXEL_COLUMNS, *SCORE_COLUMNS, "noise_ceiling", "layer"]]


def require_rows(rows: list, what: str, conditions: Sequence[str]) -> list:
    """Refuse conditions for which a table would be empty."""
    if not rows:
        raise LabError(f"{', '.join(conditions)}: no {what} to report",
                       expected="bounds of contrastive conditions; r and layers of any condition "
                       "but those of fixed z", remedy="ask for other conditions")
    return rows


def average_over_splits(rows: list[dict[str, object]], values: Sequence[str]) -> pd.DataFrame:
    """Average some columns over rows that differ in nothing else."""
    names = [name for name in rows[0] if name not in values]
    return pd.DataFrame(rows).groupby(names, sort=False)[list(values)].mean().reset_index()
