"""The diet look: colour things in natural clutter, for networks to learn from.

Ground, size, place, turn, colour cast and clutter are drawn independently of the class.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from PIL import Image, ImageFilter

from data.synthetic import scenes
from data.synthetic.canvas import (
    Canvas,
    jitter,
    paste,
    pixel_grid,
    rotate_and_crop,
    sample_noise_texture,
)
from data.synthetic.images import (
    Latents,
    draw,
    fine_classes,
    longer_side,
    mask_scene,
    sample,
    sample_position,
)
from helpers.stimuli.quantization import levels

_N_BACKGROUNDS, _N_SHAPES = 160, 64


def _collage(rng: np.random.Generator, size: int) -> Image.Image:
    """Lay enlarged parts of things of any domain over each other."""
    classes = list(fine_classes().values())
    image = Image.new("RGB", (size, size), tuple(int(v) for v in rng.integers(30, 225, 3)))
    for index in rng.choice(len(classes), 5):
        item = draw(sample(*classes[index], rng), 64)
        if classes[index][0] == "scenes":
            item = mask_scene(item, rng)
        item = rotate_and_crop(item, angle=float(rng.uniform(-180, 180)))
        paste(image, item, centre=sample_position(0, rng), size=float(rng.uniform(.5, 1.4)))
    return image.filter(ImageFilter.GaussianBlur(float(rng.uniform(.6, 2.5)) * size / 120))


def _texture(rng: np.random.Generator, size: int) -> Image.Image:
    """Colour two mixed 1/f textures by three random colours."""
    colours = rng.integers(20, 236, (3, 3))
    power = float(rng.uniform(.8, 1.8))
    one, two = (1 / (1 + np.exp(-1.2 * sample_noise_texture(size, rng, power=power)))[..., None]
                for _ in range(2))
    return Image.fromarray(levels(colours[0] * one * two + colours[1] * (1 - one) * two
                                  + colours[2] * (1 - two)))


def _gradient(rng: np.random.Generator, size: int) -> Image.Image:
    """Blend two colours along a direction, with a horizon at times."""
    x, y = pixel_grid(size)
    angle = rng.uniform(0, 2 * np.pi)
    ramp = x * np.cos(angle) + y * np.sin(angle) + rng.uniform(-.5, .5)
    weight = 1 / (1 + np.exp(-ramp * float(rng.choice([1.5, 4, 40]))))[..., None]
    colours = rng.integers(20, 236, (2, 3))
    return Image.fromarray(levels(colours[0] * weight + colours[1] * (1 - weight)))


# Whoever starts processes calls this before: where these are forked, they have the stock.
@lru_cache(maxsize=2)
def get_backgrounds_and_clutter(
    seed: int, size: int) -> tuple[list[tuple[str, Image.Image]], list[Image.Image]]:
    """Paint the grounds and the clutter that all diet images of a seed draw from.

    A stock per process is what makes a thousand images a second possible; each use crops,
    flips and recolours, so that no ground is seen twice alike.
    """
    side, backgrounds, shapes = size * 3 // 2, [], []
    for index in range(_N_BACKGROUNDS):
        rng = np.random.default_rng([seed, 90, index])
        variant = ("scene", "collage", "texture", "collage", "gradient", "scene")[index % 6]
        if variant == "scene":
            kind = scenes.KINDS[rng.integers(len(scenes.KINDS))]
            background = draw(sample("scenes", {"kind": kind}, rng), side).convert("RGB")
            blur = float(rng.uniform(1, 4)) * side / 120
            backgrounds.append((kind, background.filter(ImageFilter.GaussianBlur(blur))))
        else:
            painter = {"collage": _collage, "texture": _texture, "gradient": _gradient}[variant]
            backgrounds.append((variant, painter(rng, side)))
    for index in range(_N_SHAPES):
        shapes.append(_shape(np.random.default_rng([seed, 91, index])))
    return backgrounds, shapes


def _shape(rng: np.random.Generator) -> Image.Image:
    """Draw one piece of clutter: a blob, a box, a bar or a ring."""
    canvas, colour = Canvas(40), jitter(rng.integers(20, 236, 3), rng, 4)
    variant = rng.integers(4)
    if variant == 0:
        angles = np.sort(rng.uniform(0, 2 * np.pi, 7))
        canvas.blob([(float(.5 + r * np.cos(t)), float(.5 + r * np.sin(t)))
                     for t, r in zip(angles, rng.uniform(.25, .45, 7), strict=True)], colour)
    elif variant == 1:
        w, h = (float(v) for v in rng.uniform(.15, .42, 2))
        canvas.polygon([(.5 - w, .5 - h), (.5 + w, .5 - h), (.5 + w, .5 + h), (.5 - w, .5 + h)],
                       colour)
    elif variant == 2:
        for offset in np.linspace(-.3, .3, int(rng.integers(1, 4))):
            canvas.line([(.1, .5 + float(offset)), (.9, .5 + float(offset))], colour, .08)
    else:
        canvas.ellipse((.5, .5), (.45, .45), colour)
        canvas.ellipse((.5, .5), (.28, .28), jitter(rng.integers(20, 236, 3), rng, 4))
    return rotate_and_crop(canvas.finish(), angle=float(rng.uniform(0, 360)))


def random_crop(image: Image.Image, size: int, rng: np.random.Generator) -> Image.Image:
    """Look at a square through a random window: part of it, turned a little, often mirrored."""
    crop_fraction, angle = rng.uniform(.56, .86), rng.uniform(-.14, .14)
    cos, sin = crop_fraction * image.width / size * np.array([np.cos(angle), np.sin(angle)])
    max_shift = image.width * (1 - crop_fraction * (np.cos(angle) + abs(np.sin(angle)))) / 2
    x, y = image.width / 2 + rng.uniform(-max_shift, max_shift, 2)
    if rng.random() < .5:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    half = size / 2
    affine = (cos, -sin, x - half * (cos - sin), sin, cos, y - half * (sin + cos))
    return image.transform((size, size), Image.Transform.AFFINE, tuple(map(float, affine)),
                             Image.Resampling.BILINEAR)


def apply_colour_cast(image: Image.Image, rng: np.random.Generator, *,
                      strength: float) -> Image.Image:
    """Change hue, saturation, white balance, contrast and brightness at random.

    One affine map of colour: rotation about the grey axis, scaling off and along it, gains.
    """
    angle = rng.normal(0, .4 * strength)
    saturation = 0.0 if rng.random() < .15 * strength else rng.uniform(.4, 1.25)
    c, s = saturation * np.cos(angle), saturation * np.sin(angle) / np.sqrt(3)
    third = np.full((3, 3), 1 / 3)
    axis = np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]])
    matrix = third + c * (np.eye(3) - third) + s * axis
    contrast = rng.uniform(1 - .35 * strength, 1 + .3 * strength)
    matrix = matrix * (contrast * np.exp(rng.normal(0, .12 * strength, 3)))[:, None]
    offset = 128 * (1 - contrast) + rng.normal(0, 16 * strength)
    affine = np.hstack([matrix, np.full((3, 1), offset)]).ravel()
    return image.convert("RGB", tuple(float(v) for v in affine))


def recolour(item: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Give a cut-out a cast of its own."""
    recoloured = apply_colour_cast(item.convert("RGB"), rng, strength=.6)
    recoloured.putalpha(item.getchannel("A"))
    return recoloured


def compose_diet_image(domain: str, constraints: dict[str, Any], *, rng: np.random.Generator,
                 seed: int, size: int,
                 single_item: bool = False) -> tuple[Image.Image, list[Latents]]:
    """Compose one colour image in natural clutter.

    Parameters
    ----------
    domain : str
        A key of ``DOMAINS``.
    constraints : dict
        For ``sample``, with ``kind`` among them.
    rng : Generator
    seed : int
        Of the stock of grounds and clutter.
    size : int
        Side, pixels.
    single_item : bool
        Whether no second thing may appear.

    Returns
    -------
    image : Image, mode RGB
    things : list of dict
        Latents: the main thing (with ``background``: a scene's kind, "texture", "gradient",
        "collage", or "none" where the thing is the scene itself), then a second thing, if any.
    """
    main = sample(domain, constraints, rng)
    if domain == "scenes":
        image = _scene(main, rng, size)
    else:
        image = _on_background(main, rng, seed, size)
    things = [main]
    if rng.random() < .2 and not single_item:
        things.append(_add_second_item(image, rng))
    add_clutter(image, rng, seed)
    return apply_colour_cast(image, rng, strength=.8), things


def _scene(main: Latents, rng: np.random.Generator, size: int) -> Image.Image:
    """Let a scene fill the frame."""
    main["background"] = "none"
    return random_crop(draw(main, round(size * 1.25)).convert("RGB"), size, rng)


def _on_background(main: Latents, rng: np.random.Generator, seed: int, size: int) -> Image.Image:
    """Lay a cut-out on a ground that has nothing to do with it."""
    backgrounds, _ = get_backgrounds_and_clutter(seed, size)
    main["background"], background = backgrounds[rng.integers(len(backgrounds))]
    image = apply_colour_cast(random_crop(background, size, rng), rng, strength=.7)
    relative_size = float(.55 + .43 * rng.random()**.8)
    item_image = draw(main, round(size * min(1, relative_size + .2)))
    item = rotate_and_crop(recolour(item_image, rng), angle=float(rng.uniform(-22, 22)))
    relative_size = longer_side(item, relative_size)
    paste(image, item, centre=sample_position(relative_size, rng, max_overhang=.06),
          size=relative_size)
    return image


def add_clutter(image: Image.Image, rng: np.random.Generator, seed: int) -> None:
    """Strew up to three shapes over the image."""
    _, shapes = get_backgrounds_and_clutter(seed, image.width)
    for shape in rng.integers(len(shapes), size=rng.integers(4)):
        relative_size = float(rng.uniform(.06, .2))
        paste(image, shapes[shape], centre=sample_position(0, rng), size=relative_size)


def _add_second_item(image: Image.Image, rng: np.random.Generator) -> Latents:
    """Add a small thing of any domain but scenes; give its latents."""
    classes = [entry for entry in fine_classes().values() if entry[0] != "scenes"]
    latents = sample(*classes[rng.integers(len(classes))], rng)
    relative_size = float(rng.uniform(.2, .32))
    item = rotate_and_crop(draw(latents, 40), angle=float(rng.uniform(-15, 15)))
    paste(image, item, centre=sample_position(relative_size, rng, max_overhang=.02),
          size=relative_size)
    return latents
