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
from filelock import FileLock
from numpy.typing import NDArray
from torch import nn

from helpers.config.profile import Profile
from helpers.core.console import manual_bar
from helpers.core.errors import LabError
from helpers.core.paths import atomic_write, cache_dir, data_dir, ensure_writable, zoo_dir
from helpers.datasets.prepare import ensure_available
from helpers.networks.activations import channel_means, extract_activations
from helpers.networks.architectures import build
from helpers.networks.network import Network, load_network
from helpers.networks.registry import get_entry
from helpers.networks.weights import save_state_dict, save_tensors
from helpers.selectivity.linear_probes import probe_accuracies
from helpers.stimuli.image_sets import ImageSet, image_folder
from helpers.stimuli.in_memory import Images, raw_pixels, read_images
from helpers.training.augmentation import Augmentation, resize_and_normalise
from helpers.training.classifiers import READOUT_TENSOR, fit_readout
from helpers.training.loop import StepCallback, TrainingHistory, TrainingRecipe, train
from helpers.training.processes import describe_platform, process_rank

UNTRAINED_NETWORK = "demo-untrained"
"""The network before training; all others start from its weights."""

STRONG_AUGMENTATION = Augmentation(size=96, crop_scale=(0.4, 1.0), brightness=0.6, contrast=0.6,
                                   saturation=0.9,
                                   hue=0.4, jitter=0.9, grey=0.3)
"""Large crops, so that both views hold the thing; strong changes of colour, so that they do not
agree by colour alone."""

SHARED_SETTINGS = {"batch_size": 128, "learning_rate": 2e-3, "augmentation": STRONG_AUGMENTATION}
RECIPES = {
    "demo-barlow-twins": TrainingRecipe("barlow_twins", epochs=36, lam=0.02, **SHARED_SETTINGS),
    "demo-simclr": TrainingRecipe("simclr", epochs=36, temperature=0.2, **SHARED_SETTINGS),
    "demo-supervised": TrainingRecipe("supervised", epochs=16, **SHARED_SETTINGS),
    "demo-faces": TrainingRecipe("supervised", epochs=40, **SHARED_SETTINGS),
}
"""Small batches: at equal numbers of epochs they gave better features than batches of 256."""

DIET_OF_NETWORK = {name: "faces_diet" if name == "demo-faces" else "diet" for name in RECIPES}
"""Network → the image set of the profile that it is trained on."""

TRAINING_IMAGE_SETS = {"diet": "training_diet"}
"""Image set, as records name it → the set of the profile that has its training images, too."""

PROBED_LAYER = "relu6"
N_FIRST_STEPS = 3
FeatureFunction = Callable[[Images], NDArray]


def train_demo_network(name: str, image_set: Images, *, seed: int,
                       device: torch.device | str = "cpu",
                       steps: int | None = None, mixed_precision: bool | None = None,
                       on_step: StepCallback | None = None) -> tuple[nn.Module, TrainingHistory]:
    """Train one demo network by its recipe, or only the first ``steps`` of it.

    Raises
    ------
    LabError
        Where the network has no recipe.
    """
    if name not in RECIPES:
        raise LabError(f"there is no recipe for {name!r}",
                       expected=f"one of {', '.join(RECIPES)}",
                       remedy="add one to RECIPES in data/zoo/training.py")
    network_entry = get_entry(name)
    model = build(network_entry.architecture, network_entry.options, seed=seed)
    record = train(model, image_set.images, image_set.labels, RECIPES[name], seed=seed,
                   device=device, steps=steps, mixed_precision=mixed_precision, on_step=on_step)
    return model, record


def n_images_per_class_to_reproduce(recipe: TrainingRecipe, n_classes: int) -> int:
    """Return how many images of each class a rehearsal takes: two batches in all."""
    return math.ceil(2 * recipe.batch_size / n_classes)


def reproduce_losses(name: str, image_set: Images, *, seed: int) -> list[float]:
    """Return the first losses of a training on the first few images of each class.

    A test renders these few images and no others, and compares: that tells whether images,
    views, network and loss are still those of the record. Computed in float32 on the CPU.
    """
    subset = image_set.first_per_class(n_images_per_class_to_reproduce(RECIPES[name],
                                                                       len(image_set.classes)))
    _, record = train_demo_network(name, subset, seed=seed, steps=N_FIRST_STEPS,
                                   mixed_precision=False)
    return round_losses(record.losses)


def extract_features(network: Network, image_set: Images, *, layer: str = PROBED_LAYER) -> NDArray:
    """Return the activations of a layer, means of feature maps, float32 (n_images, n_units)."""
    preprocessing = network.preprocessing
    view = Augmentation(size=preprocessing.crop, mean=preprocessing.mean, std=preprocessing.std)
    batches = (resize_and_normalise(images, view) for images in image_set.images.split(256))
    read = {layer: network.layers[layer]}
    return extract_activations(network.model, read, batches, read=channel_means)[layer].numpy()


def evaluate_probes(train_images: Images, val_images: Images,
                    extract: FeatureFunction) -> dict[str, dict[str, float]]:
    """Measure how well features tell the classes, and the domains, of new images.

    Parameters
    ----------
    train_images, val_images : Images
        The two parts of a diet.
    read : callable
        Images → features, float (n_images, n_units).

    Returns
    -------
    dict
        "classes" and, for the diet of all domains, "domains" → "knn", "linear" (shares correct)
        and "chance".
    """
    x = np.concatenate([extract(train_images), extract(val_images)])
    labels = np.concatenate([train_images.labels, val_images.labels])
    is_train = np.arange(len(labels)) < len(train_images)
    levels = {"classes": np.arange(len(train_images.classes))}
    if len(set(train_images.domains)) < len(train_images.classes):
        levels["domains"] = np.unique(train_images.domains, return_inverse=True)[1]
    return {level: probe_accuracies({"found": x}, labels_of_level[labels], is_train,
                                    ~is_train).loc["found"]
            .round(4).to_dict() for level, labels_of_level in levels.items()}


def train_and_save(name: str, profile: Profile, *, device: torch.device) -> dict[str, Any]:
    """Train a network (unless it stays untrained), save it, and return how that went."""
    record_start = {"command": f"python -m data.zoo --only {name}", "profile": profile.name,
                    "seed": profile.seed, "platform": describe_platform(device)}
    if name == UNTRAINED_NETWORK:
        network_entry = get_entry(name)
        save_network(name, build(network_entry.architecture, network_entry.options,
                                 seed=profile.seed))
        return record_start
    train_images, _ = read_diet(profile, DIET_OF_NETWORK[name])
    started = time.perf_counter()
    with show_progress(name, RECIPES[name], len(train_images)) as on_step:
        model, record = train_demo_network(name, train_images, seed=profile.seed, device=device,
                                           on_step=on_step)
    save_network(name, model)
    return record_start | {
        "diet": DIET_OF_NETWORK[name], "n_images": len(train_images),
        "recipe": asdict(RECIPES[name]), "seconds": round(time.perf_counter() - started),
        "first_losses": round_losses(record.losses[:N_FIRST_STEPS]),
        "epoch_losses": round_losses(record.epoch_losses)}


def evaluate_network(name: str, profile: Profile, *, device: torch.device) -> dict[str, Any]:
    """Open a network as saved, which is what everyone will see, and measure what it tells.

    Returns
    -------
    dict
        The digest of its weights, the losses of a rehearsal, and its probes on the diet of all
        domains and on its own; with the untrained network, also those of raw pixels.
    """
    network = load_network(get_entry(name), weights_path(name), device=device)
    diets = dict.fromkeys(("diet", DIET_OF_NETWORK.get(name, "diet")))
    record: dict[str, Any] = {"digest": network.digest, "probes": {
        diet: evaluate_probes(*read_diet(profile, diet),
                              partial(extract_features, network)) for diet in diets}}
    if name == UNTRAINED_NETWORK:
        record["raw_pixels"] = {"diet": evaluate_probes(*read_diet(profile, "diet"), raw_pixels)}
    else:
        train_images, _ = read_diet(profile, DIET_OF_NETWORK[name])
        record["rehearsal_losses"] = reproduce_losses(name, train_images, seed=profile.seed)
    return record


def train_and_save_readout(name: str, profile: Profile, *, device: torch.device) -> dict[str, Any]:
    """Train a network's readout as the profile says, save it, and return how that went."""
    network = load_network(get_entry(name), weights_path(name), device=device)
    network_entry, spec = network.entry.readout, profile.table("readout")
    folder = ensure_available(profile, profile.image_sets[spec.images], data_dir(profile.data))
    started = time.perf_counter()
    weight, losses = fit_readout(network, network_entry.layer, image_folder(folder / spec.part),
                                 spec, seed=profile.seed)
    save_tensors(zoo_dir() / network_entry.file, {READOUT_TENSOR: weight}, half=True)
    return {"command": f"python -m data.zoo --readouts --only {name}",
            "spec": asdict(spec), "seed": profile.seed,
            "seconds": round(time.perf_counter() - started), "epoch_losses": round_losses(losses),
            "rehearsal_loss": reproduce_readout_loss(network, image_folder(folder / spec.part),
                                                     profile),
            "share below 0.001": round(float((weight.abs() < 0.001).float().mean()), 4),
            "mean magnitude": round(float(weight.abs().mean()), 4)}


def reproduce_readout_loss(network: Network, images: ImageSet, profile: Profile) -> float:
    """Return the loss of one step on the first few images of each class, to be compared."""
    spec = profile.table("readout")
    n_per_class = math.ceil(spec.batch_size / len(images.classes))
    subset = images.select(np.concatenate([np.flatnonzero(images.labels == label)[:n_per_class]
                                           for label in range(len(images.classes))]))
    _, losses = fit_readout(network, network.entry.readout.layer, subset, spec, seed=profile.seed,
                            steps=1)
    return round_losses(losses)[0]


def weights_path(name: str) -> Path:
    return zoo_dir() / get_entry(name).file


def save_network(name: str, model: nn.Module) -> None:
    if not process_rank():
        save_state_dict(weights_path(name), model, half=True)


def read_diet(profile: Profile, name: str) -> tuple[Images, Images]:
    """Return the training and validation images of an image set, made available."""
    spec = profile.image_sets[TRAINING_IMAGE_SETS.get(name, name)]
    folder = ensure_available(profile, spec, data_dir(profile.data))
    return _read_cached(folder / "train"), _read_cached(folder / "val")


# Each diet is trained on and probed several times; both together take half a gigabyte.
_read_cached = cache(read_images)


def round_losses(losses: list[float] | tuple[float, ...]) -> list[float]:
    return [round(loss, 4) for loss in losses]


@contextmanager
def show_progress(name: str, recipe: TrainingRecipe, n_images: int) -> Iterator[StepCallback]:
    """Show a bar with the latest loss while a network trains."""
    total = recipe.epochs * (n_images // recipe.batch_size)
    with manual_bar(f"training {name}", total, hidden=bool(process_rank())) as progress_bar:
        def on_step(_step: int, loss: float, _model: nn.Module) -> None:
            progress_bar.set_postfix(loss=f"{loss:.3f}", refresh=False)
            progress_bar.update()
        yield on_step


def update_record(name: str, record: dict[str, Any], path: Path) -> None:
    """Put what is new of one network's record into the zoo's file, leaving the rest as it is."""
    with FileLock(ensure_writable(cache_dir()) / f".{path.name}.lock"):
        records = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        records[name] = records.get(name, {}) | record
        text = json.dumps(dict(sorted(records.items())), indent=1) + "\n"
        atomic_write(path, lambda part: part.write_text(text, encoding="utf-8"))
