"""The ncsnr of single vertices, and betas that do not fit the released one."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from support import brain_files as files

from helpers.brains.nsd import NSD
from helpers.brains.nsd_files import TABLE
from helpers.brains.reliability import check_released_ncsnr, ncsnr, ncsnr_noise_ceiling
from helpers.core.errors import LabError


def simulate(n_conditions: int, ratio: np.ndarray, *, seed: int = 0) -> np.ndarray:
    """Draw z-scored betas (n_conditions, 3, n_vertices) of vertices with a known ncsnr."""
    rng = np.random.default_rng(seed)
    signal = rng.normal(size=(n_conditions, 1, len(ratio))) * ratio
    betas = signal + rng.normal(size=(n_conditions, 3, len(ratio)))
    return betas / betas.reshape(-1, len(ratio)).std(0)


@pytest.mark.parametrize("wrong", [np.zeros((5, 1, 3)), np.zeros((5, 3)), np.zeros((1, 3, 3))])
def test_without_repeats_there_is_no_ncsnr(wrong):
    with pytest.raises(LabError, match="betas of shape"):
        ncsnr(wrong)


def test_parts_of_vertices_give_the_same(monkeypatch):
    betas = simulate(30, np.linspace(0, 2, 50)).astype(np.float32)
    whole = ncsnr(betas)
    monkeypatch.setattr("helpers.brains.reliability.VERTICES_AT_ONCE", 7)
    np.testing.assert_allclose(ncsnr(betas), whole, rtol=1e-12)


def test_ncsnr_is_nsds_definition_written_out():
    betas = simulate(50, np.linspace(0, 2, 21))
    found = ncsnr(betas)
    for vertex in range(21):
        noise = np.mean([np.var(image[:, vertex], ddof=1) for image in betas])
        assert found[vertex] == pytest.approx(np.sqrt(max(0, 1 - noise)) / np.sqrt(noise))


@pytest.mark.parametrize("unit_variance", [True, False])
def test_ncsnr_finds_the_planted_ratio(unit_variance):
    rng = np.random.default_rng(0)
    planted = np.linspace(0.2, 2, 10)
    truth = rng.normal(size=(8000, 1, 10)) * planted
    betas = (truth + rng.normal(size=(8000, 3, 10))) / np.sqrt(1 + planted**2)
    if not unit_variance:
        betas *= np.linspace(1, 50, 10)
    np.testing.assert_allclose(ncsnr(betas, unit_variance=unit_variance), planted, atol=0.05)


def test_measured_signal_variance_is_unbiased_with_few_images():
    rng = np.random.default_rng(0)
    betas = 5 * rng.normal(size=(8, 1, 20_000)) + rng.normal(size=(8, 2, 20_000))
    noise = betas.var(1, ddof=1).mean(0)
    signal = ncsnr(betas, unit_variance=False) ** 2 * noise
    assert signal.mean() == pytest.approx(25, rel=0.02)


def test_vertices_without_data_stay_nan_and_spoil_no_other():
    betas = simulate(50, np.linspace(0, 2, 21))
    expected = ncsnr(betas)
    betas[3, 1, 7] = np.nan
    found = ncsnr(betas)
    assert np.isnan(found[7])
    np.testing.assert_array_equal(np.delete(found, 7), np.delete(expected, 7))


def test_a_vertex_of_noise_alone_has_no_ncsnr():
    betas = np.random.default_rng(0).normal(size=(5000, 3, 200))
    found = ncsnr(betas)
    assert (found == 0).mean() > 0.3 and found.max() < 0.3


def test_an_ncsnr_of_point_three_is_21_percent_with_three_repeats():
    assert ncsnr_noise_ceiling(0.3, 3) == pytest.approx(0.213, abs=5e-4)
    assert ncsnr_noise_ceiling(np.array([0.0, 1.0]), 1).tolist() == [0, 0.5]


def test_the_ncsnr_ceiling_is_the_squared_correlation_with_the_truth():
    rng = np.random.default_rng(0)
    truth = rng.normal(size=100_000) * 0.7
    for n in (1, 2, 5):
        seen = truth + rng.normal(size=truth.size) / np.sqrt(n)
        r = np.corrcoef(truth, seen)[0, 1]
        assert ncsnr_noise_ceiling(0.7, n) == pytest.approx(r**2, abs=0.01)


# ---- betas of another participant, a table of another release -------------------------------

RATIO = np.random.default_rng(1).gamma(2, 0.25, 400)


@pytest.mark.parametrize("value", [0.1, 1 / 3, 0.7])
def test_a_released_ncsnr_that_does_not_vary_says_nothing_about_vertices(value):
    """The standard deviation of such values is not exactly 0 in float32."""
    check_released_ncsnr(simulate(300, RATIO), np.full(400, value, np.float32), "subj01")


def test_betas_that_fit_the_released_ncsnr_pass():
    betas = simulate(300, RATIO)
    check_released_ncsnr(betas, ncsnr(simulate(4000, RATIO, seed=3)).astype(np.float32), "subj01")
    betas[250:, 2] = np.nan
    check_released_ncsnr(betas, RATIO, "subj01")
    check_released_ncsnr(betas, np.full(400, np.nan), "subj01")


@pytest.mark.parametrize("n_conditions, n_vertices", [(1000, 100), (60, 400)])
def test_betas_of_another_participant_are_refused(n_conditions, n_vertices):
    other = np.random.default_rng(2).permutation(RATIO[:n_vertices])
    with pytest.raises(LabError, match="subj01: the released ncsnr") as caught:
        check_released_ncsnr(simulate(n_conditions, other), RATIO[:n_vertices], "subj01")
    assert "one participant" in caught.value.expected


def test_repeats_of_different_images_are_refused():
    betas = simulate(300, RATIO)
    mixed = np.stack([np.roll(betas[:, k], 50 * k, axis=0) for k in range(3)], axis=1)
    with pytest.raises(LabError, match="share .*% of the variance, the released ncsnr implies"):
        check_released_ncsnr(mixed, RATIO, "subj01")


@pytest.mark.parametrize("seed", range(30))
def test_little_or_weak_data_of_the_right_participant_are_never_refused(seed):
    rng = np.random.default_rng(seed)
    n_conditions, n_vertices = rng.integers(10, 60), rng.integers(10, 200)
    ratio = rng.gamma(2, rng.choice([0.02, 0.1, 0.25, 0.5]), n_vertices)
    check_released_ncsnr(simulate(n_conditions, ratio, seed=seed), ratio, "subj01")


def test_a_table_of_another_release_is_refused_where_the_cohort_is_read(tmp_path):
    root = files.write_tiny_nsd(tmp_path, n_subjects=2, constant=None)
    NSD(root, n_pool=4, n_batches=2, n_shared=0).responses("subj01", ["FFA-1"])
    table = pd.read_csv(root / TABLE)
    for repeat in (1, 2):
        column = f"subject1_rep{repeat}"
        shown = table[column] > 0
        table.loc[shown, column] = np.roll(table.loc[shown, column], 9 * repeat)
    table.to_csv(root / TABLE, index=False)
    cohort = NSD(root, n_pool=4, n_batches=2, n_shared=0)
    with pytest.raises(LabError, match="subj01: repeats of"):
        cohort.whole_brain("subj01", -1)
