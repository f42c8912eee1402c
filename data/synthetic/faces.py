"""Faces: cut-out heads of adults and children, with identities that last."""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image

from data.synthetic.canvas import SKINS, Canvas, apply_lighting, jitter, mix, shade
from data.synthetic.heads import STYLES, Head
from data.synthetic.things import check_constraints, choose_option

KINDS: tuple[str, ...] = ("adult", "child")

IDENTITY_SEED = 5077
HAIR_COLOURS: dict[str, tuple[int, int, int]] = {
    "black": (38, 34, 36), "brown": (92, 62, 44), "blond": (206, 170, 106),
    "red": (156, 82, 46), "grey": (164, 160, 158),
}
HAT_COLOURS: tuple[tuple[int, int, int], ...] = (
    (178, 62, 58), (60, 92, 160), (84, 138, 84), (218, 186, 84), (122, 86, 140))
EXPRESSIONS: tuple[str, ...] = ("neutral", "smiling", "laughing", "sad", "surprised")
GAZES: tuple[str, ...] = ("left", "ahead", "right")

_PLAIN = {"beard": False, "glasses": False}
CLASSES: dict[str, dict[str, Any]] = {
    "adult_short_hair": {"kind": "adult", "hair": "short", **_PLAIN},
    "adult_long_hair": {"kind": "adult", "hair": "long", **_PLAIN},
    "adult_bald": {"kind": "adult", "hair": "bald", **_PLAIN},
    "adult_beard": {"kind": "adult", "beard": True, "glasses": False},
    "adult_glasses": {"kind": "adult", "beard": False, "glasses": True},
    "child_short_hair": {"kind": "child", "hair": "short", **_PLAIN},
    "child_long_hair": {"kind": "child", "hair": "long", **_PLAIN},
    "child_hat": {"kind": "child", "hair": "hat", **_PLAIN},
}
"""Fine classes of the diet: constraints for ``sample``; disjoint."""

CONSTRAINTS = ("hair", "beard", "glasses", "expression", "gaze")


def _identity(kind: str, identity: int) -> dict[str, Any]:
    """Give what stays the same in all images of one person."""
    rng = np.random.default_rng([IDENTITY_SEED, identity])
    child = kind == "child"
    weights = [.3, .3, .2, 0, .2] if child else [.36, .3, .12, .17, .05]
    hair = str(rng.choice(["short", "long", "curly", "bald", "hat"], p=weights))
    names = list(HAIR_COLOURS)
    colour = names[rng.choice(5, p=[.32, .3, .24, .14, 0] if child else [.3, .26, .18, .1, .16])]
    return {
        "hair": hair, "colour": colour, "hair_rgb": jitter(HAIR_COLOURS[colour], rng, 5),
        "hat_rgb": jitter(HAT_COLOURS[rng.integers(5)], rng, 12),
        "skin_rgb": jitter(SKINS[rng.integers(len(SKINS))], rng, 6),
        "beard": bool(not child and rng.random() < .25),
        "glasses": bool(rng.random() < (.12 if child else .25)),
        "parting": float(rng.uniform(-1, 1)),
        "geometry": [round(float(v), 4) for v in rng.uniform(-1, 1, 12)],
        "iris_rgb": jitter([(70, 46, 30), (60, 96, 140), (80, 110, 70)][rng.integers(3)], rng, 8),
    }


def sample(kind: str, rng: np.random.Generator, identity: int | None = None,
           **constraints: Any) -> dict[str, Any]:
    """Draw the latents of one face.

    Parameters
    ----------
    kind : {"adult", "child"}
    rng : Generator
        Varies expression, gaze, turn, nod and light; and the person where ``identity`` is None.
    identity : int, optional
        Fixes geometry, skin, hair, hat, beard and glasses.
    **constraints
        Values that replace drawn ones; the names are in ``CONSTRAINTS``.

    Raises
    ------
    LabError
        If the kind or the name of a constraint is unknown.
    """
    choose_option(rng, KINDS, kind, "kind of face")
    check_constraints(constraints, CONSTRAINTS, kind)
    random_identity = int(rng.integers(1 << 30))
    identity = random_identity if identity is None else int(identity)
    latents = {"kind": kind, "identity": identity, **_identity(kind, identity)}
    latents.update(
        expression=EXPRESSIONS[rng.choice(5, p=[.3, .28, .16, .13, .13])],
        gaze=GAZES[rng.choice(3, p=[.2, .6, .2])],
        yaw=float(np.clip(rng.normal(0, .5), -1, 1)), nod=float(rng.uniform(-1, 1)),
        light=float(rng.uniform(0, 360)), contrast=float(rng.uniform(.12, .4)))
    if constraints.get("glasses") and "hair" not in constraints:
        constraints["hair"] = ("short", "long")[identity % 2]
    if constraints.get("beard") and "hair" not in constraints:
        constraints["hair"] = "short"
    return {**latents, **constraints}


def draw(latents: dict[str, Any], size: int) -> Image.Image:
    """Draw the cut-out head; RGBA, ``size`` by ``size``."""
    canvas, head = Canvas(size), Head(latents)
    skin, hair = latents["skin_rgb"], latents["hair_rgb"]
    _behind(canvas, head, latents)
    for side in (-1, 1):
        if side * head.yaw < .45:
            x = .5 + side * head.half * (1.0 - .3 * abs(head.yaw)) - .4 * head.turn
            y = head.eye_y + .05
            canvas.ellipse((x, y), (.045, .075), shade(skin, .86))
            canvas.ellipse((x, y), (.022, .045), shade(skin, .68))
    canvas.blob(head.outline(), skin)
    _cheeks(canvas, head, skin)
    if latents["beard"]:
        _beard(canvas, head, hair)
    _eyes(canvas, head, latents)
    _nose(canvas, head, skin)
    _mouth(canvas, head, latents)
    STYLES[latents["hair"]](canvas, head, latents)
    if latents["glasses"]:
        _glasses(canvas, head)
    return apply_lighting(canvas.finish(), latents["light"], latents["contrast"])


def _behind(canvas: Canvas, head: Head, latents: dict[str, Any]) -> None:
    """Draw the neck and the hair that falls behind the face."""
    skin, w = latents["skin_rgb"], head.half
    if latents["hair"] == "long":
        drop = .93 + .04 * latents["parting"]
        canvas.blob([(.5, head.top - .07), (.5 + w * .95, head.top + .05), (.5 + w * 1.22, .5),
                     (.5 + w * 1.3, drop), (.5, drop - .02), (.5 - w * 1.3, drop),
                     (.5 - w * 1.22, .5), (.5 - w * .95, head.top + .05)],
                    shade(latents["hair_rgb"], .8))
    neck = (.4 if head.child else .52) * w
    canvas.polygon([(.5 - neck, .76), (.5 + neck, .76), (.5 + neck * 1.08, .97),
                    (.5 - neck * 1.08, .97)], shade(skin, .74))


def _cheeks(canvas: Canvas, head: Head, skin: list[int]) -> None:
    """Model cheeks, eye sockets and chin by patches of lighter and darker skin."""
    for side in (-1, 1):
        x = head.x(side * head.eye_dx)
        canvas.ellipse((x, head.eye_y - .006), (head.eye_r * 1.6, head.eye_r * 1.35),
                       shade(skin, .9))
        blush = mix(skin, (224, 104, 96), .22 if head.child else .12)
        canvas.ellipse((head.x(side * head.eye_dx * 1.08), head.nose_y + .02),
                       (.06, .045), blush)
    canvas.ellipse((head.x(0), head.top + .13), (head.half * .45, .05), shade(skin, 1.05))


def _eyes(canvas: Canvas, head: Head, latents: dict[str, Any]) -> None:
    """Draw whites, irises, lids and brows."""
    r, hair = head.eye_r, latents["hair_rgb"]
    look = {"left": -.42, "ahead": 0.0, "right": .42}[latents["gaze"]] * r
    mood = latents["expression"]
    opening = {"laughing": .42, "surprised": .86, "sad": .55}.get(mood, .64)
    brow_colour = shade(hair, .75) if latents["colour"] != "blond" else shade(hair, .68)
    for side in (-1, 1):
        x, y = head.x(side * head.eye_dx), head.eye_y
        wide = r * (1.12 - (.3 * abs(head.yaw) if side * head.yaw > 0 else 0))
        canvas.ellipse((x, y), (wide, r * opening), (238, 236, 232))
        iris = r * min(.62, opening * .98)
        canvas.ellipse((x + look, y), (iris * .95, iris), latents["iris_rgb"])
        canvas.ellipse((x + look, y), (iris * .5, iris * .5), (18, 16, 18))
        canvas.ellipse((x + look + iris * .3, y - iris * .35), (iris * .24, iris * .24),
                       (250, 250, 250))
        lid = [(x - wide * 1.08, y + r * .1), (x, y - r * opening * 1.08),
               (x + wide * 1.08, y + r * .1)]
        canvas.curve(lid, shade(latents["skin_rgb"], .42), .013)
        lift = {"surprised": .03, "laughing": .012}.get(mood, 0)
        tilt = {"sad": -.02, "surprised": 0.0}.get(mood, .006)
        by = y - r * 1.42 - .012 - lift
        inner, outer = x - side * wide * 1.05, x + side * wide * 1.25
        canvas.curve([(inner, by + tilt), (x, by - .014), (outer, by + .012 - tilt)],
                     brow_colour, head.brow)


def _nose(canvas: Canvas, head: Head, skin: list[int]) -> None:
    """Draw bridge, tip and nostrils; the tip moves most when the head turns."""
    tip, w = head.x(0) + .22 * head.turn, head.nose_w
    side = 1 if head.yaw >= 0 else -1
    bridge = head.x(0) - side * .012
    canvas.polygon([(bridge, head.eye_y - .005), (tip + side * w * 1.05, head.nose_y - .012),
                    (tip, head.nose_y), (tip - side * w * .3, head.nose_y - .02)],
                   shade(skin, .86))
    canvas.ellipse((tip, head.nose_y - .018), (w * .75, w * .68), shade(skin, 1.05))
    for s in (-1, 1):
        canvas.ellipse((tip + s * w * .72, head.nose_y - .006), (w * .42, w * .36),
                       shade(skin, .86))
        canvas.ellipse((tip + s * w * .5, head.nose_y + .002), (w * .28, w * .18),
                       shade(skin, .45))


def _mouth(canvas: Canvas, head: Head, latents: dict[str, Any]) -> None:
    """Draw lips (and teeth) in the expression."""
    x, y, w = head.x(0) + .08 * head.turn, head.mouth_y, head.mouth_w
    skin, mood = latents["skin_rgb"], latents["expression"]
    lip, dark = mix(shade(skin, .8), (170, 60, 66), .45), shade(skin, .32)
    if mood == "laughing":
        rim = [(x - w, y - .022), (x, y - .008), (x + w, y - .022), (x + w * .55, y + .05),
               (x, y + .072), (x - w * .55, y + .05)]
        canvas.blob(rim, lip)
        canvas.blob([(a * .86 + x * .14, b * .84 + (y + .015) * .16) for a, b in rim],
                    (70, 24, 28))
        canvas.polygon([(x - w * .75, y - .008), (x + w * .75, y - .008), (x + w * .5, y + .02),
                        (x - w * .5, y + .02)], (244, 242, 236))
        return
    if mood == "surprised":
        canvas.ellipse((x, y + .02), (w * .5, .056), lip)
        canvas.ellipse((x, y + .02), (w * .34, .038), (62, 22, 26))
        return
    bend = {"smiling": .032, "sad": -.026}.get(mood, .002)
    wide = w * (1.12 if mood == "smiling" else .92)
    corner = y - bend * .6
    canvas.blob([(x - wide, corner), (x - wide * .3, y + bend * .5 - .016),
                 (x, y + bend * .6 - .01),
                 (x + wide * .3, y + bend * .5 - .016), (x + wide, corner),
                 (x + wide * .4, y + bend + .02), (x - wide * .4, y + bend + .02)], lip)
    canvas.curve([(x - wide, corner), (x, y + bend * .7), (x + wide, corner)], dark, .01)


def _beard(canvas: Canvas, head: Head, hair: list[int]) -> None:
    """Draw a full beard around the mouth."""
    w, x, c = head.half, head.x(0), head.chin
    lean, top = .22 * head.turn, head.nose_y + .022
    canvas.blob([(.5 - w * .96, top - .06), (x - w * .62, top + .035), (x, top),
                 (x + w * .62, top + .035), (.5 + w * .96, top - .06),
                 (.5 + lean + w * .74, c - .07), (.5 + 2 * lean + w * .3, c + .03),
                 (.5 + 2 * lean - w * .3, c + .03), (.5 + lean - w * .74, c - .07)], hair)


def _glasses(canvas: Canvas, head: Head) -> None:
    """Draw two rims, a bridge and the temples."""
    r, y, dark = head.eye_r * 1.95, head.eye_y + .004, (34, 32, 36)
    xs = [head.x(side * head.eye_dx * 1.03) for side in (-1, 1)]
    for x in xs:
        rim = [(x + r * a, y + r * .86 * b) for a, b in
               ((1, 0), (.72, .72), (0, 1), (-.72, .72), (-1, 0), (-.72, -.72), (0, -1),
                (.72, -.72), (1, 0))]
        canvas.curve(rim, dark, .019)
    canvas.line([(xs[0] + r, y), (xs[1] - r, y)], dark, .018)
    canvas.line([(xs[0] - r, y), (.5 - head.half * .97, y - .01)], dark, .015)
    canvas.line([(xs[1] + r, y), (.5 + head.half * .97, y - .01)], dark, .015)
