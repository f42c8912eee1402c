"""The doctor's facts as text, for people."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from helpers.core.paths import format_size

WIDTH = 96
MARKS = {"readable": "there", "obtainable": "comes by itself", "absent": "MISSING",
         "broken": "BROKEN"}


def render(facts: dict) -> str:
    """Return the whole report."""
    lines = [*_machine(facts), *_problems(facts["problems"])]
    profiles = facts["profiles"]
    shown = profiles.get(facts["profile"])
    if len(profiles) > 1:
        lines += ["", *_matrix(profiles, facts)]
    if shown:
        lines += ["", *_profile(facts["profile"], shown, facts)]
    others = [name for name in profiles if name != facts["profile"]]
    if others:
        lines += ["", f"What {', '.join(others)} lack, and what to do: make doctor "
                  f"PROFILE={others[0]}, or python -m helpers.doctor --profile {others[0]}"]
    return "\n".join(lines)


def _machine(facts: dict) -> Iterator[str]:
    python, system, packages = facts["python"], facts["system"], facts["packages"]
    other = packages["other_version"]
    yield _row("Python", f"{python['version']}" + ("" if python["supported"] else
               f", but {python['expected']} expected") + f"  ({python['executable']})")
    good = packages["n_locked"] - len(packages["missing"]) - len(other)
    yield _row("Packages", f"{good} of {packages['n_locked']} as in requirements.lock")
    for one in other[:5]:
        yield _row("", f"{one['name']} {one['installed']} in place of {one['locked']}: numbers may "
                   "differ; make setup brings it")
    yield _row("Device", _device(facts["device"]))
    yield _row("Machine", f"{system['system']}, {system['cores']} cores usable, "
               f"{_size(system['memory_free_bytes'])} of {_size(system['memory_bytes'])} memory "
               "free")
    for index, folder in enumerate(facts["folders"]):
        note = folder["problem"] or folder["warning"]
        yield _row("" if index else "Disk", f"{_size(folder['free_bytes'])} free for "
                   f"{folder['name']}: {folder['path']}" + (f"  – {note}" if note else ""))
    yield _row("Network", _network(facts["network"]["hosts"]))


def _row(name: str, text: str) -> str:
    return f"{name:10}{text}"


def _network(hosts: list[dict]) -> str:
    silent = [host["host"] for host in hosts if not host["answers"]]
    n_owners = f"{len(hosts)} owners of data and weights"
    if not hosts:
        return "not needed: nothing is downloaded"
    if len(silent) == len(hosts):
        return f"offline: none of {n_owners} answers"
    return (f"{len(hosts) - len(silent)} of {n_owners} answer"
            + (f"; not {', '.join(silent)}" if silent else ""))


def _device(device: dict | None) -> str:
    if device is None:
        return "not known: torch cannot be imported"
    cards = ", ".join(device["cuda"]) or "no NVIDIA card"
    return (f"{device['auto']} (torch {device['torch']}; {cards}; "
            f"{'' if device['mps'] else 'no '}Apple GPU)")


def _problems(problems: list[dict]) -> Iterator[str]:
    for problem in problems:
        yield from ("", *_wrap(f"PROBLEM  {problem['found']}", 0, 9),
                    *_wrap(f"to do: {problem['remedy']}", 9, 9))


def _matrix(profiles: dict, facts: dict) -> Iterator[str]:
    """Yield a line a notebook: what it does under each profile."""
    columns = {name: profile["notebooks"] for name, profile in profiles.items()
               if profile["notebooks"]}
    if columns:
        yield f"{'notebook':34}" + "".join(f"{name:>18}" for name in columns)
        for ones in zip(*columns.values()):
            yield f"{ones[0]['stem']:34}" + "".join(f"{_states(one, facts)[0]:>18}" for one in ones)
        yield "needs 2: two things are missing that only you can bring, or mend"


def _states(one: dict, facts: dict) -> tuple[str, str]:
    """Return what a notebook does under a profile, in short and at length."""
    needs, downloads = (", ".join(f"{need['kind']} {need['name']}" for need in one[which])
                        for which in ("needs", "downloads"))
    if needs:
        return f"needs {len(one['needs'])}", f"needs {needs}"
    if downloads and facts["network"]["reachable"] is False:
        return "needs network", f"needs a network, for {downloads}"
    if downloads:
        return "after download", f"runs, after downloading {downloads}"
    seconds = one["seconds_first"]
    return "runs" + (f", {_duration(seconds)}" if seconds else ""), "runs"


def _profile(name: str, profile: dict, facts: dict) -> Iterator[str]:
    if profile["problem"]:
        yield f"Profile {name} cannot be read."
        yield from _three_parts(profile["problem"], 2)
        return
    notebooks = profile["notebooks"]
    running = [one for one in notebooks if not one["needs"]]
    yield (f"Profile {name} ({profile['data_kind']}): {len(running)} of {len(notebooks)} notebooks "
           "run")
    yield f"  data in {profile['data']}, device = \"{profile['device']}\""
    if profile["seconds_first"]:
        yield (f"  first run of all about {_duration(profile['seconds_first'])} on "
               f"{facts['system']['cores']} cores; again: seconds, if nothing changed")
    yield f"  {sum(one['disk_gb'] for one in notebooks):g} GB of disk for results in all"
    yield f"\n  {'notebook':31} {'time':>7}  memory   state"
    for one in notebooks:
        time = _duration(one["seconds_first"]) if one["seconds_first"] else "?"
        yield from _wrap(f"{one['stem']:31} {time:>7}  {one['memory_gb']:4g} GB  "
                         f"{_states(one, facts)[1]}", 2, 52)
    sources = sorted({one["seconds_source"] for one in notebooks})
    yield from _wrap(f"Time where nothing is computed yet: {'; '.join(sources)}.", 2, 2)
    yield ""
    yield from _checks(profile["checks"])


def _checks(checks: list[dict]) -> Iterator[str]:
    """Yield what is wrong at length, what is there in short, networks by their names alone."""
    for state, mark in reversed(MARKS.items()):
        networks = []
        for check in [check for check in checks if check["state"] == state]:
            head = f"{mark:16}{check['kind']} {check['name']}"
            if state in ("absent", "broken"):
                yield from _wrap(head, 2, 18)
                yield from _three_parts(check, 18)
            elif check["kind"] == "network" and not check["download"]:
                networks.append(check["name"])
            else:
                yield from _wrap(f"{head}: {check['found']}", 2, 18)
        if networks:
            yield from _wrap(f"{mark:16}networks {', '.join(networks)}", 2, 18)


def _three_parts(parts: dict, indent: int) -> Iterator[str]:
    for text in (parts["found"], f"expected: {parts['expected']}", f"to do: {parts['remedy']}"):
        yield from _wrap(text, indent, indent)


def _wrap(text: str, indent: int, hanging: int) -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent=" " * indent, subsequent_indent=" " * hanging,
                         break_long_words=False, break_on_hyphens=False) or [""]


def _size(n_bytes: int | None) -> str:
    return "?" if n_bytes is None else format_size(n_bytes)


def _duration(seconds: float) -> str:
    if seconds >= 2 * 3600:
        return f"{seconds / 3600:.0f} h"
    return f"{seconds / 60:.0f} min" if seconds >= 90 else f"{seconds:.0f} s"
