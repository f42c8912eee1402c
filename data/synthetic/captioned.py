"""Composed images with captions, to train on: other images than the participants see.

Images come in groups: one scene, in which one item after another is drawn anew. What tells the
images of a group apart is one item of several, so that captions must be matched by every item.
Three of five captions name every item with what it is like; one counts the items and says of what
kind they are; one tells the whole: its colours, its lines, what kind of place it is.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from PIL import Image

from data.synthetic.captions import get_nouns, location_phrase, noun_phrase
from data.synthetic.composed import ITEM_SIZES, add_item, compose_background
from data.synthetic.depicted import (
    SEMANTIC_FEATURES,
    compute_contrast_energy,
    compute_semantic_features,
)
from data.synthetic.diet import apply_colour_cast
from data.synthetic.images import Latents
from data.synthetic.objects import KINDS
from data.synthetic.phrases import FRAMES, NOUNS

GROUP_SIZE = 4
"""Images of one scene."""
DOMAIN_PROBABILITIES = {"faces": 0.2, "bodies": 0.17, "characters": 0.17, "objects": 0.46}
"""How often an item is of each domain: objects, which are of ten kinds, more often than in the
images that participants see."""
KINDS_OF = {"objects": (*KINDS, *(kind for kind in ("food", "animal") for _ in range(3)))}
"""Food and animals four times as often as other objects: each looks like many different things."""
N_ITEMS_PROBABILITIES = (.4, .3, .2, .1)
"""How often there are one, two, three or four items."""
COUNT_PHRASES: tuple[tuple[str, ...], ...] = (
    ("one thing", "a single thing"), ("two things", "a pair of things"),
    ("three things", "several things"), ("many things", "four things", "a crowd of things"))
"""How many items there are, in words."""
NEAR = .4
"""Height of an item, as a fraction of the image, from which it is said to be near."""
NEARNESS_PHRASES = {True: ("close up", "nearby"), False: ("far away", "in the distance")}
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
    """An image, five captions, and the latents that both come from (`ComposedImage`)."""

    image: Image.Image
    captions: list[str]
    items: list[Latents]


def compose_captioned_group(*, rng: np.random.Generator, seed: int,
                            size: int) -> list[CaptionedImage]:
    """Compose images of one scene, each with one item drawn anew, and tell them.

    Parameters
    ----------
    rng : Generator
    seed : int
        Of the stock of plain grounds.
    size : int
        Side, pixels.

    Returns
    -------
    list of CaptionedImage, length ``GROUP_SIZE``
    """
    background, setting = compose_background(rng, seed, size)
    n_items = int(rng.choice(4, p=N_ITEMS_PROBABILITIES)) + 1
    relative_sizes = np.sort(rng.uniform(*ITEM_SIZES, n_items)).tolist()
    item_seeds = rng.integers(2**32, size=n_items).tolist()
    cast_seed = int(rng.integers(2**32))
    group = []
    for version in range(GROUP_SIZE):
        redrawn = int(rng.integers(n_items))
        image, items = background.copy(), list(setting)
        for place, (relative_size, item_seed) in enumerate(zip(relative_sizes, item_seeds)):
            item_rng = np.random.default_rng([item_seed, version if place == redrawn else 0])
            items.append(add_item(item_rng, image, relative_size, DOMAIN_PROBABILITIES,
                                  KINDS_OF))
        image = apply_colour_cast(image, np.random.default_rng(cast_seed), strength=.35)
        group.append(CaptionedImage(image, _captions(items, image, rng), items))
    return group


def _captions(items: list[Latents], image: Image.Image, rng: np.random.Generator) -> list[str]:
    """Tell an image in five different sentences."""
    features = compute_semantic_features(items, compute_contrast_energy(image))
    things = [item for item in items if item["role"] == "item"]
    background = next((item for item in items if item["role"] == "background"), None)
    sentences: dict[str, None] = {}
    while len(sentences) < 3:
        sentences[_full_caption(things, background, _scene_phrases(features, rng), rng)] = None
    sentences[_enumeration_caption(things, rng)] = None
    while len(sentences) < 5:
        sentences[_scene_caption(background, _scene_phrases(features, rng), rng)] = None
    return list(sentences)


def _choose(rng: np.random.Generator, options: tuple[str, ...]) -> str:
    return options[int(rng.integers(len(options)))]


def _full_caption(things: list[Latents], background: Latents | None, scene_phrases: list[str],
                  rng: np.random.Generator) -> str:
    """Name every item, where they are, and something of the whole."""
    phrases = []
    for index in rng.permutation(len(things)):
        phrases.append(noun_phrase(things[index], rng))
        if rng.random() < .3:
            phrases[-1] += " " + _choose(rng, NEARNESS_PHRASES[things[index]["box"][3] > NEAR])
    where = location_phrase(things[0], background, rng)
    listed = ", ".join(phrases) + (f" {where}" if where and rng.random() < .8 else "")
    return _format_sentence(", ".join([listed, *scene_phrases[:int(rng.integers(3))]]), rng)


def _enumeration_caption(things: list[Latents], rng: np.random.Generator) -> str:
    """Count the items and say of what kind they are."""
    number = _choose(rng, COUNT_PHRASES[len(things) - 1])
    kinds = [NOUNS.get(str(thing["kind"])) or get_nouns(thing) for thing in things]
    names = [_choose(rng, kinds[index]) for index in rng.permutation(len(things))]
    return _format_sentence(f"{number}: {', '.join(names)}", rng)


def _scene_caption(background: Latents | None, scene_phrases: list[str],
                   rng: np.random.Generator) -> str:
    """Tell what is true of the image as a whole."""
    named = background and f"a scene, {_choose(rng, get_nouns(background))}"
    return _format_sentence(", ".join([named or "a ground", *scene_phrases[:3]]), rng)


def _scene_phrases(features: np.ndarray, rng: np.random.Generator) -> list[str]:
    """Say all that is true of an image as a whole, in any order."""
    strength = dict(zip(SEMANTIC_FEATURES, features))
    applies = {"warm": strength["warm"] > strength["cool"] + .2,
               "cool": strength["cool"] > strength["warm"] + .2,
               "upright": strength["upright"] > UPRIGHT_THRESHOLDS[1],
               "level": strength["upright"] < UPRIGHT_THRESHOLDS[0],
               **{word: strength[word] > 0 for word in ("indoor", "outdoor", "natural", "built")}}
    phrases = [_choose(rng, SCENE_PHRASES[word]) for word, holds in applies.items() if holds]
    return [phrases[index] for index in rng.permutation(len(phrases))]


def _format_sentence(phrase: str, rng: np.random.Generator) -> str:
    sentence = _choose(rng, FRAMES).format(phrase)
    return sentence[0].upper() + sentence[1:] + "."
