"""Every notebook that uses the localizer runs on localizers of other or fewer domains."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable

import matplotlib
import pytest
from support.domain_worlds import ROIS, WORLDS, dump_toml, write_domain_world

from helpers import lab
from helpers.core.errors import LabError
from helpers.core.paths import ROOT
from helpers.figures import style
from helpers.lesions import statistics as lesion_statistics
from helpers.selectivity.generalisation import same_preference_intervals
from helpers.selectivity.split_half import overlap_p
from helpers.stimuli.image_source import ImageSource

VERDICTS = {"supported", "contradicted", "inconclusive", "not testable here"}
TESTED = {"four": {"faces", "bodies", "objects", "scenes"}, "own": {"faces", "bodies", "scenes"},
          "two": {"faces", "scenes"}}
"""World -> domains of panel D of figure 01: what both image sets have."""
QUICK = {"own": ("00", "01", "02", "03", "04", "13", "14", "15"), "two": ("01", "02")}
RUNS = [pytest.param(world, number, marks=pytest.mark.slow if number in QUICK.get(world, ())
                     else pytest.mark.exhaustive) for world in TESTED for number in QUICK["own"]]
Run = Callable[[str, str], dict]


@pytest.fixture
def run(private, monkeypatch) -> Run:
    """Return a function that runs a notebook in a world, and returns what it saved."""
    matplotlib.use("agg")
    monkeypatch.setitem(same_preference_intervals.__kwdefaults__, "n_resamples", 49)
    monkeypatch.setitem(overlap_p.__kwdefaults__, "n_permutations", 19)
    monkeypatch.setattr(lesion_statistics, "N_RESAMPLES", 49)

    def run_notebook(world: str, number: str) -> dict:
        profile = private / f"{world}.toml"
        if not profile.exists():
            write_domain_world(private, world)
        source = next((ROOT / "notebooks").glob(f"{number}_*.py"))
        text = source.read_text(encoding="utf-8")
        assert 'profile = "demo"' in text
        text = text.replace('profile = "demo"', f"profile = {str(profile)!r}")
        exec(compile(text, source.stem, "exec"), {"__name__": "__main__"})
        path = private / "figures" / f"{source.stem}.json"
        return json.loads(path.read_text(encoding="utf-8"))

    yield run_notebook
    style.add_domains(())


@pytest.mark.parametrize(("world", "number"), RUNS)
def test_a_notebook_analyses_the_domains_that_the_localizer_has(world, number, run, private):
    saved = run(world, number)
    assert saved["claims"]
    assert {claim["verdict"] for claim in saved["claims"]} <= VERDICTS
    lacking = [claim for claim in saved["claims"] if "has no images of the domain" in claim["run"]]
    assert {claim["verdict"] for claim in lacking} <= {"not testable here"}
    if number == "01":
        assert lacking[0]["statement"].startswith("A network trained by contrast")
        assert "characters" in lacking[0]["run"]
        panel = (private / "figures" / "01_localize_selective_units-D.csv").read_text()
        assert {line.split(",")[1] for line in panel.splitlines()[1:]} == TESTED[world] | {"all"}
        counted = {name.rpartition(", ")[2] for name in saved["numbers"] if name.startswith("t of")}
        assert counted == WORLDS[world].keys() - {"scrambled", "objects"}


@pytest.mark.slow
@pytest.mark.parametrize("number", ["00", "01", "02", "03", "13", "14", "15"])
def test_one_domain_is_refused_before_a_network_sees_an_image(number, run, monkeypatch):
    monkeypatch.setattr(ImageSource, "batches", lambda *_, **__: pytest.fail("a forward pass"))
    with pytest.raises(LabError, match="one intact domain: tools"):
        run("one", number)


@pytest.mark.slow
def test_regions_of_other_domains_alone_are_refused_before_work_begins(run, private, monkeypatch):
    path = write_domain_world(private, "own")
    profile = tomllib.loads(path.read_text())
    profile["encoding"] |= {"rois": [*ROIS, "VWFA-1"], "curve_rois": ["VWFA-1"], "single_domain_rois": {}}
    path.write_text(dump_toml(profile))
    monkeypatch.setattr(ImageSource, "batches", lambda *_, **__: pytest.fail("a forward pass"))
    with pytest.raises(LabError, match=r"regions that respond to others: VWFA-1 \(characters\)"):
        run("own", "03")


@pytest.mark.slow
def test_a_second_set_with_fewer_than_two_common_domains_is_not_used(private, capsys):
    path = write_domain_world(private, "four")
    defining, independent = lab.open(str(path), notebook="99_test").independent_pair()
    assert defining.root == independent.root and not set(defining.files) & set(independent.files)
    assert "image set 'probe' has the domains faces, tools" in capsys.readouterr().out
    path = write_domain_world(private / "other", "own")
    defining, independent = lab.open(str(path), notebook="99_test").independent_pair()
    assert defining.root != independent.root
