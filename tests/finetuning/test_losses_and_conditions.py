"""What tuning learns from, and the heads that learn: against loops, against known information."""

from __future__ import annotations

import math
from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import nn

from helpers.config.contrastive_finetuning import FinetuningSpec
from helpers.core.errors import LabError
from helpers.finetuning.conditions import (
    CONDITIONS,
    build_model,
    default_learning_rate,
    get_condition,
    make_finetuning_config,
)
from helpers.finetuning.information_bound import (
    TEMPERATURE,
    TEMPERATURE_FACTORS,
    best_temperature_factor,
    infonce_bound_terms,
    information_bound,
)
from helpers.finetuning.models import (
    ContrastiveModel,
    FeatureExtractor,
    RegressionModel,
    head_widths,
)
from helpers.finetuning.training_loop import (
    FineTuningConfig,
    PixelNormalisation,
    SubjectPairs,
    train_model,
)
from helpers.training.losses import info_nce
from helpers.training.processes import single_thread

SPEC = FinetuningSpec("net", "net-untrained", rois=("PPA",), layers=("fc",), fixed_embedding_dim=7)


@pytest.fixture(autouse=True, scope="module")
def single():
    """Small sums are fastest on one thread."""
    with single_thread():
        yield


def embeddings(n=6, d=4, seed=0):
    """Images and responses of very different lengths, in float64."""
    generator = torch.Generator().manual_seed(seed)
    x, y = (torch.randn(n, d, generator=generator, dtype=torch.float64) for _ in range(2))
    lengths = torch.rand(n, 2, generator=generator, dtype=torch.float64) * 9
    return x * lengths[:, :1], y * lengths[:, 1:]


def loss_in_loops(x, y, tau) -> float:
    """Each image j among the responses i of the batch, as the spec writes it (3.1)."""
    def s(i: int, j: int) -> float:
        return float(y[i] @ x[j]) / (math.sqrt(float(y[i] @ y[i])) * math.sqrt(float(x[j] @ x[j])))

    n = len(x)
    return -sum(math.log(math.exp(s(j, j) / tau) / sum(math.exp(s(i, j) / tau) for i in range(n)))
                for j in range(n)) / n


def bound_in_loops(scores) -> float:
    """Sum the terms of the bound (authors' analysis code) with the largest score of each row taken
    off."""
    k, total = len(scores), 0.0
    for i, row in enumerate(scores):
        top = max(row)
        total += row[i] - top - math.log(sum(math.exp(c - top) for c in row) / k)
    return total / k


# ---- InfoNCE ------------------------------------------------------------------------------------

@pytest.mark.parametrize("tau", [0.3, 0.05, 2.0])
@pytest.mark.parametrize("seed", range(3))
def test_the_loss_is_the_published_formula_in_one_direction(tau, seed):
    x, y = embeddings(seed=seed)
    by_hand, other = loss_in_loops(x.numpy(), y.numpy(), tau), loss_in_loops(
        y.numpy(), x.numpy(), tau)
    assert abs(by_hand - other) > 1e-5, "a transposed softmax would be another number"
    assert info_nce(x, y, temperature=tau).item() == pytest.approx(by_hand, rel=1e-9)
    both = info_nce(x, y, temperature=tau, symmetric=True).item()
    assert both == pytest.approx((by_hand + other) / 2, rel=1e-9)


def test_the_default_temperature_is_the_published_one():
    x, y = embeddings()
    assert info_nce(x, y, temperature=TEMPERATURE).item() == pytest.approx(
        loss_in_loops(x.numpy(), y.numpy(), 0.3))


def test_the_gradient_is_that_of_an_independent_formula():
    """Worked out with exponentials and explicit norms, for images, responses, temperature."""
    inputs = [t.requires_grad_() for t in (*embeddings(), torch.tensor(0.4, dtype=torch.float64))]
    x, y, tau = inputs
    s = (y @ x.T) / (y.square().sum(1).sqrt()[:, None] * x.square().sum(1).sqrt())
    share = torch.exp(s / tau) / torch.exp(s / tau).sum(0)
    expected = torch.autograd.grad(-torch.log(torch.diagonal(share)).mean(), inputs)
    found = torch.autograd.grad(info_nce(x, y, temperature=tau), inputs)
    for ours, theirs in zip(found, expected):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-12)
    assert all(g.abs().max() > 1e-3 for g in found)


@pytest.mark.parametrize("symmetric", [False, True])
def test_the_gradient_is_that_of_finite_differences(symmetric):
    x, y = (t.requires_grad_() for t in embeddings(5, 3))
    gradient = torch.autograd.grad(info_nce(x, y, symmetric=symmetric, temperature=TEMPERATURE),
                                   (x, y))
    for which, place in ((0, (1, 2)), (0, (4, 0)), (1, (2, 1)), (1, (0, 0))):
        ends = []
        for step in (1e-5, -1e-5):
            moved = [x.detach().clone(), y.detach().clone()]
            moved[which][place] += step
            one, other = (loss_in_loops(a.numpy(), b.numpy(), 0.3)
                          for a, b in (moved, moved[::-1]))
            ends.append((one + other) / 2 if symmetric else one)
        slope = (ends[0] - ends[1]) / 2e-5
        assert gradient[which][place].item() == pytest.approx(slope, rel=1e-5, abs=1e-8)


def test_lengths_of_embeddings_do_not_count_and_chance_is_log_n():
    x, y = embeddings()
    longer = x * torch.linspace(0.1, 50, 6, dtype=torch.float64)[:, None]
    torch.testing.assert_close(info_nce(longer, y, temperature=TEMPERATURE),
                               info_nce(x, y, temperature=TEMPERATURE))
    same = torch.ones(6, 4)
    assert info_nce(same, same, temperature=TEMPERATURE).item() == pytest.approx(math.log(6),
                                                                                 rel=1e-6)
    assert info_nce(100 * torch.eye(6), torch.eye(6), temperature=0.01).item() < 1e-6


@pytest.mark.parametrize("x, y", [((1, 4), (1, 4)), ((5, 4), (5, 3)), ((5, 4), (6, 4)),
                                  ((5,), (5,)), ((5, 2, 2), (5, 2, 2))])
def test_embeddings_that_cannot_be_compared_are_refused(x, y):
    for compare in (partial(info_nce, temperature=TEMPERATURE), information_bound):
        with pytest.raises(LabError, match="embeddings(?s:.)*same shape(?s:.)*batches of 2"):
            compare(torch.ones(x), torch.ones(y))


# ---- bounds -------------------------------------------------------------------------------------

@given(seed=st.integers(0, 999), k=st.integers(2, 30), size=st.floats(-3, 5))
@settings(max_examples=40, deadline=None)
def test_no_bound_is_above_log_k_and_all_are_the_formula(seed, k, size):
    """Scores of any size, up to 10,000 nats, among them ties and a diagonal that always wins."""
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=(k, k)) * 10**size
    if seed % 3 == 0:
        scores = np.round(scores)
    if seed % 5 == 0:
        scores[np.diag_indices(k)] = np.abs(scores).max() + 1
    found = infonce_bound_terms(torch.from_numpy(scores))
    assert found.shape == (k,) and found.max().item() <= math.log(k) + 1e-9
    assert found.mean().item() == pytest.approx(bound_in_loops(scores.tolist()), rel=1e-9,
                                                abs=1e-9)
    assert infonce_bound_terms(torch.from_numpy(scores + 7)).mean().item() == pytest.approx(
        found.mean().item(), rel=1e-9, abs=1e-8), "only differences of scores count"


def test_the_bound_is_log_k_less_the_loss_and_reaches_both_of_its_ends():
    x, y = embeddings(40, 6)
    found = information_bound(x, y, temperature=0.3)
    assert found.uncalibrated == pytest.approx(
        math.log(40) - info_nce(x, y, temperature=TEMPERATURE).item(), rel=1e-9)
    assert found.n == 40
    eye = torch.eye(40)
    assert information_bound(eye, eye).calibrated == pytest.approx(math.log(40), abs=1e-9)
    flat = information_bound(torch.ones(40, 3), torch.ones(40, 3))
    assert flat.uncalibrated == pytest.approx(0,
                                              abs=1e-9) == flat.calibrated == flat.cross_validated


@pytest.mark.parametrize("seed", range(4))
def test_the_best_factor_is_that_of_all_the_thousand(seed):
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=(14, 14)) * (0.1, 1, 5, 40)[seed]
    scores += np.eye(14) * (0.2, 1, 0, 30)[seed]
    rows = np.sort(rng.permutation(14)[:9])
    values = [infonce_bound_terms(torch.from_numpy(scores / f))[rows].mean().item()
              for f in TEMPERATURE_FACTORS]
    assert best_temperature_factor(torch.from_numpy(scores),
                                   torch.from_numpy(rows)) == TEMPERATURE_FACTORS[
        int(np.argmax(values))]


def test_the_thousand_factors_are_those_of_the_spec():
    assert len(TEMPERATURE_FACTORS) == 1000
    np.testing.assert_allclose(TEMPERATURE_FACTORS, 10 ** (np.arange(1000) / 999 * 4 - 2))


@given(seed=st.integers(0, 999), k=st.integers(4, 24), signal=st.floats(0, 3))
@settings(max_examples=20, deadline=None)
def test_each_half_takes_the_other_halfs_factor_and_is_no_better_for_it(seed, k, signal):
    x, y = embeddings(k, 5, seed)
    y = y + signal * x
    found = information_bound(x, y, seed=seed)
    assert found.cross_validated <= found.calibrated + 1e-12
    assert found.uncalibrated <= found.calibrated + 1e-4, "1 lies between two of the factors"
    scores = torch.nn.functional.normalize(x) @ torch.nn.functional.normalize(y).T / 0.3
    values = [infonce_bound_terms(scores / temperature_factor).mean().item()
              for temperature_factor in TEMPERATURE_FACTORS[::9]]
    assert found.calibrated >= max(values) - 1e-12
    assert found.calibrated == pytest.approx(
        infonce_bound_terms(scores / found.temperature_factor).mean().item())
    order = np.random.default_rng(seed).permutation(k)
    one, other = order[:-(-k // 2)], order[-(-k // 2):]
    total = 0.0
    for mine, yours in ((one, other), (other, one)):
        temperature_factor = best_temperature_factor(scores, torch.from_numpy(yours))
        total += infonce_bound_terms(scores / temperature_factor)[mine].sum().item()
        # Where all are reported apart already, smaller factors differ by rounding alone.
        assume(infonce_bound_terms(scores / temperature_factor)[yours].mean().item() < math.log(k)
               - 1e-3)
    assert found.cross_validated == pytest.approx(total / k, rel=1e-9, abs=1e-12)


def test_what_a_half_prefers_does_not_leak_into_its_own_bound():
    """One half of the pairs is learned, the other is not: their best factors differ much."""
    order = np.random.default_rng(3).permutation(40)
    x = torch.eye(40, dtype=torch.float64)
    y = x.clone()
    y[order[:20]] = x[np.roll(order[:20], 1)]  # these are all wrong
    found = information_bound(x, y, seed=3)
    assert found.cross_validated < found.calibrated - 1
    assert information_bound(
        x, y, seed=4).cross_validated > found.cross_validated + 1, "mixed halves agree"


@pytest.mark.parametrize("spoil, words", [
    (lambda x: x[:3], "3 pairs(?s:.)*4 or more(?s:.)*hold more images out"),
    (lambda x: torch.where(torch.arange(len(x))[:, None] == 2, torch.nan, x), "not finite"),
    (lambda x: torch.where(torch.arange(len(x))[:, None] == 2, torch.inf, x), "not finite")])
def test_a_bound_of_too_few_or_of_broken_embeddings_is_refused(spoil, words):
    x, y = embeddings()
    with pytest.raises(LabError, match=words):
        information_bound(spoil(x), y[:len(spoil(x))])
    if "finite" in words:
        with pytest.raises(LabError, match=words):
            information_bound(y, spoil(x))


# ---- known information --------------------------------------------------------------------------

def gaussian_pairs(n: int, d: int, rho: float, seed: int):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, d))
    return x, rho * x + np.sqrt(1 - rho**2) * rng.normal(size=(n, d))


def information(d: int, rho: float) -> float:
    return -d / 2 * np.log(1 - rho**2)


def test_with_the_best_critic_the_bound_climbs_to_the_information_and_not_above():
    d, rho, n = 4, 0.9, 4096
    x, y = gaussian_pairs(n, d, rho, seed=0)

    def log_ratio(x, y):  # log p(y | x) / p(y) of each x (row) and each y (column)
        far = (rho * x) ** 2 @ np.ones((d, 1)) + (y**2).sum(1) - 2 * rho * x @ y.T
        return information(d, rho) - far / (2 * (1 - rho**2)) + (y**2).sum(1) / 2

    bounds = []
    for k in (16, 64, 256, 1024):
        terms = np.concatenate([infonce_bound_terms(torch.from_numpy(log_ratio(
            x[i:i + k], y[i:i + k]))).numpy() for i in range(0, n, k)])
        error = terms.std() / np.sqrt(n)
        bounds.append(terms.mean())
        assert terms.mean() < min(math.log(k), information(d, rho) + 3 * error)
    assert (np.diff(bounds) > 0.05).all()
    assert bounds[0] < information(d, rho) - 1 and bounds[-1] > information(d, rho) - 0.25


@pytest.mark.parametrize("rho", [0.9, 0.0])
def test_a_trained_model_finds_information_where_there_is_some_and_none_where_there_is_none(rho):
    n, n_train, d = 1024, 768, 3
    x, y = gaussian_pairs(n, d, rho, seed=1)
    pixels = np.clip(128 + 30 * x.repeat(4, 1), 0, 255).astype(np.uint8).reshape(n, d, 2, 2)
    voxels = 0.3 * y @ np.random.default_rng(2).normal(size=(d, 40))  # nothing lost: 3 into 40
    pairs = SubjectPairs("A", pixels[:n_train], np.arange(n_train),
                         voxels[:n_train].astype(np.float32))
    scale = PixelNormalisation((0.5,) * 3, (0.25,) * 3)
    torch.manual_seed(0)
    model = ContrastiveModel(FeatureExtractor(nn.Sequential(nn.Flatten(), nn.Linear(12, 16))), 16,
                             {"A": 40},
                             hidden=32, embedding=8)
    losses = train_model(model, [pairs], FineTuningConfig(12, 64, 3e-3), scale, seed=0)
    with torch.no_grad():
        found = information_bound(
            model.embed_images(scale(pixels[n_train:], torch.device("cpu"))),
            model.embed_responses(torch.from_numpy(voxels[n_train:]).float(), "A"))
    assert losses[-1] < losses[0]
    if rho:
        assert 0.5 < found.cross_validated <= found.calibrated < information(d, rho)
    else:
        assert found.uncalibrated < 0 and abs(found.cross_validated) < 0.02


# ---- heads --------------------------------------------------------------------------------------

def test_widths_are_the_published_ones():
    assert head_widths({"S1": 632}) == (505, 126)
    assert head_widths({"S1": 700, "S2": 601}, pooled=True) == (650, 162)  # mean 650.5
    assert head_widths({"S1": 700, "S2": 601}, pooled=True, const=5741) == (5741, 1435)
    assert head_widths({"S1": 632}, embedding=64) == (505, 64)
    assert head_widths({"S1": 20}) == (16, 4) and head_widths({"S1": 5}) == (4, 1)


def test_a_region_that_would_leave_no_dimension_is_refused():
    with pytest.raises(LabError, match="head of 3 units and 0 dimensions(?s:.)*20 voxels or more"):
        head_widths({"S1": 4})
    with pytest.raises(LabError, match="0 dimensions"):
        head_widths({"S1": 3, "S2": 3}, pooled=True)
    assert head_widths({"S1": 4}, embedding=8) == (3, 8)


def shapes(module: nn.Module) -> list[tuple]:
    """List the layers of a head: what they are, and their sizes."""
    return [(type(m).__name__, *((m.in_features, m.out_features, m.bias is not None)
                                 if isinstance(m, nn.Linear) else
                                 (m.num_features,) if isinstance(m, nn.BatchNorm1d) else ()))
            for m in module.modules() if not isinstance(m, nn.Sequential)]


def small_backbone(seed=0) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(3, 4, 3, 2), nn.ReLU(inplace=True), nn.Flatten(),
                         nn.Linear(36, 10))


def built(condition: str, voxels=None, *, max_voxels=0, seed=0, **changes) -> nn.Module:
    spec = FinetuningSpec("net", "net-untrained", rois=("PPA",), layers=("fc",),
                          **{"fixed_embedding_dim": 7, **changes})
    return build_model(CONDITIONS[condition], small_backbone(), voxels or {"A": 30}, spec,
                       image_size=8, max_voxels=max_voxels, seed=seed)


G = [("Linear", 24, 24, True), ("BatchNorm1d", 24), ("ReLU",)] * 2


@pytest.mark.parametrize("condition, z", [("contrastive", 6), ("contrastive, fixed z", 7),
                                          ("shuffled", 6)])
def test_the_contrastive_model_is_two_maps_without_bias_and_one_head(condition, z):
    model = built(condition)
    assert shapes(model.head) == [*G, ("Linear", 24, z, False)]
    assert shapes(model.from_images) == [("Linear", 10, 24, False)]
    assert shapes(model.from_responses["A"]) == [("Linear", 30, 24, False)]
    assert float(model.temperature) == pytest.approx(0.3)
    assert not model.log_temperature.requires_grad


def test_pooled_models_share_all_but_one_map_a_participant():
    model = built("pooled, avg", {"A": 30, "B": 21})
    assert shapes(model.head)[-1] == ("Linear", 25, 6, False)
    assert {name: shapes(m)[0] for name, m in model.from_responses.items()} == {
        "A": ("Linear", 30, 25, False), "B": ("Linear", 21, 25, False)}
    wide = built("pooled, const", {"A": 30, "B": 21}, max_voxels=41)
    assert shapes(wide.head)[-1] == ("Linear", 41, 10, False)
    assert shapes(wide.from_images) == [("Linear", 10, 41, False)]


def test_regression_is_one_layer_or_the_contrastive_models_own_head():
    assert shapes(built("regression").predict) == [("Linear", 10, 30, True)]
    assert shapes(built("regression, same head").predict) == [
        ("Linear", 10, 24, False), *G, ("Linear", 24, 30, True)]


def test_images_and_responses_pass_through_the_head_apart():
    """Each embedding is what the layers make of its own batch alone, written out by hand."""
    model = built("contrastive").train()
    images, responses = torch.randn(9, 3, 8, 8), 50 * torch.randn(9, 30) + 20

    def by_hand(x):
        weights = [p for p in model.head.parameters()]
        for k in (0, 4):
            x = x @ weights[k].T + weights[k + 1]
            x = (x - x.mean(0)) / (x.var(0, unbiased=False) + 1e-5).sqrt()
            x = (x * weights[k + 2] + weights[k + 3]).clamp(min=0)
        return x @ weights[8].T

    z_x, z_y = model(images, responses, "A")
    torch.testing.assert_close(
        z_x, by_hand(model.feature_extractor(images) @ model.from_images.weight.T),
                               rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(z_y, by_hand(responses @ model.from_responses["A"].weight.T),
                               rtol=1e-4, atol=1e-5)
    assert model.loss(z_x, z_y).item() == pytest.approx(info_nce(z_x, z_y,
                                                                 temperature=TEMPERATURE).item())


def test_every_call_of_the_head_moves_the_one_set_of_running_statistics():
    model = built("contrastive").train()
    model(torch.randn(9, 3, 8, 8), torch.randn(9, 30), "A")
    assert [int(m.num_batches_tracked) for m in model.head if isinstance(m, nn.BatchNorm1d)] == [
        2, 2]


@pytest.mark.parametrize("condition", ["contrastive", "pooled, avg", "regression",
                                       "regression, same head"])
def test_the_whole_network_learns(condition):
    model = built(condition).train()
    model.loss(*model(torch.randn(9, 3, 8, 8), torch.randn(9, 30), "A")).backward()
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad is not None and parameter.grad.abs().max() > 0, name


def test_regression_loss_is_the_mean_squared_error():
    model = RegressionModel(FeatureExtractor(small_backbone()), 10, 5)
    images, y = torch.randn(4, 3, 8, 8), torch.randn(4, 5)
    predicted, measured = model(images, y, "whoever")
    torch.testing.assert_close(predicted, model.feature_extractor(images) @ model.predict.weight.T
                               + model.predict.bias)
    by_hand = sum((a - b) ** 2 for a, b in zip(predicted.flatten().tolist(),
                                               y.flatten().tolist())) / 20
    assert model.loss(predicted, measured).item() == pytest.approx(by_hand, rel=1e-5)


def test_settings_reach_the_loss():
    x, y = (t.float() for t in embeddings())
    plain = built("contrastive", temperature=0.7)
    assert plain.loss(x, y).item() == pytest.approx(info_nce(x, y, temperature=0.7).item())
    both = built("contrastive", symmetric=True)
    assert both.loss(x, y).item() == pytest.approx(info_nce(x, y, symmetric=True,
                                                            temperature=TEMPERATURE).item())
    learned = built("contrastive", learned_temperature=True)
    learned.loss(x, y).backward()
    assert learned.log_temperature.grad.abs() > 0


# ---- where the head is attached -----------------------------------------------------------------

@pytest.mark.parametrize("path, n_units", [("", 10), ("0", 36), ("1", 36), ("3", 10)])
def test_a_head_reads_the_network_at_any_layer(path, n_units):
    backbone = small_backbone()
    images = torch.randn(4, 3, 8, 8)
    conv = nn.functional.conv2d(images, backbone[0].weight, backbone[0].bias, stride=2).flatten(1)
    linear = torch.relu(conv) @ backbone[3].weight.T + backbone[3].bias
    expected = {"": linear, "0": conv, "1": torch.relu(conv), "3": linear}[path]
    torch.testing.assert_close(FeatureExtractor(backbone, path)(images), expected)
    model = built("contrastive", head_layer=path)
    assert model.from_images.in_features == n_units


def test_layers_behind_the_attached_one_do_not_learn():
    model = built("regression", head_layer="1").train()
    model.loss(*model(torch.randn(9, 3, 8, 8), torch.randn(9, 30), "A")).backward()
    assert model.feature_extractor.backbone[0].weight.grad.abs().max() > 0
    assert model.feature_extractor.backbone[3].weight.grad is None


# ---- kinds --------------------------------------------------------------------------------------

def test_first_weights_follow_the_seed_and_leave_the_global_state_alone():
    torch.manual_seed(5)
    small_backbone()
    before = torch.get_rng_state()
    torch.manual_seed(5)
    one = built("contrastive", seed=1)
    torch.set_rng_state(before)
    backbone = small_backbone()
    before = torch.get_rng_state()
    build_model(CONDITIONS["contrastive"], backbone, {"A": 30}, SPEC, image_size=8, max_voxels=0,
                seed=1)
    assert torch.equal(torch.get_rng_state(), before)
    again, other = built("contrastive", seed=1), built("contrastive", seed=2)
    for name, tensor in one.head.state_dict().items():
        assert torch.equal(again.head.state_dict()[name], tensor)
    assert not torch.equal(one.head[0].weight, other.head[0].weight)


def test_kinds_have_the_published_budgets_and_the_same_head_the_contrastive_one():
    found = {name: make_finetuning_config(condition, SPEC, default_learning_rate(condition, SPEC))
             for name, condition in CONDITIONS.items()}
    assert (found["contrastive"].epochs, found["contrastive"].learning_rate) == (30, 1e-4)
    assert (found["regression"].epochs, found["regression"].learning_rate) == (75, 2.5e-5)
    assert found["regression, same head"] == found["contrastive"] == found["pooled, const"]
    assert {config.batch_size for config in found.values()} == {1024}
    assert make_finetuning_config(CONDITIONS["pooled, avg"], FinetuningSpec(
        "n", "u", ("PPA",), ("fc",), interleaved=True), 1.0).interleaved


def test_an_unknown_kind_is_refused_and_a_near_one_suggested():
    with pytest.raises(LabError, match="no condition 'contrastiv'(?s:.)*pretrained(?s:.)*"
                       "contrastive"):
        get_condition("contrastiv")
    assert get_condition("pretrained").objective == "none" and not get_condition(
        "untrained").from_pretrained
