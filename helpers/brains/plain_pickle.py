"""A pickle of plain values, read without calling anything that it names.

NumPy stores an array of objects as a pickle, which is a program. Of the names that such a file
needs (``numpy.ndarray``, ``numpy.dtype`` and two functions that make arrays) each stands here for
a class or function below. NumPy's own would do too much: ``numpy.ndarray`` called with some bytes
and the type "object" takes these bytes for addresses in memory.
"""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from typing import Any, BinaryIO

import numpy as np

KINDS = "biufSU"
"""NumPy's letters of plain types: booleans, numbers, texts."""
MAKERS = {f"numpy.{core}.multiarray" for core in ("core", "_core")}


class NotPlain(Exception):
    """A pickle holds something else than dictionaries, lists, numbers and texts."""


class _Dtype:
    """A type, by the letter and size that the file gives."""

    def __init__(self, code: str, *_: Any) -> None:
        if not isinstance(code, str) or code[:1] not in f"{KINDS}O" or not (
                code[1:] == "" or code[1:].isdecimal()):
            raise NotPlain(f"it holds a type {code!r}")
        self.code, self.order = code, "="

    def __setstate__(self, state: Sequence[Any]) -> None:
        if state[1] not in ("<", ">", "|", "=") or any(part is not None for part in state[2:5]):
            raise NotPlain(f"it holds a type {self.code!r} of several parts")
        self.order = state[1]

    def plain(self) -> np.dtype:
        """Return the type of plain values."""
        if self.code[0] == "O":
            raise NotPlain("it holds values of any type")
        return np.dtype(self.order.replace("|", "=") + self.code)


class _Array:
    """An array: its values as a list, in their order."""

    def __init__(self, *_: Any) -> None:
        self.values: list[Any] = []

    def __setstate__(self, state: Sequence[Any]) -> None:
        _, _, dtype, _, content = state
        if isinstance(content, list):
            self.values = content
        elif isinstance(dtype, _Dtype) and isinstance(content, bytes):
            self.values = np.frombuffer(content, dtype.plain()).tolist()
        else:
            raise NotPlain("it holds an array of an unknown form")


def _scalar(dtype: Any, content: Any = b"") -> Any:
    if not isinstance(dtype, _Dtype) or not isinstance(content, bytes):
        raise NotPlain("it holds a number of an unknown form")
    value, = np.frombuffer(content, dtype.plain()).tolist()
    return value


class _Marker:
    """Stands for ``numpy.ndarray``, as the class of an array that is made; it cannot be called."""

    __slots__ = ()


NDARRAY = _Marker()


class _Function:
    """A function of this module that a file may call, and cannot change."""

    __slots__ = ("_made",)

    def __init__(self, made: Any) -> None:
        self._made = made

    def __call__(self, *args: Any) -> Any:
        return self._made(*args)

    def __setstate__(self, _: Any) -> None:
        raise NotPlain("it changes a function")


class _PlainUnpickler(pickle.Unpickler):
    """Unpickle dictionaries of numbers and text, as NumPy stores them."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("numpy", "ndarray"):
            return NDARRAY
        if (module, name) == ("numpy", "dtype"):
            return _Function(_Dtype)
        if module in MAKERS and name in ("_reconstruct", "scalar"):
            return _Function(_Array if name == "_reconstruct" else _scalar)
        raise NotPlain(f"it would run {module}.{name}")


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
