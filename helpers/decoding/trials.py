"""Single trials of a participant's reliable voxels, split by image.

Voxels are selected from the whole brain by their noise ceiling in training trials
(Efird et al. 2024, Methods: data).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from helpers.brains.cohort import Cohort, Responses
from helpers.brains.reliability import ncsnr, ncsnr_noise_ceiling
from helpers.core.errors import LabError

MIN_REPEATS = 3
"""Repeats of an image that enter the noise ceiling; further ones are ignored."""
Conditions = NDArray[np.int64]


@dataclass(frozen=True)
class TrialSplit:
    """Training, validation and test conditions: increasing, disjoint."""

    train: Conditions
    validation: Conditions
    test: Conditions


def splits(cohort: Cohort, responses: Responses, *, n_test: int, n_validation: int,
           seed: int) -> tuple[TrialSplit, ...]:
    """Split a participant's conditions into training, validation and test.

    Test images are those that all participants saw in all repeats, complemented by images that
    only this participant saw; validation images are further ones of the latter; all others are
    for training, shared images among them that not all saw in all repeats (official code,
    nsd-data_preparation.ipynb). Where a cohort has published folds instead, each is the test set
    once, and the next one the validation set.

    Parameters
    ----------
    cohort : Cohort
    responses : Responses
    n_test, n_validation : int
        1,000 each in the paper.
    seed : int
        The authors' draw depends on the order of a Python set and cannot be reproduced.

    Raises
    ------
    LabError
        If there are too few images with all their repeats.
    """
    folds, seen = cohort.folds(responses.subject), responses.conditions
    if len(folds) > 1:
        sets = [test for fold in folds if len(test := np.intersect1d(fold.test, seen))]
        return tuple(_split(seen, *pair) for pair in zip([*sets[1:], sets[0]], sets))
    whole = seen[~np.isnan(responses.betas[..., 0]).any(1)]
    shared = np.random.default_rng(seed).permutation(np.intersect1d(folds[0].test, seen))[:n_test]
    own = np.random.default_rng([seed, 1]).permutation(
        np.setdiff1d(whole, np.union1d(folds[0].test, cohort.shown_to_all())))
    n_own = n_test - len(shared)
    if len(own) < n_own + n_validation + 1:
        raise LabError(f"{responses.subject}: {len(own)} images of its own with all repeats",
                       expected=f"more than {n_own + n_validation}, for test and validation",
                       remedy="lower n_test or n_validation in the table [decoding]")
    return (_split(seen, np.sort(own[n_own:n_own + n_validation]),
                   np.sort(np.concatenate([shared, own[:n_own]]))),)


def _split(conditions: Conditions, validation: Conditions, test: Conditions) -> TrialSplit:
    """Return a split in which all other conditions are for training."""
    return TrialSplit(np.setdiff1d(conditions, np.union1d(validation, test)), validation, test)


def noise_ceiling(betas: NDArray) -> NDArray[np.float64]:
    """Return the noise ceiling: the explainable variance of single trials, in per cent.

    Noise variance: over the first three repeats of an image (ddof 1), averaged over images with
    three repeats. Signal variance: 1 minus that, at least 0, since betas have unit variance. With
    ncsnr the ratio of the two standard deviations, 100 ncsnr² / (ncsnr² + 1) (Methods: data).

    Parameters
    ----------
    betas : array, float, shape (n_images, n_repeats, n_voxels)
        z-scored; NaN where an image was shown less often.

    Raises
    ------
    LabError
        If fewer than two images have three repeats.
    """
    whole = betas[:, :MIN_REPEATS]
    whole = whole[~np.isnan(whole[..., 0]).any(1)]
    if whole.shape[1] < MIN_REPEATS or len(whole) < 2:
        raise LabError("fewer than two training images with three repeats", expected="some",
                       remedy="lower n_test or n_validation: more images are for training then")
    return 100 * ncsnr_noise_ceiling(np.nan_to_num(ncsnr(whole)), 1)


@dataclass(frozen=True)
class Trials:
    """Single trials of the selected voxels.

    Attributes
    ----------
    subject : str
    responses : array, float32, shape (n_trials, n_voxels)
    condition : array, int64, shape (n_trials,)
    splits : tuple of TrialSplit
    hemisphere, vertex : arrays, shape (n_voxels,)
    ceiling : array, float64, shape (n_voxels,)
        Noise ceiling in per cent; NaN where nothing was repeated.
    members : dict, ROI -> bool, shape (n_voxels,)
    n_considered : int
        Voxels among which these were selected.
    bound : float
        Lower limit of the ncsnr in the files.
    """

    subject: str
    responses: NDArray[np.float32]
    condition: NDArray[np.int64]
    splits: tuple[TrialSplit, ...]
    hemisphere: NDArray[np.str_]
    vertex: NDArray[np.int64]
    ceiling: NDArray[np.float64]
    members: Mapping[str, NDArray[np.bool_]]
    n_considered: int
    bound: float

    def of(self, conditions: Conditions) -> NDArray[np.int64]:
        """Return the trials of the given conditions, increasing."""
        return np.flatnonzero(np.isin(self.condition, conditions))

    def select(self, conditions: Conditions) -> tuple[NDArray[np.float32], Conditions]:
        """Return single-trial responses to the given conditions, and the condition of each."""
        rows = self.of(conditions)
        return self.responses[rows], self.condition[rows]

    def in_regions(self, names: Iterable[str]) -> NDArray[np.bool_]:
        """Tell which voxels lie in some regions, those that the participant has."""
        masks = [self.members[name] for name in names if name in self.members]
        return np.any(masks, axis=0) & np.ones(len(self.vertex), bool)

    def means(self, conditions: Conditions) -> NDArray[np.float32]:
        """Return mean responses over repeats, (n_conditions, n_voxels)."""
        responses, condition = self.select(conditions)
        place = np.searchsorted(conditions, condition)
        member = csr_array((np.ones(len(place)), (place, np.arange(len(place)))),
                           shape=(len(conditions), len(place)))
        total = member @ responses.astype(np.float64)
        return (total / np.bincount(place, minlength=len(conditions))[:, None]).astype(np.float32)


def read_trials(cohort: Cohort, subject: str, known: Conditions, *, min_noise_ceiling: float,
                n_test: int, n_validation: int, seed: int) -> Trials:
    """Read a participant's single trials, split them, and select voxels.

    The ncsnr in the files, which is from all trials, serves only to save memory: voxels whose
    noise ceiling is less than half of the minimum are not read. Where nothing was repeated, all
    voxels are selected.

    Parameters
    ----------
    cohort : Cohort
    subject : str
    known : array, int
        Conditions that have an embedding; all others are ignored.
    min_noise_ceiling : float
        Voxels above this noise ceiling are selected, in per cent (8 in the paper).
    n_test, n_validation, seed : int
        Of `splits`.

    Raises
    ------
    LabError
        If no voxel is selected.
    """
    half = min_noise_ceiling / 200
    bound = float(np.sqrt(half / (1 - half)))
    responses = cohort.whole_brain(subject, bound).select_conditions(known)
    parts = splits(cohort, responses, n_test=n_test, n_validation=n_validation, seed=seed)
    n_considered = responses.betas.shape[2]
    ceiling = np.full(n_considered, np.nan)
    if responses.betas.shape[1] >= MIN_REPEATS and len(parts) == 1:
        ceiling = noise_ceiling(responses.betas[responses.rows(parts[0].train)])
    selected = ~(ceiling <= min_noise_ceiling)
    if not selected.any():
        raise LabError(f"{subject}: no voxel of {n_considered} has a noise ceiling above "
                       f"{min_noise_ceiling:g} %", expected="some",
                       remedy="lower min_noise_ceiling in the table [decoding], or leave "
                       "this participant out")
    responses = responses.select(selected)
    presented = ~np.isnan(responses.betas[..., 0])
    condition = np.broadcast_to(responses.conditions[:, None], presented.shape)[presented]
    return Trials(subject, responses.betas[presented], condition, parts, responses.hemisphere,
                  responses.vertex, ceiling[selected], dict(responses.members), n_considered, bound)
