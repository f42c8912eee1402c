"""Composed images, told for those who learn from captions: other images than the brains see.

Three of five captions each begin with another thing of the image; one counts and lists what is
there; one tells the whole: its colours, its lines, what kind of place it is.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from PIL import Image

from data.synthetic.captions import captions, nouns
from data.synthetic.composed import composed_image
from data.synthetic.depicted import COLUMNS, amounts, energy
from data.synthetic.images import Latents
from data.synthetic.phrases import FRAMES

NUMBERS: tuple[tuple[str, ...], ...] = (
    ("nothing in front", "an empty scene"), ("one thing", "a single thing"),
    ("two things", "a pair of things"), ("three things", "several things"),
    ("many things", "four things", "a crowd of things"))
"""How many items there are, in words."""
UPRIGHT = (.47, .53)
"""Fraction of upright edges below which lines are called level, and above which upright."""
WHOLE: dict[str, tuple[str, ...]] = {
    "warm": ("in warm colours", "full of warm colours"), "cool": ("in cool colours", "cool-toned"),
    "upright": ("with upright lines", "with vertical lines"),
    "level": ("with level lines", "with horizontal lines"),
    "indoor": ("indoors", "inside a building"), "outdoor": ("outdoors", "in the open air"),
    "natural": ("in nature", "a natural place"), "built": ("a man-made place", "a built place"),
}


class Told(NamedTuple):
    """An image and five captions."""

    image: Image.Image
    captions: list[str]


def captioned_image(*, rng: np.random.Generator, seed: int, size: int) -> Told:
    """Compose an image as the brains' are composed, and tell it.

    Parameters
    ----------
    rng : Generator
    seed : int
        Of the stock of plain grounds.
    size : int
        Side, pixels.
    """
    image, items = composed_image(rng=rng, seed=seed, size=size)
    things = [item for item in items if item["role"] == "item"]
    said: dict[str, None] = {}
    for front in rng.permutation(len(things))[:3]:
        others = [thing for place, thing in enumerate(things) if place != front]
        settings = [item for item in items if item["role"] == "background"]
        said[captions([things[front], *others, *settings], rng)[0]] = None
    said[_listed(things, rng)] = None
    said[_whole(items, amounts(items, energy(image)), rng)] = None
    while len(said) < 5:
        said[captions(items[::-1], rng)[0]] = None
    return Told(image, list(said))


def _one(rng: np.random.Generator, options: tuple[str, ...]) -> str:
    return options[int(rng.integers(len(options)))]


def _listed(things: list[Latents], rng: np.random.Generator) -> str:
    """Count the items and name them."""
    number = _one(rng, NUMBERS[len(things)])
    names = [_one(rng, nouns(things[place])) for place in rng.permutation(len(things))]
    return _sentence(f"{number}: {', '.join(names)}" if names else number, rng)


def _whole(items: list[Latents], seen: np.ndarray, rng: np.random.Generator) -> str:
    """Tell what is true of the image as a whole."""
    much = dict(zip(COLUMNS, seen))
    true = {"warm": much["warm"] > much["cool"] + .2, "cool": much["cool"] > much["warm"] + .2,
            "upright": much["upright"] > UPRIGHT[1], "level": much["upright"] < UPRIGHT[0],
            **{word: much[word] > 0 for word in ("indoor", "outdoor", "natural", "built")}}
    told = [_one(rng, WHOLE[word]) for word, holds in true.items() if holds]
    told = [told[place] for place in rng.permutation(len(told))[:3]]
    return _sentence(", ".join(["a scene" if items else "a ground", *told]), rng)


def _sentence(said: str, rng: np.random.Generator) -> str:
    sentence = _one(rng, FRAMES).format(said)
    return sentence[0].upper() + sentence[1:] + "."
