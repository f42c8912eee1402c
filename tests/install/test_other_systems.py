"""What Windows lacks is not used: nothing here can run there, so the source is read."""

from __future__ import annotations

import ast

import pytest

from helpers.core.paths import ROOT

POSIX_MODULES = {"resource", "fcntl", "pwd", "grp", "termios", "pty", "tty", "posix"}
POSIX_NAMES = {"fork", "getuid", "geteuid", "getpgid", "setsid", "uname", "sched_getaffinity",
               "mkfifo", "SIGKILL", "SIGHUP"}
SOURCES = sorted(path for package in ("helpers", "data") for path in (ROOT / package).rglob("*.py"))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_no_module_needs_what_windows_lacks(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            assert not {alias.name.split(".")[0] for alias in node.names} & POSIX_MODULES
        elif isinstance(node, ast.ImportFrom):
            assert (node.module or "").split(".")[0] not in POSIX_MODULES
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) \
                and node.value.id in ("os", "signal"):
            assert node.attr not in POSIX_NAMES, f"line {node.lineno}"


def test_killing_a_group_of_processes_is_asked_for_first():
    """os.kill(pid, 0) asks on Linux and ends the process on Windows."""
    for path in SOURCES:
        text = path.read_text(encoding="utf-8")
        assert text.count("os.killpg(") <= text.count('hasattr(os, "killpg")'), path
        if "os.kill(" in text:
            assert 'os.name != "posix"' in text, path
