"""Objects: eight kinds with their variants, in any colour, pose and light."""

from __future__ import annotations

import numpy as np
from PIL import Image

from data.synthetic import animals, instruments, objects_grown, objects_made
from data.synthetic.canvas import apply_lighting
from data.synthetic.things import (
    WARMTH,
    PosedCanvas,
    check_constraints,
    choose_option,
    draw_seed,
    sample_colour,
)

VARIANTS: dict[str, tuple[str, ...]] = {
    "car": ("sedan", "van", "convertible"),
    "instrument": ("guitar", "violin", "drum", "trumpet", "piano"),
    "cup": ("mug", "teacup"),
    "chair": ("chair", "armchair"),
    "tool": ("hammer", "scissors", "wrench"),
    "plant": ("potted plant", "flower", "cactus"),
    "food": ("banana", "carrot", "baguette", "apple", "orange", "cake", "pizza"),
    "animal": ("bird", "fish", "cat", "dog", "turtle", "snake"),
}
KINDS = tuple(VARIANTS)

CLASSES: dict[str, dict] = {
    "car": {"kind": "car"},
    "guitar": {"kind": "instrument", "variant": "guitar"},
    "drum": {"kind": "instrument", "variant": "drum"},
    "piano": {"kind": "instrument", "variant": "piano"},
    "cup": {"kind": "cup"},
    "chair": {"kind": "chair"},
    "hammer": {"kind": "tool", "variant": "hammer"},
    "scissors": {"kind": "tool", "variant": "scissors"},
    "potted_plant": {"kind": "plant", "variant": "potted plant"},
    "flower": {"kind": "plant", "variant": "flower"},
    "banana": {"kind": "food", "variant": "banana"},
    "round_fruit": {"kind": "food", "variant": ("apple", "orange")},
    "cake": {"kind": "food", "variant": "cake"},
    "bird": {"kind": "animal", "variant": "bird"},
    "fish": {"kind": "animal", "variant": "fish"},
    "quadruped": {"kind": "animal", "variant": ("cat", "dog")},
}
"""Fine class → constraints of :func:`sample`, for the diet."""

REAL_SIZE = {"car": "large", "piano": "large", "chair": "medium", "armchair": "medium",
             "guitar": "medium", "drum": "medium", "dog": "medium", "cat": "medium",
             "potted plant": "medium", "cactus": "medium", "turtle": "medium"}
"""Size in the world; whatever is not named is small."""

FOOD_SHAPES = {"banana": "long", "carrot": "long", "baguette": "long", "apple": "round",
               "orange": "round", "cake": "wedge", "pizza": "wedge"}
"""Shape of a food; its colour is drawn without regard to it."""

DRAWINGS = (objects_made.DRAWINGS | instruments.DRAWINGS | objects_grown.DRAWINGS
            | animals.DRAWINGS)
ANY_ORIENTATION = ("hammer", "scissors", "wrench", "banana", "carrot", "baguette", "trumpet",
                   "violin",
         "guitar", "pizza")
"""Things that lie in any direction; the others stand upright, give or take a little."""

PATTERNS = ("plain", "stripes", "dots")
CONSTRAINTS = ("variant", "colour", "second_colour", "pattern", "food_shape")


def sample(kind: str, rng: np.random.Generator, **constraints: object) -> dict:
    """Draw the latents of one object.

    Parameters
    ----------
    kind : str
        One of :data:`KINDS`.
    **constraints
        ``variant``, ``colour``, ``second_colour``, ``pattern``, ``food_shape``; each one value
        or a tuple to draw from.

    Returns
    -------
    dict
        JSON-able latents. ``form`` holds three numbers from 0 to 1 that shape the outline;
        ``width`` < 1 is a turn away from the side view; angles in degrees.

    Raises
    ------
    LabError
        If the kind, a constraint or its value is unknown.
    """
    choose_option(rng, KINDS, kind, "kind of object")
    check_constraints(constraints, CONSTRAINTS, kind)
    variants = VARIANTS[kind]
    if kind == "food" and "food_shape" in constraints:
        shape = choose_option(rng, ("long", "round", "wedge"), constraints["food_shape"],
                              "food_shape")
        variants = tuple(name for name in variants if FOOD_SHAPES[name] == shape)
    variant = choose_option(rng, variants, constraints.get("variant"), f"variant of {kind}")
    colour, rgb = sample_colour(rng, constraints.get("colour"))
    second_colour, second_rgb = sample_colour(rng, constraints.get("second_colour"))
    if second_colour == colour:
        second_rgb = [int(v * 0.55) if sum(rgb) > 330 else 255 - int(v * 0.6) for v in rgb]
    angle = rng.uniform(0, 360) if variant in ANY_ORIENTATION else rng.normal(0, 7)
    latents = {
        "kind": kind, "variant": variant, "colour": colour, "rgb": rgb,
        "second_colour": second_colour, "second_rgb": second_rgb, "warmth": WARMTH[colour],
        "pattern": choose_option(rng, PATTERNS, constraints.get("pattern"), "pattern"),
        "form": [float(v) for v in rng.uniform(0, 1, 3)],
        "angle": float(angle), "width": float(rng.uniform(0.74, 1.0)),
        "shear": float(rng.uniform(-0.16, 0.16)), "flip": bool(rng.random() < 0.5),
        "zoom": float(rng.uniform(0.82, 0.98)),
        "light_angle": float(rng.uniform(0, 360)), "light": float(rng.uniform(0.2, 0.5)),
        "numerosity": 1, "real_size": REAL_SIZE.get(variant, REAL_SIZE.get(kind, "small")),
        "living": kind in ("plant", "animal"), "texture_seed": draw_seed(rng),
    }
    if kind == "food":
        latents |= {"food_shape": FOOD_SHAPES[variant], "food_colour": colour}
    return latents


def draw(latents: dict, size: int) -> Image.Image:
    """Draw one object, cut out.

    Parameters
    ----------
    latents : dict
        As :func:`sample` gives them; nothing else decides a pixel.
    size : int
        Side, pixels.

    Returns
    -------
    Image, RGBA, size × size
    """
    rng = np.random.default_rng(latents["texture_seed"])
    choose_option(rng, KINDS, latents["kind"], "kind of object")
    choose_option(rng, VARIANTS[latents["kind"]], latents["variant"], "variant")
    pen = PosedCanvas(size, latents)
    DRAWINGS[latents["variant"]](pen, latents, rng)
    return apply_lighting(pen.finish(), latents["light_angle"], latents["light"])
