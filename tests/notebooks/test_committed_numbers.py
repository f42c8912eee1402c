"""The demo, run on this machine, against the committed outputs: verdicts, and numbers in tolerance.

`make test` runs the demo's notebooks first and says in ``LAB_FIGURES`` where their files lie.
Tolerances are measured by `benchmarks/machines.py` and lie beside the committed files.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from helpers.core.paths import FIGURES_VARIABLE, ROOT, figures_dir
from helpers.runner.comparison import compare_numbers, flatten_numbers
from helpers.runner.notebooks import list_sources

COMMITTED = ROOT / "figures" / "demo"
TOLERANCES = COMMITTED / "tolerances.json"
MADE = figures_dir("demo") if os.environ.get(FIGURES_VARIABLE) else None
STEMS = [path.stem for path in list_sources()]


def read(path: Path) -> dict:
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.mark.skipif(MADE is None, reason="no run of the demo to compare: make test makes one")
@pytest.mark.parametrize("stem", STEMS)
def test_this_machine_agrees_with_the_committed_run(stem):
    committed, found = read(COMMITTED / f"{stem}.json"), read(MADE / f"{stem}.json")
    assert [claim["statement"] for claim in found["claims"]] == [
        claim["statement"] for claim in committed["claims"]]
    assert compare_numbers(committed, found, read(TOLERANCES).get(stem, {})) == []


def test_committed_notebooks_were_made_from_the_same_data():
    """A notebook that was left out when the demo was published again names other data."""
    digests: dict[str, dict[str, str]] = {}
    for stem in STEMS:
        for name, digest in read(COMMITTED / f"{stem}.json")["provenance"]["inputs"].items():
            digests.setdefault(name, {})[stem] = digest
    assert {name: found for name, found in digests.items() if len(set(found.values())) > 1} == {}


def test_tolerances_belong_to_committed_numbers():
    assert TOLERANCES.is_file(), "record them: python benchmarks/machines.py --record"
    for stem, allowed in read(TOLERANCES).items():
        numbers = flatten_numbers(read(COMMITTED / f"{stem}.json"))
        assert allowed.keys() <= numbers.keys(), stem
        assert all(isinstance(numbers[name], int | float) for name in allowed), stem
