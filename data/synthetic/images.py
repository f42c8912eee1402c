"""Composed images of things: the grey localizer look and the classic probe look.

The look never depends on the class: size, place, turn, light and ground are drawn from the same
distributions for every domain, so that none of them gives the class away.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from data.synthetic import bodies, characters, faces, objects, scenes
from data.synthetic.canvas import paste, pixel_grid, rotate_and_crop, sample_noise_texture
from helpers.stimuli.quantization import grey_levels, levels
from helpers.stimuli.scrambling import block_scramble, match_luminance, phase_scramble

DOMAINS: dict[str, Any] = {"faces": faces, "bodies": bodies, "scenes": scenes,
                           "characters": characters, "objects": objects}

LOCALIZER_CATEGORIES: dict[str, tuple[str, tuple[str, ...]]] = {
    "adult": ("faces", ("adult",)), "child": ("faces", ("child",)),
    "body": ("bodies", ("body",)), "limb": ("bodies", ("limb",)),
    "car": ("objects", ("car",)), "instrument": ("objects", ("instrument",)),
    "corridor": ("scenes", ("corridor",)), "house": ("scenes", ("house",)),
    "word": ("characters", ("word", "pseudoword")), "number": ("characters", ("number",)),
}
"""Intact categories of the localizer: domain and kinds; "scrambled" comes on top."""

PROBE_CATEGORIES: dict[str, tuple[str, tuple[str, ...]]] = {
    "1-Faces": ("faces", faces.KINDS), "2-Bodies": ("bodies", bodies.KINDS),
    "3-Scenes": ("scenes", scenes.KINDS), "4-Words": ("characters", ("word", "pseudoword")),
    "5-Objects": ("objects", objects.KINDS), "6-ScrambledObjects": ("objects", objects.KINDS),
    "7-ScrambledWords": ("characters", ("word", "pseudoword")),
}

CHANNEL_CATEGORIES: dict[str, tuple[str, tuple[str, ...], dict[str, Any]]] = {
    "faces": ("faces", faces.KINDS, {}), "bodies": ("bodies", ("body",), {}),
    "cats": ("objects", ("animal",), {"variant": "cat"}),
    "buildings": ("scenes", ("house",), {}), "cars": ("objects", ("car",), {}),
    "chairs": ("objects", ("chair",), {}), "hammers": ("objects", ("tool",), {"variant": "hammer"}),
}
"""The published categories that this world has (no phones): domain, kinds, constraints."""

LUMINANCE_MEAN, LUMINANCE_SD = 0.5, 0.15
"""Luminance and contrast of every grey image, on [0, 1]."""

Latents = dict[str, Any]


def fine_classes() -> dict[str, tuple[str, dict[str, Any]]]:
    """Give the 48 fine classes of the diet: name to (domain, constraints for ``sample``)."""
    return {name: (domain, constraints) for domain, module in DOMAINS.items()
            for name, constraints in module.CLASSES.items()}


def sample(domain: str, constraints: dict[str, Any], rng: np.random.Generator) -> Latents:
    """Draw the latents of one thing; they carry their ``domain``."""
    constraints = dict(constraints)
    kind = constraints.pop("kind")
    return {"domain": domain, **DOMAINS[domain].sample(kind, rng, **constraints)}


def draw(latents: Latents, size: int) -> Image.Image:
    """Draw one thing from its latents; RGBA, ``size`` by ``size``."""
    return DOMAINS[latents["domain"]].draw(latents, size)


def mask_scene(scene: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Cut a scene out as a soft disc, ellipse or box, so that it is one item among others."""
    size = scene.width
    mask = Image.new("L", scene.size, 0)
    pen, (a, b) = ImageDraw.Draw(mask), rng.uniform(.34, .48, 2) * size
    box = (size / 2 - a, size / 2 - b, size / 2 + a, size / 2 + b)
    if rng.random() < .6:
        pen.ellipse(box, fill=255)
    else:
        pen.rounded_rectangle(box, radius=float(rng.uniform(0, .3)) * min(a, b), fill=255)
    masked_scene = scene.convert("RGBA")
    masked_scene.putalpha(mask.filter(ImageFilter.GaussianBlur(size / 128)))
    return masked_scene


def _item(domain: str, kinds: tuple[str, ...], rng: np.random.Generator, size: int,
          *, max_angle: float, **constraints: Any) -> tuple[Image.Image, Latents]:
    """Draw one cut-out item of one of ``kinds``, turned by up to ``max_angle`` degrees."""
    latents = sample(domain, {"kind": kinds[rng.integers(len(kinds))], **constraints}, rng)
    item = draw(latents, size)
    if domain == "scenes":
        item = mask_scene(item, rng)
    return rotate_and_crop(item, angle=float(rng.uniform(-max_angle, max_angle))), latents


def sample_position(size: float, rng: np.random.Generator, *,
                    max_overhang: float = 0.0) -> tuple[float, float]:
    """Draw a centre so that an item of ``size`` stays in the frame, but for ``max_overhang``."""
    max_offset = max((1 - size) / 2, 0) + max_overhang
    x, y = .5 + rng.uniform(-max_offset, max_offset, 2)
    return float(x), float(y)


def longer_side(item: Image.Image, relative_size: float) -> float:
    """Give a cut-out's longer side for its wanted ``relative_size`` of the frame; thin ones get
    more."""
    return min(.97, relative_size * (max(item.size) / min(item.size))**.35)


# ---- localizer and channels: grey items on phase-scrambled grounds ------------------------------

def _to_grey(image: Image.Image) -> np.ndarray:
    red, green, blue = np.moveaxis(np.asarray(image.convert("RGB")), -1, 0)
    return (0.299 * red + 0.587 * green + 0.114 * blue) / 255


def _to_image(grey: np.ndarray) -> Image.Image:
    return Image.fromarray(grey_levels(grey))


def _compose_mixed_items(rng: np.random.Generator, size: int) -> np.ndarray:
    """Compose a crowded grey image of items of mixed categories (a source of spectra)."""
    categories = list(LOCALIZER_CATEGORIES.values())
    image = Image.new("RGB", (size, size), (128, 128, 128))
    for index in rng.choice(len(categories), 3, replace=False):
        domain, kinds = categories[index]
        item, _ = _item(domain, kinds, rng, size * 3 // 5, max_angle=180)
        relative_size = float(rng.uniform(.4, 1.1))
        paste(image, item, centre=sample_position(relative_size, rng, max_overhang=.3),
              size=relative_size)
    return _to_grey(image)


def _phase_scrambled_background(rng: np.random.Generator, size: int) -> np.ndarray:
    """Phase-scramble a mixed image, at fixed mean and contrast; grey in [0, 1]."""
    texture = phase_scramble(_compose_mixed_items(rng, size), rng)
    texture = texture / texture.std() + .35 * sample_noise_texture(size, rng, power=.6)
    return match_luminance(texture, LUMINANCE_MEAN, .8 * LUMINANCE_SD)


def _match_item_contrast(item: Image.Image, rng: np.random.Generator) -> np.ndarray:
    """Give a cut-out's grey values a fixed distance (rms) from the ground's mean.

    What a plain item, such as a word in one colour, lacks in contrast within, it gets as
    contrast with the ground.
    """
    grey, visible = _to_grey(item), np.asarray(item.getchannel("A")) > 127
    within = min(float(rng.uniform(.15, .2)), 3 * float(grey[visible].std()))
    between = np.sqrt(rng.uniform(.2, .24)**2 - within**2) * rng.choice([-1, 1])
    return match_luminance(grey, float(LUMINANCE_MEAN + between), within, visible)


def compose_localizer_image(category: str, *, rng: np.random.Generator, size: int) -> Image.Image:
    """Compose one grey localizer image (look of the fLoc set).

    Parameters
    ----------
    category : str
        A key of ``LOCALIZER_CATEGORIES``, or ``"scrambled"``.
    rng : Generator
    size : int
        Side, pixels.

    Returns
    -------
    Image, mode L; luminance has mean ``LUMINANCE_MEAN`` and sd ``LUMINANCE_SD`` over the whole
    image.
    """
    background = _phase_scrambled_background(rng, size)
    if category == "scrambled":
        return _to_image(match_luminance(background, LUMINANCE_MEAN, LUMINANCE_SD))
    item, _ = _item(*LOCALIZER_CATEGORIES[category], rng, size, max_angle=14)
    return _on_background(background, item, rng)


def compose_channel_image(category: str, *, rng: np.random.Generator, size: int) -> Image.Image:
    """Compose one grey image in the localizer's look; a key of ``CHANNEL_CATEGORIES``.

    Returns
    -------
    Image, mode L; luminance has mean ``LUMINANCE_MEAN`` and sd ``LUMINANCE_SD`` over the whole
    image.
    """
    domain, kinds, constraints = CHANNEL_CATEGORIES[category]
    background = _phase_scrambled_background(rng, size)
    item, _ = _item(domain, kinds, rng, size, max_angle=14, **constraints)
    return _on_background(background, item, rng)


def _on_background(background: np.ndarray, item: Image.Image,
                   rng: np.random.Generator) -> Image.Image:
    """Lay a cut-out, in grey, on a grey ground; then match luminance and contrast."""
    grey_item = Image.merge("LA",
                            (_to_image(_match_item_contrast(item, rng)), item.getchannel("A")))
    relative_size = longer_side(item, float(rng.uniform(.45, .85)))
    image = _to_image(background).convert("RGB")
    paste(image, grey_item.convert("RGBA"), centre=sample_position(relative_size, rng),
          size=relative_size)
    return _to_image(match_luminance(_to_grey(image), LUMINANCE_MEAN, LUMINANCE_SD))


# ---- probe: colour items on plain grounds -------------------------------------------------------

def _plain_background(rng: np.random.Generator, size: int) -> Image.Image:
    """Paint a light or dark ground, uniform or with a gradient."""
    tone = float(rng.uniform(205, 250) if rng.random() < .6 else rng.uniform(20, 70))
    x, y = pixel_grid(size)
    angle, slope = rng.uniform(0, 2 * np.pi), rng.uniform(0, 26) * (rng.random() < .6)
    plane = tone + slope * (x * np.cos(angle) + y * np.sin(angle))
    pixels = plane[..., None] + rng.normal(0, 5, 3)
    return Image.fromarray(levels(pixels))


def compose_probe_image(category: str, *, rng: np.random.Generator, size: int) -> Image.Image:
    """Compose one colour image of the classic look; a key of ``PROBE_CATEGORIES``; mode RGB."""
    image = _plain_background(rng, size)
    item, _ = _item(*PROBE_CATEGORIES[category], rng, size, max_angle=8)
    relative_size = longer_side(item, float(rng.uniform(.6, .9)))
    paste(image, item, centre=sample_position(relative_size, rng, max_overhang=-(1 - relative_size)
                                              / 3), size=relative_size)
    if "Scrambled" in category:
        image = block_scramble(image, rng, tiles=int(rng.choice([8, 16])))
    return image
