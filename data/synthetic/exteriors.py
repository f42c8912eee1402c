"""Built places outdoors: street and house."""

from __future__ import annotations

import numpy as np

from data.synthetic.canvas import Canvas, Colour, Point, mix, shade
from data.synthetic.outdoors import sky, tree
from data.synthetic.perspective import camera, frame, panel, walls


def street(pen: Canvas, latents: dict, rng: np.random.Generator) -> None:
    """Draw a street between two rows of buildings, with a road, lamps and crossing lines."""
    sky(pen, latents, rng, latents["vanishing"][1])
    view = camera(latents)
    left, right, _, bottom = walls(latents)
    left, right = left * 0.95 - 0.1, right * 0.95 + 0.1
    asphalt = mix(latents["second_rgb"], (92, 92, 96), 0.5)
    pen.polygon([view((left * 3, bottom, 1)), view((right * 3, bottom, 1)),
                 view((right * 3, bottom, 60)), view((left * 3, bottom, 60))],
                shade(asphalt, 1.35))
    pen.polygon([view((x, bottom, z)) for x, z in
                 ((left * 0.7, 1), (right * 0.7, 1), (right * 0.7, 60), (left * 0.7, 60))], asphalt)
    for z in (1.1, 1.6, 2.4, 3.7, 6.0, 9.5):
        x = (left + right) * 0.35
        pen.polygon([view((x + s * 0.02, bottom, d)) for s, d in
                     ((-1, z), (1, z), (1, z * 1.25), (-1, z * 1.25))], (232, 228, 206))
    edges = (1.0, 1.45, 2.0, 2.8, 4.2, 7.0, 16.0)
    for x, lit in ((left, 0.72), (right, 1.1)):
        for z0, z1 in reversed(list(zip(edges[:-1], edges[1:], strict=True))):
            wall = mix(latents[("rgb", "third_rgb")[int(rng.integers(2))]], latents["rgb"],
                       rng.uniform(0, 0.6))
            _building(pen, latents, (x, lit), (z0, z1),
                      (bottom - rng.uniform(0.7, 1.3), bottom), mix(
                          wall, latents["sky_rgb"], min(0.7, latents["haze"] * z0 / 9)))
    for x in (left * 0.75, right * 0.75):
        for z in (2.2, 1.25):
            top = view((x, bottom - 0.85, z))
            pen.line([view((x, bottom, z)), top], (48, 48, 52), 0.022 / z)
            pen.ellipse(top, (0.035 / z, 0.035 / z), (250, 238, 190))


def _building(pen: Canvas, latents: dict, wall: tuple[float, float], span: Point, height: Point,
              colour: Colour) -> None:
    """Draw one front along the street: its face, its windows, its door."""
    (x, lit), (z0, z1), (y0, y1) = wall, span, height
    panel(pen, latents, x, span, height, shade(colour, lit))
    view = camera(latents)
    outward = x + (0.5 if x > 0 else -0.5)
    pen.polygon([view((x, y0, z0)), view((outward, y0, z0)), view((outward, y1, z0)),
                 view((x, y1, z0))], shade(colour, lit * 0.8))
    rows = int((y1 - y0) / 0.24)
    for row in range(rows):
        top = y0 + 0.08 + row * 0.24
        for a in (0.12, 0.58):
            panel(pen, latents, x, (z0 + (z1 - z0) * a, z0 + (z1 - z0) * (a + 0.28)),
                   (top, top + (0.13 if row < rows - 1 else 0.18)), latents["lamp_rgb"])


def house(pen: Canvas, latents: dict, rng: np.random.Generator) -> None:
    """Draw a house with roof, door, windows, path and tree, from the front or at an angle."""
    horizon = 0.5 + 0.25 * latents["vanishing"][1]
    sky(pen, latents, rng, horizon)
    pen.polygon([(0, horizon), (1, horizon), (1, 1), (0, 1)], latents["second_rgb"])
    size = 0.62 + 0.28 * (1 - latents["depth"])
    x0 = 0.5 - size / 2 + (latents["vanishing"][0] - 0.5) * 0.35
    base, high = min(0.93, horizon + 0.08 + 0.1 * size), size * rng.uniform(0.34, 0.46)
    turn = rng.uniform(0.25, 0.45) if latents["openness"] > 0.4 else 0.0
    if rng.random() < 0.7:
        tree(pen, (x0 + size * rng.choice([-0.12, 1.1]), base), size * 0.75,
             mix(latents["second_rgb"], latents["third_rgb"], 0.5), rng)
    _house_body(pen, latents, rng, (x0, base), (size, high), turn)
    middle = x0 + size * (turn + (1 - turn) * 0.5)
    pen.polygon([(middle - 0.05, base), (middle + 0.05, base), (0.68, 1), (0.36, 1)],
                mix(latents["second_rgb"], (216, 204, 180), 0.6))


def _house_body(pen: Canvas, latents: dict, rng: np.random.Generator, corner: Point, span: Point,
                turn: float) -> None:
    """Draw walls, roof and openings; ``turn`` is the fraction of width the gable side takes."""
    (x0, base), (wide, high) = corner, span
    wall, roof = latents["rgb"], shade(latents["third_rgb"], 0.8)
    top, ridge = base - high, base - high * (1.65 + 0.3 * latents["haze"])
    split, right = x0 + wide * turn, x0 + wide
    lift = 0.1 * high * (turn > 0)
    gable = (x0 + split) / 2 if turn else x0 + wide * 0.2
    pen.polygon([(split, top), (right, top + lift), (right, base - lift), (split, base)], wall)
    if turn:
        pen.polygon([(x0, top + lift), (gable, ridge), (split, top), (split, base),
                     (x0, base - lift)], shade(wall, 0.72))
        end = (right - wide * 0.12, ridge + lift)
        frame(pen, [(x0 + wide * turn * a, y) for a, y in (
            (0.3, top + high * 0.3), (0.7, top + high * 0.26), (0.7, top + high * 0.62),
            (0.3, top + high * 0.62))], latents["lamp_rgb"], (238, 234, 224), True)
    else:
        end = (right - wide * 0.2, ridge)
    pen.polygon([(gable, ridge), end, (right + 0.02, top + lift + 0.01),
                 (split - 0.02 * (not turn), top + 0.015)], roof)
    if rng.random() < 0.6:
        x = right - wide * 0.3
        pen.polygon([(x, ridge - 0.05), (x + 0.06, ridge - 0.05), (x + 0.06, top - high * 0.2),
                     (x, top - high * 0.2)], shade(wall, 0.6))
    front, count = right - split, 2 if turn else int(rng.integers(1, 3)) * 2
    tall = rng.random() < 0.35
    door, sill = split + front * 0.5, 0.45 if tall else 0.6
    pen.polygon([(door - 0.06 * wide, base - high * sill), (door + 0.06 * wide, base - high * sill),
                 (door + 0.06 * wide, base - lift / 2), (door - 0.06 * wide, base - lift / 2)],
                shade(latents["sky_rgb"], 0.5))
    rows = ((0.12, 0.40), (0.6, 0.86)) if tall else ((0.3, 0.66),)
    for i in range(count):
        x = split + front * ((0.2, 0.8)[i] if count == 2 else (0.12, 0.31, 0.69, 0.88)[i])
        half = 0.055 * wide
        for upper, lower in rows:
            frame(pen, [(x - half, top + high * upper), (x + half, top + high * upper),
                        (x + half, top + high * lower), (x - half, top + high * lower)],
                  latents["lamp_rgb"], (238, 234, 224), True)


DRAWINGS = {"street": street, "house": house}
