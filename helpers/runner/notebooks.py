"""Notebooks as files: the percent source, its parameters, and its executed twin.

The ``.py`` is the only edited source. The ``.ipynb`` is made from it, executed, and committed;
`pairing_problems` says where the two differ. jupytext and nbformat are loaded where they are used:
to see that nothing is to be done, the parameters cell is enough.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from helpers.core.errors import LabError, one_of
from helpers.core.paths import ROOT, atomic_write
from helpers.core.stray_files import find_original

if TYPE_CHECKING:
    from nbformat import NotebookNode

FOLDER = ROOT / "notebooks"
METADATA = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"}}

ParameterValue = str | int | float | bool | None


def list_sources(folder: Path = FOLDER) -> list[Path]:
    """Return the percent sources, by number."""
    paths = sorted(folder.glob("[0-9][0-9]_*.py"))
    stems = {path.stem for path in paths}
    return [path for path in paths if find_original(path.stem, stems) is None]


def select_notebooks(only: list[str], folder: Path = FOLDER) -> list[Path]:
    """Return the sources asked for by number (``01``, ``1``), name or file; all if none is named.

    Raises
    ------
    LabError
        If a name fits no notebook.
    """
    available = list_sources(folder)
    if not only:
        return available
    selected: list[Path] = []
    for name in only:
        stem = Path(name).name.removesuffix(".py").removesuffix(".ipynb")
        match = [path for path in available
                 if path.stem == stem or stem and path.stem[:2] == stem.zfill(2)]
        if not match:
            raise LabError(f"no notebook {name!r}",
                           expected=one_of((path.stem for path in available),
                                           f"a notebook in {folder}; there is none"),
                           remedy="give its number or its full name")
        selected += match
    return list(dict.fromkeys(selected))


def read_source(path: Path) -> NotebookNode:
    """Read a percent source as a notebook with kernel, and cell ids that never change by chance."""
    import jupytext
    from nbformat import from_dict

    notebook = jupytext.read(path, fmt="py:percent")
    notebook.metadata = from_dict(METADATA)
    for index, cell in enumerate(notebook.cells):
        cell.id = f"cell-{path.stem[:2]}-{index:02d}"
        cell.metadata = _tags_only(cell)
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    return notebook


def read_defaults(text: str, name: str) -> dict[str, ParameterValue]:
    """Read the parameters cell of a percent source: plain literals, one per line.

    Raises
    ------
    LabError
        If there is not exactly one such cell, or a line is not ``name = literal``.
    """
    _, *parts = re.split(r"^# %%(.*)$", text, flags=re.MULTILINE)
    cells = [cell for head, cell in zip(parts[::2], parts[1::2])
             if re.search(r"""tags=\[.*["']parameters["']""", head)]
    if len(cells) != 1:
        raise LabError(f"{len(cells)} cells tagged 'parameters' in {name}", expected="exactly one",
                       remedy='tag the cell: # %% tags=["parameters"]')
    values = {}
    for statement in ast.parse(cells[0]).body:
        try:
            (target,) = statement.targets
            values[target.id] = ast.literal_eval(statement.value)
        except (AttributeError, ValueError) as error:
            raise LabError(f"line {statement.lineno} of the parameters cell of {name}: "
                           f"{ast.unparse(statement)}", expected="name = literal",
                           remedy="derive values in a later cell; a parameter is injected "
                           "after this one") from error
    return values


def check_parameters(given: Mapping[str, str], known: Mapping[str, ParameterValue],
                     name: str) -> dict[str, ParameterValue]:
    """Turn ``-p name=text`` into values of the type of the notebook's own defaults.

    Raises
    ------
    LabError
        If the notebook has no such parameter, or the text is not of its type.
    """
    values: dict[str, ParameterValue] = {}
    for parameter, text in given.items():
        if parameter not in known:
            raise LabError(f"unknown parameter {parameter!r} for {name}",
                           expected=one_of(known, "no parameter: it has none"),
                           remedy="correct the name; it is written in the parameters cell")
        value, default = text, known[parameter]
        if not isinstance(default, str):
            with suppress(ValueError, SyntaxError):
                value = ast.literal_eval(text)
            value = float(value) if (type(value), type(default)) == (int, float) else value
        if type(value) is not type(default):
            raise LabError(f"{parameter}={text!r} for {name}",
                           expected=f"a value of type {type(default).__name__}, such as "
                           f"{default!r}", remedy="correct the value")
        values[parameter] = value
    return values


def write(notebook: NotebookNode, path: Path) -> Path:
    """Write a notebook, whole or not at all."""
    import nbformat

    return atomic_write(path, lambda part: nbformat.write(notebook, part))


def clean_outputs(executed: NotebookNode) -> NotebookNode:
    """Drop what changes from run to run: timings, the runner's own marks, injected cells."""
    from nbformat import from_dict

    executed.metadata = from_dict(METADATA)
    executed.cells = [cell for cell in executed.cells
                      if "injected-parameters" not in cell.metadata.get("tags", [])]
    for cell in executed.cells:
        cell.metadata = _tags_only(cell)
    return executed


def _tags_only(cell: NotebookNode) -> NotebookNode:
    from nbformat import from_dict

    tags = cell.metadata.get("tags", [])
    return from_dict({"tags": tags} if tags else {})


def pairing_problems(source: Path) -> list[str]:
    """Say where a source and its committed notebook differ; empty if they agree.

    Contents are compared, not times: cells, their kinds, texts and tags, and whether every code
    cell was executed.
    """
    import nbformat

    paired = source.with_suffix(".ipynb")
    if not paired.is_file():
        return [f"{paired.name} is missing"]
    source_cells = read_source(source).cells
    paired_cells = nbformat.read(paired, as_version=4).cells
    if len(source_cells) != len(paired_cells):
        return [
            f"{paired.name} has {len(paired_cells)} cells, {source.name} has {len(source_cells)}"]
    problems = []
    for index, pair in enumerate(zip(source_cells, paired_cells)):
        expected, actual = ((cell.cell_type, cell.source.strip(), cell.metadata.get("tags", []),
                             cell.id) for cell in pair)
        if expected != actual:
            problems.append(f"cell {index} of {paired.name} differs from {source.name}")
        if actual[0] == "code" and actual[1] and pair[1].execution_count is None:
            problems.append(f"cell {index} of {paired.name} was never executed")
    return problems
