"""Composed images, told for those who learn from captions: other images than the brains see.

Three of five captions each begin with another thing of the image; one counts and lists what is
there; one tells the whole: its colours, its lines, what kind of place it is.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from PIL import Image

from data.synthetic.captions import captions, get_nouns
from data.synthetic.composed import compose_image
from data.synthetic.depicted import (
    SEMANTIC_FEATURES,
    compute_contrast_energy,
    compute_semantic_features,
)
from data.synthetic.images import Latents
from data.synthetic.phrases import FRAMES

COUNT_PHRASES: tuple[tuple[str, ...], ...] = (
    ("nothing in front", "an empty scene"), ("one thing", "a single thing"),
    ("two things", "a pair of things"), ("three things", "several things"),
    ("many things", "four things", "a crowd of things"))
"""How many items there are, in words."""
UPRIGHT_THRESHOLDS = (.47, .53)
"""Fraction of upright edges below which lines are called level, and above which upright."""
SCENE_PHRASES: dict[str, tuple[str, ...]] = {
    "warm": ("in warm colours", "full of warm colours"), "cool": ("in cool colours", "cool-toned"),
    "upright": ("with upright lines", "with vertical lines"),
    "level": ("with level lines", "with horizontal lines"),
    "indoor": ("indoors", "inside a building"), "outdoor": ("outdoors", "in the open air"),
    "natural": ("in nature", "a natural place"), "built": ("a man-made place", "a built place"),
}


class CaptionedImage(NamedTuple):
    """An image and five captions."""

    image: Image.Image
    captions: list[str]


def compose_captioned_image(*, rng: np.random.Generator, seed: int, size: int) -> CaptionedImage:
    """Compose an image as the brains' are composed, and tell it.

    Parameters
    ----------
    rng : Generator
    seed : int
        Of the stock of plain grounds.
    size : int
        Side, pixels.
    """
    image, items = compose_image(rng=rng, seed=seed, size=size)
    things = [item for item in items if item["role"] == "item"]
    image_captions: dict[str, None] = {}
    for main_index in rng.permutation(len(things))[:3]:
        others = [thing for index, thing in enumerate(things) if index != main_index]
        backgrounds = [item for item in items if item["role"] == "background"]
        image_captions[captions([things[main_index], *others, *backgrounds], rng)[0]] = None
    image_captions[_enumeration_caption(things, rng)] = None
    image_captions[_scene_caption(
        items, compute_semantic_features(items, compute_contrast_energy(image)), rng)] = None
    while len(image_captions) < 5:
        image_captions[captions(items[::-1], rng)[0]] = None
    return CaptionedImage(image, list(image_captions))


def _choose(rng: np.random.Generator, options: tuple[str, ...]) -> str:
    return options[int(rng.integers(len(options)))]


def _enumeration_caption(things: list[Latents], rng: np.random.Generator) -> str:
    """Count the items and name them."""
    number = _choose(rng, COUNT_PHRASES[len(things)])
    names = [_choose(rng, get_nouns(things[index])) for index in rng.permutation(len(things))]
    return _format_sentence(f"{number}: {', '.join(names)}" if names else number, rng)


def _scene_caption(items: list[Latents], semantic_features: np.ndarray,
                   rng: np.random.Generator) -> str:
    """Tell what is true of the image as a whole."""
    strength = dict(zip(SEMANTIC_FEATURES, semantic_features))
    applies = {"warm": strength["warm"] > strength["cool"] + .2,
               "cool": strength["cool"] > strength["warm"] + .2,
            "upright": strength["upright"] > UPRIGHT_THRESHOLDS[1],
               "level": strength["upright"] < UPRIGHT_THRESHOLDS[0],
            **{word: strength[word] > 0 for word in ("indoor", "outdoor", "natural", "built")}}
    scene_phrases = [_choose(rng, SCENE_PHRASES[word]) for word, holds in applies.items() if holds]
    scene_phrases = [scene_phrases[index] for index in rng.permutation(len(scene_phrases))[:3]]
    return _format_sentence(", ".join(["a scene" if items else "a ground", *scene_phrases]), rng)


def _format_sentence(phrase: str, rng: np.random.Generator) -> str:
    sentence = _choose(rng, FRAMES).format(phrase)
    return sentence[0].upper() + sentence[1:] + "."
