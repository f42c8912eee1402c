"""Versions of the notebooks for students and for teachers, made from the one source.

``python -m helpers.runner.versions`` writes ``build/student`` (no solutions) and ``build/teacher``
(outputs, solutions, common mistakes, minutes of each section). With ``--rehearse`` it also runs
every notebook as a student would, each check first before an exercise is answered, then with the
solution in place of the stub, and keeps the seconds of each section for the course page.
"""

from __future__ import annotations

import argparse
import ast
import copy
import os
import re
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from helpers.core.console import HEADLESS, echo
from helpers.core.errors import LabError
from helpers.core.paths import FIGURES_VARIABLE, ROOT, ensure_writable
from helpers.exercises import EMPTY
from helpers.runner.notebooks import FOLDER, pairing_problems, read_source, select_notebooks, write

if TYPE_CHECKING:
    from nbformat import NotebookNode

BUILD = ROOT / "build"
STUDENT, TEACHER = "student", "teacher"
EXERCISE, SOLUTION, CHECK = "exercise", "solution", "check"
TAGS = (EXERCISE, SOLUTION, CHECK)
LEVELS = {"Read": 4, "Change": 8, "Extend": 15}
"""Level of an exercise, the first word of its question -> minutes that it is given."""
WORDS_PER_MINUTE, LINES_PER_MINUTE = 180, 6
"""Reading speed of technical prose, and of code that is to be understood."""
SKIMMED = ("figure", "Claims", "What we see", "Known deviations")
"""Sections, by a word of their heading, whose code is run and not read."""
SECONDS_FILE = FOLDER / "seconds.csv"
"""Seconds that each section ran in the last rehearsal."""


def find_exercises(notebook: NotebookNode, name: str) -> dict[int, str]:
    """Return place of the stub -> level, of a notebook's exercises in their order.

    The question stands before the stub; solution and check follow it.

    Raises
    ------
    LabError
        If a stub is not followed by its solution and its check, if stub and solution define other
        names or signatures, or if the question says no level; the cell is named.
    """
    tags = [_tag(cell) for cell in notebook.cells]
    stubs = [index for index, tag in enumerate(tags) if tag == EXERCISE]
    for index, tag in enumerate(tags):
        if tag and not {index, index - 1, index - 2} & set(stubs):
            raise LabError(f"cell {index} of {name} is tagged {tag!r} without a stub before it",
                           expected="stub, solution and check, one after the other",
                           remedy=f"put a cell tagged {EXERCISE!r} before it")
    return {index: _exercise_level(notebook, index, name) for index in stubs}


def _exercise_level(notebook: NotebookNode, index: int, name: str) -> str:
    tags = tuple(_tag(cell) for cell in notebook.cells[index:index + 3])
    question = re.findall(r"^\*\*(\w+)\.\*\*", notebook.cells[index - 1].source, re.MULTILINE)
    if tags != TAGS or not question or question[-1] not in LEVELS:
        raise LabError(f"cell {index} of {name} begins an exercise: question {question}, then "
                       f"cells tagged {', '.join(tag or 'nothing' for tag in tags)}",
                       expected=f"a question that begins with one of {', '.join(LEVELS)} in bold, "
                       f"then cells tagged {', '.join(TAGS)}",
                       remedy="complete the exercise, or move other cells out of it")
    stub, solution = (_defined(notebook.cells[place].source) for place in (index, index + 1))
    if not stub.items() <= solution.items():
        raise LabError(f"cell {index} of {name} is a stub of {_names(stub)}, its solution defines "
                       f"{_names(solution)}", expected="the same names with the same arguments",
                       remedy=f"correct the stub or cell {index + 1}")
    return question[-1]


def _tag(cell: NotebookNode) -> str:
    return next((tag for tag in cell.metadata.get("tags", []) if tag in TAGS), "")


def _defined(source: str) -> dict[str, str]:
    """Return the names that a cell defines -> the arguments of a function, nothing of a value."""
    names = {}
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef):
            names[node.name] = ast.unparse(node.args)
        elif isinstance(node, ast.Assign):
            names |= {name.id: "" for target in node.targets for name in ast.walk(target)
                      if isinstance(name, ast.Name)}
    return names


def _names(defined: dict[str, str]) -> str:
    return ", ".join(f"{name}({arguments})" if arguments else name
                     for name, arguments in defined.items()) or "nothing"


def student_version(source: Path) -> NotebookNode:
    """Return a notebook without solutions and outputs; its stubs are left to the student."""
    notebook = read_source(source)
    exercises = find_exercises(notebook, source.name)
    notebook.cells = [cell for index, cell in enumerate(notebook.cells)
                      if index - 1 not in exercises]
    return _relinked(notebook)


def teacher_version(source: Path) -> NotebookNode:
    """Return the executed notebook with common mistakes and the minutes of each section.

    Raises
    ------
    LabError
        If the executed notebook does not belong to the source.
    """
    import nbformat

    problems = pairing_problems(source)
    if problems:
        raise LabError("; ".join(problems[:3]), expected="a notebook executed from its source",
                       remedy="make notebooks")
    notebook = nbformat.read(source.with_suffix(".ipynb"), as_version=4)
    minutes = iter(section_minutes(source)["minutes"])
    for cell in notebook.cells:
        if _heading(cell):
            cell.source = re.sub(r"^(#{1,2} .*)$", rf"\1 *({next(minutes):.0f} min)*",
                                 cell.source, count=1, flags=re.MULTILINE)
    exercises = find_exercises(notebook, source.name)
    for index in reversed(exercises):  # from the end: a note moves the cells below it
        check = notebook.cells[index + 2]
        notebook.cells.insert(index + 3, _note(exercises[index], check))
    return _relinked(notebook)


def _note(level: str, check: NotebookNode) -> NotebookNode:
    from nbformat.v4 import new_markdown_cell

    mistakes = "\n".join(f"- {words}" for words in common_mistakes(check.source))
    return new_markdown_cell(
        f"**For the teacher** · about {LEVELS[level]} minutes. Mistakes that the check "
        f"knows, and what it answers:\n\n{mistakes}", id=f"{check.id}-note")


def common_mistakes(check: str) -> list[str]:
    """Return what a check says to each wrong answer that it knows."""
    return [key.value for node in ast.walk(ast.parse(check)) if isinstance(node, ast.keyword)
            and node.arg == "wrong" and isinstance(node.value, ast.Dict)
            for key in node.value.keys if isinstance(key, ast.Constant)]


def _heading(cell: NotebookNode) -> str:
    """Return the title or section heading that a cell begins."""
    match = re.search(r"^#{1,2} (.+)$", cell.source, re.MULTILINE)
    return match[1] if cell.cell_type == "markdown" and match else ""


def section_minutes(source: Path) -> pd.DataFrame:
    """Return what a participant needs for each section of a notebook.

    Reading time follows from words and lines of code (not in sections that are `SKIMMED`), the
    exercises have fixed minutes, and seconds of running come from the last rehearsal.

    Returns
    -------
    Table with columns ``notebook``, ``section``, ``minutes``, ``seconds`` (NaN: not rehearsed).
    """
    notebook, minutes, heading = read_source(source), [], ""
    exercises = find_exercises(notebook, source.name)
    for index, cell in enumerate(notebook.cells):
        heading = _heading(cell) or heading
        if index in exercises:
            minutes.append(LEVELS[exercises[index]])
        elif cell.cell_type == "markdown":
            minutes.append(len(cell.source.split()) / WORDS_PER_MINUTE)
        elif _tag(cell) or any(word in heading for word in SKIMMED):
            minutes.append(0.0)
        else:
            minutes.append(len(cell.source.splitlines()) / LINES_PER_MINUTE)
    table = _sum_sections(source, notebook, minutes=minutes).merge(
        pd.read_csv(SECONDS_FILE), on=["notebook", "section"], how="left")
    table["minutes"] = (table["minutes"] + table["seconds"].fillna(0) / 60).clip(lower=1).round()
    return table


def _sum_sections(source: Path, notebook: NotebookNode,
                  **values: Sequence[float]) -> pd.DataFrame:
    """Return a row for each section of a notebook: the sum of a value that each cell has."""
    headings = [_heading(cell) for cell in notebook.cells]
    cells = pd.DataFrame({"notebook": source.stem, "section": headings, **values})
    sections = (cells["section"] != "").cumsum()
    return cells.groupby(sections.where(sections > 0, 1), as_index=False).agg(
        {"notebook": "first", "section": "first", **dict.fromkeys(values, "sum")})


def _relinked(notebook: NotebookNode) -> NotebookNode:
    """Let links from ``build/<version>`` lead to the repository's own pages."""
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = cell.source.replace("](../", "](../../").replace(
                "](GLOSSARY.md", "](../../notebooks/GLOSSARY.md")
    return notebook


def build_versions(sources: Sequence[Path]) -> list[Path]:
    """Write both versions of some notebooks; return their paths."""
    made = []
    for version, make in ((STUDENT, student_version), (TEACHER, teacher_version)):
        target = ensure_writable(BUILD / version)
        made += [write(make(source), target / source.with_suffix(".ipynb").name)
                 for source in sources]
    return made


def rehearsal(source: Path) -> NotebookNode:
    """Return a notebook that holds each exercise twice: left empty, then with its solution."""
    notebook = read_source(source)
    for index in reversed(find_exercises(notebook, source.name)):
        empty = copy.deepcopy(notebook.cells[index + 2])
        empty.id += "-empty"
        notebook.cells.insert(index + 1, empty)
    return notebook


def rehearse(source: Path) -> tuple[pd.DataFrame, list[str]]:
    """Run a notebook as a student would; return the seconds of its sections, and what went wrong.

    Every check must ask for an answer while the stub is empty, and accept the solution.
    """
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError

    notebook = rehearsal(source)
    begun, seconds = [0.0], [0.0] * len(notebook.cells)

    def begin(**_: object) -> None:
        begun[0] = time.perf_counter()

    def end(cell_index: int, **_: object) -> None:
        seconds[cell_index] = time.perf_counter() - begun[0]

    client = NotebookClient(notebook, timeout=None, kernel_name="python3", on_cell_start=begin,
                            on_cell_executed=end, resources={"metadata": {"path": str(ROOT)}})
    problems = []
    with tempfile.TemporaryDirectory() as figures:
        try:
            client.execute(env=os.environ | {HEADLESS: "1", FIGURES_VARIABLE: figures})
        except CellExecutionError as error:
            problems.append(f"{source.stem}: {error.ename}: {error.evalue}")
    for index, cell in enumerate(notebook.cells):
        if _tag(cell) == CHECK:
            text = "".join(output.get("text", "") for output in cell.get("outputs", []))
            wanted = EMPTY if cell.id.endswith("-empty") else "Right."
            if not text.startswith(wanted):
                problems.append(f"{source.stem}, cell {index}: {text.strip() or 'nothing'!r} "
                                f"where {wanted!r} is expected")
    return _sum_sections(source, notebook, seconds=seconds), problems


def main(arguments: list[str] | None = None) -> int:
    """Write the notebooks for students and for teachers; return 0 if all is well."""
    parser = argparse.ArgumentParser(prog="python -m helpers.runner.versions",
                                     description=main.__doc__)
    parser.add_argument("--only", nargs="*", default=[], metavar="NN", help="numbers or names")
    parser.add_argument("--rehearse", action="store_true",
                        help="run every notebook as a student would, and measure its sections")
    options = parser.parse_args(arguments)
    try:
        sources = select_notebooks(options.only)
        problems = _rehearse_all(sources) if options.rehearse else []
        for path in build_versions(sources):
            echo(str(path.relative_to(ROOT)))
    except LabError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    for problem in problems:
        sys.stderr.write(f"{problem}\n")
    return 1 if problems else 0


def _rehearse_all(sources: Sequence[Path]) -> list[str]:
    tables, problems = [], []
    for source in sources:
        table, found = rehearse(source)
        tables.append(table)
        problems += found
        echo(f"{source.stem}: {table['seconds'].sum():.0f} s, {len(found)} problems")
    known, rehearsed = pd.read_csv(SECONDS_FILE), [source.stem for source in sources]
    measured = pd.concat([known[~known["notebook"].isin(rehearsed)], *tables])
    measured.sort_values("notebook", kind="stable").round(1).to_csv(
        SECONDS_FILE, index=False, lineterminator="\n")
    return problems


if __name__ == "__main__":
    sys.exit(main())
