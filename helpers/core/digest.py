"""Digests of files, of texts, and of the code that a result depends on."""

from __future__ import annotations

import ast
import hashlib
import os
from collections.abc import Iterable
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
    modules = _modules_and_digests(module_names, packages, root)
    return text_digest("\n".join(f"{name} {digest}" for name, digest in modules.items()
                                 if name not in EXCLUDED_MODULES))


def import_closure(module_names: Iterable[str], packages: tuple[str, ...] = PACKAGES, *,
                   root: Path = ROOT) -> tuple[str, ...]:
    """Return the sorted names of some modules and of all that they import, found unexecuted.

    The ``__init__`` of each package on the way is included, since importing runs it.

    Raises
    ------
    LabError
        If a module does not exist or is not valid Python.
    """
    return tuple(_modules_and_digests(module_names, packages, root))


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
    names = _imported_names(_parse(source_text, "the script"), "")
    return {name for name in names
            if name.split(".")[0] in packages and _module_file(name, root) is not None}


def _modules_and_digests(module_names: Iterable[str], packages: tuple[str, ...],
                         root: Path) -> dict[str, str]:
    """Return some modules and all that they import, sorted -> the digest of each one's code."""
    pending, digests = list(module_names), {}
    for name in pending:
        if _module_file(name, root) is None:
            raise LabError(f"There is no module {name!r} in {root}.",
                           expected=f"a module of {' or '.join(packages)}, by its full name",
                           remedy="correct the name, such as 'helpers.selectivity.statistics'")
    while pending:
        name = pending.pop()
        if name not in digests:
            digests[name] = ""
            if path := _module_file(name, root):  # else something that a module defines
                digests[name], imported = _read_module(name, path, os.stat(path).st_mtime_ns)
                pending += [other for other in imported if other.split(".")[0] in packages]
    return {name: digest for name, digest in sorted(digests.items()) if digest}


@cache
def _read_module(name: str, path: str, mtime_ns: int) -> tuple[str, frozenset[str]]:
    """Return the digest of a module's code, and the names of its package and of what it imports.

    ``mtime_ns`` lets a file that has changed be read again.
    """
    tree = _parse(Path(path).read_text(encoding="utf-8"), path)
    parent = name.rpartition(".")[0]
    package = name if path.endswith("__init__.py") else parent
    return text_digest(_tree_text(tree)), frozenset({parent, *_imported_names(tree, package)})


def _parse(source_text: str, where: str) -> ast.Module:
    try:
        return ast.parse(source_text)
    except SyntaxError as error:
        raise LabError(f"{where} is not valid Python (line {error.lineno}: {error.msg}).",
                       expected="Python source; a notebook in percent format, magics commented",
                       remedy="correct that line") from error


def _imported_names(tree: ast.Module, package: str) -> set[str]:
    """Return every dotted name that the imports of a module in ``package`` may mean.

    ``from m import f`` may name a module ``m.f``, or something that ``m`` defines.
    """
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            parent = package.rsplit(".", node.level - 1)[0] if node.level else ""
            module = ".".join(filter(None, (parent, node.module)))
            names |= {module, *(f"{module}.{alias.name}" for alias in node.names)}
    return names


def _module_file(name: str, root: Path) -> str | None:
    path = os.path.join(root, *name.split("."))
    return next(filter(os.path.isfile, (f"{path}/__init__.py", f"{path}.py")), None)


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
