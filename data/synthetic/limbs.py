"""Limbs: hands with five fingers, arms and legs, and the means that bodies share."""

from __future__ import annotations

import math
from typing import Any

from data.synthetic.canvas import Canvas, Colour, Point, shade

GRIPS: dict[str, list[float]] = {
    "open": [1, 1, 1, 1, 1], "fist": [0, 0, 0, 0, 0], "pointing": [0, 1, 0, 0, 0],
    "victory": [0, 1, 1, 0, 0],
}
"""Which fingers are stretched (thumb to little finger)."""


def step(start: Point, angle: float, length: float) -> Point:
    """Go ``length`` from ``start``; 0 degrees is down, positive towards the facing side."""
    turn = math.radians(angle)
    return start[0] + length * math.sin(turn), start[1] + length * math.cos(turn)


def _centred(*path: Point) -> list[Point]:
    """Shift a path so that its bounding box lies in the middle of the square."""
    xs, ys = zip(*path, strict=True)
    dx, dy = .5 - (min(xs) + max(xs)) / 2, .5 - (min(ys) + max(ys)) / 2
    return [(x + dx, y + dy) for x, y in path]


def _finger(canvas: Canvas, path: list[Point], width: float, skin: Colour) -> None:
    """Draw one finger of two segments with an edge, a crease and a nail."""
    edge, (base, knuckle, tip) = shade(skin, .62), path
    for colour, extra in ((edge, .014), (skin, 0.0)):
        canvas.limb(base, knuckle, (width + extra, width * .92 + extra), colour)
        canvas.limb(knuckle, tip, (width * .92 + extra, width * .74 + extra), colour)
    canvas.ellipse(tip, (width * .2, width * .28), shade(skin, 1.18))


def _hand(canvas: Canvas, wrist: Point, direction: float, reach: float, latents: dict[str, Any],
          grip: str) -> None:
    """Draw a hand of length ``reach`` from ``wrist`` along ``direction`` (0 is down)."""
    skin, b = latents["skin_rgb"], latents["bend"]
    along, across = math.radians(direction), math.radians(direction + 90)
    ax, ay, cx, cy = math.sin(along), math.cos(along), math.sin(across), math.cos(across)

    def at(u: float, v: float) -> Point:
        return (wrist[0] + reach * (u * ax + v * cx), wrist[1] + reach * (u * ay + v * cy))

    spread = .7 + .5 * abs(b[0])
    stretched, width = GRIPS[grip], .125 * reach
    palm = [at(-.03, -.13), at(.12, -.2), at(.45, -.235), at(.5, 0), at(.44, .235), at(.12, .18),
            at(-.03, .13)]
    canvas.blob([at(-.05, -.14), at(.12, -.225), at(.46, -.26), at(.525, 0), at(.45, .26),
                 at(.12, .205), at(-.05, .14)], shade(skin, .62))
    canvas.blob(palm, skin)
    for i, v in enumerate((-.175, -.06, .06, .175)):
        fan = math.radians((-13, -4, 5, 14)[i] * spread)
        long = (.4, .46, .43, .33)[i]
        if stretched[i + 1]:
            bow = .1 * b[i + 1]
            joint = at(.44 + long * .5 * math.cos(fan), v + long * .5 * math.sin(fan))
            tip = at(.44 + long * math.cos(fan + bow), v + long * math.sin(fan + bow))
            _finger(canvas, [at(.44, v), joint, tip], width, skin)
        else:
            _finger(canvas, [at(.44, v), at(.56, v * 1.02), at(.4, v * .95)], width * 1.08, skin)
    if stretched[0]:
        _finger(canvas, [at(.12, -.17), at(.27, -.36), at(.42, -.45 - .05 * b[5])], width * 1.1,
                skin)
    else:
        _finger(canvas, [at(.14, -.18), at(.3, -.26), at(.4, .02)], width * 1.12, skin)
    for u in (.22, .33):
        if stretched[0]:
            canvas.curve([at(u, -.14), at(u + .05, 0), at(u - .02, .15)], shade(skin, .84), .008)


def hand_alone(canvas: Canvas, latents: dict[str, Any]) -> None:
    """Draw a hand on a wrist, in its grip."""
    skin, cloth = latents["skin_rgb"], latents["cloth_rgb"]
    wrist = (.5, .68) if latents["grip"] == "open" else (.5, .66)
    reach = .62 if latents["grip"] != "fist" else .78
    canvas.limb((.5, .93), wrist, (.19, .17), shade(skin, .62))
    canvas.limb((.5, .93), wrist, (.175, .155), skin)
    _hand(canvas, wrist, 180, reach, latents, latents["grip"])
    if latents["sleeve"] == "short":
        canvas.polygon([(.38, .85), (.62, .85), (.64, .99), (.36, .99)], cloth)


def arm(canvas: Canvas, latents: dict[str, Any]) -> None:
    """Draw a whole arm, bent at the elbow."""
    skin, b = latents["skin_rgb"], latents["bend"]
    turn = 120 + 22 * b[7]
    direction = turn + 28 + 42 * abs(b[8])
    elbow = step((0, 0), turn, .33)
    wrist = step(elbow, direction, .29)
    shoulder, elbow, wrist, _ = _centred((0, 0), elbow, wrist, step(wrist, direction, .22))
    grip = "open" if b[9] > -.3 else "fist"
    _hand(canvas, wrist, direction + 10 * b[5], .25, latents, grip)
    for extra, colour in ((.014, shade(skin, .62)), (0.0, skin)):
        canvas.limb(elbow, wrist, (.115 + extra, .075 + extra), colour)
        canvas.limb(shoulder, elbow, (.15 + extra, .115 + extra), colour)
        middle = step(elbow, direction, .1)
        canvas.ellipse(middle, (.062 + extra / 2, .062 + extra / 2), colour)
    if latents["sleeve"] == "short":
        canvas.limb(shoulder, step(shoulder, turn, .13), (.19, .18), latents["cloth_rgb"])


def leg(canvas: Canvas, latents: dict[str, Any]) -> None:
    """Draw a whole leg with a bare foot."""
    skin, b = latents["skin_rgb"], latents["bend"]
    turn = 12 + 26 * b[7]
    direction = turn - 12 - 26 * abs(b[8])
    foot = direction + 78 + 10 * b[9]
    knee = step((0, 0), turn, .33)
    ankle = step(knee, direction, .33)
    hip, knee, ankle, _ = _centred((0, 0), knee, ankle, step(ankle, foot, .22))
    heel, toe = step(ankle, direction, .045), step(step(ankle, direction, .05), foot, .19)
    for extra, colour in ((.014, shade(skin, .62)), (0.0, skin)):
        canvas.limb(step(heel, foot + 180, .025), step(heel, foot, .06),
                    (.085 + extra, .085 + extra), colour)
        canvas.limb(ankle, toe, (.1 + extra, .055 + extra), colour)
        canvas.limb(knee, ankle, (.125 + extra, .075 + extra), colour)
        canvas.ellipse(step(step(knee, direction, .11), direction - 90, .018),
                       (.066 + extra / 2, .085 + extra / 2), colour, -direction)
        canvas.limb(hip, knee, (.2 + extra, .125 + extra), colour)
    for i in range(5):
        tip = step(step(toe, foot - 90, .012 - .009 * i), foot, .03 - .007 * i)
        canvas.ellipse(tip, (.021 - .0016 * i, .019 - .0016 * i), shade(skin, .97 - .05 * (i % 2)))
    canvas.ellipse(step(knee, turn + 90, .02), (.035, .04), shade(skin, .88))
    if latents["sleeve"] == "short":
        canvas.limb(hip, step(hip, turn, .15), (.235, .22), latents["lower_rgb"])


DRAWINGS = {"hand_open": hand_alone, "hand_closed": hand_alone, "arm": arm, "leg": leg}
