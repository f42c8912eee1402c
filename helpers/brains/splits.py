"""How cohorts split their images, from the table of presentations alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from helpers.brains.cohort import Fold
from helpers.brains.files import unlike_release
from helpers.config.validation import suggest
from helpers.core.errors import LabError
from helpers.core.text import TextTable, read_table

TRIALS = 750
"""Trials of one NSD session."""
N_REPEATS = 3
MAX_SUBJECTS = 99

SPECIAL515 = {f"subj{i:02d}": n for i, n in enumerate((40, 40, 32, 30, 40, 32, 40, 30), 1)}
"""Completed sessions: 515 images were then seen three times by all participants."""
SHARED413 = {f"subj{i:02d}": n for i, n in enumerate((37, 37, 29, 27, 37, 29, 37, 27), 1)}
"""Sessions without the last three, once held back: the same rule then gives 413 images."""


def read_presentations(path: Path) -> pd.DataFrame:
    """Read ``nsd_stim_info_merged.csv``.

    Raises
    ------
    LabError
        If it is missing, lacks a column, a cell is not what its column holds, or its rows are not
        in the order of nsdId.
    """
    subjects = [f"subject{number}" for number in range(1, MAX_SUBJECTS + 1)]
    repeats = [f"{name}_rep{k}" for name in subjects for k in range(N_REPEATS)]
    table = read_table(path, ("cocoId", "nsdId", "shared1000"),
                       optional_columns=("cropBox", *subjects,
                                         *repeats), what="NSD's table of presentations")
    present = [name for name in subjects if name in table.columns or any(
        f"{name}_rep{k}" in table.columns for k in range(N_REPEATS))]
    columns = [f"{name}_rep{k}" for name in present or ["subject1"] for k in range(N_REPEATS)]
    lacking = [name for name in columns if name not in table.columns]
    if lacking:
        raise unlike_release(f"{path} has no column {lacking[0]!r}",
                             ", ".join(["cocoId", "nsdId", "shared1000", *columns]))
    # An empty cell means the same as 0 there: not shown.
    info = pd.DataFrame({**table.columns, "shared1000": table.booleans("shared1000"),
                         **{name: table.integers(name) for name in ("cocoId", "nsdId")},
                         **{name: table.integers(name, empty="0") for name in columns}})
    for start in range(0, len(columns), N_REPEATS):
        _check_trials(table, info[columns[start:start + N_REPEATS]])
    if not np.array_equal(info["nsdId"], np.arange(len(info))):
        raise LabError(f"{path}: rows that are not in the order of nsdId",
                       expected="nsdId 0, 1, 2, …, each once",
                       remedy="sort the rows by nsdId, or use the table as it was published")
    return info


def _check_trials(table: TextTable, trials: pd.DataFrame) -> None:
    """Refuse trials of one participant that are negative, or show two images."""
    values = trials.to_numpy().ravel()
    wrong = (values < 0) | (values > 0) & pd.Series(values).duplicated().to_numpy()
    if wrong.any():
        row, column = divmod(int(np.flatnonzero(wrong)[0]), trials.shape[1])
        raise unlike_release(f"{table.path}, line {table.lines[row]}: {trials.columns[column]} is "
                             f"{trials.iat[row, column]}, negative or the trial of another image",
                             "trials from 1, one image each; 0: not shown")


def presentations(info: pd.DataFrame, subject: str, n_sessions: int) -> NDArray[np.int64]:
    """Return in which trial a participant saw each image.

    Parameters
    ----------
    info : DataFrame
        ``nsd_stim_info_merged.csv``: one row per image, in the order of nsdId.
    subject : str
        ``subj01`` ...
    n_sessions : int
        Sessions that were completed.

    Returns
    -------
    array, int64, shape (n_images, 3)
        From 0; -1: not seen, or in a session that was not completed.
    """
    number = int(subject.removeprefix("subj"))
    columns = [f"subject{number}_rep{k}" for k in range(N_REPEATS)]
    trials = info[columns].to_numpy(np.int64) - 1
    trials[trials >= TRIALS * n_sessions] = -1
    return trials


def checked_sessions(n_sessions: Mapping[str, int], info: pd.DataFrame) -> Mapping[str, int]:
    """Return numbers of sessions, refusing one of a participant whom the table does not have.

    Raises
    ------
    LabError
        If there is such a participant.
    """
    present = [f"subj{number:02d}" for number in range(1, MAX_SUBJECTS + 1)
               if f"subject{number}_rep0" in info]
    for name in set(n_sessions) - set(present):
        raise LabError(f"n_sessions of {name!r}", expected=f"of {', '.join(present)}",
                       remedy=suggest(name, present) or "correct n_sessions in the profile")
    return n_sessions


def shared_images(info: pd.DataFrame, n_sessions: Mapping[str, int]) -> NDArray[np.int64]:
    """Return the shared images that all participants saw three times, as nsdIds.

    With the sessions of `SPECIAL515` and NSD's own table these are ``special515``; with those of
    `SHARED413`, the 413 that decoders were tested on (Efird et al. 2025).

    Parameters
    ----------
    info : DataFrame
        As for `presentations`.
    n_sessions : dict, subject -> int
        Sessions that each participant completed.

    Returns
    -------
    array, int64
        Increasing.
    """
    seen = info["shared1000"].to_numpy(bool)
    for subject, n in n_sessions.items():
        seen = seen & (presentations(info, subject, n) >= 0).all(1)
    return np.sort(info["nsdId"].to_numpy(np.int64)[seen])


def batches(info: pd.DataFrame, subject: str, n_sessions: int, *, n_pool: int,
            n_batches: int) -> list[NDArray[np.int64]]:
    """Split a participant's own images into batches, as published (authors' nsdorg.py).

    Images that are not shared and were seen three times, ordered by their COCO id, the first
    ``n_pool`` (published: 4,000), every ``n_batches``-th (published: 4) to each batch.

    Returns
    -------
    list of array, int64
        nsdIds, increasing (the order inside a batch has no meaning).

    Raises
    ------
    LabError
        If there are fewer than ``n_pool``, or so few that a batch is empty, or a single batch.
    """
    if not 2 <= n_batches <= n_pool:
        raise LabError(f"{n_pool} images in {n_batches} batches",
                       expected="at least two batches, none of them empty",
                       remedy="correct n_pool and n_batches in the profile (published: 4000, 4)")
    own = ~info["shared1000"].to_numpy(bool)
    own &= (presentations(info, subject, n_sessions) >= 0).all(1)
    chosen = info[own].sort_values("cocoId", kind="stable")["nsdId"].to_numpy(np.int64)
    if len(chosen) < n_pool:
        raise LabError(f"{subject} saw {len(chosen)} images of its own three times",
                       expected=f"{n_pool} or more (n_pool in the profile)",
                       remedy="lower n_pool, or fetch the missing sessions")
    return [np.sort(chosen[:n_pool][b::n_batches]) for b in range(n_batches)]


def split_fit_validation_test(conditions: NDArray[np.int64]) -> Fold:
    """Split as Mulrooney & Brockmeier (2024, authors' training scripts): 75 % fit, 10 %
    validation, 15 % test.

    The permutation is that of ``torch.utils.data.random_split`` after ``torch.manual_seed(0)``.

    Parameters
    ----------
    conditions : array, int64, shape (n_trials,)
        In the order of the files.
    """
    n = len(conditions)
    permuted = conditions[torch.randperm(n, generator=torch.Generator().manual_seed(0)).numpy()]
    fit, choose, test = map(np.sort, np.split(permuted, [int(0.75 * n), int(0.85 * n)]))
    return Fold(fit, test, ((fit, choose),))


def join(parts: Iterable[NDArray[np.int64]]) -> NDArray[np.int64]:
    """Return the conditions of several parts, increasing."""
    return np.sort(np.concatenate(list(parts)))


def leave_one_out(parts: Sequence[NDArray[np.int64]]
                  ) -> Iterator[tuple[list[NDArray[np.int64]], NDArray[np.int64]]]:
    """Yield, for each part of some conditions, the other parts and this one."""
    for k, part in enumerate(parts):
        yield [*parts[:k], *parts[k + 1:]], part
