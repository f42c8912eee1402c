"""Set-up in plain Python: the same steps on every system, and words for what goes wrong."""

from __future__ import annotations

import ast
import hashlib
import os
import re
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

from helpers import setup
from helpers.core.paths import ROOT


class Commands:
    """Notes what would be run, in place of running it."""

    def __init__(self) -> None:
        self.seen: list[list[str]] = []
        self.failing: tuple[str, ...] = ()

    def __call__(self, command: list[str]) -> bool:
        self.seen.append([str(part) for part in command])
        text = " ".join(self.seen[-1])
        failed = any(part in text for part in self.failing)
        if "-m venv" in text and not failed:
            python = setup.python_of(Path(command[-1]))
            python.parent.mkdir(parents=True)
            python.touch()
        return not failed

    @property
    def texts(self) -> list[str]:
        return [" ".join(command[1:]) for command in self.seen]


@pytest.fixture
def commands(monkeypatch):
    fake = Commands()
    monkeypatch.setattr(setup, "call", fake)
    for name in ("CONDA_DEFAULT_ENV", "CONDA_PREFIX", "VENV", "TORCH_INDEX"):
        monkeypatch.delenv(name, raising=False)
    return fake


def lock() -> list[str]:
    return (ROOT / "requirements.lock").read_text().splitlines()


def hashed_lines(venv: Path) -> list[str]:
    """Return the lines of the list that is installed without their hashes; each has some."""
    lines = (venv / "hashed.txt").read_text().splitlines()
    assert all(re.search(r"( --hash=sha256:[0-9a-f]{64})+$", line)
               for line in lines if not line.startswith("#"))
    return [re.sub(r" --hash=.*", "", line) for line in lines]


def test_steps_come_in_order(commands, tmp_path, capsys):
    venv = tmp_path / "with blank" / ".venv"
    assert setup.main(["--venv", str(venv)]) == 0
    made, uv, packages, ours = commands.texts
    assert made == f"-m venv {venv}" and commands.seen[0][0] == sys.executable
    assert uv.startswith("-m pip install") and uv.endswith(" uv")
    python = str(setup.python_of(venv))
    assert packages.split(" --requirement")[0] == (
        f"-m uv pip install --compile-bytecode --python {python}")
    assert ours.endswith("--no-deps --no-build-isolation --editable .")
    assert {command[0] for command in commands.seen[1:]} == {python}
    assert (venv / "others.txt").read_text().splitlines() == lock()
    assert packages.endswith("hashed.txt") and hashed_lines(venv) == lock()
    assert (venv / setup.READY).is_file()
    said = capsys.readouterr().out
    assert "3.3 GB to download" in said and f'"{python}" -m helpers.runner --only 01' in said


def test_what_is_ready_is_left_alone_until_the_lock_changes(commands, tmp_path, monkeypatch):
    setup.main(["--venv", str(tmp_path)])
    n_calls = len(commands.seen)
    setup.main(["--venv", str(tmp_path)])
    assert len(commands.seen) == n_calls
    setup.main(["--venv", str(tmp_path), "--force"])
    assert len(commands.seen) == 2 * n_calls - 1, "the environment itself is kept"
    before = time.time() - 10**9
    os.utime(tmp_path / setup.READY, (before, before))
    setup.main(["--venv", str(tmp_path)])
    assert len(commands.seen) == 3 * n_calls - 2


def test_pip_does_it_where_uv_fails(commands, tmp_path, capsys):
    commands.failing = ("-m uv",)
    setup.set_up(tmp_path)
    assert [text.split(" install")[0] for text in commands.texts[2:]] == [
        "-m uv pip", "-m pip", "-m pip", "-m uv pip", "-m pip"]
    verified, rest = commands.texts[3:5]
    assert "--no-deps --requirement" in verified and verified.endswith("hashed.txt")
    assert "--no-deps" not in rest and rest.endswith("others.txt"), "what the lock does not name"
    assert "uv did not do it" in capsys.readouterr().out


def test_torch_may_come_from_another_index(commands, tmp_path, capsys):
    setup.main(["--venv", str(tmp_path), "--torch-index", "https://example.org/cpu"])
    torch, others = commands.texts[2:4]
    assert "--no-deps --index-url https://example.org/cpu --requirement" in torch
    assert "--index-url" not in others
    assert (tmp_path / "torch.txt").read_text().splitlines() == [
        line for line in lock() if line.startswith(("torch==", "torchvision=="))]
    left_out = set(lock()) - set((tmp_path / "others.txt").read_text().splitlines())
    assert len(left_out) > 10 and all(line.startswith(("nvidia-", "cuda-", "triton=", "torch=",
                                                       "torchvision=")) for line in left_out)
    assert not re.search(r"^(torch|torchvision|nvidia-)", "\n".join(hashed_lines(tmp_path)), re.M)
    assert "--hash" not in (tmp_path / "torch.txt").read_text(), "its wheels are others"
    assert "0.5 GB to download" in capsys.readouterr().out


def test_hashes_can_be_left_out(commands, tmp_path):
    setup.main(["--venv", str(tmp_path), "--no-hashes"])
    assert commands.texts[2].endswith("others.txt")


def test_every_package_of_the_lock_has_the_hashes_of_its_version():
    hashes = setup.read_hashes(ROOT / "requirements.hashes")
    pins = [line.partition(";")[0].strip() for line in lock() if line and line[0] != "#"]
    assert sorted(hashes) == sorted(pins)
    every = [one for listed in hashes.values() for one in listed]
    assert all(re.fullmatch("[0-9a-f]{64}", one) for one in every)
    assert len(set(every)) == len(every) > 2000, "all systems and versions of Python"
    with pytest.raises(SystemExit, match="numpy==0 of requirements.lock has no line"):
        setup.with_hashes("numpy==0\n", hashes)


@pytest.mark.slow
def test_a_file_of_another_content_is_refused(tmp_path):
    """By uv and by pip: a wheel that is served beside the list, and one that was changed."""
    wheel = tmp_path / "small_thing-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("small_thing.py", "")
        archive.writestr("small_thing-1.0.dist-info/METADATA",
                         "Metadata-Version: 2.1\nName: small-thing\nVersion: 1.0\n")
        archive.writestr("small_thing-1.0.dist-info/WHEEL",
                         "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr("small_thing-1.0.dist-info/RECORD", "")
    right = {"small-thing==1.0": [hashlib.sha256(wheel.read_bytes()).hexdigest()]}
    for hashes, ends in ((right, 0), ({"small-thing==1.0": ["0" * 64]}, 1)):
        (tmp_path / "list.txt").write_text(setup.with_hashes(
            'small-thing==1.0 ; python_version > "3"\n', hashes))
        for tool in (["uv", "pip", "install", "--offline", "--no-cache"], ["pip", "install"]):
            done = subprocess.run(
                [sys.executable, "-m", *tool, "--no-index", "--no-deps", "--find-links",
                 str(tmp_path), "--target", str(tmp_path / f"{tool[0]}-{ends}"), "--requirement",
                 str(tmp_path / "list.txt")], capture_output=True, text=True, check=False)
            if "No module named uv" not in done.stderr:
                assert min(done.returncode, 1) == ends, done.stderr


@pytest.mark.parametrize("failing, message", [
    (("-m venv",), "python3-venv"),
    (("pip install --compile", "pip install --disable"), "expected")])
def test_a_failure_ends_with_words_and_without_the_mark(commands, tmp_path, failing, message):
    commands.failing = failing
    (tmp_path / setup.READY).touch()
    with pytest.raises(SystemExit, match=message):
        setup.set_up(tmp_path)
    assert not (tmp_path / setup.READY).exists()


@pytest.mark.parametrize("version", [(3, 9, 1), (3, 11, 4), (3, 15, 0)])
def test_another_python_is_refused_by_number(commands, version):
    with pytest.raises(SystemExit, match=f"{version[0]}[.]{version[1]}[.]{version[2]} seen"):
        setup.check_version(version)
    assert commands.seen == []


@pytest.mark.parametrize("version", [(3, 11, 5), (3, 14, 9)])
def test_the_versions_promised_are_accepted(version):
    setup.check_version(version)


def test_windows_keeps_its_interpreter_elsewhere(tmp_path):
    assert setup.python_of(tmp_path, "nt") == tmp_path / "Scripts" / "python.exe"
    assert setup.python_of(tmp_path, "posix") == tmp_path / "bin" / "python"


def test_an_active_conda_environment_is_used_as_it_is(commands, tmp_path, monkeypatch):
    monkeypatch.setenv("CONDA_DEFAULT_ENV", "mine")
    monkeypatch.setenv("CONDA_PREFIX", str(tmp_path))
    setup.main(["--quiet"])
    assert commands.texts == ["-m pip install --quiet --no-deps --no-build-isolation --editable ."]
    assert (tmp_path / setup.CONDA_READY).is_file()


def test_a_bare_python_can_run_it(tmp_path):
    """No package at all: isolated from site-packages, and nothing but the standard library."""
    found = subprocess.run([sys.executable, "-S", "-m", "helpers.setup", "--help"], cwd=ROOT,
                           capture_output=True, text=True, env={"PATH": os.environ["PATH"]})
    assert found.returncode == 0, found.stderr
    for path in (ROOT / "helpers" / "__init__.py", ROOT / "helpers" / "setup.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = ([alias.name for alias in node.names] if isinstance(node, ast.Import)
                     else [node.module] if isinstance(node, ast.ImportFrom) else [])
            assert {name.split(".")[0] for name in names} <= sys.stdlib_module_names


@pytest.mark.slow
def test_an_environment_is_really_made_below_a_folder_with_a_blank(tmp_path, monkeypatch):
    """Without the packages, which are large: this package alone, in an environment of its own."""
    for name in ("CONDA_DEFAULT_ENV", "PYTHONPATH", "VIRTUAL_ENV"):
        monkeypatch.delenv(name, raising=False)
    clone = tmp_path / "a clone"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
    (clone / "helpers" / "setup.py").write_text((ROOT / "helpers" / "setup.py").read_text())
    (clone / "requirements.lock").write_text(
        "".join(line + "\n" for line in lock() if line.startswith(("setuptools==", "toolz=="))))
    done = subprocess.run([sys.executable, "-m", "helpers.setup"], cwd=clone, capture_output=True,
                          text=True)
    if "No matching distribution" in done.stderr + done.stdout or "onnect" in done.stderr:
        pytest.skip("no package index can be reached")
    assert done.returncode == 0, done.stdout + done.stderr
    python = setup.python_of(clone / ".venv")
    found = subprocess.run([python, "-c", "import helpers, toolz; print(helpers.__file__)"],
                           cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert found.strip() == str(clone / "helpers" / "__init__.py")
    again = subprocess.run([sys.executable, "-m", "helpers.setup"], cwd=clone, capture_output=True,
                           text=True, check=True).stdout
    assert again.startswith(f"{Path('.venv')} is ready.")
