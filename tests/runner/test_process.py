"""A notebook's processes are watched: whether they compute, what they say, how they end."""

from __future__ import annotations

import subprocess
import sys
import time

import psutil
import pytest

from helpers.core import console
from helpers.runner import process
from helpers.runner.process import NoticeFile, ProcessWatch, end_process_tree

CHILD = "import subprocess, sys; subprocess.Popen([sys.executable, '-c', {!r}]).wait()"


@pytest.fixture
def start():
    """Start a process whose child runs some code; end both, if they still run."""
    started = []

    def run(code: str) -> int:
        started.append(subprocess.Popen([sys.executable, "-c", CHILD.format(code)]))
        return started[-1].pid

    yield run
    for one in started:
        end_process_tree(one.pid)
        one.wait()


def test_processes_that_wait_are_told_from_those_that_compute(start, monkeypatch):
    """By CPU time of the whole tree, on a clock of the test's own."""
    now = [0.0]
    monkeypatch.setattr(process.time, "monotonic", lambda: now[0])
    spent = {1: [5.0, 1.0], 2: [0.0, 0.0]}

    class Fake:
        def __init__(self, number):
            self.number = number

        def oneshot(self):
            return psutil.Process().oneshot()

        def memory_info(self):
            return type("Memory", (), {"rss": 100})()

        def cpu_times(self):
            return (*spent[self.number], 0.0, 0.0, 0.0)

    monkeypatch.setattr(process, "process_tree", lambda pid: [Fake(1), Fake(2)])
    watch = ProcessWatch(1)
    now[0] = 1
    assert watch.look() == 0.0 and watch.memory == 200
    for _ in range(300):  # what a kernel at rest uses
        now[0] += 1
        spent[1][0] += 0.01
        idle = watch.look()
    assert idle == 300
    spent[2][0] += 20  # the child begins to compute
    now[0] += 1
    assert watch.look() == 0.0


def test_a_process_and_all_that_it_started_are_ended(start):
    pid = start("import time; time.sleep(60)")
    deadline = time.monotonic() + 30
    while len(tree := process.process_tree(pid)) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert len(tree) == 2
    end_process_tree(pid)
    _, alive = psutil.wait_procs(tree[1:], timeout=10)
    assert not alive
    end_process_tree(10**8)  # nothing of that number: nothing happens


def test_notices_arrive_whole_and_once(tmp_path, monkeypatch, capsys):
    path, heard = tmp_path / "notices", []
    notices = NoticeFile(path, heard.append)
    notices.read()
    console.notice("to the output")
    monkeypatch.setenv(console.NOTICES, str(path))
    console.notice("first\nof two lines")
    console.notice("zweite Größe")
    notices.read()
    with path.open("a") as file:
        file.write("half a li")
    notices.read()
    with path.open("a") as file:
        file.write("ne\n")
    notices.read()
    assert heard == ["first of two lines", "zweite Größe", "half a line"]
    assert capsys.readouterr().out == "to the output\n"


def test_a_notice_that_cannot_be_written_is_printed(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv(console.NOTICES, str(tmp_path / "absent" / "notices"))
    console.notice("said")
    assert capsys.readouterr().out == "said\n"
