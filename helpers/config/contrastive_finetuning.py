"""The tables of a profile about fine-tuned networks (notebooks 05 to 09): one frozen dataclass
each."""

from __future__ import annotations

from dataclasses import field, replace
from typing import Literal

from pydantic import NonNegativeInt, PositiveFloat, PositiveInt
from pydantic.dataclasses import dataclass

from helpers.config.validation import FROZEN, AtLeastTwo, Names, require
from helpers.core.errors import one_of


@dataclass(**FROZEN)
class FinetuningSpec:
    """How networks are fine-tuned to regions (notebooks 05 to 07).

    Defaults are the published ones, but for ``protocol``, ``evaluate_shared`` and
    ``min_voxels_pooled``.

    Parameters
    ----------
    network, untrained : str
        In the registry: what is fine-tuned, and the same architecture before training.
    rois : tuple of str
    layers : tuple of str
        Read-out points, in order of depth (published: eight of AlexNet).
    subjects : tuple of str
        Empty: all.
    hemispheres : {"apart", "together"}
        Whether a region of each hemisphere has a model of its own, as published.
    image_size : int
        Side of the images, px; 0: the network's own.
    max_images_per_condition : int
        Images of each condition; 0: all.
    n_train, n_test : int
        Conditions to fine-tune on and conditions held out; 0: all that the cohort has.
    n_seeds : int
        Trainings of every network: head, order of the images. Each has a seed of its own, drawn
        from its name and its number, so that no two participants share one.
    min_voxels : int
        Smaller regions are left out, and counted.
    min_voxels_pooled : int
        The same for the training of pooled networks (published: 1); 0: ``min_voxels``. Smaller
        regions than ``min_voxels`` are never evaluated.
    standardise : bool
        Responses in SD over the training conditions; by default as the cohort has them.
    n_splits : int
        Where the cohort has several folds: joined to so many; 0: all of them.
    protocol : {"nested", "P1", "P2"}
        How layer and penalty are chosen (`helpers.finetuning.ridge_cv`). Nested cross-validation is
        not in the paper: P1 is the preprint's protocol, P2 that of the authors' later code.
    evaluate_shared : {"left out", "published"}
        Held-out images that another participant's networks were fine-tuned on (images that several
        participants saw): by default they leave the scores of pooled and cross-participant models,
        and of what these are compared with; as published they count.
    epochs, regression_epochs, batch_size : int
    learning_rate, regression_learning_rate : float
        Of Adam.
    learning_rates : tuple of float
        Candidates of the search, the same for every condition.
    rate_search_scores : dict, condition -> tuple of float
        What the search found: r of each of ``learning_rates``. The best one is used. Where a
        condition is not named, nothing has been searched and ``learning_rate`` or
        ``regression_learning_rate`` is used.
    n_rate_search_regions : int
        Regions, drawn at random, that choose a learning rate (published: 30).
    temperature : float
    fixed_embedding_dim : int
        Dimensions of the embedding where it does not grow with the region (not in the paper).
    head_layer : str
        Module path of the layer that the head reads; empty: the network's output, as published.
    symmetric, learned_temperature, interleaved : bool
        Not in the paper.
    precision : {"float32", "tf32", "bfloat16"}
    checkpoints : tuple of int
        Epochs (from 1) after which weights are kept as well.
    saved_precision : {"float32", "float16"}
        Of the fine-tuned weights on disk, which all evaluations read: half takes half the space.
    """

    network: str
    untrained: str
    rois: Names
    layers: Names
    subjects: tuple[str, ...] = ()
    hemispheres: Literal["apart", "together"] = "apart"
    image_size: NonNegativeInt = 0
    max_images_per_condition: NonNegativeInt = 0
    n_train: NonNegativeInt = 0
    n_test: NonNegativeInt = 0
    n_seeds: PositiveInt = 1
    min_voxels: PositiveInt = 20
    min_voxels_pooled: NonNegativeInt = 0
    standardise: bool = False
    n_splits: NonNegativeInt = 0
    protocol: Literal["nested", "P1", "P2"] = "nested"
    evaluate_shared: Literal["left out", "published"] = "left out"
    epochs: PositiveInt = 30
    regression_epochs: PositiveInt = 75
    batch_size: AtLeastTwo = 1024
    learning_rate: PositiveFloat = 1e-4
    regression_learning_rate: PositiveFloat = 2.5e-5
    learning_rates: tuple[PositiveFloat, ...] = ()
    rate_search_scores: dict[str, tuple[float, ...]] = field(default_factory=dict)
    n_rate_search_regions: PositiveInt = 30
    temperature: PositiveFloat = 0.3
    fixed_embedding_dim: PositiveInt = 64
    head_layer: str = ""
    symmetric: bool = False
    learned_temperature: bool = False
    interleaved: bool = False
    precision: Literal["float32", "tf32", "bfloat16"] = "float32"
    checkpoints: tuple[int, ...] = ()
    saved_precision: Literal["float32", "float16"] = "float32"

    @property
    def min_voxels_in_pool(self) -> int:
        """Voxels of a region that a pooled network is fine-tuned to."""
        return self.min_voxels_pooled or self.min_voxels

    @property
    def model_hemispheres(self) -> tuple[str, ...]:
        """Hemispheres that have models of their own; "both": one for the two."""
        return ("lh", "rh") if self.hemispheres == "apart" else ("both",)

    def __post_init__(self) -> None:
        for condition, pearson_r in self.rate_search_scores.items():
            require(len(pearson_r) == len(self.learning_rates), "finetuning",
                    f"{len(self.learning_rates)} learning_rates and {len(pearson_r)} values of "
                    f"{condition!r} in rate_search_scores",
                    expected="one r for each of `learning_rates`: search again")


@dataclass(**FROZEN)
class LandscapeSpec:
    """Linear probes of fine-tuned networks, and the landscape of their predictions (notebook 08).

    Parameters
    ----------
    layer : str
        Whose features the linear probes read (published: the seventh layer's ReLU).
    tasks : dict, task -> image set
        ``set`` or ``set/part``, by the names of the profile.
    map_task : str
        Of the tasks: networks are compared by their predictions on its held-out images.
    image_size : int
        Side of the tasks' images, px; 0: the network's own, as published.
    max_images : int
        Of each task, evenly spaced in its order; 0: all.
    """

    layer: str
    tasks: dict[str, str]
    map_task: str
    image_size: NonNegativeInt = 0
    max_images: NonNegativeInt = 0

    def __post_init__(self) -> None:
        require(self.map_task in self.tasks, "landscape", f"map_task = {self.map_task!r}",
                expected=one_of(self.tasks, "one of its tasks: none named"))


@dataclass(**FROZEN)
class LateralitySpec:
    """Which half of the image networks look at (notebook 09); fine-tuned as
    [finetuning] says, but:

    Parameters
    ----------
    rois : tuple of str
        Early regions.
    shuffled_rois : tuple of str
        Of these, the regions to whose shuffled responses networks are fine-tuned as well.
    task : str
        Of the landscape's tasks: saliency is that of its classes (published: Caltech-256).
    layers : tuple of str
        Whose feature maps are weighed; the first is the published one (the fifth layer's pooling).
    subject, roi : str
        Whose networks the panel of images shows (published: subject 1, V2v).
    hemispheres : {"apart", "together"}
        Together: laterality cannot be measured, maps are only shown.
    image_size : int
        Side of the images, px, in fine-tuning and in the task; 0: as [finetuning] says, and in the
        task the network's own.
    n_seeds, n_train, epochs : int
        Trainings of every network, conditions to fine-tune on, epochs; 0: as [finetuning] says.
    """

    rois: Names
    shuffled_rois: tuple[str, ...]
    task: str
    layers: Names
    subject: str
    roi: str
    hemispheres: Literal["apart", "together"] = "apart"
    image_size: NonNegativeInt = 0
    n_seeds: NonNegativeInt = 0
    n_train: NonNegativeInt = 0
    epochs: NonNegativeInt = 0

    def __post_init__(self) -> None:
        require({self.roi, *self.shuffled_rois} <= set(self.rois), "laterality",
                f"roi = {self.roi!r} and shuffled_rois = {list(self.shuffled_rois)}",
                expected=f"some of its rois: {', '.join(self.rois)}")

    def finetuning_spec(self, spec: FinetuningSpec, learning_rate: float) -> FinetuningSpec:
        """Return how these networks are fine-tuned, at a learning rate that was chosen before."""
        own = {key: getattr(self, key) or getattr(spec, key)
               for key in ("image_size", "n_seeds", "n_train", "epochs")}
        return replace(spec, rois=self.rois, hemispheres=self.hemispheres, learning_rates=(),
                       rate_search_scores={}, learning_rate=learning_rate, **own)
