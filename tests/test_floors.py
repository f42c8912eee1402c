"""The house: packages on floors, imports that only go down, and no circles anywhere."""

from __future__ import annotations

import ast
import re
from collections import Counter
from graphlib import TopologicalSorter

import pytest

from helpers.ground.digest import closure, imports_of
from helpers.ground.paths import ROOT

FLOORS = (("ground",),
          ("stimuli", "networks", "brains"),
          ("training",),
          ("selectivity", "lesions", "channels", "similarity", "encoding", "finetuning",
           "landscape", "saliency", "decoding", "concepts", "siblings"),
          ("figures", "universe"),
          ("headless", "present", "lab"),
          ("run", "zoo"))
"""Packages of ``helpers``, and the four modules that are doors, from the ground up."""
FLOOR = {name: level for level, names in enumerate(FLOORS) for name in names}
PURE = ("selectivity.statistics", "selectivity.probes", "selectivity.spread",
        "similarity.consistency", "siblings.outcomes", "stimuli.scrambling",
        "lesions.silencing", "lesions.deficits",
        "lesions.deficit_tests", "channels.tracing", "channels.separation", "channels.tuning",
        "similarity.rsa", "similarity.signal_noise", "similarity.noise_ceilings",
        "stimuli.gabor", "encoding.positive_regression", "encoding.positive_kernel",
        "encoding.regression", "encoding.encoding_tests", "finetuning.contrastive",
        "finetuning.crossvalidation", "finetuning.outcomes",
        "landscape.inpca", "landscape.outcomes", "saliency.laterality", "training.objectives",
        "decoding.directions", "decoding.retrieval", "decoding.ridge_decoder", "concepts.meaning",
        "concepts.nulls", "concepts.stability", "ground.stats", "ground.intervals",
        "ground.varying",
        "figures.verdicts")
"""Modules that take arrays and return arrays."""
MODULES = sorted(path for path in (ROOT / "helpers").rglob("*.py") if path.name != "__init__.py")


def dotted(path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


def room(name: str) -> str:
    return name.split(".")[1]


def imported(path) -> set[str]:
    return {name for name in imports_of(path.read_text()) if name.count(".") > 0}


@pytest.mark.parametrize("path", MODULES, ids=dotted)
def test_imports_only_go_down(path):
    here = room(dotted(path))
    assert here in FLOOR, f"give {here} a floor in this test, in README.md and CONTRIBUTING.md"
    for name in imported(path):
        assert FLOOR[room(name)] <= FLOOR[here], f"{here} reaches up to {name}"


def test_no_circle_of_rooms():
    """Rooms of one floor may use each other, one way; graphlib raises where two use each other."""
    used = {name: set() for name in FLOOR}
    for path in MODULES:
        here = room(dotted(path))
        used[here] |= {room(name) for name in imported(path)} - {here}
    assert set(TopologicalSorter(used).static_order()) == set(FLOOR)


@pytest.mark.parametrize("path", MODULES, ids=dotted)
def test_no_circle_of_modules(path):
    name = dotted(path)
    reached = closure(imported(path)) if imported(path) else ()
    assert name not in reached, f"{name} imports itself, through {reached}"


def test_every_room_says_what_it_is_for_and_where_it_stands():
    told = (ROOT / "README.md").read_text()
    for name, level in FLOOR.items():
        path = ROOT / "helpers" / name / "__init__.py"
        path = path if path.exists() else ROOT / "helpers" / f"{name}.py"
        assert path.read_text().startswith(f'"""Floor {level}. '), path
        assert re.search(rf"^\| {level} \|.*`{name}/?`", told, re.M), f"{name} in README's table"


def test_only_one_module_knows_that_there_is_a_universe():
    for path in MODULES:
        inside = dotted(path).startswith("helpers.universe.")
        if not inside and path.name != "present.py":
            assert not any(name.startswith("helpers.universe")
                           for name in imports_of(path.read_text())), path.name
    for path in (ROOT / "notebooks").glob("*.py"):
        assert "helpers.universe" not in path.read_text()


def test_nothing_branches_on_the_demo():
    """The demo is just another data set: no analysis and no notebook asks which one it reads."""
    for path in [*MODULES, *(ROOT / "notebooks").glob("*.py")]:
        if path.stem in ("run", "present", "zoo") or "universe" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.If | ast.IfExp | ast.Compare):
                text = ast.unparse(node.test if not isinstance(node, ast.Compare) else node)
                assert not re.search(r"['\"](demo|mini|paper|SYNTHETIC|REAL)['\"]", text), text


@pytest.mark.parametrize("name", PURE)
def test_the_core_is_pure(name):
    """Arrays in, arrays out: no files, no printing, no global random state, no device guessing."""
    text = (ROOT / "helpers" / f"{name.replace('.', '/')}.py").read_text()
    for word in ("pathlib", "open(", "console", "manual_seed", "np.random.seed", "cuda"):
        assert word not in text, f"{name} uses {word}"


def test_modules_and_functions_stay_small():
    for path in MODULES:
        text = path.read_text()
        assert len(text.splitlines()) <= 300, path.name
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef):
                body = node.body[1:] if ast.get_docstring(node) else node.body
                length = body[-1].end_lineno - body[0].lineno + 1 if body else 0
                assert length <= 45, f"{path.name}: {node.name} has {length} lines"


def test_no_print_no_pickle_no_blanket_filters():
    for path in MODULES:
        text = path.read_text()
        for wrong in (r"^\s*print\(", r"except:\s*$", r"allow_pickle=True", r"weights_only=False",
                      r"filterwarnings\(.ignore.\)"):
            assert not re.search(wrong, text, re.M), f"{path.name}: {wrong}"


def test_no_run_of_six_lines_stands_twice():
    """Lines of code alone: no imports, docstrings, comments or blank lines."""
    runs: Counter[tuple[str, ...]] = Counter()
    for path in MODULES:
        tree = ast.parse(path.read_text())
        for node in ast.walk(tree):
            if isinstance(getattr(node, "body", None), list):
                node.body = [part for part in node.body if not (
                    isinstance(part, ast.Import | ast.ImportFrom) or isinstance(part, ast.Expr)
                    and isinstance(part.value, ast.Constant))] or [ast.Pass()]
        lines = ast.unparse(tree).splitlines()
        lines = [line.strip() for line in lines if line.strip() not in ("", "pass", "...")]
        runs.update({tuple(lines[i:i + 6]) for i in range(len(lines) - 5)})
    twice = [run for run, n in runs.items() if n > 1 and not all(
        re.match(r"(@|class |def |return|\w+: )", line) for line in run)]
    assert not twice, "\n".join(twice[0])
