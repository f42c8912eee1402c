"""The benchmark at the published size, run at a toy size: every step works, and is reported."""

from __future__ import annotations

import importlib.util
import sys

import numpy as np
import pytest

from helpers.brains.nsd import NSD
from helpers.brains.splits import TRIALS
from helpers.core.paths import ROOT


@pytest.fixture(scope="module")
def scale():
    spec = importlib.util.spec_from_file_location("paper_scale",
                                                  ROOT / "benchmarks/paper_scale.py")
    module = sys.modules["paper_scale"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    del sys.modules["paper_scale"]


@pytest.fixture(scope="module")
def root(scale, tmp_path_factory):
    folder = tmp_path_factory.mktemp("scale")
    scale.write_files(folder, scale.TOY)
    return folder


@pytest.mark.slow
def test_every_step_runs_and_is_reported(scale, root, private):
    found = {name: scale.run_step(name, root, scale.TOY) for name in scale.STEPS}
    for name, result in found.items():
        assert result["seconds"] > 0 and 0 < result["done"] <= result["whole"], name
        assert result["peak"] >= result["base"] > 0, name
    rows = scale.report(found, scale.TOY).split("\n")
    assert sum(row.startswith(("| 0", "| 1")) for row in rows) == len(scale.STEPS) + len(
        scale.TOTALS)


@pytest.mark.slow
def test_a_step_in_a_process_of_its_own(scale, root):
    result = scale.measure("digests", root, toy=True)
    assert result["unit"] == "GB" and result["peak"] > 0


def test_files_have_the_published_layout(scale, root):
    cohort = NSD(root / "nsd", n_shared=0, n_pool=scale.TOY.n_pool, space="func1pt8mm")
    assert cohort.n_sessions == {"subj01": scale.TOY.sessions[0]}
    seen = cohort.info[["subject1_rep0", "subject1_rep1", "subject1_rep2"]].to_numpy()
    assert (np.sort(seen[seen > 0]) == np.arange(1, 2 * TRIALS + 1)).all()
    assert scale.FULL.n_images == 73_000


def test_sliced_sessions_leave_the_arrays_as_large_and_are_counted(scale, root):
    cohort = scale.open_nsd(root, scale.TOY, "nativesurface")
    with scale.slice_of_sessions(1) as seconds:
        sliced = cohort.responses("subj01", ["FFA-1"])
    whole = cohort.responses("subj01", ["FFA-1"])
    assert len(seconds) == 2 and sliced.betas.shape == whole.betas.shape
    np.testing.assert_array_equal(sliced.betas, whole.betas)  # all sessions are one file


@pytest.mark.parametrize("change, cell", [
    ({}, "| 2.0 GB |"), ({"extra_bytes": 2**30}, "3.0 GB, extrapolated"),
    ({"factor": 30.0}, "31.0 GB, extrapolated, **above 24 GB**"), ({"done": 1.0}, "20.0 s, extra"),
    ({"rest": 7.0}, "| 17.0 s |"), ({"failed": "no memory"}, "cannot run at this size: no memory")])
def test_a_row_says_what_is_extrapolated(scale, change, cell):
    plain = {"seconds": 10.0, "done": 2.0, "whole": 2.0, "unit": "file", "rest": 0.0,
             "extra_bytes": 0, "factor": 1.0, "base": 2**30, "peak": 2 * 2**30}
    assert cell in "| " + " | ".join(scale.table_row("surface", plain | change)) + " |"


@pytest.mark.slow
def test_a_step_that_fails_says_why(scale, tmp_path):
    assert "nsd" in scale.measure("surface", tmp_path, toy=True)["failed"]
