"""Floor 4. Built places drawn in perspective: corridor, room, street and house."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from helpers.universe.canvas import Canvas, Colour, Point, mix, shade
from helpers.universe.outdoors import sky, tree

Solid = tuple[float, float, float]


def _camera(look: dict) -> Callable[[Solid], Point]:
    """Give the projection of (x right, y down, z away) around the vanishing point."""
    vx, vy = look["vanishing"]

    def project(point: Solid) -> Point:
        x, y, z = point
        return vx + x / z, vy + y / z
    return project


def _walls(look: dict) -> tuple[float, float, float, float]:
    """Give left, right, ceiling and floor so that the box fills the frame at z = 1."""
    vx, vy = look["vanishing"]
    return -vx - 0.02, 1 - vx + 0.02, -vy - 0.02, 1 - vy + 0.02


def _box(pen: Canvas, look: dict, far: float) -> None:
    """Paint the inside of a box from z = 1 to ``far``: four sides and the end wall."""
    view = _camera(look)
    left, right, top, bottom = _walls(look)
    wall, floor = look["rgb"], look["second_rgb"]

    def side(corners: Sequence[tuple[float, float]], near: Colour, away: Colour) -> None:
        edges = np.geomspace(1, far, 7)
        for i, (z0, z1) in enumerate(zip(edges[:-1], edges[1:], strict=True)):
            (x0, y0), (x1, y1) = corners
            pen.polygon([view((x0, y0, z0)), view((x1, y1, z0)),
                         view((x1, y1, z1)), view((x0, y0, z1))], mix(near, away, i / 5))
    falloff = 0.55 + 0.75 * look["haze"]
    for corners, colour in (
            (((left, top), (right, top)), mix(wall, look["third_rgb"], 0.75)),
            (((left, bottom), (right, bottom)), floor),
            (((left, top), (left, bottom)), shade(wall, 0.78)),
            (((right, top), (right, bottom)), shade(wall, 1.12))):
        side(corners, colour, shade(colour, falloff))
    pen.polygon([view((x, y, far)) for x, y in
                 ((left, top), (right, top), (right, bottom), (left, bottom))],
                shade(wall, falloff * 0.92))


def _tiles(pen: Canvas, look: dict, far: float, count: int) -> None:
    """Draw a chequered floor, or boards where the light is weak."""
    view = _camera(look)
    left, right, _, bottom = _walls(look)
    depths = np.geomspace(1, far, count + 1)
    across = np.linspace(left, right, count)
    dark = shade(look["second_rgb"], 0.62 if look["openness"] < 0.5 else 1.35)
    for i in range(count):
        for j in range(count - 1):
            if (i + j) % 2:
                continue
            pen.polygon([view((across[j], bottom, depths[i])),
                         view((across[j + 1], bottom, depths[i])),
                         view((across[j + 1], bottom, depths[i + 1])),
                         view((across[j], bottom, depths[i + 1]))], dark)


def _panel(pen: Canvas, look: dict, x: float, span: Point, height: Point, fill: Colour) -> None:
    """Draw an upright rectangle on a side wall at ``x``, over ``span`` in depth."""
    view = _camera(look)
    (z0, z1), (y0, y1) = span, height
    pen.polygon([view((x, y0, z0)), view((x, y0, z1)), view((x, y1, z1)), view((x, y1, z0))],
                fill)


def corridor(pen: Canvas, look: dict, rng: np.random.Generator) -> None:
    """Draw a corridor: doors along both walls, tiles, lamps, something at the end."""
    far = 5 + 9 * look["depth"]
    _box(pen, look, far)
    _tiles(pen, look, far, int(rng.integers(5, 9)))
    view = _camera(look)
    left, right, top, bottom = _walls(look)
    door = look["third_rgb"]
    frame = shade(mix(look["rgb"], door, 0.3), 0.5)
    lintel = bottom + (top - bottom) * rng.uniform(0.66, 0.8)
    for x in (left, right):
        z = rng.uniform(1.0, 1.3)
        while z < far * 0.85:
            wide = 0.34 * z ** 0.9
            _panel(pen, look, x, (z - 0.05 * z, z + wide + 0.05 * z), (lintel - 0.04, bottom), frame)
            _panel(pen, look, x, (z, z + wide), (lintel, bottom), door)
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
                look["lamp_rgb"] if look["openness"] > 0.5 else door)


def _frame(pen: Canvas, corners: Sequence[Point], fill: Colour, edge: Colour, bars: bool) -> None:
    """Fill a four-sided pane with an edge and, as a window, a cross of bars."""
    pen.polygon(corners, fill)
    pen.line([*corners, corners[0]], edge, 0.016)
    if bars:
        (a, b, c, d) = corners
        for (p, q), (r, s) in (((a, b), (d, c)), ((a, d), (b, c))):
            pen.line([((p[0] + q[0]) / 2, (p[1] + q[1]) / 2),
                      ((r[0] + s[0]) / 2, (r[1] + s[1]) / 2)], edge, 0.012)


def room(pen: Canvas, look: dict, rng: np.random.Generator) -> None:
    """Draw a room: a large back wall with window and picture, rug, sofa or table, lamp."""
    far = 1.5 + 0.7 * look["depth"]
    _box(pen, look, far)
    view = _camera(look)
    left, right, top, bottom = _walls(look)
    wide, high = right - left, bottom - top
    edge = shade(mix(look["rgb"], (255, 255, 255), 0.5), 0.95)

    def pane(x0: float, x1: float, y0: float, y1: float) -> list[Point]:
        return [view((left + wide * x, top + high * y, far)) for x, y in
                ((x0, y0), (x1, y0), (x1, y1), (x0, y1))]
    at = rng.uniform(0.1, 0.2)
    _frame(pen, pane(at, at + 0.3, 0.16, 0.52), mix(look["sky_rgb"], (250, 250, 250), 0.3),
           edge, True)
    _frame(pen, pane(0.68, 0.86, 0.2, 0.44), look["third_rgb"], shade(look["third_rgb"], 0.4),
           False)
    floor = [(0.2, 1.15), (0.8, 1.15), (0.8, far * 0.94), (0.2, far * 0.94)]
    pen.polygon([view((left + wide * x, bottom, z)) for x, z in floor],
                mix(look["third_rgb"], look["second_rgb"], 0.25))
    cloth, at = mix(look["third_rgb"], look["sky_rgb"], 0.5), rng.uniform(0.16, 0.36)
    _sofa(pen, look, (left + wide * at, left + wide * (at + rng.uniform(0.38, 0.46))), far * 0.9,
          cloth)
    if rng.random() < 0.6:
        x = left + wide * rng.uniform(0.8, 0.9)
        foot, shaft = view((x, bottom, far * 0.85)), view((x, bottom - high * 0.5, far * 0.85))
        pen.line([foot, shaft], (40, 38, 36), 0.014)
        pen.polygon([(shaft[0] - 0.03, shaft[1] - 0.07), (shaft[0] + 0.03, shaft[1] - 0.07),
                     (shaft[0] + 0.06, shaft[1] + 0.02), (shaft[0] - 0.06, shaft[1] + 0.02)],
                    (250, 232, 178))


def _sofa(pen: Canvas, look: dict, span: Point, z: float, cloth: Colour) -> None:
    """Draw a sofa that stands at depth ``z`` and faces the viewer."""
    view = _camera(look)
    bottom = _walls(look)[3]
    (x0, x1), high = span, (_walls(look)[3] - _walls(look)[2])
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


def street(pen: Canvas, look: dict, rng: np.random.Generator) -> None:
    """Draw a street between two rows of buildings, with a road, lamps and crossing lines."""
    sky(pen, look, rng, look["vanishing"][1])
    view = _camera(look)
    left, right, _, bottom = _walls(look)
    left, right = left * 0.95 - 0.1, right * 0.95 + 0.1
    asphalt = mix(look["second_rgb"], (92, 92, 96), 0.5)
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
            wall = mix(look[("rgb", "third_rgb")[int(rng.integers(2))]], look["rgb"],
                       rng.uniform(0, 0.6))
            _building(pen, look, (x, lit), (z0, z1),
                      (bottom - rng.uniform(0.7, 1.3), bottom), mix(
                          wall, look["sky_rgb"], min(0.7, look["haze"] * z0 / 9)))
    for x in (left * 0.75, right * 0.75):
        for z in (2.2, 1.25):
            top = view((x, bottom - 0.85, z))
            pen.line([view((x, bottom, z)), top], (48, 48, 52), 0.022 / z)
            pen.ellipse(top, (0.035 / z, 0.035 / z), (250, 238, 190))


def _building(pen: Canvas, look: dict, wall: tuple[float, float], span: Point, height: Point,
              colour: Colour) -> None:
    """Draw one front along the street: its face, its windows, its door."""
    (x, lit), (z0, z1), (y0, y1) = wall, span, height
    _panel(pen, look, x, span, height, shade(colour, lit))
    view = _camera(look)
    outward = x + (0.5 if x > 0 else -0.5)
    pen.polygon([view((x, y0, z0)), view((outward, y0, z0)), view((outward, y1, z0)),
                 view((x, y1, z0))], shade(colour, lit * 0.8))
    rows = int((y1 - y0) / 0.24)
    for row in range(rows):
        top = y0 + 0.08 + row * 0.24
        for a in (0.12, 0.58):
            _panel(pen, look, x, (z0 + (z1 - z0) * a, z0 + (z1 - z0) * (a + 0.28)),
                   (top, top + (0.13 if row < rows - 1 else 0.18)), look["lamp_rgb"])


def house(pen: Canvas, look: dict, rng: np.random.Generator) -> None:
    """Draw a house with roof, door, windows, path and tree, from the front or at an angle."""
    horizon = 0.5 + 0.25 * look["vanishing"][1]
    sky(pen, look, rng, horizon)
    pen.polygon([(0, horizon), (1, horizon), (1, 1), (0, 1)], look["second_rgb"])
    size = 0.62 + 0.28 * (1 - look["depth"])
    x0 = 0.5 - size / 2 + (look["vanishing"][0] - 0.5) * 0.35
    base, high = min(0.93, horizon + 0.08 + 0.1 * size), 0.36 * size + 0.08 * look["openness"]
    turn = rng.uniform(0.25, 0.45) if look["openness"] > 0.4 else 0.0
    if rng.random() < 0.7:
        tree(pen, (x0 + size * rng.choice([-0.12, 1.1]), base), size * 0.75,
             mix(look["second_rgb"], look["third_rgb"], 0.5), rng)
    _house_body(pen, look, rng, (x0, base), (size, high), turn)
    middle = x0 + size * (turn + (1 - turn) * 0.5)
    pen.polygon([(middle - 0.05, base), (middle + 0.05, base), (0.68, 1), (0.36, 1)],
                mix(look["second_rgb"], (216, 204, 180), 0.6))


def _house_body(pen: Canvas, look: dict, rng: np.random.Generator, corner: Point, span: Point,
                turn: float) -> None:
    """Draw walls, roof and openings; ``turn`` is the share of width the gable side takes."""
    (x0, base), (wide, high) = corner, span
    wall, roof = look["rgb"], shade(look["third_rgb"], 0.8)
    top, ridge = base - high, base - high * (1.65 + 0.3 * look["haze"])
    split, right = x0 + wide * turn, x0 + wide
    lift = 0.1 * high * (turn > 0)
    gable = (x0 + split) / 2 if turn else x0 + wide * 0.2
    pen.polygon([(split, top), (right, top + lift), (right, base - lift), (split, base)], wall)
    if turn:
        pen.polygon([(x0, top + lift), (gable, ridge), (split, top), (split, base),
                     (x0, base - lift)], shade(wall, 0.72))
        end = (right - wide * 0.12, ridge + lift)
        _frame(pen, [(x0 + wide * turn * a, y) for a, y in (
            (0.3, top + high * 0.3), (0.7, top + high * 0.26), (0.7, top + high * 0.62),
            (0.3, top + high * 0.62))], look["lamp_rgb"], (238, 234, 224), True)
    else:
        end = (right - wide * 0.2, ridge)
    pen.polygon([(gable, ridge), end, (right + 0.02, top + lift + 0.01),
                 (split - 0.02 * (not turn), top + 0.015)], roof)
    if rng.random() < 0.6:
        x = right - wide * 0.3
        pen.polygon([(x, ridge - 0.05), (x + 0.06, ridge - 0.05), (x + 0.06, top - high * 0.2),
                     (x, top - high * 0.2)], shade(wall, 0.6))
    front, count = right - split, 2 if turn else int(rng.integers(1, 3)) * 2
    door = split + front * 0.5
    pen.polygon([(door - 0.06 * wide, base - high * 0.6), (door + 0.06 * wide, base - high * 0.6),
                 (door + 0.06 * wide, base - lift / 2), (door - 0.06 * wide, base - lift / 2)],
                shade(look["sky_rgb"], 0.5))
    for i in range(count):
        x = split + front * ((i + 0.5) / count if count == 2 else (0.12, 0.31, 0.69, 0.88)[i])
        half = 0.055 * wide
        _frame(pen, [(x - half, top + high * 0.3), (x + half, top + high * 0.3),
                     (x + half, top + high * 0.66), (x - half, top + high * 0.66)],
               look["lamp_rgb"], (238, 234, 224), True)


DRAWINGS = {"corridor": corridor, "room": room, "street": street, "house": house}
