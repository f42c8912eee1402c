"""Heads: where the parts of a face lie, and the hair on top of it."""

from __future__ import annotations

from typing import Any

import numpy as np

from data.synthetic.canvas import Canvas, shade

CURL_SEED = 5078


class Head:
    """Where the parts of one head lie, in unit coordinates."""

    def __init__(self, latents: dict[str, Any]) -> None:
        g, child = latents["geometry"], latents["kind"] == "child"
        self.child, self.yaw = child, latents["yaw"]
        self.half = (.295 if child else .25) + .022 * g[0]
        self.top, self.chin = (.15 + .012 * g[1], .86 + .02 * g[2]) if child else (
            .12 + .012 * g[1], .9 + .025 * g[2])
        self.jaw = (.9 if child else .83) + .09 * g[3]
        self.turn = .32 * self.half * self.yaw
        nod = .018 * latents["nod"]
        height = self.chin - self.top
        self.eye_y = self.top + height * ((.58 if child else .475) + .018 * g[4]) + nod
        self.eye_dx = self.half * (.43 + .035 * g[5])
        self.eye_r = (.058 if child else .046) * (1 + .16 * g[6])
        self.nose_y = self.eye_y + height * ((.16 if child else .2) + .02 * g[7])
        self.nose_w = (.03 if child else .042) * (1 + .3 * g[8])
        self.mouth_y = self.nose_y + height * ((.11 if child else .125) + .012 * g[9])
        self.mouth_w = self.half * ((.3 if child else .37) + .05 * g[10])
        self.brow = (.012 if child else .02) * (1 + .4 * g[11])

    def x(self, offset: float) -> float:
        """Turn a frontal offset from the midline into the x of the turned head."""
        squeeze = 1 - .22 * abs(self.yaw) * (1 if offset * self.yaw > 0 else .25)
        return .5 + self.turn + offset * squeeze

    def outline(self) -> list[tuple[float, float]]:
        """Give the knots of the face's contour, clockwise from the crown."""
        w, t, c = self.half, self.top, self.chin
        h, lean = c - t, .22 * self.turn
        cheek = t + h * (.68 if self.child else .6)
        return [(.5, t), (.5 + .66 * w, t + .09 * h), (.5 + .98 * w, t + .34 * h),
                (.5 + w * .97, cheek), (.5 + lean + w * self.jaw * .8, t + .84 * h),
                (.5 + lean * 2 + w * .3, c), (.5 + lean * 2 - w * .3, c),
                (.5 + lean - w * self.jaw * .8, t + .84 * h), (.5 - w * .97, cheek),
                (.5 - .98 * w, t + .34 * h), (.5 - .66 * w, t + .09 * h)]


def _cap(head: Head, line: float, part: float, volume: float) -> list[tuple[float, float]]:
    """Give the knots of hair on the crown down to a hairline at ``line``."""
    w, t = head.half, head.top
    ear = head.eye_y - .01
    x = .5 + .5 * head.turn
    return [(.5 - w * 1.04, ear), (.5 - w * (1.02 + volume), t + .12),
            (.5 - w * .6, t - volume * .22), (.5, t - .03 - volume * .3),
            (.5 + w * .6, t - volume * .22), (.5 + w * (1.02 + volume), t + .12),
            (.5 + w * 1.04, ear), (.5 + w * .9, line + .07), (x + w * .5, line),
            (x + w * .4 * part, line - .035), (x - w * .5, line), (.5 - w * .9, line + .07)]


def _short(canvas: Canvas, head: Head, latents: dict[str, Any]) -> None:
    line = head.top + .13 + .03 * latents["geometry"][4]
    canvas.blob(_cap(head, line, latents["parting"], .06), latents["hair_rgb"])
    x = .5 + .3 * head.half * latents["parting"]
    canvas.curve([(x, head.top + .02), (x + .06, head.top + .06), (x + .1, line)],
                 shade(latents["hair_rgb"], 1.3), .012)


def _long(canvas: Canvas, head: Head, latents: dict[str, Any]) -> None:
    line, w, hair = head.top + .12, head.half, latents["hair_rgb"]
    canvas.blob(_cap(head, line, latents["parting"], .16), hair)
    for side in (-1, 1):
        near = .5 + side * w * 1.06
        canvas.blob([(near, head.top + .1), (near + side * .05, .5), (near + side * .055, .88),
                     (near - side * .03, .9), (near - side * .055, .6),
                     (near - side * .05, head.top + .2)], hair)
        canvas.curve([(near, head.top + .14), (near + side * .02, .55), (near, .86)],
                     shade(hair, 1.28), .01)


def _curly(canvas: Canvas, head: Head, latents: dict[str, Any]) -> None:
    rng = np.random.default_rng([CURL_SEED, latents["identity"]])
    hair, w = latents["hair_rgb"], head.half
    for angle in np.linspace(-.15, np.pi + .15, 15):
        x = .5 + w * 1.02 * np.cos(angle)
        y = head.top + .2 - .19 * np.sin(angle) + .1 * (abs(np.cos(angle)) ** 3)
        radius = .055 + .02 * rng.random()
        canvas.ellipse((float(x), float(y)), (radius, radius), shade(hair, .85 + .4 * rng.random()))
    for x in np.linspace(-.6, .6, 6):
        canvas.ellipse((float(.5 + w * x), head.top + .07), (.07, .055),
                       shade(hair, .85 + .4 * rng.random()))


def _bald(canvas: Canvas, head: Head, latents: dict[str, Any]) -> None:
    if latents["parting"] > 0:
        for side in (-1, 1):
            x = .5 + side * head.half * 1.0
            canvas.ellipse((x, head.eye_y - .05), (.03, .075), latents["hair_rgb"])
    canvas.ellipse((.5 - .3 * head.half, head.top + .08), (.06, .03),
                   shade(latents["skin_rgb"], 1.15), 20)


def _hat(canvas: Canvas, head: Head, latents: dict[str, Any]) -> None:
    cloth, w, t = latents["hat_rgb"], head.half, head.top
    _short(canvas, head, latents)
    canvas.blob([(.5 - w * 1.08, t + .17), (.5 - w * .95, t - .01), (.5, t - .085),
                 (.5 + w * .95, t - .01), (.5 + w * 1.08, t + .17), (.5, t + .13)], cloth)
    canvas.line([(.5 - w * 1.02, t + .165), (.5, t + .135), (.5 + w * 1.02, t + .165)],
                shade(cloth, .72), .06)
    if latents["parting"] > 0:
        canvas.ellipse((.5, t - .07), (.05, .05), shade(cloth, 1.3))


STYLES = {"short": _short, "long": _long, "curly": _curly, "bald": _bald, "hat": _hat}
