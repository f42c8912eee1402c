"""The data of fine-tuning: regions with enough voxels, splits of the conditions, decoded images.

All regions of a participant, all objectives and all notebooks share the decoded images.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, wraps
from itertools import product
from typing import Any
from uuid import uuid4

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from torchvision.transforms import functional

from helpers.brains.cohort import Cohort, Responses
from helpers.brains.reliability import ncsnr_noise_ceiling
from helpers.brains.rois import TABLE
from helpers.config.contrastive_finetuning import FinetuningSpec
from helpers.core.cache import cached
from helpers.core.console import progress
from helpers.core.constant_values import subtract_mean
from helpers.core.digest import array_digest, code_digest, defining_modules
from helpers.core.errors import LabError
from helpers.encoding.cohort_responses import read_responses, used_conditions
from helpers.stimuli.image_source import ImageSource

EARLY_FAMILIES = ("prf-visualrois", "glasser")
DECODE_BATCH_SIZE = 256
MEMORY_BUDGET = 2**32
"""Bytes of images and responses that a process holds; beyond it the least recently used are dropped
and read from the cache again. One participant's images have 1.4 GB at the published size."""
MAX_COHORTS = 4
"""Cohorts that a worker process keeps; the one opened first is dropped."""


def _memoised(method: Callable[..., Any]) -> Callable[..., Any]:
    """Keep the results of a method of `CohortData` in memory, up to `MEMORY_BUDGET`."""
    @wraps(method)
    def call(self: CohortData, *args: Any) -> Any:
        key = (method.__name__, *(one.tobytes() if isinstance(one, np.ndarray) else one
                                  for one in args))
        memory = self._memory
        if key in memory:
            memory[key] = memory.pop(key)
            return memory[key]
        memory[key] = found = method(self, *args)
        sizes = {old: n for old, value in memory.items() if (n := _n_bytes(value))}
        excess = sum(sizes.values()) - MEMORY_BUDGET
        for old, n in sizes.items():
            if excess > 0 and old != key:
                del memory[old]
                excess -= n
        return found

    return call


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

    @property
    def columns(self) -> dict[str, str]:
        """The region as columns of a table: ``subject, roi, hemisphere, group``."""
        return {"subject": self.subject, "roi": self.roi, "hemisphere": self.hemisphere,
                "group": region_group(self.roi)}


def region_group(roi: str) -> str:
    """Return "early" for regions defined by receptive fields, else "higher"."""
    return "early" if TABLE[roi].family in EARLY_FAMILIES or roi == "EVC" else "higher"


@dataclass(frozen=True)
class StimulusSplit:
    """Conditions for fine-tuning and held-out conditions.

    Attributes
    ----------
    train, test : array, int64
        Increasing.
    rate_search : tuple of (array, array)
        Parts of ``train``: for fine-tuning and for evaluation while a learning rate is searched.
    """

    train: NDArray[np.int64]
    test: NDArray[np.int64]
    rate_search: tuple[NDArray[np.int64], NDArray[np.int64]]


@dataclass(frozen=True)
class CohortData:
    """A cohort's responses and images, at the size that a profile names.

    Parameters
    ----------
    cohort : Cohort
    spec : FinetuningSpec
    image_size : int
        Side of the networks' input images, px.
    """

    cohort: Cohort
    spec: FinetuningSpec
    image_size: int
    token: str = field(init=False, repr=False, compare=False, default_factory=lambda: uuid4().hex)

    def __reduce__(self):
        """Pickle without what is in memory; a worker process reads for itself, once for all."""
        return _open_in_worker, (self.token, self.cohort, self.spec, self.image_size)

    @property
    def subjects(self) -> tuple[str, ...]:
        """Participants to whose responses networks are fine-tuned."""
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
        """Results of `_memoised` methods, the least recently used first."""
        return {}

    # ---- splits -------------------------------------------------------------------------------

    @_memoised
    def splits(self, subject: str) -> tuple[StimulusSplit, ...]:
        """Return the cohort's own folds, joined to ``n_splits`` where there are more."""
        folds = self.cohort.folds(subject)
        n = min(self.spec.n_splits or len(folds), len(folds))
        if n == 1 < len(folds):
            raise LabError(f"{len(folds)} folds joined to 1", expected="2 splits or more, or 0: "
                           "every fold by itself", remedy="correct n_splits in [finetuning]")
        all_ids, splits = used_conditions(folds), []
        for part in np.array_split(np.arange(len(folds)), n):
            test = np.unique(np.concatenate([folds[i].test for i in part]))
            fit, validate = folds[part[0]].validation[0]
            train = _evenly_spaced(np.setdiff1d(all_ids, test), self.spec.n_train)
            splits.append(StimulusSplit(
                train, _evenly_spaced(test, self.spec.n_test),
                (np.intersect1d(fit, train), np.intersect1d(validate, train))))
        return tuple(splits)

    def seen_by_others(self, subject: str, split: int) -> NDArray[np.int64]:
        """Return the held-out conditions on which another participant's network is fine-tuned."""
        others = [self.splits(other)[split].train for other in self.subjects if other != subject]
        return np.intersect1d(self.splits(subject)[split].test,
                              np.concatenate([np.zeros(0, np.int64), *others]))

    def unseen(self, subject: str, split: int) -> NDArray[np.int64]:
        """Return the held-out conditions that are not `seen_by_others`.

        All held-out conditions, where ``evaluate_shared`` is "published".
        """
        test = self.splits(subject)[split].test
        published = self.spec.evaluate_shared == "published"
        return test if published else np.setdiff1d(test, self.seen_by_others(subject, split))

    def shared_images(self) -> pd.DataFrame:
        """Count held-out conditions: ``subject, split, held_out, seen_by_others, left_out``.

        The last are those that are not `unseen`.
        """
        return pd.DataFrame([{"subject": subject, "split": number, "held_out": len(split.test),
                              "seen_by_others": len(self.seen_by_others(subject, number)),
                              "left_out": len(split.test) - len(self.unseen(subject, number))}
                             for subject in self.subjects
                             for number, split in enumerate(self.splits(subject))])

    # ---- responses ----------------------------------------------------------------------------

    def region_table(self) -> pd.DataFrame:
        """Count the voxels of every region of every participant, and say which are excluded.

        Returns
        -------
        DataFrame
            Columns ``subject, roi, hemisphere, group, n_voxels, n_valid_voxels,
            excluded_because``; the last is empty where the region is used.
        """
        spec, rows = self.spec, []
        for subject in progress(self.subjects, "reading responses"):
            available = (self._responses(subject).rois
                         if set(self.cohort.rois(subject)) & set(spec.rois) else ())
            for roi, hemisphere in product(spec.rois, spec.model_hemispheres):
                region = Region(subject, roi, hemisphere)
                valid = self._voxels_and_validity(region)[1] if roi in available else []
                n, n_valid, excluded_because = len(valid), int(np.sum(valid)), ""
                if not n:
                    excluded_because = "the participant lacks it"
                elif n_valid < spec.min_voxels:
                    excluded_because = (f"{n_valid} voxels that vary, fewer than {spec.min_voxels}"
                                        + "; in pooled training alone" * (
                                            n_valid >= spec.min_voxels_in_pool))
                rows.append({**region.columns, "n_voxels": n, "n_valid_voxels": n_valid,
                             "excluded_because": excluded_because})
        return pd.DataFrame(rows)

    @_memoised
    def _responses(self, subject: str) -> Responses:
        return read_responses(self.cohort, subject, self.spec.rois)

    def _voxels_and_validity(self, region: Region) -> tuple[Responses, NDArray[np.bool_]]:
        """Return a region's voxels; and which are finite and vary over each training set."""
        part = self._responses(region.subject).of(region.roi)
        if region.hemisphere != "both":
            part = part.select(part.hemisphere == region.hemisphere)
        valid = np.ones(len(part.vertex), bool)
        for split in self.splits(region.subject):
            y = part.mean(split.train)
            valid &= np.isfinite(y).all(0) & subtract_mean(y).any(0)
        return part, valid

    @_memoised
    def voxels(self, region: Region) -> Responses:
        """Return the responses of a region's voxels that vary.

        Raises
        ------
        LabError
            If the participant lacks the region, or it has too few voxels.
        """
        part, valid = self._voxels_and_validity(region)
        min_voxels = min(self.spec.min_voxels, self.spec.min_voxels_in_pool)
        if valid.sum() < min_voxels:
            raise LabError(f"{region.name} of {region.subject} has {valid.sum()} voxels "
                           f"that vary, of {len(part.vertex)}",
                           expected=f"{min_voxels} or more",
                           remedy="leave the region out, or lower `min_voxels` in [finetuning]")
        return part.select(valid, "constant or not finite")

    @_memoised
    def voxel_table(self, region: Region) -> pd.DataFrame:
        """Describe a region's voxels.

        Returns
        -------
        DataFrame
            Columns ``voxel, vertex_hemisphere, vertex`` and ``noise_ceiling``: the largest r that
            the voxel's noise allows on held-out images, the square root of the fraction of its
            variance that is signal, from ncsnr and the number of repeats; NaN where it is unknown.
        """
        voxels = self.voxels(region)
        ceiling = np.sqrt(ncsnr_noise_ceiling(voxels.ncsnr, voxels.betas.shape[1]))
        return pd.DataFrame({"voxel": np.arange(len(ceiling)),
                             "vertex_hemisphere": voxels.hemisphere.astype(object),
                             "vertex": voxels.vertex, "noise_ceiling": ceiling})

    def responses(self, region: Region, stimulus_ids: NDArray[np.int64],
                  train: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return mean responses (n_conditions, n_voxels); in SD over ``train`` if standardised."""
        voxels = self.voxels(region)
        y = voxels.mean(stimulus_ids)
        if self.spec.standardise:
            train_responses = voxels.mean(train)
            y = (y - train_responses.mean(0)) / train_responses.std(0)
        return y.astype(np.float32)

    # ---- images -------------------------------------------------------------------------------

    def images(self, stimulus_ids: NDArray[np.int64]) -> tuple[LazyImages, NDArray[np.int64]]:
        """Return the images of some conditions.

        Returns
        -------
        images : LazyImages
        condition : array, int64, shape (n_images,)
            Place of each image's condition among ``stimulus_ids``.
        """
        image_ids = np.flatnonzero(np.isin(self.cohort.condition_of, stimulus_ids))
        max_images = self.spec.max_images_per_condition
        if max_images:  # of each condition, the first ones
            conditions = pd.Series(self.cohort.condition_of[image_ids])
            occurrence = conditions.groupby(conditions).cumcount().to_numpy()
            image_ids = image_ids[occurrence < max_images]
        return (LazyImages(self, image_ids),
                np.searchsorted(stimulus_ids, self.cohort.condition_of[image_ids]))

    @_memoised
    def pixels(self, image_ids: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Decode images, scaled to a square without cropping, as published; the cache later.

        Returns an array, uint8, shape (n_images, 3, image_size, image_size).
        """
        def to_square_tensor(image):
            size = [self.image_size, self.image_size]
            return functional.pil_to_tensor(functional.resize(image, size, antialias=True))

        return cached("pixels", f"{self.cohort.name}-{self.image_size}px",
                      {**self.images_key, "image_ids": image_ids.tolist()},
                      lambda: {"pixels": decode_images(self.cohort.stimuli, image_ids,
                                                       to_square_tensor, "decoding images")}
                      )["pixels"]


@dataclass(frozen=True, eq=False)
class LazyImages:
    """Images of a cohort, read when they are first indexed.

    Attributes
    ----------
    cohort_data : CohortData
    image_ids : array, int64, shape (n_images,)
    """

    cohort_data: CohortData
    image_ids: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.image_ids)

    def __getitem__(self, rows) -> NDArray[np.uint8]:
        return self.cohort_data.pixels(self.image_ids)[rows]


def decode_images(images: ImageSource, image_ids: Sequence[int], transform: Callable,
                  label: str) -> NDArray[np.uint8]:
    """Decode and transform images, uint8 (n_images, 3, height, width), with a progress bar."""
    parts = [image_ids[i:i + DECODE_BATCH_SIZE]
             for i in range(0, len(image_ids), DECODE_BATCH_SIZE)]
    return np.concatenate([batch.numpy() for batch in progress(
        images.batches(parts, transform), label, len(parts))])


_opened: dict[str, CohortData] = {}


def _open_in_worker(token: str, *parameters: Any) -> CohortData:
    """Return the same object for all that one `CohortData` is sent to this process with."""
    if token not in _opened:
        if len(_opened) >= MAX_COHORTS:
            del _opened[next(iter(_opened))]
        _opened[token] = CohortData(*parameters)
    return _opened[token]


def _n_bytes(value: object) -> int:
    """Return the size of images or responses; 0 for anything small."""
    return value.betas.nbytes if isinstance(value, Responses) else getattr(value, "nbytes", 0)


def _evenly_spaced(stimulus_ids: NDArray[np.int64], n: int) -> NDArray[np.int64]:
    """Return ``n`` conditions (0: all), evenly spaced in their order."""
    if not 0 < n < len(stimulus_ids):
        return stimulus_ids
    return stimulus_ids[np.arange(n) * len(stimulus_ids) // n]
