"""A localizer of six sets: faces, bodies, scenes, words, scrambled scenes, scrambled words.

Made from the images of another localizer, as they are opened. All become grey, with one mean and
one standard deviation of luminance, so that no set is recognised by its luminance. Where that
localizer has other domains, the sets are these: the paper's four as far as they are there, then
others, then the scrambled ones.
"""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image, ImageOps

from helpers.core.digest import text_digest
from helpers.core.errors import LabError
from helpers.stimuli.domains import core_domains, require_domains
from helpers.stimuli.image_sets import CORE, ImageSet
from helpers.stimuli.quantization import grey_levels
from helpers.stimuli.scrambling import block_scramble, match_luminance, phase_scramble

SCRAMBLED = {"scrambled scenes": "scenes", "scrambled words": "characters"}
"""Scrambled set -> the set that is scrambled."""
SIX_CATEGORIES = (*CORE, *SCRAMBLED)
"""The sets of a localizer with the paper's domains."""
SCRAMBLING = ("8 x 8 blocks", "phase", "16 x 16 blocks", "phase")
"""Ways to scramble, in turn, so that both halves of a set have as many of each (where it has eight
images or more)."""
NO_WORDS = ("number",)
"""Folders of the domain `characters` that hold no words."""
MEAN, STD = 0.5, 0.2
"""Luminance of every image, on a scale from 0 to 1."""


@dataclass(frozen=True)
class SixCategoryLocalizer(ImageSet):
    """Images of another set, matched in luminance, some of them scrambled.

    Attributes
    ----------
    ways : tuple of str
        How each image is scrambled; empty where it is not.
    source : str
        Digest of the set that they come from.
    """

    ways: tuple[str, ...] = ()
    source: str = ""

    @property
    def digest(self) -> str:
        """Return what stands for images, order, and what is done to them."""
        return text_digest(repr((self.source, MEAN, STD, self.files, self.ways,
                                 self.categories, self.domains, self.classes)))

    def select(self, chosen: Sequence[int] | np.ndarray) -> SixCategoryLocalizer:
        """Return the set of some of the images, in the order given."""
        return replace(super().select(chosen), ways=tuple(self.ways[i] for i in chosen))

    def identity(self, index: int) -> Hashable:
        """Return the file, and what is done to it."""
        of_file = super().identity(index)
        return None if of_file is None else (of_file, self.ways[index], MEAN, STD)

    def open(self, index: int) -> Image.Image:
        """Decode one image, scramble it where it is to be, and match its luminance; RGB."""
        grey = super().open(index).convert("L")
        if grey.width != grey.height:
            grey = ImageOps.fit(grey, (min(grey.size),) * 2)
        way, rng = self.ways[index], np.random.default_rng(_seed(self.files[index]))
        if way == "phase":
            pixels = phase_scramble(np.asarray(grey) / 255, rng)
        elif way:
            pixels = np.asarray(block_scramble(grey, rng, tiles=int(way.split()[0]))) / 255
        else:
            pixels = np.asarray(grey) / 255
        matched = match_luminance(pixels, MEAN, STD)
        return Image.fromarray(grey_levels(matched)).convert("RGB")


def _seed(name: str) -> int:
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")


def make_six_category_localizer(localizer: ImageSet) -> SixCategoryLocalizer:
    """Make the six sets (or as many as it has domains for) from a localizer, equally large.

    Words come from the folders of words alone. Where a domain has more images than the
    smallest, its folders give as many as they can share evenly. Scrambled images are made from
    the very scenes and words that are shown, and stand in the same half.

    Parameters
    ----------
    localizer : ImageSet
        Two domains at least (`helpers.stimuli.domains.core_domains`).

    Raises
    ------
    LabError
        If it has fewer, or one of them has fewer than four images.
    """
    domains = core_domains(require_domains(localizer, min_images=0).domains)
    scrambled = {name: domain for name, domain in SCRAMBLED.items() if domain in domains}
    members = {domain: _interleaved(localizer, domain) for domain in domains}
    n = min(map(len, members.values()))
    if n < 4:
        least = min(members, key=lambda domain: len(members[domain]))
        raise LabError(f"{len(members[least])} images of {least} in {localizer.root}",
                       expected=f"at least 4 of each of {', '.join(domains)} (of words: other "
                       f"folders than {', '.join(NO_WORDS)})",
                       remedy="name another image set in the table [language] of the profile")
    chosen = [row for domain in domains for row in members[domain][:n]]
    names, ways = [domain for domain in domains for _ in range(n)], [""] * len(chosen)
    for name, domain in scrambled.items():
        chosen += members[domain][:n]
        names += [name] * n
        ways += [SCRAMBLING[(i // 2) % len(SCRAMBLING)] for i in range(n)]
    few = localizer.select(chosen)
    return SixCategoryLocalizer(few.root, few.files, tuple(names), tuple(names),
                                (*domains, *scrambled), tuple(ways), localizer.digest)


def _interleaved(localizer: ImageSet, domain: str) -> list[int]:
    """Return the rows of a domain, taking a pair from each of its folders in turn."""
    folders: dict[str, list[int]] = {}
    for row, (category, its) in enumerate(zip(localizer.categories, localizer.domains)):
        if its == domain and category not in NO_WORDS:
            folders.setdefault(category, []).append(row)
    pairs = [[rows[i:i + 2] for rows in folders.values()]
             for i in range(0, max(map(len, folders.values()), default=0), 2)]
    return [row for turn in pairs for pair in turn for row in pair]
