"""Digests of files, of texts, and of the code that a result depends on."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from helpers.core.errors import LabError
from helpers.core.paths import ROOT

PACKAGES = ("helpers", "data")
NO_PART_IN_RESULTS = frozenset({"helpers.core.console", "helpers.core.errors",
                                "helpers.core.machine"})
"""Bars, messages, the number of processes: another wording makes nothing stale."""


def file_digest(path: str | Path, algorithm: str = "sha256") -> str:
    """Return the digest of a file's bytes in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


def text_digest(text: str) -> str:
    """Return the SHA-256 of a text in UTF-8, in hexadecimal."""
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def array_digest(values: NDArray) -> str:
    """Return the SHA-256 of an array's shape, type and values, in hexadecimal."""
    digest = hashlib.sha256(f"{values.shape} {values.dtype}".encode())
    digest.update(np.ascontiguousarray(values))
    return digest.hexdigest()


def modules_of(*objects: object) -> list[str]:
    """Return our modules in which the classes of some objects are written.

    For `code_digest`, where a result depends on who reads the data: a cohort, a set of images.
    """
    return sorted({kind.__module__ for one in objects for kind in type(one).__mro__
                   if kind.__module__.split(".")[0] in PACKAGES})


def code_digest(module_names: Iterable[str], packages: tuple[str, ...] = PACKAGES, *,
                root: Path = ROOT) -> str:
    """Return the SHA-256 of what some modules do: of their code and of all they import.

    Comments, docstrings and formatting do not count; nor do files of data that a module reads,
    nor `NO_PART_IN_RESULTS`.

    Parameters
    ----------
    module_names : iterable of str
        Full names, such as ``helpers.selectivity.statistics``.
    packages : tuple of str
        Only imports from these are followed.
    root : Path
        The folder that holds the package.

    Raises
    ------
    LabError
        If a module does not exist or is not valid Python.
    """
    lines = (f"{name} {_module(_file_of(name, root))[0]}"
             for name in closure(module_names, packages, root=root)
             if name not in NO_PART_IN_RESULTS)
    return text_digest("\n".join(lines))


def closure(module_names: Iterable[str], packages: tuple[str, ...] = PACKAGES, *,
            root: Path = ROOT) -> tuple[str, ...]:
    """Return the sorted names of some modules and of all that they import, found unexecuted.

    The ``__init__`` of each package on the way is included, since importing runs it.

    Raises
    ------
    LabError
        If a module does not exist or is not valid Python.
    """
    found: set[str] = set()
    waiting = list(module_names)
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        path = _file_of(name, root)
        if path is None:
            raise LabError(f"There is no module {name!r} in {root}.",
                           expected=f"a module of {' or '.join(packages)}, by its full name",
                           remedy="correct the name, such as 'helpers.selectivity.statistics'")
        found.add(name)
        waiting += _with_parents(name)
        base = name if path.name == "__init__.py" else name.rpartition(".")[0]
        waiting += _resolve(_absolute(_module(path)[1], base), packages, root)
    return tuple(sorted(found))


def imports_of(source_text: str, packages: tuple[str, ...] = PACKAGES, *,
               root: Path = ROOT) -> set[str]:
    """Return our modules that a script imports itself.

    Parameters
    ----------
    source_text : str
        Python, such as a notebook in percent format.

    Raises
    ------
    LabError
        If the text is not valid Python.
    """
    imports = _imports(_parse(source_text, "the script"))
    return _resolve(_absolute(imports, ""), packages, root)


Import = tuple[int, str, tuple[str, ...]]
"""Level of a relative import (0: absolute), module, and the names taken from it."""


def _module(path: Path) -> tuple[str, tuple[Import, ...]]:
    return _module_at(path, path.stat().st_mtime_ns)


@cache
def _module_at(path: Path, mtime_ns: int) -> tuple[str, tuple[Import, ...]]:
    """Return the digest of a module's code and its imports; ``mtime_ns`` keeps this fresh."""
    tree = _parse(path.read_text(encoding="utf-8"), str(path))
    return text_digest(_canonical(tree)), _imports(tree)


def _parse(source_text: str, where: str) -> ast.Module:
    try:
        return ast.parse(source_text)
    except SyntaxError as error:
        raise LabError(f"{where} is not valid Python (line {error.lineno}: {error.msg}).",
                       expected="Python source; a notebook in percent format, magics commented",
                       remedy="correct that line") from error


def _imports(tree: ast.Module) -> tuple[Import, ...]:
    found: list[Import] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(0, alias.name, ()) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found.append((node.level, node.module or "", tuple(a.name for a in node.names)))
    return tuple(found)


def _absolute(imports: Iterable[Import], base: str) -> set[str]:
    """Return every dotted name that the imports of a module in package ``base`` may mean."""
    names: set[str] = set()
    for level, module, taken in imports:
        if level:
            above = base.split(".")[:len(base.split(".")) - level + 1]
            module = ".".join(part for part in (*above, module) if part)
        names |= {module, *(f"{module}.{name}" for name in taken)}
    return names


def _resolve(names: set[str], packages: tuple[str, ...], root: Path) -> set[str]:
    """Keep the names that are our modules: ``from m import f`` may name either."""
    inside = {name for name in names if name.split(".")[0] in packages}
    return {name for name in inside if _file_of(name, root) is not None}


def _with_parents(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[:depth]) for depth in range(1, len(parts))]


def _file_of(name: str, root: Path) -> Path | None:
    path = root.joinpath(*name.split("."))
    for candidate in (path / "__init__.py", path.with_name(path.name + ".py")):
        if candidate.is_file():
            return candidate
    return None


def _canonical(node: object) -> str:
    """Write a syntax tree as text, without docstrings, and the same on every Python version."""
    # ast.dump is not used: its text for the same code changes between Python versions.
    if isinstance(node, ast.AST):
        kept = ((field, value) for field, value in ast.iter_fields(node)
                if field != "kind" and value is not None and value != [])
        inner = ",".join(f"{field}={_canonical(value)}" for field, value in kept)
        return f"{type(node).__name__}({inner})"
    if isinstance(node, list):
        return "[" + ",".join(_canonical(item) for item in node if not _is_text(item)) + "]"
    return repr(node)


def _is_text(node: object) -> bool:
    """Tell whether a statement is a bare string: a docstring, which does nothing."""
    return (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
            and isinstance(node.value.value, str))
