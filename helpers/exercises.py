"""Checks of exercises: an answer is right, or gets a hint; never a traceback.

An exercise is four cells of a notebook: the question, a stub tagged ``exercise``, the solution
tagged ``solution`` and the check tagged ``check``. `helpers.runner.versions` makes the versions for
students (no solutions) and for teachers.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from numbers import Number
from typing import Any

import numpy as np

Answer = Any
EMPTY = "Not answered yet."
NO_ANSWER = "These data have no answer here: what is asked for was not measured."


def check(answer: Answer, expected: Answer, *, hint: str, wrong: Mapping[str, Answer],
          on: Sequence[tuple] | None = None, tolerance: float = 0.01) -> None:
    """Print whether an answer is right; if not, a hint.

    Parameters
    ----------
    answer : number, str, sequence, array, tensor, set, dict or function
        None: not answered yet. Lists, arrays and tensors are alike; so are words in upper and lower
        case.
    expected : like ``answer``
        The right answer; of a function: another function, or the results, one for each of ``on``.
        With a NaN, nothing is asked: these data have no answer.
    hint : str
        Said where nothing more particular is known.
    wrong : mapping of str to answer
        What is said -> the plausible wrong answer that earns it. Those that these data make right
        are passed over.
    on : sequence of tuple, optional
        Arguments on which a function is compared.
    tolerance : float
        Of numbers, as a fraction of the largest expected one; whole numbers and words are exact.
    """
    if on is not None:
        expected = _results(expected, on) if callable(expected) else list(expected)
        wrong = {words: _results(mistake, on) for words, mistake in wrong.items()}
        answer, problem = _try(answer, on)
        if problem:
            _say(problem, "Hint:", hint)
            return
    if _is_numeric(expected) and not np.isfinite(_array(expected)).all():
        _say(NO_ANSWER)
        return
    refused = {words: mistake for words, mistake in wrong.items()
               if not agrees(mistake, expected, tolerance)}
    if answer is None or answer is Ellipsis:
        _say(EMPTY, "Hint:", hint)
    elif agrees(answer, expected, tolerance):
        _say(f"Right. ({len(refused)} plausible wrong answers are refused.)")
    else:
        particular = next((words for words, mistake in refused.items()
                           if agrees(answer, mistake, tolerance)), None)
        _say("Not yet.", particular or mismatch(answer, expected) or f"Hint: {hint}")


def _say(*words: str) -> None:
    sys.stdout.write(" ".join(words) + "\n")


def agrees(answer: Answer, expected: Answer, tolerance: float = 0.01) -> bool:
    """Tell whether two answers are the same; see `check` for what is alike."""
    if isinstance(expected, Mapping):
        return (isinstance(answer, Mapping) and answer.keys() == expected.keys()
                and all(agrees(answer[name], expected[name], tolerance) for name in expected))
    if isinstance(expected, set | frozenset):
        return (not isinstance(answer, str | Mapping) and isinstance(answer, set | frozenset
                                                                     | Sequence)
                and {_plain(item) for item in answer} == {_plain(item) for item in expected})
    if isinstance(expected, str):
        return isinstance(answer, str) and _plain(answer) == _plain(expected)
    if isinstance(expected, list | tuple) and not _is_numeric(expected):
        return (isinstance(answer, list | tuple | np.ndarray) and len(answer) == len(expected)
                and all(agrees(a, b, tolerance) for a, b in zip(answer, expected)))
    if not _is_numeric(answer):
        return False
    answer, expected = _array(answer), _array(expected)
    if answer.shape != expected.shape or not np.isfinite(answer).all():
        return False
    if expected.dtype.kind in "biu":
        return bool((answer == expected).all())
    largest = np.abs(expected).max(initial=0)
    return bool((np.abs(answer - expected) <= tolerance * largest + 1e-12).all())


def mismatch(answer: Answer, expected: Answer) -> str:
    """Say what kind of answer is expected, where the answer is of another kind; else nothing."""
    if isinstance(expected, str):
        return "" if isinstance(answer, str) else f"A word is expected, not {_kind(answer)}."
    if isinstance(expected, Mapping):
        names = ", ".join(map(str, expected))
        return ("" if isinstance(answer, Mapping) and answer.keys() == expected.keys()
                else f"A dict with the keys {names} is expected, not {_kind(answer)}.")
    if not _is_numeric(expected):
        n = len(expected)
        return ("" if isinstance(answer, Sequence | set | np.ndarray) and len(answer) == n
                and not isinstance(answer, str)
                else f"{n} items are expected, not {_kind(answer)}.")
    if not _is_numeric(answer):
        return f"Numbers are expected, not {_kind(answer)}."
    answer, expected = _array(answer), _array(expected)
    if answer.shape != expected.shape:
        return f"Shape {expected.shape} is expected, not {answer.shape}."
    return "" if np.isfinite(answer).all() else "Your answer contains NaN or infinity."


def _try(function: Answer, on: Sequence[tuple]) -> tuple[Answer, str]:
    """Return a function's results, or what went wrong."""
    if not callable(function):
        return None, (EMPTY if function is None or function is Ellipsis
                      else f"A function is expected, not {_kind(function)}.")
    try:
        return _results(function, on), ""
    except NotImplementedError:
        return None, EMPTY
    except Exception as error:  # whatever a student's code raises is shown as one line
        return None, f"Not yet. Your function raised {type(error).__name__}: {error}."


def _results(function: Callable[..., Answer], on: Sequence[tuple]) -> list[Answer]:
    return [function(*arguments) for arguments in on]


def _array(values: Answer) -> np.ndarray:
    if hasattr(values, "detach"):  # a tensor, on whatever device
        values = values.detach().cpu().numpy()
    return np.asarray([_array(value) for value in values] if isinstance(values, list | tuple)
                      else values)


def _is_numeric(values: Answer) -> bool:
    if isinstance(values, str | Mapping | set | frozenset) or values is None:
        return False
    try:
        return _array(values).dtype.kind in "biuf"
    except (TypeError, ValueError):
        return False


def _plain(item: Answer) -> Answer:
    return item.strip().casefold() if isinstance(item, str) else item


def _kind(answer: Answer) -> str:
    if isinstance(answer, Number):
        return f"the number {answer}"
    if isinstance(answer, str):
        return f"the text {answer!r}"
    n = f" of {len(answer)}" if hasattr(answer, "__len__") and getattr(answer, "ndim", 1) else ""
    return f"a {type(answer).__name__}{n}"
