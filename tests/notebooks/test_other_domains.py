"""Every notebook that uses the localizer runs on localizers of other or fewer domains."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import matplotlib
import pytest
from support.domain_worlds import WORLDS, write_domain_world

from helpers.core.errors import LabError
from helpers.core.paths import ROOT
from helpers.figures import style

NOTEBOOKS = ("00", "01", "02", "03", "04", "13", "14", "15")
VERDICTS = {"supported", "contradicted", "inconclusive", "not testable here"}


@pytest.fixture
def run(private, monkeypatch) -> Callable[[str, str], dict]:
    """Return a function that runs a notebook in a world, and returns what it saved."""
    matplotlib.use("agg")
    monkeypatch.syspath_prepend(ROOT / "tests")
    yield lambda number, world: _run(private, number, world)
    style.add_domains(())


def _run(private, number: str, world: str) -> dict:
    profile = private / f"{world}.toml"
    if not profile.exists():
        write_domain_world(private, world)
    source = next((ROOT / "notebooks").glob(f"{number}_*.py"))
    text = source.read_text(encoding="utf-8")
    assert 'profile = "demo"' in text
    text = text.replace('profile = "demo"', f"profile = {str(profile)!r}")
    exec(compile(text, source.stem, "exec"), {"__name__": "__main__"})
    return json.loads((private / "figures" / f"{source.stem}.json").read_text(encoding="utf-8"))


@pytest.mark.slow
@pytest.mark.parametrize("world", ["four", "own", "two"])
def test_every_notebook_runs_on_the_domains_that_the_localizer_has(world, run, private):
    saved = {number: run(number, world) for number in NOTEBOOKS}
    for number, content in saved.items():
        assert content["claims"], number
        assert {claim["verdict"] for claim in content["claims"]} <= VERDICTS
    lacking = {number: [claim for claim in content["claims"] if "has no images of" in claim["run"]]
               for number, content in saved.items()}
    assert lacking["01"]
    for number, claims in lacking.items():
        assert {claim["verdict"] for claim in claims} <= {"not testable here"}, number
    by_layer = next(value for name, value in saved["01"]["numbers"].items()
                    if name.startswith("selective share, "))
    assert by_layer
    drawn = (private / "figures" / "01_localize_selective_units-D.csv").read_text()
    shared = {"four": WORLDS["four"].keys() - {"scrambled"}, "own": {"faces", "bodies", "scenes"},
              "two": {"faces", "scenes"}}[world]
    assert {line.split(",")[1] for line in drawn.splitlines()[1:]} == shared | {"all"}
