"""Captions: five English sentences for an image, from a small grammar with synonyms.

A sentence is frame(noun phrase of the main thing, setting, other things). A noun phrase is
[adjectives] noun [details]; each part is said or left out at random, so that, as among people,
no two captions tell the same story and each attribute is reported by some.
"""

from __future__ import annotations

import numpy as np

from data.synthetic.phrases import (
    BACKGROUNDS,
    COLOURS,
    DETAILS,
    FRAMES,
    HAIR,
    HOURS,
    INDOOR_HOURS,
    JOINERS,
    NOUNS,
    PEOPLE,
    PLACES,
    SIZES,
)
from helpers.core.errors import LabError

N_CAPTIONS = 5


def _choose(rng: np.random.Generator, options: tuple[str, ...]) -> str:
    return options[int(rng.integers(len(options)))]


def get_nouns(thing: dict) -> tuple[str, ...]:
    """Give every noun that may name ``thing``: by variant, part or pose, else by kind."""
    for key in ("part", "variant", "kind"):
        name = str(thing.get(key, "")).replace("_", " ")
        if name in NOUNS:
            return NOUNS[name]
    return (str(thing.get("variant") or thing.get("kind") or "thing").replace("_", " "),)


def _colour(thing: dict, rng: np.random.Generator, key: str = "colour") -> str:
    name = str(thing.get(key, ""))
    return _choose(rng, COLOURS.get(name, (name,)))


def _article(phrase: str) -> str:
    """Put a or an before ``phrase``."""
    return ("an " if phrase[0].lower() in "aeiou" else "a ") + phrase


def _face(thing: dict, rng: np.random.Generator) -> str:
    """Say a face: expression, hair, glasses, beard, hat, gaze."""
    extras = []
    hair = str(thing.get("hair", ""))
    if hair == "bald":
        extras.append(_choose(rng, ("a bald head", "no hair")))
    elif hair == "hat":
        extras.append(_choose(rng, ("a hat", "a hat on")))
    elif hair:
        colour_name = str(thing.get("hair_colour", thing.get("colour", "")))
        colour_name = _choose(rng, HAIR.get(colour_name, (colour_name,)))
        length, both = hair if rng.random() < 0.7 else "", rng.random() < 0.7
        extras.append(" ".join(filter(None,
                                      (length, colour_name if both or not length else "", "hair"))))
    extras += [_choose(rng, PEOPLE[key]) for key in ("glasses", "beard", "hat") if thing.get(key)]
    mentioned = [extra for extra in extras if rng.random() < 0.75]
    expression = str(thing.get("expression", ""))
    expression = _choose(rng, DETAILS.get(expression, (expression,))) if rng.random() < 0.6 else ""
    phrase = _article(" ".join(filter(None, (expression, _choose(rng, get_nouns(thing))))))
    if mentioned:
        phrase += " with " + " and ".join(mentioned[:2])
    gaze = str(thing.get("gaze", ""))
    if gaze in PEOPLE and rng.random() < 0.4:
        phrase += " " + _choose(rng, PEOPLE[gaze])
    return phrase


def _body(thing: dict, rng: np.random.Generator) -> str:
    """Say a body or limb: pose or grip, and what it wears."""
    noun = _choose(rng, get_nouns(thing))
    # A latent grip is only to be seen on a closed hand; an open one is named by its noun.
    gripping = thing.get("part") == "hand_closed"
    pose = str(thing.get("pose") or (thing.get("grip", "") if gripping else ""))
    phrase = _article(noun)
    if pose in DETAILS and rng.random() < 0.75:
        phrase += " " + _choose(rng, DETAILS[pose])
    clothing = "clothing_colour" if "clothing_colour" in thing else "colour"
    if thing.get("kind") == "body" and thing.get(clothing) and rng.random() < 0.75:
        garments = [f"{_article(_colour(thing, rng, clothing))} {_choose(rng, PEOPLE['top'])}"]
        garment = str(thing.get("garment", ""))
        if garment and rng.random() < 0.6:
            colour_name = _colour(thing, rng, "lower_colour")
            lower = " ".join(filter(None, (colour_name, garment)))
            garments.append(lower if garment.endswith("s") else _article(lower))
        phrase += " " + _choose(rng, ("in", "wearing", "dressed in")) + " " + " and ".join(garments)
    return phrase


def _characters(thing: dict, rng: np.random.Generator) -> str:
    """Say a string: what it reads, its case, ink, slant, layout and sign."""
    adjectives = [_choose(rng, DETAILS[thing[key]]) for key in ("slant", "weight")
                  if thing.get(key) in DETAILS and rng.random() < 0.3]
    if thing.get("colour") and rng.random() < 0.5:
        adjectives.append(_colour(thing, rng))
    phrase = f"the {' '.join([*adjectives, _choose(rng, get_nouns(thing))])}"
    if "text" in thing and rng.random() < 0.9:
        phrase += f' "{thing["text"]}"'
    for key, chance in (("case", 0.5), ("layout", 0.5), ("sign", 0.8)):
        if thing.get(key) in DETAILS and rng.random() < chance:
            detail = _choose(rng, DETAILS[thing[key]])
            if key == "sign":
                detail += f" {_article(_colour(thing, rng, 'second_colour'))} " \
                    + _choose(rng, ("sign", "board", "plate", "label"))
            phrase += " " + detail
    return phrase


def _scene(thing: dict, rng: np.random.Generator) -> str:
    """Say a place: colour, distance, hour."""
    adjectives = [_choose(rng, SIZES[key]) for key in (thing.get("distance"), thing.get("origin"))
                  if key in SIZES and rng.random() < 0.25]
    if thing.get("colour") and rng.random() < 0.55:
        adjectives.append(_colour(thing, rng))
    phrase = _article(" ".join([*adjectives, _choose(rng, get_nouns(thing))]))
    sky = thing.get("sky_colour")
    if sky and thing.get("setting") == "outdoor" and rng.random() < 0.4:
        phrase += f" under {_article(_colour(thing, rng, 'sky_colour'))} sky"
    if thing.get("hour") in HOURS and rng.random() < 0.55:
        indoors = thing.get("setting") == "indoor"
        phrase += " " + _choose(rng, (INDOOR_HOURS if indoors else HOURS)[thing["hour"]])
    return phrase


def _object(thing: dict, rng: np.random.Generator) -> str:
    """Say an object: size in the world, pattern, colours."""
    adjectives = []
    if thing.get("real_size") in SIZES and rng.random() < 0.2:
        adjectives.append(_choose(rng, SIZES[thing["real_size"]]))
    if thing.get("colour") and rng.random() < 0.75:
        adjectives.append(_colour(thing, rng))
    patterned = thing.get("variant") in ("mug", "teacup", "fish", "cat", "dog")
    if patterned and thing.get("pattern") in DETAILS and rng.random() < 0.6:
        adjectives.append(_choose(rng, DETAILS[thing["pattern"]]))
    phrase = _article(" ".join([*adjectives, _choose(rng, get_nouns(thing))]))
    second = thing.get("second_colour")
    if second and second != thing.get("colour") and rng.random() < 0.3:
        phrase += f" with {_choose(rng, ('bits', 'parts', 'touches'))} of " \
            + _colour(thing, rng, "second_colour")
    return phrase


PHRASE_BUILDERS = {"adult": _face, "child": _face, "body": _body, "limb": _body,
                   "word": _characters,
                   "pseudoword": _characters, "number": _characters,
                   **dict.fromkeys(PLACES, _scene)}
"""Kind → how it is said; every other kind is said as an object."""


def noun_phrase(thing: dict, rng: np.random.Generator) -> str:
    """Say one thing by its latents, with an article; some attributes are left out."""
    return PHRASE_BUILDERS.get(str(thing.get("kind")), _object)(thing, rng)


def location_phrase(main: dict, background: dict | None, rng: np.random.Generator) -> str:
    """Say where the main thing is, where that is known."""
    kind = str((background or {}).get("kind", main.get("background", "")))
    if kind in PLACES:
        return _choose(rng, PLACES[kind])
    return _choose(rng, BACKGROUNDS[kind]) if kind in BACKGROUNDS else ""


def _build_sentence(main: dict, others: list[dict], background: dict | None,
                    rng: np.random.Generator) -> str:
    """Build one sentence around the main thing."""
    phrase = noun_phrase(main, rng)
    if others and rng.random() < 0.75:
        other = others[int(rng.integers(len(others)))]
        phrase += f" {_choose(rng, JOINERS)} {noun_phrase(other, rng)}"
    where = location_phrase(main, background, rng) if rng.random() < 0.7 else ""
    sentence = _choose(rng, FRAMES).format(phrase + (f" {where}" if where else ""))
    return sentence[0].upper() + sentence[1:] + "."


def captions(latents_list: list[dict], rng: np.random.Generator) -> list[str]:
    """Say an image in five different sentences.

    Parameters
    ----------
    latents_list : list of dict
        The main thing first, then others. A dict with ``role`` "background" is the setting; so
        is the kind under the key ``background`` of the main thing.
    rng : Generator
        Chooses frames, synonyms, and what is left unsaid.

    Returns
    -------
    list of str, length 5
        All different; each begins with a capital, ends with a full stop, names the main thing.

    Raises
    ------
    LabError
        If there is nothing to say.
    """
    backgrounds = [thing for thing in latents_list if thing.get("role") == "background"]
    things = [thing for thing in latents_list if thing.get("role") != "background"] or backgrounds
    if not things:
        raise LabError("no things to caption", expected="latents of at least one thing",
                       remedy="pass the latents that the image was drawn from")
    background = backgrounds[0] if backgrounds and backgrounds[0] is not things[0] else None
    sentences: dict[str, None] = {}
    while len(sentences) < N_CAPTIONS:
        sentences[_build_sentence(things[0], things[1:], background, rng)] = None
    return list(sentences)
