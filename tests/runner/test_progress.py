"""A run says how far it is: in a log now and then, on a terminal in one line."""

from __future__ import annotations

import pytest

from helpers.runner import progress
from helpers.runner.progress import RunProgress, expected_seconds, format_duration


@pytest.fixture
def now(monkeypatch):
    """A clock that stands until it is moved: ``now[0] += 5``."""
    time = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: time[0])
    return time


@pytest.mark.parametrize("seconds, text", [(0, "0 s"), (41.4, "41 s"), (59.6, "1 min 0 s"),
                                           (125, "2 min 5 s"), (3840, "1 h 4 min")])
def test_durations_are_written_for_people(seconds, text):
    assert format_duration(seconds) == text


def test_a_log_gets_a_line_every_ten_seconds(now, capsys):
    watch = RunProgress({"05_tune": 60}, n_parallel=1)
    watch.start("05_tune")
    for number in range(1, 31):
        now[0] += 1
        watch.cell("05_tune", number, 30, f"Step {number}")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "… 05_tune  started"
    assert [line.split(" · ")[0].strip() for line in lines[1:]] == [
        f"05_tune  cell {number} of 30" for number in (10, 20, 30)]
    assert lines[1].endswith("Step 10 · 10 s · about 50 s left")


def test_a_terminal_gets_one_line_that_is_written_over(now, capsys, monkeypatch):
    monkeypatch.setattr(progress.sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "60")
    watch = RunProgress({"05_tune": 60, "06_move": 60}, n_parallel=2)
    for stem in watch.expected:
        watch.start(stem)
    capsys.readouterr()
    watch.cell("05_tune", 1, 30, "A")
    watch.cell("06_move", 2, 20, "B" * 100)
    said = capsys.readouterr().out
    assert "\n" not in said
    last = said.rsplit("\r\x1b[K", 1)[1]
    assert last.startswith("05_tune  cell 1 of 30 · A · 0 s | 06_move  cell 2") and len(last) < 60
    watch.end("05_tune", "✓ 05_tune  0 s")
    assert "✓ 05_tune" in capsys.readouterr().out


def test_the_rest_is_divided_and_learns_from_what_has_ended(now):
    watch = RunProgress({"a": 100, "b": 40, "c": 40}, n_parallel=2)
    assert watch.remaining() == 100, "no less than the longest"
    watch.start("a")
    watch.start("b")
    now[0] += 20
    assert watch.remaining() == pytest.approx(80)
    watch.end("b", "done")  # in half the time that was expected
    assert watch.remaining() == pytest.approx(30), "a: 50 - 20, c: 20"
    watch.start("c")
    now[0] += 1000
    assert watch.remaining() == 0, "late, but never negative"


def test_what_a_run_recorded_goes_before_the_hints():
    assert expected_seconds("05_tune", {"seconds": 12.5}) == 12.5
    assert expected_seconds("05_tune", None) == progress.EXPECTED_SECONDS["05"]
    assert expected_seconds("97_tune", {"code": "x"}) == progress.DEFAULT_SECONDS


def test_a_notebook_whose_processes_wait_is_reported_now_and_then(now, capsys):
    watch = RunProgress({"05_tune": 60}, n_parallel=1)
    watch.start("05_tune")
    watch.cell("05_tune", 7, 30, "Fine-tune")
    capsys.readouterr()
    for seconds in (100, progress.IDLE_S - 1, progress.IDLE_S, progress.IDLE_S + 5,
                    2 * progress.IDLE_S + 1):
        watch.look("05_tune", seconds)
    lines = capsys.readouterr().out.splitlines()
    assert ["05_tune  cell 7 of 30 · Fine-tune · no CPU time used for 5 min 0 s" in line
            for line in lines] == [True, False]
    assert "10 min 1 s" in lines[1] and "Ctrl-C" in lines[0] and "--cell-limit" in lines[0]
    watch.look("05_tune", 1.0)  # it computes again, and stops again
    watch.look("05_tune", progress.IDLE_S)
    assert "no CPU time used for 5 min" in capsys.readouterr().out


def test_a_log_gets_a_line_a_minute_about_a_long_cell(now, capsys):
    watch = RunProgress({"05_tune": 600}, n_parallel=1)
    watch.start("05_tune")
    watch.cell("05_tune", 7, 30, "Fine-tune")
    capsys.readouterr()
    for _ in range(300):
        now[0] += 1
        watch.look("05_tune", 0.0)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 5 and lines[1].startswith("  05_tune  cell 7 of 30 · Fine-tune · 2 min")
