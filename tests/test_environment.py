"""The two descriptions of the environment agree, and the Makefile explains itself."""

from __future__ import annotations

import ast
import re
import subprocess

import yaml
from packaging.requirements import Requirement

from helpers.ground.paths import ROOT


def pins() -> dict[str, str]:
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    wanted = [Requirement(line) for line in lines if line and not line.startswith("#")]
    return {r.name.lower().replace("_", "-"): str(next(iter(r.specifier))) for r in wanted}


def conda() -> list[Requirement]:
    listed = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    plain = [item for item in listed if isinstance(item, str)]
    inner = [item for table in listed if isinstance(table, dict) for item in table["pip"]]
    return [Requirement(item) for item in plain + inner if not item.startswith("--editable")
            and not item.startswith(("python=", "pip"))]


def test_every_pin_is_exact():
    assert all(spec.startswith("==") for spec in pins().values())


def test_the_lock_satisfies_the_environment():
    locked = pins()
    for wanted in conda():
        version = locked[wanted.name.lower().replace("_", "-")].removeprefix("==")
        assert wanted.specifier.contains(version), f"{wanted} against {version} in the lock"


def test_both_hold_what_the_helpers_import():
    """Third-party imports of the package must be promised to both kinds of users."""
    named = {"PIL": "pillow", "sklearn": "scikit-learn", "open_clip": "open-clip-torch"}
    imported = set()
    for path in (ROOT / "helpers").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):  # also what is imported late
            if isinstance(node, ast.Import):
                imported |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                imported.add(node.module.split(".")[0])
    import sys
    outside = imported - set(sys.stdlib_module_names) - {"helpers"}
    names = {named.get(name, name).replace("_", "-") for name in outside}
    people = {requirement.name.lower().replace("_", "-") for requirement in conda()}
    assert names <= people, names - people
    assert names <= set(pins())


def test_the_torch_pair_is_the_same_in_both():
    people = {r.name: str(r.specifier) for r in conda()}
    for name in ("torch", "torchvision"):
        assert people[name] == pins()[name]


def test_help_lists_every_target():
    text = (ROOT / "Makefile").read_text()
    said = subprocess.run(["make", "-C", str(ROOT)], capture_output=True, text=True).stdout
    for target in re.search(r"\.PHONY: (.*)", text)[1].split():
        assert f"make {target}" in said
    assert "PROFILE=demo" in said
