"""Strings: a list of English words, pseudowords that can be spoken, numbers."""

from __future__ import annotations

import numpy as np

from data.synthetic.things import choose_option

WORDS = tuple("""
    apple arm autumn bank bear bell bird boat book bread bridge butter cat chair cloud coat coffee
    corn door dream eagle earth engine evening farm field fire fish flower forest garden glass
    gold grass green hand hat heart hill horse house ice island jacket king kitchen lake lamp
    leaf lemon letter light lion market milk mirror money moon morning mountain music night
    ocean orange paper pen piano plane planet queen rain river road rose salt sea shoe silver
    sky snow spring star stone street summer sun table tea train tree valley village wall
    water wind window winter wolf wood year
    """.split())
"""Common English words of 3 to 8 letters."""

DIGITS = {"short": (1, 2), "middle": (3, 3), "long": (4, 5)}
"""Length of a number → fewest and most digits."""


def draw_text(kind: str, rng: np.random.Generator, digits: str, max_letters: int) -> str:
    """Draw a string of the kind, in lower case, of at most ``max_letters`` letters."""
    if kind == "word":
        return choose_option(rng, tuple(word for word in WORDS if len(word) <= max_letters))
    if kind == "number":
        low, high = DIGITS[digits]
        count = int(rng.integers(low, high + 1))
        return "".join(map(str, [rng.integers(1, 10), *rng.integers(0, 10, count - 1)]))
    while True:
        text = _pseudoword(rng)
        if len(text) <= max_letters and text not in WORDS:
            return text


def _pseudoword(rng: np.random.Generator) -> str:
    """Join two or three open syllables, and sometimes a coda: four letters or more.

    The onsets leave out much of English, so that what comes out is rarely a word of it.
    """
    onsets = ("bl", "dr", "fl", "gl", "gr", "kl", "pl", "sk", "st", "tr", "v", "z")
    text = choose_option(rng, onsets) + choose_option(rng, "aeiou")
    for _ in range(int(rng.integers(1, 3))):
        text += choose_option(rng, "bdfklmpvz") + choose_option(rng, "aeiou")
    return text + choose_option(rng, ("", "", "n", "l", "r", "m", "t"))
