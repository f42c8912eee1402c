"""The table [language] of a profile: refused where it is wrong, and known to the registry."""

from __future__ import annotations

import pytest

from helpers.config.profile import load_profile
from helpers.config.validation import from_table
from helpers.config.vision_language import LanguageSpec
from helpers.core.errors import LabError
from helpers.networks.registry import get_entry, seed_names
from helpers.stimuli.image_sets import CORE

PLAIN = {"conditions": {"labels": "demo-resnet-labels", "captions": "demo-resnet-captions",
                        "untrained": "demo-resnet-untrained"},
         "layers": ["layer1", "layer2"], "vision": "labels", "untrained": "untrained"}
ROLES = ("vision", "untrained", "language", "targets", "shuffled")


def language_of(**changes: object) -> LanguageSpec:
    return from_table(LanguageSpec, PLAIN | changes, "mine.toml, [language]")


def test_a_plain_table_is_read_with_what_it_leaves_out():
    spec = language_of(language="captions")
    assert (spec.language, spec.targets, spec.shuffled, spec.second_localizer) == ("captions", "",
                                                                                   "", "")
    assert (spec.images, spec.regions) == ("localizer", None)


@pytest.mark.parametrize("role", ROLES)
def test_a_kind_that_is_not_there_is_refused_with_those_that_are(role):
    with pytest.raises(LabError, match=f"{role} = 'lables'") as caught:
        language_of(**{role: "lables"})
    assert "labels, captions, untrained" in caught.value.expected
    assert "language" in caught.value.remedy


def test_the_name_of_a_network_is_not_that_of_a_kind():
    with pytest.raises(LabError, match="vision = 'demo-resnet-labels'"):
        language_of(vision="demo-resnet-labels")


def test_a_table_without_layers_is_refused():
    with pytest.raises(LabError, match="'layers': the value is(?s:.)*at least 1"):
        language_of(layers=[])


@pytest.mark.parametrize("name", ["n_units", "max_units", "n_boot", "n_nulls"])
@pytest.mark.parametrize("number", [1, 0, -3])
def test_numbers_below_two_are_refused_by_name(name, number):
    with pytest.raises(LabError, match=f"key '{name}': the value is {number}") as caught:
        language_of(**{name: number})
    assert caught.value.expected == "greater than or equal to 2"
    assert getattr(language_of(**{name: 2}), name) == 2


@pytest.mark.parametrize("role", ["vision", "untrained"])
def test_the_two_kinds_that_are_always_needed_may_not_be_empty(role):
    with pytest.raises(LabError, match=f"{role} = ''"):
        language_of(**{role: ""})


@pytest.mark.parametrize("name", ["demo", "mini"])
def test_the_profiles_kinds_are_known_to_the_registry(name):
    profile = load_profile(name)
    spec = profile.language
    assert spec is not None and len(spec.conditions) >= 2
    assert not get_entry(seed_names(spec.conditions[spec.untrained])[0]).trained
    assert get_entry(seed_names(spec.conditions[spec.vision])[0]).trained
    for many in spec.conditions.values():
        every = [get_entry(one) for one in seed_names(many)]
        assert every and len({one.name for one in every}) == len(every)
        assert len({one.architecture for one in every}) == 1


@pytest.mark.parametrize("name", ["demo", "mini"])
def test_the_profiles_images_and_regions_are_known(name):
    profile = load_profile(name)
    spec = profile.language
    assert {spec.images, spec.second_localizer or spec.images} <= set(profile.image_sets)
    assert set(spec.regions) <= set(CORE)


def test_kinds_of_the_demo_are_of_one_architecture_and_as_many_seeds():
    spec = load_profile("demo").language
    conditions = {kind: [get_entry(one) for one in seed_names(many)]
                  for kind, many in spec.conditions.items()}
    assert len({(one.architecture, one.preprocessing) for its in conditions.values()
                for one in its}) == 1
    roles = {role: conditions[getattr(spec, role)] for role in ROLES}
    n = len(roles["vision"])
    assert n >= 2 and {role: [one.seed for one in its] for role, its in roles.items()} == {
        role: list(range(n)) for role in ROLES}
    assert {role: its[0].objective for role, its in roles.items()} == {
        "vision": "supervised", "untrained": "none", "language": "clip", "targets": "targets",
        "shuffled": "clip"}
