"""Every key of every profile: another type, a wrong number, an unknown or a missing key."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.config.profile import Profile
from helpers.config.validation import from_table, read_toml
from helpers.core.errors import LabError
from helpers.core.paths import PACKAGE
from helpers.figures.deviations import DeviationFile

PROFILES = {name: read_toml(PACKAGE / "profiles" / f"{name}.toml")
            for name in ("demo", "mini", "paper")}
Place = tuple[str | int, ...]


def keys(table: dict[str, Any], place: Place = ()) -> Iterator[tuple[Place, Any]]:
    for name, value in table.items():
        yield (*place, name), value
        if isinstance(value, dict):
            yield from keys(value, (*place, name))


def changed(profile: str, place: Place, value: Any) -> dict[str, Any]:
    whole = copy.deepcopy(PROFILES[profile])
    inner = whole
    for name in place[:-1]:
        inner = inner[name]
    if value is KeyError:
        del inner[place[-1]]
    else:
        inner[place[-1]] = value
    return whole


def refused(table: dict[str, Any]) -> LabError:
    with pytest.raises(LabError) as error:
        from_table(Profile, table, "x.toml")
    assert error.value.expected and error.value.remedy and error.value.seen.startswith("x.toml")
    return error.value


IN_DEMO = {place for place, _ in keys(PROFILES["demo"])}
ALL = [(profile, place, value) for profile in PROFILES
       for place, value in keys(PROFILES[profile])
       if profile == "demo" or place not in IN_DEMO]  # each key once
OTHER_TYPE = {str: (7, ["x"], True), bool: ("yes", 1), int: ("7", 7.5, True, [7]),
              float: ("0.1", [0.1], False), list: ("x", 7), dict: ("x", 7)}


@pytest.mark.parametrize("profile", PROFILES)
def test_every_key_refuses_every_other_type_and_says_where(profile):
    n = 0
    for name, place, value in ALL:
        if name != profile or place[-2:-1] == ("options",):
            continue
        for other in OTHER_TYPE[type(value)][:3 if len(place) == 1 else 1]:
            error = refused(changed(profile, place, other))
            last = place[-1]
            assert f"key {last!r}" in error.seen and repr(other) in error.seen, error
            n += 1
    assert n > (150 if profile == "demo" else 0)


@pytest.mark.parametrize("profile", PROFILES)
def test_every_table_refuses_an_unknown_key_and_offers_the_nearest(profile):
    """A letter too many in each key: what is meant is said."""
    for name, place, value in ALL:
        if name != profile:
            continue
        table = changed(profile, place, KeyError)
        inner = table
        for step in place[:-1]:
            inner = inner[step]
        inner[f"{place[-1]}x"] = value
        try:
            from_table(Profile, table, "x.toml")
        except LabError as error:  # the keys of some tables are names of the user's own
            assert error.seen.startswith("x.toml") or "profile" in error.seen or "table" in \
                error.remedy, error


@pytest.mark.parametrize("profile", PROFILES)
def test_every_number_refuses_what_is_none(profile):
    """Infinite, not a number, negative, enormous: refused with the bound, or taken as it is."""
    for name, place, value in ALL:
        if name != profile or isinstance(value, bool) or not isinstance(value, int | float):
            continue
        for other in (math.inf, math.nan):
            refused(changed(profile, place, other))
        for other in (-1, 10**30):
            try:
                found = from_table(Profile, changed(profile, place, other), "x.toml")
            except LabError as error:
                assert place[-1] in str(error) or "table" in str(error), error
            else:
                assert str(other) in repr(found) or str(float(other)) in repr(found)


def test_required_keys_are_named_when_they_are_missing():
    n = 0
    for name, place, _ in ALL:
        if name != "demo":
            continue
        try:
            from_table(Profile, changed(name, place, KeyError), "x.toml")
        except LabError as error:
            n += 1
            said = str(error).replace("_", " ")
            assert place[-1].replace("_", " ") in said or "no sizes for it" in said, error
    assert n > 40


@settings(max_examples=25, deadline=None, derandomize=True, database=None)
@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
                    lambda inner: st.lists(inner, max_size=3)
                    | st.dictionaries(st.text(max_size=5), inner, max_size=3), max_leaves=6),
       st.sampled_from([place for place, _ in keys(PROFILES["mini"])]),
       st.sampled_from([Profile, DeviationFile]))
def test_whatever_stands_at_a_key_there_is_a_profile_or_words(value, place, cls):
    try:
        from_table(cls, changed("mini", place, value), "x.toml")
    except LabError as error:
        assert error.seen and error.expected and error.remedy


@pytest.mark.parametrize("text, words", [
    ("a = " + "[" * 5000, "nested|cannot be read"), ("a = " + "9" * 5000, "cannot be read"),
    ("a = " + "{x=" * 3000, "nested|cannot be read"), ("[[a]]\n[a]\n", "cannot be read"),
    ("a = 1979-13-01", "cannot be read"), ("a = 0x", "cannot be read"),
    ("a.b = 1\na.b.c = 2", "cannot be read"), ("a = '''", "cannot be read"),
    ("a = \"\\ud800\"", "cannot be read"), ("\ud7ff = 1", "cannot be read"),
    ("a = nan(", "cannot be read"), ("= 1", "cannot be read"), ("[", "cannot be read")])
def test_toml_that_parsers_stumble_over(tmp_path, text, words):
    (tmp_path / "x.toml").write_text(text, encoding="utf-8")
    with pytest.raises(LabError, match=words) as error:
        read_toml(tmp_path / "x.toml")
    assert "x.toml" in error.value.seen


@settings(max_examples=80, deadline=None, derandomize=True, database=None)
@given(st.text(alphabet="ab=[]{}\"'.,#\n 01-+_:TZe\\x\t\r", max_size=40) | st.text(max_size=20))
def test_any_text_is_toml_or_an_error_in_three_parts(tmp_path_factory, text):
    path = tmp_path_factory.getbasetemp() / "any.toml"
    path.write_text(text, encoding="utf-8", errors="replace", newline="")
    try:
        assert isinstance(read_toml(path), dict)
    except LabError as error:
        assert "any.toml" in error.seen and error.expected and error.remedy
