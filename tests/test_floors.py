"""The house: every module stands on a floor, imports only go down, and no module reaches up."""

from __future__ import annotations

import ast
import re

import pytest

from helpers.digest import closure, imports_of
from helpers.paths import ROOT

FLOORS = [
    {"errors", "console", "paths", "strict", "profile", "tables", "digest", "archive", "download",
     "fetch", "cache", "stats", "processes", "provenance"},
    {"architectures", "weights", "registry", "networks", "stimuli", "album", "brains",
     "augmentation", "objectives"},
    {"activations", "replay", "training", "readout", "pictures"},
    {"selectivity", "probes", "lesions", "deficits", "deficit_tests", "channels", "separation",
     "tuning", "rsa", "signal_noise", "noise_ceilings", "gabor", "positive_regression",
     "positive_kernel", "regression", "encoding_jobs", "encoding_tests"},
    {"universe", "brain_data", "cohort_features", "encoding_study", "rdm_study", "plots_encoding",
     "localizer", "readability", "classifiers", "lesion_battery",
     "lesion_outcomes", "plots",
     "plots_channels", "plots_lesions", "claims", "notebooks", "freshness"},
    {"lab", "present", "execute"},
    {"run", "zoo"},
]
FLOOR = {name: level for level, names in enumerate(FLOORS) for name in names}
PURE = ("selectivity", "lesions", "deficits", "deficit_tests", "stats", "probes", "objectives",
        "channels", "separation", "tuning", "rsa", "signal_noise", "noise_ceilings", "gabor",
        "positive_regression", "positive_kernel", "regression", "encoding_tests")
MODULES = sorted(path for path in (ROOT / "helpers").rglob("*.py") if path.name != "__init__.py")


def dotted(path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


def room(name: str) -> str:
    return name.split(".")[1]


@pytest.mark.parametrize("path", MODULES, ids=dotted)
def test_imports_only_go_down(path):
    here = room(dotted(path))
    assert here in FLOOR, f"give {here} a floor in this test and in the README"
    for name in imports_of(path.read_text()) - {"helpers"}:
        assert FLOOR[room(name)] <= FLOOR[here], f"{here} reaches up to {name}"


@pytest.mark.parametrize("path", MODULES, ids=dotted)
def test_no_cycles(path):
    name = dotted(path)
    reached = closure(imports_of(path.read_text())) if imports_of(path.read_text()) else ()
    assert name not in reached, f"{name} imports itself, through {reached}"


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
    text = (ROOT / "helpers" / f"{name}.py").read_text()
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
