"""Modules that are imported by name count where a figure's and an artefact's code is digested."""

from __future__ import annotations

import pytest

from helpers.config.profile import load_profile
from helpers.core.cache import key
from helpers.core.digest import import_closure
from helpers.core.errors import LabError
from helpers.core.paths import ROOT
from helpers.networks import builders
from helpers.networks.builders import IMPORTED_BY_NAME, builder_digest, find_builder
from helpers.networks.network import load_network
from helpers.networks.registry import get_entry
from helpers.runner import freshness

ASKED_FOR = {"activations", "clip", "text_encoder", "name_embeddings", "feature_files",
             "partial_forward"}
"""What analyses import themselves."""


def test_no_module_is_out_of_reach_of_the_digests():
    modules = {f"helpers.networks.{path.stem}" for path in (ROOT / "helpers/networks").glob("*.py")
               if path.stem != "__init__"}
    reached = set(import_closure(["helpers.lab", *IMPORTED_BY_NAME]))
    assert modules - reached == {f"helpers.networks.{name}" for name in ASKED_FOR}
    assert not set(import_closure(["helpers.networks.network"])) & {
        "helpers.networks.timm_models", "helpers.networks.torch_files",
        "helpers.networks.own_function"}


def test_a_figure_depends_on_them(monkeypatch):
    counted = []
    monkeypatch.setattr(freshness, "code_digest", lambda names: counted.extend(names) or "")
    freshness.code_key(ROOT / "notebooks" / "01_localize_selective_units.py", load_profile("demo"),
                       {})
    assert set(IMPORTED_BY_NAME) <= set(counted)


def test_the_code_that_builds_a_network_is_part_of_its_key(monkeypatch):
    network = load_network(get_entry("demo-untrained"))
    before = key(**network.parts)
    monkeypatch.setattr(builders, "code_digest", lambda names: f"edited {names}")
    assert key(**network.parts) != before
    digests = {builder_digest(kind) for kind in builders.BUILDERS}
    assert len(digests) == len(builders.BUILDERS)


@pytest.mark.parametrize("architecture, near", [
    ("torchvision:resnet19", "torchvision:resnet18"), ("alexnet_gn:small", "alexnet_gn"),
    ("resnet18", "torchvision:<model>")])
def test_an_unknown_architecture_is_named_with_the_nearest(architecture, near):
    with pytest.raises(LabError, match=f"'{architecture}' is unknown") as caught:
        find_builder(architecture)
    assert near in caught.value.expected
