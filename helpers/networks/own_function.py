"""A network that a function of the user's returns: where it is, what it depends on, its call.

Found without being run, so that whether a figure is fresh can be judged without PyTorch.
"""

from __future__ import annotations

import importlib
import os
import re
import sys
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import packages_distributions, version
from pathlib import Path
from typing import Any

from helpers.core.digest import PACKAGES, code_digest
from helpers.core.errors import LabError, one_of

INSTALLED_FOLDERS = ("site-packages", "dist-packages")
"""Where pip puts packages: their version stands for their text."""
PREFIXES = ("torchvision", "timm", "open_clip")
"""Before the colon of an architecture: not a module of the user's."""
FORM = ("<module>:<function>, such as my_networks:build for the function `build` of my_networks.py")


@dataclass(frozen=True)
class OwnFunction:
    """A function that returns a network.

    Attributes
    ----------
    module, name : str
    folder : str
        From which the module is imported.
    digest : str
        Of the code of the module and of all that it imports from that folder; of an installed
        package, its name and version.
    """

    module: str
    name: str
    folder: str
    digest: str


def is_own_function(architecture: str) -> bool:
    """Tell whether an architecture is ``<module>:<function>`` of a user."""
    return (architecture.partition(":")[0] not in PREFIXES
            and re.fullmatch(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*", architecture) is not None)


def find_function(architecture: str, folder: str | Path) -> OwnFunction:
    """Find the module of ``<module>:<function>``, without importing it.

    Parameters
    ----------
    architecture : str
    folder : str or Path
        Searched first, before the working folder and all that Python can import.

    Raises
    ------
    LabError
        If there is no such module, or its text is not valid Python.
    """
    module, _, name = architecture.partition(":")
    folders = list(dict.fromkeys(os.path.abspath(one) for one in (folder, Path.cwd(), *sys.path)))
    found = next((one for one in folders if _module_file(module, Path(one))), None)
    if found is None:
        raise LabError(f"there is no module {module!r}, which the architecture {architecture!r} "
                       "names",
                       expected=f"{FORM}; looked for {module.replace('.', '/')}.py in {folder}, in "
                       f"{Path.cwd()}, and among the installed packages",
                       remedy="correct the name, or put the file beside the profile")
    top, *inner = module.split(".")
    if inner and not _module_file(top, Path(found)):
        raise LabError(f"the folder {Path(found, top)} is no package of Python",
                       expected="a file __init__.py in it", remedy="add an empty one")
    if Path(found).name in INSTALLED_FOLDERS:
        names = packages_distributions().get(top, [])
        return OwnFunction(module, name, found, " ".join(f"{one}=={version(one)}" for one in names))
    return OwnFunction(module, name, found, code_digest([module], _own_packages(found),
                                                        root=Path(found)))


def call_function(function: OwnFunction, options: Mapping[str, Any]) -> Any:
    """Import the module anew and return what the function returns.

    Afterwards none of its modules is left among those that are loaded: the next call sees the text
    as it is then, and two profiles may have modules of one name.

    Raises
    ------
    LabError
        If the module cannot be imported, has no such function, or the function raises: with its
        message, and the line.
    """
    where = f"{function.module}:{function.name}"
    with _importable(function):
        try:
            module = importlib.import_module(function.module)
        except Exception as error:  # code of others fails in any way
            raise LabError(f"the module {function.module!r} cannot be imported: "
                           f"{_describe(error, function)}", expected=FORM,
                           remedy="correct the module; what it imports must be installed, or lie "
                           "in the same folder") from error
        builder = getattr(module, function.name, None)
        if not callable(builder):
            own = [name for name, value in vars(module).items() if callable(value)
                   and getattr(value, "__module__", "") == function.module]
            raise LabError(f"the module {function.module!r} has no function {function.name!r}",
                           expected=one_of(own, "a function that returns a network; it has none"),
                           remedy="correct `architecture`, <module>:<function>")
        try:
            return builder(**options)
        except Exception as error:
            raise LabError(f"{where} cannot be called with {dict(options)}: "
                           f"{_describe(error, function)}",
                           expected="a function that returns a network",
                           remedy="correct the function, or `options`: they are its keyword "
                           "arguments") from error


@contextmanager
def _importable(function: OwnFunction) -> Iterator[None]:
    """Let modules of the function's folder be imported, and be forgotten afterwards."""
    path = list(sys.path)
    packages = _own_packages(function.folder)
    replaced = {name: sys.modules.pop(name) for name in list(sys.modules)
                if name.partition(".")[0] in packages}
    sys.path.insert(0, function.folder)
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.path[:] = path
        for name in [name for name in sys.modules if name.partition(".")[0] in packages]:
            del sys.modules[name]
        sys.modules.update(replaced)


def _own_packages(folder: str) -> tuple[str, ...]:
    """Return the modules of a folder, but ours; none of a folder of installed packages."""
    if Path(folder).name in INSTALLED_FOLDERS:
        return ()
    with os.scandir(folder) as entries:
        names = {entry.name.removesuffix(".py") for entry in entries
                 if entry.name.endswith(".py") or os.path.isfile(f"{entry.path}/__init__.py")}
    return tuple(sorted(names - set(PACKAGES) - sys.stdlib_module_names))


def _module_file(module: str, folder: Path) -> Path | None:
    path = folder.joinpath(*module.split("."))
    return next((one for one in (path / "__init__.py", path.with_name(f"{path.name}.py"))
                 if one.is_file()), None)


def _describe(error: Exception, function: OwnFunction) -> str:
    """Return kind and message of an error, and the line of the user's file that it comes from."""
    own = [frame for frame in traceback.extract_tb(error.__traceback__)
           if frame.filename.startswith(function.folder)]
    where = f" ({Path(own[-1].filename).name}, line {own[-1].lineno})" if own else ""
    return f"{type(error).__name__}: {error}{where}"
