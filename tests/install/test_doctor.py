"""The doctor on machines that lack something: played by folders, patches and processes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections import namedtuple

import pytest

from helpers.config.profile import load_profile, profile_names
from helpers.core.paths import ROOT
from helpers.doctor import __main__ as doctor
from helpers.doctor import bare, imports, project, reach
from helpers.doctor.needs import notebook_needs
from helpers.doctor.report import render
from helpers.runner.notebooks import list_sources

Usage = namedtuple("Usage", "total used free")
GOOD = {"n_locked": 3, "missing": [], "other_version": []}
CPU = {"torch": "2.0", "cuda": [], "mps": False, "auto": "cpu", "threads": 2}


@pytest.fixture
def gather(private, monkeypatch):
    """Return ``gather(profile)`` that looks at profiles in this process, and at no network."""
    monkeypatch.setattr(doctor, "import_facts", lambda: ([], CPU))
    monkeypatch.setattr(doctor, "package_facts", lambda: dict(GOOD))
    monkeypatch.setattr(doctor, "reachable", lambda urls: [
        {"host": url, "answers": True, "seconds": 0.1, "problem": ""} for url in urls])

    def look(names):
        return {name: project.profile_facts(name, 2) for name in names or profile_names()}, ""

    monkeypatch.setattr(doctor, "project_facts", look)
    return doctor.gather


def write_profile(private, monkeypatch, old, new, name="mine"):
    text = (ROOT / "helpers" / "profiles" / "mini.toml").read_text()
    assert old in text
    (private / "profiles").mkdir(exist_ok=True)
    (private / "profiles" / f"{name}.toml").write_text(
        text.replace('name = "mini"', f'name = "{name}"').replace(old, new))
    monkeypatch.chdir(private)


# ---- what a notebook needs -----------------------------------------------------------------------

def recorded():
    for path in sorted((ROOT / "figures" / "demo").glob("[0-9]*.json")):
        yield path.stem, set(json.loads(path.read_text())["provenance"]["inputs"])


@pytest.mark.parametrize("stem, opened", list(recorded()), ids=lambda value: str(value)[:2])
def test_needs_are_what_the_runs_of_the_demo_opened(stem, opened):
    needed = {name for kind, name in notebook_needs(load_profile("demo"), stem[:2])
              if kind not in ("layers", "readouts")}
    opened = {name.partition("/")[0] for name in opened if not name.startswith("readout of ")}
    assert needed == opened - {"space"}


@pytest.mark.parametrize("name", ["mini", pytest.param("paper", marks=pytest.mark.slow)])
def test_every_need_is_looked_at(name, private):
    """A need that no check speaks of would always be called there."""
    facts = project.profile_facts(name, 2)
    known = {(check["kind"], check["name"].partition("/")[0]) for check in facts["checks"]}
    known |= {(check["kind"], check["name"]) for check in facts["checks"]}
    for source in list_sources():
        assert set(notebook_needs(load_profile(name), source.stem[:2])) <= known


# ---- machines ------------------------------------------------------------------------------------

@pytest.mark.slow
def test_the_demo_runs_with_nothing_but_packages(gather):
    """No network, no data, no folder beside the clone."""
    facts = gather("demo")
    assert facts["status"] == 0 and facts["problems"] == []
    assert facts["network"] == {"reachable": None, "hosts": []}
    notebooks = facts["profiles"]["demo"]["notebooks"]
    assert [one["stem"] for one in notebooks] == [source.stem for source in list_sources()]
    assert all(one["state"] == "runs" and not one["downloads"] for one in notebooks)
    assert facts["profiles"]["demo"]["seconds_first"] > 60
    text = render(facts)
    assert "16 of 16 notebooks run" in text or f"{len(notebooks)} of {len(notebooks)}" in text
    assert "Network   not needed" in text


@pytest.mark.slow
def test_what_a_person_must_bring_stands_beside_the_notebooks_that_wait_for_it(gather):
    facts = gather("paper")
    notebooks = {one["number"]: one for one in facts["profiles"]["paper"]["notebooks"]}
    assert facts["status"] == 1
    assert notebooks["01"]["state"] == "runs" and notebooks["01"]["downloads"]
    assert {"kind": "cohort", "name": "finetuning_cohort", "state": "absent"} in (
        notebooks["05"]["needs"])
    assert notebooks["05"]["seconds_first"] == 3600 * load_profile("paper").resources["05"].hours
    text = render(facts)
    assert "algonautsproject.com" in text and "register for the challenge" in text
    assert "MISSING" in text and "to do:" in text


@pytest.mark.slow
def test_offline_a_download_is_a_need(gather, monkeypatch):
    assert gather("mini")["network"]["reachable"]
    monkeypatch.setattr(doctor, "reachable", lambda urls: [
        {"host": "h", "answers": False, "seconds": 2.0, "problem": "timed out"} for _ in urls])
    facts = gather("mini")
    assert facts["status"] == 2, "all of mini is downloaded"
    text = render(facts)
    assert "offline: none of" in text and "needs a network, for image set localizer" in text
    assert doctor.exit_status(gather("demo")) == 0, "offline is no failure"


def test_a_profile_of_the_users_own_is_judged_by_name(gather, private, monkeypatch):
    write_profile(private, monkeypatch, 'source = "fetch:vpnl-floc"', 'source = "local"')
    facts = gather("mine")
    localizer, = (check for check in facts["profiles"]["mine"]["checks"]
                  if check["name"] == "localizer")
    assert localizer["state"] == "absent" and localizer["remedy"]
    assert facts["status"] == 1, "notebooks that do not show it run"
    assert "needs image set localizer" in " ".join(render(facts).split())


def test_layers_that_do_not_exist_are_needs_of_the_notebooks_that_name_them(gather, private,
                                                                            monkeypatch):
    write_profile(private, monkeypatch, 'heat_map_layer = "features.12.expand3x3"',
                  'heat_map_layer = "features.99"')
    facts = gather("mine")
    broken = [check for check in facts["profiles"]["mine"]["checks"] if check["state"] == "broken"]
    assert broken and "features.99" in broken[0]["found"]
    needs = {one["number"]: one["needs"] for one in facts["profiles"]["mine"]["notebooks"]}
    assert {"kind": broken[0]["kind"], "name": broken[0]["name"], "state": "broken"} in needs["01"]


@pytest.mark.parametrize("old, new, seen", [
    ('device = "auto"', 'devise = "auto"', "unknown key 'devise'"),
    ('main = "squeezenet1_0-imagenet"', 'main = "squeezenet9"', "squeezenet9")])
def test_a_mistake_in_a_profile_is_said(gather, private, monkeypatch, old, new, seen):
    write_profile(private, monkeypatch, old, new)
    facts = gather("mine")
    assert facts["status"] > 0 and seen in " ".join(render(facts).split())


@pytest.mark.slow
def test_a_full_disk_is_said_before_anything_runs(gather, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10**9, 10**9 - 10**7, 10**7))
    facts = gather("demo")
    assert facts["status"] == 2
    assert {folder["name"] for folder in facts["folders"] if folder["problem"]} == {
        "data", "cache", "figures", "temporary"}
    assert "has 10 MB free" in render(facts) and "LAB_CACHE" in render(facts)


@pytest.mark.slow
def test_a_disk_that_is_really_full(gather, private, monkeypatch):
    small = private / "small"
    small.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(small)],
                             capture_output=True).returncode == 0
    if not mounted:
        pytest.skip("no file system can be mounted here")
    try:
        monkeypatch.setenv("LAB_CACHE", str(small / "cache"))
        (small / "filling").write_bytes(b"\0" * 2**20)
        facts = gather("demo")
    finally:
        subprocess.run(["umount", str(small)], check=True)
    cache, = (folder for folder in facts["folders"] if folder["name"] == "cache")
    assert cache["problem"] and facts["status"] == 2 and not (small / "cache").exists()


@pytest.mark.slow
def test_a_read_only_folder_is_named_with_its_variable(gather, monkeypatch):
    monkeypatch.setenv("LAB_CACHE", "/proc/none")
    facts = gather("demo")
    assert facts["status"] == 2 and "LAB_CACHE" in render(facts)
    assert "Nothing can be written in /proc" in facts["problems"][0]["found"]


def test_data_may_be_read_only_where_all_are_there():
    folder = {"name": "data", "problem": "Nothing can be written", "remedy": "x", "warning": ""}
    for state, warning in (("readable", "Nothing can be written"), ("obtainable", "")):
        facts = {"profile": "p", "folders": [dict(folder)],
                 "profiles": {"p": {"checks": [{"state": state}]}}}
        doctor.excuse_read_only_data(facts)
        assert facts["folders"][0]["warning"] == warning


# ---- packages ------------------------------------------------------------------------------------

def test_the_lock_is_compared_with_what_is_installed(tmp_path):
    lock = tmp_path / "lock"
    lock.write_text('# a remark\nnumpy==0.0.1\nno-such-package==1.0\nelsewhere==1.0 ; '
                    'sys_platform == "plan9"\n' + next(
                        line + "\n" for line in (ROOT / "requirements.lock").read_text()
                        .splitlines() if line.startswith("pytest==")))
    facts = bare.package_facts(lock)
    assert facts["n_locked"] == 3 and facts["missing"] == ["no-such-package"]
    other, = facts["other_version"]
    assert other["name"] == "numpy" and other["locked"] == "0.0.1"


def run(*arguments, **environment):
    return subprocess.run([sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True,
                          env={**os.environ, "HOME": "/nonexistent", **environment})


@pytest.mark.slow
def test_a_python_without_packages_gets_a_whole_report():
    done = run("-S", "-m", "helpers.doctor", "--json", PYTHONPATH="", PYTHONNOUSERSITE="1",
               https_proxy="http://127.0.0.1:9", http_proxy="http://127.0.0.1:9")
    facts = json.loads(done.stdout)
    assert done.returncode == facts["status"] == 2
    assert "numpy" in facts["packages"]["missing"]
    assert "make setup" in facts["problems"][0]["remedy"]
    assert "packages are missing" in render(facts)
    assert facts["network"]["reachable"] is False


@pytest.mark.parametrize("body, error", [
    ("raise ImportError('libx.so.1: cannot open shared object file')", "libx.so.1"),
    ("import os; os.kill(os.getpid(), 4)", "status -4")])
def test_a_broken_package_is_named_even_if_it_ends_the_process(tmp_path, monkeypatch, body, error):
    (tmp_path / "statsmodels.py").write_text(body)
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{ROOT}")
    monkeypatch.setattr(imports, "PACKAGES", ("json", "statsmodels"))
    script = ("from helpers.doctor import imports; imports.device_facts = lambda: {}; "
              "imports.main(('json', 'statsmodels'))")
    (tmp_path / "look_at.py").write_text(script)
    own = doctor.run_python
    monkeypatch.setattr(doctor, "run_python", lambda _: own("look_at"))
    broken, _ = doctor.import_facts()
    assert [one["name"] for one in broken] == ["statsmodels"] and error in broken[0]["error"]


def test_every_package_that_the_helpers_import_is_tried():
    wanted = {"numpy", "torch", "torchvision", "scipy", "pandas", "pydantic", "matplotlib"}
    assert wanted <= set(imports.PACKAGES)


# ---- the network ---------------------------------------------------------------------------------

def test_addresses_are_those_of_the_profile():
    texts = reach.profile_texts([ROOT / "helpers" / "profiles"], "mini")
    assert {url.split("/")[2] for url in reach.addresses(texts)} >= {"github.com"}
    demo = reach.profile_texts([ROOT / "helpers" / "profiles"], "demo")
    assert reach.addresses(demo) == []


def test_an_owner_answers_or_not(served, monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    found = reach.reachable([f"{served[1]}/not-there", "http://127.0.0.1:9/"], timeout=1.0)
    assert [host["answers"] for host in found] == [True, False]
    assert found[1]["problem"]


# ---- the whole -----------------------------------------------------------------------------------

KEYS = {"format": int, "profile": str, "python": dict, "system": dict, "packages": dict,
        "device": dict, "folders": list, "network": dict, "profiles": dict,
        "profiles_problem": str, "problems": list, "status": int}
NOTEBOOK = {"number", "stem", "state", "needs", "downloads", "seconds_first", "seconds_again",
            "seconds_source", "memory_gb", "disk_gb"}


def test_keys_of_the_json_are_stable(gather):
    facts = json.loads(json.dumps(gather("mini")))
    assert {name: type(value) for name, value in facts.items()} == KEYS
    mini = facts["profiles"]["mini"]
    assert set(mini) == {"title", "data_kind", "device", "data", "checks", "notebooks",
                         "seconds_first", "problem"}
    assert all(set(one) == NOTEBOOK for one in mini["notebooks"])
    assert {"kind", "name", "state", "found", "expected", "remedy",
            "download"} == set(mini["checks"][0])


@pytest.mark.slow
def test_all_profiles_from_the_command_line(private):
    done = run("-m", "helpers.doctor", https_proxy="http://127.0.0.1:9")
    assert done.returncode == 0, done.stdout + done.stderr
    for name in ("demo", "mini", "paper"):
        assert name in done.stdout
    assert "needs network" in done.stdout and "PROFILE=mini" in done.stdout
