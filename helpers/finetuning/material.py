"""What a tuning is made of: pictures decoded once, regions with enough voxels, and who is held out.

All regions of a participant, all objectives and all notebooks share the decoded pictures.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torchvision.transforms import functional

from helpers.brains.cohort import Cohort, Responses
from helpers.brains.rois import TABLE
from helpers.encoding.brain_data import read_responses
from helpers.ground.cache import cached
from helpers.ground.console import progress
from helpers.ground.digest import array_digest, code_digest, modules_of
from helpers.ground.errors import LabError
from helpers.ground.tunings import FinetuningSpec
from helpers.ground.varying import centred
from helpers.similarity.noise_ceilings import ncsnr_ceiling

EARLY = ("prf-visualrois", "glasser")
DECODED_AT_ONCE = 256
MOST_KEPT = 12
"""Sets of pictures in memory at once; the eldest gives way, and is read from the cache again."""
T = TypeVar("T")


@dataclass(frozen=True, order=True)
class Region:
    """One participant's region, of one hemisphere ("lh", "rh") or of "both"."""

    subject: str
    roi: str
    hemisphere: str = "both"

    @property
    def name(self) -> str:
        """The region without the participant: "PPA", "lh PPA"."""
        return self.roi if self.hemisphere == "both" else f"{self.hemisphere} {self.roi}"

    @property
    def label(self) -> str:
        """Participant and region: "subj01/PPA"."""
        return f"{self.subject}/{self.name}"


def group_of(roi: str) -> str:
    """Return "early" for regions that receptive fields define, else "higher"."""
    return "early" if TABLE[roi].family in EARLY or roi == "EVC" else "higher"


@dataclass(frozen=True)
class Split:
    """Conditions to tune on and conditions that no tuning sees.

    Attributes
    ----------
    train, test : array, int64
        Increasing.
    search : tuple of (array, array)
        Parts of ``train``: tuned on, and judged on, where a learning rate is chosen.
    """

    train: NDArray[np.int64]
    test: NDArray[np.int64]
    search: tuple[NDArray[np.int64], NDArray[np.int64]]


@dataclass(frozen=True)
class Material:
    """A cohort, as tunings see it.

    Parameters
    ----------
    cohort : Cohort
    spec : FinetuningSpec
    side : int
        Of the pictures that the network sees, px.
    """

    cohort: Cohort
    spec: FinetuningSpec
    side: int

    @property
    def subjects(self) -> tuple[str, ...]:
        """Participants that are tuned to."""
        return self.spec.subjects or self.cohort.subjects

    @cached_property
    def pictures_key(self) -> dict[str, object]:
        """All that the pixels of an image depend on, for keys."""
        album = self.cohort.album
        return {"album": album.digest, "condition_of": array_digest(self.cohort.condition_of),
                "side": self.side,
                "code": code_digest(["helpers.finetuning.material", *modules_of(album)])}

    @cached_property
    def _kept(self) -> dict[tuple, Any]:
        """What was read or decoded already, most of all the pictures (`MOST_KEPT` sets of them)."""
        return {}

    def _once(self, key: tuple, make: Callable[[], T]) -> T:
        if key not in self._kept:
            self._kept[key] = make()
        return self._kept[key]

    def splits(self, subject: str) -> tuple[Split, ...]:
        """Return the cohort's own folds, joined to ``n_splits`` where there are more."""
        return self._once(("splits", subject), lambda: self._splits(subject))

    def _splits(self, subject: str) -> tuple[Split, ...]:
        folds = self.cohort.folds(subject)
        n = min(self.spec.n_splits or len(folds), len(folds))
        if n == 1 < len(folds):
            raise LabError(f"{len(folds)} folds joined to 1", expected="2 splits or more, or 0: "
                           "every fold by itself", remedy="correct n_splits in [finetuning]")
        everything = np.unique(np.concatenate([part for fold in folds
                                               for part in (fold.fit, fold.test, *(
                                                   p for pair in fold.validation for p in pair))]))
        found = []
        for part in np.array_split(np.arange(len(folds)), n):
            test = np.unique(np.concatenate([folds[i].test for i in part]))
            fit, choose = folds[part[0]].validation[0]
            left = _spread(np.setdiff1d(everything, test), self.spec.n_train)
            test = _spread(test, self.spec.n_test)
            found.append(Split(left, test, (np.intersect1d(fit, left),
                                            np.intersect1d(choose, left))))
        return tuple(found)

    def regions(self) -> pd.DataFrame:
        """Count the voxels of every region of every participant, and say which are left out.

        Returns
        -------
        DataFrame
            Columns ``subject, roi, hemisphere, group, n_voxels, n_used, why``; ``why`` is empty
            where the region is used.
        """
        rows = []
        for subject in progress(self.subjects, "reading responses"):
            owned = self.cohort.rois(subject)
            found = self._responses(subject) if set(owned) & set(self.spec.rois) else None
            for roi in self.spec.rois:
                for side in self.spec.sides:
                    n, used = 0, 0
                    if found is not None and roi in found.rois:
                        part = _of_side(found.of(roi), side)
                        n, used = len(part.vertex), int(self._good(subject, part).sum())
                    why = ("the participant lacks it" if not n else "" if
                           used >= self.spec.fewest_voxels else
                           f"{used} voxels that vary, fewer than {self.spec.fewest_voxels}")
                    rows.append({"subject": subject, "roi": roi, "hemisphere": side,
                                 "group": group_of(roi), "n_voxels": n, "n_used": used,
                                 "why": why})
        return pd.DataFrame(rows)

    def _responses(self, subject: str) -> Responses:
        return self._once(("responses", subject),
                          lambda: read_responses(self.cohort, subject, self.spec.rois))

    def _good(self, subject: str, part: Responses) -> NDArray[np.bool_]:
        """Tell which voxels are finite and vary over the conditions of every training."""
        good = np.ones(len(part.vertex), bool)
        for split in self.splits(subject):
            y = part.mean(split.train)
            good &= np.isfinite(y).all(0) & centred(y).any(0)
        return good

    def voxels(self, region: Region) -> Responses:
        """Return the responses of a region's voxels that vary.

        Raises
        ------
        LabError
            If the participant lacks the region, or it has too few voxels.
        """
        return self._once(("voxels", region), lambda: self._voxels(region))

    def _voxels(self, region: Region) -> Responses:
        part = _of_side(self._responses(region.subject).of(region.roi), region.hemisphere)
        found = part.select(self._good(region.subject, part), "constant or not finite")
        if len(found.vertex) < self.spec.fewest_voxels:
            raise LabError(f"{region.name} of {region.subject} has {len(found.vertex)} voxels "
                           f"that vary, of {len(part.vertex)}",
                           expected=f"{self.spec.fewest_voxels} or more",
                           remedy="leave the region out, or lower `fewest_voxels` in [finetuning]")
        return found

    def responses(self, region: Region, conditions: NDArray[np.int64],
                  train: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return mean responses (n_conditions, n_voxels), in SD over ``train`` where asked for."""
        voxels = self.voxels(region)
        y = voxels.mean(conditions)
        if self.spec.standardise:
            known = voxels.mean(train)
            y = (y - known.mean(0)) / known.std(0)
        return y.astype(np.float32)

    def ceiling(self, region: Region) -> NDArray[np.float64]:
        """Return the largest r that each voxel's noise allows on held-out pictures; NaN: unknown.

        The square root of the share of variance that is signal, from ncsnr and the repeats.
        """
        voxels = self.voxels(region)
        return np.sqrt(ncsnr_ceiling(voxels.ncsnr, voxels.betas.shape[1]))

    def pictures(self, conditions: NDArray[np.int64]) -> tuple[NDArray[np.uint8],
                                                               NDArray[np.int64]]:
        """Decode the pictures of some conditions, once; the cache later.

        Returns
        -------
        pixels : array, uint8, shape (n_pictures, 3, side, side)
            Scaled to a square without cropping, as published.
        condition : array, int64, shape (n_pictures,)
            Place of each picture's condition among ``conditions``.
        """
        key = ("pictures", conditions.tobytes())
        sets = [one for one in self._kept if one[0] == "pictures"]
        if key not in self._kept and len(sets) >= MOST_KEPT:
            del self._kept[sets[0]]
        return self._once(key, lambda: self._pictures(conditions))

    def _pictures(self, conditions: NDArray[np.int64]) -> tuple[NDArray[np.uint8],
                                                                NDArray[np.int64]]:
        shown = np.flatnonzero(np.isin(self.cohort.condition_of, conditions))
        most = self.spec.most_pictures
        if most:  # of each condition, the first ones
            order = np.argsort(self.cohort.condition_of[shown], kind="stable")
            _, first, counts = np.unique(self.cohort.condition_of[shown][order],
                                         return_index=True, return_counts=True)
            turn = np.arange(len(order)) - np.repeat(first, counts)
            shown = np.sort(shown[order][turn < most])
        pixels = cached("pixels", f"{self.cohort.name}-{self.side}px", {
            **self.pictures_key, "shown": shown.tolist()},
            lambda: {"pixels": self._decoded(shown)})["pixels"]
        return pixels, np.searchsorted(conditions, self.cohort.condition_of[shown])

    def _decoded(self, shown: Sequence[int]) -> NDArray[np.uint8]:
        def square(image) -> torch.Tensor:
            return functional.pil_to_tensor(functional.resize(image, [self.side, self.side],
                                                              antialias=True))

        parts = [shown[i:i + DECODED_AT_ONCE] for i in range(0, len(shown), DECODED_AT_ONCE)]
        return np.concatenate([batch.numpy() for batch in progress(
            self.cohort.album.batches(parts, square), "decoding pictures", len(parts))])


def _spread(conditions: NDArray[np.int64], n: int) -> NDArray[np.int64]:
    """Keep ``n`` conditions (0: all), evenly spaced in their order."""
    if not 0 < n < len(conditions):
        return conditions
    return conditions[np.arange(n) * len(conditions) // n]


def _of_side(part: Responses, hemisphere: str) -> Responses:
    return part if hemisphere == "both" else part.select(part.hemisphere == hemisphere)
