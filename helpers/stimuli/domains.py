"""Domains of a localizer: which it has, in which order, and which a claim lacks.

An analysis uses the domains that the localizer has: those of the paper in the paper's order, then
the user's own in the order of their images. Scrambled images are no domain of their own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from helpers.core.errors import LabError
from helpers.stimuli.folders import CLASSES_FILE
from helpers.stimuli.image_sets import CORE, DOMAINS, ImageSet, order_domains

SCRAMBLED = "scrambled"
"""Beginning of the names of domains of scrambled images."""
MIN_IMAGES = 2
"""Of a domain in each half of the images: a standard deviation needs two."""
NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten",
           "eleven", "twelve")


def intact_domains(domains: Iterable[str]) -> tuple[str, ...]:
    """Return the domains that are not scrambled: the paper's in its order, then the others."""
    return tuple(domain for domain in order_domains(domains)
                 if not domain.casefold().startswith(SCRAMBLED))


def core_domains(domains: Iterable[str]) -> tuple[str, ...]:
    """Return the domains that the first paper's figures are about, then the user's own.

    The paper's figures leave ``objects`` out; so does this, unless fewer than two would remain.
    """
    intact = intact_domains(domains)
    without_objects = tuple(domain for domain in intact if domain in CORE or domain not in DOMAINS)
    return without_objects if len(without_objects) > 1 else intact


def find_absence(domains: Iterable[str], needed: Sequence[str] = CORE) -> str:
    """Say which of some domains a localizer lacks, for a claim about them; "" where it has all."""
    present = set(domains)
    absent = [domain for domain in needed if domain not in present]
    return f"the localizer has no images of the domain {' or '.join(absent)}" if absent else ""


def number_word(n: int) -> str:
    """Write a number of domains in a sentence: four, or 13."""
    return NUMBERS[n] if n < len(NUMBERS) else str(n)


def require_domains(images: ImageSet, *, min_images: int = MIN_IMAGES) -> ImageSet:
    """Return a localizer whose units can be tested, or refuse it before any network sees it.

    Parameters
    ----------
    images : ImageSet
    min_images : int
        Of every domain, in each half.

    Raises
    ------
    LabError
        If it has fewer than two intact domains, or a half of a domain has fewer images.
    """
    intact = intact_domains(images.domains)
    if len(intact) < 2:
        raise LabError(
            f"the images in {images.root} have {number_word(len(intact))} intact domain"
            f"{'s' * (len(intact) != 1)}{': ' * bool(intact)}{', '.join(intact)}",
            expected="at least two domains: a unit that is selective for one responds less to all "
            f"others (the paper's: {', '.join(DOMAINS)})",
            remedy="add images of another domain, in a folder of their own whose domain stands in "
            f"{CLASSES_FILE} (layout 'imagefolder'), or as rows of a table (layout 'table')")
    counts = Counter(zip(images.domains, images.halves.tolist()))
    few = [f"{domain} {n[0]} + {n[1]}" for domain in images.domain_names
           if min(n := [counts[domain, half] for half in (0, 1)]) < min_images]
    if few:
        raise LabError(
            f"too few images in {images.root}: {', '.join(few)}",
            expected=f"at least {min_images} images of every domain in each half (every second "
            "image of a class folder), and better some dozens",
            remedy=f"add images, or count their class to another domain, in {CLASSES_FILE} or in "
            "the table")
    return images
