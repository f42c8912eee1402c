"""Change the statistics on purpose, one place at a time; list the changes that no test sees.

    make mutation                                        all changes of MODULES
    make mutation MUTATION="helpers.core.intervals*"     those of some functions (patterns)

mutmut makes the changes (an operator, a number, an argument left out) in a copy of the project,
build/mutation, and runs the quick tests that reach them. A change that survives is a test that is
missing, or makes no difference: then mutation.toml says why. The exit status is 1 where a
survivor is not explained, or an explanation belongs to none although its function was tried.

Not changed: the texts of errors (tests/bad_input holds them against a table). Not counted: another
device or type of a new tensor, since tests run on the CPU, where there is one device.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from collections.abc import Container, Sequence
from itertools import groupby
from pathlib import Path

from helpers.core.console import echo
from helpers.core.machine import usable_cores
from helpers.core.paths import ROOT

MODULES = ("core/moments", "core/statistics", "core/intervals", "figures/verdicts",
           "selectivity/statistics")
TESTS = ("core/test_bootstrap", "core/test_intervals", "core/test_constant_values",
         "figures/test_verdicts", "selectivity/test_selectivity_statistics",
         "bad_input/test_statistics_and_commands", "matched_models/test_matched_models")
COPIED = ("helpers", "tests", "data", "notebooks", "figures/demo", "docs", "README.md", "Makefile",
          "requirements.lock", "pyproject.toml")
FOLDER = ROOT / "build" / "mutation"
EXPLANATIONS = Path(__file__).with_suffix(".toml")
SETTINGS = f"""
[tool.mutmut]
source_paths = ["helpers"]
only_mutate = {[f"helpers/{module}.py" for module in MODULES]}
also_copy = {[name for name in COPIED if name not in ("helpers", "tests", "pyproject.toml")]}
pytest_add_cli_args_test_selection = {[f"tests/{test}.py" for test in TESTS]}
pytest_add_cli_args = ["-m", "not slow and not exhaustive", "-p", "no:cacheprovider",
                       "-k", "not notebook_server and not in_words and not no_command_has"]
do_not_mutate_patterns = ['LabError', 'expected=f?"', 'remedy=f?"', '^ +f?"']
process_isolation = "forkserver"
"""


def copy_project() -> None:
    """Copy what git knows or would add, without data and caches, and mutmut's settings."""
    names = subprocess.run(["git", "ls-files", "-coz", "--exclude-standard", "--", *COPIED],
                           cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, names.split("\0")):
        target, content = FOLDER / name, (ROOT / name).read_bytes()
        if name == "pyproject.toml":
            content += SETTINGS.encode()
        if not target.is_file() or target.read_bytes() != content:  # what is the same stays tested
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)


def mutmut(*arguments: str) -> str:
    """Run mutmut in the copy; return what it printed."""
    return subprocess.run([sys.executable, "-m", "mutmut", *arguments], cwd=FOLDER, text=True,
                          stdout=subprocess.PIPE, check=True).stdout


def function_of(mutant: str) -> str:
    """Return the function or method that a mutant changes, from mutmut's name of the mutant."""
    return re.sub(r"\.x[_ǁ](.+)__mutmut_\d+$", r".\1", mutant).replace("ǁ", ".")


def read_results() -> tuple[list[tuple[str, str, str]], set[str]]:
    """Return (function, change, status) of every survivor, and functions not wholly tried.

    A change is its lines, the removed ones with "- " before them, the added ones with "+ ".
    """
    found, untried = [], set()
    for line in mutmut("results").splitlines():
        name, _, status = line.strip().partition(": ")
        if status == "not checked":
            untried.add(function_of(name))
        elif status:
            changed = [f"{text[0]} {text[1:].strip()}" for text in mutmut("show", name).splitlines()
                       if re.match(r"[-+](?![-+]{2} )", text)]
            found.append((function_of(name), "\n".join(changed), status))
    return found, untried


def is_about_devices(change: str) -> bool:
    """Whether both lines are the same but for ``device=`` and ``dtype=``."""
    old, _, new = (re.sub(r"\b(device|dtype)=[\w.]+", "", change).partition("\n+ "))
    return re.sub(r"[-, ]", "", old) == re.sub(r"[-, ]", "", new)


def judge(found: Sequence[tuple[str, str, str]], explained: dict[str, dict[str, str]],
          untried: Container[str] = ()) -> list[str]:
    """Return the survivors that nobody explained, and explanations that belong to none."""
    problems = [f"{function}: {status}\n{change}" for function, change, status in found
                if change.partition("\n+ ")[2] not in explained.get(function, {})]
    there = {(function, change.partition("\n+ ")[2]) for function, change, _ in found}
    return problems + [f"{function}: an explanation without a survivor\n+ {change}"
                       for function, changes in explained.items() for change in changes
                       if (function, change) not in there and function not in untried]


def main(patterns: Sequence[str]) -> int:
    """Run mutmut and print a table; return 1 where a survivor is not explained."""
    copy_project()
    subprocess.run([sys.executable, "-m", "mutmut", "run", "--max-children", str(usable_cores()),
                    *patterns], cwd=FOLDER, check=True)
    survivors, untried = read_results()
    found = [one for one in survivors if not is_about_devices(one[1])]
    problems = judge(found, tomllib.loads(EXPLANATIONS.read_text(encoding="utf-8")), untried)
    for module, its in groupby(sorted(found), lambda one: one[0].rpartition(".")[0]):
        echo(f"{module}: {len(list(its))} survive")
    echo(mutmut("export-cicd-stats").strip())
    echo((FOLDER / "mutants" / "mutmut-cicd-stats.json").read_text(encoding="utf-8"))
    for problem in problems:
        echo(f"\n{problem}")
    echo(f"\n{len(found)} survive, {len(problems)} to be explained or killed")
    return bool(problems)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
