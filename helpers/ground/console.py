"""The only ways in which helpers speak: a line, and a progress bar."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from typing import TypeVar

from tqdm.auto import tqdm

T = TypeVar("T")

HEADLESS = "LAB_HEADLESS"
"""Environment variable: set by the runner and by CI, where bars would fill logs."""


def say(text: str = "") -> None:
    """Write one line to standard output at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def progress(iterable: Iterable[T], label: str, total: int | None = None) -> Iterable[T]:
    """Pass ``iterable`` on, with a bar where a person is watching.

    Parameters
    ----------
    iterable : iterable
    label : str
        What is being done, in the words of the reader.
    total : int, optional
        Length, where ``iterable`` does not know it.
    """
    return tqdm(iterable, desc=label, total=total, mininterval=0.5, leave=False,
                disable=bool(os.environ.get(HEADLESS)))


def bar(label: str, total: int, *, hidden: bool = False) -> tqdm:
    """Return a bar to be moved by hand; use it as a context."""
    return tqdm(desc=label, total=total, mininterval=0.5, leave=False,
                disable=hidden or bool(os.environ.get(HEADLESS)))
