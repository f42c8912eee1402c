"""The drawn world has the same bytes on every machine: those of the committed table."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.synthetic import canvas, digests, images
from data.synthetic.image_files import write_diet
from data.synthetic.participants import ENERGY_WEIGHT_BITS, PARAMETER_BITS, simulate_vertices
from helpers.config.data import TRAINING_ONLY
from helpers.config.profile import load_profile
from helpers.core.machine import WORKERS_VARIABLE
from helpers.core.paths import ROOT, data_dir
from helpers.datasets.prepare import ensure_available
from helpers.stimuli.quantization import NUDGE, grey_levels, levels, nearest, on_grid

DEMO = load_profile("demo")
DRAWN = {spec.source.removeprefix("synthetic:"): spec for spec in DEMO.sources.values()
         if spec.source not in TRAINING_ONLY}
"""Parts that figures show."""


def cpu_features_except(*kept: str) -> str:
    """Name what NumPy would otherwise use of this processor, except for some of it."""
    found = np.show_config(mode="dicts")["SIMD Extensions"].get("found", [])  # with SSE alone: none
    return " ".join(name for name in found if name not in kept)


MACHINES = {
    "AVX2": {"NPY_DISABLE_CPU_FEATURES": cpu_features_except("X86_V3", "AVX2", "FMA3", "ASIMDHP"),
             "OPENBLAS_CORETYPE": "Haswell", "OMP_NUM_THREADS": "1", WORKERS_VARIABLE: "1"},
    "SSE": {"NPY_DISABLE_CPU_FEATURES": cpu_features_except(), "OPENBLAS_CORETYPE": "Prescott",
            "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2,-FMA,-FMA4,-AVX512F", "JSIMD_FORCENONE": "1",
            "MKL_CBWR": "COMPATIBLE", "ATEN_CPU_CAPABILITY": "default", "OMP_NUM_THREADS": "2",
            WORKERS_VARIABLE: "2"},
}
"""Other processors, as far as libraries can be made to take this one for them."""
PROBE = """
import math, numpy as np
x = np.random.default_rng(0).random(200_000)
print(hash((np.exp(x).tobytes(), (x[:90_000].reshape(300, 300) @ x[:300]).tobytes(),
            tuple(map(math.sin, x.tolist())))))
"""


def run_on(machine: dict[str, str], *command: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, *command], cwd=ROOT, text=True, capture_output=True,
                          env=os.environ | machine | {"LAB_HEADLESS": "1", "PYTHONHASHSEED": "0"})


# ---- what is drawn ------------------------------------------------------------------------------

@pytest.mark.parametrize("part", digests.SAMPLE_WRITERS)
def test_a_sample_of_each_part_is_as_listed(part):
    assert digests.compute_sample_digests(part)[part] == digests.read_expected_digests(
        "samples")[part]


@pytest.mark.slow
@pytest.mark.parametrize("machine", [
    pytest.param("AVX2", marks=pytest.mark.exhaustive), "SSE"])  # the farthest one in make test
def test_another_machine_draws_the_same(machine):
    found = run_on(MACHINES[machine], "-m", "data.synthetic.digests")
    assert not found.returncode, found.stdout + found.stderr


@pytest.mark.slow
@pytest.mark.skipif(not cpu_features_except(), reason="NumPy finds no instructions to forget here")
def test_an_emulated_machine_computes_otherwise():
    """Else the test above would prove nothing."""
    here = run_on({}, "-c", PROBE).stdout
    assert here and here != run_on(MACHINES["SSE"], "-c", PROBE).stdout


@pytest.mark.slow
@pytest.mark.parametrize("part", DRAWN)
def test_the_demo_is_as_listed(part):
    folder = ensure_available(DEMO, DRAWN[part], data_dir(DEMO.data))
    assert digests.folder_digest(folder) == digests.read_expected_digests("whole")[part]


def test_the_table_lists_every_part():
    assert digests.read_expected_digests("samples").keys() == digests.SAMPLE_WRITERS.keys()
    assert digests.read_expected_digests("whole").keys() == DRAWN.keys()


@pytest.mark.parametrize(("module", "name", "value"), [
    (images, "LUMINANCE_MEAN", 0.51), (canvas, "SKINS", canvas.SKINS[:-1]),
    (canvas, "shade", lambda colour, factor: tuple(colour))])
def test_a_changed_drawing_is_reported(monkeypatch, capsys, module, name, value):
    for user in list(sys.modules.values()):
        if getattr(user, "__name__", "").startswith("data.synthetic") and hasattr(user, name):
            monkeypatch.setattr(user, name, value)
    monkeypatch.setattr(digests, "SAMPLE_WRITERS",
                        {"localizer": digests.SAMPLE_WRITERS["localizer"]})
    assert digests.main([]) == 1
    assert "drawn differently: localizer" in capsys.readouterr().out
    monkeypatch.undo()


def test_a_digest_tells_names_and_contents(tmp_path):
    (tmp_path / "a.txt").write_text("one")
    before = digests.folder_digest(tmp_path)
    (tmp_path / "a.txt").write_text("two")
    changed = digests.folder_digest(tmp_path)
    (tmp_path / "a.txt").rename(tmp_path / "b.txt")
    assert len({one["sha256"] for one in (before, changed, digests.folder_digest(tmp_path))}) == 3


# ---- edges between levels -----------------------------------------------------------------------

@given(st.integers(0, 255), st.integers(-64, 64))
def test_rounding_errors_move_no_exact_level(level, n_ulps):
    value = level + n_ulps * np.spacing(float(level or 1))
    assert levels(np.array([value])) == level
    half = level + 0.5 + n_ulps * np.spacing(level + 0.5)
    assert nearest(half) == level + 1
    assert grey_levels(np.array([half / 255])) == min(level + 1, 255)


def test_elsewhere_levels_are_those_of_rounding():
    values = np.random.default_rng(0).uniform(-20, 280, 10_000)
    np.testing.assert_array_equal(levels(values), np.clip(np.floor(values), 0, 255))
    np.testing.assert_array_equal(nearest(values), np.round(values))
    assert abs(on_grid(values, 10) - values).max() <= 2.0**-11 + NUDGE


def test_sums_of_a_sheet_are_exact():
    """Then products of matrices do not depend on the order in which a library adds."""
    vertices = simulate_vertices("subj01", "lh", seed=0)
    for values, bits in ((vertices.energy_weights, ENERGY_WEIGHT_BITS),
                         (vertices.weights, PARAMETER_BITS)):
        assert (values * 2.0**bits % 1 == 0).all()
        largest = 2.0**16 * np.abs(values).reshape(len(values), -1).sum(1).max() * 2.0**bits
        assert largest < 2.0**53


# ---- parts ---------------------------------------------------------------------------------------

def test_validation_images_do_not_depend_on_the_training_images(tmp_path):
    both = write_diet(tmp_path / "both", seed=7, n_train=48, n_val=48, size=32)
    alone = write_diet(tmp_path / "alone", seed=7, n_train=0, n_val=48, size=32)
    assert digests.folder_digest(both / "val") == digests.folder_digest(alone / "val")
    assert not (alone / "train").exists()
