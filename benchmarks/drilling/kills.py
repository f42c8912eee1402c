"""Killed (signal 9) at random moments, then run again: the same bytes as undisturbed."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random
from typing import NamedTuple

from drilling.ground import Ground
from drilling.pace import MARKS, PACE, STARTING, read_marks
from drilling.report import Report

N_ATTEMPTS = 4
"""How often a kill that came too late is tried again, each time sooner."""


class Moment(NamedTuple):
    """When to kill: a fraction of the way through the n-th interval of a phase."""

    phase: str
    number: int
    seconds: float


class Undisturbed(NamedTuple):
    """A run that nothing disturbed: its files' digests, and how long which phase lasted."""

    files: dict[str, str]
    durations: dict[str, list[float]]


def undisturbed(ground: Ground, function: Callable[..., object], arguments: tuple,
                look: Callable[[Path], dict[str, str]], pace: float,
                prepare: Callable[[Path], None]) -> Undisturbed:
    """Run once in slow motion without a kill."""
    room = ground.room("undisturbed")
    prepare(room)
    begin = time.monotonic()
    ended = ground.call(function, *arguments, room=room, environment=paced(room, pace))
    if ended.status != 0:
        raise RuntimeError(f"the undisturbed run failed:\n{ended.said}")
    marks = [(begin, STARTING), *read_marks(room / ".marks"), (time.monotonic(), "")]
    durations: dict[str, list[float]] = {}
    for (start, phase), (stop, _) in zip(marks, marks[1:]):
        durations.setdefault(phase, []).append(stop - start)
    return Undisturbed(look(room), durations)


def paced(room: Path, pace: float) -> dict[str, str]:
    """Return the variables of a run in slow motion."""
    return {MARKS: str(room / ".marks"), PACE: str(pace)}


def draw_moments(durations: Mapping[str, list[float]], n: int, random: Random) -> list[Moment]:
    """Draw moments: every phase in turn, at random within it and among its intervals."""
    moments, phases = [], sorted(durations)
    random.shuffle(phases)
    for k in range(n):
        phase = phases[k % len(phases)]
        number = random.randrange(len(durations[phase]))
        moments.append(Moment(phase, number, random.random() * durations[phase][number]))
    return moments


def wait_for(moment: Moment, marks: Path, is_alive: Callable[[], bool], limit: float) -> None:
    """Return at the moment, or when the process has ended before it."""
    end = time.monotonic() + limit
    while is_alive() and time.monotonic() < end:
        seen = Counter(phase for _, phase in read_marks(marks))
        if moment.phase == STARTING or seen[moment.phase] > moment.number:
            break
        time.sleep(0.005)
    end = time.monotonic() + moment.seconds
    while is_alive() and time.monotonic() < end:
        time.sleep(0.005)


def _kill_once(ground: Ground, function: Callable[..., object], arguments: tuple, moment: Moment,
               pace: float, prepare: Callable[[Path], None]) -> tuple[Path, str]:
    """Start and kill at the moment, or sooner where the run was done by then.

    Returns
    -------
    The room, and the phase that was killed.
    """
    for attempt in range(N_ATTEMPTS):
        room = ground.room("killed")
        prepare(room)
        process = ground.start(function, *arguments, room=room, environment=paced(room, pace))
        sooner = moment._replace(seconds=moment.seconds * 0.3 ** attempt)
        wait_for(sooner, room / ".marks", process.is_alive, 120)
        in_time = process.is_alive()
        ground.kill(process)
        marks = read_marks(room / ".marks")
        if in_time:
            return room, marks[-1][1] if marks else STARTING
    return room, "(had ended already)"


def kill_and_resume(ground: Ground, drill: str, function: Callable[..., object], *,
                    arguments: tuple = (), look: Callable[[Path], dict[str, str]], n: int,
                    random: Random, pace: float,
                    prepare: Callable[[Path], None] = lambda room: None,
                    whole: Callable[[str], bool] = lambda name: True) -> Report:
    """Kill a process's group at ``n`` moments; check what is left, run again, compare bytes.

    Parameters
    ----------
    function, arguments
        What runs, and is run again.
    look : callable
        Room -> name of each result -> digest.
    pace : float
        Seconds by which each phase is stretched while it may be killed.
    prepare : callable
        Puts into an empty room what the run needs.
    whole : callable
        Name of a result -> whether it must be whole or absent right after a kill.
    """
    report, begin = Report(drill), time.monotonic()
    reference = undisturbed(ground, function, arguments, look, pace, prepare)
    for moment in draw_moments(reference.durations, n, random):
        room, phase = _kill_once(ground, function, arguments, moment, pace, prepare)
        report.tried[phase] += 1
        when = f"killed while {phase}, number {moment.number}, after {moment.seconds:.2f} s"
        for name, digest in look(room).items():
            report.check(digest == reference.files.get(name) or not whole(name),
                         f"{when}: {name} is half made")
        ended = ground.call(function, *arguments, room=room)
        report.check(ended.status == 0, f"{when}: the second run failed: {ended.said[-800:]}")
        report.same_files(look(room), reference.files, f"{when}, and resumed")
    left = ground.wait_for_orphans()
    report.check(left == 0, f"{left} processes outlived their run by more than 15 s")
    report.facts.append(f"{len(reference.files)} files compared after each kill")
    report.seconds = time.monotonic() - begin
    return report
