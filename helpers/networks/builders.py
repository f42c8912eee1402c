"""Which modules build networks, and read what others publish; imported by name where needed.

So what opens a network reaches the code of its own architecture and files, and no other.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from functools import partial
from typing import TYPE_CHECKING, Any

from helpers.core.digest import code_digest
from helpers.core.errors import LabError, one_of

if TYPE_CHECKING:
    from torch import nn

BUILDERS = {"alexnet_gn": "helpers.networks.alexnet_gn",
            "small_resnet": "helpers.networks.small_resnet",
            "torchvision": "helpers.networks.torchvision_models",
            "timm": "helpers.networks.timm_models",
            "open_clip": "helpers.networks.open_clip_encoders"}
"""What stands before the colon of an architecture → module with ``build(model, options)``, which
takes its initial weights from the global random state, and where a model has to be named,
``list_models()``."""
OWN_FUNCTION = "helpers.networks.own_function"
OWN_NETWORKS = "helpers.networks.own_networks"
TORCH_FILES = "helpers.networks.torch_files"
PUBLISHED_WEIGHTS = "helpers.networks.published_weights"
IMPORTED_BY_NAME = (*BUILDERS.values(), OWN_FUNCTION, OWN_NETWORKS, TORCH_FILES, PUBLISHED_WEIGHTS)
"""Modules that a figure may depend on though no import statement leads to them."""
FORM = "<module>:<function>, such as my_networks:build for the function `build` of my_networks.py"
FORMS = ("torchvision:<model>", "timm:<model>", FORM, "alexnet_gn", "small_resnet")


def find_builder(architecture: str, folder: str = "") -> Callable[[Mapping[str, Any]], nn.Module]:
    """Return what builds a network from its options.

    Parameters
    ----------
    architecture : str
        ``alexnet_gn``, ``small_resnet``, ``torchvision:<model>``, ``timm:<model>``,
        ``open_clip:<model>``, whose image encoder it is, or ``<module>:<function>``.
    folder : str
        Where the module of ``<module>:<function>`` is; empty for all others.

    Raises
    ------
    LabError
        Where the architecture is unknown; lists names that are close.
    """
    if folder:
        return partial(importlib.import_module(OWN_FUNCTION).build, architecture, folder)
    kind, _, model = architecture.partition(":")
    module = importlib.import_module(BUILDERS[kind]) if kind in BUILDERS else None
    models = getattr(module, "list_models", list)()
    if models and model not in models:
        raise unknown_name_error(architecture, [f"{kind}:{known}" for known in models],
                                 "architecture")
    if module is None or (model and not models):
        raise LabError(f"the architecture {architecture!r} is unknown", expected=one_of(FORMS),
                       remedy="correct `architecture` in the table of this network")
    return partial(module.build, model)


def builder_digest(architecture: str, folder: str = "") -> str:
    """Digest the code that builds an architecture; arguments as of `find_builder`."""
    if folder:
        return importlib.import_module(OWN_FUNCTION).find_function(architecture, folder).digest
    module = BUILDERS.get(architecture.partition(":")[0])
    return code_digest([module]) if module else ""


@contextmanager
def naming_options(architecture: str, options: Mapping[str, Any]) -> Iterator[None]:
    """Let what a constructor raises name the architecture and its options."""
    try:
        yield
    except (TypeError, ValueError, ArithmeticError, RuntimeError, AssertionError,
            KeyError) as error:
        raise LabError(f"{architecture} cannot be built with {dict(options)}: {error}",
                       expected="options that the architecture knows and that fit together",
                       remedy="correct `options` in the table of this network") from error


def unknown_name_error(name_given: str, known_names: Sequence[str], category: str) -> LabError:
    """Build the error for a name that is not among the known ones, with the nearest of them."""
    suggestions = get_close_matches(name_given, known_names, n=4,
                                    cutoff=0.5) or list(known_names)[:12]
    return LabError(f"the {category} {name_given!r} is unknown",
                    expected=f"a known {category}, for example {', '.join(suggestions)}",
                    remedy=f"correct the name of the {category}; a network of your own needs a "
                    "table [network.<name>] in the profile (docs/own_network.md)")
