"""Two runs at once: of the same notebooks, and of two profiles that share a cache."""

from __future__ import annotations

from pathlib import Path
from random import Random

from drilling import runs
from drilling.ground import Ground
from drilling.kills import undisturbed
from drilling.report import Report, hidden_files
from helpers.core.paths import FIGURES_VARIABLE, PACKAGE


def run_at_once(ground: Ground, random: Random, n: int) -> Report:
    """Start two runs at the same moment, or the second a random time later."""
    report = Report("side-by-side")
    reference = undisturbed(ground, runs.run_and_publish, (), runs.notebook_files, 0.0,
                            runs.write_notebooks)
    for k in range(max(1, min(2, n // 2))):
        _same_notebooks(ground, random.random() * 2 * k, reference.files, report)
    _two_profiles(ground, report)
    return report


def _same_notebooks(ground: Ground, delay: float, expected: dict[str, str], report: Report) -> None:
    room = ground.room("twice")
    runs.write_notebooks(room)
    first = ground.start(runs.run_and_publish, room=room)
    first.join(delay)
    second = ground.start(runs.run_and_publish, room=room)
    when = f"the same notebooks twice, the second {delay:.1f} s later"
    for process in (first, second):
        ended = ground.finish(process, room)
        report.check(ended.status == 0, f"{when}: a run failed: {ended.said[-800:]}")
    report.same_files(runs.notebook_files(room), expected, when)
    left = hidden_files(room / "figures") + hidden_files(room / "cache")
    report.check(not left, f"{when}: left behind: {', '.join(left)}")
    report.tried["two runs of the same notebooks at once"] += 1


def _two_profiles(ground: Ground, report: Report) -> None:
    room = ground.room("profiles")
    runs.write_notebooks(room)
    text = (PACKAGE / "profiles" / "demo.toml").read_text(encoding="utf-8")
    mine = room / "mine.toml"
    mine.write_text(text.replace('name = "demo"', 'name = "mine"'), encoding="utf-8")
    processes = [ground.start(runs.run_notebooks, room, "--profile", profile, room=room,
                              environment={FIGURES_VARIABLE: str(room / "figures" / name)})
                 for name, profile in (("demo", "demo"), ("mine", str(mine)))]
    for process in processes:
        ended = ground.finish(process, room)
        report.check(ended.status == 0, f"two profiles: a run failed: {ended.said[-800:]}")
    tables = [_tables(room / "figures" / name) for name in ("demo", "mine")]
    report.check(tables[0] == tables[1] and tables[0], "two profiles: other tables or numbers")
    n_arrays = len(list((room / "cache").rglob("curves/*.npz")))
    report.check(n_arrays == len(runs.STEMS), f"two profiles: {n_arrays} arrays are kept in place "
                 f"of {len(runs.STEMS)}: what both need is made once")
    report.tried["two profiles at once, one cache"] += 1


def _tables(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*"))
            if path.suffix in (".csv", ".json")}
