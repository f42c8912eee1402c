"""Perspective: a camera, the inside of a box, panels on its walls, framed panes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from data.synthetic.canvas import Canvas, Colour, Point, mix, shade

Solid = tuple[float, float, float]


def camera(latents: dict) -> Callable[[Solid], Point]:
    """Give the projection of (x right, y down, z away) around the vanishing point."""
    vx, vy = latents["vanishing"]

    def project(point: Solid) -> Point:
        x, y, z = point
        return vx + x / z, vy + y / z
    return project


def walls(latents: dict) -> tuple[float, float, float, float]:
    """Give left, right, ceiling and floor so that the box fills the frame at z = 1."""
    vx, vy = latents["vanishing"]
    return -vx - 0.02, 1 - vx + 0.02, -vy - 0.02, 1 - vy + 0.02


def box(pen: Canvas, latents: dict, far: float) -> None:
    """Paint the inside of a box from z = 1 to ``far``: four sides and the end wall."""
    view = camera(latents)
    left, right, top, bottom = walls(latents)
    wall, floor = latents["rgb"], latents["second_rgb"]

    def side(corners: Sequence[tuple[float, float]], near: Colour, away: Colour) -> None:
        edges = np.geomspace(1, far, 7)
        for i, (z0, z1) in enumerate(zip(edges[:-1], edges[1:], strict=True)):
            (x0, y0), (x1, y1) = corners
            pen.polygon([view((x0, y0, z0)), view((x1, y1, z0)),
                         view((x1, y1, z1)), view((x0, y0, z1))], mix(near, away, i / 5))
    falloff = 0.55 + 0.75 * latents["haze"]
    for corners, colour in (
            (((left, top), (right, top)), mix(wall, latents["third_rgb"], 0.75)),
            (((left, bottom), (right, bottom)), floor),
            (((left, top), (left, bottom)), shade(wall, 0.78)),
            (((right, top), (right, bottom)), shade(wall, 1.12))):
        side(corners, colour, shade(colour, falloff))
    pen.polygon([view((x, y, far)) for x, y in
                 ((left, top), (right, top), (right, bottom), (left, bottom))],
                shade(wall, falloff * 0.92))


def panel(pen: Canvas, latents: dict, x: float, span: Point, height: Point, fill: Colour) -> None:
    """Draw an upright rectangle on a side wall at ``x``, over ``span`` in depth."""
    view = camera(latents)
    (z0, z1), (y0, y1) = span, height
    pen.polygon([view((x, y0, z0)), view((x, y0, z1)), view((x, y1, z1)), view((x, y1, z0))],
                fill)


def frame(pen: Canvas, corners: Sequence[Point], fill: Colour, edge: Colour, bars: bool) -> None:
    """Fill a four-sided pane with an edge and, as a window, a cross of bars."""
    pen.polygon(corners, fill)
    pen.line([*corners, corners[0]], edge, 0.016)
    if bars:
        (a, b, c, d) = corners
        for (p, q), (r, s) in (((a, b), (d, c)), ((a, d), (b, c))):
            pen.line([((p[0] + q[0]) / 2, (p[1] + q[1]) / 2),
                      ((r[0] + s[0]) / 2, (r[1] + s[1]) / 2)], edge, 0.012)
