"""What make mutation says of survivors, on made-up ones; and that its explanations can be read."""

from __future__ import annotations

import sys
import tomllib

import pytest

from helpers.core.paths import ROOT


@pytest.fixture
def mutation(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    monkeypatch.delitem(sys.modules, "mutation", raising=False)
    import mutation
    return mutation


FOUND = [("helpers.a.f", "- return x\n+ return -x", "survived"),
         ("helpers.a.f", "- return x\n+ return x + 0", "survived"),
         ("helpers.b.g", "- n = 1\n+ n = 2", "no tests")]


def test_a_survivor_is_a_problem_unless_it_is_explained(mutation):
    problems = mutation.judge(FOUND, {"helpers.a.f": {"return x + 0": "the same number"}})
    assert problems == ["helpers.a.f: survived\n- return x\n+ return -x",
                        "helpers.b.g: no tests\n- n = 1\n+ n = 2"]


def test_an_explanation_of_what_does_not_survive_is_a_problem(mutation):
    everything = {"helpers.a.f": {"return -x": "?", "return x + 0": "?"},
                  "helpers.b.g": {"n = 2": "?"}}
    assert mutation.judge(FOUND, everything) == []
    problem, = mutation.judge(FOUND[1:], everything)
    assert problem.startswith("helpers.a.f: an explanation without a survivor")
    assert mutation.judge(FOUND[1:], everything, {"helpers.a.f"}) == [], "it was not tried"


@pytest.mark.parametrize(("mutant", "function"), [
    ("helpers.core.moments.x_t_values__mutmut_12", "helpers.core.moments.t_values"),
    ("helpers.core.statistics.x__crossed_effects_interval__mutmut_6",
     "helpers.core.statistics._crossed_effects_interval"),
    ("helpers.core.moments.xǁMomentsǁupdate__mutmut_1",
     "helpers.core.moments.Moments.update"),
    ("helpers.a.x_max_units__mutmut_3", "helpers.a.max_units")])
def test_a_mutant_is_named_by_its_function(mutation, mutant, function):
    assert mutation.function_of(mutant) == function


@pytest.mark.parametrize(("change", "expected"), [
    ("- x = zeros(n, device=mean.device)\n+ x = zeros(n, device=None)", True),
    ("- x = zeros(n, device=mean.device)\n+ x = zeros(n, )", True),
    ("- x = tensor(1, dtype=v.dtype, device=v.device)\n+ x = tensor(1, device=v.device)", True),
    ("- x = zeros(n, device=mean.device)\n+ x = zeros(None, device=mean.device)", False),
    ("- x = a - b\n+ x = a + b", False)])
def test_a_change_of_the_device_is_recognised(mutation, change, expected):
    assert mutation.is_about_devices(change) == expected


def test_explanations_name_functions_of_the_modules_and_give_a_reason(mutation):
    explained = tomllib.loads(mutation.EXPLANATIONS.read_text(encoding="utf-8"))
    modules = tuple(f"helpers.{module.replace('/', '.')}." for module in mutation.MODULES)
    for function, changes in explained.items():
        assert function.startswith(modules), function
        assert all(len(why.split()) >= 4 for why in changes.values()), function


def test_the_modules_and_tests_are_there(mutation):
    for name in (*(f"helpers/{one}.py" for one in mutation.MODULES),
                 *(f"tests/{one}.py" for one in mutation.TESTS)):
        assert (ROOT / name).is_file(), name
