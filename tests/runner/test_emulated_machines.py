"""The drill: machines differ as they say, and what moved is found, measured and judged."""

from __future__ import annotations

import ast
import importlib.util
import json
import os
import platform
import subprocess
import sys

import pytest

from helpers.core.paths import ROOT
from helpers.runner.comparison import compare_numbers
from helpers.runner.notebooks import list_sources

_spec = importlib.util.spec_from_file_location("machines", ROOT / "benchmarks" / "machines.py")
machines = importlib.util.module_from_spec(_spec)
sys.modules["machines"] = machines
_spec.loader.exec_module(machines)

EMULATED = machines.SSE.keys() | machines.AVX2.keys()
"""Variables that make this very process another machine, where `make test` runs as one."""
STEM, OTHER = "01_localize_selective_units", "13_compare_vision_and_language"
PROBE = """
import hashlib, numba, numpy as np, torch
from threadpoolctl import threadpool_info
rng = np.random.default_rng(0)
x = rng.random((64, 96))
f, images, filters = (torch.from_numpy(rng.random(shape, np.float32))
                      for shape in ((64, 96), (4, 16, 20, 20), (16, 16, 3, 3)))

@numba.njit(fastmath={"reassoc", "contract"})
def dot(x, y):
    total = 0.0
    for i in range(len(x)):
        total += x[i] * y[i]
    return total

found = {"exp in NumPy": np.exp(x), "product in NumPy": x @ x.T, "product in torch": f @ f.T,
         "convolution": torch.conv2d(images, filters), "softmax": torch.softmax(f, 1),
         "pow in C": np.array([value ** 1.7 for value in rng.random(9999).tolist()]),
         "sums in Numba": np.array([dot(x[i], x[i + 1]) for i in range(60)])}
print({name: hashlib.sha256(np.asarray(a).tobytes()).hexdigest() for name, a in found.items()}
      | {"capability": torch.backends.cpu.get_cpu_capability(), "blas": sorted(
         {pool["architecture"] for pool in threadpool_info() if "architecture" in pool})})
"""


def probed(environment) -> dict:
    done = subprocess.run([sys.executable, "-c", PROBE], capture_output=True, text=True, check=True,
                          env={**os.environ, **environment})
    return ast.literal_eval(done.stdout)


@pytest.mark.slow
@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="not an x86 processor")
@pytest.mark.skipif(bool(EMULATED & os.environ.keys()), reason="the tests run as another machine")
def test_a_machine_with_sse_alone_rounds_differently_in_every_library():
    here, sse = probed({"OMP_NUM_THREADS": "1"}), probed(machines.MACHINES["sse"].environment)
    assert (sse["capability"], sse["blas"]) == ("DEFAULT", ["Nehalem"])
    if here["capability"] == "DEFAULT":
        pytest.skip("this processor has SSE alone")
    same = [name for name in here if here[name] == sse[name]]
    assert same == [], f"{same} did not change"


def content(**values) -> dict:
    claims = [{"statement": "faces come first", "run": "r", "verdict": "supported", "mean": 0.5,
               "low": 0.25, "high": 0.75, "rule": "d, 95 % interval above 0"}]
    return {"claims": claims, "provenance": {"inputs": {"cohort": "drawn"}},
            "numbers": {"units": {"face": 10, "house": 0.5, "word": None},
                        "all": 0.3, **values}}


def test_distances_are_measured_and_tolerances_hold_what_was_seen():
    committed = content()
    one, two = content(all=0.3004), content(all=0.2991)
    two["claims"][0] |= {"low": 0.26, "verdict": "inconclusive"}
    assert machines.distances(committed, one)["all"] == pytest.approx(4e-4)
    allowed = machines.measured(committed, [one, two])
    assert allowed == {"all": 0.0027, "claims/1/low": 0.03}
    assert machines.measured(committed, [committed]) == {}
    assert compare_numbers(committed, one, allowed) == []
    assert compare_numbers(committed, two, allowed) == [
        "claims/1/verdict: supported became inconclusive"]
    assert machines.verdicts_moved(committed, one) == []
    assert machines.verdicts_moved(committed, two) == [
        "faces come first: supported (r) became inconclusive (r)"]
    ratio, number = machines.worst(committed, one, allowed)
    assert (round(ratio, 4), number) == (round(4 / 27, 4), "all")
    assert machines.worst(committed, one, {})[0] == pytest.approx(4)
    for value in (0.0999, 1e-9, 3.0, 7.01, 120.5):
        assert value <= machines._rounded_up(value) <= 1.1 * value


@pytest.mark.parametrize(("rule", "intervals", "depends"), [
    ("interval above 0", [(.25, .75), (.2, .7)], False),
    ("interval above 0", [(.25, .75), (.12, .7)], True),
    ("interval above 0; rests on one", [(.12, .75), (.25, .7)], True),
    ("interval below 0", [(-.75, -.25), (-.7, -.12)], True),
    ("interval below 0", [(-.75, -.25), (-.7, -.14)], False),
    ("interval above 0", [(-.5, .75), (-.1, .7)], False),
    ("interval above 0", [(None, None), (.1, .7)], False),
    ("interval within ±0.05", [(.01, .04), (.001, .04)], False),
    ("interval below 5%", [(.01, .04), (.001, .04)], False)])
def test_a_bound_nearer_to_the_edge_than_machines_differ_depends_on_the_machine(
        rule, intervals, depends):
    same = [{"verdict": "supported", "rule": f"d, 95 % {rule}", "low": low, "high": high}
            for low, high in intervals]
    assert machines.depends_on_the_machine(same) is depends
    same[1]["verdict"] = "inconclusive"
    assert machines.depends_on_the_machine(same)


@pytest.fixture
def drill(private, monkeypatch):
    """Committed outputs of two notebooks, and a runner that writes what it is asked to."""
    committed = private / "committed"
    committed.mkdir()
    for stem in (STEM, OTHER):
        (committed / f"{stem}.json").write_text(json.dumps(content()))
    monkeypatch.setattr(machines, "COMMITTED", committed)
    monkeypatch.setattr(machines, "TOLERANCES", committed / "tolerances.json")
    monkeypatch.setattr(machines, "MACHINE_DEPENDENT", committed / "machine_dependent.json")
    monkeypatch.setattr(machines, "ROOT", private)
    monkeypatch.setattr(machines, "RUNS", private / "runs")
    runner = private / "helpers"
    runner.mkdir()
    (runner / "__init__.py").touch()
    (runner / "lab.py").touch()
    (runner / "runner.py").write_text("""
import json, os, pathlib, sys
folder = pathlib.Path(os.environ["LAB_FIGURES"]); folder.mkdir(exist_ok=True)
cache = pathlib.Path(os.environ["LAB_CACHE"]); (cache / "runs").mkdir(parents=True, exist_ok=True)
(cache / "features").mkdir(exist_ok=True)
found = json.load(open(os.environ["FOUND"])).get(os.environ.get("ATEN_CPU_CAPABILITY", "here"))
with open(os.environ["FOUND"] + ".log", "a") as log: print(*sys.argv[1:], file=log)
for stem in sys.argv[sys.argv.index("--only") + 1:]:
    (folder / f"{stem.strip()}.json").write_text(json.dumps(found))
sys.exit(int(os.environ.get("STATUS", 0)))
""")
    monkeypatch.setenv("FOUND", str(private / "found"))
    for name in (*EMULATED, "PYTHONPATH"):
        monkeypatch.delenv(name, raising=False)

    def report(**found):
        (private / "found").write_text(json.dumps(found))
    report.folder = private
    return report


def test_the_drill_fails_where_a_verdict_or_a_number_moved_and_records_tolerances(
        drill, capsys, monkeypatch):
    arguments = ["--machines", "here", "sse", "--only", "01", "13"]
    drill(here=content(), default=content(all=0.305))
    assert machines.main(arguments) == 1
    said = capsys.readouterr().out
    assert f"{STEM}: all: 0.3 became 0.305" in said and "50.00" in said
    assert machines.main([*arguments, "--record"]) == 0
    tolerances = json.loads((drill.folder / "committed/tolerances.json").read_text())
    assert tolerances == {STEM: {"all": 0.015}, OTHER: {"all": 0.015}}
    flipped = content(all=0.305)
    flipped["claims"][0]["verdict"] = "contradicted"
    drill(here=content(), default=flipped)
    assert machines.main(arguments) == 1
    assert "faces come first: supported (r) became contradicted (r)" in capsys.readouterr().out
    assert json.loads((drill.folder
                       / "committed/machine_dependent.json").read_text()) == {"demo": {}}
    machines.main([*arguments, "--record"])
    drill(here=content(), default=content())
    assert machines.main([*arguments, "--record"]) == 0
    assert json.loads((drill.folder / "committed/machine_dependent.json").read_text()) == {
        "demo": {stem: ["faces come first"] for stem in (STEM, OTHER)}}, "what turned once stays"
    monkeypatch.setenv("STATUS", "1")
    assert machines.main(arguments) == 1
    monkeypatch.setenv("STATUS", "130")
    assert machines.main(arguments) == 130
    assert "goes on" in capsys.readouterr().err


def test_a_machine_has_a_folder_of_its_own_and_keeps_only_stamps(drill):
    drill(here=content(), default=content())
    assert machines.main(["--machines", "two-workers", "--only", "1"]) == 0
    folder = drill.folder / "cache/machines/two-workers"
    assert [path.name for path in (folder / "cache").iterdir()] == ["runs"]
    assert (folder / f"figures/{STEM}.json").is_file()
    assert machines.main(["--machines", "two-workers", "--only", "1", "--keep", "--force"]) == 0
    assert (folder / "cache/features").is_dir()
    first, second = (drill.folder / "found.log").read_text().splitlines()
    assert first == f"--jobs 1 --only {STEM}" and second == f"{first} --force"


def test_another_real_machine_counts_by_the_statements_of_its_claims(drill, capsys):
    drill(here=content())
    other = drill.folder / "runs" / "another-processor"
    other.mkdir(parents=True)
    moved = content(all=0.31)
    moved["claims"] = [{**moved["claims"][0], "statement": "dropped since"},
                       {**moved["claims"][0], "verdict": "inconclusive", "low": 0.2}]
    (other / f"{STEM}.json").write_text(json.dumps(moved))
    arguments = ["--machines", "here", "--only", "01", "--others", str(other)]
    assert machines.main(arguments) == 1
    said = capsys.readouterr().out
    assert "faces come first: supported (r) became inconclusive (r)" in said
    assert f"{STEM}: all: 0.3 became 0.31" in said and "dropped since" not in said
    machines.main([*arguments, "--record"])
    recorded = drill.folder / "committed"
    assert json.loads((recorded / "machine_dependent.json").read_text()) == {
        "demo": {STEM: ["faces come first"]}}
    assert json.loads((recorded / "tolerances.json").read_text()) == {
        STEM: {"all": 0.03, "claims/1/low": 0.15}}
    (other / f"{STEM}.json").write_text(json.dumps(moved | {
        "provenance": {"inputs": {"cohort": "drawn before"}}}))
    assert machines.other_machine(other, [STEM]).found == {}
    assert f"{STEM} was run on other data or networks" in capsys.readouterr().out
    (drill.folder / "empty").mkdir()
    assert machines.main(["--machines", "--others", str(drill.folder / "empty")]) == 2
    assert "no file of claims and numbers" in capsys.readouterr().err


@pytest.mark.parametrize("folder", sorted(machines.RUNS.iterdir()), ids=lambda path: path.name)
def test_the_committed_verdicts_and_numbers_are_those_of_other_real_machines(folder, capsys):
    stems = [path.stem for path in list_sources()]
    assert machines.report({folder.name: machines.other_machine(folder, stems)}, stems), (
        capsys.readouterr().out)


def test_a_command_is_run_as_a_machine_with_a_cache_of_its_own(capfd):
    command = 'test "$ONEDNN_MAX_CPU_ISA" = AVX2 && echo "$LAB_CACHE"'
    assert machines.main(["--machines", "avx2", "--run", command]) == 0
    assert "avx2-command" in capfd.readouterr().out
    assert machines.main(["--machines", "avx2", "sse", "--run", command]) == 1
    assert "failed as sse" in capfd.readouterr().out
