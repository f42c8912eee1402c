"""Bodies: whole headless clothed bodies in articulated poses, and limbs."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from PIL import Image

from data.synthetic import limbs
from data.synthetic.canvas import SKINS, Canvas, Point, apply_lighting, jitter, shade
from data.synthetic.limbs import step
from data.synthetic.things import check_constraints, choose_option, sample_colour

KINDS: tuple[str, ...] = ("body", "limb")
POSES: tuple[str, ...] = ("standing", "walking", "sitting", "reaching")
PARTS: tuple[str, ...] = ("hand_open", "hand_closed", "arm", "leg")
CLASSES: dict[str, dict[str, Any]] = {
    "body_standing": {"kind": "body", "pose": "standing"},
    "body_walking": {"kind": "body", "pose": "walking"},
    "body_sitting": {"kind": "body", "pose": "sitting"},
    "body_reaching": {"kind": "body", "pose": "reaching"},
    "hand_open": {"kind": "limb", "part": "hand_open"},
    "hand_closed": {"kind": "limb", "part": "hand_closed"},
    "arm": {"kind": "limb", "part": "arm"},
    "leg": {"kind": "limb", "part": "leg"},
}
"""Fine classes of the diet: constraints for ``sample``; disjoint."""

CONSTRAINTS = {"body": ("colour", "pose", "garment", "sleeve"),
               "limb": ("colour", "part", "grip", "sleeve")}


def sample(kind: str, rng: np.random.Generator, **constraints: Any) -> dict[str, Any]:
    """Draw the latents of one body or limb.

    Parameters
    ----------
    kind : {"body", "limb"}
    **constraints
        Values that replace drawn ones; the names are in ``CONSTRAINTS``.

    Raises
    ------
    LabError
        If the kind, the colour or the name of a constraint is unknown.
    """
    choose_option(rng, KINDS, kind, "kind of body")
    check_constraints(constraints, CONSTRAINTS[kind], kind)
    colour, cloth_rgb = sample_colour(rng, constraints.pop("colour", None))
    lower, lower_rgb = sample_colour(rng)
    latents = {
        "kind": kind, "colour": colour, "lower_colour": lower,
        "cloth_rgb": cloth_rgb, "lower_rgb": lower_rgb,
        "shoe_rgb": jitter([(40, 36, 36), (96, 66, 44), (210, 208, 204)][rng.integers(3)], rng),
        "skin_rgb": jitter(SKINS[rng.integers(len(SKINS))], rng, 6),
        "facing": int(rng.choice([-1, 1])), "bend": rng.uniform(-1, 1, 10).round(4).tolist(),
        "light": float(rng.uniform(0, 360)), "contrast": float(rng.uniform(.15, .42))}
    if kind == "body":
        latents.update(
            pose=POSES[rng.integers(4)], build=float(rng.uniform(.8, 1.35)),
            garment=str(rng.choice(["trousers", "shorts", "skirt"], p=[.55, .2, .25])),
            sleeve=str(rng.choice(["long", "short"])), view=float(rng.uniform(.35, 1)))
    else:
        latents.update(part=PARTS[rng.integers(4)],
                       grip=str(rng.choice(["fist", "pointing", "victory"])),
                       sleeve=str(rng.choice(["none", "short"])),
                       angle=float(rng.uniform(-50, 50)))
    latents.update(constraints)
    if latents.get("part") == "hand_open":
        latents["grip"] = "open"
    return latents


def draw(latents: dict[str, Any], size: int) -> Image.Image:
    """Draw the cut-out body or limb; RGBA, ``size`` by ``size``."""
    canvas = Canvas(size)
    if latents["kind"] == "body":
        _body(canvas, latents)
    else:
        limbs.DRAWINGS[latents["part"]](canvas, latents)
    image = canvas.finish()
    if latents["facing"] < 0:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    if latents["kind"] == "limb":
        image = image.rotate(latents["angle"], Image.Resampling.BILINEAR)
    return apply_lighting(image, latents["light"], latents["contrast"])


# ---- whole bodies -------------------------------------------------------------------------------

def _angles(latents: dict[str, Any]) -> dict[str, tuple[float, float]]:
    """Give (upper, lower) segment angles of far and near arm and leg, degrees."""
    b = latents["bend"]
    if latents["pose"] == "walking":
        stride, swing = 27 + 9 * b[0], 26 + 12 * b[1]
        return {"far_leg": (stride, stride - 8 + 6 * b[2]),
                "near_leg": (-stride * .8, -stride * .8 - 30 - 14 * b[3]),
                "far_arm": (-swing, -swing + 25), "near_arm": (swing, swing + 30 + 20 * b[4])}
    if latents["pose"] == "sitting":
        return {"far_leg": (84 + 8 * b[0], -2 + 14 * b[1]), "near_leg": (88 + 6 * b[2], 10 * b[3]),
                "far_arm": (25 + 15 * b[4], 75 + 15 * b[5]), "near_arm": (18 + 20 * b[6], 70)}
    legs = {"far_leg": (9 + 5 * b[0], 3 + 4 * b[1]), "near_leg": (-9 - 5 * b[2], -3 - 4 * b[3])}
    if latents["pose"] == "reaching":
        raised = 120 + 42 * b[4]
        near = (-150 - 20 * b[7],) * 2 if b[8] > .3 else (-14 + 10 * b[5], -4 + 10 * b[5])
        return {**legs, "far_arm": (raised, raised + 14 * b[6]), "near_arm": near}
    if b[7] > .35:
        return {**legs, "far_arm": (42, -38), "near_arm": (-42, 38)}
    return {**legs, "far_arm": (13 + 6 * b[4], 6 * b[5]), "near_arm": (-13 - 6 * b[6], 5 * b[8])}


def _joints(latents: dict[str, Any]) -> tuple[dict[str, list[Point]], float]:
    """Place the joints and fit the whole body into the square; also the scale."""
    upright = latents["pose"] in ("standing", "reaching")
    view = latents["view"] if upright else .28
    lean = {"walking": 4, "sitting": -6}.get(latents["pose"], 0) + 3 * latents["bend"][9]
    hip, neck = (0.0, 0.0), step((0.0, 0.0), 180 - lean, .36)
    chest = step(hip, 180 - lean, .3)
    side = {"far": 1, "near": -1}
    joints = {"spine": [hip, chest, neck]}
    for name, (upper, lower) in _angles(latents).items():
        where, limb = name.split("_")
        if limb == "arm":
            root = (chest[0] + side[where] * .098 * latents["build"] ** .5 * view, chest[1] + .01)
            lengths = (.17, .15)
        else:
            root = (hip[0] + side[where] * .052 * view, hip[1] + .02)
            lengths = (.24, .235)
        middle = step(root, upper, lengths[0])
        joints[name] = [root, middle, step(middle, lower, lengths[1])]
    joint_points = np.array([p for path in joints.values() for p in path])
    low, high = joint_points.min(0) - .05, joint_points.max(0) + .05
    scale = min(.96 / (high - low).max(), 1.35)
    centre = (low + high) / 2
    placed = {name: [(float(.5 + (x - centre[0]) * scale), float(.5 + (y - centre[1]) * scale))
                     for x, y in path] for name, path in joints.items()}
    return placed, scale


def _body(canvas: Canvas, latents: dict[str, Any]) -> None:
    joints, scale = _joints(latents)
    for where, tone in (("far", .8), ("near", 1.0)):
        if where == "near":
            _torso(canvas, latents, joints, scale)
        order = ("arm", "leg") if where == "far" else ("leg", "arm")
        for limb in order:
            painter = _body_arm if limb == "arm" else _body_leg
            painter(canvas, latents, joints[f"{where}_{limb}"], scale, tone)
            if limb == "leg" and where == "near":
                _skirt(canvas, latents, joints, scale)


def _torso(canvas: Canvas, latents: dict[str, Any], joints: dict[str, list[Point]],
           scale: float) -> None:
    """Draw neck stump, shirt and hips."""
    (hip, chest, neck), build = joints["spine"], latents["build"]
    view = latents["view"] if latents["pose"] in ("standing", "reaching") else .5
    shoulder = (.075 + .06 * view) * build ** .5 * scale
    waist = (.065 + .03 * view) * build * scale
    hips = (.07 + .035 * view) * build ** .8 * scale
    canvas.limb(chest, neck, (.075 * scale, .062 * scale), latents["skin_rgb"])
    canvas.ellipse(neck, (.031 * scale, .014 * scale), shade(latents["skin_rgb"], .72))
    middle = ((hip[0] + chest[0]) / 2, (hip[1] + chest[1]) / 2 + .02 * scale)
    s, (hx, hy), (cx, cy) = scale, hip, chest
    canvas.blob([(hx - hips, hy - .03 * s), (hx + hips, hy - .03 * s),
                 (hx + hips * .92, hy + .055 * s), (hx - hips * .92, hy + .055 * s)],
                latents["lower_rgb"])
    canvas.blob([(cx - shoulder, cy + .005 * s), (cx - .032 * s, cy - .032 * s),
                 (cx + .032 * s, cy - .032 * s), (cx + shoulder, cy + .005 * s),
                 (middle[0] + waist, middle[1]), (hx + hips, hy),
                 (hx - hips, hy), (middle[0] - waist, middle[1])], latents["cloth_rgb"])
    dark = shade(latents["cloth_rgb"], .72)
    if latents["bend"][6] > .2:
        canvas.line([(cx, cy - .02 * s), hip], dark, .008)
    canvas.curve([(cx - .034 * s, cy - .03 * s), (cx, cy + .005 * s),
                  (cx + .034 * s, cy - .03 * s)], dark, .012)


def _body_arm(canvas: Canvas, latents: dict[str, Any], path: list[Point], scale: float,
              tone: float) -> None:
    """Draw one arm with sleeve and a mitten of a hand."""
    w = .056 * latents["build"] ** .7 * scale
    skin, cloth = shade(latents["skin_rgb"], tone), shade(latents["cloth_rgb"], tone * .93)
    root, elbow, wrist = path
    lower = cloth if latents["sleeve"] == "long" else skin
    length = math.dist(elbow, wrist)
    ux, uy = (wrist[0] - elbow[0]) / length, (wrist[1] - elbow[1]) / length
    tip = (wrist[0] + ux * .05 * scale, wrist[1] + uy * .05 * scale)
    canvas.limb(wrist, tip, (.042 * scale, .03 * scale), skin)
    canvas.limb(wrist, (wrist[0] + ux * .018 * scale + uy * .026 * scale,
                        wrist[1] + uy * .018 * scale - ux * .026 * scale),
                (.022 * scale, .016 * scale), skin)
    edge = shade(lower, .7)
    canvas.limb(elbow, wrist, (w * .86 + .008, w * .62 + .008), edge)
    canvas.limb(elbow, wrist, (w * .86, w * .62), lower)
    canvas.limb(root, elbow, (w * 1.15 + .008, w * .9 + .008), shade(cloth, .7))
    canvas.limb(root, elbow, (w * 1.15, w * .9), cloth)


def _body_leg(canvas: Canvas, latents: dict[str, Any], path: list[Point], scale: float,
              tone: float) -> None:
    """Draw one leg with shoe."""
    w = .088 * latents["build"] ** .8 * scale
    skin, cloth = shade(latents["skin_rgb"], tone), shade(latents["lower_rgb"], tone)
    hip, knee, ankle = path
    bare = latents["garment"] != "trousers"
    shoe = shade(latents["shoe_rgb"], tone)
    toe = (ankle[0] + (.075 if latents["pose"] in ("walking", "sitting") else .03) * scale,
           ankle[1] + .022 * scale)
    canvas.limb((ankle[0] - .008 * scale, ankle[1] + .016 * scale), toe,
                (.052 * scale, .036 * scale), shoe)
    lower = skin if bare else cloth
    canvas.limb(knee, ankle, (w * .74 + .008, w * .5 + .008), shade(lower, .7))
    canvas.limb(knee, ankle, (w * .74, w * .5), lower)
    upper = skin if latents["garment"] == "skirt" else cloth
    canvas.limb(hip, knee, (w * 1.1 + .008, w * .8 + .008), shade(upper, .7))
    canvas.limb(hip, knee, (w * 1.1, w * .8), upper)


def _skirt(canvas: Canvas, latents: dict[str, Any], joints: dict[str, list[Point]],
           scale: float) -> None:
    """Hang a skirt over both thighs."""
    if latents["garment"] != "skirt":
        return
    hip = joints["spine"][0]
    knees = [joints["far_leg"][1], joints["near_leg"][1]]
    hips, cloth = (.095 * latents["build"] ** .8) * scale, latents["lower_rgb"]
    ends = [(hip[0] + (k[0] - hip[0]) * .85, hip[1] + (k[1] - hip[1]) * .85) for k in knees]
    if latents["pose"] == "sitting":
        x, y = ends[0]
        canvas.polygon([(hip[0] - hips * .8, hip[1] - .05 * scale), (x, y - .06 * scale),
                        (x + .01, y + .07 * scale), (hip[0] - hips * .8, hip[1] + .06 * scale)],
                       cloth)
        return
    right, left = max(ends), min(ends)
    canvas.polygon([(hip[0] - hips * .95, hip[1] - .02 * scale),
                    (hip[0] + hips * .95, hip[1] - .02 * scale),
                    (right[0] + .07 * scale, right[1]), (left[0] - .07 * scale, left[1])], cloth)
