"""Scenes: eight kinds of places, any hour, any hue, seen from anywhere."""

from __future__ import annotations

import numpy as np
from PIL import Image

from data.synthetic import exteriors, interiors, scenes_natural
from data.synthetic.canvas import Canvas, mix
from data.synthetic.things import (
    WARMTH,
    add_texture,
    check_constraints,
    choose_option,
    draw_seed,
    sample_colour,
)

LOCALIZER_KINDS = ("corridor", "house")
"""The two kinds that the localizer shows."""

KINDS = ("corridor", "house", "room", "street", "field", "coast", "mountains", "forest")

CLASSES = {kind: {"kind": kind} for kind in KINDS}
"""Fine class → constraints of :func:`sample`, for the diet."""

HOURS = ("day", "dusk", "night", "overcast")
INDOOR = ("corridor", "room")
BUILT = ("corridor", "room", "house", "street")
DRAWINGS = interiors.DRAWINGS | exteriors.DRAWINGS | scenes_natural.DRAWINGS
CONSTRAINTS = ("colour", "second_colour", "sky_colour", "hour", "distance")

TINTS = {"day": (1.0, 1.0, 1.0), "dusk": (1.0, 0.84, 0.74),
         "night": (0.56, 0.60, 0.74), "overcast": (0.86, 0.87, 0.88)}
"""Gain of red, green and blue at each hour."""


def sample(kind: str, rng: np.random.Generator, **constraints: object) -> dict:
    """Draw the latents of one scene.

    Parameters
    ----------
    kind : str
        One of :data:`KINDS`.
    **constraints
        ``colour`` (walls or ground), ``second_colour`` (floor, roof, far ground),
        ``sky_colour``, ``hour``, ``distance``; each one value or a tuple to draw from.

    Returns
    -------
    dict
        JSON-able latents. ``vanishing`` is (x, y) in fractions of the side; ``openness`` (0 to 1)
        is the fraction of free view; ``depth`` (0 to 1) how far one sees.

    Raises
    ------
    LabError
        If the kind or a constraint is unknown.
    """
    choose_option(rng, KINDS, kind, "kind of scene")
    check_constraints(constraints, CONSTRAINTS, kind)
    colour, rgb = sample_colour(rng, constraints.get("colour"), amount=16)
    second_colour, second_rgb = sample_colour(rng, constraints.get("second_colour"), amount=16)
    sky_colour, sky_rgb = sample_colour(rng, constraints.get("sky_colour"), amount=16)
    distance = choose_option(rng, ("near", "far"), constraints.get("distance"), "distance")
    depth = rng.uniform(0.55, 1.0) if distance == "far" else rng.uniform(0.0, 0.45)
    return {
        "kind": kind, "colour": colour, "rgb": rgb, "second_colour": second_colour,
        "second_rgb": second_rgb, "sky_colour": sky_colour, "sky_rgb": sky_rgb,
        "third_rgb": sample_colour(rng, amount=20)[1], "warmth": WARMTH[colour],
        "hour": choose_option(rng, HOURS, constraints.get("hour"), "hour"),
        "distance": distance, "depth": float(depth), "openness": float(rng.uniform(0, 1)),
        "vanishing": [float(rng.uniform(0.2, 0.8)), float(rng.uniform(0.28, 0.68))],
        "setting": "indoor" if kind in INDOOR else "outdoor",
        "origin": "built" if kind in BUILT else "natural",
        "light_angle": float(rng.uniform(0, 360)), "light": float(rng.uniform(0.05, 0.4)),
        "haze": float(rng.uniform(0.1, 0.7)), "flip": bool(rng.random() < 0.5),
        "numerosity": 1, "real_size": "large", "texture_seed": draw_seed(rng),
    }


def draw(latents: dict, size: int) -> Image.Image:
    """Draw a scene that fills the square.

    Parameters
    ----------
    latents : dict
        As :func:`sample` gives them; nothing else decides a pixel.
    size : int
        Side, pixels.

    Returns
    -------
    Image, RGBA, size × size, opaque
    """
    rng = np.random.default_rng(latents["texture_seed"])
    pen = Canvas(size)
    tint = TINTS[latents["hour"]]
    tinted_latents = latents | {
        name: tuple(int(v * t) for v, t in zip(latents[name], tint, strict=True))
        for name in ("rgb", "second_rgb", "third_rgb", "sky_rgb")}
    tinted_latents["lamp_rgb"] = (252, 232, 168) if latents["hour"] in ("night", "dusk") \
        else mix(tinted_latents["sky_rgb"], (60, 66, 76), 0.6)
    pen.polygon([(0, 0), (1, 0), (1, 1), (0, 1)], tinted_latents["sky_rgb"])
    choose_option(rng, KINDS, latents["kind"], "kind of scene")
    DRAWINGS[latents["kind"]](pen, tinted_latents, rng)
    reduced = pen.image.convert("RGB").reduce(pen.scale)
    image = add_texture(reduced, latents, 0.07, latents["light"])
    return image.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if latents["flip"] else image
