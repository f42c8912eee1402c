"""Digests of files, of texts, and of the code that a result depends on."""

from __future__ import annotations

import ast
import hashlib
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from helpers.core.errors import LabError
from helpers.core.paths import ROOT

PACKAGES = ("helpers", "data")
EXCLUDED_MODULES = frozenset({"helpers.core.console", "helpers.core.errors",
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


def defining_modules(*objects: object) -> list[str]:
    """Return our modules in which the classes of some objects are written.

    For `code_digest`, where a result depends on who reads the data: a cohort, a set of images.
    """
    return sorted({cls.__module__ for instance in objects for cls in type(instance).__mro__
                   if cls.__module__.split(".")[0] in PACKAGES})


def code_digest(module_names: Iterable[str], packages: tuple[str, ...] = PACKAGES, *,
                root: Path = ROOT) -> str:
    """Return the SHA-256 of what some modules do: of their code and of all they import.

    Comments, docstrings and formatting do not count; nor do files of data that a module reads,
    nor `EXCLUDED_MODULES`.

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
    request = tuple(module_names), packages, root
    if (known := _digests.get(request)) is None or known[0] != _modification_times(known[0]):
        files = {name: _module_file(name, root)
                 for name in import_closure(request[0], packages, root=root)}
        times = _modification_times(files.values())
        known = _digests[request] = times, text_digest("\n".join(
            f"{name} {_digest_and_imports(path)[0]}" for name, path in files.items()
            if name not in EXCLUDED_MODULES))
    return known[1]


_digests: dict[tuple, tuple[dict[Path, int], str]] = {}
"""Request -> the files that it read with their times of modification, and the digest: a study asks
for the same code hundreds of times."""


def _modification_times(files: Iterable[Path]) -> dict[Path, int]:
    """Return when some files were last written, in ns; those that are gone are left out."""
    times = {}
    for path in files:
        with suppress(OSError):
            times[path] = os.stat(path).st_mtime_ns
    return times


def import_closure(module_names: Iterable[str], packages: tuple[str, ...] = PACKAGES, *,
                   root: Path = ROOT) -> tuple[str, ...]:
    """Return the sorted names of some modules and of all that they import, found unexecuted.

    The ``__init__`` of each package on the way is included, since importing runs it.

    Raises
    ------
    LabError
        If a module does not exist or is not valid Python.
    """
    visited: set[str] = set()
    pending = list(module_names)
    while pending:
        name = pending.pop()
        if name in visited:
            continue
        path = _module_file(name, root)
        if path is None:
            raise LabError(f"There is no module {name!r} in {root}.",
                           expected=f"a module of {' or '.join(packages)}, by its full name",
                           remedy="correct the name, such as 'helpers.selectivity.statistics'")
        visited.add(name)
        pending += _parent_packages(name)
        base = name if path.name == "__init__.py" else name.rpartition(".")[0]
        pending += _existing_modules(_absolute_names(_digest_and_imports(path)[1], base), packages,
                                     root)
    return tuple(sorted(visited))


def direct_imports(source_text: str, packages: tuple[str, ...] = PACKAGES, *,
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
    imports = _list_imports(_parse(source_text, "the script"))
    return _existing_modules(_absolute_names(imports, ""), packages, root)


Import = tuple[int, str, tuple[str, ...]]
"""Level of a relative import (0: absolute), module, and the names taken from it."""


def _digest_and_imports(path: Path) -> tuple[str, tuple[Import, ...]]:
    return _digest_and_imports_at(path, path.stat().st_mtime_ns)


@cache
def _digest_and_imports_at(path: Path, mtime_ns: int) -> tuple[str, tuple[Import, ...]]:
    """Return the digest of a module's code and its imports; ``mtime_ns`` keeps this fresh."""
    tree = _parse(path.read_text(encoding="utf-8"), str(path))
    return text_digest(_tree_text(tree)), _list_imports(tree)


def _parse(source_text: str, where: str) -> ast.Module:
    try:
        return ast.parse(source_text)
    except SyntaxError as error:
        raise LabError(f"{where} is not valid Python (line {error.lineno}: {error.msg}).",
                       expected="Python source; a notebook in percent format, magics commented",
                       remedy="correct that line") from error


def _list_imports(tree: ast.Module) -> tuple[Import, ...]:
    imports: list[Import] = []
    for statement in _iter_statements(tree):
        if isinstance(statement, ast.Import):
            imports += [(0, alias.name, ()) for alias in statement.names]
        elif isinstance(statement, ast.ImportFrom):
            imports.append((statement.level, statement.module or "",
                            tuple(alias.name for alias in statement.names)))
    return tuple(imports)


def _iter_statements(tree: ast.Module) -> Iterator[ast.AST]:
    """Yield the statements of a module, and those within them; expressions hold none."""
    pending: list[ast.AST] = [tree]
    while pending:
        statement = pending.pop()
        pending += [inner for field in ("body", "orelse", "finalbody", "handlers", "cases")
                    for inner in getattr(statement, field, ())]
        yield statement


def _absolute_names(imports: Iterable[Import], base: str) -> set[str]:
    """Return every dotted name that the imports of a module in package ``base`` may mean."""
    names: set[str] = set()
    for level, module, imported_names in imports:
        if level:
            parent_parts = base.split(".")[:len(base.split(".")) - level + 1]
            module = ".".join(part for part in (*parent_parts, module) if part)
        names |= {module, *(f"{module}.{name}" for name in imported_names)}
    return names


def _existing_modules(names: set[str], packages: tuple[str, ...], root: Path) -> set[str]:
    """Keep the names that are our modules: ``from m import f`` may name either."""
    package_names = {name for name in names if name.split(".")[0] in packages}
    return {name for name in package_names if _module_file(name, root) is not None}


def _parent_packages(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[:depth]) for depth in range(1, len(parts))]


def _module_file(name: str, root: Path) -> Path | None:
    path = os.path.join(root, *name.split("."))
    return next((Path(candidate) for candidate in (f"{path}/__init__.py", f"{path}.py")
                 if os.path.isfile(candidate)), None)


def _tree_text(node: object) -> str:
    """Write a syntax tree as text, without docstrings, and the same on every Python version."""
    # ast.dump is not used: its text for the same code changes between Python versions. Whether a
    # name is read or assigned (``ctx``) follows from where it stands.
    if isinstance(node, ast.AST):
        content = ",".join(f"{field}={_tree_text(value)}" for field in node._fields
                           if field not in ("ctx", "kind")
                           and (value := getattr(node, field, None)) not in (None, []))
        return f"{type(node).__name__}({content})"
    if isinstance(node, list):
        return "[" + ",".join(_tree_text(item) for item in node if not _is_docstring(item)) + "]"
    return repr(node)


def _is_docstring(node: object) -> bool:
    """Tell whether a statement is a bare string: a docstring, which does nothing."""
    return (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
            and isinstance(node.value.value, str))
