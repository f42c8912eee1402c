"""The looks of two more tasks: in what place things stand; what things are by nature, how many.

What is in front of a place, and before what and in which colours things are shown, is drawn by
a generator of its own: it cannot tell the class.
"""

from __future__ import annotations

import numpy as np
from PIL import Image

from data.synthetic import composed, diet, scenes
from data.synthetic.canvas import cut, paste
from data.synthetic.images import Latents, draw, longer_side, place, sample
from data.synthetic.objects import CLASSES

PLACES = scenes.KINDS
"""Classes of the first task: kinds of places."""

N_ITEMS = (.25, .35, .25, .15)
"""How often none, one, two or three things stand in front of a place."""
ITEM_SIZES = (.16, .46)
"""Longer side of each, as a fraction of the image."""

NATURES: dict[str, tuple[str, ...]] = {
    "food": ("banana", "cake", "round_fruit"),
    "living": ("bird", "fish", "flower", "potted_plant", "quadruped"),
    "made": ("car", "chair", "cup", "drum", "guitar", "hammer", "piano", "scissors")}
"""What a thing is by nature, and the fine classes of `objects` that are."""
SHARES, WIDEST = (.36, .72), .56
"""Side of a thing, as a fraction of the image, and the largest of several.

Several are between as large as one and so small that together they cover as much as one: the best
threshold tells one from several in 69 of 100 images by the side, and as often by the area.
"""
NUMBERS = {"one": (1,), "several": (2, 3)}
"""How many of them there are."""
ATTRIBUTES = {f"{nature}_{number}": (nature, number) for nature in NATURES for number in NUMBERS}
"""Classes of the second task: a nature crossed with a number.

Every fine class of objects is shown alone and in company: half of what is asked cuts across the
fine classes, the other half joins them.
"""


def place_image(kind: str, *, rng: np.random.Generator, size: int) -> composed.Composed:
    """Compose a place with nothing to three things in front of it.

    Parameters
    ----------
    kind : str
        One of ``PLACES``.
    rng : Generator
        Two are spawned from it: one draws the place, one the things; so the things are the same
        for every kind.
    size : int
        Side, pixels.

    Returns
    -------
    Composed
        The image; latents of the place (role "background"), then of the things, far to near.
    """
    setting, front = rng.spawn(2)
    scene = sample("scenes", {"kind": kind}, setting)
    left, top = (int(edge) for edge in setting.integers(size // 8 + 1, size=2))
    image = draw(scene, size + size // 8).convert("RGB")
    image = image.crop((left, top, left + size, top + size))
    items = [{**scene, "role": "background", "box": [0.0, 0.0, 1.0, 1.0]}]
    for share in np.sort(front.uniform(*ITEM_SIZES, front.choice(len(N_ITEMS), p=N_ITEMS))):
        items.append(composed.item(front, image, float(share)))
    return composed.Composed(diet.cast(image, setting, strength=.35), items)


def attribute_image(name: str, *, rng: np.random.Generator, seed: int,
                      size: int) -> tuple[Image.Image, list[Latents]]:
    """Compose one thing, or several of its fine class, in natural clutter: the diet's look.

    Parameters
    ----------
    name : str
        A key of ``ATTRIBUTES``.
    rng : Generator
        Three are spawned from it: for the things, for where and how they are laid, and for the
        ground, the clutter and the cast, which are the same for every class.
    seed : int
        Of the diet's stock of grounds and clutter.
    size : int
        Side, pixels.

    Returns
    -------
    image : Image, mode RGB
    things : list of dict
        Latents, with the class ``fine``, ``background`` as in the diet, ``share`` (side over the
        image's that one thing would have, thin things more) and ``box`` as in `Composed`.
    """
    look, layout, rest = rng.spawn(3)
    nature, number = ATTRIBUTES[name]
    fine = NATURES[nature][look.integers(len(NATURES[nature]))]
    grounds, _ = diet.stock(seed, size)
    background, ground = grounds[rest.integers(len(grounds))]
    image = diet.cast(diet.window(ground, size, rest), rest, strength=.7)
    n_things, things = int(look.choice(NUMBERS[number])), []
    share = each = float(rest.uniform(*SHARES))
    if n_things > 1:
        each = min(share / n_things**layout.uniform(0, .5), WIDEST)
    for spot in _spots(n_things, each, layout):
        thing = sample("objects", CLASSES[fine], look)
        box = _lay(thing, image, spot, each, layout)
        things.append({**thing, "fine": fine, "background": background, "share": share,
                       "box": box})
    diet.clutter(image, rest, seed)
    return diet.cast(image, rest, strength=.5), things


def _lay(thing: Latents, image: Image.Image, spot: tuple[float, float], share: float,
         rng: np.random.Generator) -> list[float]:
    """Draw a thing onto an image, its centre in a spot; give left, top, width, height."""
    drawn = draw(thing, round(image.width * min(1, share + .2)))
    item = cut(diet.recolour(drawn, rng), angle=float(rng.uniform(-22, 22)))
    side = longer_side(item, share)
    paste(image, item, centre=spot, size=side)
    wide, high = (side * part / max(item.size) for part in item.size)
    return [spot[0] - wide / 2, spot[1] - high / 2, wide, high]


def _spots(n: int, side: float, rng: np.random.Generator) -> list[tuple[float, float]]:
    """Draw where some things of a side lie, far from each other: of many draws, the best."""
    if n == 1:
        return [place(side, rng, spill=.06)]
    room = (1 - side) / 2 + .03
    drawn = rng.uniform(.5 - room, .5 + room, (60, n, 2))
    apart = np.linalg.norm(drawn[:, :, None] - drawn[:, None], axis=-1) + 9 * np.eye(n)
    return [(float(x), float(y)) for x, y in drawn[apart.min((1, 2)).argmax()]]
