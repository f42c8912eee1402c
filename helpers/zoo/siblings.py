"""Networks of one architecture, shown the same pictures, told different things about them.

Labels, captions, what captions mean, other pictures' captions, nothing at all. Networks of one
seed begin with the same weights and see the same pictures in the same order, through the same
views (but those that are told nothing, which need stronger ones). What each was at some of its
steps is kept until it is measured.
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

from helpers import lab
from helpers.ground.errors import LabError
from helpers.ground.paths import atomic_write, cache_dir, zoo_dir
from helpers.ground.profile import Profile
from helpers.networks.architectures import build
from helpers.networks.network import load_network
from helpers.networks.registry import entry, members
from helpers.networks.weights import save_state_dict
from helpers.siblings.emergence import COLUMNS, Regions, moment_rows, regions_of
from helpers.siblings.stages import measure_stages, with_stages
from helpers.siblings.study import SiblingStudy
from helpers.stimuli.image_sets import ImageSet
from helpers.training.captioned import LEAST, Captioned, train_towers
from helpers.training.loop import OnStep, Recipe, Record, train
from helpers.training.processes import platform_record, rank
from helpers.training.text_targets import text_targets
from helpers.zoo import towers
from helpers.zoo.training import (
    FIRST_STEPS,
    VIEWS,
    diet_of,
    features,
    file_of,
    probe,
    rehearsal_size,
    rounded,
    save,
    watching,
)

SIZE = 64
TOLD = replace(towers.VIEWS, size=SIZE, crop_scale=(0.4, 1.0))
COMMON = {"epochs": 16, "batch_size": 128, "learning_rate": 2e-3, "weight_decay": 1e-2}
RECIPES = {
    "demo-resnet-labels": Recipe("supervised", augmentation=TOLD, **COMMON),
    "demo-resnet-captions": Recipe("clip", temperature=0.07, augmentation=TOLD, **COMMON),
    "demo-resnet-targets": Recipe("targets", augmentation=TOLD, **COMMON),
    "demo-resnet-shuffled": Recipe("clip", temperature=0.07, augmentation=TOLD, **COMMON),
    "demo-resnet-views": Recipe("simclr", temperature=0.2,
                                augmentation=replace(VIEWS, size=SIZE), **COMMON),
}
SHUFFLED = "demo-resnet-shuffled"
SIBLINGS = [name for family in RECIPES for name in members(family)]
PROBED = "avgpool"
N_MOMENTS = 11
"""Steps after which a network is kept, besides its beginning: ever further apart."""


def recipe_of(name: str) -> Recipe:
    """Return the recipe of a network."""
    return RECIPES[name.rpartition("-seed")[0]]


def moments(recipe: Recipe, n_images: int) -> list[int]:
    """Return the steps after which a network is kept, from 0 to the last."""
    last = recipe.epochs * (n_images // recipe.batch_size)
    return [0, *np.unique(np.geomspace(min(4, last), last, N_MOMENTS).round().astype(int)).tolist()]


def train_sibling(name: str, told: Captioned, labels: Tensor, *, seed: int,
                  **settings: Any) -> tuple[nn.Module, Record]:
    """Train one network by its recipe.

    Parameters
    ----------
    name : str
    told : Captioned
    labels : Tensor
        Of the same pictures, int64 (n_images,).
    seed : int
        The profile's; the network's own is added.
    **settings
        ``device``, ``steps``, ``mixed_precision``, ``on_step`` of `helpers.training.loop.train`.
    """
    listed, recipe = entry(name), recipe_of(name)
    seed += listed.seed
    model = build(listed.architecture, listed.options, seed=seed)
    width = model.fc.out_features
    if recipe.objective == "clip":
        pictures = told.shuffled(seed) if name.startswith(SHUFFLED) else told
        return model, train_towers(model, pictures, recipe, width=width, layers=0, seed=seed,
                                   **settings)[2]
    if recipe.objective == "targets":
        labels = text_targets(told.captions, width=width, least=LEAST, seed=seed)
    return model, train(model, told.images, labels, recipe, seed=seed, **settings)


def make_sibling(name: str, profile: Profile, *, device: torch.device) -> dict[str, Any]:
    """Train a network, save it and what it was on the way; return how that went."""
    told, labels = _told(profile)
    recipe, started = recipe_of(name), time.perf_counter()
    with _keeping(name, recipe, len(told), profile) as on_step:
        model, record = train_sibling(name, told, labels, seed=profile.seed, device=device,
                                      on_step=on_step)
    save(name, model)
    return {"command": f"python -m helpers.zoo --only {name}", "profile": profile.name,
            "seed": profile.seed + entry(name).seed, "platform": platform_record(device),
            "n_images": len(told), "recipe": asdict(recipe),
            "seconds": round(time.perf_counter() - started),
            "first_losses": rounded(record.losses[:FIRST_STEPS]),
            "epoch_losses": rounded(record.epoch_losses)}


def assess_sibling(name: str, profile: Profile, *, device: torch.device) -> dict[str, Any]:
    """Open a network as saved; return its digest, its probes, and the losses of a rehearsal."""
    network = load_network(entry(name), file_of(name), device=device)
    read = partial(features, network, layer=PROBED)
    return {"digest": network.digest, "probes": {"diet": probe(*diet_of(profile, "diet"), read)},
            "rehearsal_losses": rehearse_sibling(name, *_told(profile), seed=profile.seed)}


def measure_sibling(name: str, profile: Profile, *, device: torch.device) -> None:
    """Measure what a network was at its moments, as notebook 15 shows it, and note it."""
    spec = profile.table("language")
    study, pictures, regions = _material(profile.name)
    family = name.rpartition("-seed")[0]
    kind = next(kind for kind, its in spec.kinds.items() if its == family)
    tables = []
    for step in moments(recipe_of(name), profile.universe.diet_train):
        network = with_stages(load_network(entry(name), kept(name, step), device=device),
                              spec.layers)
        stages = measure_stages(network, study.pictures, batch_size=profile.batch_size)
        rows = moment_rows(network, stages, pictures, regions, n_best=spec.n_units,
                           batch_size=profile.batch_size)
        tables.append(rows.assign(kind=kind, seed=entry(name).seed, step=step))
    note_moments(pd.concat(tables)[list(COLUMNS)], zoo_dir() / spec.record)


@cache
def _material(profile: str) -> tuple[SiblingStudy, ImageSet, Regions]:
    """Open what all networks are measured with, once."""
    laboratory = lab.open(profile, notebook="zoo")
    spec = laboratory.profile.table("language")
    study = SiblingStudy.of(laboratory.profile, laboratory.images, laboratory.network)
    return study, laboratory.images(spec.images), regions_of(laboratory.cohort(), spec)


def note_moments(table: pd.DataFrame, path: Path) -> None:
    """Put the moments of one network into the zoo's file, leaving the others as they are."""
    own = table[["kind", "seed"]].iloc[0]
    with FileLock(cache_dir() / f".{path.name}.lock"):
        known = pd.read_csv(path) if path.is_file() else table.iloc[:0]
        others = known[(known["kind"] != own["kind"]) | (known["seed"] != own["seed"])]
        both = pd.concat([part for part in (others, table) if len(part)])
        both = both.sort_values(["kind", "seed", "step"], kind="stable")
        atomic_write(path, lambda part: both.to_csv(part, index=False, float_format="%.4f",
                                                    lineterminator="\n"))


def rehearse_sibling(name: str, told: Captioned, labels: Tensor, *, seed: int) -> list[float]:
    """Return the first losses of a training on the first few pictures of each class.

    As `helpers.zoo.training.rehearse`: computed in float32 on the CPU, to be compared.
    """
    n = rehearsal_size(recipe_of(name), int(labels.max()) + 1)
    few = torch.cat([(labels == label).nonzero().flatten()[:n] for label in labels.unique()])
    _, record = train_sibling(name, told.select(few), labels[few], seed=seed, steps=FIRST_STEPS,
                              mixed_precision=False)
    return rounded(record.losses)


def kept(name: str, step: int) -> Path:
    """Return the file of what a network was after a step."""
    return cache_dir() / "moments" / name / f"{step:05d}.safetensors"


@contextmanager
def _keeping(name: str, recipe: Recipe, n_images: int, profile: Profile) -> Iterator[OnStep]:
    """Show a bar, and save the network at its moments."""
    wanted = set(moments(recipe, n_images))
    listed = entry(name)
    if not rank():
        save_state_dict(kept(name, 0), build(listed.architecture, listed.options,
                                             seed=profile.seed + listed.seed))
    with watching(name, recipe, n_images) as shown:
        def on_step(step: int, loss: float, model: nn.Module) -> None:
            shown(step, loss, model)
            if step in wanted and not rank():
                save_state_dict(kept(name, step), model)
        yield on_step


def _told(profile: Profile) -> tuple[Captioned, Tensor]:
    """Return the diet's training pictures with captions, and their labels."""
    told, learn = towers.diet_told(profile), diet_of(profile, "diet")[0]
    if not torch.equal(told.images, learn.images):
        raise LabError("the captions of the diet come in another order than its folders",
                       expected="one order", remedy="move the diet away and let it be made again")
    return told, learn.labels
