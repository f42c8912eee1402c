"""Networks that learn from captions: two encoders trained together, assessed, rehearsed."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import RidgeCV
from sklearn.metrics import r2_score
from sklearn.model_selection import KFold, cross_val_predict
from torch import Tensor, nn

from data.synthetic.captioned import GROUP_SIZE
from data.synthetic.cohort import compose_images
from data.synthetic.depicted import SEMANTIC_FEATURES
from data.synthetic.participants import CONCEPTS, TUNING
from data.zoo.training import (
    N_FIRST_STEPS,
    TRAINING_IMAGE_SETS,
    round_losses,
    save_network,
    show_progress,
    weights_path,
)
from helpers.config.profile import Profile
from helpers.core.errors import LabError
from helpers.core.paths import data_dir, zoo_dir
from helpers.datasets.prepare import ensure_available
from helpers.decoding.retrieval import retrieval_ranks
from helpers.decoding.vectors import effective_dimension, unit
from helpers.networks.architectures import build
from helpers.networks.clip import ClipModel, load_clip
from helpers.networks.network import load_network
from helpers.networks.registry import get_entry
from helpers.networks.text_encoder import Vocabulary, read_vocabulary
from helpers.networks.weights import save_state_dict
from helpers.training.augmentation import Augmentation, resize_and_normalise
from helpers.training.captioned_images import (
    CaptionedImages,
    learn_words,
    read_captioned_images,
    train_clip,
)
from helpers.training.loop import StepCallback, TrainingHistory, TrainingRecipe
from helpers.training.processes import describe_platform, process_rank

WEAK_AUGMENTATION = Augmentation(size=96, crop_scale=(0.6, 1.0), brightness=0.2, contrast=0.2,
                                 saturation=0.2,
                                 hue=0.02, jitter=0.8, grey=0.0)
"""Weak changes: captions tell colours, and where things stand."""

COMPOSED_IMAGES = TrainingRecipe(
    "clip", epochs=20, batch_size=256, optimizer="muon", learning_rate=1e-2, weight_decay=1e-2,
    temperature=0.07, augmentation=replace(WEAK_AUGMENTATION, size=64), group_size=GROUP_SIZE)
SINGLE_THINGS = replace(COMPOSED_IMAGES, epochs=48, batch_size=128, learning_rate=5e-3,
                        group_size=1, augmentation=replace(WEAK_AUGMENTATION, size=32))
RECIPES = {"demo-clip": (SINGLE_THINGS, COMPOSED_IMAGES)}
"""One training after the other. Single things are learned in a few minutes, as small as they are in
composed images; in composed images from the start, it took six epochs to come where two bring a
network that knows single things (in the loss on composed images). After two epochs of these,
embeddings tell what drives the simulated brains with a mean R² of .55 (Muon, rate 1.2e-2), .53
(AdamW, 8e-3) or .49 (AdamW, 2e-3). Trained on these features themselves (squared error) for as
many steps, the same network reaches .67, with 10 of 30 below .5. Less cropping, items drawn anew
within their domain, captions with a word for every feature, and a text encoder that starts from
canonical correlations between captions of one image changed nothing (.53 to .54); nor did these
captions in ten epochs on the same 48,000 images (.59 with them and without)."""
CONTEXT = 64
"""Words of a caption that are read: captions name up to four items."""
CLIP_IMAGE_SETS = ("captioned", "diet")
"""Image sets of the profile that the encoders learn from; of the diet, not its validation part."""
COMPOSED_STREAM, N_COMPOSED = 23, 3000
"""Of composed images that no other set has, from which `ground_truth_r2` is measured."""
N_RETRIEVAL_QUERIES = 1000
"""Validation images of the diet that look for their first caption."""
Follow = Callable[[TrainingRecipe, int], AbstractContextManager[StepCallback | None]]


def _unfollowed(_recipe: TrainingRecipe, _n_images: int) -> AbstractContextManager[None]:
    return nullcontext()


def train_demo_clip(name: str, image_sets: Sequence[CaptionedImages], *, seed: int,
                    words: Vocabulary | None = None, follow: Follow = _unfollowed,
                    **settings: Any) -> tuple[nn.Module, nn.Module, Vocabulary,
                                              list[TrainingHistory]]:
    """Train both encoders of a demo network by its recipes, one after the other.

    Parameters
    ----------
    name : str
    image_sets : sequence of CaptionedImages
        What each recipe learns from.
    seed : int
    words : Vocabulary, optional
        By default learned from the captions of the last set.
    follow : callable
        Recipe and number of images -> context of a training, which yields its ``on_step``.
    **settings
        Of `helpers.training.captioned_images.train_clip`.
    """
    network_entry = get_entry(name)
    image = build(network_entry.architecture, network_entry.options, seed=seed)
    words, text, histories = words or learn_words(image_sets[-1], context=CONTEXT), None, []
    for recipe, captioned in zip(RECIPES[name], image_sets, strict=True):
        with follow(recipe, len(captioned)) as on_step:
            text, _, history = train_clip(image, captioned, recipe, seed=seed, words=words,
                                          text=text, width=image.fc.out_features, layers=0,
                                          on_step=on_step, **settings)
        histories.append(history)
    return image, text, words, histories


def train_and_save_clip(name: str, profile: Profile, *, device: torch.device) -> dict[str, Any]:
    """Train a network with two encoders, save both and their words, and return how that went."""
    image_sets = read_captioned_diet(profile), _training_images(profile)
    started = time.perf_counter()
    image, text, words, histories = train_demo_clip(name, image_sets, seed=profile.seed,
                                                    device=device,
                                                    follow=partial(show_progress, name))
    save_network(name, image)
    if not process_rank():
        save_state_dict(zoo_dir() / get_entry(name).text.file, text, half=True)
        words.save(zoo_dir() / get_entry(name).text.words)
    first, last = histories
    return {"command": f"python -m data.zoo --only {name}", "profile": profile.name,
            "seed": profile.seed, "platform": describe_platform(device),
            "sets": list(CLIP_IMAGE_SETS), "n_images": len(image_sets[-1]),
            "recipe": asdict(RECIPES[name][-1]), "recipe before": asdict(RECIPES[name][0]),
            "n_words": len(words.words), "seconds": round(time.perf_counter() - started),
            "first_losses": round_losses(first.losses[:N_FIRST_STEPS]),
            "epoch_losses before": round_losses(first.epoch_losses),
            "epoch_losses": round_losses(last.epoch_losses)}


def evaluate_clip(name: str, profile: Profile, *, device: torch.device) -> dict[str, Any]:
    """Open the encoders as saved, and measure how well images find captions.

    Returns
    -------
    dict
        The digest of all weights; the losses of a rehearsal; of ``N_RETRIEVAL_QUERIES`` images that
        no training saw, the shares whose caption is the nearest, and among the ten nearest; the
        effective dimension of their embeddings about their mean; and how well embeddings of new
        composed images tell what drives the simulated brains (`ground_truth_r2`).
    """
    clip = load_clip(load_network(get_entry(name), weights_path(name), device=device),
                     weights_path(name), zoo_dir())
    queries = _retrieval_queries(profile)
    image_embeddings = _embed(clip, queries.images, device)
    rank = retrieval_ranks(image_embeddings, clip.embed_texts(
        [image_captions[0] for image_captions in queries.captions]),
                           np.arange(len(queries)))
    centred_embeddings = unit(image_embeddings) - unit(image_embeddings).mean(0)
    return {"digest": clip.digest,
            "rehearsal_losses": reproduce_clip_losses(name, _training_images(profile),
                                                      seed=profile.seed),
            "retrieval": {"n": len(queries),
                          "top 1": round(float((rank == 1).mean()), 4),
                          "top 10": round(float((rank <= 10).mean()), 4)},
            "effective dimension": round(effective_dimension(centred_embeddings), 2),
            "ground truth R2": ground_truth_r2(clip, seed=profile.seed, device=device)}


def _embed(clip: ClipModel, images: Tensor, device: torch.device) -> NDArray[np.float32]:
    view = clip.image.preprocessing
    view = Augmentation(size=view.crop, mean=view.mean, std=view.std)
    with torch.inference_mode():
        return torch.cat([clip.image.model(resize_and_normalise(part.to(device), view)).cpu()
                          for part in images.split(256)]).numpy()


def ground_truth_r2(clip: ClipModel, *, seed: int, device: torch.device) -> dict[str, float]:
    """Measure how much of what drives the simulated brains is a linear function of embeddings.

    Returns
    -------
    dict
        Feature of `data.synthetic.depicted` that drives a region or a patch -> cross-validated R²
        of ridge regression on the embeddings of ``N_COMPOSED`` composed images.
    """
    composed = compose_images(N_COMPOSED, stream=COMPOSED_STREAM, seed=seed, size=96,
                              label="composing images")
    vectors = unit(_embed(clip, torch.from_numpy(composed.pixels).permute(0, 3, 1, 2), device))
    driving = {feature for weights, _ in CONCEPTS.values() for feature in weights}
    driving |= {feature for domain, kind, _ in TUNING.values() for feature in (domain, kind)}
    columns = [name for name in SEMANTIC_FEATURES if name in driving]
    features = composed.semantic_features[:, [SEMANTIC_FEATURES.index(name) for name in columns]]
    return dict(zip(columns, linear_r2(vectors, features).round(2).tolist()))


def linear_r2(vectors: NDArray, features: NDArray) -> NDArray[np.float64]:
    """Return the five-fold cross-validated R² of each feature, ridge regression on vectors.

    Parameters
    ----------
    vectors : array, shape (n_images, n_dims)
    features : array, shape (n_images, n_features)
    """
    predicted = cross_val_predict(RidgeCV(np.logspace(-3, 2, 6)), vectors, features,
                                  cv=KFold(5, shuffle=True, random_state=0))
    return r2_score(features, predicted, multioutput="raw_values")


def reproduce_clip_losses(name: str, captioned: CaptionedImages, *, seed: int) -> list[float]:
    """Return the first losses of each training on the first few images, with the saved words.

    As `data.zoo.training.rehearse`: computed in float32 on the CPU, to be compared.
    """
    words = read_vocabulary(zoo_dir() / get_entry(name).text.words, context=CONTEXT)
    subsets = [captioned.first(2 * recipe.batch_size) for recipe in RECIPES[name]]
    *_, histories = train_demo_clip(name, subsets, seed=seed, words=words, steps=N_FIRST_STEPS,
                                    mixed_precision=False)
    return [loss for history in histories for loss in round_losses(history.losses)]


def _folders(profile: Profile, sets: Sequence[str]) -> list[Path]:
    sets = [TRAINING_IMAGE_SETS.get(set_name, set_name) for set_name in sets]
    missing = [set_name for set_name in sets if set_name not in profile.image_sets]
    if missing:
        raise LabError(f"the profile {profile.name!r} has no image set {missing[0]!r}",
                       expected=" and ".join(sets),
                       remedy="copy it from helpers/profiles/demo.toml")
    data = data_dir(profile.data)
    return [ensure_available(profile, profile.image_sets[set_name], data) for set_name in sets]


def _training_images(profile: Profile) -> CaptionedImages:
    return _read(tuple(_folders(profile, CLIP_IMAGE_SETS)), "val/")


def read_captioned_diet(profile: Profile) -> CaptionedImages:
    """Return the diet's training images with their captions."""
    return _read(tuple(_folders(profile, ("diet",))), "val/")


def _retrieval_queries(profile: Profile) -> CaptionedImages:
    """Return every so manieth of the diet's validation images."""
    held_out = _read(tuple(_folders(profile, ("diet",))), "train/")
    return held_out.select(np.linspace(0, len(held_out) - 1,
                                       min(N_RETRIEVAL_QUERIES, len(held_out))).astype(int))


@cache
def _read(folders: tuple[Path, ...], exclude_prefix: str) -> CaptionedImages:
    return read_captioned_images(folders, exclude_prefix=exclude_prefix)
