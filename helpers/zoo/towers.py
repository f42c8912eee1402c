"""Networks that learn from captions: two towers trained together, assessed, rehearsed."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from helpers.decoding.directions import effective_dimension, unit
from helpers.decoding.retrieval import ranks
from helpers.ground.errors import LabError
from helpers.ground.paths import data_dir, zoo_dir
from helpers.ground.profile import Profile
from helpers.networks.architectures import build
from helpers.networks.clip import load_clip
from helpers.networks.network import load_network
from helpers.networks.registry import entry
from helpers.networks.text_towers import Vocabulary, read_vocabulary
from helpers.networks.weights import save_state_dict
from helpers.present import make_present
from helpers.training.augmentation import Augmentation, plain_view
from helpers.training.captioned import Captioned, read_captioned, train_towers
from helpers.training.loop import Recipe, Record
from helpers.training.processes import platform_record, rank
from helpers.zoo.training import FIRST_STEPS, TRAINING_SETS, file_of, rounded, save, watching

VIEWS = Augmentation(size=96, crop_scale=(0.6, 1.0), brightness=0.2, contrast=0.2, saturation=0.2,
                     hue=0.02, jitter=0.8, grey=0.0)
"""Weak changes: captions tell colours, and where things stand."""

RECIPES = {"demo-clip": Recipe("clip", epochs=16, batch_size=256, learning_rate=2e-3,
                               weight_decay=1e-2, temperature=0.07, augmentation=VIEWS)}
SETS = ("captioned", "diet")
"""Image sets of the profile that the towers learn from; of the diet, not its validation part."""
N_ASKED = 1000
"""Validation pictures of the diet that look for their first caption."""


def train_both(name: str, pictures: Captioned, *, seed: int, words: Vocabulary | None = None,
               **settings: Any) -> tuple[torch.nn.Module, torch.nn.Module, Vocabulary, Record]:
    """Train both towers of a demo network by its recipe.

    Parameters
    ----------
    name : str
    pictures : Captioned
    seed : int
    words : Vocabulary, optional
        By default learned from the captions.
    **settings
        Of `helpers.training.captioned.train_towers`.
    """
    listed = entry(name)
    image = build(listed.architecture, listed.options, seed=seed)
    text, words, record = train_towers(image, pictures, RECIPES[name], seed=seed, words=words,
                                       width=listed.options["projector"][-1], **settings)
    return image, text, words, record


def make_towers(name: str, profile: Profile, *, device: torch.device) -> dict[str, Any]:
    """Train a network with two towers, save both and their words, and return how that went."""
    pictures = _told(profile)
    started = time.perf_counter()
    with watching(name, RECIPES[name], len(pictures)) as on_step:
        image, text, words, record = train_both(name, pictures, seed=profile.seed, device=device,
                                                on_step=on_step)
    save(name, image)
    if not rank():
        save_state_dict(zoo_dir() / entry(name).text.file, text, half=True)
        words.save(zoo_dir() / entry(name).text.words)
    return {"command": f"python -m helpers.zoo --only {name}", "profile": profile.name,
            "seed": profile.seed, "platform": platform_record(device), "sets": list(SETS),
            "n_images": len(pictures), "recipe": asdict(RECIPES[name]), "n_words": len(words.words),
            "seconds": round(time.perf_counter() - started),
            "first_losses": rounded(record.losses[:FIRST_STEPS]),
            "epoch_losses": rounded(record.epoch_losses)}


def assess_towers(name: str, profile: Profile, *, device: torch.device) -> dict[str, Any]:
    """Open the towers as saved, and measure how well pictures find captions.

    Returns
    -------
    dict
        The digest of all weights; the losses of a rehearsal; of ``N_ASKED`` pictures that no
        training saw, the shares whose caption is the nearest, and among the ten nearest; and the
        effective dimension of their embeddings about their mean.
    """
    clip = load_clip(load_network(entry(name), file_of(name), device=device), file_of(name),
                     zoo_dir())
    view = clip.image.preprocessing
    asked = _asked(profile)
    with torch.inference_mode():
        seen = torch.cat([clip.image.model(plain_view(part.to(device), Augmentation(
            size=view.crop, mean=view.mean, std=view.std))).cpu()
            for part in asked.images.split(256)]).numpy()
    place = ranks(seen, clip.embed_texts([said[0] for said in asked.captions]),
                  np.arange(len(asked)))
    centred = unit(seen) - unit(seen).mean(0)
    return {"digest": clip.digest,
            "rehearsal_losses": rehearse_towers(name, _told(profile), seed=profile.seed),
            "retrieval": {"n": len(asked), "top 1": round(float((place == 1).mean()), 4),
                          "top 10": round(float((place <= 10).mean()), 4)},
            "effective dimension": round(effective_dimension(centred), 2)}


def rehearse_towers(name: str, pictures: Captioned, *, seed: int) -> list[float]:
    """Return the first losses of a training on the first few pictures, with the saved words.

    As `helpers.zoo.training.rehearse`: computed in float32 on the CPU, to be compared.
    """
    words = read_vocabulary(zoo_dir() / entry(name).text.words)
    few = pictures.first(2 * RECIPES[name].batch_size)
    *_, record = train_both(name, few, seed=seed, words=words, steps=FIRST_STEPS,
                            mixed_precision=False)
    return rounded(record.losses)


def _folders(profile: Profile, sets: Sequence[str]) -> list[Path]:
    sets = [TRAINING_SETS.get(one, one) for one in sets]
    missing = [one for one in sets if one not in profile.image_sets]
    if missing:
        raise LabError(f"the profile {profile.name!r} has no image set {missing[0]!r}",
                       expected=" and ".join(sets),
                       remedy="copy it from helpers/profiles/demo.toml")
    data = data_dir(profile.data)
    return [make_present(profile, profile.image_sets[one], data) for one in sets]


def _told(profile: Profile) -> Captioned:
    return _read(tuple(_folders(profile, SETS)), "val/")


def diet_told(profile: Profile) -> Captioned:
    """Return the diet's training pictures with their captions."""
    return _read(tuple(_folders(profile, ("diet",))), "val/")


def _asked(profile: Profile) -> Captioned:
    """Return every so manieth of the diet's validation pictures."""
    held_out = _read(tuple(_folders(profile, ("diet",))), "train/")
    return held_out.select(np.linspace(0, len(held_out) - 1,
                                       min(N_ASKED, len(held_out))).astype(int))


@cache
def _read(folders: tuple[Path, ...], but: str) -> Captioned:
    return read_captioned(folders, but=but)
