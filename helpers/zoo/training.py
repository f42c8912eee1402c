"""Networks that see alone: trained, read out, probed, rehearsed."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from helpers.ground.console import bar
from helpers.ground.errors import LabError
from helpers.ground.paths import atomic_write, data_dir, zoo_dir
from helpers.ground.profile import Profile
from helpers.networks.activations import channel_means, collect
from helpers.networks.architectures import build
from helpers.networks.network import Network, load_network
from helpers.networks.registry import entry
from helpers.networks.weights import save_state_dict, save_tensors
from helpers.present import make_present
from helpers.selectivity.readability import accuracies
from helpers.stimuli.image_sets import ImageSet, image_folder
from helpers.stimuli.pictures import Pictures, raw_pixels, read_pictures
from helpers.training.augmentation import Augmentation, plain_view
from helpers.training.classifiers import READOUT, fit_readout
from helpers.training.loop import OnStep, Recipe, Record, train
from helpers.training.processes import platform_record, rank

UNTRAINED = "demo-untrained"
"""The network before training; all others start from its weights."""

VIEWS = Augmentation(size=96, crop_scale=(0.4, 1.0), brightness=0.6, contrast=0.6, saturation=0.9,
                     hue=0.4, jitter=0.9, grey=0.3)
"""Large crops, so that both views hold the thing; strong changes of colour, so that they do not
agree by colour alone."""

COMMON = {"batch_size": 128, "learning_rate": 2e-3, "augmentation": VIEWS}
RECIPES = {
    "demo-barlow-twins": Recipe("barlow_twins", epochs=36, lam=0.02, **COMMON),
    "demo-simclr": Recipe("simclr", epochs=36, temperature=0.2, **COMMON),
    "demo-supervised": Recipe("supervised", epochs=16, **COMMON),
    "demo-faces": Recipe("supervised", epochs=40, **COMMON),
}
"""Small batches: at equal numbers of epochs they gave better features than batches of 256."""

DIETS = {name: "faces_diet" if name == "demo-faces" else "diet" for name in RECIPES}
"""Network → the image set of the profile that it is trained on."""

TRAINING_SETS = {"diet": "training_diet"}
"""Image set, as records name it → the set of the profile that has its training images, too."""

PROBED_LAYER = "relu6"
FIRST_STEPS = 3
Read = Callable[[Pictures], NDArray]


def train_one(name: str, pictures: Pictures, *, seed: int, device: torch.device | str = "cpu",
              steps: int | None = None, mixed_precision: bool | None = None,
              on_step: OnStep | None = None) -> tuple[nn.Module, Record]:
    """Train one demo network by its recipe, or only the first ``steps`` of it.

    Raises
    ------
    LabError
        Where the network has no recipe.
    """
    if name not in RECIPES:
        raise LabError(f"there is no recipe for {name!r}",
                       expected=f"one of {', '.join(RECIPES)}",
                       remedy="add one to RECIPES in helpers/zoo/training.py")
    listed = entry(name)
    model = build(listed.architecture, listed.options, seed=seed)
    record = train(model, pictures.images, pictures.labels, RECIPES[name], seed=seed,
                   device=device, steps=steps, mixed_precision=mixed_precision, on_step=on_step)
    return model, record


def rehearsal_size(recipe: Recipe, n_classes: int) -> int:
    """Return how many pictures of each class a rehearsal takes: two batches in all."""
    return math.ceil(2 * recipe.batch_size / n_classes)


def rehearse(name: str, pictures: Pictures, *, seed: int) -> list[float]:
    """Return the first losses of a training on the first few pictures of each class.

    A test renders these few pictures and no others, and compares: that tells whether pictures,
    views, network and loss are still those of the record. Computed in float32 on the CPU.
    """
    few = pictures.first_of_each(rehearsal_size(RECIPES[name], len(pictures.classes)))
    _, record = train_one(name, few, seed=seed, steps=FIRST_STEPS, mixed_precision=False)
    return rounded(record.losses)


def features(network: Network, pictures: Pictures, *, layer: str = PROBED_LAYER) -> NDArray:
    """Return the activations of a layer, means of feature maps, float32 (n_images, n_units)."""
    seen = network.preprocessing
    view = Augmentation(size=seen.crop, mean=seen.mean, std=seen.std)
    batches = (plain_view(images, view) for images in pictures.images.split(256))
    read = {layer: network.layers[layer]}
    return collect(network.model, read, batches, read=channel_means)[layer].numpy()


def probe(learn: Pictures, check: Pictures, read: Read) -> dict[str, dict[str, float]]:
    """Measure how well features tell the classes, and the domains, of new pictures.

    Parameters
    ----------
    learn, check : Pictures
        The two parts of a diet.
    read : callable
        Pictures → features, float (n_images, n_units).

    Returns
    -------
    dict
        "classes" and, for the diet of all domains, "domains" → "knn", "linear" (shares correct)
        and "chance".
    """
    x = np.concatenate([read(learn), read(check)])
    labels = np.concatenate([learn.labels, check.labels])
    teach = np.arange(len(labels)) < len(learn)
    levels = {"classes": np.arange(len(learn.classes))}
    if len(set(learn.domains)) < len(learn.classes):
        levels["domains"] = np.unique(learn.domains, return_inverse=True)[1]
    return {level: accuracies({"found": x}, label_of[labels], teach, ~teach).loc["found"]
            .round(4).to_dict() for level, label_of in levels.items()}


def make(name: str, profile: Profile, *, device: torch.device) -> dict[str, Any]:
    """Train a network (unless it stays untrained), save it, and return how that went."""
    began = {"command": f"python -m helpers.zoo --only {name}", "profile": profile.name,
             "seed": profile.seed, "platform": platform_record(device)}
    if name == UNTRAINED:
        listed = entry(name)
        save(name, build(listed.architecture, listed.options, seed=profile.seed))
        return began
    learn, _ = diet_of(profile, DIETS[name])
    started = time.perf_counter()
    with watching(name, RECIPES[name], len(learn)) as on_step:
        model, record = train_one(name, learn, seed=profile.seed, device=device, on_step=on_step)
    save(name, model)
    return began | {
        "diet": DIETS[name], "n_images": len(learn), "recipe": asdict(RECIPES[name]),
        "seconds": round(time.perf_counter() - started),
        "first_losses": rounded(record.losses[:FIRST_STEPS]),
        "epoch_losses": rounded(record.epoch_losses)}


def assess(name: str, profile: Profile, *, device: torch.device) -> dict[str, Any]:
    """Open a network as saved, which is what everyone will see, and measure what it tells.

    Returns
    -------
    dict
        The digest of its weights, the losses of a rehearsal, and its probes on the diet of all
        domains and on its own; with the untrained network, also those of raw pixels.
    """
    network = load_network(entry(name), file_of(name), device=device)
    shown = dict.fromkeys(("diet", DIETS.get(name, "diet")))
    found: dict[str, Any] = {"digest": network.digest, "probes": {
        diet: probe(*diet_of(profile, diet), partial(features, network)) for diet in shown}}
    if name == UNTRAINED:
        found["raw_pixels"] = {"diet": probe(*diet_of(profile, "diet"), raw_pixels)}
    else:
        learn, _ = diet_of(profile, DIETS[name])
        found["rehearsal_losses"] = rehearse(name, learn, seed=profile.seed)
    return found


def make_readout(name: str, profile: Profile, *, device: torch.device) -> dict[str, Any]:
    """Train a network's readout as the profile says, save it, and return how that went."""
    network = load_network(entry(name), file_of(name), device=device)
    listed, spec = network.entry.readout, profile.table("readout")
    folder = make_present(profile, profile.image_sets[spec.images], data_dir(profile.data))
    started = time.perf_counter()
    weight, losses = fit_readout(network, listed.layer, image_folder(folder / spec.part), spec,
                                 seed=profile.seed)
    save_tensors(zoo_dir() / listed.file, {READOUT: weight}, half=True)
    return {"command": f"python -m helpers.zoo --readouts --only {name}",
            "spec": asdict(spec), "seed": profile.seed,
            "seconds": round(time.perf_counter() - started), "epoch_losses": rounded(losses),
            "rehearsal_loss": rehearse_readout(network, image_folder(folder / spec.part), profile),
            "share below 0.001": round(float((weight.abs() < 0.001).float().mean()), 4),
            "mean magnitude": round(float(weight.abs().mean()), 4)}


def rehearse_readout(network: Network, images: ImageSet, profile: Profile) -> float:
    """Return the loss of one step on the first few pictures of each class, to be compared."""
    spec = profile.table("readout")
    each = math.ceil(spec.batch_size / len(images.classes))
    few = images.select(np.concatenate([np.flatnonzero(images.labels == label)[:each]
                                        for label in range(len(images.classes))]))
    _, losses = fit_readout(network, network.entry.readout.layer, few, spec, seed=profile.seed,
                            steps=1)
    return rounded(losses)[0]


def file_of(name: str) -> Path:
    return zoo_dir() / entry(name).file


def save(name: str, model: nn.Module) -> None:
    if not rank():
        save_state_dict(file_of(name), model, half=True)


def diet_of(profile: Profile, name: str) -> tuple[Pictures, Pictures]:
    """Return the training and validation pictures of an image set, made present."""
    spec = profile.image_sets[TRAINING_SETS.get(name, name)]
    folder = make_present(profile, spec, data_dir(profile.data))
    return _read(folder / "train"), _read(folder / "val")


# Each diet is trained on and probed several times; both together take half a gigabyte.
_read = cache(read_pictures)


def rounded(losses: list[float] | tuple[float, ...]) -> list[float]:
    return [round(loss, 4) for loss in losses]


@contextmanager
def watching(name: str, recipe: Recipe, n_images: int) -> Iterator[OnStep]:
    """Show a bar with the latest loss while a network trains."""
    total = recipe.epochs * (n_images // recipe.batch_size)
    with bar(f"training {name}", total, hidden=bool(rank())) as shown:
        def on_step(_step: int, loss: float, _model: nn.Module) -> None:
            shown.set_postfix(loss=f"{loss:.3f}", refresh=False)
            shown.update()
        yield on_step


def note(name: str, record: dict[str, Any], path: Path) -> None:
    """Put what is new of one network's record into the zoo's file, leaving the rest as it is."""
    records = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    records[name] = records.get(name, {}) | record
    text = json.dumps(dict(sorted(records.items())), indent=1) + "\n"
    atomic_write(path, lambda part: part.write_text(text, encoding="utf-8"))
