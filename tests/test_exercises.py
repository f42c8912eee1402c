"""Checks of exercises: alike answers are accepted, everything else gets a hint."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from helpers.exercises import EMPTY, NO_ANSWER, agrees, check

WRONG = {"That is the sum.": [3.0, 7.0], "That is the first.": [1.0, 3.0],
         "That is the last.": [2.0, 4.0]}


def said(capsys, answer, expected=(1.5, 3.5), **options) -> str:
    check(answer, list(expected), hint="think of the mean", wrong=WRONG, **options)
    return capsys.readouterr().out


@pytest.mark.parametrize("answer", [[1.5, 3.5], (1.5, 3.5), np.array([1.5, 3.5]),
                                    torch.tensor([1.5, 3.5], requires_grad=True),
                                    [torch.tensor(1.5), np.float32(3.51)]])
def test_lists_arrays_and_tensors_are_alike(answer, capsys):
    assert said(capsys, answer) == "Right. (3 plausible wrong answers are refused.)\n"


@pytest.mark.parametrize("answer, words", [
    (None, EMPTY), (..., EMPTY), ([3, 7], "the sum"), ([1, 3], "the first"), ([2, 4], "the last"),
    ([9, 9], "think of the mean"), ("two", "Numbers are expected, not the text 'two'"),
    (1.5, r"Shape (2,) is expected, not ()"), ([1.5], "Shape (2,) is expected, not (1,)"),
    ([1.5, np.nan], "NaN"), ({"a": 1}, "Numbers are expected, not a dict"),
    ([[1.5], [3.5, 2]], "Numbers are expected"), (print, "Numbers are expected"),
    ([1.5, "x"], "Numbers are expected"), (np.array([None, 1]), "Numbers are expected")])
def test_every_other_answer_gets_a_hint_and_no_traceback(answer, words, capsys):
    assert words in said(capsys, answer)


def test_words_numbers_sets_and_dicts(capsys):
    assert agrees(" Faces", "faces") and not agrees("face", "faces")
    assert agrees(["b", "A"], {"a", "b"}) and not agrees("ab", {"a", "b"})
    assert agrees(("conv1", 3), ("conv1", 3)) and not agrees(("conv1", 4), ("conv1", 3))
    assert agrees({"a": 1.001}, {"a": 1.0}) and not agrees({"b": 1}, {"a": 1})
    assert not agrees(101, 100), "whole numbers are exact"
    assert agrees(True, True) and not agrees(0.5, True)


def unfinished(x):
    raise NotImplementedError


@pytest.mark.parametrize("function, words", [
    (lambda x: 2 * x, "Right."), (unfinished, EMPTY), (None, EMPTY), (3, "A function is expected"),
    (lambda x: 1 / 0, "raised ZeroDivisionError: division by zero"),
    (lambda: 1, "raised TypeError"), (lambda x: x + 2, "You added"),
    (lambda x: None, "Numbers are expected")])
def test_functions_are_compared_on_several_arguments(function, words, capsys):
    check(function, lambda x: 2 * x, on=[(2,), (3,)], hint="h",
          wrong={"You added.": lambda x: x + 2})
    assert words in capsys.readouterr().out


def test_a_wrong_answer_that_these_data_make_right_is_passed_over(capsys):
    check(4, 4, hint="h", wrong={"a": 4, "b": 5})
    assert "Right. (1 plausible wrong" in capsys.readouterr().out


@pytest.mark.parametrize("answer", [None, 0.5, np.nan])
def test_where_the_data_have_no_answer_none_is_asked_for(answer, capsys):
    check(answer, np.nan, hint="h", wrong={"a": np.nan, "b": 5})
    assert capsys.readouterr().out == NO_ANSWER + "\n"


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=5), st.floats(0.02, 10))
def test_numbers_agree_within_the_tolerance_alone(values, factor):
    largest = max(map(abs, values))
    assert agrees(values, values)
    moved = [values[0] + factor * largest, *values[1:]]
    assert agrees(moved, values) is (largest * factor <= 1e-12)


@given(st.one_of(st.none(), st.text(), st.integers(), st.floats(), st.booleans(),
                 st.lists(st.one_of(st.text(), st.floats(), st.none())),
                 st.dictionaries(st.text(), st.floats()), st.binary()))
def test_whatever_is_answered_nothing_is_raised(answer):
    for expected in (3, 2.5, "faces", [1.0, 2.0], {"a": 1.0}, {"x", "y"}, ("conv1", 2)):
        check(answer, expected, hint="h", wrong={})
