"""Gabor energy and its main axes: against the formulas written out, on gratings, on new sets."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.core.errors import LabError
from helpers.stimuli.gabor import GRID, ORIENTATIONS, gabor_bank, gabor_features, gist_axes, project

FILTERS = [(scale, j) for scale, n in enumerate(ORIENTATIONS) for j in range(n)]
"""Scale and orientation of each of the 30 filters."""


def images(n: int, side: int, seed: int = 0) -> torch.Tensor:
    rng = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (n, side, side, 3), dtype=torch.uint8, generator=rng)


def energy(images: torch.Tensor) -> torch.Tensor:
    """Features as (n_images, 30, GRID, GRID)."""
    return gabor_features(images).reshape(len(images), len(FILTERS), GRID, GRID)


def grating(side: int, frequency: float, angle: float) -> torch.Tensor:
    """A wave of whole cycles across the image, its frequency vector at ``angle`` (x, y down)."""
    kx, ky = (round(side * frequency * part) for part in (np.cos(angle), np.sin(angle)))
    y, x = np.mgrid[:side, :side] / side
    return torch.tensor(100 + 50 * np.cos(2 * np.pi * (kx * x + ky * y))).float()[None]


def written_out(image: np.ndarray) -> np.ndarray:
    """The published formulas (authors' notebook nb7), one frequency after another, in double
    precision."""
    grey = image.astype(float).mean(-1)
    side = len(grey)
    spectrum = np.fft.fft2(grey - grey.mean())
    found = []
    for scale, n in enumerate((12, 8, 6, 4), start=1):
        f, sigma_r, sigma_theta = 0.3 / 1.85 ** (scale - 1), 0.35, 16 * n**2 / 32**2
        for j in range(1, n + 1):
            passed = np.zeros_like(spectrum)
            for row in range(side):
                for column in range(side):
                    v = row if row < side / 2 else row - side
                    u = column if column < side / 2 else column - side
                    turned = np.arctan2(v, u) + np.pi / n * (j - 1)
                    while turned > np.pi:
                        turned -= 2 * np.pi
                    passed[row, column] = spectrum[row, column] * np.exp(
                        -10 * sigma_r * (np.sqrt(u * u + v * v) / side / f - 1) ** 2
                        - 2 * np.pi * sigma_theta * turned**2)
            magnitude = np.abs(np.fft.ifft2(passed))
            edges = [int(k * side / 16) for k in range(17)]
            found += [magnitude[a:b, c:d].mean() for a, b in zip(edges, edges[1:])
                      for c, d in zip(edges, edges[1:])]
    return np.array(found)


# ---- features -----------------------------------------------------------------------------------

@pytest.mark.parametrize("side", [32, 37])
def test_features_are_the_published_formulas_written_out(side):
    image = images(1, side)
    found, expected = gabor_features(image)[0].numpy(), written_out(image[0].numpy())
    assert found.shape == (7680,) and found.dtype == np.float32
    assert np.abs(found - expected).max() < 1e-5 * expected.max()


def test_the_published_side_has_thirty_filters_and_uneven_blocks():
    bank = gabor_bank(425)
    assert bank.transfer.shape == (30, 425, 425) and bank.blocks.shape == (16, 425)
    heights = (bank.blocks > 0).sum(1)
    assert heights.sum() == 425 and set(heights.tolist()) == {26, 27}
    torch.testing.assert_close(bank.blocks.sum(1), torch.ones(16))
    assert gabor_bank(425) is bank


@pytest.mark.parametrize("index", range(len(FILTERS)))
def test_a_grating_drives_the_filter_of_its_orientation_and_frequency_most(index):
    scale, j = FILTERS[index]
    image = grating(128, 0.3 / 1.85**scale, -np.pi * j / ORIENTATIONS[scale])
    # A real wave has two opposite frequencies: a filter passes one of them.
    assert int(energy(image)[0].mean((1, 2)).argmax()) == index


def test_a_grating_turned_by_a_right_angle_drives_the_orthogonal_filter():
    image = grating(96, 0.3, -np.pi / 12 * 2)
    turned = torch.rot90(image, 1, (1, 2))
    first, second = (energy(one)[0, :12].mean((1, 2)) for one in (image, turned))
    assert int(first.argmax()) == 2 and int(second.argmax()) == 8
    assert first[2] == pytest.approx(float(second[8]), rel=1e-3)


def test_energy_stays_where_the_image_has_its_contrast():
    image = torch.full((1, 64, 64), 100.0)
    image[0, 8:24, 40:56] += 50 * torch.cos(torch.arange(16) * 2 * torch.pi * 0.3)
    found = energy(image)[0, 0]
    assert found[2:6, 10:14].mean() > 20 * found[10:, :6].mean()


def test_features_grow_with_contrast_and_ignore_brightness():
    image = images(2, 48).float()
    found = gabor_features(image)
    torch.testing.assert_close(gabor_features(3 * image), 3 * found, rtol=1e-4, atol=1e-2)
    torch.testing.assert_close(gabor_features(image + 40), found, rtol=1e-4, atol=1e-2)
    assert gabor_features(torch.full((1, 48, 48, 3), 90.0)).abs().max() < 1e-3


def test_a_shift_by_whole_blocks_shifts_the_features():
    image = images(1, 64)
    shifted = torch.roll(image, (8, 4), (1, 2))
    torch.testing.assert_close(energy(shifted), torch.roll(energy(image), (2, 1), (2, 3)),
                               rtol=1e-4, atol=1e-3)


def test_a_small_shift_changes_energy_far_less_than_pixels():
    image = grating(64, 0.1, 0.3)
    shifted = torch.roll(image, 3, 2)
    change = lambda a, b: float((a - b).norm() / b.norm())  # noqa: E731
    assert change(energy(shifted), energy(image)) < 0.1
    assert change(shifted - 100, image - 100) > 1


def test_features_do_not_depend_on_the_batch_or_on_the_number_type():
    stimuli = images(5, 40)
    together = gabor_features(stimuli)
    alone = torch.cat([gabor_features(stimuli[i:i + 1]) for i in range(5)])
    torch.testing.assert_close(together, alone, rtol=1e-5, atol=1e-4)
    torch.testing.assert_close(gabor_features(stimuli.double()), together, rtol=1e-5, atol=1e-4)
    order = [3, 1, 0, 4, 2]
    torch.testing.assert_close(gabor_features(stimuli[order]), together[order], rtol=1e-5,
                               atol=1e-4)


def test_images_that_are_not_square_or_too_small_are_refused():
    for wrong in (torch.zeros(1, 32, 40, 3), torch.zeros(1, 3, 32, 32), torch.zeros(32)):
        with pytest.raises(LabError, match="images of shape"):
            gabor_features(wrong)
    with pytest.raises(LabError, match="images of 15 pixels"):
        gabor_features(torch.zeros(1, 15, 15, 3))


# ---- main axes ----------------------------------------------------------------------------------

def spread(n_images: int, n_features: int, seed: int) -> np.ndarray:
    """Positive features with a falling spectrum, as Gabor energies have."""
    rng = np.random.default_rng(seed)
    strength = 1 / np.arange(1, n_features + 1)
    mixing = np.linalg.qr(np.random.default_rng(0).normal(size=(n_features, n_features)))[0]
    return 2 + (rng.normal(size=(n_images, n_features)) * strength) @ mixing


@given(st.integers(6, 40), st.integers(6, 40), st.integers(1, 5))
@settings(max_examples=40, deadline=None)
def test_axes_are_the_leading_eigenvectors_of_the_uncentred_second_moments(n, p, n_axes):
    features = spread(n, p, n + 100 * p)
    axes = gist_axes(features, n_axes=n_axes)
    values, vectors = np.linalg.eigh(features.T @ features / n)
    np.testing.assert_allclose(axes.T @ axes, np.eye(n_axes), atol=1e-12)
    leading = vectors[:, ::-1][:, :n_axes]
    np.testing.assert_allclose(axes @ axes.T, leading @ leading.T, atol=1e-6)
    moments = ((features @ axes) ** 2).mean(0)
    np.testing.assert_allclose(moments, values[::-1][:n_axes], rtol=1e-8)
    assert (axes.T @ features.mean(0) >= -1e-12).all()


def test_the_first_axis_is_the_mean_because_nothing_is_centred():
    features = spread(60, 30, 1)
    mean = features.mean(0)
    assert gist_axes(features)[:, 0] @ mean / np.linalg.norm(mean) > 0.99


def test_fewer_images_than_axes_give_fewer_axes():
    assert gist_axes(spread(8, 30, 0)).shape == (30, 8)
    repeated = np.repeat(spread(4, 30, 0), 3, axis=0)
    axes = gist_axes(repeated)
    assert axes.shape == (30, 4)
    np.testing.assert_allclose(repeated @ axes @ axes.T, repeated, atol=1e-9)


def test_weak_axes_are_orthonormal_too():
    rng = np.random.default_rng(0)
    features = rng.normal(size=(60, 200)) * 10.0 ** -np.linspace(0, 5, 60)[:, None]
    axes = gist_axes(features, n_axes=60)
    assert axes.shape[1] > 50
    np.testing.assert_allclose(axes.T @ axes, np.eye(axes.shape[1]), atol=1e-12)


def test_scores_of_an_image_depend_on_no_other_test_image():
    axes = gist_axes(spread(50, 80, 0), n_axes=10)
    test = spread(20, 80, 1)
    together = project(test, axes)
    assert together.shape == (20, 10)
    np.testing.assert_allclose(together[3:4], project(test[3:4], axes))
    np.testing.assert_allclose(together, test @ axes)


def test_axes_fitted_to_each_set_anew_as_published_spoil_a_prediction():
    """The published flaw: scores of training and test images on different axes."""
    rng = np.random.default_rng(0)
    train, test = spread(300, 400, 1), spread(200, 400, 2)
    axes = gist_axes(train, n_axes=40)
    weights = rng.normal(size=40) / project(train, axes).std(0)
    weights[0] = 0  # the mean's axis, which all sets share
    response = lambda rows: project(rows, axes) @ weights  # noqa: E731
    fitted = np.linalg.lstsq(project(train, axes), response(train), rcond=None)[0]
    ours = project(test, axes) @ fitted
    flawed = project(test, gist_axes(test, n_axes=40)) @ fitted
    assert np.corrcoef(ours, response(test))[0, 1] > 0.999
    assert np.corrcoef(flawed, response(test))[0, 1] < 0.5


def test_bad_features_are_refused():
    for wrong in (np.full((3, 4), np.nan), np.zeros(5), np.zeros((0, 5))):
        with pytest.raises(LabError, match="features of shape"):
            gist_axes(wrong)
    with pytest.raises(LabError, match="all zero"):
        gist_axes(np.zeros((3, 4)))
    with pytest.raises(LabError, match="30 features"):
        project(spread(5, 30, 0), gist_axes(spread(5, 20, 0)))
