"""Networks of one architecture, trained on the same images with different supervision.

Labels, labels of objects alone, captions, what captions mean, other images' captions, nothing at
all. Networks of one seed begin with the same weights and see the same images in the same order,
through the same views (but those that are reported nothing, which need stronger ones). What each
was at some of its steps is kept until it is measured: what depends on images alone goes into
``emergence.csv``, and the RDMs of its layers, which any brain that saw the same images can be
compared with, into ``<name>-rdms.safetensors``.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from filelock import FileLock
from torch import Tensor, nn

from data.zoo import clip_training
from data.zoo.training import (
    N_FIRST_STEPS,
    STRONG_AUGMENTATION,
    evaluate_probes,
    extract_features,
    n_images_per_class_to_reproduce,
    read_diet,
    round_losses,
    save_network,
    show_progress,
    weights_path,
)
from helpers import lab
from helpers.brains.cohort import Cohort
from helpers.brains.layouts import open_cohort
from helpers.config.profile import Profile
from helpers.core.errors import LabError
from helpers.core.paths import atomic_write, cache_dir, zoo_dir
from helpers.matched_models.block_statistics import measure_blocks, with_block_layers
from helpers.matched_models.study import MatchedModelsStudy
from helpers.matched_models.training_dynamics import (
    RECORDED_COLUMNS,
    block_rdms,
    measure_selectivity,
    rdm_file,
    recorded_conditions,
    write_checkpoint_rdms,
)
from helpers.networks.architectures import build
from helpers.networks.network import load_network
from helpers.networks.registry import get_entry, seed_names
from helpers.networks.weights import save_state_dict
from helpers.stimuli.image_sets import CORE, ImageSet
from helpers.stimuli.in_memory import Images
from helpers.training.captioned_images import MIN_WORD_COUNT, CaptionedImages, train_clip
from helpers.training.loop import StepCallback, TrainingHistory, TrainingRecipe, train
from helpers.training.processes import describe_platform, process_rank
from helpers.training.text_embedding_targets import text_embedding_targets

SIZE = 64
WEAK_AUGMENTATION = replace(clip_training.WEAK_AUGMENTATION, size=SIZE, crop_scale=(0.4, 1.0))
SHARED_SETTINGS = {"epochs": 16, "batch_size": 128, "learning_rate": 2e-3, "weight_decay": 1e-2}
RECIPES = {
    "demo-resnet-labels": TrainingRecipe("supervised", augmentation=WEAK_AUGMENTATION,
                                         **SHARED_SETTINGS),
    "demo-resnet-captions": TrainingRecipe("clip", temperature=0.07, augmentation=WEAK_AUGMENTATION,
                                           **SHARED_SETTINGS),
    "demo-resnet-targets": TrainingRecipe("targets", augmentation=WEAK_AUGMENTATION,
                                          **SHARED_SETTINGS),
    "demo-resnet-shuffled": TrainingRecipe("clip", temperature=0.07, augmentation=WEAK_AUGMENTATION,
                                           **SHARED_SETTINGS),
    "demo-resnet-objects": TrainingRecipe("supervised", augmentation=WEAK_AUGMENTATION,
                                          **SHARED_SETTINGS),
    "demo-resnet-views": TrainingRecipe("simclr", temperature=0.2,
                                        augmentation=replace(STRONG_AUGMENTATION, size=SIZE),
                                        **SHARED_SETTINGS),
}
SHUFFLED_CAPTIONS_FAMILY = "demo-resnet-shuffled"
OBJECT_LABELS_FAMILY = "demo-resnet-objects"
MATCHED_MODELS = [name for family in RECIPES for name in seed_names(family)]
PROBED_LAYER = "avgpool"
N_CHECKPOINTS = 11
"""Steps after which a network is kept, besides its beginning: ever further apart."""


def get_recipe(name: str) -> TrainingRecipe:
    """Return the recipe of a network."""
    return RECIPES[name.rpartition("-seed")[0]]


def checkpoint_steps(recipe: TrainingRecipe, n_images: int) -> list[int]:
    """Return the steps after which a network is kept, from 0 to the last."""
    last = recipe.epochs * (n_images // recipe.batch_size)
    return [0, *np.unique(np.geomspace(min(4, last), last,
                                       N_CHECKPOINTS).round().astype(int)).tolist()]


def object_labels(labelled: Images) -> Tensor:
    """Return labels of objects, and one label for all images of the domains that are tested.

    No label tells a face, body, scene or word from the others, let alone kinds of them.
    """
    is_object = torch.tensor([domain not in CORE for domain in labelled.domains])
    merged = torch.where(is_object, is_object.cumsum(0), 0)  # 0: all that is no object
    return merged[labelled.labels]


def train_matched_model(name: str, captioned: CaptionedImages, labelled: Images, *, seed: int,
                        **settings: Any) -> tuple[nn.Module, TrainingHistory]:
    """Train one network by its recipe.

    Parameters
    ----------
    name : str
    captioned : CaptionedImages
    labelled : Images
        The same images, with their labels.
    seed : int
        The profile's; the network's own is added.
    **settings
        ``device``, ``steps``, ``mixed_precision``, ``on_step`` of `helpers.training.loop.train`.
    """
    network_entry, recipe = get_entry(name), get_recipe(name)
    seed += network_entry.seed
    model = build(network_entry.architecture, network_entry.options, seed=seed)
    width = model.fc.out_features
    if recipe.objective == "clip":
        training_images = captioned.shuffle_captions(seed) if name.startswith(
            SHUFFLED_CAPTIONS_FAMILY) else captioned
        return model, train_clip(model, training_images, recipe, width=width, layers=0, seed=seed,
                                 **settings)[2]
    labels = (object_labels(labelled) if name.startswith(OBJECT_LABELS_FAMILY)
              else labelled.labels)
    if recipe.objective == "targets":
        labels = text_embedding_targets(captioned.captions, width=width, min_count=MIN_WORD_COUNT,
                                        seed=seed)
    return model, train(model, captioned.images, labels, recipe, seed=seed, **settings)


def train_and_save_matched_model(name: str, profile: Profile, *,
                                 device: torch.device) -> dict[str, Any]:
    """Train a network, save it and what it was on the way; return how that went."""
    captioned, labelled = _captioned_diet(profile)
    recipe, started = get_recipe(name), time.perf_counter()
    with _save_checkpoints(name, recipe, len(captioned), profile) as on_step:
        model, record = train_matched_model(name, captioned, labelled, seed=profile.seed,
                                            device=device, on_step=on_step)
    save_network(name, model)
    return {"command": f"python -m data.zoo --only {name}", "profile": profile.name,
            "seed": profile.seed + get_entry(name).seed, "platform": describe_platform(device),
            "n_images": len(captioned), "recipe": asdict(recipe),
            "seconds": round(time.perf_counter() - started),
            "first_losses": round_losses(record.losses[:N_FIRST_STEPS]),
            "epoch_losses": round_losses(record.epoch_losses)}


def evaluate_matched_model(name: str, profile: Profile, *, device: torch.device) -> dict[str, Any]:
    """Open a network as saved; return its digest, its probes, and the losses of a rehearsal."""
    network = load_network(get_entry(name), weights_path(name), device=device)
    extract = partial(extract_features, network, layer=PROBED_LAYER)
    return {"digest": network.digest,
            "probes": {"diet": evaluate_probes(*read_diet(profile, "diet"), extract)},
            "rehearsal_losses": reproduce_matched_model_losses(name, *_captioned_diet(profile),
                                                               seed=profile.seed)}


def measure_checkpoints(name: str, profile: Profile, *, device: torch.device) -> None:
    """Measure a network at its checkpoints, as notebook 15 shows it, and record it."""
    spec = profile.table("language")
    study, images, cohort = _open_study(profile.name)
    family = name.rpartition("-seed")[0]
    condition = next(condition for condition, model_family in spec.conditions.items()
                     if model_family == family)
    conditions = recorded_conditions(cohort)
    tables, rdms = [], {}
    for step in checkpoint_steps(get_recipe(name), profile.synthetic.diet_train):
        network = with_block_layers(load_network(get_entry(name), checkpoint_path(name, step),
                                                 device=device),
                                    spec.layers)
        blocks = measure_blocks(network, study.images, batch_size=profile.batch_size)
        rows = measure_selectivity(network, blocks, images, n_best=spec.n_units,
                                   batch_size=profile.batch_size)
        tables.append(rows.assign(condition=condition, seed=get_entry(name).seed, step=step))
        rdms[step] = block_rdms(network, cohort, conditions, batch_size=profile.batch_size)
    update_checkpoint_table(pd.concat(tables)[list(RECORDED_COLUMNS)], zoo_dir() / spec.record)
    write_checkpoint_rdms(zoo_dir() / rdm_file(name), rdms, cohort, conditions)


@cache
def _open_study(profile: str) -> tuple[MatchedModelsStudy, ImageSet, Cohort]:
    """Open what all networks are measured with, once."""
    laboratory = lab.open(profile, notebook="zoo")
    study = MatchedModelsStudy.from_profile(laboratory.profile, laboratory.images,
                                            laboratory.network)
    return study, laboratory.images(study.spec.images), open_cohort(laboratory)


def update_checkpoint_table(table: pd.DataFrame, path: Path) -> None:
    """Put the checkpoints of one network into the zoo's file, leaving the others as they are."""
    model_key = table[["condition", "seed"]].iloc[0]
    with FileLock(cache_dir() / f".{path.name}.lock"):
        saved_table = pd.read_csv(path) if path.is_file() else table.iloc[:0]
        other_rows = saved_table[(saved_table["condition"] != model_key["condition"]) | (
            saved_table["seed"] != model_key["seed"])]
        merged = pd.concat([part for part in (other_rows, table) if len(part)])
        merged = merged.sort_values(["condition", "seed", "step"], kind="stable")
        atomic_write(path, lambda part: merged.to_csv(part, index=False, float_format="%.4f",
                                                      lineterminator="\n"))


def reproduce_matched_model_losses(name: str, captioned: CaptionedImages, labelled: Images, *,
                                   seed: int) -> list[float]:
    """Return the first losses of a training on the first few images of each class.

    As `data.zoo.training.rehearse`: computed in float32 on the CPU, to be compared.
    """
    n_per_class = n_images_per_class_to_reproduce(get_recipe(name), len(labelled.classes))
    rows = labelled.first_rows_per_class(n_per_class)
    _, record = train_matched_model(name, captioned.select(rows), labelled.select(rows), seed=seed,
                                    steps=N_FIRST_STEPS, mixed_precision=False)
    return round_losses(record.losses)


def checkpoint_path(name: str, step: int) -> Path:
    """Return the file of what a network was after a step."""
    return cache_dir() / "checkpoints" / name / f"{step:05d}.safetensors"


@contextmanager
def _save_checkpoints(name: str, recipe: TrainingRecipe, n_images: int,
                      profile: Profile) -> Iterator[StepCallback]:
    """Show a bar, and save the network at its checkpoints."""
    checkpoint_set = set(checkpoint_steps(recipe, n_images))
    network_entry = get_entry(name)
    if not process_rank():
        save_state_dict(checkpoint_path(name, 0),
                        build(network_entry.architecture, network_entry.options,
                              seed=profile.seed + network_entry.seed))
    with show_progress(name, recipe, n_images) as update_bar:
        def on_step(step: int, loss: float, model: nn.Module) -> None:
            update_bar(step, loss, model)
            if step in checkpoint_set and not process_rank():
                save_state_dict(checkpoint_path(name, step), model)
        yield on_step


def _captioned_diet(profile: Profile) -> tuple[CaptionedImages, Images]:
    """Return the diet's training images with captions, and with labels."""
    captioned, labelled = clip_training.read_captioned_diet(profile), read_diet(profile, "diet")[0]
    if not torch.equal(captioned.images, labelled.images):
        raise LabError("the captions of the diet come in another order than its folders",
                       expected="one order", remedy="move the diet away and let it be made again")
    return captioned, labelled
