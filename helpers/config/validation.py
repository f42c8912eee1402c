"""TOML tables read into pydantic dataclasses; what does not fit is an error in three parts."""

from __future__ import annotations

import difflib
import json
import re
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_args, get_origin, get_type_hints

from pydantic import ConfigDict, Field, PositiveFloat, TypeAdapter, ValidationError

from helpers.core.errors import LabError
from helpers.core.text import read_text

T = TypeVar("T")

FROZEN = {"frozen": True, "config": ConfigDict(extra="forbid", allow_inf_nan=False)}
"""For ``@dataclass(**FROZEN)`` of pydantic: no unknown key, no NaN. Types are strict in
`from_table`: "5" is no number, and true is none."""

AtLeastTwo = Annotated[int, Field(ge=2)]
Fraction = Annotated[float, Field(gt=0, lt=1)]
Names = Annotated[tuple[str, ...], Field(min_length=1)]
Penalties = Annotated[tuple[PositiveFloat, ...], Field(min_length=1)]

TYPES = {"string": "a string", "int": "a whole number", "float": "a number", "finite": "a number",
         "bool": "true or false", "tuple": "a list", "dict": "a table", "dataclass": "a table"}
"""First words of the kinds of pydantic's errors -> what was expected, in the words of TOML."""

WINDOWS_REMEDY = (r"write a path of Windows in single quotes, 'C:\data', or with forward slashes, "
                  '"C:/data": in "double quotes" a backslash means something else')
REMEDIES = (
    (r"[\u201c\u201d\u201e\u2018\u2019\u201a\u00ab\u00bb]",
     "replace the curly quotes by straight ones, \"…\": write it in a plain editor, not in Word"),
    (r'"[^"]*\\', WINDOWS_REMEDY),
    (r"[^\S \t]", "replace the blank that is not a plain one (a no-break space?) by a plain one"),
    (r"=\s*(True|False|TRUE|FALSE|Yes|No|yes|no)\b", "write true or false, in small letters"),
    (r"=\s*[+-]?\d+,\d", "write a decimal point, not a comma"))
"""What a line that TOML refuses may hold -> what to do about it."""


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file.

    Raises
    ------
    LabError
        If the file is not valid TOML, or not in an encoding that `read_text` knows; the line is
        named. Also if a backslash in "double quotes" made a tab or an end of line of a path.
    """
    text = read_text(path, "a TOML file in UTF-8")
    lines = text.split("\n")
    try:
        content = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # also of lists in lists without end
        match = re.search(r"at line (\d+)", str(error))
        line = lines[int(match[1]) - 1].strip() if match else ""
        code = re.split(r"\s#", line)[0]
        remedy = next((advice for pattern, advice in REMEDIES if re.search(pattern, code)),
                      "remove one of the two lines of this name"
                      if re.search("overwrite|twice", str(error)) else
                      "correct that line; strings stand in \"quotes\", as in "
                      "helpers/profiles/demo.toml")
        raise LabError(f"{path} cannot be read: {error}" + (f": {line[:100]}" if line else "."),
                       expected="a TOML file in UTF-8", remedy=remedy) from error
    for key, value in _iter_strings(content):
        if '"""' not in text and any(character in value for character in "\b\t\n\f\r"):
            raise LabError(f"{path}, key {key}: the value is {value!r}, with a tab or an end of "
                           "line", expected="a string in one line", remedy=WINDOWS_REMEDY)
    return content


def _iter_strings(content: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Yield every string of a TOML file, with the keys that lead to it."""
    if isinstance(content, str):
        yield key, content
    parts = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(
        content, list) else ()
    for name, part in parts:
        yield from _iter_strings(part, f"{key}.{name}".lstrip("."))


def from_table(cls: type[T], table: dict[str, Any], where: str) -> T:
    """Build ``cls`` from a table: every key known, none missing, every type right.

    Parameters
    ----------
    cls : type
        Dataclass of pydantic.
    table : dict
        As read from TOML.
    where : str
        File and table, for the error.

    Raises
    ------
    LabError
        Names the table, the key, and the valid keys or the type that was expected.
    """
    try:  # through JSON, where a list may become a tuple while types stay strict
        return TypeAdapter(cls).validate_json(
            json.dumps(table, default=lambda date: {"date": str(date)}), strict=True)
    except ValidationError as error:
        # An unknown key first: often it is the missing one, misspelt.
        problems = sorted(error.errors(), key=lambda p: p["type"] != "unexpected_keyword_argument")
        raise _explained(cls, problems[0], where) from None


def _explained(cls: type, problem: dict[str, Any], where: str) -> LabError:
    """Say in three parts what pydantic says of one key."""
    *outer, key = problem["loc"] or ("",)
    kind = problem["type"]
    if kind in ("unexpected_keyword_argument", "missing"):
        where, known = _place(where, outer), [f.name for f in fields(_class_at(cls, outer))]
        if kind == "missing":
            return LabError(f"{where}: the key {key!r} is missing.",
                            expected="the keys " + ", ".join(known),
                            remedy=f"add a line or a table {key!r}; helpers/profiles/demo.toml "
                            "shows every key of a profile")
        return LabError(f"{where}: unknown key {key!r}.",
                        expected="one of the keys " + ", ".join(known),
                        remedy=suggest(key, known) or f"remove {key!r}")
    seen = f"{_place(where, problem['loc'])}: the value is {problem['input']!r}."
    if kind == "literal_error":
        choices = re.findall(r"'([^']*)'", problem["ctx"]["expected"])
        return LabError(seen, expected=f"one of {', '.join(map(repr, choices))}",
                        remedy=suggest(str(problem["input"]), choices) or "choose one of these")
    said = re.sub("Input should be |Tuple should have | after validation.*", "", problem["msg"])
    expected = TYPES.get(kind.split("_")[0], said)
    return LabError(seen, expected=expected, remedy="correct the value (strings stand in "
                    '"quotes", numbers do not)')


def _place(where: str, keys: Iterable[str | int]) -> str:
    return ", ".join([where, *(f"item {key}" if isinstance(key, int) else f"key {key!r}"
                               for key in keys)])


def _class_at(cls: type, keys: Iterable[str | int]) -> type:
    """Return the dataclass of an inner table, by the keys that lead to it.

    A field may hold a dict or a tuple of tables, whose keys or indices are the next of ``keys``.
    """
    for key in keys:
        hint = get_type_hints(cls)[key] if is_dataclass(cls) else cls
        is_container = is_dataclass(cls) and get_origin(hint) in (dict, tuple)
        cls = hint if is_container else next(filter(is_dataclass, get_args(hint)), hint)
    return cls


def require(fits: bool, table: str, seen: str, *, expected: str) -> None:
    """Refuse a table of a profile whose keys do not fit together."""
    if not fits:
        raise LabError(f"the table {table!r} of the profile has {seen}", expected=expected,
                       remedy=f"correct the table {table!r}")


def suggest(word: str, choices: Iterable[str]) -> str:
    """Return "did you mean …?" for the nearest of ``choices``, or an empty string."""
    matches = difflib.get_close_matches(word, list(choices), n=1)
    return f"did you mean {matches[0]!r}?" if matches else ""
