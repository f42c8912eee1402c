"""What profiles name, whether it is there, and hence which notebooks run: as JSON.

    python -m helpers.doctor.project demo mini

Nothing is drawn, downloaded or computed.
"""

from __future__ import annotations

import csv
import json
import sys
from collections import defaultdict

from helpers.config.data import ResourceSpec
from helpers.config.profile import Profile, load_profile, profile_names
from helpers.core.errors import LabError
from helpers.core.machine import usable_cores
from helpers.core.paths import data_dir
from helpers.doctor.bare import hide_home
from helpers.doctor.needs import IMAGES, TABLE, Need, notebook_needs
from helpers.profile_check import ABSENT, BROKEN, OBTAINABLE, READABLE, check_profile
from helpers.runner.freshness import read_stamp
from helpers.runner.notebooks import FOLDER, list_sources
from helpers.runner.progress import RunProgress, expected_seconds

WORST = (BROKEN, ABSENT, OBTAINABLE, READABLE)
SECONDS = FOLDER / "seconds.csv"
"""Seconds of every section of the demo's notebooks where all results were in the cache."""


def profile_facts(name: str, cores: int) -> dict:
    """Return what a profile names, the state of each, and its notebooks."""
    try:
        profile = load_profile(name)
    except LabError as error:
        return {"title": "", "data_kind": "", "data": "", "device": "", "checks": [],
                "notebooks": [], "seconds_first": None, "problem": _parts(error)}
    checks = [_check(*found) for found in check_profile(profile, data_dir(profile.data))]
    states: dict[Need, list[dict]] = defaultdict(list)
    for check in checks:
        name = check["name"].partition("/")[0] if check["kind"] == IMAGES else check["name"]
        states[check["kind"], name].append(check)
    notebooks = [_notebook(profile, source.stem, states) for source in list_sources()]
    expected = {one["stem"]: one["seconds_first"] for one in notebooks if one["seconds_first"]}
    whole = RunProgress(expected, cores).remaining() if len(expected) == len(notebooks) else None
    return {"title": profile.title, "data_kind": profile.data_kind, "device": profile.device,
            "data": hide_home(data_dir(profile.data)), "checks": checks, "notebooks": notebooks,
            "seconds_first": whole and round(whole), "problem": None}


def _check(what: str, state: str, text: str) -> dict:
    """Split what was found: "image set 'diet/val'" is a kind and a name; an error has three parts.
    """
    kind, _, name = what.partition(" '")
    facts = {"kind": kind, "name": name.removesuffix("'"), "state": state, "found": "",
             "expected": "", "remedy": "", "download": False}
    if state in (READABLE, OBTAINABLE):
        return {**facts, "found": text, "download": text.startswith("is downloaded")}
    seen, _, rest = text.partition("\n  expected: ")
    expected, _, remedy = rest.partition("\n  to do: ")
    return {**facts, "found": seen, "expected": expected, "remedy": remedy}


def _notebook(profile: Profile, stem: str, states: dict[Need, list[dict]]) -> dict:
    number, missing, downloads = stem[:2], [], []
    for kind, name in notebook_needs(profile, number):
        found = states.get((kind, name), [])
        worst = min((check["state"] for check in found), key=WORST.index, default=READABLE)
        if kind == TABLE or worst in (ABSENT, BROKEN):
            missing.append({"kind": kind, "name": name,
                            "state": ABSENT if kind == TABLE else worst})
        elif any(check["download"] for check in found):
            downloads.append({"kind": kind, "name": name, "state": worst})
    need = profile.resources.get(number, ResourceSpec())
    seconds, source = _seconds(profile, stem, need)
    return {"number": number, "stem": stem, "state": "needs" if missing else "runs",
            "needs": missing, "downloads": downloads, "seconds_first": seconds,
            "seconds_again": _again().get(stem) if profile.synthetic else None,
            "seconds_source": source, "memory_gb": need.memory, "disk_gb": need.disk}


def _seconds(profile: Profile, stem: str, need: ResourceSpec) -> tuple[float | None, str]:
    """Return how long a notebook takes where nothing is computed yet, and how that is known."""
    stamp = read_stamp(profile, stem)
    if stamp and stamp.get("seconds"):
        return stamp["seconds"], "its last run on this machine"
    if need.hours:
        return 3600 * need.hours, "extrapolated to two cores without a GPU (REPRODUCING.md)"
    if profile.synthetic:
        return expected_seconds(stem, None), "recorded on one of two cores"
    return None, "not recorded"


def _again() -> dict[str, float]:
    totals: dict[str, float] = defaultdict(float)
    with SECONDS.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            totals[row["notebook"]] += float(row["seconds"])
    return {stem: round(seconds, 1) for stem, seconds in totals.items()}


def _parts(error: LabError) -> dict[str, str]:
    return {"found": error.seen, "expected": error.expected, "remedy": error.remedy}


def main(names: list[str]) -> int:
    """Write the facts of some profiles, of all if none is named, as one line of JSON."""
    cores = usable_cores()
    facts = {name: profile_facts(name, cores) for name in names or profile_names()}
    sys.stdout.write(json.dumps(facts) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
