"""Places indoors, in perspective: corridor and room."""

from __future__ import annotations

import numpy as np

from data.synthetic.canvas import Canvas, Colour, Point, mix, shade
from data.synthetic.perspective import box, camera, frame, panel, walls


def _tiles(pen: Canvas, latents: dict, far: float, count: int) -> None:
    """Draw a chequered floor, or boards where the light is weak."""
    view = camera(latents)
    left, right, _, bottom = walls(latents)
    depths = np.geomspace(1, far, count + 1)
    across = np.linspace(left, right, count)
    dark = shade(latents["second_rgb"], 0.62 if latents["openness"] < 0.5 else 1.35)
    for i in range(count):
        for j in range(count - 1):
            if (i + j) % 2:
                continue
            pen.polygon([view((across[j], bottom, depths[i])),
                         view((across[j + 1], bottom, depths[i])),
                         view((across[j + 1], bottom, depths[i + 1])),
                         view((across[j], bottom, depths[i + 1]))], dark)


def corridor(pen: Canvas, latents: dict, rng: np.random.Generator) -> None:
    """Draw a corridor: doors along both walls, tiles, lamps, something at the end."""
    far = 5 + 9 * latents["depth"]
    box(pen, latents, far)
    _tiles(pen, latents, far, int(rng.integers(5, 9)))
    view = camera(latents)
    left, right, top, bottom = walls(latents)
    door = latents["third_rgb"]
    casing = shade(mix(latents["rgb"], door, 0.3), 0.5)
    lintel = bottom + (top - bottom) * rng.uniform(0.66, 0.8)
    for x in (left, right):
        z = rng.uniform(1.0, 1.3)
        while z < far * 0.85:
            wide = 0.34 * z ** 0.9
            panel(pen, latents, x, (0.95 * z, 1.05 * z + wide), (lintel - 0.04, bottom), casing)
            panel(pen, latents, x, (z, z + wide), (lintel, bottom), door)
            knob = view((x, bottom + (lintel - bottom) * 0.45, z + wide * 0.15))
            pen.ellipse(knob, (0.012 / z + 0.003, 0.012 / z + 0.003), (236, 224, 180))
            z += wide + 0.5 * z
    lamp = (255, 250, 224)
    middle, half = (left + right) / 2, (right - left) * 0.09
    for z in np.geomspace(1.15, far * 0.8, 5):
        pen.polygon([view((middle - half, top, z)), view((middle + half, top, z)),
                     view((middle + half, top, z * 1.16)), view((middle - half, top, z * 1.16))],
                    lamp)
    end = [(middle + s * (right - left) * 0.24, y) for s, y in
           ((-1, lintel), (1, lintel), (1, bottom), (-1, bottom))]
    pen.polygon([view((x, y, far)) for x, y in end],
                latents["lamp_rgb"] if latents["openness"] > 0.5 else door)


def room(pen: Canvas, latents: dict, rng: np.random.Generator) -> None:
    """Draw a room: back wall with window and image, rug, lamp; a sofa, bed or table."""
    far = 1.5 + 0.7 * latents["depth"]
    box(pen, latents, far)
    view = camera(latents)
    left, right, top, bottom = walls(latents)
    wide, high = right - left, bottom - top
    edge = shade(mix(latents["rgb"], (255, 255, 255), 0.5), 0.95)

    def pane(x0: float, x1: float, y0: float, y1: float) -> list[Point]:
        return [view((left + wide * x, top + high * y, far)) for x, y in
                ((x0, y0), (x1, y0), (x1, y1), (x0, y1))]
    at = rng.uniform(0.1, 0.2)
    frame(pen, pane(at, at + 0.3, 0.16, 0.52), mix(latents["sky_rgb"], (250, 250, 250), 0.3),
           edge, True)
    frame(pen, pane(0.68, 0.86, 0.2, 0.44), latents["third_rgb"], shade(latents["third_rgb"], 0.4),
           False)
    floor = [(0.2, 1.15), (0.8, 1.15), (0.8, far * 0.94), (0.2, far * 0.94)]
    pen.polygon([view((left + wide * x, bottom, z)) for x, z in floor],
                mix(latents["third_rgb"], latents["second_rgb"], 0.25))
    cloth, at = mix(latents["third_rgb"], latents["sky_rgb"], 0.5), rng.uniform(0.16, 0.36)
    span = (left + wide * at, left + wide * (at + rng.uniform(0.38, 0.46)))
    (_sofa, _bed, _table)[int(rng.integers(3))](pen, latents, span, far * 0.9, cloth)
    if rng.random() < 0.6:
        x = left + wide * rng.uniform(0.8, 0.9)
        foot, shaft = view((x, bottom, far * 0.85)), view((x, bottom - high * 0.5, far * 0.85))
        pen.line([foot, shaft], (40, 38, 36), 0.014)
        pen.polygon([(shaft[0] - 0.03, shaft[1] - 0.07), (shaft[0] + 0.03, shaft[1] - 0.07),
                     (shaft[0] + 0.06, shaft[1] + 0.02), (shaft[0] - 0.06, shaft[1] + 0.02)],
                    (250, 232, 178))


def _sofa(pen: Canvas, latents: dict, span: Point, z: float, cloth: Colour) -> None:
    """Draw a sofa that stands at depth ``z`` and faces the viewer."""
    view = camera(latents)
    bottom = walls(latents)[3]
    (x0, x1), high = span, (walls(latents)[3] - walls(latents)[2])
    near = z * 0.8

    def slab(a: float, b: float, y0: float, y1: float, depth: float, fill: Colour) -> None:
        pen.polygon([view((a, bottom - high * y0, depth)), view((b, bottom - high * y0, depth)),
                     view((b, bottom - high * y1, depth)), view((a, bottom - high * y1, depth))],
                    fill)
    slab(x0, x1, 0.02, 0.36, z, shade(cloth, 0.85))
    pen.polygon([view((x, bottom - high * 0.17, d)) for x, d in
                 ((x0, z), (x1, z), (x1, near), (x0, near))], shade(cloth, 1.12))
    slab(x0, x1, 0.02, 0.17, near, shade(cloth, 0.7))
    for a in (x0 - 0.04, x1 - 0.04):
        slab(a, a + 0.08, 0.0, 0.25, near, shade(cloth, 0.96))
        pen.polygon([view((x, bottom - high * 0.25, d)) for x, d in
                     ((a, z), (a + 0.08, z), (a + 0.08, near), (a, near))], shade(cloth, 1.2))


def _bed(pen: Canvas, latents: dict, span: Point, z: float, cloth: Colour) -> None:
    """Draw a bed with its head at depth ``z``: headboard, pillows, a blanket towards us."""
    view, (_, _, top, bottom) = camera(latents), walls(latents)
    (x0, x1), high, near = span, bottom - top, max(1.02, z * 0.62)

    def sheet(z0: float, z1: float, level: float, fill: Colour) -> None:
        pen.polygon([view((x, bottom - high * level, d)) for x, d in
                     ((x0, z0), (x1, z0), (x1, z1), (x0, z1))], fill)
    wood = shade(latents["sky_rgb"], 0.6)
    pen.polygon([view((x, bottom - high * y, z)) for x, y in
                 ((x0, 0), (x1, 0), (x1, 0.4), (x0, 0.4))], wood)
    sheet(z, near, 0.16, mix(cloth, (250, 250, 250), 0.8))
    for k in (0.06, 0.54):
        a, b = (x0 + (x1 - x0) * (k + d) for d in (0, 0.4))
        pen.blob([view((x, bottom - high * y, d)) for x, y, d in
                  ((a, 0.17, z * 0.86), (b, 0.17, z * 0.86), (b, 0.26, z * 0.98),
                   (a, 0.26, z * 0.98))], (244, 242, 238))
    sheet(z * 0.84, near, 0.165, cloth)
    pen.polygon([view((x, bottom - high * y, near)) for x, y in
                 ((x0, 0.02), (x1, 0.02), (x1, 0.165), (x0, 0.165))], shade(cloth, 0.7))


def _table(pen: Canvas, latents: dict, span: Point, z: float, cloth: Colour) -> None:
    """Draw a table with a vase of flowers."""
    view, (_, _, top, bottom) = camera(latents), walls(latents)
    (x0, x1), high, near = span, bottom - top, z * 0.82
    for x, d in ((x0, z), (x1, z), (x0, near), (x1, near)):
        pen.line([view((x, bottom, d)), view((x, bottom - high * 0.28, d))], shade(cloth, 0.5),
                 0.022)
    pen.polygon([view((x, bottom - high * 0.28, d)) for x, d in
                 ((x0, z), (x1, z), (x1, near), (x0, near))], cloth)
    pen.polygon([view((x, bottom - high * y, near)) for x, y in
                 ((x0, 0.28), (x1, 0.28), (x1, 0.24), (x0, 0.24))], shade(cloth, 0.7))
    x, y = view(((x0 + x1) / 2, bottom - high * 0.29, z * 0.9))
    for dx, dy in ((-0.05, -0.15), (0.0, -0.18), (0.05, -0.14)):
        pen.line([(x, y - 0.06), (x + dx, y + dy)], (60, 110, 60), 0.012)
        pen.ellipse((x + dx, y + dy), (0.026, 0.026), latents["second_rgb"])
    pen.polygon([(x - 0.03, y), (x + 0.03, y), (x + 0.02, y - 0.08), (x - 0.02, y - 0.08)],
                shade(latents["sky_rgb"], 1.1))


DRAWINGS = {"corridor": corridor, "room": room}
