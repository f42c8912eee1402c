"""A network that a function of the user's returns: where it is, what it depends on, its call.

Found without being run, and without PyTorch: so whether a figure is fresh is judged at once.
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
from typing import TYPE_CHECKING, Any

from helpers.core.digest import PACKAGES, code_digest
from helpers.core.errors import LabError, one_of
from helpers.networks.builders import BUILDERS, FORM

if TYPE_CHECKING:
    from torch import nn

INSTALLED_FOLDERS = ("site-packages", "dist-packages")
"""Where pip puts packages: their version stands for their text."""


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
    return (architecture.partition(":")[0] not in BUILDERS
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
    folders = [os.path.abspath(one) for one in (folder, Path.cwd(), *sys.path)]
    found = next((one for one in folders if _has_module(one, module)), None)
    if found is None:
        raise LabError(f"there is no module {module!r}, which the architecture {architecture!r} "
                       "names",
                       expected=f"{FORM}; looked for {module.replace('.', '/')}.py in {folder}, in "
                       f"{Path.cwd()}, and among the installed packages",
                       remedy="correct the name, or put the file beside the profile")
    top, *inner = module.split(".")
    if inner and not _has_module(found, top):
        raise LabError(f"the folder {Path(found, top)} is no package of Python",
                       expected="a file __init__.py in it", remedy="add an empty one")
    if Path(found).name in INSTALLED_FOLDERS:
        names = packages_distributions().get(top, [])
        return OwnFunction(module, name, found, " ".join(f"{one}=={version(one)}" for one in names))
    return OwnFunction(module, name, found, code_digest([module], _own_packages(found),
                                                        root=Path(found)))


def build(architecture: str, folder: str, options: Mapping[str, Any]) -> nn.Module:
    """Import the module anew and return the network that its function builds, in float32.

    Raises
    ------
    LabError
        If the module cannot be imported, has no such function, or the function raises: with its
        message, and the line. If it returns no network that can be used.
    """
    from torch.nn import Module
    from torch.nn.parameter import is_lazy

    model = call_function(find_function(architecture, folder), options)
    if not isinstance(model, Module):
        raise LabError(f"{architecture} returns {type(model).__name__!r}",
                       expected="a torch.nn.Module",
                       remedy="let the function return the network itself")
    lazy = [name for name, tensor in model.named_parameters() if is_lazy(tensor)]
    if lazy:
        raise LabError(f"{architecture} returns a network whose {lazy[0]} has no size yet",
                       expected="sizes that do not wait for the first images",
                       remedy="pass images through it once within the function")
    return model.float()


def call_function(function: OwnFunction, options: Mapping[str, Any]) -> Any:
    """Import the module anew and return what the function returns; see `build`.

    Afterwards none of its modules is left among those that are loaded: the next call sees the text
    as it is then, and two profiles may have modules of one name.
    """
    with _importable(function):
        try:
            module = importlib.import_module(function.module)
            builder = getattr(module, function.name, None)
            if not callable(builder):
                own = [name for name, value in vars(module).items() if callable(value)
                       and getattr(value, "__module__", "") == function.module]
                raise LabError(f"the module {function.module!r} has no function {function.name!r}",
                               expected=one_of(own, "a function that returns a network; it has "
                                               "none"),
                               remedy="correct `architecture`, <module>:<function>")
            return builder(**options)
        except LabError:
            raise
        except Exception as error:  # code of others fails in any way
            raise LabError(f"{function.module}:{function.name} cannot be called with "
                           f"{dict(options)}: {_describe(error, function)}",
                           expected=FORM + "; what its module imports must be installed, or lie in "
                           "the same folder",
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


def _has_module(folder: str, module: str) -> bool:
    path = os.path.join(folder, *module.split("."))
    return os.path.isfile(f"{path}.py") or os.path.isfile(os.path.join(path, "__init__.py"))


def _describe(error: Exception, function: OwnFunction) -> str:
    """Return kind and message of an error, and the line of the user's file that it comes from."""
    own = [frame for frame in traceback.extract_tb(error.__traceback__)
           if frame.filename.startswith(function.folder)]
    where = f" ({Path(own[-1].filename).name}, line {own[-1].lineno})" if own else ""
    return f"{type(error).__name__}: {error}{where}"
