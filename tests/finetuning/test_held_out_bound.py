"""Each side's own statistics in the shared head, and where vertices lie on their sheets."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import torch
from support.brain_files import write_tiny_algonauts
from support.tiny_cohort import TinyCohort
from torch import nn

from helpers.brains.algonauts import Algonauts
from helpers.brains.surfaces import Surface, read_surface
from helpers.figures import style
from helpers.finetuning import plots
from helpers.finetuning.held_out_bound import (
    BOUND_COLUMNS,
    average_by_condition,
    held_out_bound,
    refit_batchnorm,
)
from helpers.finetuning.information_bound import information_bound
from helpers.finetuning.models import ContrastiveModel, FeatureExtractor, head
from helpers.finetuning.training_loop import PixelNormalisation, SubjectPairs

SCALE = PixelNormalisation((0.5, 0.5, 0.5), (0.25, 0.25, 0.25))


def test_averaged_keeps_the_order_of_conditions():
    values = np.arange(12.0).reshape(6, 2)
    found = average_by_condition(values, np.array([2, 0, 1, 0, 2, 2]))
    expected = [values[[1, 3]].mean(0), values[2], values[[0, 4, 5]].mean(0)]
    np.testing.assert_allclose(found, expected)
    assert average_by_condition(values, np.arange(6)) is values


def test_calibrated_norms_have_the_statistics_of_their_own_inputs():
    torch.manual_seed(0)
    net, inputs = head(6, 3), 5 + 2 * torch.randn(400, 6)
    before = [norm.momentum for norm in net.modules() if isinstance(norm, nn.BatchNorm1d)]
    refit_batchnorm(net, inputs)
    assert not net.training
    assert [n.momentum for n in net.modules() if isinstance(n, nn.BatchNorm1d)] == before
    first = net[0](inputs)
    torch.testing.assert_close(net[1].running_mean, first.mean(0))
    torch.testing.assert_close(net[1].running_var, first.var(0))
    evaluated = net(inputs)
    uncalibrated = net.train()(inputs)
    torch.testing.assert_close(evaluated, uncalibrated, atol=0.02, rtol=0.02)


@pytest.fixture
def pairs():
    """Images of one colour each, and responses that copy the colour with noise."""
    rng = np.random.default_rng(0)
    colours = rng.integers(0, 255, (240, 3), dtype=np.uint8)
    pixels = np.broadcast_to(colours[:, :, None, None], (240, 3, 4, 4)).copy()
    y = (colours / 64.0 + rng.normal(0, 0.3, (240, 3))).astype(np.float32)
    y = np.repeat(y, 8, axis=1) - 30  # far from the images: the sides need their own means
    make = lambda rows: SubjectPairs("A", pixels[rows], np.arange(len(rows)), y[rows])  # noqa: E731
    return make(np.arange(120)), make(np.arange(120, 240))


def model_of(n_voxels: int = 24) -> ContrastiveModel:
    torch.manual_seed(1)
    backbone = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 5))
    return ContrastiveModel(FeatureExtractor(backbone), 5, {"A": n_voxels}, hidden=10,
                            embedding=4).eval()


def test_bound_is_that_of_both_sides_normalised_by_their_own(pairs):
    subject_pairs, held_out = pairs
    model = model_of()
    found = dict(zip(BOUND_COLUMNS, *held_out_bound(model, subject_pairs, held_out,
                                                    [np.arange(120)], SCALE, seed=3)))

    def side(known, seen):
        net = head(10, 4)
        net.load_state_dict(model.head.state_dict())
        refit_batchnorm(net, known.detach())
        return net(seen).detach()

    def images(p):
        return model.from_images(model.feature_extractor(SCALE(p.pixels, torch.device("cpu"))))

    def answers(p):
        return model.from_responses["A"](torch.from_numpy(p.responses))

    expected = information_bound(side(images(subject_pairs), images(held_out)),
                                 side(answers(subject_pairs), answers(held_out)), seed=3)
    assert found["calibrated"] == pytest.approx(expected.calibrated, abs=1e-6)
    assert found["cross_validated"] == pytest.approx(expected.cross_validated, abs=1e-6)
    assert (found["n"], found["embedding_dim"]) == (120, 4)


def test_shared_statistics_are_those_that_the_training_left(pairs):
    subject_pairs, held_out = pairs
    model = model_of()
    images = SCALE(held_out.pixels, torch.device("cpu"))
    with torch.no_grad():
        expected = information_bound(
            model.embed_images(images),
            model.embed_responses(torch.from_numpy(held_out.responses), "A"))
    found = dict(zip(BOUND_COLUMNS, *held_out_bound(model, subject_pairs, held_out,
                                                    [np.arange(120)], SCALE, seed=0)))
    assert found["shared_batchnorm"] == pytest.approx(expected.calibrated, abs=1e-6)


def test_only_the_rows_that_count_are_bounded(pairs):
    subject_pairs, held_out = pairs
    parts = [np.arange(40), np.arange(120)]
    found = held_out_bound(model_of(), subject_pairs, held_out, parts, SCALE, seed=0)
    assert [one[BOUND_COLUMNS.index("n")] for one in found] == [40, 120]
    alone, = held_out_bound(model_of(), subject_pairs, held_out, parts[:1], SCALE, seed=0)
    np.testing.assert_array_equal(found[0], alone)


def test_vertices_of_challenge_space_lie_on_fsaverage(tmp_path):
    root = write_tiny_algonauts(tmp_path)
    points = np.random.default_rng(0).normal(size=(90, 3))
    (root / "fsaverage/surf").mkdir(parents=True)
    faces = np.stack([np.arange(88), np.arange(1, 89), np.arange(2, 90)], axis=1)
    nib.freesurfer.write_geometry(root / "fsaverage/surf/lh.inflated", points, faces)
    mask = np.zeros(90, int)
    mask[10:62] = 1
    np.save(root / "subj01/roi_masks/lh.all-vertices_fsaverage_space.npy", mask)
    cohort = Algonauts(root)
    sheet = read_surface(cohort, "subj01", "lh")
    np.testing.assert_array_equal(sheet.place, np.arange(10, 62))
    assert not sheet.flat and sheet.points.shape == (90, 3)
    assert read_surface(cohort, "subj01", "rh") is None
    assert read_surface(TinyCohort(), "A", "lh") is None


def test_maps_of_folded_cortex_are_drawn_by_nilearn(tmp_path):

    side = np.linspace(-1, 1, 12)
    x, y = (part.ravel() for part in np.meshgrid(side, side))
    number = np.arange(144).reshape(12, 12)
    a, b, c, d = number[:-1, :-1], number[1:, :-1], number[:-1, 1:], number[1:, 1:]
    faces = np.concatenate([np.stack([a, b, c], -1).reshape(-1, 3),
                            np.stack([b, d, c], -1).reshape(-1, 3)])
    sheet = Surface(np.column_stack([x, y, x**2 + y**2]), faces, np.arange(144))
    figure = style.new_figure(3, "a map")
    axes = figure.add_subplot(projection="3d")
    voxels = pd.DataFrame({"roi": "V1v", "vertex": np.arange(40), "gain": np.linspace(-1, 1, 40)})
    plots.gain_map(axes, sheet, voxels, 1.0)
    figure.savefig(tmp_path / "map.png")
    assert (tmp_path / "map.png").stat().st_size > 5000
