"""Training several networks at once: what fails, and what an interrupted run leaves."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from data.zoo import __main__ as command
from helpers.config.profile import load_profile
from helpers.core.errors import LabError

NAMES = ["demo-simclr", "demo-faces", "demo-supervised"]


@pytest.fixture
def started(tmp_path, monkeypatch):
    """Count the trainings that are started, and let those of `started.failing` fail."""
    monkeypatch.setattr(command, "cache_dir", lambda: tmp_path)
    calls = SimpleNamespace(names=[], failing=set(), interrupted=set(), threads=set())

    def run(arguments, env):
        name = arguments[arguments.index("--only") + 1]
        calls.names.append(name)
        calls.threads.add(env["OMP_NUM_THREADS"])
        if name in calls.interrupted:
            raise KeyboardInterrupt
        return SimpleNamespace(returncode=int(name in calls.failing))

    monkeypatch.setattr(command.subprocess, "run", run)
    return calls


def test_each_network_is_trained_once_on_one_thread(started):
    assert command.train_side_by_side(NAMES, load_profile("demo"), 2) == 0
    assert sorted(started.names) == sorted(NAMES) and started.threads == {"1"}


def test_a_failed_network_stops_no_other_and_is_the_only_one_trained_again(started):
    started.failing = {"demo-faces"}
    with pytest.raises(LabError, match="not trained: demo-faces"):
        command.train_side_by_side(NAMES, load_profile("demo"), 2)
    assert sorted(started.names) == sorted(NAMES)
    started.names, started.failing = [], set()
    assert command.train_side_by_side(NAMES, load_profile("demo"), 2) == 0
    assert started.names == ["demo-faces"]


def test_an_interrupted_run_goes_on_after_what_is_finished(started, capsys):
    started.interrupted = {"demo-faces"}
    assert command.main(["--jobs", "1", "--only", *NAMES]) == 130
    assert "Interrupted" in capsys.readouterr().err
    unfinished = [name for name in NAMES if name not in {*started.names} - started.interrupted]
    assert "demo-simclr" not in unfinished and "demo-faces" in unfinished
    started.names, started.interrupted = [], set()
    assert command.main(["--jobs", "1", "--only", *NAMES]) == 0
    assert started.names == unfinished


def test_a_finished_run_or_one_with_other_options_leaves_nothing_out(started):
    profile = load_profile("demo")
    command.train_side_by_side(NAMES, profile, 1)
    command.train_side_by_side(NAMES, profile, 1)
    assert len(started.names) == 2 * len(NAMES)
    started.failing = {"demo-faces"}
    with pytest.raises(LabError):
        command.train_side_by_side(NAMES, profile, 1)
    started.names, started.failing = [], set()
    command.train_side_by_side(NAMES, profile, 1, ["--readouts"])
    assert len(started.names) == len(NAMES)


def test_a_number_of_jobs_below_one_is_refused(capsys):
    assert command.main(["--jobs", "0"]) == 1
    assert "--jobs 0" in capsys.readouterr().err
