"""The drills in short: where they may work, what they may end, and a few kills, cuts and flips."""

from __future__ import annotations

import os
import subprocess
import sys
from random import Random

import psutil
import pytest

from helpers.core.errors import LabError
from helpers.core.paths import ROOT

sys.path.insert(0, str(ROOT / "benchmarks"))

from drilling import kills, light, pace, transfers  # noqa: E402
from drilling.ground import MARKER, Ground, open_ground, require_ground  # noqa: E402
from drilling.report import Report, digests  # noqa: E402
from drilling.server import serving  # noqa: E402

pytestmark = pytest.mark.skipif(not hasattr(os, "killpg"), reason="no groups of processes")


@pytest.fixture
def ground(tmp_path, monkeypatch):
    """A drill's folder within the test's own, without PyTorch in its processes."""
    monkeypatch.setenv("LAB_DRILL", "")  # put back at the end
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with open_ground(tmp_path, preload=("drilling.light",)) as ground:
        yield ground


def test_a_drill_makes_a_folder_of_its_own_and_removes_it(tmp_path):
    with open_ground(tmp_path, preload=()) as ground:
        room = ground.room("a")
        assert room.is_relative_to(tmp_path) and room.is_dir()
        require_ground(room, ground.token)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("folder", [ROOT, ROOT / "figures" / "demo", ROOT / "nowhere"])
def test_a_drill_is_refused_within_the_project(folder):
    with pytest.raises(LabError, match="to do: leave --folder out"):
        open_ground(folder)


def test_a_drill_is_refused_where_its_marker_is_not(tmp_path):
    other = tmp_path / "lab-drill-other"
    other.mkdir()
    for text in (None, "another's"):
        if text:
            (other / MARKER).write_text(text)
        ground = Ground(other, "mine", preload=())
        for harm in (lambda: ground.room("x"),  # noqa: B023
                     lambda: ground.start(print, room=tmp_path),  # noqa: B023
                     lambda: ground.__exit__()):  # noqa: B023
            with pytest.raises(LabError, match="a temporary folder of its own"):
                harm()
    assert other.is_dir()


def test_a_drill_ends_only_what_it_started(ground):
    other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"],
                             start_new_session=True, env=os.environ | {"LAB_DRILL": "another"})
    try:
        with pytest.raises(LabError, match="was not started by this drill"):
            ground.kill(other)
        assert other.pid not in {process.pid for process in ground.orphans()}
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


def leave_a_process() -> int:
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)
    return 0


@pytest.mark.slow
def test_what_outlives_a_run_is_found_and_ended(tmp_path, monkeypatch):
    monkeypatch.setenv("LAB_DRILL", "")
    with open_ground(tmp_path, preload=()) as ground:
        room = ground.room("a")
        assert ground.call(leave_a_process, room=room).status == 0
        (orphan,) = ground.orphans()
        assert ground.wait_for_orphans(0.3) == 1
    assert not psutil.pid_exists(orphan.pid) or orphan.status() == psutil.STATUS_ZOMBIE


@pytest.mark.slow
def test_kills_of_a_kept_array_lose_nothing(ground):
    report = kills.kill_and_resume(ground, "array", light.keep_array, look=light.array_files, n=3,
                                   random=Random(1), pace=0.2)
    assert report.problems == [] and sum(report.tried.values()) == 3


@pytest.mark.slow
def test_kills_of_a_download_lose_nothing(ground):
    body = Random(0).randbytes(200_000)
    with serving(body) as server:
        server.pause = 0.02
        report = kills.kill_and_resume(
            ground, "download", light.download, look=light.downloaded_files, n=2, pace=0.2,
            random=Random(2), arguments=(server.url(), transfers.digest_of(body)))
    assert report.problems == [] and sum(report.tried.values()) == 2


@pytest.mark.slow
def test_a_drill_sees_what_is_half_made_and_what_differs(ground):
    """Without the rename, a kill leaves half a file, and a run of another seed other bytes."""
    report = kills.kill_and_resume(ground, "careless", careless, look=digests_of_results, n=2,
                                   random=Random(0), pace=0.4)
    assert any("half made" in problem for problem in report.problems)
    assert any("other bytes" in problem for problem in report.problems)


def careless() -> int:
    """Write a file in place, never the same twice."""
    path = light.data_dir("data") / "result.bin"
    path.parent.mkdir(exist_ok=True)
    pace.mark(pace.CACHE)
    pace.write_slowly(path, os.urandom(1000))
    return 0


def digests_of_results(room):
    return digests(room / "data") if (room / "data").is_dir() else {}


@pytest.mark.parametrize("path, cuts, after, right", [
    ("file", [60_000], None, True), ("moved", [], None, True), ("page", [], None, False),
    ("login", [], None, False), ("file", [60_000], b"\1" * 100_000, True),
])
def test_without_a_digest_a_download_is_the_file_or_nothing(tmp_path, monkeypatch, path, cuts,
                                                            after, right):
    """Cut; moved; a page in its place; changed to another of the same size after a cut."""
    monkeypatch.setenv("LAB_DATA", str(tmp_path))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with serving(b"\0" * 100_000) as server:
        server.cuts, server.after_cut = cuts, after
        if right:
            light.download(server.url(path), None)
            assert (tmp_path / "file.bin").read_bytes() == server.body
        else:
            with pytest.raises(LabError, match="a web page"):
                light.download(server.url(path), None)
            assert not (tmp_path / "file.bin").exists()


def test_moments_fall_into_every_phase():
    durations = {"a": [0.1, 0.2], "b": [1.0], "c": [0.5] * 3}
    moments = kills.draw_moments(durations, 20, Random(3))
    assert {moment.phase for moment in moments} == set(durations) and len(moments) == 20
    assert all(0 <= moment.seconds <= durations[moment.phase][moment.number] for moment in moments)
    assert moments == kills.draw_moments(durations, 20, Random(3)), "a seed draws the same"


def test_a_report_names_every_difference(capsys):
    report = Report("one")
    report.same_files({"a": "1", "b": "2"}, {"a": "1", "b": "3", "c": "4"}, "then")
    report.not_tried.append("a small disk: refused")
    report.print()
    said = capsys.readouterr().out
    assert "✗ one" in said and "not tried: a small disk: refused" in said
    assert "then: b has other bytes" in said and "then: c is missing" in said
