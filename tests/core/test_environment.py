"""The two descriptions of the environment agree, and the Makefile explains itself."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys

import pytest
import yaml
from packaging.requirements import Requirement

from helpers.core.paths import ROOT


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
    named = {"PIL": "pillow", "IPython": "ipython", "sklearn": "scikit-learn",
             "open_clip": "open-clip-torch"}
    imported = set()
    for path in (ROOT / "helpers").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):  # also what is imported late
            if isinstance(node, ast.Import):
                imported |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                imported.add(node.module.split(".")[0])
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


@pytest.fixture
def set_up(tmp_path):
    """Run ``make setup`` with a Python that only notes how it was called; uv fails if asked to."""
    def run(*settings: str, uv: bool) -> list[str]:
        venv = tmp_path / "my venv"
        python = venv / "bin" / "python"
        python.parent.mkdir(parents=True)
        python.write_text(f'#!/bin/sh\necho "$*" >> "{tmp_path}/calls"\n'
                          + ("" if uv else '[ "$2" != uv ]\n'))
        python.chmod(0o755)
        environment = {name: value for name, value in os.environ.items()
                       if not name.startswith(("CONDA", "MAKE"))}
        said = subprocess.run(["make", "-C", str(ROOT), "setup", f"VENV={venv}",
                               f"PYTHON={sys.executable}", *settings], env=environment,
                              capture_output=True, text=True, check=True).stdout
        assert "to download" in said and "on disk" in said
        return [line for line in (tmp_path / "calls").read_text().splitlines()
                if " install " in line]

    return run


def test_set_up_uses_uv_and_compiles(set_up, tmp_path):
    uv, packages, ours = set_up(uv=True)
    assert uv.startswith("-m pip install") and uv.endswith(" uv")
    assert packages.startswith("-m uv pip install --compile-bytecode") and "hashed.txt" in packages
    assert ours.endswith("--editable .")
    lock = (ROOT / "requirements.lock").read_text()
    assert (tmp_path / "my venv" / "others.txt").read_text() == lock


def test_set_up_falls_back_to_pip(set_up):
    uv, failed, verified, packages, _, ours = set_up(uv=False)
    assert failed.startswith("-m uv") and packages.startswith("-m pip install")
    assert "--no-deps" in verified and "hashed.txt" in verified
    assert "others.txt" in packages and ours.startswith("-m pip") and "--editable ." in ours
    assert "--quiet" not in packages, "progress is shown"


def test_torch_comes_from_another_index_if_asked(set_up, tmp_path):
    _, torch, packages, _ = set_up("TORCH_INDEX=https://example.org/cpu", uv=True)
    assert "--no-deps --index-url https://example.org/cpu" in torch and "torch.txt" in torch
    assert "--index-url" not in packages, "all else from where it always comes"
    pair = (tmp_path / "my venv" / "torch.txt").read_text().splitlines()
    assert pair == [f"torch{pins()['torch']}", f"torchvision{pins()['torchvision']}"]
    others = (tmp_path / "my venv" / "others.txt").read_text()
    assert not re.search(r"^(nvidia|cuda|triton|torch==|torchvision==)", others, re.M)
    lock = (ROOT / "requirements.lock").read_text().splitlines()
    wanted = [line for line in lock if not re.match(r"nvidia-|cuda-|triton=|torch(vision)?=", line)]
    assert others.splitlines() == wanted


def test_a_conda_environment_may_lie_below_a_folder_with_a_blank(tmp_path):
    python = tmp_path / "con da" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\n[ "$2" = helpers.setup ] && exec "{sys.executable}" "$@"\n'
                      'echo "called $*"\n')
    python.chmod(0o755)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    environment |= {"CONDA_DEFAULT_ENV": "mine", "CONDA_PREFIX": str(python.parents[1])}
    make = ["make", "-C", str(ROOT), "figures", "PROFILE=my own"]
    said = [subprocess.run(make, env=environment, capture_output=True, text=True,
                           check=True).stdout for _ in range(2)]
    assert all("called -m helpers.runner --profile my own" in text for text in said)
    assert ["pip install" in text for text in said] == [True, False], "set up once"
