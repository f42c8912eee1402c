"""Drawings of plants and food.

Each takes a posed canvas in unit coordinates, the latents and a generator for small details.
"""

from __future__ import annotations

import math

import numpy as np

from data.synthetic.canvas import Canvas, Colour, Point, mix, shade

DARK = (34, 32, 34)
PALE = (240, 236, 224)


def _leaf(pen: Canvas, root: Point, angle: float, length: float, colour: Colour) -> None:
    """Draw a pointed leaf with a midrib; ``angle`` in degrees, 90 up."""
    cos, sin = math.cos(math.radians(angle)), -math.sin(math.radians(angle))
    (x, y), half = root, 0.19 * length
    tip = (x + cos * length, y + sin * length)
    belly = (x + cos * length * 0.45, y + sin * length * 0.45)
    pen.polygon([root, (belly[0] - sin * half, belly[1] + cos * half), tip,
                 (belly[0] + sin * half, belly[1] - cos * half)], colour)
    pen.line([root, tip], shade(colour, 0.65), 0.01)


def potted_plant(pen: Canvas, latents: dict, rng: np.random.Generator) -> None:
    """Draw leaves that fan out of a pot."""
    leaf, pot, form = latents["rgb"], latents["second_rgb"], latents["form"]
    count = 7 + int(6 * form[0])
    for angle in rng.permutation(np.linspace(12, 168, count)):
        _leaf(pen, (0.5, 0.64), angle + rng.normal(0, 5), 0.40 + 0.18 * rng.random(),
              shade(leaf, rng.uniform(0.65, 1.2)))
    wide = 0.17 + 0.05 * form[1]
    pen.polygon([(0.5 - wide, 0.62), (0.5 + wide, 0.62), (0.5 + wide * 0.7, 0.95),
                 (0.5 - wide * 0.7, 0.95)], pot)
    pen.polygon([(0.5 - wide - 0.03, 0.60), (0.5 + wide + 0.03, 0.60),
                 (0.5 + wide + 0.02, 0.68), (0.5 - wide - 0.02, 0.68)], shade(pot, 1.2))


def flower(pen: Canvas, latents: dict, rng: np.random.Generator) -> None:
    """Draw a single blossom with petals around a disc, on a stem with leaves."""
    petal, form = latents["rgb"], latents["form"]
    stem = mix(latents["second_rgb"], (66, 118, 58), 0.7)
    at, count = (0.5, 0.33), 5 + int(5 * form[0])
    pen.curve([(0.5, 0.33), (0.47 + 0.06 * form[1], 0.65), (0.5, 0.97)], stem, 0.035)
    _leaf(pen, (0.49, 0.80), 35, 0.28, stem)
    _leaf(pen, (0.49, 0.86), 150, 0.26, shade(stem, 0.85))
    wide = 1.5 / count + 0.02
    for i in range(count):
        turn = 360 * i / count + 40 * form[2]
        cos, sin = math.cos(math.radians(turn)), math.sin(math.radians(turn))
        pen.ellipse((at[0] + 0.16 * cos, at[1] - 0.16 * sin), (0.125, wide * 0.36),
                    shade(petal, 1.0 if i % 2 else 0.82), turn)
    pen.ellipse(at, (0.085, 0.085), shade(latents["second_rgb"], 0.9))
    pen.ellipse(at, (0.05, 0.05), shade(latents["second_rgb"], 0.6))


def cactus(pen: Canvas, latents: dict, rng: np.random.Generator) -> None:
    """Draw a ribbed column with two arms and spines, in a low pot."""
    flesh, form = latents["rgb"], latents["form"]
    left, right = 0.36 + 0.15 * form[0], 0.30 + 0.2 * form[1]
    for s, y in ((-1, left), (1, right)):
        pen.curve([(0.5, y + 0.18), (0.5 + s * 0.19, y + 0.17), (0.5 + s * 0.22, y),
                   (0.5 + s * 0.22, y - 0.12)], shade(flesh, 0.85), 0.115)
    pen.line([(0.5, 0.17), (0.5, 0.78)], flesh, 0.21)
    for x in (0.45, 0.5, 0.55):
        pen.line([(x, 0.12), (x, 0.76)], shade(flesh, 0.65), 0.012)
    for x, y in rng.uniform((0.42, 0.12), (0.58, 0.72), (14, 2)):
        pen.line([(x - 0.012, y - 0.012), (x + 0.012, y + 0.012)], PALE, 0.008)
    pen.polygon([(0.30, 0.74), (0.70, 0.74), (0.64, 0.95), (0.36, 0.95)], latents["second_rgb"])
    pen.polygon([(0.28, 0.73), (0.72, 0.73), (0.71, 0.79), (0.29, 0.79)],
                shade(latents["second_rgb"], 0.75))


def banana(pen: Canvas, latents: dict, rng: np.random.Generator) -> None:
    """Draw a banana: a crescent with ridges, a stalk and a dark tip."""
    skin, bend = latents["rgb"], 0.26 + 0.14 * latents["form"][0]
    thick = 0.20 + 0.05 * latents["form"][1]
    t = np.linspace(0, 1, 12)
    x, arch = 0.10 + 0.78 * t, bend * 4 * t * (1 - t)
    fat = thick * np.sqrt(np.clip(1 - (2 * t - 1) ** 2, 0.03, 1)) ** 0.8
    low, high = 0.42 + arch + fat / 2, 0.42 + arch - fat / 2
    pen.polygon([*zip(x, low, strict=True), *zip(x[::-1], high[::-1], strict=True)], skin)
    pen.polygon([*zip(x, low, strict=True),
                 *zip(x[::-1], (high + 0.62 * fat)[::-1], strict=True)], shade(skin, 0.76))
    pen.line(list(zip(x, high + 0.3 * fat, strict=True)), shade(skin, 0.9), 0.012)
    pen.line([(x[0] + 0.03, 0.44), (x[0] - 0.04, 0.33)], mix(skin, (70, 60, 30), 0.6), 0.05)
    pen.ellipse((x[-1], 0.42), (0.028, 0.028), DARK)


def carrot(pen: Canvas, latents: dict, rng: np.random.Generator) -> None:
    """Draw a carrot: a ringed taper with feathery leaves."""
    flesh, form = latents["rgb"], latents["form"]
    wide = 0.11 + 0.05 * form[0]
    leaf = mix(latents["second_rgb"], (70, 130, 60), 0.6)
    for angle in (55, 75, 90, 106, 126):
        _leaf(pen, (0.5, 0.33), angle, 0.30 if angle != 90 else 0.34, leaf)
    pen.blob([(0.5, 0.28), (0.5 + wide, 0.33), (0.5 + wide * 0.8, 0.58), (0.5 + 0.03, 0.9),
              (0.5, 0.97), (0.5 - 0.03, 0.9), (0.5 - wide * 0.8, 0.58), (0.5 - wide, 0.33)],
             flesh)
    for y in (0.40, 0.50, 0.61, 0.72):
        half = wide * (1.05 - y) * 0.7
        x = 0.5 + (1 if int(y * 100) % 20 else -1) * half * 0.5
        pen.line([(x - half * 0.6, y), (x + half * 0.6, y + 0.01)], shade(flesh, 0.66), 0.014)


def baguette(pen: Canvas, latents: dict, rng: np.random.Generator) -> None:
    """Draw a long loaf with slashes in its crust."""
    crust, thick = latents["rgb"], 0.11 + 0.05 * latents["form"][0]
    pen.blob([(0.04, 0.5), (0.14, 0.5 - thick), (0.5, 0.47 - thick), (0.86, 0.5 - thick),
              (0.96, 0.5), (0.86, 0.5 + thick), (0.5, 0.53 + thick), (0.14, 0.5 + thick)], crust)
    for x in np.linspace(0.2, 0.8, 5):
        pen.blob([(x - 0.05, 0.5 + thick * 0.55), (x - 0.005, 0.5 - thick * 0.1),
                  (x + 0.06, 0.5 - thick * 0.75), (x + 0.015, 0.5)], mix(crust, PALE, 0.6))


def apple(pen: Canvas, latents: dict, rng: np.random.Generator) -> None:
    """Draw an apple with stalk and leaf, or an orange with pores and a navel."""
    skin, form = latents["rgb"], latents["form"]
    if latents["variant"] == "orange":
        pen.ellipse((0.5, 0.52), (0.38, 0.36 + 0.03 * form[0]), skin)
        for turn, r in rng.uniform((0, 0), (2 * math.pi, 0.31), (22, 2)):
            pen.ellipse((0.5 + r * math.cos(turn), 0.52 + r * math.sin(turn)), (0.011, 0.011),
                        shade(skin, 0.78))
        pen.ellipse((0.52, 0.24), (0.045, 0.022), shade(skin, 0.55))
        _leaf(pen, (0.53, 0.23), 28, 0.24, mix(latents["second_rgb"], (66, 118, 58), 0.7))
    else:
        low = 0.05 * form[1]
        half = [(0.5, 0.30), (0.62, 0.23), (0.80, 0.28), (0.88, 0.48), (0.78, 0.76 + low),
                (0.62, 0.90), (0.5, 0.865)]
        pen.blob(half + [(1 - x, y) for x, y in half[-2:0:-1]], skin)
        pen.ellipse((0.5, 0.30), (0.09, 0.025), shade(skin, 0.5))
        pen.curve([(0.5, 0.31), (0.51, 0.2), (0.55, 0.10)], (88, 62, 40), 0.035)
        _leaf(pen, (0.53, 0.2), 20, 0.25, mix(latents["second_rgb"], (66, 118, 58), 0.7))
    pen.ellipse((0.34, 0.42), (0.05, 0.085), mix(skin, (255, 255, 255), 0.5), 20)


def cake(pen: Canvas, latents: dict, rng: np.random.Generator) -> None:
    """Draw a wedge of layered cake with icing and a cherry."""
    icing, crumb, form = latents["rgb"], mix(latents["second_rgb"], (226, 192, 140),
                                             0.6), latents["form"]
    tip, left, right, deep = (0.30, 0.52), (0.10, 0.30), (0.90, 0.36), 0.32 + 0.1 * form[0]
    down = [(x, y + deep) for x, y in (tip, right, left)]
    pen.polygon([tip, right, down[1], down[0]], crumb)
    pen.polygon([left, tip, down[0], down[2]], shade(icing, 0.7))
    for k in (0.38, 0.72):
        pen.polygon([(x, y + deep * (k + d)) for (x, y), d in
                     ((tip, 0), (right, 0), (right, 0.13), (tip, 0.13))], shade(icing, 0.9))
    pen.polygon([(x, y + deep * d) for (x, y), d in
                 ((tip, 0), (right, 0), (right, 0.16), (tip, 0.16))], shade(icing, 0.85))
    pen.polygon([left, tip, right, (0.55, 0.20)], icing)
    pen.ellipse((0.48, 0.31), (0.09, 0.055), mix(icing, (255, 255, 255), 0.5))
    pen.ellipse((0.48, 0.25), (0.065, 0.065), mix((190, 30, 50), latents["second_rgb"], 0.3))
    pen.curve([(0.48, 0.2), (0.51, 0.13), (0.57, 0.09)], (70, 60, 40), 0.016)


def pizza(pen: Canvas, latents: dict, rng: np.random.Generator) -> None:
    """Draw a slice of pizza: crust, melted top, round slices on it."""
    cheese = mix(latents["rgb"], (240, 214, 130), 0.15)
    crust = mix(latents["rgb"], (172, 112, 60), 0.75)
    pen.blob([(0.10, 0.20), (0.3, 0.10), (0.5, 0.07), (0.7, 0.10), (0.90, 0.20), (0.88, 0.30),
              (0.5, 0.22), (0.12, 0.30)], crust)
    pen.polygon([(0.13, 0.27), (0.3, 0.20), (0.5, 0.18), (0.7, 0.20), (0.87, 0.27),
                 (0.5, 0.96)], cheese)
    for x, y in ((0.32, 0.32), (0.62, 0.30), (0.50, 0.50), (0.42, 0.68), (0.58, 0.66)):
        if rng.random() < 0.9:
            pen.ellipse((x, y), (0.078, 0.078), shade(latents["second_rgb"], 0.85))
            pen.ellipse((x, y), (0.055, 0.055), latents["second_rgb"])


DRAWINGS = {"potted plant": potted_plant, "flower": flower, "cactus": cactus, "banana": banana,
            "carrot": carrot, "baguette": baguette, "apple": apple, "orange": apple,
            "cake": cake, "pizza": pizza}
