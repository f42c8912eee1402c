"""What a tuning is made of: images decoded once, regions with enough voxels, and who is held out.

All regions of a participant, all objectives and all notebooks share the decoded images.
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
from helpers.config.contrastive_finetuning import FinetuningSpec
from helpers.core.cache import cached
from helpers.core.console import progress
from helpers.core.constant_values import subtract_mean
from helpers.core.digest import array_digest, code_digest, defining_modules
from helpers.core.errors import LabError
from helpers.encoding.cohort_responses import read_responses
from helpers.rsa.noise_ceilings import ncsnr_noise_ceiling

EARLY_FAMILIES = ("prf-visualrois", "glasser")
DECODE_BATCH_SIZE = 256
MAX_IMAGE_SETS = 12
"""Sets of images in memory at once; the eldest gives way, and is read from the cache again."""
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


def region_group(roi: str) -> str:
    """Return "early" for regions that receptive fields define, else "higher"."""
    return "early" if TABLE[roi].family in EARLY_FAMILIES or roi == "EVC" else "higher"


@dataclass(frozen=True)
class StimulusSplit:
    """Conditions to tune on and conditions that no tuning sees.

    Attributes
    ----------
    train, test : array, int64
        Increasing.
    rate_search : tuple of (array, array)
        Parts of ``train``: fine-tuned on, and judged on, where a learning rate is chosen.
    """

    train: NDArray[np.int64]
    test: NDArray[np.int64]
    rate_search: tuple[NDArray[np.int64], NDArray[np.int64]]


@dataclass(frozen=True)
class CohortData:
    """A cohort, as tunings see it.

    Parameters
    ----------
    cohort : Cohort
    spec : FinetuningSpec
    side : int
        Of the images that the network sees, px.
    """

    cohort: Cohort
    spec: FinetuningSpec
    image_size: int

    @property
    def subjects(self) -> tuple[str, ...]:
        """Participants that are fine-tuned to."""
        return self.spec.subjects or self.cohort.subjects

    @cached_property
    def images_key(self) -> dict[str, object]:
        """All that the pixels of an image depend on, for keys."""
        stimuli = self.cohort.stimuli
        return {"album": stimuli.digest, "condition_of": array_digest(self.cohort.condition_of),
                "side": self.image_size,
                "code": code_digest(["helpers.finetuning.data", *defining_modules(stimuli)])}

    @cached_property
    def _memory(self) -> dict[tuple, Any]:
        """What was read or decoded already, most of all the images (`MAX_IMAGE_SETS` sets of
        them)."""
        return {}

    def _memoise(self, key: tuple, make: Callable[[], T]) -> T:
        if key not in self._memory:
            self._memory[key] = make()
        return self._memory[key]

    def splits(self, subject: str) -> tuple[StimulusSplit, ...]:
        """Return the cohort's own folds, joined to ``n_splits`` where there are more."""
        return self._memoise(("splits", subject), lambda: self._splits(subject))

    def _splits(self, subject: str) -> tuple[StimulusSplit, ...]:
        folds = self.cohort.folds(subject)
        n = min(self.spec.n_splits or len(folds), len(folds))
        if n == 1 < len(folds):
            raise LabError(f"{len(folds)} folds joined to 1", expected="2 splits or more, or 0: "
                           "every fold by itself", remedy="correct n_splits in [finetuning]")
        all_ids = np.unique(np.concatenate([part for fold in folds
                                            for part in (fold.fit, fold.test, *(
                                                p for pair in fold.validation for p in pair))]))
        found = []
        for part in np.array_split(np.arange(len(folds)), n):
            test = np.unique(np.concatenate([folds[i].test for i in part]))
            fit, choose = folds[part[0]].validation[0]
            train = _evenly_spaced(np.setdiff1d(all_ids, test), self.spec.n_train)
            test = _evenly_spaced(test, self.spec.n_test)
            found.append(StimulusSplit(train, test, (np.intersect1d(fit, train),
                                                     np.intersect1d(choose, train))))
        return tuple(found)

    def regions(self) -> pd.DataFrame:
        """Count the voxels of every region of every participant, and say which are left out.

        Returns
        -------
        DataFrame
            Columns ``subject, roi, hemisphere, group, n_voxels, n_used, excluded_because``;
            ``excluded_because`` is empty where the region is used.
        """
        rows = []
        for subject in progress(self.subjects, "reading responses"):
            available_rois = self.cohort.rois(subject)
            found = self._responses(subject) if set(available_rois) & set(self.spec.rois) else None
            for roi in self.spec.rois:
                for side in self.spec.model_hemispheres:
                    n, used = 0, 0
                    if found is not None and roi in found.rois:
                        part = _select_hemisphere(found.of(roi), side)
                        n, used = len(part.vertex), int(self._finite_and_varying(subject,
                                                                                 part).sum())
                    excluded_because = ("the participant lacks it" if not n else "" if
                                        used >= self.spec.min_voxels else
                           f"{used} voxels that vary, fewer than {self.spec.min_voxels}")
                    rows.append({"subject": subject, "roi": roi, "hemisphere": side,
                                 "group": region_group(roi), "n_voxels": n, "n_valid_voxels": used,
                                 "excluded_because": excluded_because})
        return pd.DataFrame(rows)

    def _responses(self, subject: str) -> Responses:
        return self._memoise(("responses", subject),
                             lambda: read_responses(self.cohort, subject, self.spec.rois))

    def _finite_and_varying(self, subject: str, part: Responses) -> NDArray[np.bool_]:
        """Tell which voxels are finite and vary over the conditions of every training."""
        valid = np.ones(len(part.vertex), bool)
        for split in self.splits(subject):
            y = part.mean(split.train)
            valid &= np.isfinite(y).all(0) & subtract_mean(y).any(0)
        return valid

    def voxels(self, region: Region) -> Responses:
        """Return the responses of a region's voxels that vary.

        Raises
        ------
        LabError
            If the participant lacks the region, or it has too few voxels.
        """
        return self._memoise(("voxels", region), lambda: self._voxels(region))

    def _voxels(self, region: Region) -> Responses:
        part = _select_hemisphere(self._responses(region.subject).of(region.roi), region.hemisphere)
        found = part.select(self._finite_and_varying(region.subject, part),
                            "constant or not finite")
        if len(found.vertex) < self.spec.min_voxels:
            raise LabError(f"{region.name} of {region.subject} has {len(found.vertex)} voxels "
                           f"that vary, of {len(part.vertex)}",
                           expected=f"{self.spec.min_voxels} or more",
                           remedy="leave the region out, or lower `min_voxels` in [finetuning]")
        return found

    def responses(self, region: Region, stimulus_ids: NDArray[np.int64],
                  train: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return mean responses (n_conditions, n_voxels), in SD over ``train`` where asked for."""
        voxels = self.voxels(region)
        y = voxels.mean(stimulus_ids)
        if self.spec.standardise:
            train_responses = voxels.mean(train)
            y = (y - train_responses.mean(0)) / train_responses.std(0)
        return y.astype(np.float32)

    def noise_ceiling(self, region: Region) -> NDArray[np.float64]:
        """Return the largest r that each voxel's noise allows on held-out images; NaN: unknown.

        The square root of the fraction of variance that is signal, from ncsnr and the repeats.
        """
        voxels = self.voxels(region)
        return np.sqrt(ncsnr_noise_ceiling(voxels.ncsnr, voxels.betas.shape[1]))

    def load_images(self, stimulus_ids: NDArray[np.int64]) -> tuple[NDArray[np.uint8],
                                                                    NDArray[np.int64]]:
        """Decode the images of some conditions, once; the cache later.

        Returns
        -------
        pixels : array, uint8, shape (n_images, 3, side, side)
            Scaled to a square without cropping, as published.
        condition : array, int64, shape (n_images,)
            Place of each image's condition among ``stimulus_ids``.
        """
        key = ("images", stimulus_ids.tobytes())
        sets = [one for one in self._memory if one[0] == "images"]
        if key not in self._memory and len(sets) >= MAX_IMAGE_SETS:
            del self._memory[sets[0]]
        return self._memoise(key, lambda: self._images(stimulus_ids))

    def _images(self, stimulus_ids: NDArray[np.int64]) -> tuple[NDArray[np.uint8],
                                                                NDArray[np.int64]]:
        image_ids = np.flatnonzero(np.isin(self.cohort.condition_of, stimulus_ids))
        max_images = self.spec.max_images_per_condition
        if max_images:  # of each condition, the first ones
            by_condition = np.argsort(self.cohort.condition_of[image_ids], kind="stable")
            _, first, counts = np.unique(self.cohort.condition_of[image_ids][by_condition],
                                         return_index=True, return_counts=True)
            occurrence = np.arange(len(by_condition)) - np.repeat(first, counts)
            image_ids = np.sort(image_ids[by_condition][occurrence < max_images])
        pixels = cached("pixels", f"{self.cohort.name}-{self.image_size}px", {
            **self.images_key, "image_ids": image_ids.tolist()},
                        lambda: {"pixels": self._decode(image_ids)})["pixels"]
        return pixels, np.searchsorted(stimulus_ids, self.cohort.condition_of[image_ids])

    def _decode(self, image_ids: Sequence[int]) -> NDArray[np.uint8]:
        def to_square_tensor(image) -> torch.Tensor:
            return functional.pil_to_tensor(functional.resize(image,
                                                              [self.image_size, self.image_size],
                                                              antialias=True))

        parts = [image_ids[i:i + DECODE_BATCH_SIZE] for i in range(0, len(image_ids),
                                                                   DECODE_BATCH_SIZE)]
        return np.concatenate([batch.numpy() for batch in progress(
            self.cohort.stimuli.batches(parts, to_square_tensor), "decoding images", len(parts))])


def _evenly_spaced(stimulus_ids: NDArray[np.int64], n: int) -> NDArray[np.int64]:
    """Keep ``n`` conditions (0: all), evenly spaced in their order."""
    if not 0 < n < len(stimulus_ids):
        return stimulus_ids
    return stimulus_ids[np.arange(n) * len(stimulus_ids) // n]


def _select_hemisphere(part: Responses, hemisphere: str) -> Responses:
    return part if hemisphere == "both" else part.select(part.hemisphere == hemisphere)
