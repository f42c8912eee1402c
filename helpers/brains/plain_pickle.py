"""A pickle of plain values, read without calling anything that it names.

NumPy stores an array of objects as a pickle, which is a program. Of the names that such a file
needs (``numpy.ndarray``, ``numpy.dtype`` and two functions that make arrays) each stands here for
a class below. NumPy's own would do too much: ``numpy.ndarray`` called with some bytes and the type
"object" takes these bytes for addresses in memory. Each class has a ``__setstate__``, so that a
file can change no class itself: called on the class, it lacks an argument.
"""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from typing import Any, BinaryIO

import numpy as np

PLAIN_TYPES = "biufSU"
"""NumPy's letters of plain types: booleans, numbers, texts."""


class NotPlain(Exception):
    """A pickle holds something else than dictionaries, lists, numbers and texts."""


class _Dtype:
    """A type, by the letter and size that the file gives."""

    def __init__(self, code: str, *_: Any) -> None:
        if not isinstance(code, str) or code[:1] not in f"{PLAIN_TYPES}O" or not (
                code[1:] == "" or code[1:].isdecimal()):
            raise NotPlain(f"it holds a type {code!r}")
        self.code, self.order = code, "="

    def __setstate__(self, state: Sequence[Any]) -> None:
        if state[1] not in ("<", ">", "|", "=") or any(part is not None for part in state[2:5]):
            raise NotPlain(f"it holds a type {self.code!r} of several parts")
        self.order = state[1]


def _plain_values(dtype: Any, content: Any) -> list[Any]:
    """Return the values that some bytes hold."""
    if not isinstance(dtype, _Dtype) or not isinstance(content, bytes) or dtype.code[0] == "O":
        raise NotPlain("it holds values of an unknown form")
    return np.frombuffer(content, dtype.order.replace("|", "=") + dtype.code).tolist()


class _Array:
    """An array: its values as a list, in their order."""

    def __init__(self, *_: Any) -> None:
        self.values: list[Any] = []

    def __setstate__(self, state: Sequence[Any]) -> None:
        _, _, dtype, _, content = state
        self.values = content if isinstance(content, list) else _plain_values(dtype, content)


class _Scalar:
    """One value, which stands for itself."""

    def __new__(cls, dtype: Any, content: Any = b"") -> Any:
        value, = _plain_values(dtype, content)
        return value

    def __setstate__(self, state: Any) -> None:
        raise NotPlain("it changes a value")


STAND_INS = {"numpy.ndarray": _Array, "numpy.dtype": _Dtype} | {
    f"numpy.{core}.multiarray.{name}": made for core in ("core", "_core")
    for name, made in (("_reconstruct", _Array), ("scalar", _Scalar))}


class _PlainUnpickler(pickle.Unpickler):
    """Unpickle dictionaries of numbers and text, as NumPy stores them."""

    def find_class(self, module: str, name: str) -> Any:
        if f"{module}.{name}" not in STAND_INS:
            raise NotPlain(f"it would run {module}.{name}")
        return STAND_INS[f"{module}.{name}"]


def read_plain_object(file: BinaryIO) -> Any:
    """Return the one object of an array of objects, from the pickle behind its header.

    Raises
    ------
    NotPlain
        If it names anything that it does not need, or has more objects, or a type of its own.
    Exception
        Of any kind, where its bytes are damaged.
    """
    array = _PlainUnpickler(file).load()
    if not isinstance(array, _Array) or len(array.values) != 1:
        raise NotPlain("it holds no array of one object")
    return array.values[0]
