"""Read a TOML table into a frozen dataclass and refuse everything that does not fit."""

from __future__ import annotations

import difflib
import re
import tomllib
import types
from collections.abc import Iterator
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from helpers.core.errors import LabError
from helpers.core.text import read_text

T = TypeVar("T")

PLAIN_TYPES = {str: "a string", int: "a whole number", float: "a number", bool: "true or false"}


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
    except tomllib.TOMLDecodeError as error:
        found = re.search(r"at line (\d+)", str(error))
        line = lines[int(found[1]) - 1].strip() if found else ""
        code = re.split(r"\s#", line)[0]
        remedy = next((advice for pattern, advice in REMEDIES if re.search(pattern, code)),
                      "remove one of the two lines of this name"
                      if re.search("overwrite|twice", str(error)) else
                      "correct that line; strings stand in \"quotes\"")
        raise LabError(f"{path} cannot be read: {error}" + (f": {line[:100]}" if line else "."),
                       expected="a TOML file in UTF-8", remedy=remedy) from error
    for key, value in _strings(content):
        if '"""' not in text and any(sign in value for sign in "\b\t\n\f\r"):
            raise LabError(f"{path}, key {key}: the value is {value!r}, with a tab or an end of "
                           "line", expected="a string in one line", remedy=WINDOWS_REMEDY)
    return content


def _strings(content: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Yield every string of a TOML file, with the keys that lead to it."""
    if isinstance(content, str):
        yield key, content
    parts = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(
        content, list) else ()
    for name, part in parts:
        yield from _strings(part, f"{key}.{name}".lstrip("."))


def from_table(cls: type[T], table: dict[str, Any], where: str) -> T:
    """Build ``cls`` from a table: every key known, none missing, every type right.

    Parameters
    ----------
    cls : type
        Dataclass with fields of type str, int, float, bool, ``Literal``, ``tuple[X, ...]``,
        ``X | None``, another dataclass, or ``dict[str, X]``.
    table : dict
        As read from TOML.
    where : str
        File and table, for the error.

    Raises
    ------
    LabError
        Names the table, the key, and the valid keys or the type that was expected.
    """
    known = {field.name: field for field in fields(cls)}
    for key in table:
        if key not in known:
            raise LabError(f"{where}: unknown key {key!r}.",
                           expected="one of the keys " + ", ".join(known),
                           remedy=suggest(key, known) or f"remove {key!r}")
    for name, field in known.items():
        optional = field.default is not MISSING or field.default_factory is not MISSING
        if name not in table and not optional:
            raise LabError(f"{where}: the key {name!r} is missing.",
                           expected="the keys " + ", ".join(known),
                           remedy=f"add a line or a table {name!r}; helpers/profiles/demo.toml "
                                  "shows every key of a profile")
    hints = get_type_hints(cls)
    return cls(**{key: _convert(hints[key], value, f"{where}, key {key!r}")
                  for key, value in table.items()})


def suggest(word: str, choices: Any) -> str:
    """Return "did you mean …?" for the nearest of ``choices``, or an empty string."""
    near = difflib.get_close_matches(word, list(choices), n=1)
    return f"did you mean {near[0]!r}?" if near else ""


def _convert(hint: Any, value: Any, where: str) -> Any:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):  # X | None; TOML itself has no null
        return _convert(next(a for a in arguments if a is not type(None)), value, where)
    if origin is Literal:
        if value not in arguments:
            choices = ", ".join(map(repr, arguments))
            raise LabError(f"{where}: the value is {value!r}.", expected=f"one of {choices}",
                           remedy=suggest(str(value), arguments) or "choose one of these")
        return value
    if origin is tuple:
        _require(isinstance(value, list), "a list", value, where)
        return tuple(_convert(arguments[0], item, f"{where}, item {i}")
                     for i, item in enumerate(value))
    if origin is dict:
        _require(isinstance(value, dict), "a table", value, where)
        return {key: _convert(arguments[1], item, f"{where}, table {key!r}")
                for key, item in value.items()}
    if is_dataclass(hint):
        _require(isinstance(value, dict), "a table", value, where)
        return from_table(hint, value, where)
    if hint is float and type(value) is int:
        return float(value)
    _require(type(value) is hint, PLAIN_TYPES[hint], value, where)  # `is`: True is no number here
    return value


def _require(fits: bool, expected: str, value: Any, where: str) -> None:
    if not fits:
        raise LabError(f"{where}: the value is {value!r}.", expected=expected,
                       remedy="correct the value (strings stand in \"quotes\", numbers do not)")
