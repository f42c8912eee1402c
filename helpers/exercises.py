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
        _say("Not yet.", particular or difference(answer, expected, tolerance) or f"Hint: {hint}")


def _say(*words: str) -> None:
    sys.stdout.write(" ".join(words) + "\n")


def agrees(answer: Answer, expected: Answer, tolerance: float = 0.01) -> bool:
    """Tell whether two answers are the same; see `check` for what is alike."""
    return difference(answer, expected, tolerance) is None


def difference(answer: Answer, expected: Answer, tolerance: float) -> str | None:
    """Say what kind of answer is expected; "" where it is of this kind and wrong, None if right."""
    if isinstance(expected, str):
        if not isinstance(answer, str):
            return f"A word is expected, not {_kind(answer)}."
        same = _plain(answer) == _plain(expected)
    elif isinstance(expected, Mapping):
        if not (isinstance(answer, Mapping) and answer.keys() == expected.keys()):
            names = ", ".join(map(str, expected))
            return f"A dict with the keys {names} is expected, not {_kind(answer)}."
        same = all(agrees(answer[name], expected[name], tolerance) for name in expected)
    elif _is_numeric(expected):
        if not _is_numeric(answer):
            return f"Numbers are expected, not {_kind(answer)}."
        answer, expected = _array(answer), _array(expected)
        if answer.shape != expected.shape:
            return f"Shape {expected.shape} is expected, not {answer.shape}."
        if not np.isfinite(answer).all():
            return "Your answer contains NaN or infinity."
        largest = np.abs(expected).max(initial=0)
        same = np.array_equal(answer, expected) if expected.dtype.kind in "biu" else np.allclose(
            answer, expected, rtol=0, atol=tolerance * largest + 1e-12)
    else:  # a set, or items in their order
        items = answer.tolist() if isinstance(answer, np.ndarray) else answer
        if not isinstance(items, list | tuple | set | frozenset):
            return f"{len(expected)} items are expected, not {_kind(answer)}."
        if isinstance(expected, set | frozenset):
            same = {_plain(item) for item in items} == {_plain(item) for item in expected}
        elif len(items) != len(expected):
            return f"{len(expected)} items are expected, not {_kind(answer)}."
        else:
            same = isinstance(items, list | tuple) and all(
                agrees(a, b, tolerance) for a, b in zip(items, expected))
    return None if same else ""


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
