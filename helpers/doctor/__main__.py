"""Say what this machine can run, and what to do for the rest: ``python -m helpers.doctor``."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from helpers.core.paths import PACKAGE, ROOT
from helpers.doctor.bare import folder_facts, package_facts, python_facts, system_facts
from helpers.doctor.reach import addresses, profile_texts, reachable
from helpers.doctor.report import render

FORMAT = 1
"""Of the JSON: raised when a key is renamed or dropped."""
DEFAULT = "demo"
TIMEOUT_S = 600
SET_UP = "run `make setup`, or `python -m helpers.setup`"


def run_python(module: str, *arguments: str) -> tuple[list[str], str]:
    """Run a module in a process of its own; return its lines, and how it ended if not well."""
    command = [sys.executable, "-m", module, *arguments]
    try:
        done = subprocess.run(command, cwd=str(ROOT), capture_output=True, text=True,
                              encoding="utf-8", errors="replace", timeout=TIMEOUT_S)
    except (OSError, subprocess.SubprocessError) as error:
        return [], str(error)
    last = (done.stderr.strip().splitlines() or [f"it ended with status {done.returncode}"])[-1]
    return done.stdout.splitlines(), last if done.returncode else ""


def import_facts() -> tuple[list[dict], dict | None]:
    """Return the packages that cannot be imported, each with its error, and the device."""
    lines, problem = run_python("helpers.doctor.imports")
    broken, said = [], {"begins": "Python"}
    for line in lines:
        try:
            said |= json.loads(line)
        except (ValueError, TypeError):
            continue  # what a package prints
        if "broken" in said:
            broken.append({"name": said.pop("broken"), "error": said.pop("error")})
    if not said.get("ends"):
        broken.append({"name": said["begins"], "error": problem or "the process ended"})
    return broken, said.get("device")


def project_facts(names: list[str]) -> tuple[dict, str]:
    """Return what `helpers.doctor.project` finds of profiles, and what went wrong."""
    lines, problem = run_python("helpers.doctor.project", *names)
    try:
        return json.loads(lines[-1]), ""
    except (IndexError, ValueError):
        return {}, problem or "no answer"


def gather(profile: str) -> dict:
    """Return all facts; ``profile`` is a name, a path, or empty for all profiles."""
    with ThreadPoolExecutor() as pool:  # processes, which one waits for
        imported = pool.submit(import_facts)
        profiles, problem = project_facts([profile] if profile else [])
    broken, device = imported.result()
    shown = profile or DEFAULT
    default_data = profiles.get(shown, {}).get("data") or f"data/{Path(shown).stem}"
    folders = (PACKAGE / "profiles", Path.cwd() / "profiles", ROOT / "profiles")
    hosts = reachable(addresses(profile_texts(folders, profile)))
    facts = {"format": FORMAT, "profile": shown, "python": python_facts(),
             "system": system_facts(), "packages": {**package_facts(), "broken": broken},
             "device": device, "folders": folder_facts(Path(shown).stem, default_data),
             "network": {"reachable": any(host["answers"] for host in hosts) if hosts else None,
                         "hosts": hosts},
             "profiles": profiles, "profiles_problem": problem}
    excuse_read_only_data(facts)
    facts["problems"] = find_problems(facts)
    facts["status"] = exit_status(facts)
    return facts


def excuse_read_only_data(facts: dict) -> None:
    """Turn a problem of the data folder into a warning where all data are there already."""
    profile = facts["profiles"].get(facts["profile"])
    if profile and all(check["state"] == "readable" for check in profile["checks"]):
        for folder in facts["folders"]:
            if folder["name"] == "data" and folder["problem"]:
                folder.update(warning=folder["problem"], problem="", remedy="")


def find_problems(facts: dict) -> list[dict]:
    """List what keeps everything from running: what was found, and what to do."""
    python, packages = facts["python"], facts["packages"]
    problems = []
    if not python["supported"]:
        problems.append((f"Python {python['version']}", f"use {python['expected']}, as in "
                         "make PYTHON=python3.12, or python3.12 -m helpers.setup"))
    if packages["missing"]:
        few, more = packages["missing"][:5], len(packages["missing"]) - 5
        problems.append((f"packages are missing: {', '.join(few)}"
                         + (f" and {more} more" if more > 0 else ""), SET_UP))
    broken = [one for one in packages["broken"] if not (
        packages["missing"] and "No module named" in one["error"])]
    problems += [(f"{one['name']} cannot be imported: {one['error']}", SET_UP) for one in broken]
    problems += [(folder["problem"], folder["remedy"]) for folder in facts["folders"]
                 if folder["problem"]]
    if facts["profiles_problem"] and not (packages["missing"] or broken):
        problems.append((f"profiles cannot be read: {facts['profiles_problem']}", SET_UP))
    return [{"found": found, "remedy": remedy} for found, remedy in problems]


def exit_status(facts: dict) -> int:
    """Return 0 if the profile runs, 1 if some of its notebooks do not, 2 if none does."""
    profile = facts["profiles"].get(facts["profile"])
    if facts["problems"] or profile is None or profile["problem"]:
        return 2
    offline = facts["network"]["reachable"] is False
    stopped = [one for one in profile["notebooks"]
               if one["state"] != "runs" or (offline and one["downloads"])]
    return 0 if not stopped else 1 if len(stopped) < len(profile["notebooks"]) else 2


def main(arguments: list[str] | None = None) -> int:
    """Say what this machine can run, and what to do for the rest.

    Status: 0 if all notebooks of the profile run, 1 if some do, 2 if none does.
    """
    parser = argparse.ArgumentParser(prog="python -m helpers.doctor", description=main.__doc__)
    parser.add_argument("--profile", default="", help="name or path of a profile; if none is "
                        f"given, all are listed, and {DEFAULT} decides the status")
    parser.add_argument("--json", action="store_true", help="the same as JSON, for bug reports")
    options = parser.parse_args(arguments)
    if not options.json:
        sys.stderr.write("Looking at packages, data and weights; some ten seconds ...\n")
    facts = gather(options.profile)
    text = json.dumps(facts, indent=1) if options.json else render(facts)
    encoding = sys.stdout.encoding or "ascii"
    sys.stdout.write(text.encode(encoding, "replace").decode(encoding) + "\n")
    return facts["status"]


if __name__ == "__main__":
    sys.exit(main())
