"""Which domains a localizer has, in which order, and what is refused before work begins."""

from __future__ import annotations

from pathlib import Path

import pytest

from helpers.core.errors import LabError
from helpers.stimuli.domains import (
    core_domains,
    find_absence,
    intact_domains,
    number_word,
    require_domains,
)
from helpers.stimuli.image_sets import CLASSIC, CORE, DOMAINS, FLOC, ImageSet


def image_set(domains: dict[str, int]) -> ImageSet:
    """Make a set of so many images of each domain; no file is read."""
    listed = tuple(domain for domain, n in domains.items() for _ in range(n))
    names = tuple(f"{domain}/{i}" for i, domain in enumerate(listed))
    return ImageSet(Path("somewhere"), names, listed, listed, tuple(domains))


def test_the_papers_domains_come_first_in_its_order_then_the_users_own():
    assert intact_domains(["tools", "scenes", "scrambled", "faces", "cars", "scrambled words"]) == (
        "faces", "scenes", "tools", "cars")
    for layout in (FLOC, CLASSIC):
        assert intact_domains(layout.values()) == DOMAINS
        assert core_domains(layout.values()) == CORE


def test_the_order_is_that_of_the_image_set():
    images = image_set({"tools": 4, "scenes": 4, "faces": 4, "scrambled": 4})
    assert images.domain_names[:3] == intact_domains(images.domains)


@pytest.mark.parametrize(("domains", "core"), [
    (("faces", "objects", "scenes"), ("faces", "scenes")),
    (("objects", "tools", "faces"), ("faces", "tools")),
    (("faces", "objects"), ("faces", "objects")),
    (("objects", "tools"), ("objects", "tools")),
])
def test_objects_are_left_out_where_two_others_remain(domains, core):
    assert core_domains(domains) == core


def test_what_is_absent_is_named_and_nothing_else():
    assert find_absence(FLOC.values()) == ""
    assert find_absence(["faces", "tools"], ["tools"]) == ""
    assert find_absence(["faces", "scenes", "tools"]) == (
        "the localizer has no images of the domain bodies or characters")


def test_numbers_in_sentences():
    assert [number_word(n) for n in (0, 4, 5, 12, 13)] == ["no", "four", "five", "twelve", "13"]


@pytest.mark.parametrize(("domains", "said"), [
    ({"tools": 40, "scrambled": 40}, "one intact domain: tools"),
    ({"scrambled": 40}, "no intact domains"),
    ({"faces": 40, "tools": 3}, "tools 2 + 1"),
    ({"faces": 40, "scenes": 4, "scrambled": 1}, "scrambled 1 + 0"),
])
def test_too_little_is_refused_by_name_with_what_to_do(domains, said):
    with pytest.raises(LabError) as refused:
        require_domains(image_set(domains))
    assert said in str(refused.value) and "classes.csv" in str(refused.value)


def test_enough_passes():
    images = image_set({"faces": 4, "tools": 4})
    assert require_domains(images) is images
