"""Distances between predictions and the map made from them, against direct computation."""

from __future__ import annotations

import mmap
import runpy
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.core.errors import LabError
from helpers.core.paths import ROOT
from helpers.landscape import distances as d
from helpers.landscape.inpca import fit_inpca


def predictions(n_models=7, n_images=30, n_classes=5, seed=0, sharp=3.0):
    rng = np.random.default_rng(seed)
    logits = torch.from_numpy(sharp * rng.normal(size=(n_models, n_images, n_classes))).float()
    return logits.log_softmax(-1).numpy()


def direct(log_probs):
    """The formula, image by image, in float64."""
    root = np.sqrt(np.exp(log_probs.astype(np.float64)))
    overlap = np.einsum("unc,vnc->nuv", root, root)
    found = -np.log(np.clip(overlap, np.exp(-d.MAX_DISTANCE), 1)).mean(0)
    np.fill_diagonal(found, 0)
    return found


@pytest.fixture(params=[1, 2, 3])
def threads(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    assert torch.get_num_threads() == request.param, "the caller's setting was not restored"
    torch.set_num_threads(before)


@pytest.mark.slow
@pytest.mark.parametrize("budget", [2**28, 2**12, 1])
@pytest.mark.parametrize(("cached", "tile"), [(2**22, 48), (4 * 7 * 5 * 2, 3), (1, 1)])
def test_distances_are_those_of_the_formula_however_they_are_cut(budget, cached, tile, threads,
                                                                 monkeypatch):
    monkeypatch.setattr(d, "MEMORY_BUDGET", budget)
    monkeypatch.setattr(d, "CACHE_BYTES", cached)
    monkeypatch.setattr(d, "TILE", tile)
    log_probs = predictions(n_images=31)
    read, asked = d.block_from_array(log_probs), []

    def block(start, stop):
        asked.append((start, stop, torch.get_num_threads()))
        return read(start, stop)

    found = d.bhattacharyya(block, *log_probs.shape)
    np.testing.assert_allclose(found, direct(log_probs), atol=1e-6, rtol=0)
    assert (found == found.T).all() and (np.diag(found) == 0).all() and found.min() >= 0
    assert (found == d.bhattacharyya(block, *log_probs.shape)).all(), "not the same twice"
    more = predictions(4, 31, seed=1)
    both = d.concatenate_blocks([read, d.block_from_array(more)])
    np.testing.assert_allclose(d.bhattacharyya(both, 11, 31, 5),
                               direct(np.concatenate([log_probs, more])), atol=1e-6, rtol=0)
    starts, stops, with_threads = zip(*asked[:len(asked) // 2])
    assert starts[0] == 0 and starts[1:] == stops[:-1] and stops[-1] == 31
    assert set(with_threads) == {threads}, "a reader may compute with all threads"


def test_thousands_of_models():
    log_probs = predictions(2100, 3, 4)
    found = d.bhattacharyya(d.block_from_array(log_probs), *log_probs.shape)
    np.testing.assert_allclose(found, direct(log_probs), atol=1e-6, rtol=0)
    assert (found == found.T).all()


def test_threads_have_sums_of_their_own_unless_these_are_large(threads):
    assert d._n_workers(142**2, "cpu") == threads
    assert d._n_workers(10_000**2, "cpu") == 1 == d._n_workers(142**2, "cuda")


def test_rounding_makes_no_distance_negative():
    log_probs = np.tile(predictions(60, 1, 1000), (2, 1, 1))
    found = d.bhattacharyya(d.block_from_array(log_probs), *log_probs.shape)
    assert found.min() >= 0
    np.testing.assert_allclose(np.diag(found, 60), 0, atol=1e-5)  # sums of float32


@pytest.mark.parametrize("condition", [np.float16, np.float64])
def test_other_floats_are_read_as_they_are(condition):
    log_probs = predictions().astype(condition)
    before = log_probs.copy()
    found = d.bhattacharyya(d.block_from_array(log_probs), *log_probs.shape)
    np.testing.assert_allclose(found, direct(log_probs), atol=1e-6, rtol=0)
    assert (log_probs == before).all()
    leaf = torch.from_numpy(log_probs).requires_grad_()
    assert (d.bhattacharyya(d.block_from_array(leaf), *log_probs.shape) == found).all()


def test_models_that_share_nothing_are_at_the_cap_and_tiny_probabilities_are_safe():
    log_probs = np.full((3, 4, 3), -np.inf, np.float32)
    log_probs[0, :, 0] = log_probs[1, :, 1] = 0
    log_probs[2] = np.log([1e-38, 1 - 2e-8, 2e-8])
    found = d.bhattacharyya(d.block_from_array(log_probs), *log_probs.shape)
    assert found[0, 1] == pytest.approx(d.MAX_DISTANCE)
    assert found[0, 2] == pytest.approx(-0.5 * np.log(1e-38), rel=1e-4)


def test_the_cap_holds_image_by_image_and_not_for_sums():
    """Certain models that differ on 3 of 8 images; one that is certain up to exp(-160)."""
    certain, n_classes = np.arange(8) % 4, 4
    other = np.where(np.arange(8) < 3, (certain + 1) % 4, certain)
    nearly = d.truth_model(certain, n_classes)(0, 8).clamp(min=-160.0)
    blocks = [d.truth_model(certain, n_classes), d.truth_model(other, n_classes),
              lambda start, stop: nearly[:, start:stop]]
    found = d.bhattacharyya(d.concatenate_blocks(blocks), 3, 8, n_classes)
    assert found[0, 1] == pytest.approx(d.MAX_DISTANCE * 3 / 8, abs=1e-12)
    assert found[1, 2] == pytest.approx(80 * 3 / 8, abs=1e-5)
    assert found[0, 2] == 0


def test_truth_and_ignorance():
    labels, n_classes = np.array([0, 2, 1, 1]), 3
    both = d.concatenate_blocks([d.truth_model(labels, n_classes), d.ignorance_model(n_classes)])
    found = d.bhattacharyya(both, 2, 4, n_classes)
    assert found[0, 1] == pytest.approx(0.5 * np.log(3), abs=1e-6)
    log_probs = predictions(4, 4, 3)
    far = d.bhattacharyya(d.concatenate_blocks([
        d.block_from_array(log_probs), d.truth_model(labels, 3)]), 5, 4, 3)[4, :4]
    expected = -0.5 * log_probs[:, np.arange(4), labels].mean(1)
    np.testing.assert_allclose(far, expected, atol=1e-5)


def spoiled(value):
    log_probs = predictions().astype(np.float64)
    log_probs[-1, -1, -1] = value
    return log_probs


@pytest.mark.parametrize("bad", [
    np.zeros((7, 29, 5)), np.full((7, 30, 5), 0.5), np.full((7, 30, 5), np.nan), spoiled(np.nan),
    spoiled(np.inf), spoiled(0.1), np.full((7, 30, 5), -np.inf), np.exp(predictions()),
    predictions() - 1])
def test_what_is_no_prediction_is_refused(bad, threads):
    with pytest.raises(LabError, match="block"):
        d.bhattacharyya(lambda start, stop: torch.from_numpy(bad).float(), 7, 30, 5)


def in_file(path, mode, shape=(32, 4000, 64)):
    log_probs = np.lib.format.open_memmap(path, "w+", np.float32, shape)
    log_probs[:] = -np.log(shape[-1])
    log_probs.flush()
    del log_probs
    return np.lib.format.open_memmap(path, mode)


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="only Linux tells")
@pytest.mark.parametrize("mode", ["r", "r+"])
@pytest.mark.filterwarnings("error")
def test_a_file_is_never_in_memory_as_a_whole(tmp_path, mode, monkeypatch):
    monkeypatch.setattr(d, "MEMORY_BUDGET", 2**20)
    log_probs, resident = in_file(tmp_path / "logs.npy", mode), []
    read = d.block_from_array(log_probs)

    def block(start, stop):
        resident.append(int(Path("/proc/self/statm").read_text().split()[2]) * mmap.PAGESIZE)
        return read(start, stop)

    assert d.bhattacharyya(block, *log_probs.shape).max() == 0
    assert len(resident) >= 30 and max(resident) - resident[0] < log_probs.nbytes / 2


def test_what_was_written_into_a_private_copy_of_a_file_is_kept(tmp_path):
    log_probs = in_file(tmp_path / "logs.npy", "c", (6, 20, 8))
    log_probs[:] = predictions(6, 20, 8)
    for _ in range(2):
        found = d.bhattacharyya(d.block_from_array(log_probs), *log_probs.shape)
        np.testing.assert_allclose(found, direct(predictions(6, 20, 8)), atol=1e-6)


def test_the_benchmark_runs(capsys):
    found = runpy.run_path(str(ROOT / "benchmarks" / "landscape.py"))["main"](300, 12, 20, 2)
    assert found[0] > 0 and found[1] > 0.05
    assert "66 pairs, 300 images, 20 classes" in capsys.readouterr().out


def reference(dist):
    n = len(dist)
    centre = np.eye(n) - 1 / n
    w = -0.5 * centre @ dist @ centre
    values, vectors = np.linalg.eig(w)
    order = np.argsort(-np.abs(values.real))
    return values.real[order], vectors.real[:, order]


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 12), st.integers(0, 10_000))
def test_the_map_is_the_direct_decomposition_and_restores_all_distances(n, seed):
    rng = np.random.default_rng(seed)
    dist = np.abs(rng.normal(size=(n, n)))
    dist = dist + dist.T
    np.fill_diagonal(dist, 0)  # no metric: some axes are imaginary
    found = fit_inpca(dist)
    values, _ = reference(dist)
    np.testing.assert_allclose(np.sort(found.eigenvalues), np.sort(values), atol=1e-9)
    np.testing.assert_allclose(found.distances(), dist, atol=1e-8)
    np.testing.assert_allclose(found.project(dist), found.coordinates, atol=1e-6)
    assert (np.diff(np.abs(found.eigenvalues)) <= 1e-12).all()


def test_negative_eigenvalues_are_there_and_count():
    dist = np.array([[0, 1, 1, 1], [1, 0, 9, 9], [1, 9, 0, 9], [1, 9, 9, 0]], float)
    found = fit_inpca(dist)
    assert (found.eigenvalues < -0.1).any()
    without = found.coordinates @ found.coordinates.T
    own = np.diag(without)
    assert not np.allclose(own[:, None] + own - 2 * without, dist, atol=0.1)
    np.testing.assert_allclose(found.distances(), dist, atol=1e-8)


def test_squared_euclidean_distances_need_as_many_axes_as_there_are_dimensions():
    points = np.random.default_rng(0).normal(size=(20, 3))
    dist = ((points[:, None] - points) ** 2).sum(-1)
    found = fit_inpca(dist)
    assert found.explained_stress()[2] == pytest.approx(1, abs=1e-6)
    assert found.explained_stress()[0] < 0.9
    assert (found.eigenvalues[:3] > 0).all()
    new = np.array([0.3, -0.2, 1.0])
    placed = found.project(((points - new) ** 2).sum(-1))[0, :3]
    back = ((found.coordinates[:, :3] - placed) ** 2).sum(1)
    np.testing.assert_allclose(back, ((points - new) ** 2).sum(1), atol=1e-8)


@pytest.mark.parametrize("bad", [np.zeros((1, 1)), np.ones((3, 3)), np.triu(np.ones((3, 3)), 1),
                                 np.full((3, 3), np.inf), np.zeros((2, 3))])
def test_what_are_no_distances_is_refused(bad):
    with pytest.raises(LabError):
        fit_inpca(bad)
