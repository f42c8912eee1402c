"""What the machine offers, and how a run divides it."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import asdict

import pytest
import torch

from helpers.core import machine
from helpers.core.errors import LabError
from helpers.core.machine import count_workers, free_memory, usable_cores
from helpers.core.paths import ROOT
from helpers.core.provenance import Provenance
from helpers.core.provenance import machine as describe_machine
from helpers.runner.comparison import compare_numbers

GB = 10**9


@pytest.fixture
def container(tmp_path, monkeypatch):
    """A control group without limits; write limits into the folder."""
    monkeypatch.setattr(machine, "CGROUP", tmp_path)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))
    monkeypatch.delenv("LAB_WORKERS", raising=False)
    return tmp_path


@pytest.mark.parametrize("quota, cores", [
    ("max 100000", 8), ("200000 100000", 2), ("150000 100000", 2), ("10000 100000", 1),
    ("1600000 100000", 8),
])
def test_cores_are_those_of_the_affinity_and_of_the_container(container, quota, cores):
    assert usable_cores() == 8
    (container / "cpu.max").write_text(quota + "\n")
    assert usable_cores() == cores


@pytest.mark.parametrize("share, asked, given", [
    (None, None, 8), (None, 3, 3), (None, 0, 8), ("2", None, 2), ("2", 4, 2), ("4", 2, 2),
    ("0", 4, 1), ("many", 3, 3),
])
def test_no_more_workers_than_the_run_allows(container, monkeypatch, share, asked, given):
    if share is not None:
        monkeypatch.setenv("LAB_WORKERS", share)
    assert count_workers(asked) == given


def test_memory_of_a_container_counts(container):
    free = free_memory()
    assert free > 2**20
    (container / "memory.max").write_text(f"{2**30}\n")
    (container / "memory.current").write_text(f"{2**30 - 2**20}\n")
    assert free_memory() == 2**20


def test_peak_memory_is_that_of_this_program_and_not_of_its_parent():
    """A parent of 400 MB had made every small step of a benchmark look as large."""
    program = """
import subprocess, sys
held = bytearray(400 * 2**20)
print(subprocess.run([sys.executable, "-c", sys.argv[1]], capture_output=True, text=True).stdout)"""
    child = """
from helpers.core.machine import peak_memory
before = peak_memory()
held = bytearray(50 * 2**20)
print(before, peak_memory())"""
    done = subprocess.run([sys.executable, "-c", program, child], capture_output=True, text=True,
                          cwd=ROOT, check=True)
    before, after = map(int, done.stdout.split())
    assert before < 300 * 2**20
    assert 45 * 2**20 < after - before < 60 * 2**20


def test_the_machine_says_what_rounding_depends_on():
    said = describe_machine()
    assert said["cpu"] and said["threads"] >= 1
    assert said["capability"] == torch.backends.cpu.get_cpu_capability()


@pytest.fixture
def roomy(container, monkeypatch):
    """A machine with four cores and plenty of memory and disk; returns a setter of these."""
    offered = {"usable_cores": 4, "free_memory": 10**11}
    for name in offered:
        monkeypatch.setattr(machine, name, lambda name=name: offered[name])
    space = {"free": 10**12}
    usage = type("Usage", (), {"free": property(lambda _: space["free"])})()
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage)
    return offered, space


def test_enough_of_everything_is_not_talked_about(roomy, tmp_path):
    assert machine.divide_cores(4, [tmp_path], [2 * GB] * 4, 3 * GB) == (4, [])


@pytest.mark.parametrize("offered, asked, given, message", [
    ({"usable_cores": 1}, 1, 1, "1 core"),
    ({}, 6, 6, "6 notebooks at once on 4 cores"),
    ({"free_memory": 8 * GB}, 4, 2, "8 GB of memory free, 11 GB expected: notebooks at once: 2"),
    ({"free_memory": 6 * GB}, 2, 1, "6 GB of memory free, 7 GB expected: notebooks at once: 1"),
    ({"free_memory": 10**8}, 4, 1, "100 MB of memory free, 11 GB expected"),
    ({"free": 2 * GB}, 4, 4, "2 GB of disk free"),
])
def test_what_is_scarce_is_reported_and_the_run_goes_on(roomy, tmp_path, offered, asked, given,
                                                        message):
    machines, space = roomy
    machines.update({name: value for name, value in offered.items() if name in machines})
    space.update({name: value for name, value in offered.items() if name in space})
    memory = [2 * GB, 5 * GB, 2 * GB, 2 * GB]
    n_parallel, (said,) = machine.divide_cores(asked, [tmp_path], memory, 3 * GB)
    assert n_parallel == given and message in said


def test_a_full_disk_is_refused_before_anything_runs(roomy, tmp_path):
    roomy[1]["free"] = 10**8
    with pytest.raises(LabError, match="100 MB free"):
        machine.divide_cores(4, [tmp_path], [2 * GB], 3 * GB)


def test_the_machine_is_recorded_but_not_shown():
    """What is printed and stamped is the same everywhere; the file of numbers says where."""
    there, elsewhere = (Provenance("n", "demo", "SYNTHETIC", 0, "cpu", "code", machine=found)
                        for found in ({"cpu": "A", "capability": "AVX512"},
                                      {"cpu": "B", "capability": "AVX2"}))
    assert there.line == elsewhere.line
    contents = [{"provenance": asdict(one), "claims": [], "numbers": {"r": 0.5}}
                for one in (there, elsewhere)]
    assert contents[0] != contents[1]
    assert compare_numbers(*contents, tolerances={}) == []
