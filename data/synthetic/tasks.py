"""The looks of two more tasks: in what place things stand; what things are by nature, how many.

What is in front of a place, and before what and in which colours things are shown, is drawn by
a generator of its own: it cannot tell the class.
"""

from __future__ import annotations

import numpy as np
from PIL import Image

from data.synthetic import composed, diet, scenes
from data.synthetic.canvas import paste, rotate_and_crop
from data.synthetic.images import Latents, draw, longer_side, sample, sample_position
from data.synthetic.objects import CLASSES

SCENE_CLASSES = scenes.KINDS
"""Classes of the first task: kinds of places."""

N_ITEMS_PROBABILITIES = (.25, .35, .25, .15)
"""How often none, one, two or three things stand in front of a place."""
ITEM_SIZES = (.16, .46)
"""Longer side of each, as a fraction of the image."""

SUPERORDINATE_CLASSES: dict[str, tuple[str, ...]] = {
    "food": ("banana", "cake", "round_fruit"),
    "living": ("bird", "fish", "flower", "potted_plant", "quadruped"),
    "made": ("car", "chair", "cup", "drum", "guitar", "hammer", "piano", "scissors")}
"""What a thing is by nature, and the fine classes of `objects` that are."""
SIZE_RANGE, MAX_SIZE_OF_SEVERAL = (.36, .72), .56
"""Side of a thing, as a fraction of the image, and the largest of several.

Several are between as large as one and so small that together they cover as much as one: the best
threshold tells one from several in 69 of 100 images by the side, and as often by the area.
"""
NUMEROSITIES = {"one": (1,), "several": (2, 3)}
"""How many of them there are."""
ATTRIBUTE_CLASSES = {f"{superordinate}_{numerosity}": (superordinate, numerosity)
                     for superordinate in SUPERORDINATE_CLASSES for numerosity in NUMEROSITIES}
"""Classes of the second task: a nature crossed with a number.

Every fine class of objects is shown alone and in company: half of what is asked cuts across the
fine classes, the other half joins them.
"""


def compose_place_image(kind: str, *, rng: np.random.Generator,
                        size: int) -> composed.ComposedImage:
    """Compose a place with nothing to three things in front of it.

    Parameters
    ----------
    kind : str
        One of ``SCENE_CLASSES``.
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
    background_rng, item_rng = rng.spawn(2)
    scene = sample("scenes", {"kind": kind}, background_rng)
    left, top = (int(edge) for edge in background_rng.integers(size // 8 + 1, size=2))
    image = draw(scene, size + size // 8).convert("RGB")
    image = image.crop((left, top, left + size, top + size))
    items = [{**scene, "role": "background", "box": [0.0, 0.0, 1.0, 1.0]}]
    for relative_size in np.sort(item_rng.uniform(
        *ITEM_SIZES, item_rng.choice(len(N_ITEMS_PROBABILITIES), p=N_ITEMS_PROBABILITIES))):
        items.append(composed.add_item(item_rng, image, float(relative_size)))
    return composed.ComposedImage(diet.apply_colour_cast(image, background_rng, strength=.35),
                                  items)


def compose_attribute_image(name: str, *, rng: np.random.Generator, seed: int,
                      size: int) -> tuple[Image.Image, list[Latents]]:
    """Compose one thing, or several of its fine class, in natural clutter: the diet's look.

    Parameters
    ----------
    name : str
        A key of ``ATTRIBUTE_CLASSES``.
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
        Latents, with the class ``fine_class``, ``background_name`` as in the diet,
        ``relative_size`` (side over the image's that one thing would have, thin things more) and
        ``box`` as in `ComposedImage`.
    """
    item_rng, layout_rng, background_rng = rng.spawn(3)
    superordinate, numerosity = ATTRIBUTE_CLASSES[name]
    fine_class = SUPERORDINATE_CLASSES[superordinate][
        item_rng.integers(len(SUPERORDINATE_CLASSES[superordinate]))]
    backgrounds, _ = diet.get_backgrounds_and_clutter(seed, size)
    background_name, background = backgrounds[background_rng.integers(len(backgrounds))]
    image = diet.apply_colour_cast(diet.random_crop(background, size, background_rng),
                                   background_rng, strength=.7)
    n_things, things = int(item_rng.choice(NUMEROSITIES[numerosity])), []
    relative_size = size_of_each = float(background_rng.uniform(*SIZE_RANGE))
    if n_things > 1:
        size_of_each = min(relative_size / n_things**layout_rng.uniform(0, .5), MAX_SIZE_OF_SEVERAL)
    for position in _sample_positions(n_things, size_of_each, layout_rng):
        thing = sample("objects", CLASSES[fine_class], item_rng)
        box = _draw_item(thing, image, position, size_of_each, layout_rng)
        things.append({**thing, "fine": fine_class, "background": background_name,
                       "share": relative_size, "box": box})
    diet.add_clutter(image, background_rng, seed)
    return diet.apply_colour_cast(image, background_rng, strength=.5), things


def _draw_item(thing: Latents, image: Image.Image, position: tuple[float, float],
               relative_size: float,
         rng: np.random.Generator) -> list[float]:
    """Draw a thing onto an image, its centre in a spot; give left, top, width, height."""
    item_image = draw(thing, round(image.width * min(1, relative_size + .2)))
    item = rotate_and_crop(diet.recolour(item_image, rng), angle=float(rng.uniform(-22, 22)))
    side = longer_side(item, relative_size)
    paste(image, item, centre=position, size=side)
    wide, high = (side * part / max(item.size) for part in item.size)
    return [position[0] - wide / 2, position[1] - high / 2, wide, high]


def _sample_positions(n: int, side: float, rng: np.random.Generator) -> list[tuple[float, float]]:
    """Draw where some things of a side lie, far from each other: of many draws, the best."""
    if n == 1:
        return [sample_position(side, rng, max_overhang=.06)]
    max_offset = (1 - side) / 2 + .03
    candidates = rng.uniform(.5 - max_offset, .5 + max_offset, (60, n, 2))
    distances = np.linalg.norm(candidates[:, :, None] - candidates[:, None],
                               axis=-1) + 9 * np.eye(n)
    return [(float(x), float(y)) for x, y in candidates[distances.min((1, 2)).argmax()]]
