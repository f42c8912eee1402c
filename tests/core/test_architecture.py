"""Layers without cycles, a pure core, and modules of a size that can be read."""

from __future__ import annotations

import ast
import io
import re
import subprocess
import sys
import tokenize
from collections import Counter
from pathlib import Path

import pytest

from helpers.core.digest import direct_imports, import_closure
from helpers.core.paths import ROOT

MODULES = sorted(path for package in ("helpers", "data/synthetic", "data/zoo")
                 for path in (ROOT / package).rglob("*.py") if path.name != "__init__.py")
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.py"))
PURE = ("core.moments", "core.statistics", "core.intervals", "core.constant_values",
        "stimuli.scrambling", "stimuli.gabor", "training.losses", "figures.verdicts",
        "selectivity.split_half", "selectivity.statistics", "selectivity.unit_distribution",
        "lesions.silencing", "lesions.deficits", "lesions.statistics",
        "content_channels.trajectories", "content_channels.separability",
        "content_channels.tuning_reorientation",
        "rsa.dissimilarity", "matched_models.layer_consistency", "rsa.signal_noise",
        "rsa.noise_ceilings",
        "encoding.positive_regression", "encoding.active_set", "encoding.regression",
        "encoding.statistics", "finetuning.information_bound", "finetuning.ridge_cv",
        "finetuning.statistics", "landscape.inpca", "landscape.statistics",
        "saliency.laterality", "decoding.vectors", "decoding.retrieval", "decoding.ridge_decoder",
        "concepts.interpretation", "concepts.nulls", "concepts.stability",
        "matched_models.statistics")
"""Modules that take arrays and return arrays."""
MAX_MODULE, MAX_FUNCTION, MAX_REACHED = 250, 40, 4500
"""Lines of code, without blank lines, comments and docstrings."""
SKIPPED = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT,
           tokenize.ENDMARKER}


def dotted(path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


def code_lines(text: str) -> set[int]:
    """Return the numbers of the lines that hold code."""
    lines = {line for token in tokenize.generate_tokens(io.StringIO(text).readline)
             if token.type not in SKIPPED for line in range(token.start[0], token.end[0] + 1)}
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Module | ast.ClassDef
                      | ast.FunctionDef) and ast.get_docstring(node):
            lines -= set(range(node.body[0].lineno, node.body[0].end_lineno + 1))
    return lines


def test_the_contracts_of_imports_hold():
    """Layers, no cycle of packages, nothing that knows the synthetic data: pyproject.toml."""
    found = subprocess.run([Path(sys.executable).with_name("lint-imports"), "--no-cache"], cwd=ROOT,
                           capture_output=True, text=True)
    assert found.returncode == 0, found.stdout


@pytest.mark.slow
@pytest.mark.parametrize("path", MODULES, ids=dotted)
def test_no_cycle_of_modules(path):
    imported = {name for name in direct_imports(path.read_text()) if "." in name}
    assert dotted(path) not in import_closure(imported)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_no_notebook_reaches_the_drawing_or_the_training_of_the_demo(path):
    reached = import_closure(direct_imports(path.read_text()))
    assert not [name for name in reached if name.startswith("data")]


def test_notebook_01_reaches_no_other_analysis():
    source, = (path for path in NOTEBOOKS if path.stem.startswith("01"))
    packages = {name.split(".")[1] for name in import_closure(direct_imports(source.read_text()))
                if name.startswith("helpers.")}
    assert packages == {"lab", "core", "config", "datasets", "stimuli", "networks", "figures",
                        "exercises", "selectivity"}


def test_notebook_01_reaches_little_code():
    source, = (path for path in NOTEBOOKS if path.stem.startswith("01"))
    reached = import_closure(direct_imports(source.read_text()))
    files = [ROOT / f"{name.replace('.', '/')}.py" for name in reached]
    assert sum(len(code_lines(path.read_text())) for path in files if path.is_file()) <= MAX_REACHED


def test_every_package_says_what_it_is_for():
    for path in (ROOT / "helpers").glob("*/__init__.py"):
        text = path.read_text()
        assert ast.get_docstring(ast.parse(text)) and len(code_lines(text)) == 0, path


def test_nothing_branches_on_the_demo():
    """The demo is just another data set: no analysis and no notebook asks which one it reads."""
    for path in [*MODULES, *NOTEBOOKS]:
        if "data" in path.relative_to(ROOT).parts[:1] or "runner" in path.parts:
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


@pytest.mark.slow
@pytest.mark.parametrize("path", MODULES, ids=dotted)
def test_modules_and_functions_stay_small(path):
    text = path.read_text()
    lines = code_lines(text)
    assert len(lines) <= MAX_MODULE
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            length = len(lines & set(range(node.body[0].lineno, node.end_lineno + 1)))
            assert length <= MAX_FUNCTION, f"{node.name} has {length} lines"


def test_no_print_no_pickle_no_blanket_filters():
    for path in MODULES:
        text = path.read_text()
        for wrong in (r"^\s*print\(", r"except:\s*$", r"allow_pickle=True", r"weights_only=False",
                      r"filterwarnings\(.ignore.\)"):
            assert not re.search(wrong, text, re.M), f"{path.name}: {wrong}"


@pytest.mark.slow
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
