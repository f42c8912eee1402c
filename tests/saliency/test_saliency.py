"""Saliency and laterality: by hand, and on networks whose answer is known by construction."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from support.finetuned_models import (  # noqa: F401  (fixtures are used by their names)
    run_of,
    seen_by,
    shared,
    single,
    study_of,
    task_of,
    weights_of,
)
from support.tiny_cohort import network
from torch import nn
from torch.nn import functional

from helpers.core.errors import LabError
from helpers.core.paths import cache_dir
from helpers.finetuning.runs import FineTuningRun
from helpers.landscape.study import fit_probe
from helpers.networks.network import Network
from helpers.saliency import study as saliency_study
from helpers.saliency.attribution import hemifield_occlusion, saliency
from helpers.saliency.laterality import (
    contralateral_bias,
    hemifield_mass,
    laterality_index,
    split_bias_and_content,
)
from helpers.saliency.study import (
    METHODS,
    OCCLUSION,
    VIEWS,
    attach_probe,
    laterality_table,
    measure_laterality,
)


def moved_by_halves(model, images) -> torch.Tensor:
    with torch.no_grad():
        return hemifield_occlusion(model, images, model(images))


def random_images(n=4, side=12, seed=0, width=None) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, 3, side, width or side, generator=generator)


# ---- maps ---------------------------------------------------------------------------------------

def small() -> nn.Sequential:
    torch.manual_seed(2)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(inplace=True), nn.Conv2d(4, 5, 3, 2),
                         nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(5 * 4 * 4, 6)).eval()


@pytest.mark.parametrize("place", [0, 1, 2, 3])
@pytest.mark.parametrize("method", METHODS)
def test_maps_are_the_formula_over_autograds_gradient(method, place):
    """Value for value, at every layer, also where the next one overwrites what it is given."""
    model, images, classes = small(), random_images(), torch.tensor([0, 3, 5, 3])
    found = saliency(model, model[place], images, classes, method=method)
    assert not found.requires_grad and not images.requires_grad
    assert all(one.grad is None for one in model.parameters()), "nothing is left behind"
    apart = nn.Sequential(*(nn.ReLU() if isinstance(m, nn.ReLU) else m for m in model))
    maps = apart[:place + 1](images).detach().requires_grad_()
    apart[place + 1:](maps)[torch.arange(4), classes].sum().backward()
    expected = torch.zeros(found.shape)
    for i in range(4):
        for c in range(maps.shape[1]):
            weight = maps.grad[i, c].mean() if method == "Grad-CAM" else maps.grad[i, c]
            expected[i] += weight * maps.detach()[i, c]
    expected = expected.clamp(min=0)
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-5)
    assert found.shape == (4, *maps.shape[2:]) and (expected > 0).float().mean() > 0.1


def test_the_published_map_is_the_default_and_the_other_differs():
    model, images, classes = small(), random_images(), torch.tensor([0, 3, 5, 3])
    plain = saliency(model, model[3], images, classes)
    torch.testing.assert_close(plain, saliency(model, model[3], images, classes,
                                               method="Grad-CAM"))
    other = saliency(model, model[3], images, classes, method="HiResCAM")
    assert (plain - other).abs().max() > 0.01
    with pytest.raises(KeyError):
        saliency(model, model[3], images, classes, method="GradCAM++")


def test_an_image_has_its_map_whatever_is_beside_it():
    model, images, classes = small(), random_images(), torch.tensor([0, 3, 5, 3])
    for method in METHODS:
        every = saliency(model, model[2], images, classes, method=method)
        alone = saliency(model, model[2], images[2:3], classes[2:3], method=method)
        torch.testing.assert_close(every[2:3], alone, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("method", METHODS)
def test_a_layer_without_positions_has_no_map(method):
    model, classes = small(), torch.tensor([0, 3, 5, 3])
    with pytest.raises(LabError, match=r"saliency \(4, \d+\) of a layer without positions"
                       r"(?s:.)*convolution or a pooling"):
        saliency(model, model[5], random_images(), classes, method=method)


class OneSided(nn.Module):
    """Sums a 1x1 convolution over the left (or right) columns alone, into two classes."""

    def __init__(self, columns: slice, width: int = 12) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 2, 1, bias=False)
        self.register_buffer("counts", torch.zeros(width))
        self.counts[columns] = 1.0
        with torch.no_grad():
            self.conv.weight.copy_(torch.tensor([[1.0, 0.5, 0.25], [0.2, 0.4, 2.0]])[..., None,
                                                                                     None])

    def forward(self, images):
        return (self.conv(images) * self.counts).mean((2, 3))


def test_only_the_map_without_averaging_sees_the_half_that_counts():
    """Images are the same on both sides; what lies right is multiplied by 0."""
    model = OneSided(slice(0, 6)).eval()
    half = random_images(width=6).abs()
    images = torch.cat([half, half.flip(-1)], -1)
    for classes in (torch.tensor([0, 1, 0, 1]), torch.tensor([1, 1, 0, 0])):
        fine = saliency(model, model.conv, images, classes, method="HiResCAM")
        coarse = saliency(model, model.conv, images, classes, method="Grad-CAM")
        assert (fine[..., 6:] == 0).all() and (fine[..., :6] > 0).all()
        np.testing.assert_array_equal(laterality_index(*hemifield_mass(fine.numpy())), -1)
        np.testing.assert_allclose(laterality_index(*hemifield_mass(coarse.numpy())), 0, atol=1e-6)
        torch.testing.assert_close(2 * coarse[..., :6], fine[..., :6])


# ---- hemifield occlusion
# -------------------------------------------------------------------------------

@pytest.mark.parametrize("width", [12, 13])
def test_what_a_network_does_not_read_moves_nothing(width):
    model = OneSided(slice(0, 6), width).eval()
    images = random_images(width=width)
    moved = moved_by_halves(model, images)
    assert moved.shape == (4, 2) and (moved[:, 1] == 0).all()
    one, other = model(images).detach().numpy().T  # both become 0: of two, half the difference
    np.testing.assert_allclose(moved[:, 0], np.abs(one - other) / np.sqrt(2), atol=1e-6)
    assert moved[:, 0].min() > 1e-3
    other = moved_by_halves(OneSided(slice(width - 6, width), width).eval(), images)
    assert (other[:, 0] == 0).all() and other[:, 1].min() > 1e-4


def relative(logits) -> np.ndarray:
    """Return scores without what all classes have in common, by the projection that removes it."""
    logits = np.asarray(logits, float)
    n = logits.shape[1]
    return logits @ (np.eye(n) - np.ones((n, n)) / n)


def test_what_matters_is_how_far_scores_move_against_each_other():
    model, images = small(), random_images()
    before = images.clone()
    found = moved_by_halves(model, images).numpy()
    with torch.no_grad():
        whole = relative(model(images))
        for place, columns in enumerate((slice(0, 6), slice(6, 12))):
            grey = images.numpy().copy()
            grey[..., columns] = 0
            moved = relative(model(torch.from_numpy(grey))) - whole
            np.testing.assert_allclose(found[:, place], np.sqrt((moved**2).sum(1)), atol=1e-6)
    assert torch.equal(images, before)


class Scored(nn.Module):
    """Adds to a network's scores what depends on the image alone, and classes nobody trained."""

    def __init__(self, inside: nn.Module, n_absent: int) -> None:
        super().__init__()
        self.inside, self.n_absent = inside, n_absent

    def forward(self, images):
        scores = self.inside(images) + 10 * images.mean((1, 2, 3))[:, None]
        return torch.cat([scores, scores.new_full((len(scores), self.n_absent), -torch.inf)], 1)


@pytest.mark.parametrize("n_absent", [0, 2])
def test_what_changes_no_probability_does_not_matter(n_absent):
    model, images = small(), random_images()
    torch.testing.assert_close(moved_by_halves(Scored(model, n_absent), images),
                               moved_by_halves(model, images), atol=1e-5, rtol=1e-4)


def test_a_middle_column_is_never_covered():
    model = OneSided(slice(6, 7), 13).eval()
    assert (moved_by_halves(model, random_images(width=13)) == 0).all()


# ---- indices ------------------------------------------------------------------------------------

@pytest.mark.filterwarnings("error")
def test_the_index_is_minus_one_where_all_lies_left():
    found = laterality_index(np.array([1, 0, 2, 0, 1, 3]), np.array([3, 0, 0, 2, 1, 1]))
    np.testing.assert_array_equal(found, [0.5, np.nan, -1, 1, 0, -0.5])
    assert found.dtype == np.float64 and laterality_index(np.zeros((2, 3)),
                                                          np.ones((2, 3))).shape == (2, 3)
    assert np.isnan(laterality_index(0.0, 0.0))


def test_halves_are_sums_over_columns_and_a_middle_column_is_of_neither():
    maps = np.arange(2 * 3 * 5, dtype=np.float32).reshape(2, 3, 5)
    left, right = hemifield_mass(maps)
    np.testing.assert_array_equal(left, maps[..., :2].sum((1, 2)))
    np.testing.assert_array_equal(right, maps[..., 3:].sum((1, 2)))
    left, right = hemifield_mass(maps[..., :4])
    np.testing.assert_array_equal([left, right], [maps[..., :2].sum((1, 2)),
                                                  maps[..., 2:4].sum((1, 2))])
    one = np.zeros((4, 7))
    one[:, 3] = 1
    assert hemifield_mass(one) == (0, 0)
    for values in hemifield_mass(np.ones((1, 4, 1))):
        np.testing.assert_array_equal(values, [0])


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 9), st.integers(0, 2**32 - 1))
def test_mirrored_maps_have_the_opposite_index(width, seed):
    maps = np.random.default_rng(seed).uniform(size=(3, 4, width))
    np.testing.assert_allclose(laterality_index(*hemifield_mass(maps[..., ::-1])),
                               -laterality_index(*hemifield_mass(maps)), atol=1e-12)


indices = st.lists(st.floats(-1, 1), min_size=1, max_size=6).map(np.array)


@given(indices, st.integers(0, 2**32 - 1))
def test_bias_and_content_are_the_two_parts_of_the_indices(original, seed):
    mirrored = np.random.default_rng(seed).uniform(-1, 1, len(original))
    bias, content = split_bias_and_content(original, mirrored)
    np.testing.assert_allclose(bias + content, original, atol=1e-12)
    np.testing.assert_allclose(bias - content, mirrored, atol=1e-12)
    assert np.abs(bias).max() <= 1 and np.abs(content).max() <= 1
    swapped_bias, swapped_content = split_bias_and_content(mirrored, original)
    np.testing.assert_array_equal(swapped_bias, bias)  # by halves of the frame
    np.testing.assert_array_equal(swapped_content, -content)


@given(indices)
def test_who_sees_content_alone_has_no_bias_and_who_has_a_side_no_content(index):
    bias, content = split_bias_and_content(index, -index)
    np.testing.assert_array_equal(bias, 0)
    np.testing.assert_array_equal(content, index)
    bias, content = split_bias_and_content(index, index)
    np.testing.assert_array_equal(bias, index)
    np.testing.assert_array_equal(content, 0)


@given(indices, st.floats(-1, 1))
def test_a_mirrored_set_flips_the_sign_in_the_coordinates_of_its_images(content, side):
    """Frame: side + content, side - content. Turned back, the mirrored set says content - side."""
    original, mirrored = side + content, side - content
    bias, found = split_bias_and_content(original, mirrored)
    turned, _ = split_bias_and_content(-mirrored, -original)
    np.testing.assert_allclose(bias, side, atol=1e-12)
    np.testing.assert_allclose(turned, -side, atol=1e-12)
    np.testing.assert_allclose([found, split_bias_and_content(-mirrored, -original)[1]],
                               [content, content], atol=1e-12)


def sides() -> pd.DataFrame:
    rows = [("A", "V1v", "lh", 0.5), ("A", "V1v", "rh", -0.1), ("A", "V2v", "lh", 0.2),
            ("A", "V2v", "rh", 0.4), ("B", "V1v", "lh", 0.7), ("B", "V2v", "lh", 0.3),
            ("B", "V2v", "rh", 0.1), ("C", "V1v", "rh", 0.9), ("all", "V1v", "both", 0.3)]
    table = pd.DataFrame(rows, columns=["donor", "roi", "hemisphere", "bias"])
    table = table.assign(condition="contrastive", measure="m", seed=0, mirrored=-2 * table["bias"])
    wrong = [table.assign(condition="shuffled", bias=9.0), table.assign(measure="n", bias=7.0)]
    return pd.concat([*wrong, table], ignore_index=True)


def test_laterality_is_half_of_left_minus_right_within_each_region_and_participant():
    """B has no right V1v, C no left one: a region without its other half is left out."""
    found = contralateral_bias(sides(), "contrastive", "m", ["V1v", "V2v"])
    assert found[0].to_dict() == {"A": pytest.approx((0.3 - 0.1) / 2), "B": pytest.approx(0.1)}
    assert contralateral_bias(sides(), "contrastive", "m", ["V1v"])[0].to_dict() == {
        "A": pytest.approx(0.3)}
    twice = pd.concat([sides(), sides().assign(seed=1, bias=3 * sides()["bias"])])
    np.testing.assert_allclose(contralateral_bias(twice, "contrastive", "m", ["V1v", "V2v"]),
                               found.to_numpy() * [[1, 3]])
    mirrored = contralateral_bias(sides(), "contrastive", "m", ["V1v", "V2v"], "mirrored")
    pd.testing.assert_frame_equal(mirrored, -2 * found)
    common = sides().assign(bias=sides()["bias"] + 0.37)
    pd.testing.assert_frame_equal(contralateral_bias(common, "contrastive", "m", ["V1v", "V2v"]),
                                  found)
    exchanged = sides().replace({"hemisphere": {"lh": "rh", "rh": "lh"}})
    pd.testing.assert_frame_equal(contralateral_bias(exchanged, "contrastive", "m", ["V1v", "V2v"]),
                                  -found)


def test_without_both_hemispheres_there_is_no_laterality():
    together = sides().assign(hemisphere="both")
    for table, rois in ((together, ["V1v", "V2v"]), (sides(), ["hV4"]), (sides(), [])):
        assert contralateral_bias(table, "contrastive", "m", rois).empty


# ---- networks that look -------------------------------------------------------------------------

class Masked(nn.Module):
    """Lets some columns through."""

    def __init__(self, columns: slice) -> None:
        super().__init__()
        self.columns = columns

    def forward(self, maps):
        through = torch.zeros_like(maps)
        through[..., self.columns] = maps[..., self.columns]
        return through


def sequence(name: str, layers: dict[str, nn.Module]) -> Network:
    model = nn.Sequential(*layers.values()).eval()
    return replace(network(), name=name, digest=name, model=model,
                   layers={layer: str(i) for i, layer in enumerate(layers)})


def left_only(columns=slice(0, 4)) -> Network:
    """Columns 0-15 of 32 pixels are 0-3 of 8 positions."""
    torch.manual_seed(0)
    return sequence(f"columns {columns}", {"conv": nn.Conv2d(3, 4, 4, 4), "relu": nn.ReLU(),
                                           "masked": Masked(columns)})


def symmetric() -> Network:
    """Mirror-symmetric kernels, then means over all positions."""
    torch.manual_seed(1)
    conv = nn.Conv2d(3, 6, 4, 4)
    with torch.no_grad():
        conv.weight.add_(conv.weight.flip(-1).clone())
    return sequence("symmetric", {"conv": conv, "relu": nn.ReLU(), "mean": nn.AdaptiveAvgPool2d(1)})


def by_hand(run, task, view: str) -> dict[str, np.ndarray]:
    """Compute all indices of the tiny network's ReLU, whose probe weighs every position."""
    pixels = task.pixels[task.test_idx][..., ::(-1 if view == "mirrored" else 1)]
    probe, weights, side = fit_probe(run, task, "relu"), weights_of(run), 7
    w = probe["weight"].astype(float).reshape(-1, 4, side, side)[task.test_labels]
    maps = seen_by(weights, pixels).astype(float).reshape(-1, 4, side, side)
    found = {}
    for method, g in (("Grad-CAM", w.mean((2, 3), keepdims=True)), ("HiResCAM", w)):
        heat = np.maximum((g * maps).sum(1), 0).sum(1)
        left, right = heat[:, :3].sum(1), heat[:, 4:].sum(1)
        with np.errstate(invalid="ignore"):
            found[f"{method} relu"] = (right - left) / (right + left)

    def scores(x):
        features = functional.conv2d(x, *weights, stride=4).clamp(min=0).flatten(1).double()
        return relative(features @ torch.from_numpy(probe["weight"][:3].T).double()
                        + torch.from_numpy(probe["bias"][:3]))

    x = torch.from_numpy(pixels / np.float32(255)).sub(0.5).div(0.5)
    whole, moved = scores(x), []
    for columns in (slice(0, 16), slice(16, 32)):
        grey = x.clone()
        grey[..., columns] = 0
        moved.append(np.linalg.norm(scores(grey) - whole, axis=1))
    found[OCCLUSION] = (moved[1] - moved[0]) / (moved[1] + moved[0])
    return found


def test_indices_of_networks_are_those_worked_out_by_hand(shared):  # noqa: F811
    """Of every held-out image, original and mirrored, pretrained and tuned."""
    task = task_of()
    for finetuned_model in study_of(rois=("V1v",)).networks(["pretrained", "contrastive"])[:2]:
        found = measure_laterality(finetuned_model, task, "relu", ["relu", "conv"])
        assert set(found) == {f"{measure}/{view}" for view in VIEWS for measure in (
            "Grad-CAM relu", "HiResCAM relu", "Grad-CAM conv", "HiResCAM conv", OCCLUSION)}
        for view in VIEWS:
            for measure, expected in by_hand(finetuned_model, task, view).items():
                values = found[f"{measure}/{view}"]
                assert values.shape == task.test_idx.shape and values.dtype == np.float64
                known = task.test_labels < 3  # classes that were trained
                np.testing.assert_allclose(values[known], expected[known], atol=1e-3)
                assert np.nanstd(values) > 0.05, "there is something to be told apart"
            assert np.isnan(found[f"HiResCAM relu/{view}"][task.test_labels == 3]).all()


def test_the_network_that_names_is_its_probe(shared):  # noqa: F811
    task = task_of()
    run = study_of(rois=("V1v",)).networks(["contrastive"])[0]
    model, kept = attach_probe(run, task, "relu"), fit_probe(run, task, "relu")
    pixels = torch.from_numpy(task.pixels[task.test_idx] / np.float32(255)).sub(0.5).div(0.5)
    with torch.no_grad():
        log_probs = model(pixels).log_softmax(1)
    np.testing.assert_allclose(log_probs.numpy(), kept["log_probs"], atol=1e-4)
    assert not model.training


def test_images_go_through_in_batches_with_their_own_classes(shared, monkeypatch):  # noqa: F811
    run, task = run_of(network()), task_of()
    whole = measure_laterality(run, task, "relu", ["relu"])
    monkeypatch.setattr("helpers.finetuning.held_out_bound.BATCH_SIZE", 4)
    parts = measure_laterality(run, replace(task, digest="in parts"), "relu", ["relu"])
    for name, values in whole.items():
        np.testing.assert_allclose(parts[name], values, atol=1e-4)


def test_a_network_is_looked_at_once_for_each_task_and_layers(private, monkeypatch):
    run, task, times, plain = run_of(network()), task_of(), [], saliency_study.hemifield_occlusion
    monkeypatch.setattr(saliency_study, "hemifield_occlusion",
                        lambda *a: times.append(1) or plain(*a))
    for _ in range(2):
        measure_laterality(run, task, "relu", ("relu",))
    assert len(times) == len(VIEWS)
    for other in ((run, task, "relu", ("relu", "conv")), (run, task, "fc", ("relu",)),
                  (run_of(network(seed=2)), task, "relu", ("relu",)),
                  (run, task_of(seed=1), "relu", ("relu",))):
        measure_laterality(*other)
    assert len(times) == 5 * len(VIEWS)
    assert len(list((cache_dir() / "saliency").glob("*.npz"))) == 5


def test_a_layer_that_cannot_be_weighed_is_reported(shared):  # noqa: F811
    with pytest.raises(LabError, match="of a layer without positions"):
        measure_laterality(run_of(network()), task_of(), "fc", ["fc"])
    with pytest.raises(LabError, match="no layer 'pool5'(?s:.)*conv, relu, fc"):
        measure_laterality(run_of(network()), task_of(), "relu", ["pool5"])


def test_a_layer_behind_the_one_that_is_read_is_reported(shared):  # noqa: F811
    """The prediction does not depend on it."""
    with pytest.raises(LabError, match="relu"):
        measure_laterality(run_of(network()), task_of(), "conv", ["relu"])


def models_of(*networks: Network) -> list[FineTuningRun]:
    return [run_of(one) for one in networks]


@pytest.mark.parametrize("columns, expected", [(slice(0, 4), -1), (slice(4, 8), 1)])
def test_a_network_that_looks_to_one_side_has_it_as_its_bias(shared, columns,  # noqa: F811
                                                             expected):
    study, task = study_of(), task_of()
    table = laterality_table(study, models_of(left_only(columns)), task, "masked",
                             ("relu", "masked")).set_index("measure")
    for measure in ("HiResCAM relu", "HiResCAM masked", "Grad-CAM masked", OCCLUSION):
        row = table.loc[measure]
        assert row["n"] > 8
        assert row[["original", "mirrored", "bias", "low", "high"]].tolist() == [expected] * 5
        assert row["content"] == 0
    assert abs(table.loc["Grad-CAM relu", "bias"]) < 0.6, "averaged over positions, it is lost"


def test_a_network_that_treats_both_sides_alike_has_no_bias(shared):  # noqa: F811
    """What its images show on either side it does see."""
    task, net = task_of(), symmetric()
    found = measure_laterality(run_of(net), task, "mean", ("relu",))
    table = laterality_table(study_of(), models_of(net), task, "mean",
                             ("relu",)).set_index("measure")
    for measure in ("Grad-CAM relu", "HiResCAM relu", OCCLUSION):
        original, mirrored = (found[f"{measure}/{view}"] for view in VIEWS)
        np.testing.assert_allclose(original, -mirrored, atol=2e-3)
        assert np.nanmax(np.abs(original)) > 0.05
        assert abs(table.loc[measure, "bias"]) < 1e-3
        assert table.loc[measure, "content"] == pytest.approx(np.nanmean(original), abs=2e-3)


def test_the_table_holds_means_over_images_that_both_views_can_tell_of(shared,  # noqa: F811
                                                                       monkeypatch):
    rng, asked = np.random.default_rng(0), []
    values = {f"{measure}/{view}": rng.uniform(-1, 1, 30) for measure in ("Grad-CAM relu",
                                                                          OCCLUSION)
              for view in VIEWS}
    values["Grad-CAM relu/original"][[3, 4]] = np.nan
    values["Grad-CAM relu/mirrored"][[4, 9]] = np.nan

    def fake(run, task, layer, layers):
        asked.append((run.name, task.name, layer, layers))
        return {name: one * (1 if run.condition.name == "pretrained" else 0.5)
                for name, one in values.items()}

    monkeypatch.setattr(saliency_study, "measure_laterality", fake)
    study = study_of(hemispheres="apart", rois=("V1v",), subjects=("A",))
    table = laterality_table(study, study.networks(["pretrained", "contrastive"]), task_of(), "fc",
                             ["relu"])
    assert table.columns.tolist() == ["donor", "seed", "roi", "hemisphere", "group", "condition",
                                      "measure", "original", "mirrored", "bias", "content",
                                      "low", "high", "n"]
    assert [one[1:] for one in asked] == [("colours", "fc", ("relu",))] * 3
    assert table["hemisphere"].tolist() == ["none"] * 2 + ["lh"] * 2 + ["rh"] * 2
    keep = np.setdiff1d(np.arange(30), [3, 4, 9])
    for row in table.to_dict("records"):
        rows = keep if row["measure"] == "Grad-CAM relu" else np.arange(30)
        one, other = (values[f"{row['measure']}/{view}"][rows] * (1 if row["donor"] == "none"
                                                                  else 0.5) for view in VIEWS)
        bias = (one + other) / 2
        expected = [one.mean(), other.mean(), bias.mean(), (one - other).mean() / 2,
                    *stats.t.interval(0.95, len(rows) - 1, bias.mean(), stats.sem(bias))]
        np.testing.assert_allclose([row[name] for name in (
            "original", "mirrored", "bias", "content", "low", "high")], expected, atol=1e-12)
        assert row["n"] == len(rows)


@pytest.mark.filterwarnings("error")
def test_a_measure_that_tells_of_no_image_is_unknown(shared, monkeypatch):  # noqa: F811
    nothing = {f"{OCCLUSION}/{view}": np.full(5, np.nan) for view in VIEWS}
    monkeypatch.setattr(saliency_study, "measure_laterality", lambda *_: nothing)
    (row,) = laterality_table(study_of(), models_of(network()), task_of(), "fc",
                              []).to_dict("records")
    assert row["n"] == 0
    assert np.isnan([row[name] for name in ("bias", "content", "low", "high", "original")]).all()
