"""Version, citation, changelog, the workflow and the issue forms agree with each other."""

from __future__ import annotations

import re
import tomllib
from datetime import date

import pytest
import yaml
from packaging.specifiers import SpecifierSet

from helpers.core.paths import ROOT
from helpers.setup import BELOW, LOWEST

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
CITATION = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
CHANGELOG = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
WORKFLOW = yaml.safe_load((ROOT / ".github/workflows/test.yml").read_text(encoding="utf-8"))
FORMS = sorted((ROOT / ".github/ISSUE_TEMPLATE").glob("*.yml"))


def releases() -> list[tuple[str, str]]:
    return re.findall(r"^## \[(\d+\.\d+\.\d+)\] - (\S+)$", CHANGELOG, re.MULTILINE)


def test_one_version():
    version, released = releases()[0]
    assert PROJECT["version"] == CITATION["version"] == version
    assert str(CITATION["date-released"]) == released == str(date.fromisoformat(released))


def test_the_changelog_keeps_its_form():
    versions = [tuple(map(int, version.split("."))) for version, _ in releases()]
    assert versions == sorted(versions, reverse=True) and len(set(versions)) == len(versions)
    assert CHANGELOG.index("## [Unreleased]") < CHANGELOG.index(f"## [{releases()[0][0]}]")
    assert set(re.findall(r"^### (.*)$", CHANGELOG, re.MULTILINE)) <= {
        "Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


def test_the_citation_names_the_four_papers():
    assert CITATION["cff-version"] == "1.2.0" and CITATION["type"] == "software"
    assert {"message", "title", "authors"} <= CITATION.keys()
    assert CITATION["license"] == PROJECT["license"] == "MIT"
    assert len(CITATION["references"]) == 4
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for paper in CITATION["references"]:
        assert re.fullmatch(r"10\.\d{4,}/\S+", paper["doi"])
        assert paper["doi"].removeprefix("10.48550/arXiv.") in readme
        assert all("family-names" in author for author in paper["authors"])
        assert paper["authors"][0]["family-names"] in readme


def test_the_setup_refuses_what_the_project_does_not_support():
    lowest, below = (".".join(map(str, version)) for version in (LOWEST, BELOW))
    assert SpecifierSet(PROJECT["requires-python"]) == SpecifierSet(f">={lowest},<{below}")
    assert f"{lowest} to 3.{BELOW[1] - 1}" in " ".join(
        (ROOT / "README.md").read_text(encoding="utf-8").split())


def machines() -> list[dict]:
    return WORKFLOW["jobs"]["test"]["strategy"]["matrix"]["include"]


def test_the_workflow_covers_every_supported_python():
    supported = SpecifierSet(PROJECT["requires-python"])
    expected = {f"3.{minor}" for minor in range(30) if supported.contains(f"3.{minor}.99")}
    assert {machine["python"] for machine in machines()} == expected
    assert all(isinstance(machine["python"], str) for machine in machines())  # 3.10 is not 3.1


@pytest.mark.parametrize("system", ["ubuntu-24.04", "ubuntu-24.04-arm", "macos"])
def test_the_workflow_covers_the_promised_machines(system):
    assert [machine for machine in machines() if machine["os"].startswith(system)]


def test_the_workflow_runs_targets_that_exist():
    targets = set(re.findall(r"^([a-z%-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    asked = {machine["make"] for machine in machines()}
    assert "test" in asked and asked <= targets
    for job in WORKFLOW["jobs"].values():
        for step in job["steps"]:
            for target in re.findall(r"\bmake ([a-z]+)", step.get("run", "")):
                assert target in targets or f"{target}-%" in targets, step


@pytest.mark.parametrize("path", [path for path in FORMS if path.name != "config.yml"],
                         ids=lambda path: path.stem)
def test_issue_forms_ask_for_the_doctor(path):
    form = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert {"name", "description", "body"} <= form.keys()
    fields = [item for item in form["body"] if item["type"] != "markdown"]
    assert all(item["type"] in ("input", "textarea", "dropdown", "checkboxes") for item in fields)
    names = [item["id"] for item in fields]
    assert len(set(names)) == len(names)
    assert all(item["attributes"]["label"] for item in fields)
    doctor, = (item for item in fields if item["id"] == "doctor")
    assert "make doctor DOCTOR=--json" in doctor["attributes"]["description"]


def test_there_are_forms_for_errors_and_for_questions():
    assert {"bug.yml", "question.yml"} <= {path.name for path in FORMS}
