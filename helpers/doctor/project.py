"""What profiles name, whether it is there, and hence which notebooks run: as JSON.

    python -m helpers.doctor.project demo mini

Nothing is drawn, downloaded or computed.
"""

from __future__ import annotations

import json
import re
import sys
from collections import defaultdict
from itertools import zip_longest

import pandas as pd

from helpers.config.data import ResourceSpec
from helpers.config.profile import Profile, load_profile, profile_names
from helpers.core.errors import LabError
from helpers.core.machine import usable_cores
from helpers.core.paths import data_dir
from helpers.doctor.bare import hide_home
from helpers.doctor.needs import IMAGES, TABLE, Need, notebook_needs
from helpers.profile_check import ABSENT, BROKEN, OBTAINABLE, READABLE, check_profile
from helpers.runner.freshness import read_stamp
from helpers.runner.notebooks import list_sources
from helpers.runner.progress import RunProgress, expected_seconds
from helpers.runner.versions import SECONDS_FILE

WORST = (BROKEN, ABSENT, OBTAINABLE, READABLE)


def profile_facts(name: str, cores: int) -> dict:
    """Return what a profile names, the state of each, and its notebooks."""
    try:
        profile = load_profile(name)
    except LabError as error:
        return {"title": "", "data_kind": "", "data": "", "device": "", "checks": [],
                "notebooks": [], "seconds_first": None, "problem": _parts(str(error))}
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
    """Split what was found: "image set 'diet/val'" is a kind and a name."""
    kind, _, name = what.partition(" '")
    return {"kind": kind, "name": name.removesuffix("'"), "state": state, **_parts(text),
            "download": state == OBTAINABLE and text.startswith("is downloaded")}


def _parts(text: str) -> dict[str, str]:
    """Return the three parts of an error's text; of another text, the first alone."""
    parts = re.split(r"\n  (?:expected|to do): ", text, maxsplit=2)
    return dict(zip_longest(("found", "expected", "remedy"), parts, fillvalue=""))


def _notebook(profile: Profile, stem: str, states: dict[Need, list[dict]]) -> dict:
    number, missing, downloads = stem[:2], [], []
    for kind, name in notebook_needs(profile, number):
        found = states.get((kind, name), [])
        worst = ABSENT if kind == TABLE else min(
            (check["state"] for check in found), key=WORST.index, default=READABLE)
        need = {"kind": kind, "name": name, "state": worst}
        if worst in (ABSENT, BROKEN):
            missing.append(need)
        elif any(check["download"] for check in found):
            downloads.append(need)
    resources = profile.resources.get(number, ResourceSpec())
    seconds, source = _seconds(profile, stem, resources.hours)
    return {"number": number, "stem": stem, "state": "needs" if missing else "runs",
            "needs": missing, "downloads": downloads, "seconds_first": seconds,
            "seconds_again": _again().get(stem) if profile.synthetic else None,
            "seconds_source": source, "memory_gb": resources.memory, "disk_gb": resources.disk}


def _seconds(profile: Profile, stem: str, hours: float) -> tuple[float | None, str]:
    """Return how long a notebook takes where nothing is computed yet, and how that is known."""
    stamp = read_stamp(profile, stem)
    if stamp and stamp.get("seconds"):
        return stamp["seconds"], "its last run on this machine"
    if hours:
        return 3600 * hours, "extrapolated to two cores without a GPU (REPRODUCING.md)"
    if profile.synthetic:
        return expected_seconds(stem, None), "recorded on one of two cores"
    return None, "not recorded"


def _again() -> dict[str, float]:
    """Return the seconds of the demo's notebooks where all results were in the cache."""
    return pd.read_csv(SECONDS_FILE).groupby("notebook")["seconds"].sum().round(1).to_dict()


def main(names: list[str]) -> int:
    """Write the facts of some profiles, of all if none is named, as one line of JSON."""
    facts = {name: profile_facts(name, usable_cores()) for name in names or profile_names()}
    sys.stdout.write(json.dumps(facts) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
